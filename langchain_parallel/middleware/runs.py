"""Runs: started once, followed, parked, looked after. Everything but `start` is free, however often done.

Rule: `start` finds the run in the ledger or sends it; the handle is its position there (R3). So a tool that
is run again (a kill, a retry, a resumed interrupt, a replayed message) finds what it has paid for.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from itertools import takewhile
from typing import Any

from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig

from .._core.calls import Calls
from .._core.redaction import secrets_of
from .._graph.paid_run import answer, wait_seconds
from .._graph.runtime import (
    START,
    checkpointer_of,
    input_of,
    parent_task,
    runtime_of,
    thread_id_of,
    was_resumed_recently,
)
from .._graph.session_ledger import stored_ledger, submit_once
from ..errors import ActionRequired, ParallelError, RunCancelled, RunFailed
from ..models import Event, Submission, TaskRun, TaskRunResult
from ..research.cost_events import told
from ..research.turns import answered, submission_of, unanswered
from ..text.progress import progress
from ..text.untrusted import harmless
from ..tools.tool_messages import told as in_words
from .agent_config import AgentConfig, pending_of
from .agent_state import AgentTurn, Research, is_ended, short, started_as, turns_of
from .citations import number_citations
from .recovery import sent_before

_FETCH_SECONDS = 60.0
"""How long the answer of a run that has ended is waited for."""


def durable(setup: AgentConfig, state: Mapping[str, Any], config: RunnableConfig) -> bool:
    """Whether the ledger outlives this process once it is known; without a checkpointer nothing does."""
    runtime = runtime_of(config)
    stored = runtime is not None and runtime.store is not None and thread_id_of(config) is not None
    return bool(state.get(setup.names.ledger)) or stored or checkpointer_of(config) is None


def ledger_of(
    setup: AgentConfig, state: Mapping[str, Any], config: RunnableConfig, place: str
) -> Calls[str]:
    """The session's ledger: the state's, the store's, or a new one.

    Without a checkpointer the store is left alone: nothing of such an agent outlives its invocation, so
    the same question asked again there is another one.
    """
    if known := state.get(setup.names.ledger):
        return str(known)
    runtime, thread_id = runtime_of(config), thread_id_of(config)
    store = runtime.store if runtime else None
    if store is None or thread_id is None or checkpointer_of(config) is None:
        return (yield from setup.ledgers.of(place, setup.clients))
    agent, within = config.get("metadata", {}).get("lc_agent_name"), parent_task(config)
    parts = ["agent", agent, setup.names.name, within and f"in {within} for {_task(state)}"]
    name, asked = " ".join(filter(None, parts)), (yield from input_of(config))
    first = asked.at if asked.after == START else None
    return (yield from stored_ledger(setup.clients, store, thread_id, name, first))


def _task(state: Mapping[str, Any]) -> str:
    """A short name of what a sub-agent was told: LangGraph does not tell a second one from a retry."""
    told = takewhile(lambda one: not isinstance(one, AIMessage), state.get("messages") or ())
    words = json.dumps([getattr(message, "content", "") for message in told], default=str)
    return hashlib.sha256(words.encode()).hexdigest()[:12]


def kept_in(ledger_id: str, record: AgentTurn, config: RunnableConfig) -> AgentTurn:
    """The record with its ledger; in a sub-agent its citations carry the ledger's name."""
    kept: AgentTurn = {**record, "ledger_id": ledger_id}
    if ledger_id and parent_task(config):
        kept["counts_as"] = short(ledger_id)
    return kept


def start(
    setup: AgentConfig, record: AgentTurn, ledger_id: str, config: RunnableConfig
) -> Calls[AgentTurn]:
    """Find the record's run or start it: the one step that costs money. Errors are put into the record."""
    lately = was_resumed_recently(config) or not setup.planned_here(record)
    here = kept_in(ledger_id, record, config)
    try:
        if record.get("planned_key") != setup.key(record):
            before = yield from sent_before(setup, here, config)
            if before is not None:
                return before
        found = yield from submit_once(
            setup.clients,
            config,
            ledger_id,
            setup.request(here, config),
            position=started_as(here),
            lookup="until_settled" if lately else "once",
        )
    except ParallelError as error:
        return _not_started(here, error)
    return started(here, found)


def started(record: AgentTurn, found: Submission) -> AgentTurn:
    """A record whose run was found or started."""
    return {
        **record,
        "status": "running",
        "key": found.key,
        "run_id": found.run.run_id,
        "interaction_id": found.run.interaction_id,
        "sent_again": found.sent_again or bool(found.duplicates),
        "started_at": found.run.created_at,
        "error": None,
    }


def _not_started(record: AgentTurn, error: ParallelError) -> AgentTurn:
    if error.billed is False:
        return unsent(record, error)
    return {**record, "status": "unknown", "error": harmless(error.message)}


def unsent(record: AgentTurn, error: ParallelError) -> AgentTurn:
    """A record that came to nothing before it could cost anything; one that was declined stays so."""
    if record["status"] != "planned":
        return record
    error.billed = False
    return {**record, "status": "refused", "error": in_words(error), "cost_usd": 0.0}


def finish(
    setup: AgentConfig,
    research: Research,
    record: AgentTurn,
    config: RunnableConfig,
    *,
    ended: bool,
) -> Calls[AgentTurn]:
    """Follow a run, its progress on the custom stream, and put its answer into the record.

    A run that cannot be followed to its end stays what it was, with the problem in words. Of one that is
    known to have `ended` only the answer is asked for.
    """
    request = setup.request(record, config)
    seconds = _FETCH_SECONDS if ended else wait_seconds(record["processor"], setup.timeout)
    secrets = secrets_of([setup.template])

    def wait(run: TaskRun) -> Calls[TaskRunResult]:
        listen = None if ended else _listener(config, run)
        return (
            yield from setup.clients.wait(run.run_id, run.interaction_id, seconds, listen, secrets)
        )

    pending = pending_of(record)
    submission = submission_of(pending, record["ledger_id"])
    try:
        got = yield from answer(setup.clients, submission, request, started_as(record), wait)
    except (RunFailed, RunCancelled) as error:
        turn = unanswered(pending, error)
    except ActionRequired as error:
        return {**record, "status": "action_required", "error": harmless(error.message)}
    except ParallelError as error:
        return {**record, "error": harmless(f"{error.message}")}
    else:
        turn = answered(pending, got, keep_excerpts=False)
    done: AgentTurn = {**record, **turn}
    done["citations"] = number_citations(done, research)
    others = {h: r for h, r in research.items() if h != record["handle"] and is_ended(r)}
    yield from told([done], {"turns": turns_of(others)}, config)
    return done


def _listener(config: RunnableConfig, run: TaskRun) -> Callable[[Event], None]:
    """Progress to the custom stream; each event also tells LangGraph that the step is not idle."""
    runtime = runtime_of(config)

    def listen(event: Event) -> None:
        if runtime is not None:
            runtime.stream_writer(dict(progress(event, run.run_id, run.interaction_id)))
            runtime.heartbeat()

    return listen
