"""Runs of an agent's research: found or started, followed to their answer, looked up again.

Rule: only `start` costs money, and it looks the run up in the ledger before it sends one. The run's key says
what is asked, and its handle is its position (R3), so a tool that runs again (a kill, a retry, a resumed
interrupt, a replayed message) finds what it has paid for. A person who edits a call, and a middleware that is
built anew with another configuration, change the key. So each run also carries, as metadata, the call that it
is for; a call that may have been sent is looked up under that, too, before it is sent or given up.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from itertools import takewhile
from types import MappingProxyType
from typing import Any, NamedTuple, cast

from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig

from .._core.calls import Calls
from .._core.ledger.lookup import Lookup
from .._core.timestamps import sort_key
from .._graph.gone_ledger import asks_to_replace, left_behind
from .._graph.ownership import seal_turn
from .._graph.paid_chat import QuickAnswer
from .._graph.runtime import FIRST_INPUT, checkpointer_of, ends_step, input_of, parent_task
from ..errors import ActionRequired, LedgerNotFound, ParallelError
from ..models import Submission, TaskRunEvent
from ..processors import is_chat, price_usd
from ..research.approval import decline
from ..research.state import PLANNING_FIELDS
from ..research.turns import finish_turn, running_turn
from ..research.usage import emit_cost
from ..text.untrusted import ERROR_CHARS, harmless
from ..tools.tool_messages import error_for_model
from .agent_config import CALL_TAG, AgentConfig, call_tag
from .agent_state import (
    UNPROVEN,
    AgentTurn,
    Research,
    is_active,
    is_ended,
    short_id,
    turns_of,
)
from .citations import number_citations
from .quick_records import find_quick, quick_record
from .unknown_records import beyond_limits, found_records, submit_run

POLLED = 20
"""Most runs that are polled before one turn of the model."""
_NEVER_SENT = "It was never sent."
_COUNTED = (
    "Runs of this session that were started elsewhere count, too; they are listed from now on."
)
_REVIEWED = "Make the call again, and a person is asked."

# --- the ledger ------------------------------------------------------------------------------------


def agent_ledger(
    agent: AgentConfig, state: Mapping[str, Any], config: RunnableConfig, message_id: str
) -> Calls[str]:
    """The session's ledger: the state's, the one that is recorded for the thread, or a new one.

    `state`: with proven records (`own_records.py`).
    """
    known = state.get(agent.names.ledger)
    if known and _is_own_ledger(agent, state, known, config):
        return (yield from agent.ledgers.replacement(known, config)) or str(known)
    if checkpointer_of(config) is None:
        # Such an agent ends with its invocation: the same question in the next one is a new run. By message:
        # all its calls get one ledger.
        return (yield from agent.ledgers.of(config, message_id))
    # LangGraph does not tell a sub-agent's second task from a retry of the first, so the task counts, too.
    parent = parent_task(config)
    within = parent and f"in {parent} for {_task_digest(state)}"
    name = ["agent", config.get("metadata", {}).get("lc_agent_name"), agent.names.name, within]
    asked = yield from input_of(config)
    return (
        yield from agent.ledgers.of(
            config,
            " ".join(filter(None, name)),
            first_input_at=asked.at if asked.after == FIRST_INPUT else None,
        )
    )


def _is_own_ledger(
    agent: AgentConfig, state: Mapping[str, Any], ledger_id: str, config: RunnableConfig
) -> bool:
    """Whether the state's ledger is one of its records'; of another, the thread's own takes the place."""
    own = (r["ledger_id"] for r in agent.research(state).values() if r["status"] != UNPROVEN)
    return agent.trusts_ids(config) or ledger_id in own


def _task_digest(state: Mapping[str, Any]) -> str:
    before = takewhile(lambda one: not isinstance(one, AIMessage), state.get("messages") or ())
    words = json.dumps([getattr(message, "content", "") for message in before], default=str)
    return hashlib.sha256(words.encode()).hexdigest()[:12]


# --- a paid run ------------------------------------------------------------------------------------


class Started(NamedTuple):
    """A record after its run was found, started, or kept from starting."""

    record: AgentTurn
    found: Research = MappingProxyType({})  # type: ignore[assignment]
    """Records of runs that the ledger has and the state does not know."""


def start(
    agent: AgentConfig,
    state: Mapping[str, Any],
    record: AgentTurn,
    ledger_id: str,
    config: RunnableConfig,
) -> Calls[Started]:
    """Find the record's run or start it: the one step that costs money. Errors are put into the record."""
    if record["status"] not in ("planned", "declined"):
        return Started(record)
    record = with_ledger(agent, record, ledger_id, config)
    run, research = agent.paid(record, config), agent.research(state)
    try:
        if record["status"] == "declined" or run.called_as != run.key:
            # A killed process may have had another decision, or other options, and have sent it.
            sent = yield from find_runs(agent, research, record, config)
            if record["status"] == "declined":
                return Started(sent.get(record["handle"], record))
            if (same := sent.get(record["handle"])) and _is_same_question(same, record):
                return Started(same)
        submitted = yield from submit_run(agent, state, record, config)
    except ParallelError as error:
        if ends_step(error, config):
            raise
        if error.billed is False:
            return Started(unsent_record(record, error))
        # It may have been sent: the next turns of the model look it up.
        return Started(
            {**record, "status": "unknown", "error": harmless(error.message, ERROR_CHARS)}
        )
    found = found_records(agent, state, record, submitted.found)
    if submitted.submission is None:
        why = [*beyond_limits(agent, state, record, found, config), _COUNTED]
        if agent.limits.on_exceed == "ask" and checkpointer_of(config) is not None:
            why.append(_REVIEWED)
        return Started(decline(record, " ".join(why)), found)
    came = submitted.submission
    return Started((yield from _with_outcome(agent, research, record, came, config)), found)


def _with_outcome(
    agent: AgentConfig,
    research: Research,
    record: AgentTurn,
    came: Submission | QuickAnswer,
    config: RunnableConfig,
) -> Calls[AgentTurn]:
    """The record with its run; of a quick question, with its answer."""
    if isinstance(came, QuickAnswer):
        done = quick_record(agent, research, record, came)
        yield from _emit_cost(done, research, config)
        return done
    return {**record, **running_turn(record, came, agent.clients.seals)}


def with_ledger(
    agent: AgentConfig, record: AgentTurn, ledger_id: str, config: RunnableConfig
) -> AgentTurn:
    """The record with its ledger, sealed."""
    kept = seal_turn(agent.clients.seals, record, ledger_id)
    # A sub-agent's text goes to agents that number their own sources from 1.
    if ledger_id and parent_task(config):
        kept["citation_suffix"] = short_id(ledger_id)
    return kept


def unsent_record(record: AgentTurn, error: ParallelError) -> AgentTurn:
    """The record of a run that this error kept from starting; one that was declined stays declined."""
    if record["status"] != "planned":
        return record
    error.billed = False
    return {**record, "status": "refused", "error": error_for_model(error), "cost_usd": 0.0}


def finish(
    agent: AgentConfig,
    research: Research,
    record: AgentTurn,
    config: RunnableConfig,
    *,
    has_ended: bool,
) -> Calls[AgentTurn]:
    """Follow a run, with its progress on the custom stream, and put its answer into the record.

    If a run cannot be followed to its end, its record keeps its status and gets the error.

    Args:
        agent: The middleware's.
        research: All records: the sources of earlier ones keep their numbers.
        record: The run's.
        config: LangChain's config.
        has_ended: Only ask for the answer.
    """
    run, ledger_id = agent.run(record, config), record["ledger_id"]
    try:
        turn = yield from finish_turn(run, record, ledger_id, has_ended=has_ended)
    except ActionRequired as error:
        return {
            **record,
            "status": "action_required",
            "error": harmless(error.message, ERROR_CHARS),
        }
    except ParallelError as error:
        return {**record, "error": harmless(error.message, ERROR_CHARS)}
    whole = {**record, **turn}
    done = cast(AgentTurn, {n: v for n, v in whole.items() if n not in PLANNING_FIELDS})
    done["citations"] = number_citations(done, research)
    yield from _emit_cost(done, research, config)
    return done


def _emit_cost(done: AgentTurn, research: Research, config: RunnableConfig) -> Calls[None]:
    # Declined and refused records cost nothing, so all that have ended may be added up.
    others = {h: r for h, r in research.items() if h != done["handle"] and is_ended(r)}
    yield from emit_cost([done], {"turns": turns_of(others)}, config)


# --- finding what was sent -------------------------------------------------------------------------


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


def _is_same_question(one: AgentTurn, other: AgentTurn) -> bool:
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
                changed[handle] = _lost_record(record)
            continue  # the next turn tries again
        if handle not in found:
            changed[handle] = {**decline(record, _NEVER_SENT), "seen_by_model": True}
        # An edited call may have started further runs, whose records only its tool had.
        others = {**research, **changed}.keys() - {handle}
        changed |= {name: sent for name, sent in found.items() if name not in others}
    return changed


def _lost_record(record: AgentTurn) -> AgentTurn:
    """A record of which nobody can tell any more whether it was started: its ledger was replaced."""
    error = left_behind(record["ledger_id"], record["processor"])
    return {**record, "status": "refused", "error": error, "cost_usd": None}


# --- runs in the background ------------------------------------------------------------------------


def poll(
    agent: AgentConfig,
    research: Research,
    config: RunnableConfig,
    handles: list[str],
    *,
    thorough: bool = False,
) -> Calls[Research]:
    """Poll these runs; return the records that have changed. Free.

    Args:
        agent: The middleware's.
        research: All records.
        config: LangChain's config.
        handles: The runs.
        thorough: Find out whether a run of unknown outcome was started, which may take the settling time.
    """
    changed: Research = {}
    for handle in handles:
        record = research[handle]
        try:
            now = yield from _look_up(agent, {**research, **changed}, record, config, thorough)
        except LedgerNotFound:
            if not asks_to_replace(config, record["ledger_id"]):
                continue
            now = _lost_record(record)
        except ParallelError:
            continue
        if now != record:
            changed[handle] = now
    return changed


def runs_to_poll(research: Research, turn: int) -> list[str]:
    """The runs to poll at this turn of the model. If there are more than `POLLED`, each turn polls others."""
    active = [record["handle"] for record in research.values() if is_active(record)]
    if len(active) <= POLLED:
        return active
    at = turn * POLLED % len(active)
    return [*active[at:], *active[:at]][:POLLED]


def _look_up(
    agent: AgentConfig,
    research: Research,
    record: AgentTurn,
    config: RunnableConfig,
    thorough: bool,
) -> Calls[AgentTurn]:
    if record["status"] == "unknown":
        lookup: Lookup = "until_settled" if thorough else "once"
        found = yield from find_runs(agent, research, record, config, lookup)
        if not thorough and record["handle"] not in found:
            return record  # a single lookup does not prove that it was never sent
        error = "It was never started."
        unsent: AgentTurn = {**record, "status": "refused", "cost_usd": 0.0, "error": error}
        record = found.get(record["handle"], unsent)
    if record["status"] not in ("running", "action_required"):
        return record
    try:
        run = yield from agent.clients.retrieve(record["run_id"])
    except ParallelError:
        return record
    if run.active:  # also again, after a person has done what it waited for
        return {**record, "status": "running", "error": None}
    return (yield from finish(agent, research, record, config, has_ended=True))
