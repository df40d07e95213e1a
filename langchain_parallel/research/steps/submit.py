"""submit: find the planned run in the ledger or start it. The one step that costs money."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from langchain_core.runnables import RunnableConfig

from ..._core.calls import Calls
from ..._graph.runtime import checkpointed
from ..._graph.session_ledger import submit_once
from ...errors import CreditExhausted, ParallelError, SubmissionUnknown
from ..approval import may_pass
from ..graph_config import GraphConfig
from ..state import Pending, ResearchState
from ..turns import ledger_position, pending_of, started

_SENT_DIRECTLY: OrderedDict[str, None] = OrderedDict()
"""Plans that this process has submitted without a ledger, the latest 100,000."""


def submit(researcher: GraphConfig, state: ResearchState, config: RunnableConfig) -> Calls[Any]:
    """Start the planned run. What is not what was let pass goes back to be weighed."""
    pending = pending_of(state)
    if "run_id" in pending:
        return {}
    if not may_pass(pending):
        return {"pending": {**pending, "held": True}}
    return (yield from start(researcher, state, config))


def start(researcher: GraphConfig, state: ResearchState, config: RunnableConfig) -> Calls[Any]:
    """Start the run; for want of credit, in a session with a budget, a person is asked."""
    pending = pending_of(state)
    try:
        if researcher.direct:
            return {"pending": (yield from _submit_directly(researcher, pending, config))}
        return (yield from _submit(researcher, state, pending, config))
    except CreditExhausted as error:
        if not researcher.limits(state) or error.billed is not False:
            raise
        again: Pending = {**pending, "no_credit": True}
        again.pop("passed", None)
        return {"pending": again}


def _submit(
    researcher: GraphConfig, state: ResearchState, pending: Pending, config: RunnableConfig
) -> Calls[Any]:
    ledger_id = state["ledger_id"]
    ledger, cursor = state.get("ledger_cursor") or (ledger_id, None)
    submission = yield from submit_once(
        researcher.clients,
        config,
        ledger_id,
        researcher.request(pending, config),
        position=str(ledger_position(pending)),
        # A process that was killed here may have sent it a moment ago.
        lookup="once" if researcher.planned_here(pending) else "until_settled",
        cursor=cursor if ledger == ledger_id else None,
    )
    update: dict[str, Any] = {"pending": started(pending, submission)}
    if submission.cursor:
        update["ledger_cursor"] = [ledger_id, submission.cursor]
    return update


def _submit_directly(
    researcher: GraphConfig, pending: Pending, config: RunnableConfig
) -> Calls[Pending]:
    """One POST for each plan, in the process that planned it, whatever runs this step again."""
    plan = pending["plan_id"]
    if plan in _SENT_DIRECTLY or not researcher.planned_here(pending):
        raise SubmissionUnknown(
            "This turn may have been submitted before, and without a ledger nobody can tell.",
            hint="Ask the question again to pay for it (again), or use the ledger.",
            ledger_id="",
            key=plan,
            billed=None,
        )
    yield from checkpointed(config)
    _SENT_DIRECTLY[plan] = None
    if len(_SENT_DIRECTLY) > 100_000:
        _SENT_DIRECTLY.popitem(last=False)
    request = researcher.request(pending, config)
    try:
        return started(pending, (yield from researcher.clients.submit_directly(request)))
    except ParallelError as error:
        if error.billed is False:  # nothing was started
            del _SENT_DIRECTLY[plan]
        raise
