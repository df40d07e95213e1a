"""submit_branch, wait_branch, join: several questions at the same time, each its own head.

Rule: one branch sinks no other. What a branch cannot do in its own task, `join` does after the others
are done and written down; only what still fails there ends the invocation, and resuming goes on from it.
"""

from __future__ import annotations

from typing import Any, Literal

from langchain_core.runnables import RunnableConfig
from langgraph.types import Command, Send

from ..._core.calls import Calls
from ...errors import (
    CreditExhausted,
    Forbidden,
    InvalidRequest,
    ParallelError,
    StillRunning,
    Unprocessable,
)
from ...parked.interrupts import is_parking, park
from ..cost_events import told
from ..graph_config import GraphConfig
from ..state import Pending, ResearchState, Turn, merge_turns
from ..turns import pending_of, refused, unanswered_branches
from .submit import start
from .wait import turn_of

_SHARED: tuple[Literal["ledger_id", "ledger_cursor", "spent_usd", "budget"], ...] = (
    "ledger_id",
    "ledger_cursor",
    "spent_usd",
    "budget",
)


def sends(state: ResearchState, to: str, branches: list[Pending]) -> list[Send]:
    """A task for each branch, with what it needs of the state."""
    shared = {name: state[name] for name in _SHARED if name in state}
    return [Send(to, {**shared, "pending": branch}) for branch in branches]


def submit_branch(
    researcher: GraphConfig, state: ResearchState, config: RunnableConfig
) -> Calls[Any]:
    """Start the run of one branch; then its waiting begins with that of the others."""
    pending = pending_of(state)
    update: dict[str, Any] = {}
    try:
        if "run_id" not in pending:
            pending = (yield from start(researcher, state, config))["pending"]
            update = {"branches": [pending]}
    except (Unprocessable, Forbidden, InvalidRequest) as error:
        update = {"turns": [refused(pending, error)]}
    except ParallelError as error:
        if researcher.direct and not isinstance(error, CreditExhausted):
            update = {"turns": [refused(pending, error)]}
        # else `join` tries again
    return Command(update=update, goto=sends(state, "wait_branch", [pending]))


def wait_branch(
    researcher: GraphConfig, state: ResearchState, config: RunnableConfig
) -> Calls[Any]:
    """The turn of one branch, if it was started and can be waited for."""
    if "run_id" not in pending_of(state) or is_parking(researcher.wait, config):
        return {}  # `join` does it; a thread parks once, for all its runs
    try:
        turn = yield from turn_of(researcher, state, config)
    except StillRunning:
        raise  # it has had its time
    except ParallelError:
        return {}  # `join` tries again
    yield from told([turn], state, config)
    return {"turns": [turn]}


def join(researcher: GraphConfig, state: ResearchState, config: RunnableConfig) -> Calls[Any]:
    """All branches together again, in the order in which they were asked.

    The head is the last of them that has an answer.
    """
    branches: list[Pending] = []
    for branch in unanswered_branches(state):
        branches.append((yield from _started(researcher, state, branch, config)))  # noqa: PERF401  # it yields
    started = [branch for branch in branches if "run_id" in branch]
    if is_parking(researcher.wait, config):
        yield from park(researcher.clients, started, state["ledger_id"], config, raises=True)
    turns: list[Turn] = []
    for branch in started:
        turns.append((yield from turn_of(researcher, {**state, "pending": branch}, config)))  # noqa: PERF401  # it yields
    yield from told(turns, state, config)
    if len(started) < len(branches):  # for want of credit
        return {"turns": turns, "branches": [b for b in branches if "run_id" not in b]}
    return {"turns": turns, "branches": [], **_head(state, turns)}


def _head(state: ResearchState, turns: list[Turn]) -> dict[str, Any]:
    here = {branch["position"] for branch in state["branches"]}
    done = merge_turns(state.get("turns"), turns)
    answered = [t for t in done if t["position"] in here and t["status"] == "completed"]
    if not answered:
        return {"answer": None}
    head = answered[-1]["interaction_id"] or state.get("interaction_id")
    return {"answer": answered[-1]["content"], "interaction_id": head}


def _started(
    researcher: GraphConfig, state: ResearchState, branch: Pending, config: RunnableConfig
) -> Calls[Pending]:
    if "run_id" in branch or branch.get("no_credit"):
        return branch
    update = yield from start(researcher, {**state, "pending": branch}, config)
    return update["pending"]  # type: ignore[no-any-return]
