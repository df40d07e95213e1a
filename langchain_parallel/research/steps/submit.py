"""submit: find the planned run in the ledger or start it. The one step that costs money."""

from __future__ import annotations

from typing import Any

from langchain_core.runnables import RunnableConfig

from ..._calls import Calls
from ..._langgraph import checkpointed
from ..._ledgers import submit_once
from ...errors import CreditExhausted, SubmissionUnknown
from ..researcher import Researcher
from ..state import Pending, ResearchState
from ..turns import pending_of, started

_SENT_DIRECTLY: set[str] = set()
"""Plans that this process has submitted without a ledger."""


def submit(researcher: Researcher, state: ResearchState, config: RunnableConfig) -> Calls[Any]:
    """Start the planned run; for want of credit, in a session with a budget, a person is asked."""
    pending = pending_of(state)
    try:
        if researcher.direct:
            return {"pending": (yield from _submit_directly(researcher, pending, config))}
        return (yield from _submit(researcher, state, pending, config))
    except CreditExhausted as error:
        if researcher.budget is None or error.billed is not False:
            raise
        return {"pending": {**pending, "no_credit": True, "approved": False}}


def _submit(
    researcher: Researcher, state: ResearchState, pending: Pending, config: RunnableConfig
) -> Calls[Any]:
    ledger_id = state["ledger_id"]
    ledger, cursor = state.get("ledger_cursor") or (ledger_id, None)
    submission = yield from submit_once(
        researcher.clients,
        config,
        ledger_id,
        researcher.request(pending, config),
        position=str(pending["position"]),
        # A process that was killed here may have sent it a moment ago.
        before="once" if researcher.planned_here(pending) else "settle",
        cursor=cursor if ledger == ledger_id else None,
    )
    update: dict[str, Any] = {"pending": started(pending, submission)}
    if submission.cursor:
        update["ledger_cursor"] = [ledger_id, submission.cursor]
    return update


def _submit_directly(
    researcher: Researcher, pending: Pending, config: RunnableConfig
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
    _SENT_DIRECTLY.add(plan)
    submission = yield from researcher.clients.submit_directly(researcher.request(pending, config))
    return started(pending, submission)
