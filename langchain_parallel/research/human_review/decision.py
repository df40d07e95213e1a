"""What a person answers: asked until it is valid, and what follows from it.

Rule: an answer that is not understood is refused with the reason, the question stays open, and nothing is
spent.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from itertools import count as count_up
from typing import Any, TypeVar, cast

from langchain_core.runnables import RunnableConfig

from ..._core.calls import Calls
from ..._core.plain_text import count
from ..._graph.run_config import RunConfig
from ..._graph.runtime import answers_so_far, ask_person, task_of, thread_id_of
from ..._session_options import check_session_limits
from ...errors import InvalidRequest
from ...processors import price_usd
from ..spending_rules import may_approve
from ..state import Turn, Verdict
from .schemas import QUESTION_ARGS, HumanAnswer, HumanDecision, HumanRequest, response_schema

_TAKES = {
    "approve": (),
    "edit": ("edited_action",),
    "reject": ("message",),
    "respond": ("message",),
}
"""The keys of each decision, in addition to its type."""
T = TypeVar("T")
TurnT = TypeVar("TurnT", bound=Turn)


def ask_until_valid(
    config: RunnableConfig,
    request: HumanRequest,
    decide: Callable[[HumanAnswer, bool], Calls[T]],
    door: RunConfig,
) -> Calls[T]:
    """What `decide` makes of a person's answer, and of whether that person may spend money. The step ends
    with an interrupt until there is an answer, and again after each answer that is refused.
    """
    for nth in count_up():
        answer = _as_stored(ask_person(config, request, response_schema(request)))
        may = yield from _may_approve(door, config, nth, answer)
        try:
            return (yield from decide(parse_answer(answer, request), may))
        except InvalidRequest as error:
            request = {**request, "refused": list(error.problems)}
    raise AssertionError("There is always a next answer.")


def _may_approve(door: RunConfig, config: RunnableConfig, nth: int, answer: Any) -> Calls[bool]:
    """Whether the person who gave the nth answer to this step may spend money.

    It is recorded when the answer is first read: the step runs again under the config of whoever resumes the
    thread next. An answer that was never read, before the one of this call, is nobody's.
    """
    if door.limits.approvers is None:
        return True
    name = f"answer {task_of(config)} {nth}"
    said = json.dumps(answer, sort_keys=True, default=str)
    seals, known = door.clients.seals, (yield from door.records.get(config, name))
    if known and seals.holds(known.get("seal"), name, known["may"], thread_id_of(config), said):
        return bool(known["may"])
    may = nth + 1 == answers_so_far(config) and may_approve(door.limits, config)
    seal = seals.of(name, may, thread_id_of(config), said)
    yield from door.records.put(config, name, {"may": may, "seal": seal})
    return may


def _as_stored(answer: Any) -> Any:
    """An answer as LangGraph stores it: lone surrogates become `?`.

    Whenever the step runs again, the stored answer is parsed; another question then would be a second run.
    """
    if isinstance(answer, str):
        return answer.encode("utf-8", "replace").decode()
    if isinstance(answer, dict):
        return {_as_stored(name): _as_stored(value) for name, value in answer.items()}
    return [_as_stored(one) for one in answer] if isinstance(answer, list) else answer


def parse_answer(answer: object, request: HumanRequest) -> HumanAnswer:
    """A checked answer.

    Raises:
        InvalidRequest: It is no answer to this request; the error says what is allowed.
    """
    actions = request["action_requests"]
    decisions = _decisions(answer)
    if len(decisions) != len(actions):
        raise _refusal(
            f"{count(len(actions), 'decision is', 'decisions are')} needed, in the order asked; "
            f"{len(decisions)} came."
        )
    allowed = request["review_configs"][0]["allowed_decisions"]
    problems = [p for decision in decisions for p in _problems_of(decision, allowed)]
    if isinstance(answer, Mapping) and "decisions" in answer:
        problems += _foreign(answer, ("decisions", "limits"), "an answer")
    if problems:
        raise _refusal(*problems)
    given = HumanAnswer(decisions=cast("list[HumanDecision]", decisions))
    if isinstance(answer, Mapping) and answer.get("limits") is not None:
        given["limits"] = check_session_limits(answer["limits"])
    return given


def _refusal(*problems: str) -> InvalidRequest:
    return InvalidRequest(problems, hint="Nothing was spent; the question is still open.")


def _decisions(answer: object) -> list[Any]:
    if isinstance(answer, Mapping) and isinstance(answer.get("decisions"), list):
        return list(answer["decisions"])
    if isinstance(answer, list):
        return answer
    if isinstance(answer, Mapping) and "type" in answer:
        return [{name: value for name, value in answer.items() if name != "limits"}]
    raise _refusal('An answer looks like {"decisions": [{"type": "approve"}]}.')


def _problems_of(decision: object, allowed: Sequence[str]) -> list[str]:
    if not isinstance(decision, Mapping):
        return ['A decision is an object such as {"type": "approve"}.']
    kind: Any = decision.get("type")
    message = decision.get("message")
    if kind not in allowed:
        return [f"The decision {str(kind)[:40]!r} is unknown; {', '.join(allowed)} are allowed."]
    if foreign := _foreign(decision, ("type", *_TAKES[kind]), f"the decision {kind!r}"):
        return foreign
    if message is not None and not isinstance(message, str):
        return ["A decision's message must be text."]
    if kind == "respond" and not (message or "").strip():
        return ["To respond, say in `message` what is to be asked."]
    edited: Any = decision.get("edited_action")
    if kind == "edit" and not (
        isinstance(edited, Mapping)
        and isinstance(edited.get("name"), str)
        and isinstance(edited.get("args"), Mapping)
    ):
        return ["To edit, give `edited_action`: its name and its args."]
    return _foreign(edited, ("name", "args"), "`edited_action`") if kind == "edit" else []


def _foreign(given: Mapping[str, Any], known: Sequence[str], where: str) -> list[str]:
    """What nobody would read: a question or a limit among it must not be lost without a word."""
    unknown = [str(name)[:40] for name in given if name not in known and given[name] is not None]
    allowed = " and ".join(map(repr, known))
    return [f"{name!r} means nothing in {where}, which takes {allowed}." for name in unknown]


def verdict_from_decision(
    decision: HumanDecision, proposal: Verdict, reason: str | None
) -> dict[str, Any]:
    """The verdict that follows from a decision on a proposed one; `check_verdict` still has to check it.
    Without a reason of its own, it gets the reason for which a person was asked.
    """
    match decision["type"]:
        case "approve":
            verdict: dict[str, Any] = dict(proposal)
        case "respond":
            verdict = {"action": "follow_up", "question": decision.get("message")}
        case "reject":
            why = f" It was asked because: {reason}" if reason else ""
            said = decision.get("message") or f"Stopped by a person.{why}"
            verdict = {"action": "stop", "reason": said}
        case _:
            edited = decision["edited_action"]
            verdict = {**edited["args"], "action": edited["name"]}
    if reason:
        verdict.setdefault("reason", reason)
    return {**verdict, "decided_by": "person"}


def apply_edit(turn: TurnT, decision: HumanDecision) -> TurnT:
    """A planned turn as a person changed it.

    Raises:
        InvalidRequest: A changed argument is unknown, or is not text.
    """
    name, args = decision["edited_action"]["name"], decision["edited_action"]["args"]
    if name != "research":
        raise _refusal(f"{name[:40]!r} cannot be done here; edit `research`, or reject it.")
    unknown = sorted(set(map(str, args)) - set(QUESTION_ARGS))
    problems = [f"{name[:40]!r} means nothing; {', '.join(QUESTION_ARGS)} do." for name in unknown]
    problems += [
        f"{n} must be text." for n in QUESTION_ARGS if not isinstance(args.get(n, ""), str)
    ]
    if problems:
        raise _refusal(*problems)
    question = str(args.get("question", turn["question"])).strip()
    if not question:
        raise _refusal("The question is empty.")
    edited: TurnT = {  # type: ignore[assignment]
        **turn,
        "question": question,
        "asked_by": "person" if question != turn["question"] else turn["asked_by"],
        "processor": args.get("processor", turn["processor"]),
        "parent_interaction_id": args.get("continue_from", turn["parent_interaction_id"]),
    }
    edited["cost_usd"] = price_usd(edited["processor"])
    return edited
