"""Verdicts: what one may say, and what it asks.

Rule: the graph can act on every verdict that passes here. A wrong one is refused with all its faults, and
the answer it judged is kept.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

from ..._core.kinds import kind_of
from ..._core.payloads import storable, unstorable
from ..._core.plain_text import count, cut
from ...errors import InvalidRequest
from ..state import Question, Verdict

MAX_QUESTIONS = 20
"""Questions of one branch."""

_REASON_CHARS = 4_000
"""Characters; it is kept with every turn of its round."""

_QUESTION = ("question", "continue_from", "processor", "output_schema")
_WORDS: Mapping[str, tuple[str, ...]] = {
    "accept": (),
    "follow_up": _QUESTION,
    "branch": ("questions",),
    "review": ("proposal",),
    "stop": (),
}
"""The keys of each action, in addition to the common ones."""
_COMMON = "action", "reason", "decided_by", "unsupported"


def check_verdict(verdict: object, *, head: str | None = None) -> Verdict:
    """The verdict as plain JSON; None accepts.

    Args:
        verdict: What an evaluator or a person returned.
        head: The session's interaction, which a question continues from unless it names another one.

    Raises:
        InvalidRequest: It is no usable verdict.
    """
    if verdict is None:
        return Verdict(action="accept")
    problems = list(_problems(verdict, head))
    if isinstance(verdict, Mapping) and not problems:
        problems = unstorable({name: verdict[name] for name in verdict if name != "reason"})
    if problems:
        raise InvalidRequest(
            [f"The verdict is not usable: {problem}" for problem in problems],
            hint="The answer it judged is kept; correct the function and resume the thread.",
        )
    return cast(Verdict, _plain(verdict))


def questions_of(verdict: Verdict) -> list[Question]:
    """What a verdict asks: one question for a follow-up, several for a branch, else none."""
    if verdict["action"] == "branch":
        return list(verdict["questions"])
    if verdict["action"] != "follow_up":
        return []
    return [cast(Question, {name: verdict[name] for name in _QUESTION if name in verdict})]  # type: ignore[literal-required]  # mypy does not follow the tuple


def ask_verdict(questions: Sequence[Question], reason: str) -> Verdict:
    """The verdict that asks these: a follow-up for one, a branch for the first 20 of several."""
    if len(questions) == 1:
        return cast(Verdict, {"action": "follow_up", "reason": reason, **questions[0]})
    left_out = len(questions) - MAX_QUESTIONS
    if left_out > 0:
        reason += f" ({count(left_out, 'more question is', 'more questions are')} left out.)"
    return Verdict(action="branch", reason=reason, questions=list(questions[:MAX_QUESTIONS]))


def question_key(question: Mapping[str, Any], head: str | None) -> str:
    """A text that is equal for two questions that would buy the same answer."""
    plain = {**_plain(question), "continue_from": question.get("continue_from") or head}
    plain["question"] = " ".join(plain["question"].split())
    return json.dumps(plain, sort_keys=True)


# --- what is wrong with it -----------------------------------------------------------------------


def _problems(verdict: object, head: str | None, *, proposed: bool = False) -> Iterator[str]:
    if not isinstance(verdict, Mapping):
        yield (f"it is {kind_of(verdict)}; return a dict such as {{'action': 'accept'}}, or None.")
        return
    action = verdict.get("action")
    actions = [name for name in _WORDS if not (proposed and name == "review")]
    if not isinstance(action, str) or action not in actions:
        yield f"action {action!r} is unknown; {', '.join(actions)} are allowed."
        return
    yield from _foreign(verdict, (*_COMMON, *_WORDS[action]), action)
    yield from _not_text(verdict, "reason")
    if verdict.get("decided_by") not in (None, "person"):
        yield "decided_by may only be 'person'."
    counts = verdict.get("unsupported")
    if counts is not None and not _is_counts(counts):
        yield "unsupported must be a dict of interaction ids and numbers from 0 up."
    if action == "follow_up":
        yield from _wrong_question(verdict, "a follow_up")
    if action == "branch":
        yield from _wrong_branch(verdict.get("questions"), head)
    if action == "review" and verdict.get("proposal") is not None:
        for problem in _problems(verdict["proposal"], head, proposed=True):
            yield f"in its proposal, {problem}"


def _wrong_branch(questions: object, head: str | None) -> Iterator[str]:
    if not isinstance(questions, list | tuple):
        yield "a branch needs `questions`, a list of dicts such as {'question': '…'}."
        return
    if len(questions) < 2:
        yield f"a branch needs at least two questions, {len(questions)} given; use follow_up for one."
    if len(questions) > MAX_QUESTIONS:
        yield f"a branch may ask {MAX_QUESTIONS} questions, and {len(questions)} are given."
    seen: dict[str, int] = {}
    for number, question in enumerate(questions, start=1):
        name = f"question {number}"
        if not isinstance(question, Mapping):
            yield f"{name} is {kind_of(question)}; give a dict such as {{'question': '…'}}."
            continue
        problems = [*_foreign(question, _QUESTION, name), *_wrong_question(question, name)]
        yield from problems
        if (
            not problems
            and (first := seen.setdefault(question_key(question, head), number)) != number
        ):
            yield f"{name} is the same as question {first}, and would be paid for twice."


def _foreign(given: Mapping[str, Any], allowed: Sequence[str], where: str) -> Iterator[str]:
    unknown = sorted(str(name) for name, value in given.items() if value is not None)
    unknown = [name for name in unknown if name not in allowed]
    if unknown:
        mean = "means" if len(unknown) == 1 else "mean"
        yield f"{', '.join(unknown)} {mean} nothing in {where}; {', '.join(allowed)} are allowed."


def _wrong_question(given: Mapping[str, Any], where: str) -> Iterator[str]:
    if not isinstance(given.get("question") or "", str):
        yield from _not_text(given, "question")
    elif not (given.get("question") or "").strip():
        yield f"{where} needs a question."
    yield from _not_text(given, "continue_from", "processor")
    schema = given.get("output_schema")
    if schema is not None and not (isinstance(schema, str | dict) and _is_json(schema)):
        yield (
            "output_schema must be a JSON schema as a dict, or a description as text; of a pydantic "
            "class, give `model_json_schema()`."
        )


def _is_counts(given: object) -> bool:
    pairs = given.items() if isinstance(given, Mapping) else [(None, None)]
    return all(isinstance(id, str) and type(n) is int and n >= 0 for id, n in pairs)


def _not_text(given: Mapping[str, Any], *names: str) -> Iterator[str]:
    wrong = [name for name in names if not isinstance(given.get(name) or "", str)]
    if wrong:
        yield f"{', '.join(wrong)} must be text."


def _is_json(value: object) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return False
    return True


# --- plain JSON ----------------------------------------------------------------------------------


def _plain(given: object) -> Any:
    """A copy without what is None, its questions without blanks around them."""
    known = cast(Mapping[str, Any], given)
    kept = {name: value for name, value in known.items() if value is not None}
    return {
        name: _COPIED[name](value) if name in _COPIED else value for name, value in kept.items()
    }


_COPIED: Mapping[str, Callable[[Any], Any]] = {
    "reason": lambda reason: storable(cut(reason, _REASON_CHARS))[0],
    "unsupported": dict,
    "question": str.strip,
    "questions": lambda questions: [_plain(question) for question in questions],
    "proposal": _plain,
    "output_schema": lambda schema: json.loads(json.dumps(schema)),
}
