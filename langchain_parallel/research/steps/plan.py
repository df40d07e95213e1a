"""plan: settle what is asked next, where it belongs, and in which ledger."""

from __future__ import annotations

from typing import Any

from langchain_core.runnables import RunnableConfig

from ..._core.calls import Calls
from ..._graph.runtime import writes_at_the_end
from ..._graph.session_ledger import session_ledger
from ...errors import ParallelError
from ...models import TaskRun
from ..approval import weighed
from ..budget import checked_budget
from ..graph_config import GraphConfig
from ..state import Pending, Question, ResearchState, Turn
from ..turns import (
    asked,
    asks_the_same,
    ledger_position,
    on_its_way,
    planned,
    started,
    unfinished,
)


def plan(researcher: GraphConfig, state: ResearchState, config: RunnableConfig) -> Calls[Any]:
    """The next turn, or one for each branch, written down before anything is sent.

    Without a question, what is on its way goes on.
    """
    checked_budget(state.get("budget") or {})
    left, before = planned(state), state.get("turns") or []
    fresh = next_turns(researcher, state) if state.get("question") or not left else []
    ledger_id = yield from _ledger(researcher, state, config)
    update: dict[str, Any] = {"ledger_id": ledger_id, "question": None}
    if fresh:
        overtaken: list[Turn] = []
        for run in left:
            if not any(_takes_over(researcher, run, new) for new in fresh):
                overtaken += yield from _overtaken(researcher, state, run, config)
        # Not even an empty list without need: a channel that is written is stored whole once more.
        update |= {"turns": overtaken} if overtaken else {}
        before = [*before, *overtaken]
        runs = _placed([_taken_over(researcher, left, new) for new in fresh], before)
    else:
        runs = left
    runs = weighed(researcher, {**state, "turns": before}, runs)
    if len(runs) > 1 or (not fresh and state.get("branches")):
        return {**update, "pending": None, "branches": runs}
    if state.get("branches"):
        update["branches"] = []
    return {**update, "pending": runs[0]}


def next_turns(researcher: GraphConfig, state: ResearchState) -> list[Pending]:
    """What the state asks for, as turns to come.

    Raises:
        InvalidRequest: There is no question, or the API would refuse one.
    """
    questions, asked_by = asked(state)
    runs: list[Pending] = []
    for question in questions:
        runs.append({**_turn(researcher, state, question), "asked_by": asked_by})
        researcher.check(runs[-1])
    return runs


def _turn(researcher: GraphConfig, state: ResearchState, question: Question) -> Pending:
    parent = question.get("continue_from") or state.get("interaction_id")
    same = on_its_way(state, question["question"], parent)
    processor = question.get("processor") or (same["processor"] if same else None)
    run = Pending(
        position=0,
        round=0,
        question=question["question"],
        asked_by="caller",
        processor=processor or researcher.processor_for(state, parent),
        parent_interaction_id=parent,
        plan_id=researcher.new_plan_id(),
    )
    if schema := question.get("output_schema"):
        run["output_schema"] = schema
    return run


def _takes_over(researcher: GraphConfig, left: Pending, new: Pending) -> bool:
    """Whether a question asks what is on its way: then its run is found, not paid for again.

    Without a ledger, a run that is not known to be started cannot be found.
    """
    return asks_the_same(left, new) and ("run_id" in left or not researcher.direct)


def _taken_over(researcher: GraphConfig, left: list[Pending], new: Pending) -> Pending:
    for run in left:
        if _takes_over(researcher, run, new):
            kept: Pending = {**run, "asked_by": new["asked_by"]}
            return {**kept, "ledger_position": ledger_position(run)}
    return new


def _placed(runs: list[Pending], turns: list[Turn]) -> list[Pending]:
    """The runs behind all turns; a session's positions may have gaps, where a branch was declined."""
    first = max((turn["position"] for turn in turns), default=-1) + 1
    placed: list[Pending] = []
    for position, run in enumerate(runs, start=first):
        there: Pending = {**run, "position": position, "round": first}
        if run.get("ledger_position") == position:
            del there["ledger_position"]
        placed.append(there)
    return placed


def _ledger(researcher: GraphConfig, state: ResearchState, config: RunnableConfig) -> Calls[str]:
    if researcher.direct:
        return ""
    if known := state.get("ledger_id"):
        return known
    return (
        yield from session_ledger(researcher.clients, researcher.ledgers, config, researcher.name)
    )


def _overtaken(
    researcher: GraphConfig, state: ResearchState, left: Pending, config: RunnableConfig
) -> Calls[list[Turn]]:
    """The turn that was on its way when another question came in, if it was submitted."""
    if "run_id" in left:
        return [unfinished(left, (yield from _seen(researcher, left["run_id"])))]
    if researcher.direct or (left.get("held") and not writes_at_the_end(config)):
        return []
    found = yield from researcher.clients.find(
        state["ledger_id"],
        researcher.request(left, config),
        position=str(ledger_position(left)),
        lookup="once" if researcher.planned_here(left) else "until_settled",
    )
    return [] if found is None else [unfinished(started(left, found), found.run)]


def _seen(researcher: GraphConfig, run_id: str) -> Calls[TaskRun]:
    """A run as it stands; if that cannot be read now, then by its id alone."""
    try:
        return (yield from researcher.clients.retrieve(run_id))
    except ParallelError:
        return TaskRun(run_id=run_id, status="queued")
