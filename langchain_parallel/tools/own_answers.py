"""Which answers are a conversation's own: what its calls of the tools may build on, and read.

Rule: an id is no capability, for whoever reads a log may know it. A model follows up only on what results of
its own conversation returned, and reads only runs of its own thread. The proof of an interaction is the seal
on an answer in the messages at hand, else a record of the thread, else the ledger's list, whose runs name
their threads. Code outside LangGraph gives what ids it likes. `RequestOptions.allow_foreign_ids` opens all of
this (True), or closes what code may give, too (False). Nothing here costs money.

Turns and ledgers in a graph's state are proven by `_graph/ownership.py`; a model gives neither.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from langchain_core.messages import ToolMessage

from .._core.calls import Calls
from .._core.ledger.identity import is_anothers
from .._core.ledger.keys import THREAD_ID
from .._graph.ownership import foreign_run, read_own_run
from .._graph.run_config import RunConfig
from .._graph.runtime import is_of_thread
from ..errors import InvalidRequest, ParallelError
from ..models import Submission, TaskRun
from ..text.untrusted import harmless
from .call_site import CallSite

_NAMED = 10
"""Interactions that a refusal names, the latest ones."""
_ID_CHARS = 60
_SEALED = "answer of a tool"


# --- what an answer leaves behind ------------------------------------------------------------------


def seal_answer(door: RunConfig, run: TaskRun, ledger_id: str) -> dict[str, Any]:
    """What an answer's artifact says of its run, with the proof that this package said so."""
    ids = {"run_id": run.run_id, "interaction_id": run.interaction_id, "ledger_id": ledger_id}
    return {**ids, "seal": door.clients.seals.of(_SEALED, *ids.values())}


def remember_answer(door: RunConfig, site: CallSite, run: TaskRun) -> Calls[None]:
    """Record that an answer was handed over here: its message may be gone when it is built on."""
    if run.interaction_id and _has_records(door, site):
        name = _record_name(run.interaction_id)
        record = {"run_id": run.run_id, "seal": _record_seal(door, site, run.interaction_id)}
        with suppress(ParallelError):  # the ledger's list shows it, too
            yield from door.records.put(site.config, name, record)


def _is_remembered(door: RunConfig, site: CallSite, interaction_id: str) -> Calls[bool]:
    if not _has_records(door, site):
        return False
    record = yield from door.records.get(site.config, _record_name(interaction_id))
    # A server's users may be able to write into the store that has the record.
    return record is not None and record.get("seal") == _record_seal(door, site, interaction_id)


def _record_seal(door: RunConfig, site: CallSite, interaction_id: str) -> str:
    whose = () if door.mark is None else (door.mark,)  # threads of one name may be two users'
    return door.clients.seals.of("returned", site.thread_id, interaction_id, *whose)


def _has_records(door: RunConfig, site: CallSite) -> bool:
    """Whether what is recorded here is one caller's: a thread's, or that of code which holds the tool. Graphs
    without threads may serve anybody.
    """
    return site.thread_id is not None or (site.is_new and door.options.allow_foreign_ids is False)


def _record_name(interaction_id: str) -> str:
    return f"returned {interaction_id}"


def _sealed_interactions(door: RunConfig, messages: Sequence[Any]) -> Iterator[str]:
    """The interactions of answers in the conversation that this package wrote."""
    for message in messages:
        artifact = message.artifact if isinstance(message, ToolMessage) else None
        if not isinstance(artifact, dict) or not isinstance(artifact.get("interaction_id"), str):
            continue
        parts = [artifact.get(name) for name in ("run_id", "interaction_id", "ledger_id")]
        if door.clients.seals.holds(artifact.get("seal"), _SEALED, *parts):
            yield artifact["interaction_id"]


# --- what a call builds on -------------------------------------------------------------------------


def check_follow_up(
    door: RunConfig, site: CallSite, interaction_id: str | None, ledger_id: str | None
) -> Calls[None]:
    """Refuse to build on an interaction that is not this conversation's.

    Args:
        door: The tool's.
        site: Where it is called.
        interaction_id: What the call builds on, if it is a follow-up.
        ledger_id: The ledger of this conversation, if it has one.

    Raises:
        InvalidRequest: It is not; the error names those that are.
    """
    if not interaction_id or _may_give_any(door, site):
        return
    ours = list(_sealed_interactions(door, site.messages))
    if interaction_id in ours:
        return
    if (yield from _is_remembered(door, site, interaction_id)):
        return
    # The developer's code may hand the ledger of other research over, in the state.
    is_handed_over = ledger_id == site.ledger_id and door.trusts_ids(site.config)
    runs = (yield from door.clients.list_runs(ledger_id)) if ledger_id else []
    listed = [run for run in runs if is_handed_over or _is_of(run, site)]
    listed = [run for run in listed if not is_anothers(run, door.mark)]
    ours += [run.interaction_id for run in listed if run.interaction_id]
    if interaction_id not in ours:
        raise _not_ours(interaction_id, ours)


def check_adopted(door: RunConfig, site: CallSite, submission: Submission) -> Calls[None]:
    """Refuse a run that another thread has started in a ledger which threads share.

    Raises:
        InvalidRequest: It is another thread's. Nothing of it was read.
    """
    run, config = submission.run, site.config
    if not submission.adopted or door.trusts_ids(config) or _is_of(run, site):
        return
    if (yield from read_own_run(door.clients, run.run_id, config)) is None:
        raise foreign_run(run.run_id)


def _may_give_any(door: RunConfig, site: CallSite) -> bool:
    """Whether whoever made the call may give any id: code may, a model may not."""
    allowed = door.options.allow_foreign_ids
    return door.trusts_ids(site.config) and (bool(allowed) or not site.is_from_model)


def _not_ours(interaction_id: str, ours: Sequence[str]) -> InvalidRequest:
    given = harmless(repr(interaction_id), _ID_CHARS)
    latest = list(dict.fromkeys(reversed(ours)))[:_NAMED]
    known = (
        f"Use one of these: {', '.join(latest)}." if latest else "There is none to follow up yet."
    )
    return InvalidRequest(
        [f"previous_interaction_id {given} comes from no answer of this conversation. {known}"],
        hint="Nothing was sent. Leave it out to start afresh.",
    )


# --- what a call reads -----------------------------------------------------------------------------


def may_read(
    door: RunConfig, site: CallSite, run: TaskRun, task_tool: str, ledger_id: str | None
) -> bool:
    """Whether a run's answer may be read where a call asks for it.

    Args:
        door: The tool's.
        site: Where it is called.
        run: The run, as the API has it.
        task_tool: The name of the tool that starts runs.
        ledger_id: The ledger that this tool was given when it was made.
    """
    if door.options.allow_foreign_ids or _is_of(run, site):
        return True
    is_trusted = door.trusts_ids(site.config)
    if is_trusted and site.ledger_id and run.taskgroup_id == site.ledger_id:
        return True
    is_known = bool(ledger_id) and run.taskgroup_id == ledger_id
    if site.thread_id is None:
        is_known = is_known or door.clients.has_started(run.run_id)
    if not is_known or (is_trusted and not site.is_from_model):
        return is_known
    # Many conversations may share the tool and its ledger: what another one has asked is not read here.
    is_another_threads = _thread_of(run) is not None
    return not is_another_threads and (
        site.thread_id is not None or _is_named(site, run, task_tool)
    )


def _is_named(site: CallSite, run: TaskRun, task_tool: str) -> bool:
    """Whether a message of the task tool names the run."""
    of_tool = (m for m in site.messages if isinstance(m, ToolMessage) and m.name == task_tool)
    return any(run.run_id in message.text for message in of_tool)


def _is_of(run: TaskRun, site: CallSite) -> bool:
    """Whether a run was started in the thread of the call."""
    return site.thread_id is not None and is_of_thread(run.metadata, site.config)


def _thread_of(run: TaskRun) -> str | None:
    thread_id = (run.metadata or {}).get(THREAD_ID)
    return thread_id if isinstance(thread_id, str) else None
