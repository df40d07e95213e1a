"""The steps of the research graph: plan, submit, wait, evaluate.

Rule: `submit` holds the one paid effect and nothing else (STYLE: money is explicit), and what its key is
made from (the ledger, the position, the question) was checkpointed by `plan` before it. Every step is
written once (`_calls.py`) and may be run again at any time: `plan` and `evaluate` cost nothing, `submit`
adopts what it finds, `wait` reads a run as often as it likes.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from langchain_core.runnables import RunnableConfig, RunnableLambda
from langgraph.runtime import Runtime

from .._calls import Calls, Clients, arun, call_function, run, wait_seconds
from .._core.secrecy import secrets_of
from .._langgraph import checkpointed, runtime_of, stored_ledger, thread_id_of
from ..errors import InvalidRequest, RunCancelled, RunFailed, SubmissionUnknown
from ..models import Event, Submission, TaskRunInput, TaskRunResult
from ..processors import price_usd
from ..progress import progress
from ..rendering import citations, confidence, weak_fields
from .evaluation import Evaluate, checked
from .state import Pending, ResearchState, Turn, Verdict

Update = dict[str, Any]


@dataclass(frozen=True)
class Researcher:
    """What the steps share; everything in here stays out of the state, secrets first of all."""

    clients: Clients
    template: TaskRunInput
    follow_up_processor: str
    evaluate: Evaluate
    max_turns: int
    timeout: float | None
    keep_excerpts: bool
    direct: bool
    name: str

    def plan(self, state: ResearchState, config: RunnableConfig) -> Calls[Update]:
        """Settle what is asked next, where it belongs, and in which ledger."""
        question = (state.get("question") or "").strip()
        if not question:
            raise InvalidRequest(["There is no question; invoke the graph with {'question': '…'}."])
        parent = state.get("continue_from") or state.get("interaction_id")
        usual = self.follow_up_processor if parent else self.template.processor
        pending = Pending(
            position=len(state.get("turns") or ()),
            question=question,
            asked_by="evaluation" if _is_follow_up(state) else "caller",
            processor=state.get("processor") or usual,
            parent_interaction_id=parent,
            plan_id=f"{this_process()}.{uuid.uuid4().hex[:8]}",
        )
        left_behind = _left_behind(state, pending)
        pending["position"] += len(left_behind)
        ledger_id = yield from self._ledger(state, config)
        # Used up here, so that the next question on this thread does not inherit them.
        used_up = {"continue_from": None, "processor": None}
        return {"pending": pending, "turns": left_behind, "ledger_id": ledger_id, **used_up}

    def _ledger(self, state: ResearchState, config: RunnableConfig) -> Calls[str]:
        if self.direct:
            return ""
        if known := state.get("ledger_id"):
            return known
        runtime, thread_id = runtime_of(config), thread_id_of(config)
        if runtime is not None and runtime.store is not None and thread_id is not None:
            return (yield from stored_ledger(self.clients, runtime.store, thread_id, self.name))
        return (yield from self.clients.create_group())

    def submit(self, state: ResearchState, config: RunnableConfig) -> Calls[Update]:
        """Find the planned run in the ledger or start it: the one step that costs money."""
        pending, ledger_id = _pending(state), state["ledger_id"]
        yield from checkpointed(config)
        if self.direct:
            return {"pending": (yield from self._submit_directly(pending, config))}
        ledger, cursor = state.get("ledger_cursor") or (ledger_id, None)
        submission = yield from self.clients.submit(
            ledger_id,
            self._request(pending, config),
            position=str(pending["position"]),
            # A process that was killed here may have sent it a moment ago.
            before="once" if planned_here(pending["plan_id"]) else "settle",
            cursor=cursor if ledger == ledger_id else None,
        )
        update: Update = {"pending": _started(pending, submission)}
        if submission.cursor:
            update["ledger_cursor"] = [ledger_id, submission.cursor]
        return update

    def _submit_directly(self, pending: Pending, config: RunnableConfig) -> Calls[Pending]:
        """One POST for each plan, in the process that planned it, whatever runs this step again."""
        plan = pending["plan_id"]
        if plan in _SENT_DIRECTLY or not planned_here(plan):
            raise SubmissionUnknown(
                "This turn may have been submitted before, and without a ledger nobody can tell.",
                hint="Ask the question again to pay for it (again), or use the ledger.",
                ledger_id="",
                key=plan,
                billed=None,
            )
        _SENT_DIRECTLY.add(plan)
        submission = yield from self.clients.submit_directly(self._request(pending, config))
        return _started(pending, submission)

    def _request(self, pending: Pending, config: RunnableConfig) -> TaskRunInput:
        thread_id = thread_id_of(config)
        metadata = {"thread_id": thread_id[:512]} if thread_id else {}
        return self.template.model_copy(
            update={
                "input": pending["question"],
                "processor": pending["processor"],
                "previous_interaction_id": pending["parent_interaction_id"],
                "metadata": {**metadata, **self.template.metadata},
            }
        )

    def wait(self, state: ResearchState, config: RunnableConfig) -> Calls[Update]:
        """Wait for the run, its progress on the custom stream, and make a turn of the answer."""
        pending = _pending(state)
        run_id, interaction_id = pending["run_id"], pending.get("interaction_id")
        listen = _listener(runtime_of(config), run_id, interaction_id)
        seconds = wait_seconds(pending["processor"], self.timeout)
        secrets = secrets_of([self.template])
        try:
            result = yield from self.clients.wait(run_id, interaction_id, seconds, listen, secrets)
        except (RunFailed, RunCancelled) as error:
            # A run that ended without an answer is a turn of the session, not a fault of the graph;
            # the head stays where it was.
            return {"turns": [_unanswered(pending, error)], "pending": None, "answer": None}
        turn = _answered(pending, result, keep_excerpts=self.keep_excerpts)
        if pending.get("resent"):
            turn = yield from self._oldest(state, config, turn)
        head = turn["interaction_id"] or state.get("interaction_id")
        return {
            "turns": [turn],
            "pending": None,
            "interaction_id": head,
            "answer": turn["content"],
        }

    def _oldest(self, state: ResearchState, config: RunnableConfig, turn: Turn) -> Calls[Turn]:
        """The turn of a run that was sent twice in doubt; of its older twin, should there be one."""
        pending = _pending(state)
        position = str(pending["position"])
        request = self._request(pending, config)
        oldest = yield from self.clients.oldest(state["ledger_id"], request, position=position)
        if oldest.run.run_id != turn["run_id"]:
            listen = _listener(runtime_of(config), oldest.run.run_id, oldest.run.interaction_id)
            seconds = wait_seconds(pending["processor"], self.timeout)
            result = yield from self.clients.wait(
                oldest.run.run_id, oldest.run.interaction_id, seconds, listen
            )
            turn = _answered(pending, result, keep_excerpts=self.keep_excerpts)
        if oldest.duplicates:
            others = ", ".join(oldest.duplicates)
            turn["warnings"].append(f"Paid for more than once; also run {others}.")
        return turn

    def judge(self, state: ResearchState, config: RunnableConfig) -> Calls[Update]:
        """Evaluate the last turn, within the turns allowed, and add up what was spent."""
        verdict = checked((yield from call_function(self.evaluate, state)))
        if verdict["action"] == "follow_up" and _rounds(state["turns"]) >= self.max_turns:
            reason = f"Out of turns ({self.max_turns}). {verdict.get('reason', '')}".strip()
            verdict = Verdict(action="stop", reason=reason)
        update: Update = {
            "verdict": verdict,
            "turns": [{**state["turns"][-1], "verdict": verdict}],
            "spent_usd": round(sum(turn["cost_usd"] or 0.0 for turn in state["turns"]), 6),
        }
        if verdict["action"] == "follow_up":
            update["question"] = verdict["question"]
            update["continue_from"] = verdict.get("continue_from") or None
            update["processor"] = verdict.get("processor") or None
        return update


def node(step: Callable[[ResearchState, RunnableConfig], Calls[Update]], name: str) -> Any:
    """A step as a graph node for blocking and asynchronous runs."""

    def blocking(state: ResearchState, config: RunnableConfig) -> Update:
        return run(step(state, config))

    async def asynchronous(state: ResearchState, config: RunnableConfig) -> Update:
        return await arun(step(state, config))

    return RunnableLambda(blocking, asynchronous, name=name)


def after_judgement(state: ResearchState) -> str:
    """Where the graph goes from the verdict."""
    return "plan" if state["verdict"]["action"] == "follow_up" else "end"


def _listener(
    runtime: Runtime[Any] | None, run_id: str, interaction_id: str | None
) -> Callable[[Event], None]:
    """Progress to the custom stream; each event also tells LangGraph that the node is not idle."""

    def listen(event: Event) -> None:
        if runtime is not None:
            runtime.stream_writer(dict(progress(event, run_id, interaction_id)))
            runtime.heartbeat()

    return listen


_BOOT = uuid.uuid4().hex
_SENT_DIRECTLY: set[str] = set()
"""Plans that this process has submitted without a ledger."""


def this_process() -> str:
    """A name that no other process has, nor a forked child of this one."""
    return f"{_BOOT}.{os.getpid()}"


def planned_here(plan_id: str) -> bool:
    """Whether this process made a plan."""
    return plan_id.startswith(f"{this_process()}.")


def _pending(state: ResearchState) -> Pending:
    pending = state.get("pending")
    if pending is None:
        raise InvalidRequest(
            ["There is no planned turn in the state."], hint="Invoke the graph with a question."
        )
    return pending


def _started(pending: Pending, submission: Submission) -> Pending:
    return {
        **pending,
        "key": submission.key,
        "run_id": submission.run.run_id,
        "interaction_id": submission.run.interaction_id,
        "resent": submission.resent,
    }


def _is_follow_up(state: ResearchState) -> bool:
    """Whether the question at hand is the evaluation's; a new one from outside replaces it."""
    verdict = state.get("verdict")
    return (
        verdict is not None
        and verdict["action"] == "follow_up"
        and verdict.get("question") == state.get("question")
    )


def _rounds(turns: list[Turn]) -> int:
    """Turns since the caller last asked, that one included."""
    for count, turn in enumerate(reversed(turns), start=1):
        if turn["asked_by"] == "caller":
            return count
    return len(turns)


def _turn(pending: Pending, status: str) -> Turn:
    """A turn as far as its planning and submission made it."""
    return Turn(
        key=pending["key"],
        position=pending["position"],
        question=pending["question"],
        asked_by=pending["asked_by"],
        processor=pending["processor"],
        parent_interaction_id=pending["parent_interaction_id"],
        interaction_id=pending.get("interaction_id"),
        run_id=pending["run_id"],
        status=status,
        content=None,
        confidence={},
        weak_fields=[],
        citations=[],
        warnings=[],
        error=None,
        cost_usd=price_usd(pending["processor"]),
        verdict=None,
    )


def _answered(pending: Pending, result: TaskRunResult, *, keep_excerpts: bool) -> Turn:
    turn = _turn(pending, result.run.status)
    turn["run_id"] = result.run.run_id
    turn["interaction_id"] = result.run.interaction_id or turn["interaction_id"]
    turn["content"] = result.output.content
    turn["confidence"] = confidence(result)
    turn["weak_fields"] = weak_fields(result)
    turn["citations"] = citations(result, excerpts=keep_excerpts)
    turn["warnings"] = [warning.message for warning in result.run.warnings or () if warning.message]
    return turn


def _unanswered(pending: Pending, error: RunFailed | RunCancelled) -> Turn:
    turn = _turn(pending, error.status)
    turn["warnings"] = list(error.warnings)
    turn["error"] = str(error)
    turn["cost_usd"] = 0.0 if error.billed is False else None
    return turn


def _left_behind(state: ResearchState, pending: Pending) -> list[Turn]:
    """The turn that was on its way when another question came in: it is paid for, so its ids stay.

    The same question again is no other one: it finds the run that is on its way.
    """
    left = state.get("pending")
    if left is None or "run_id" not in left:
        return []
    asked = ("question", "processor", "parent_interaction_id")
    if all(left[word] == pending[word] for word in asked):  # type: ignore[literal-required]
        return []
    return [_turn(left, "unfinished")]
