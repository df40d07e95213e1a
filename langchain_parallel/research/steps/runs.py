"""submit, wait: the planned run. submit_branch, wait_branch, join: several at the same time.

Rule: `_start` holds the one paid effect. A node that starts runs does nothing else that could fail before
their ids are checkpointed. To follow a run is free, however often it happens.

Rule: a branch that fails does not stop the others. What a branch cannot do in its own task, `join` tries
again after the others are checkpointed. An error there ends the invocation, and resuming the thread continues
from `join`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple, cast

from langchain_core.runnables import RunnableConfig
from langgraph.types import Send

from ..._core.calls import Calls
from ..._graph.ownership import prove_all, prove_ledger, prove_plan, prove_run
from ..._graph.paid_chat import QuickAnswer
from ..._graph.paid_run import PaidRun
from ..._graph.runtime import is_resumed
from ...errors import (
    CreditExhausted,
    Forbidden,
    InvalidRequest,
    ParallelError,
    QuotaExceeded,
    StillRunning,
    Unprocessable,
)
from ...parked.interrupts import check_own_thread, is_parking, is_woken, note_started, park
from ...processors import is_chat
from ..answering import answer_channel
from ..approval import limit_objections
from ..graph_config import GraphConfig
from ..quick_turns import answered_turn
from ..state import ResearchState, Turn, is_elsewhere, merge_turns
from ..turns import (
    finish_turn,
    is_doubtful,
    leave_behind,
    open_branches,
    open_turns,
    pending_turn,
    read_turn,
    refused_turn,
    running_turn,
    settle_doubt,
    unstarted_turn,
)
from ..unknown_runs import Known, find_unknown, submit_knowing
from ..usage import emit_cost

# --- one run -------------------------------------------------------------------------------------


def submit(graph: GraphConfig, state: ResearchState, config: RunnableConfig) -> Calls[Any]:
    """Start the planned run."""
    pending = pending_turn(state)
    if pending["run_id"]:
        return {}
    if ledger_id := (yield from graph.new_ledger(state, config)):
        left = leave_behind(pending, state["ledger_id"], ledger_id, graph.clients.seals)
        return {"ledger_id": ledger_id, "pending": {**left, "on_hold": True}}
    started, found = yield from _start(graph, state, config, then="wait")
    if _is_answered(started):
        return (yield from _end(started, found, state, config))
    return {"pending": started, **({"turns": found} if found else {})}


def wait(graph: GraphConfig, state: ResearchState, config: RunnableConfig) -> Calls[Any]:
    """Wait for the run, its progress on the custom stream, and make a turn of the answer."""
    pending = pending_turn(state)
    yield from check_own_thread(graph, config)
    if not pending["run_id"]:
        raise InvalidRequest(
            ["The planned turn has not been started, so there is no run to wait for."],
            hint="Go to `submit`, or invoke the graph with the question again. Nothing was sent.",
        )
    ledger_id = state["ledger_id"]
    pending = yield from prove_run(graph, pending, ledger_id, config)
    run = graph.run(pending, config)
    if is_resumed(config) and (yield from is_doubtful(run, pending, ledger_id)):
        pending = yield from settle_doubt(run, pending, ledger_id)
        if not pending["run_id"]:
            return (yield from _end(pending, [], state, config))
    state = {**state, "pending": pending}
    turn = None
    if is_parking(graph.wait, config):
        turn = yield from _finish_woken(graph, state, config)
        if turn is None:
            pending = yield from read_turn(run, pending, ledger_id)
            state = {**state, "pending": pending}
            yield from park(graph, [pending], ledger_id, config, raises=True)
    if turn is None:
        turn = yield from _finish(graph, state, config)
    return (yield from _end(turn, [], state, config))


def _end(
    turn: Turn, found: Sequence[Turn], state: ResearchState, config: RunnableConfig
) -> Calls[dict[str, Any]]:
    """What an ended turn changes in the state."""
    yield from emit_cost([turn], state, config)
    turns = [*found, turn]
    update = {"turns": turns, "pending": None, **answer_channel(state, turns)}
    if turn["status"] != "completed":  # the head stays where it was
        return update
    head = turn["interaction_id"] or state.get("interaction_id")
    return {**update, "interaction_id": head}


class _Started(NamedTuple):
    """A turn with its run, a quick one that has ended, or one that has to be reviewed again."""

    turn: Turn
    found: Sequence[Turn] = ()
    """Turns for what the ledger has and the session did not know."""


def _start(
    graph: GraphConfig, state: ResearchState, config: RunnableConfig, *, then: str
) -> Calls[_Started]:
    """The pending turn with its run. If the account has no credit, a session with limits asks a person. A
    plan that was changed after it was cleared goes back to be reviewed, and so does one that the limits do
    not allow beside runs that the session did not know. `then`: the step that waits for it.
    """
    pending = pending_turn(state)
    rules, turns = graph.rules(state, config), state.get("turns") or []
    if not rules.is_cleared(pending):
        return _Started({**pending, "on_hold": True})
    is_limited = bool(rules.limits)
    beside = [turn for turn in open_turns(state) if turn is not pending]
    at_hand = [*turns, *beside, pending]
    pending = yield from prove_plan(graph, pending, state["ledger_id"], config, at_hand)
    planned = [*beside, pending]
    known = None if "turns" not in state else _read_known(graph, state, config)
    parks = is_parking(graph.wait, config)

    def allows(found: Sequence[Turn]) -> bool:
        return not limit_objections(merge_turns(turns, [*found]), planned, [pending], rules)

    try:
        submission, found = yield from submit_knowing(
            graph.paid(pending, config),
            state["ledger_id"],
            turns=turns,
            known=known,
            position=pending["round"],
            is_limited=is_limited,
            allows=allows,
            may_exceed_quotas=rules.may_pass_limits(pending),
            # Where it is followed at once, the first event of its stream says as much.
            reads_started=parks,
            beside=partial(note_started, graph, config=config, step=then) if parks else None,
        )
    except QuotaExceeded:  # a person is asked, or the session stops
        return _Started(_unsent(pending, on_hold=True))
    except CreditExhausted as error:
        # If an earlier send may have started it, a person must not be asked to pay for another run.
        if not is_limited or error.billed is not False:
            raise
        return _Started(_unsent(pending, no_credit=True))
    if submission is None:
        return _Started(_unsent(pending, on_hold=True), found)
    seals = graph.clients.seals
    if isinstance(submission, QuickAnswer):
        return _Started(answered_turn(pending, submission, state["ledger_id"], seals), found)
    return _Started(running_turn(pending, submission, seals), found)


def _is_answered(turn: Turn) -> bool:
    """Whether it is a quick turn that was sent: what came of it is known at once."""
    return is_chat(turn["processor"]) and turn["status"] != "planned"


def _unsent(pending: Turn, **why: bool) -> Turn:
    """The turn, to be reviewed again."""
    again = cast(Turn, {**pending, **why})
    again.pop("cleared", None)
    return again


def _read_known(graph: GraphConfig, state: ResearchState, config: RunnableConfig) -> Known:
    """What the session knows of its ledger."""
    left = open_turns(state)
    keys = [graph.paid(turn, config).key for turn in left if not turn["run_id"]]
    # Its id may be another's, until its run is read.
    keys += [turn["key"] for turn in left if turn["run_id"] and not turn["interaction_id"]]
    return Known.of([*(state.get("turns") or ()), *left], keys)


def _finish_woken(
    graph: GraphConfig, state: ResearchState, config: RunnableConfig
) -> Calls[Turn | None]:
    """The pending turn of a thread that was parked and is resumed, because its run has ended: the request for
    the answer is then the only one. None where there is no answer yet, where the status has to say why, and
    where the run was never read: another way to wait has started it.
    """
    if not is_woken(config) or not pending_turn(state)["interaction_id"]:
        return None
    try:
        return (yield from _finish(graph, state, config, fetch_seconds=1.0))
    except ParallelError:
        return None


def _finish(
    graph: GraphConfig,
    state: ResearchState,
    config: RunnableConfig,
    fetch_seconds: float = PaidRun.fetch_seconds,
) -> Calls[Turn]:
    """The pending turn once its run has ended; a run without an answer makes a turn of the session, too."""
    pending = pending_turn(state)
    return (
        yield from finish_turn(
            replace(graph.run(pending, config), fetch_seconds=fetch_seconds),
            pending,
            state["ledger_id"],
            # With parking the run has ended by now: it would still be parked otherwise.
            has_ended=is_parking(graph.wait, config),
            keep_excerpts=graph.keep_excerpts,
            checks=graph.checks,
        )
    )


# --- branches ------------------------------------------------------------------------------------


SENT: str = "sent_branch"


def sends(state: ResearchState, to: str, branches: list[Turn]) -> list[Send]:
    """A task for each branch, with what it needs of the state."""
    return [Send(to, branch_state(state, branch)) for branch in branches]


def branch_state(state: ResearchState, branch: Turn) -> dict[str, Any]:
    """What the task of a branch needs of the state."""
    shared: Mapping[str, Any] = state
    names = ("ledger_id", "spent_usd", "limits")
    return {"pending": branch, **{name: shared[name] for name in names if name in shared}}


def submit_branch(graph: GraphConfig, state: ResearchState, config: RunnableConfig) -> Calls[Any]:
    """Start the run of one branch, which `wait_branch` then waits for, beside the others. Under `SENT`, which
    is no key of the state, the choice of the next step gets the branch: a `Command` could not leave an
    activity of Temporal.
    """
    pending = pending_turn(state)
    update: dict[str, Any] = {}
    try:
        if not pending["run_id"]:
            # The other branches are not at hand in this task; `join` tells what the ledger has beside them.
            started = (yield from _start(graph, state, config, then="join")).turn
            if _is_answered(started):
                yield from emit_cost([started], state, config)
                update = {"turns": [started]}
            else:
                pending = started
                update = {"branches": [pending]}
    except (Unprocessable, Forbidden, InvalidRequest) as error:
        key = graph.paid(pending, config).key
        update = {"turns": [refused_turn(pending, key, error)]}
    except ParallelError:
        pass  # `join` tries again
    return {**update, SENT: branch_state(state, pending)}


def wait_branch(graph: GraphConfig, state: ResearchState, config: RunnableConfig) -> Calls[Any]:
    """The turn of one branch, if its run was started and can be waited for."""
    if not pending_turn(state)["run_id"] or is_parking(graph.wait, config):
        return {}  # `join` does it; a thread parks once, for all its runs
    try:
        turn = yield from _finish(graph, state, config)
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
    if not state.get("branches"):
        return {}
    yield from check_own_thread(graph, config)
    if ledger_id := (yield from graph.new_ledger(state, config)):
        before, seals = state["ledger_id"], graph.clients.seals
        left = [leave_behind(turn, before, ledger_id, seals) for turn in state["branches"]]
        return {"ledger_id": ledger_id, "branches": left}
    branches, turns = list[Turn](), list[Turn]()
    for branch in (yield from _clear_branches(graph, state, config)):
        if not branch["run_id"] and not branch.get("no_credit"):
            alone: ResearchState = {**state, "pending": branch}
            branch, found = yield from _start(graph, alone, config, then="join")  # noqa: PLW2901
            turns += found
        (turns if _is_answered(branch) else branches).append(branch)
    started = [branch for branch in branches if branch["run_id"]]
    started = yield from prove_all(graph, started, state["ledger_id"], config)
    if not turns:
        turns += yield from _find_beside(graph, state, branches, config)
    if is_parking(graph.wait, config):
        started = yield from _read_all(graph, started, state["ledger_id"], config)
        yield from park(graph, started, state["ledger_id"], config, raises=True)
    for branch in started:
        turns.append((yield from _finish(graph, {**state, "pending": branch}, config)))  # it yields
    yield from emit_cost([turn for turn in turns if not is_elsewhere(turn)], state, config)
    if len(started) < len(branches):  # the limits or the account's credit do not allow the others
        return {"turns": turns, "branches": [b for b in branches if not b["run_id"]]}
    return {"turns": turns, "branches": [], **_head(state, turns)}


def _clear_branches(
    graph: GraphConfig, state: ResearchState, config: RunnableConfig
) -> Calls[list[Turn]]:
    """The open branches; one that is in doubt is planned anew, so that its own run is found."""
    branches = open_branches(state)
    for place, branch in enumerate(branches if is_resumed(config) else ()):
        if (yield from is_doubtful(graph.run(branch, config), branch, state["ledger_id"])):
            branches[place] = unstarted_turn(branch)
    return branches


def _read_all(
    graph: GraphConfig, started: list[Turn], ledger_id: str, config: RunnableConfig
) -> Calls[list[Turn]]:
    """These turns, with their interactions."""
    turns = list[Turn]()
    for turn in started:
        turns.append((yield from read_turn(graph.run(turn, config), turn, ledger_id)))  # it yields
    return turns


def _find_beside(
    graph: GraphConfig, state: ResearchState, branches: list[Turn], config: RunnableConfig
) -> Calls[list[Turn]]:
    """What the ledger was seen to have beside the branches that are started; if it cannot be read now, or is
    not shown to be this thread's, the next send tells it.
    """
    known = _read_known(graph, {**state, "branches": branches}, config)
    turns, position = state.get("turns") or [], state["branches"][0]["round"]
    try:
        yield from prove_ledger(graph, state["ledger_id"], config, [*turns, *branches])
        return (yield from find_unknown(graph, state["ledger_id"], known, turns, position))
    except ParallelError:
        return []


def _head(state: ResearchState, turns: list[Turn]) -> dict[str, Any]:
    here = {branch["position"] for branch in state["branches"]}
    done = merge_turns(state.get("turns"), turns)
    answered = [t for t in done if t["position"] in here and t["status"] == "completed"]
    update = answer_channel(state, turns)
    if not answered:
        return update
    return {
        **update,
        "interaction_id": answered[-1]["interaction_id"] or state.get("interaction_id"),
    }
