"""Finding what was sent: by the key that says what is asked, and by the call that it is for. Free.

Rule: a person who edits a call, and a middleware that is built anew with another configuration, change the
key. So each run also carries, as metadata, the call that it is for; a call that may have been sent is looked
up under that, too, before it is sent or given up.
"""

from __future__ import annotations

from typing import Any

from langchain_core.runnables import RunnableConfig

from .._core.calls import Calls
from .._core.ledger.lookup import Lookup
from .._core.timestamps import sort_key
from .._graph.gone_ledger import asks_to_replace, left_behind
from .._graph.ownership import seal_turn
from ..errors import LedgerNotFound, ParallelError
from ..models import TaskRunEvent
from ..processors import is_chat, price_usd
from ..research.approval import decline
from ..research.turns import running_turn
from .agent_config import CALL_TAG, AgentConfig, call_tag
from .agent_state import AgentTurn, Research
from .quick_records import find_quick

_NEVER_SENT = "It was never sent."


def find_runs(
    agent: AgentConfig,
    research: Research,
    record: AgentTurn,
    config: RunnableConfig,
    lookup: Lookup | None = None,
) -> Calls[Research]:
    """The records of all runs that the record's call has started, whatever it asked; by handle. Free.

    `lookup`: how to look; unless given, as the call's intent says.
    """
    found, ledger_id, run = Research(), record["ledger_id"], agent.run(record, config)
    # A person may have made the one of the other.
    is_changed, is_quick = run.called_as not in (None, run.key), is_chat(record["processor"])
    if is_quick or is_changed:
        found = yield from find_quick(agent, research, record, config)
    if found or (is_quick and not is_changed):
        return found
    if lookup is None and not (yield from run.may_have_been_sent(ledger_id)):
        return found
    # By key first: the client knows the runs that it has started before any list shows them.
    if submission := (yield from run.find(ledger_id, lookup="once")):
        found[record["handle"]] = {
            **record,
            **running_turn(record, submission, agent.clients.seals),
        }
    found |= yield from _tagged_runs(agent, record, found)
    if found or lookup == "once":
        return found
    thorough = run.find(ledger_id, lookup="until_settled") if lookup else run.look(ledger_id)
    if submission := (yield from thorough):
        found[record["handle"]] = {
            **record,
            **running_turn(record, submission, agent.clients.seals),
        }
    return {**found, **(yield from _tagged_runs(agent, record, found))}


def _tagged_runs(agent: AgentConfig, record: AgentTurn, known: Research) -> Calls[Research]:
    """The records of the runs that the ledger lists for the record's call, beside the `known` ones."""
    found = Research()
    events = yield from agent.clients.list_inputs(record["ledger_id"])
    # Of two runs under one tag the older counts.
    for event in sorted(events, key=lambda e: sort_key(e.run.created_at)):
        if sent := _sent_record(record, event):
            sent = seal_turn(agent.clients.seals, sent, record["ledger_id"])
            found.setdefault(sent["handle"], sent)
    return {handle: sent for handle, sent in found.items() if handle not in known}


def _sent_record(record: AgentTurn, event: TaskRunEvent) -> AgentTurn | None:
    """The record of a run with what was asked; None if the run is another call's."""
    run, asked = event.run, event.input
    tag = str((run.metadata or (asked and asked.metadata) or {}).get(CALL_TAG, "")).split()
    own_handle, _, call = call_tag(record).split()
    if len(tag) != 3 or tag[2] != call or not tag[1].isdecimal():
        return None
    # What was sent counts: a person may have changed the record's question, or the options another processor.
    given: dict[str, Any] = asked.model_dump() if asked else {}
    question = given.get("input")
    question = question if isinstance(question, str) and question else record["question"]
    processor = str(given.get("processor") or "") or record["processor"]
    return {
        **record,
        "handle": record["handle"] if tag[0] == own_handle else tag[0],
        "position": int(tag[1]),
        "status": "running",
        "run_id": run.run_id,
        "interaction_id": run.interaction_id,
        "started_at": run.created_at,
        "question": question,
        "processor": processor,
        "cost_usd": price_usd(processor),
        "parent_interaction_id": given.get("previous_interaction_id"),
        "edited": record.get("edited", False) or question != record["question"],
        "seen_by_model": False,
        "error": None,
    }


def is_same_question(one: AgentTurn, other: AgentTurn) -> bool:
    """Whether two records ask the same: in a fork of the thread a person may have edited the call anew."""
    return all(one[name] == other[name] for name in ("question", "parent_interaction_id"))


def release(
    agent: AgentConfig,
    research: Research,
    config: RunnableConfig,
    open_calls: set[str],
) -> Calls[Research]:
    """Settle planned records whose tool call is over without a run: another middleware rejected it, or a new
    message came in between. A run that was started all the same is found, even if a person had changed the
    call or this middleware has other options now. The other records no longer count against the limits.
    """
    changed: Research = {}
    for handle, record in research.items():
        # A person may have edited a call that was declined, so that its tool has sent it.
        was_declined = record["status"] == "declined" and record["error"] != _NEVER_SENT
        if record["status"] != "planned" and not (was_declined and record["call"] in open_calls):
            continue
        ledger_id, found = record["ledger_id"], Research()
        try:
            if ledger_id:
                found = yield from find_runs(agent, research, record, config)
        except ParallelError as error:
            if isinstance(error, LedgerNotFound) and asks_to_replace(config, ledger_id):
                changed[handle] = lost_record(record)
            continue  # the next turn tries again
        if handle not in found:
            changed[handle] = {**decline(record, _NEVER_SENT), "seen_by_model": True}
        # An edited call may have started further runs, whose records only its tool had.
        others = {**research, **changed}.keys() - {handle}
        changed |= {name: sent for name, sent in found.items() if name not in others}
    return changed


def lost_record(record: AgentTurn) -> AgentTurn:
    """A record of which nobody can tell any more whether it was started: its ledger was replaced."""
    error = left_behind(record["ledger_id"], record["processor"])
    return {**record, "status": "refused", "error": error, "cost_usd": None}
