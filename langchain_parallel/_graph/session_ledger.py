"""Finds or makes the ledger of a session whose state does not name one (R4).

Rule: a session has a name, and its ledger is recorded under that name (`records.py`) before anything is paid.
So a process that runs the session again finds the same ledger, also at a checkpoint from before the session.
"""

from __future__ import annotations

import itertools
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.runnables import RunnableConfig
from typing_extensions import Self

from .._core.calls import Calls
from .._locks.shared import BACKOFF, take_turn
from ..errors import LedgerNotFound, ParallelError, StorageFailed, ThreadBusy
from .clients import ClientPair
from .gone_ledger import asks_to_replace
from .records import Record, Records, holder_of, together
from .runtime import (
    FIRST_INPUT,
    asking_user,
    came_through_server,
    first_input_of,
    input_of,
    is_of_thread,
    is_resumed,
    parent_task,
    thread_id_of,
    thread_metadata,
    wait_for_checkpoint,
)
from .store import digest

RUNS_PER_LEDGER = 200
"""Most calls outside LangGraph that share one ledger: looking for a lost run reads all runs of its ledger."""
REPEAT_SECONDS = 600.0
"""For how long the same call of a caller without a thread is given the same answer again."""
REPEATED_CALL = "__parallel_repeated_call"
"""In `configurable`: the thread stands for a call that may be made again, because its answer may not have
reached the caller.
"""
_SAME_THREAD_SECONDS = 24 * 3600.0
"""A first input that comes this long after the ledger's last use belongs to a new thread of the same id."""

_BUSY_SECONDS = 30.0
"""How long to wait for another process that makes the ledger."""


class Ledgers:
    """The ledgers of one door's sessions; a ledger is made when its session first asks for it."""

    def __init__(self, clients: ClientPair, records: Records) -> None:
        self._clients, self._records = clients, records
        self._id, self._calls = uuid.uuid4().hex, itertools.count()

    def __deepcopy__(self, memo: object) -> Self:
        """These themselves: a copy of a tool keeps using the ledgers of the original."""
        return self

    def of(
        self,
        config: RunnableConfig,
        *names: str,
        first_input_at: float | None = None,
        metadata: Mapping[str, Any] | None = None,
        is_likely_new: bool = False,
    ) -> Calls[str]:
        """The ledger recorded under the first of these names that has one; concurrent calls get the same.

        Args:
            config: LangChain's config of the step; in it a person may replace a ledger that is gone.
            names: The session's names in its thread. The ledger is recorded under all of them.
            first_input_at: If this is the thread's first input, when it came, in Unix seconds: a ledger that
                was last used more than a day before, or by another user of a LangGraph server, belongs to a
                deleted thread of the same id.
            metadata: Kept with a ledger that is made.
            is_likely_new: Probably none of the names has a ledger, so one is made before they are looked up,
                which then is done once. If one has, that one counts; the other stays empty, which is free.
        """
        used = yield from self._use(
            config, names, first_input_at, metadata, is_likely_new=is_likely_new
        )
        return used[0]

    def use(self, config: RunnableConfig, name: str) -> Calls[tuple[str, int]]:
        """As `of`; with the number of this use of the ledger, counted from 1."""
        return (yield from self._use(config, (name,), is_counted=True))

    def _use(
        self,
        config: RunnableConfig,
        names: Sequence[str],
        first_input_at: float | None = None,
        metadata: Mapping[str, Any] | None = None,
        *,
        is_counted: bool = False,
        is_likely_new: bool = False,
    ) -> Calls[tuple[str, int]]:
        """Find the ledger or make it.

        Where another process is at it, its record is waited for. That process is not passed by: it may have
        stopped, and would pay in its own ledger once it goes on. With a record, nobody waits for anybody.

        Raises:
            ThreadBusy: Another process has been at it for too long.
        """
        holder = holder_of(config)
        owner = id(self._records) if holder is None else thread_id_of(config)
        name = f"ledger of {owner}/{names[-1]}"
        until, tries = 0.0, 0
        while True:
            turn = yield from take_turn(name, holder, on_machine=holder is not None)
            try:
                known = None
                if not (is_likely_new and turn.is_alone):
                    known = yield from self._find(config, names, first_input_at)
                if known is None and turn.is_alone:
                    known = yield from self._make(config, names, first_input_at, metadata)
                if known and (turn.is_alone or not is_counted):
                    return (yield from self._record_use(config, names, known))
            finally:
                turn.release()
            now = self._clients.monotonic()
            until = until or now + _BUSY_SECONDS
            if now >= until:
                raise _busy(turn.other_process())
            tries += 1
            yield from self._clients.sleep(BACKOFF.delay(tries))

    def _record_use(
        self, config: RunnableConfig, names: Sequence[str], known: Record
    ) -> Calls[tuple[str, int]]:
        ledger_id = str(known["ledger_id"])
        ledger_id = (yield from self.replacement(ledger_id, config)) or ledger_id
        use = int(known["uses"]) + 1
        used = _record_of(ledger_id, use, _user(config) or known.get("user"))
        if "answered_at" in known:
            used["answered_at"] = known["answered_at"]
        written = {_ledger(name): used for name in names}
        if known.get("is_made") and thread_id_of(config) is not None:
            made = str(known["ledger_id"])
            written[_made_by_us(made)] = {"seal": self._seal_of_made(made, config)}
        # In no order: each of them alone leads to the ledger, or says no more than the API does.
        puts = [self._records.put(config, name, record) for name, record in written.items()]
        yield from together(puts)
        return ledger_id, use

    def _find(
        self, config: RunnableConfig, names: Sequence[str], first_input_at: float | None
    ) -> Calls[Record | None]:
        """The record of the session's ledger that this thread may go on with."""
        known = None
        gets = [self._records.get(config, _ledger(name)) for name in names]
        for recorded in (yield from together(gets)):
            if first_input_at is not None and _is_of_another_user(recorded, config):
                continue
            known = known or _usable(recorded, first_input_at, is_repeated=repeats(config))
        return known if known and (yield from self._is_own(known, config)) else None

    def of_new_call(self, config: RunnableConfig, name: str) -> Calls[str]:
        """The ledger of a call that nobody looks for later: each `RUNS_PER_LEDGER` of these share one.

        The first of them makes it. So a thousand calls at once make theirs side by side, and none waits for
        the ledger of others.
        """
        name = f"{name}/{self._id}/{next(self._calls) // RUNS_PER_LEDGER}"
        if holder_of(config) is None:
            made = yield from self.find_recorded(config, name)
            if made is not None and not asks_to_replace(config, made):
                return made
        return (yield from self.of(config, name))

    def _make(
        self,
        config: RunnableConfig,
        names: Sequence[str],
        first_input_at: float | None,
        metadata: Mapping[str, Any] | None,
    ) -> Calls[Record]:
        """A new ledger, unless one is recorded now: a process that no lock keeps out may have done that
        meanwhile. Then it does not matter that none can be made.
        """
        kept = {**(metadata or {}), **thread_metadata(config)}
        made, refusal = "", None
        try:
            made = yield from self._clients.create_group(kept)
        except ParallelError as error:
            refusal = error
        known = yield from self._find(config, names, first_input_at)
        if known is None and refusal is not None:
            raise refusal
        return known or {"ledger_id": made, "uses": 0, "is_made": True}

    def _seal_of_made(self, ledger_id: str, config: RunnableConfig) -> str:
        return self._clients.seals.of("made", thread_id_of(config), ledger_id)

    def has_made(self, ledger_id: str, config: RunnableConfig) -> Calls[bool]:
        """Whether the ledger was made for the thread of `config`."""
        if thread_id_of(config) is None:
            return False
        record = yield from self._records.get(config, _made_by_us(ledger_id))
        # A server's users may be able to write into the store that has the record.
        return record is not None and record.get("seal") == self._seal_of_made(ledger_id, config)

    def belongs_to(self, ledger_id: str, config: RunnableConfig) -> Calls[bool]:
        """Whether a ledger is that of the thread of `config`. Where no record says so, the API is asked,
        which is free: the ledger, or a run in it, names the thread that it was made for.

        Raises:
            LedgerNotFound: There is none.
        """
        if (yield from self.has_made(ledger_id, config)):
            return True
        group = yield from self._clients.retrieve_group(ledger_id)
        if is_of_thread(group.metadata, config):
            return True
        runs = (yield from self._clients.list_runs(ledger_id)) if group.status.num_task_runs else []
        return any(is_of_thread(run.metadata, config) for run in runs)

    def find_recorded(self, config: RunnableConfig, name: str) -> Calls[str | None]:
        """The ledger that is recorded under a name, if there is one."""
        known = yield from self._records.get(config, _ledger(name))
        return None if known is None else str(known["ledger_id"])

    def uses(self, config: RunnableConfig, name: str) -> Calls[int]:
        """How often the ledger that is recorded under a name was asked for; 0 if there is none."""
        known = yield from self._records.get(config, _ledger(name))
        return 0 if known is None else int(known["uses"])

    def last(self, config: RunnableConfig, name: str) -> Calls[str | None]:
        """The ledger of this thread's latest session, whoever has recorded it."""
        return (yield from self.find_recorded(config, _last(name)))

    def _is_own(self, record: Record, config: RunnableConfig) -> Calls[bool]:
        """Whether a record names a ledger of this thread. Behind a LangGraph server, whose users may be able
        to write into its store, it takes this account's seal, or the word of the API.
        """
        if holder_of(config) is None or not came_through_server(config):
            return True
        try:
            return (yield from self.belongs_to(record["ledger_id"], config))
        except LedgerNotFound:
            return True  # the lookup says so

    def of_question(self, config: RunnableConfig, name: str) -> Calls[str]:
        """The ledger of a research session whose state names none.

        Where the thread has records: the one recorded for this input (so replays, forks and re-sent inputs
        find it), else the one of an unfinished session on this thread, else a new one. A later question gets
        its own ledger and therefore never a stale answer. Elsewhere: the one that this object remembers for
        the parent's task, which a retry of that task runs again.
        """
        if holder_of(config) is None:
            return (yield from self.of(config, parent_task(config) or uuid.uuid4().hex))
        if repeats(config):
            return (yield from self.of(config, _last(name), first_input_at=time.time()))
        first = first_input_of(config)
        if first is None:
            yield from wait_for_checkpoint(config)
        after, asked_at = first or (yield from input_of(config))
        here = (f"{name}/after {after}",) if after else ()
        first_input_at = asked_at if after == FIRST_INPUT else None
        names, is_likely_new = [*here, _last(name)], first is not None and not is_resumed(config)
        when: dict[str, Any] = {"first_input_at": first_input_at, "is_likely_new": is_likely_new}
        return (yield from self.of(config, *names, **when))

    def replacement(self, ledger_id: str, config: RunnableConfig) -> Calls[str | None]:
        """The new ledger in the place of one that is gone, where a person has said so; else None."""
        if not asks_to_replace(config, ledger_id):
            return None
        if (yield from self._clients.has_group(ledger_id)):
            return None
        return (yield from self.of(config, f"instead of {ledger_id}"))

    def close(
        self,
        config: RunnableConfig,
        name: str,
        turns: Sequence[Mapping[str, Any]],
        *,
        is_first: bool = False,
    ) -> Calls[None]:
        """Record that the question was answered: the next one on this thread begins another session. Where
        the thread stands for a call, the same call finds an answer for `REPEAT_SECONDS` more.

        Args:
            config: LangChain's config of the step.
            name: The session's.
            turns: The session's.
            is_first: It is the session's first question, so that its record is open, and need not be read.

        Raises:
            StorageFailed: That could not be recorded; the error names the run of the last of `turns`.
        """
        if holder_of(config) is None:
            return
        record = _ledger(_last(name))
        try:
            if is_first and turns and not repeats(config) and turns[-1].get("ledger_id"):
                known: Record | None = _record_of(str(turns[-1]["ledger_id"]), 1, _user(config))
            else:
                known = yield from self._records.get(config, record)
            if known is not None and known["open"]:
                closed = {**known, "open": False}
                if repeats(config) and any(turn["status"] == "completed" for turn in turns):
                    closed.setdefault("answered_at", time.time())
                yield from self._records.put(config, record, closed)
        except StorageFailed as error:
            last = turns[-1] if turns else {}
            error.with_ids(last.get("run_id"), last.get("interaction_id"))
            raise


def _busy(process: int | None) -> ThreadBusy:
    which = "Another process" if process is None else f"Another process of this machine ({process})"
    return ThreadBusy(
        f"{which} has been beginning a session of this thread for {_BUSY_SECONDS:,.0f} s.",
        hint="This step sent nothing, because that process pays for its runs once it goes on. Let it go on, "
        "or end it; then resume the thread.",
        billed=None,
    )


def _record_of(ledger_id: str, uses: int, user: str | None) -> Record:
    return {"ledger_id": ledger_id, "at": time.time(), "open": True, "uses": uses, "user": user}


def _ledger(name: str) -> str:
    return f"ledger of {name}"


def _made_by_us(ledger_id: str) -> str:
    return f"made {ledger_id}"


def _last(name: str) -> str:
    """The name of a thread's latest session, for any question."""
    return f"{name}/last"


def _user(config: RunnableConfig) -> str | None:
    user = asking_user(config)
    return None if user is None else digest(user)


def _is_of_another_user(known: Record | None, config: RunnableConfig) -> bool:
    """Whether a record was written for another user; for nobody, and by nobody, it is anybody's."""
    return len({_user(config), (known or {}).get("user")} - {None}) == 2


def repeats(config: RunnableConfig) -> bool:
    """Whether the thread of a config stands for a call that may be made again."""
    return bool(config.get("configurable", {}).get(REPEATED_CALL))


def _usable(
    known: Record | None, first_input_at: float | None, *, is_repeated: bool
) -> Record | None:
    """The recorded ledger, if the session may continue with it."""
    if known is None:
        return None
    if is_repeated and "answered_at" in known:
        return known if time.time() - known["answered_at"] < REPEAT_SECONDS else None
    if not known["open"]:
        return None
    is_old = first_input_at is not None and first_input_at - known["at"] >= _SAME_THREAD_SECONDS
    return None if is_old else known
