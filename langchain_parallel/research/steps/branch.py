"""submit_branch, wait_branch, join: several questions at the same time, each its own head.

Rule: a branch that fails does not stop the others. What a branch cannot do in its own task, `join` tries
again after the others are checkpointed. An error there ends the invocation, and resuming the thread continues
from `join`.
"""

from __future__ import annotations

from typing import Any, Literal

from langchain_core.runnables import RunnableConfig
from langgraph.types import Command, Send

from ..._core.calls import Calls
from ...errors import (
    Forbidden,
    InvalidRequest,
    ParallelError,
    StillRunning,
    Unprocessable,
)
from ...parked.interrupts import is_parking, park
from ..cost_events import emit_cost
from ..graph_config import GraphConfig
from ..state import ResearchState, Turn, merge_turns
from ..turns import open_branches, pending_turn, refused_turn
from .submit import start
from .wait import finish

_SHARED: tuple[Literal["ledger_id", "spent_usd", "limits"], ...] = (
    "ledger_id",
    "spent_usd",
    "limits",
)


def sends(state: ResearchState, to: str, branches: list[Turn]) -> list[Send]:
    """A task for each branch, with what it needs of the state."""
    shared = {name: state[name] for name in _SHARED if name in state}
    return [Send(to, {**shared, "pending": branch}) for branch in branches]


def submit_branch(graph: GraphConfig, state: ResearchState, config: RunnableConfig) -> Calls[Any]:
    """Start the run of one branch, which `wait_branch` then waits for, beside the others."""
    pending = pending_turn(state)
    update: dict[str, Any] = {}
    try:
        if not pending["run_id"]:
            pending = (yield from start(graph, state, config))["pending"]
            update = {"branches": [pending]}
    except (Unprocessable, Forbidden, InvalidRequest) as error:
        key = graph.run(pending, config).key
        update = {"turns": [refused_turn(pending, key, error)]}
    except ParallelError:
        pass  # `join` tries again
    return Command(update=update, goto=sends(state, "wait_branch", [pending]))


def wait_branch(graph: GraphConfig, state: ResearchState, config: RunnableConfig) -> Calls[Any]:
    """The turn of one branch, if its run was started and can be waited for."""
    if not pending_turn(state)["run_id"] or is_parking(graph.wait, config):
        return {}  # `join` does it; a thread parks once, for all its runs
    try:
        turn = yield from finish(graph, state, config)
    except StillRunning:
        raise  # its timeout has passed, so `join` would wait no longer
    except ParallelError:
        return {}  # `join` tries again
    yield from emit_cost([turn], state, config)
    return {"turns": [turn]}


def join(graph: GraphConfig, state: ResearchState, config: RunnableConfig) -> Calls[Any]:
    """Join the branches, in the order in which they were asked.

    The head is the last of them that has an answer.
    """
    branches: list[Turn] = []
    for branch in open_branches(state):
        branches.append((yield from _start(graph, state, branch, config)))  # noqa: PERF401  # it yields
    started = [branch for branch in branches if branch["run_id"]]
    if is_parking(graph.wait, config):
        yield from park(graph.clients, started, state["ledger_id"], config, raises=True)
    turns: list[Turn] = []
    for branch in started:
        turns.append((yield from finish(graph, {**state, "pending": branch}, config)))  # noqa: PERF401  # it yields
    yield from emit_cost(turns, state, config)
    if len(started) < len(branches):  # the account has no credit for the others
        return {"turns": turns, "branches": [b for b in branches if not b["run_id"]]}
    return {"turns": turns, "branches": [], **_head(state, turns)}


def _head(state: ResearchState, turns: list[Turn]) -> dict[str, Any]:
    here = {branch["position"] for branch in state["branches"]}
    done = merge_turns(state.get("turns"), turns)
    answered = [t for t in done if t["position"] in here and t["status"] == "completed"]
    if not answered:
        return {"answer": None}
    head = answered[-1]["interaction_id"] or state.get("interaction_id")
    return {"answer": answered[-1]["content"], "interaction_id": head}


def _start(
    graph: GraphConfig, state: ResearchState, branch: Turn, config: RunnableConfig
) -> Calls[Turn]:
    if branch["run_id"] or branch.get("no_credit"):
        return branch
    update = yield from start(graph, {**state, "pending": branch}, config)
    return update["pending"]  # type: ignore[no-any-return]
