"""Runs of an agent's research: found or started, followed to their answer, looked up again.

Rule: only `start` costs money, and it looks the run up in the ledger before it sends one. The run's key says
what is asked, and its handle is its position (R3), so a tool that runs again (a kill, a retry, a resumed
interrupt, a replayed message) finds what it has paid for. Where the key has changed since, `run_recovery.py`
finds it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple, cast

from langchain_core.runnables import RunnableConfig

from .._core.calls import Calls
from .._core.ledger.lookup import Lookup
from .._graph.earlier_sessions import remember
from .._graph.gone_ledger import asks_to_replace
from .._graph.ownership import seal_turn
from .._graph.paid_chat import QuickAnswer
from .._graph.paid_run import PaidRun
from .._graph.recollections import EndedQuestion, earlier_questions
from .._graph.runtime import checkpointer_of, ends_step, parent_task
from ..errors import ActionRequired, LedgerNotFound, ParallelError
from ..evidence import Evidence
from ..models import Submission
from ..research.approval import decline
from ..research.state import PLANNING_FIELDS
from ..research.turns import finish_turn, running_turn
from ..research.usage import emit_cost
from ..text.untrusted import ERROR_CHARS, harmless
from ..tools.tool_messages import error_for_model
from .agent_config import AgentConfig
from .agent_state import (
    AgentTurn,
    Research,
    is_active,
    is_ended,
    short_id,
    turns_of,
)
from .citations import number_citations
from .quick_records import quick_record
from .run_recovery import find_runs, is_same_question, lost_record
from .unknown_records import beyond_limits, found_records, submit_run

POLLED = 20
"""Most runs that are polled before one turn of the model."""
_COUNTED = (
    "Runs of this session that were started elsewhere count, too; they are listed from now on."
)
_REVIEWED = "Make the call again, and a person is asked."

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
    *,
    beside: Mapping[str, int],
) -> Calls[Started]:
    """Find the record's run or start it: the one step that costs money. Errors are put into the record.

    `beside`: the numbers that other tools have given.
    """
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
            if (same := sent.get(record["handle"])) and is_same_question(same, record):
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
    done = yield from _with_outcome(agent, research, record, came, config, beside=beside)
    return Started(done, found)


def _with_outcome(
    agent: AgentConfig,
    research: Research,
    record: AgentTurn,
    came: Submission | QuickAnswer,
    config: RunnableConfig,
    *,
    beside: Mapping[str, int],
) -> Calls[AgentTurn]:
    """The record with its run; of a quick question, with its answer."""
    if isinstance(came, QuickAnswer):
        done = quick_record(agent, research, record, came, beside)
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
    beside: Mapping[str, int],
    has_ended: bool,
    fetch_seconds: float = PaidRun.fetch_seconds,
) -> Calls[AgentTurn]:
    """Follow a run, with its progress on the custom stream, and put its answer into the record.

    If a run cannot be followed to its end, its record keeps its status and gets the error.

    Args:
        agent: The middleware's.
        research: All records: the sources of earlier ones keep their numbers.
        record: The run's.
        config: LangChain's config.
        beside: The numbers that other tools have given.
        has_ended: Only ask for the answer.
        fetch_seconds: How long to wait for it then.
    """
    run, ledger_id = agent.run(record, config), record["ledger_id"]
    run = replace(run, fetch_seconds=fetch_seconds)
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
    done["citations"] = number_citations(done, research, beside)
    yield from _emit_cost(done, research, config)
    after = earlier_questions(turns_of(research), done["parent_interaction_id"])
    ended = EndedQuestion(done["question"], after, cast(Evidence, done), [done])
    yield from remember(agent, config, ended)
    return done


def _emit_cost(done: AgentTurn, research: Research, config: RunnableConfig) -> Calls[None]:
    # Declined and refused records cost nothing, so all that have ended may be added up.
    others = {h: r for h, r in research.items() if h != done["handle"] and is_ended(r)}
    yield from emit_cost([done], {"turns": turns_of(others)}, config)


# --- runs in the background ------------------------------------------------------------------------


def poll(
    agent: AgentConfig,
    research: Research,
    config: RunnableConfig,
    handles: list[str],
    beside: Mapping[str, int],
    *,
    thorough: bool = False,
) -> Calls[Research]:
    """Poll these runs; return the records that have changed. Free.

    Args:
        agent: The middleware's.
        research: All records.
        config: LangChain's config.
        handles: The runs.
        beside: The numbers that other tools have given.
        thorough: Find out whether a run of unknown outcome was started, which may take the settling time.
    """
    changed: Research = {}
    for handle in handles:
        record = research[handle]
        try:
            now = yield from _look_up(
                agent, {**research, **changed}, record, config, beside, thorough=thorough
            )
        except LedgerNotFound:
            if not asks_to_replace(config, record["ledger_id"]):
                continue
            now = lost_record(record)
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
    beside: Mapping[str, int],
    *,
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
    return (yield from finish(agent, research, record, config, beside=beside, has_ended=True))
