"""Finds a paid run by the tool call that started it, even if question or options have changed since.

Rule: the ledger's key says what is asked, which changes when a person edits a call or when the middleware
gets other options. So each run also names its call in its metadata (`CALL_TAG`), and a call that may have
been sent is looked up by that, too, before it is sent or given up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

from langchain_core.runnables import RunnableConfig

from .._core.calls import Call, Calls
from .._core.timestamps import sort_key
from ..errors import ParallelError
from ..models import TaskRun, TaskRunEvent
from ..processors import price_usd
from .agent_config import CALL_TAG, AgentConfig, call_tag
from .agent_state import AgentTurn, started_as


class Marked(NamedTuple):
    """A run in a ledger, and what its metadata says of its call."""

    handle: str
    position: int
    call: str
    run: TaskRun
    question: str
    processor: str
    parent_interaction_id: str | None


def listed(agent: AgentConfig, ledger_id: str) -> Calls[list[Marked]]:
    """A ledger's runs that name their call, oldest first. Free."""
    clients = agent.clients
    events = yield Call(
        lambda: clients.sync.list_runs(ledger_id, include_input=True),
        lambda: clients.async_.list_runs(ledger_id, include_input=True),
    )
    found = [marked for event in cast("list[TaskRunEvent]", events) if (marked := _marked(event))]
    return sorted(found, key=lambda marked: sort_key(marked.run.created_at))


def _marked(event: TaskRunEvent) -> Marked | None:
    asked = event.input
    kept = event.run.metadata or (asked.metadata if asked is not None else None) or {}
    parts = str(kept.get(CALL_TAG, "")).split()
    if len(parts) != 3 or not parts[1].isdecimal():
        return None
    handle, position, call = parts
    known: dict[str, Any] = {} if asked is None else asked.model_dump()
    question = known.get("input")
    return Marked(
        handle=handle,
        position=int(position),
        call=call,
        run=event.run,
        question=question if isinstance(question, str) else "",
        processor=event.run.processor or str(known.get("processor") or ""),
        parent_interaction_id=known.get("previous_interaction_id"),
    )


def of_call(record: AgentTurn, runs: Sequence[Marked]) -> dict[str, Marked]:
    """The runs that were started for a record's call, by handle; of duplicates the oldest."""
    call = call_tag(record).split()[2]
    found: dict[str, Marked] = {}
    for marked in runs:
        if marked.call == call:
            found.setdefault(marked.handle, marked)
    return found


def adopted(record: AgentTurn, marked: Marked) -> AgentTurn:
    """The record with this run, and with the question that was really sent."""
    question = marked.question or record["question"]
    return {
        **record,
        "handle": marked.handle,
        "position": marked.position,
        "status": "running",
        "run_id": marked.run.run_id,
        "interaction_id": marked.run.interaction_id,
        "started_at": marked.run.created_at,
        "question": question,
        "processor": marked.processor or record["processor"],
        "cost_usd": price_usd(marked.processor or record["processor"]),
        "parent_interaction_id": marked.parent_interaction_id,
        "edited": record.get("edited", False) or question != record["question"],
        "error": None,
    }


def sent_for(agent: AgentConfig, record: AgentTurn, ledger_id: str) -> Calls[AgentTurn | None]:
    """The record with the run that was sent for its call, whatever it asks; None if there is none, or if the
    ledger cannot be read.
    """
    try:
        runs = yield from listed(agent, ledger_id)
    except ParallelError:
        return None
    marked = of_call(record, runs).get(started_as(record))
    if marked is None:
        return None
    found: AgentTurn = {**adopted(record, marked), "handle": record["handle"]}
    return {**found, "ledger_id": ledger_id, "seen_by_model": False}


def sent_before(
    agent: AgentConfig, record: AgentTurn, config: RunnableConfig
) -> Calls[AgentTurn | None]:
    """The record with the run that a middleware with other options sent for this call; None if there is none.

    The question must be the same: in a fork of the thread a person may have edited this call.
    """
    elsewhere = not agent.is_planned_here(record.get("plan_id"))
    if elsewhere:  # the list may not show its run yet: this waits for the settling time
        run = agent.run(record, config)
        found = yield from run.find(record["ledger_id"], lookup="until_settled")
        if found is not None:
            return None  # `submit` finds it under its key
    runs = yield from listed(agent, record["ledger_id"])
    marked = of_call(record, runs).get(started_as(record))
    if marked is None or marked.question != record["question"]:
        return None
    if marked.parent_interaction_id != record["parent_interaction_id"]:
        return None
    return {**adopted(record, marked), "handle": record["handle"]}
