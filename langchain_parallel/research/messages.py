"""A session as a chat: the last human message is the question, and an `AIMessage` the answer.

Rule: a message is asked once, and one whose text was edited is another. The turn that asks it holds its key,
and the answer's id is made from that, so that a replay finds both.
Rule: an answer is untrusted. It is Markdown in which no text of the web makes a link, a heading or a mark.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, cast

from langchain_core.messages import (
    AIMessage,
    AnyMessage,
    BaseMessage,
    HumanMessage,
    RemoveMessage,
    convert_to_messages,
)

from ..errors import InvalidRequest
from ..findings import Findings
from ..text.finding_notes import finding_notes
from ..text.markdown import UNVERIFIED, answer_markdown, escape_line, unmarked_line
from ..text.result import DEFAULT_MAX_CHARS, weak_points
from ..text.untrusted import ERROR_CHARS
from .answering import all_of, findings_channel, is_answered, turns_in
from .evaluation import last_round
from .state import ResearchState, Turn, Verdict, is_elsewhere
from .usage import spent_usd

_NO_TEXT = (
    "The last message has no text, so there is no question. Only text is researched: describe in words what "
    "is to be found out. Nothing was sent."
)
_FRAME_CHARS = 1_000
"""Room for what stands around an answer."""
_ANSWER, _ID_CHARS = "research-", 32


# --- the question --------------------------------------------------------------------------------


def asked_message(state: ResearchState) -> HumanMessage | None:
    """The last human message, if it is still to be asked."""
    human = _last_human(state)
    return None if human is None or not human.id or _is_asked(state, human) else human


def has_answer(state: ResearchState) -> bool:
    """Whether the last human message has been answered."""
    human = _last_human(state)
    return human is not None and any(
        m.id == _answer_id(message_key(human)) for m in _messages_of(state)
    )


def unanswered_turn(state: ResearchState) -> Turn | None:
    """The last turn of the last human message, where that was asked and the chat has no answer to it: it was
    taken out, or the message came again before there was one.
    """
    human, asked = _last_human(state), list(_since_question(state.get("turns") or []))
    if human is None or not asked or has_answer(state):
        return None
    return asked[-1] if asked[0].get("message_key") == message_key(human) else None


def message_key(message: BaseMessage) -> str:
    """What tells a message apart: its id and its text."""
    return _digest(f"{message.id}\0{message.text}")


def message_text(message: BaseMessage) -> str:
    """The text of a message, that of its blocks included.

    Raises:
        InvalidRequest: It has none.
    """
    if not (text := str(message.text).strip()):
        raise InvalidRequest([_NO_TEXT])
    return text


def _is_asked(state: ResearchState, message: BaseMessage) -> bool:
    turns, key = [*(state.get("turns") or ()), *_open_turns(state)], message_key(message)
    return has_answer(state) or any(turn.get("message_key") == key for turn in turns)


def _open_turns(state: ResearchState) -> list[Turn]:
    one = state.get("pending")
    return [*([] if one is None else [one]), *(state.get("branches") or ())]


def _last_human(state: ResearchState) -> HumanMessage | None:
    return next((m for m in reversed(_messages_of(state)) if isinstance(m, HumanMessage)), None)


def _messages_of(state: ResearchState) -> list[AnyMessage]:
    return cast("list[AnyMessage]", _messages(state.get("messages")))


def _messages(value: object) -> list[BaseMessage]:
    """They are plain JSON in a step that another process runs, as with Temporal's plugin."""
    given = value if isinstance(value, list) else []
    return [
        one if isinstance(one, BaseMessage) else convert_to_messages([one])[0]
        for one in given
        if isinstance(one, BaseMessage | dict)
    ]


# --- the answer ----------------------------------------------------------------------------------


def answer_update(
    state: ResearchState, verdict: Verdict, found: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The update of the state with the findings and the message that end a question.

    Args:
        state: With all turns of the question.
        verdict: How it ended.
        found: The update of the findings, where it is made already.
    """
    unsent = [turn for turn in _open_turns(state) if turn["asked_by"] == "caller"]
    asked = [] if unsent else list(_since_question(state.get("turns") or []))
    findings = (found or findings_channel(state))["findings"] if asked else None
    content = "\n\n".join(_parts(asked, findings, verdict))
    first = [*unsent, *asked]
    about = first[0].get("message_key") or first[0]["key"] if first else None
    message = _message(about, asked, content, verdict)
    return {"findings": findings, **_messages_update(state, message)}


def refusal_update(state: ResearchState, reason: str) -> dict[str, Any]:
    """The same for a message that cannot be asked."""
    verdict = Verdict(action="stop", reason=reason)
    human = asked_message(state)
    content = "\n\n".join(_parts([], None, verdict))
    message = _message(message_key(human) if human else None, [], content, verdict)
    return {
        "answer": None,
        "findings": None,
        "verdict": verdict,
        **_messages_update(state, message),
    }


def _since_question(turns: Sequence[Turn]) -> Iterator[Turn]:
    """The turns from the last one that a caller has asked."""
    own = [turn for turn in turns if not is_elsewhere(turn)]
    first = max((n for n, turn in enumerate(own) if turn.get("asked_by") == "caller"), default=0)
    yield from own[first:]


def _message(about: str | None, asked: Sequence[Turn], content: str, verdict: Verdict) -> AIMessage:
    completed = [turn for turn in asked if turn["status"] == "completed"]
    metadata: dict[str, Any] = {
        "interaction_id": completed[-1]["interaction_id"] if completed else None,
        "run_ids": [turn["run_id"] for turn in asked if turn["run_id"]],
        "cost_usd": spent_usd(asked),
        "action": verdict["action"],
    }
    return AIMessage(content, id=_answer_id(about), response_metadata=metadata)


def _answer_id(about: str | None) -> str:
    return f"{_ANSWER}{_digest(about or '')}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:_ID_CHARS]


def without_answer(state: ResearchState) -> dict[str, Any]:
    """The update that takes the last answer out, where there is no chat: the turns have it, and each
    checkpoint until the next answer would repeat it.
    """
    given = _messages_of(state)
    if any(isinstance(one, HumanMessage) for one in given):
        return {}
    ids = [one.id for one in given if one.id]
    old = [RemoveMessage(id=id) for id in ids if id.startswith(_ANSWER)]
    return {"messages": old} if old else {}


def _messages_update(state: ResearchState, message: AIMessage) -> dict[str, Any]:
    """No message comes between a model's tool call and what answers it."""
    given = _messages_of(state)
    is_call = bool(given) and bool(getattr(given[-1], "tool_calls", None))
    return {} if is_call else {"messages": [message]}


def _parts(asked: Sequence[Turn], found: Findings | None, verdict: Verdict) -> Iterator[str]:
    last = last_round(list(asked)) if asked else []
    answers = [one for one in all_of(found) if is_answered(one)]
    if answers:
        yield UNVERIFIED
    for one in answers:
        if len(answers) > 1:
            yield f"### {unmarked_line(one['question'])}"
        yield from _answer(one, asked, DEFAULT_MAX_CHARS // len(answers))
    for turn in last:
        if turn["status"] != "completed":
            yield f"There is no answer (status {escape_line(turn['status'])}). {_error(turn)}".strip()
    if verdict["action"] == "stop" and (reason := verdict.get("reason")):
        what = "The research stopped" if asked else "Nothing was researched"
        yield f"{what}: {unmarked_line(reason[:ERROR_CHARS])}"


def _error(turn: Turn) -> str:
    return unmarked_line((turn["error"] or "")[:ERROR_CHARS])


def _answer(found: Findings, asked: Sequence[Turn], max_chars: int) -> Iterator[str]:
    """An answer with the numbers that its sources have in the whole session."""
    from ..findings import as_evidence

    evidence, turns = as_evidence(found), turns_in(found, asked)
    warnings = dict.fromkeys(warning for turn in turns for warning in turn["warnings"])
    told = (f"Warning: {warning}" for warning in warnings)
    notes = [*weak_points(evidence), *finding_notes(found), *told]
    text = answer_markdown(evidence, notes, max_chars - _FRAME_CHARS)
    yield text.answer
    if text.notes:
        yield text.notes
    if text.citations:
        yield "Sources:\n\n" + "\n".join(text.citations)
    if text.left_out:
        what, runs = ", ".join(text.left_out), [turn["run_id"] for turn in turns]
        is_one = len(runs) == 1 and runs[0]
        where = f"Run {escape_line(runs[0])}" if is_one else "The session's state"
        yield f"Left out: {what}. {where} has all of it."
