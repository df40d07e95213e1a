"""Runs in the background: polled before each turn of the model, and when the model checks. Free."""

from __future__ import annotations

from typing import Any

from langchain_core.runnables import RunnableConfig

from .._core.calls import Calls
from ..errors import ParallelError
from .agent_config import AgentConfig
from .agent_state import AgentTurn, Research, is_active, started_as
from .recovery import Marked, adopted, listed, of_call
from .runs import finish, running_record

_NEVER_SENT = "It was never sent."
POLLED = 20
"""Most runs that are polled before one turn of the model."""


def poll(
    agent: AgentConfig,
    research: Research,
    config: RunnableConfig,
    handles: list[str],
    *,
    thorough: bool = False,
) -> Calls[Research]:
    """Poll these runs; return the records that have changed.

    Args:
        agent: The middleware's.
        research: All records.
        config: LangChain's config.
        handles: Whose runs.
        thorough: Find out whether a run of unknown outcome was started, which may take 15 seconds.
    """
    changed: Research = {}
    for handle in handles:
        record = research[handle]
        now = yield from _looked_at(agent, {**research, **changed}, record, config, thorough)
        if now != record:
            changed[handle] = now
    return changed


def to_poll(research: Research, turn: int) -> list[str]:
    """The runs to poll at this turn of the model. If there are more than `POLLED`, each turn polls others."""
    active = [record["handle"] for record in research.values() if is_active(record)]
    if len(active) <= POLLED:
        return active
    at = turn * POLLED % len(active)
    return [*active[at:], *active[:at]][:POLLED]


def _looked_at(
    agent: AgentConfig,
    research: Research,
    record: AgentTurn,
    config: RunnableConfig,
    thorough: bool,
) -> Calls[AgentTurn]:
    try:
        if record["status"] == "unknown":
            record = yield from _found(agent, record, config, thorough)
        if record["status"] not in ("running", "action_required"):
            return record
        run = yield from agent.clients.retrieve(record["run_id"])
    except ParallelError:
        return record
    if run.active:  # also again, after a person has done what it waited for
        return {**record, "status": "running", "error": None}
    return (yield from finish(agent, research, record, config, has_ended=True))


def _found(
    agent: AgentConfig, record: AgentTurn, config: RunnableConfig, thorough: bool
) -> Calls[AgentTurn]:
    lookup: Any = "until_settled" if thorough else "once"
    found = yield from agent.run(record, config).find(record["ledger_id"], lookup=lookup)
    if found is not None:
        return running_record(record, found)
    if not thorough:
        return record
    runs = yield from listed(agent, record["ledger_id"])
    if marked := of_call(record, runs).get(started_as(record)):
        return {**adopted(record, marked), "handle": record["handle"]}
    return {**record, "status": "refused", "cost_usd": 0.0, "error": "It was never started."}


def release(
    agent: AgentConfig,
    research: Research,
    config: RunnableConfig,
    answered_calls: set[str],
    open_calls: set[str],
) -> Calls[Research]:
    """Settle planned records whose tool call is over without a run: another middleware rejected it, or a new
    message came in between. A run that was started all the same is found, even if a person had changed the
    call or this middleware has other options now. The other records no longer count against the limits.
    """
    runs: dict[str, list[Marked]] = {}
    waited: set[str] = set()
    changed: Research = {}
    for handle, record in research.items():
        declined = record["status"] == "declined" and record["error"] != _NEVER_SENT
        if record["status"] != "planned" and not (declined and record["call"] in open_calls):
            continue
        doubt: AgentTurn = {**record, "status": "unknown"}
        if ledger_id := record["ledger_id"]:
            thorough = record["call"] not in answered_calls and ledger_id not in waited
            try:
                doubt = yield from _found(agent, doubt, config, thorough=False)
                if doubt["status"] == "unknown" and thorough:
                    found = yield from _by_call(agent, record, runs)
                    if not found:
                        waited.add(ledger_id)
                        runs.pop(ledger_id)
                        doubt = yield from _found(agent, doubt, config, thorough)
                found = yield from _by_call(agent, record, runs)
            except ParallelError:
                continue
            others = {h: m for h, m in found.items() if h not in {**research, **changed}}
            changed |= {h: adopted(record, marked) for h, marked in others.items()}
            if doubt["status"] != "running" and handle in found:
                doubt = adopted(record, found[handle])
        if doubt["status"] != "running":
            doubt = {**doubt, "status": "declined", "cost_usd": 0.0, "error": _NEVER_SENT}
            doubt["seen_by_model"] = True
        changed[handle] = doubt
    return changed


def _by_call(
    agent: AgentConfig, record: AgentTurn, runs: dict[str, list[Marked]]
) -> Calls[dict[str, Marked]]:
    """The runs that were started for a record's call, by handle; each ledger is read once."""
    ledger_id = record["ledger_id"]
    if ledger_id not in runs:
        runs[ledger_id] = yield from listed(agent, ledger_id)
    return of_call(record, runs[ledger_id])
