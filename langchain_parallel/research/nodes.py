"""The steps of the research graph: plan, submit, wait, evaluate.

Rule: `submit` holds the one paid effect and nothing else (STYLE: money is explicit), and what its key is
made from (the ledger, the position, the question) was checkpointed by `plan` before it. Every step is
written once (`_calls.py`) and may be run again at any time: `plan` and `evaluate` cost nothing, `submit`
adopts what it finds, `wait` reads a run as often as it likes.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from langchain_core.runnables import RunnableConfig, RunnableLambda
from langgraph.runtime import Runtime

from .._calls import Calls, Clients, answer, arun, call_function, run, wait_seconds
from .._core import checks
from .._core.secrecy import secrets_of
from .._langgraph import checkpointed, runtime_of, thread_id_of
from .._ledgers import Ledgers, session_done, session_ledger, submit_once
from ..errors import ParallelError, RunCancelled, RunFailed, SubmissionUnknown
from ..models import Event, TaskRun, TaskRunInput, TaskRunResult
from ..progress import progress
from .evaluation import Evaluate, checked
from .state import Pending, ResearchState, Turn, Verdict
from .turns import (
    answered,
    asked,
    asks_the_same,
    is_follow_up,
    on_its_way,
    pending_of,
    rounds,
    started,
    submission_of,
    unanswered,
    unfinished,
)

Update = dict[str, Any]

_SENT_DIRECTLY: set[str] = set()
"""Plans that this process has submitted without a ledger."""


@dataclass(frozen=True)
class Researcher:
    """What the steps share; everything in here stays out of the state, secrets first of all."""

    clients: Clients
    ledgers: Ledgers
    template: TaskRunInput
    follow_up_processor: str
    allow_unknown_processor: bool
    evaluate: Evaluate
    max_turns: int
    timeout: float | None
    keep_excerpts: bool
    direct: bool
    name: str

    # --- plan ---

    def plan(self, state: ResearchState, config: RunnableConfig) -> Calls[Update]:
        """Settle what is asked next, where it belongs, and in which ledger."""
        pending = self._next(state)
        self._check(pending)
        ledger_id = yield from self._ledger(state, config)
        overtaken = yield from self._overtaken(state, pending, config)
        pending["position"] += len(overtaken)
        pending["round"] = pending["position"]
        update: Update = {"pending": pending, "ledger_id": ledger_id}
        # Not even an empty list without need: a channel that is written is stored whole once more.
        return {**update, "turns": overtaken} if overtaken else update

    def _next(self, state: ResearchState) -> Pending:
        question, options = asked(state)
        parent = options.get("continue_from") or state.get("interaction_id")
        same = on_its_way(state, question, parent)
        usual = self.follow_up_processor if parent else self.template.processor
        # Who planned it first may have sent it; without a ledger asking again means paying again.
        planned = same["plan_id"] if same and not self.direct else None
        position = len(state.get("turns") or ())
        return Pending(
            position=position,
            round=position,
            question=question,
            asked_by="evaluation" if is_follow_up(state) else "caller",
            processor=options.get("processor") or (same["processor"] if same else usual),
            parent_interaction_id=parent,
            plan_id=planned or f"{self.clients.here}.{uuid.uuid4().hex[:8]}",
        )

    def _check(self, pending: Pending) -> None:
        """Raise InvalidRequest for a turn the API would refuse, before the thread is stuck with it."""
        request = self._request(pending, {})
        checks.check(request, allow_unknown_processor=self.allow_unknown_processor)

    def _ledger(self, state: ResearchState, config: RunnableConfig) -> Calls[str]:
        if self.direct:
            return ""
        if known := state.get("ledger_id"):
            return known
        return (yield from session_ledger(self.clients, self.ledgers, config, self.name))

    def _overtaken(
        self, state: ResearchState, pending: Pending, config: RunnableConfig
    ) -> Calls[list[Turn]]:
        """The turn that was on its way when another question came in, if it was submitted."""
        left = state.get("pending")
        if left is None or asks_the_same(left, pending):
            return []
        if "run_id" in left:
            return [unfinished(left, (yield from self._seen(left["run_id"])))]
        if self.direct:
            return []
        found = yield from self.clients.find(
            state["ledger_id"],
            self._request(left, config),
            position=str(left["position"]),
            before="once" if self._planned_here(left) else "settle",
        )
        return [] if found is None else [unfinished(started(left, found), found.run)]

    def _seen(self, run_id: str) -> Calls[TaskRun]:
        """A run as it stands; if that cannot be read now, then by its id alone."""
        try:
            return (yield from self.clients.retrieve(run_id))
        except ParallelError:
            return TaskRun(run_id=run_id, status="queued")

    # --- submit ---

    def submit(self, state: ResearchState, config: RunnableConfig) -> Calls[Update]:
        """Find the planned run in the ledger or start it: the one step that costs money."""
        pending = pending_of(state)
        if self.direct:
            return {"pending": (yield from self._submit_directly(pending, config))}
        ledger_id = state["ledger_id"]
        ledger, cursor = state.get("ledger_cursor") or (ledger_id, None)
        submission = yield from submit_once(
            self.clients,
            config,
            ledger_id,
            self._request(pending, config),
            position=str(pending["position"]),
            # A process that was killed here may have sent it a moment ago.
            before="once" if self._planned_here(pending) else "settle",
            cursor=cursor if ledger == ledger_id else None,
        )
        update: Update = {"pending": started(pending, submission)}
        if submission.cursor:
            update["ledger_cursor"] = [ledger_id, submission.cursor]
        return update

    def _planned_here(self, pending: Pending) -> bool:
        return pending["plan_id"].startswith(f"{self.clients.here}.")

    def _submit_directly(self, pending: Pending, config: RunnableConfig) -> Calls[Pending]:
        """One POST for each plan, in the process that planned it, whatever runs this step again."""
        plan = pending["plan_id"]
        if plan in _SENT_DIRECTLY or not self._planned_here(pending):
            raise SubmissionUnknown(
                "This turn may have been submitted before, and without a ledger nobody can tell.",
                hint="Ask the question again to pay for it (again), or use the ledger.",
                ledger_id="",
                key=plan,
                billed=None,
            )
        yield from checkpointed(config)
        _SENT_DIRECTLY.add(plan)
        submission = yield from self.clients.submit_directly(self._request(pending, config))
        return started(pending, submission)

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

    # --- wait ---

    def wait(self, state: ResearchState, config: RunnableConfig) -> Calls[Update]:
        """Wait for the run, its progress on the custom stream, and make a turn of the answer."""
        pending = pending_of(state)
        request = self._request(pending, config)
        submission = submission_of(pending, state["ledger_id"])

        def result(run: TaskRun) -> Calls[TaskRunResult]:
            return self._result(pending, run, config)

        try:
            got = yield from answer(
                self.clients, submission, request, str(pending["position"]), result
            )
        except (RunFailed, RunCancelled) as error:
            # A run that ended without an answer is a turn of the session, not a fault of the graph;
            # the head stays where it was.
            return {"turns": [unanswered(pending, error)], "pending": None, "answer": None}
        turn = answered(pending, got, keep_excerpts=self.keep_excerpts)
        head = turn["interaction_id"] or state.get("interaction_id")
        return {"turns": [turn], "pending": None, "interaction_id": head, "answer": turn["content"]}

    def _result(
        self, pending: Pending, run: TaskRun, config: RunnableConfig
    ) -> Calls[TaskRunResult]:
        listen = _listener(runtime_of(config), run.run_id, run.interaction_id)
        seconds = wait_seconds(pending["processor"], self.timeout)
        secrets = secrets_of([self.template])
        return (
            yield from self.clients.wait(run.run_id, run.interaction_id, seconds, listen, secrets)
        )

    # --- evaluate ---

    def judge(self, state: ResearchState, config: RunnableConfig) -> Calls[Update]:
        """Evaluate the last turn, within the turns allowed, and add up what was spent."""
        verdict = checked((yield from call_function(self.evaluate, state)))
        if verdict["action"] == "follow_up" and rounds(state["turns"]) >= self.max_turns:
            reason = f"Out of turns ({self.max_turns}). {verdict.get('reason', '')}".strip()
            verdict = Verdict(action="stop", reason=reason)
        update: Update = {
            "verdict": verdict,
            "turns": [{**state["turns"][-1], "verdict": verdict}],
            "spent_usd": round(sum(turn["cost_usd"] or 0.0 for turn in state["turns"]), 6),
        }
        if verdict["action"] == "follow_up":
            update["question"] = verdict["question"]
            # Refused here, a verdict can still be corrected.
            self._check(self._next({**state, "verdict": verdict, "question": verdict["question"]}))
        else:
            yield from session_done(config, self.name)
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
