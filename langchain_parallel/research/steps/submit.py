"""submit: find the planned run in the ledger or start it. The one step that costs money."""

from __future__ import annotations

from typing import Any

from langchain_core.runnables import RunnableConfig

from ..._core.calls import Calls
from ...errors import CreditExhausted
from ..approval import is_cleared
from ..graph_config import GraphConfig
from ..state import ResearchState, Turn
from ..turns import pending_turn, running_turn


def submit(graph: GraphConfig, state: ResearchState, config: RunnableConfig) -> Calls[Any]:
    """Start the planned run."""
    if pending_turn(state)["run_id"]:
        return {}
    return (yield from start(graph, state, config))


def start(graph: GraphConfig, state: ResearchState, config: RunnableConfig) -> Calls[Any]:
    """Start the run. If the account has no credit, a session with limits asks a person. A plan that was
    changed after it was cleared goes back to be reviewed.
    """
    pending, ledger_id = pending_turn(state), state["ledger_id"]
    if not is_cleared(pending):
        return {"pending": {**pending, "on_hold": True}}
    try:
        submission = yield from graph.run(pending, config).submit(
            ledger_id,
            # A process that was killed in this step may have sent it a moment ago.
            lookup="once" if graph.is_planned_here(pending.get("plan_id")) else "until_settled",
        )
    except CreditExhausted as error:
        # If an earlier send may have started it, a person must not be asked to pay for another run.
        if not graph.session_limits(state) or error.billed is not False:
            raise
        again: Turn = {**pending, "no_credit": True}
        again.pop("cleared", None)
        return {"pending": again}
    return {"pending": running_turn(pending, submission)}
