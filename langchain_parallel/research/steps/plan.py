"""plan: settle what is asked next, where it belongs, and in which ledger."""

from __future__ import annotations

import uuid
from typing import Any

from langchain_core.runnables import RunnableConfig

from ..._calls import Calls
from ..._ledgers import session_ledger
from ...errors import ParallelError
from ...models import TaskRun
from ..budget import checked_budget
from ..researcher import Researcher
from ..state import Pending, Question, ResearchState, Turn
from ..turns import (
    asked,
    asks_the_same,
    on_its_way,
    planned,
    started,
    unfinished,
)
from .approve import objections_to


def plan(researcher: Researcher, state: ResearchState, config: RunnableConfig) -> Calls[Any]:
    """The next turn, or one for each branch, written down before anything is sent."""
    checked_budget(state.get("budget") or {})
    runs, before = next_turns(researcher, state), state.get("turns") or []
    ledger_id = yield from _ledger(researcher, state, config)
    overtaken: list[Turn] = []
    for left in planned(state):
        if not any(asks_the_same(left, run) for run in runs):
            overtaken += yield from _overtaken(researcher, state, left, config)
    runs = [
        {
            **run,
            "position": run["position"] + len(overtaken),
            "round": run["round"] + len(overtaken),
        }
        for run in runs
    ]
    if objections_to(researcher, {**state, "turns": before + overtaken}, runs):
        runs = [{**run, "held": True} for run in runs]
    update: dict[str, Any] = {"ledger_id": ledger_id}
    # Not even an empty list without need: a channel that is written is stored whole once more.
    if overtaken:
        update["turns"] = overtaken
    if len(runs) > 1:
        return {**update, "pending": None, "branches": runs}
    if state.get("branches"):
        update["branches"] = []
    return {**update, "pending": runs[0]}


def next_turns(researcher: Researcher, state: ResearchState) -> list[Pending]:
    """What the state asks for, as turns to come.

    Raises:
        InvalidRequest: There is no question, or the API would refuse one.
    """
    questions, asked_by = asked(state)
    position = len(state.get("turns") or ())
    runs: list[Pending] = []
    for offset, question in enumerate(questions):
        run = _turn(researcher, state, question)
        runs.append({**run, "position": position + offset, "round": position, "asked_by": asked_by})
        researcher.check(runs[-1])
    return runs


def _turn(researcher: Researcher, state: ResearchState, question: Question) -> Pending:
    parent = question.get("continue_from") or state.get("interaction_id")
    same = on_its_way(state, question["question"], parent)
    # Who planned it first may have sent it; without a ledger asking again means paying again.
    plan_id = same["plan_id"] if same and not researcher.direct else None
    processor = question.get("processor") or (same["processor"] if same else None)
    run = Pending(
        position=0,
        round=0,
        question=question["question"],
        asked_by="caller",
        processor=processor or researcher.processor(state, parent),
        parent_interaction_id=parent,
        plan_id=plan_id or f"{researcher.clients.here}.{uuid.uuid4().hex[:8]}",
    )
    if schema := question.get("output_schema"):
        run["output_schema"] = schema
    return run


def _ledger(researcher: Researcher, state: ResearchState, config: RunnableConfig) -> Calls[str]:
    if researcher.direct:
        return ""
    if known := state.get("ledger_id"):
        return known
    return (
        yield from session_ledger(researcher.clients, researcher.ledgers, config, researcher.name)
    )


def _overtaken(
    researcher: Researcher, state: ResearchState, left: Pending, config: RunnableConfig
) -> Calls[list[Turn]]:
    """The turn that was on its way when another question came in, if it was submitted."""
    if "run_id" in left:
        return [unfinished(left, (yield from _seen(researcher, left["run_id"])))]
    if researcher.direct or left.get("held"):
        return []
    found = yield from researcher.clients.find(
        state["ledger_id"],
        researcher.request(left, config),
        position=str(left["position"]),
        before="once" if researcher.planned_here(left) else "settle",
    )
    return [] if found is None else [unfinished(started(left, found), found.run)]


def _seen(researcher: Researcher, run_id: str) -> Calls[TaskRun]:
    """A run as it stands; if that cannot be read now, then by its id alone."""
    try:
        return (yield from researcher.clients.retrieve(run_id))
    except ParallelError:
        return TaskRun(run_id=run_id, status="queued")
