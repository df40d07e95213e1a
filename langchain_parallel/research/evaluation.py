"""Judging an answer: is it good enough, and if not, what is to be asked next?

An evaluation is a function of the state that returns a `Verdict`, or None to accept; it may be
asynchronous. `by_evidence` is the built-in one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias, cast

from ..errors import InvalidRequest
from .state import ResearchState, Turn, Verdict

Evaluate: TypeAlias = Callable[[ResearchState], "Verdict | Awaitable[Verdict | None] | None"]

_ACTIONS = ("accept", "follow_up", "stop")
_WORDS = ("action", "reason", "question", "continue_from", "processor")


def by_evidence(state: ResearchState) -> Verdict:
    """Ask again, by name, for the fields whose confidence is low or that no citation supports."""
    turn = state["turns"][-1]
    if turn["status"] != "completed":
        return Verdict(action="stop", reason=turn["error"] or f"The run ended as {turn['status']}.")
    if not turn["weak_fields"]:
        return Verdict(action="accept", reason="Every field is cited, and none has low confidence.")
    reason = "; ".join(_weakness(turn, field) for field in turn["weak_fields"])
    return Verdict(action="follow_up", reason=reason, question=_again(turn))


def _weakness(turn: Turn, field: str) -> str:
    low = turn["confidence"].get(field) == "low"
    return f"{field}: {'low confidence' if low else 'no citation'}"


def _again(turn: Turn) -> str:
    fields = turn["weak_fields"]
    if fields == ["output"]:
        return "Verify your last answer with further, independent sources, and correct it where it is wrong."
    return (
        f"In your last answer these fields are not well supported: {', '.join(fields)}. Research each of "
        "them again with further, independent sources, and correct them where they are wrong."
    )


def checked(verdict: object) -> Verdict:
    """A caller's verdict, once it is known to be one; None accepts.

    Raises:
        InvalidRequest: It is none, which would otherwise be seen only later, or never.
    """
    if verdict is None:
        return Verdict(action="accept")
    problems = _problems(verdict)
    if problems:
        raise InvalidRequest(
            [f"The evaluation's verdict is not usable: {problem}" for problem in problems],
            hint="The answer it judged is kept; correct the function and resume the thread.",
        )
    return cast(Verdict, dict(cast(Mapping[str, Any], verdict)))


def _problems(verdict: object) -> list[str]:
    if not isinstance(verdict, Mapping):
        return [
            f"it is a {type(verdict).__name__}; return a dict such as {{'action': 'accept'}}, or None."
        ]
    problems = []
    if verdict.get("action") not in _ACTIONS:
        problems.append(
            f"action {verdict.get('action')!r} is unknown; {', '.join(_ACTIONS)} are allowed."
        )
    unknown = sorted(set(verdict) - set(_WORDS))
    if unknown:
        problems.append(f"{', '.join(unknown)} mean(s) nothing; {', '.join(_WORDS)} are allowed.")
    wrong = [k for k in _WORDS if not isinstance(verdict.get(k) or "", str)]
    if wrong:
        problems.append(f"{', '.join(wrong)} must be text.")
    elif verdict.get("action") == "follow_up" and not (verdict.get("question") or "").strip():
        problems.append("a follow_up needs a question.")
    return problems
