"""wait: follow the run and make a turn of its answer. Free, however often it runs."""

from __future__ import annotations

from typing import Any

from langchain_core.runnables import RunnableConfig

from ..._core.calls import Calls
from ...parked.interrupts import is_parking, park
from ..cost_events import emit_cost
from ..graph_config import GraphConfig
from ..state import ResearchState, Turn
from ..turns import finish_turn, pending_turn


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
    """The pending turn once its run has ended; a run without an answer makes a turn of the session, too."""
    pending = pending_turn(state)
    return (
        yield from finish_turn(
            graph.run(pending, config),
            pending,
            state["ledger_id"],
            # With parking the run has ended by now: it would still be parked otherwise.
            has_ended=is_parking(graph.wait, config),
            keep_excerpts=graph.keep_excerpts,
        )
    )
