"""wait: follow the run and make a turn of its answer. Free, however often it runs."""

from __future__ import annotations

from typing import Any

from langchain_core.runnables import RunnableConfig

from ..._core.calls import Calls
from ...errors import RunCancelled, RunFailed
from ...parked.interrupts import is_parking, park
from ..cost_events import emit_cost
from ..graph_config import GraphConfig
from ..state import ResearchState, Turn
from ..turns import answered_turn, failed_turn, pending_turn, submission_of


def wait(graph: GraphConfig, state: ResearchState, config: RunnableConfig) -> Calls[Any]:
    """Wait for the run, its progress on the custom stream, and make a turn of the answer."""
    if is_parking(graph.wait, config):
        pending = [pending_turn(state)]
        yield from park(graph.clients, pending, state["ledger_id"], config, raises=True)
    turn = yield from finish(graph, state, config)
    yield from emit_cost([turn], state, config)
    update = {"turns": [turn], "pending": None, "answer": turn["content"]}
    if turn["status"] != "completed":  # the head stays where it was
        return update
    head = turn["interaction_id"] or state.get("interaction_id")
    return {**update, "interaction_id": head}


def finish(graph: GraphConfig, state: ResearchState, config: RunnableConfig) -> Calls[Turn]:
    """The pending turn once its run has ended.

    A run that ended without an answer is a turn of the session, too, not a fault of the graph.
    """
    pending = pending_turn(state)
    submission = submission_of(pending, state["ledger_id"])
    # With parking the run has ended by now: it would still be parked otherwise.
    has_ended = is_parking(graph.wait, config)
    try:
        got = yield from graph.run(pending, config).answer(submission, has_ended=has_ended)
    except (RunFailed, RunCancelled) as error:
        return failed_turn(pending, error)
    return answered_turn(pending, got, keep_excerpts=graph.keep_excerpts)
