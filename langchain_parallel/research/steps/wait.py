"""wait: follow the run and make a turn of its answer. Free, however often it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.runtime import Runtime

from ..._core.calls import Calls
from ..._core.redaction import secrets_of
from ..._graph.paid_run import answer, wait_seconds
from ..._graph.runtime import runtime_of
from ...errors import RunCancelled, RunFailed
from ...models import Event, TaskRun, TaskRunResult
from ...parked.interrupts import is_parking, park
from ...text.progress import progress
from ..cost_events import told
from ..graph_config import GraphConfig
from ..state import Pending, ResearchState, Turn
from ..turns import answered, ledger_position, pending_of, submission_of, unanswered


def wait(researcher: GraphConfig, state: ResearchState, config: RunnableConfig) -> Calls[Any]:
    """Wait for the run, its progress on the custom stream, and make a turn of the answer."""
    if is_parking(researcher.wait, config):
        yield from park(
            researcher.clients, [pending_of(state)], state["ledger_id"], config, raises=True
        )
    turn = yield from turn_of(researcher, state, config)
    yield from told([turn], state, config)
    update = {"turns": [turn], "pending": None, "answer": turn["content"]}
    if turn["status"] != "completed":  # the head stays where it was
        return update
    head = turn["interaction_id"] or state.get("interaction_id")
    return {**update, "interaction_id": head}


def turn_of(researcher: GraphConfig, state: ResearchState, config: RunnableConfig) -> Calls[Turn]:
    """The turn that the planned run has become.

    A run that ended without an answer is a turn of the session, too, not a fault of the graph.
    """
    pending = pending_of(state)
    request = researcher.request(pending, config)
    submission = submission_of(pending, state["ledger_id"])

    def result(run: TaskRun) -> Calls[TaskRunResult]:
        return _result(researcher, pending, run, config)

    position = str(ledger_position(pending))
    try:
        got = yield from answer(researcher.clients, submission, request, position, result)
    except (RunFailed, RunCancelled) as error:
        return unanswered(pending, error)
    return answered(pending, got, keep_excerpts=researcher.keep_excerpts)


def _result(
    researcher: GraphConfig, pending: Pending, run: TaskRun, config: RunnableConfig
) -> Calls[TaskRunResult]:
    ended = is_parking(researcher.wait, config)  # it would still be parked otherwise
    listen = None if ended else _listener(runtime_of(config), run.run_id, run.interaction_id)
    seconds = wait_seconds(pending["processor"], researcher.timeout)
    secrets = secrets_of([researcher.template])
    return (
        yield from researcher.clients.wait(run.run_id, run.interaction_id, seconds, listen, secrets)
    )


def _listener(
    runtime: Runtime[Any] | None, run_id: str, interaction_id: str | None
) -> Callable[[Event], None]:
    """Progress to the custom stream; each event also tells LangGraph that the node is not idle."""

    def listen(event: Event) -> None:
        if runtime is not None:
            runtime.stream_writer(dict(progress(event, run_id, interaction_id)))
            runtime.heartbeat()

    return listen
