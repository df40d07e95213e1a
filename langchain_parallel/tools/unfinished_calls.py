"""Calls whose answer never reached their model: the next call that asks the same goes on with their run.

Rule: to a model, asking again is a new message, and so another position (R3). It must be no new run while the
one that was paid for is on its way, or has an answer that was never handed over. So a thread's call is
recorded under what it asks, wherever it asks it, before anything is sent. An identical call takes over its
position and its ledger, and so finds its run. The answer closes the record: asked again later, the same
question is a new run. Without a thread, only a call that ended in an error is recorded, in this process.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from .._core.calls import Calls
from .._core.ledger.keys import METADATA_KEY, ledger_key
from .._graph.ownership import prove_ledger
from .._graph.paid_run import PaidRun
from .._graph.records import Record, Records, holder_of
from .._locks.shared import SharedLock
from ..errors import InvalidRequest, ParallelError, RunCancelled, RunFailed
from ..models import TaskRun, TaskRunInput
from .call_site import CallSite
from .within_limits import EDITED_CALL

ASKED_KEY = "asked_key"
"""Where a run carries, as metadata, the key of what it asks, without a position."""
_TAKEN_OVER = 50
"""Most calls that took over another's run that a record remembers, the latest ones."""


def with_asked_key(request: TaskRunInput, identity: str | None) -> TaskRunInput:
    """The request, whose run then tells under which record its call is."""
    metadata = {**request.metadata, ASKED_KEY: ledger_key(request, identity=identity)}
    return request.model_copy(update={"metadata": metadata})


def is_found_again(site: CallSite) -> bool:
    """Whether an identical call finds the run in another process, too."""
    return holder_of(site.config) is not None


@dataclass(frozen=True)
class UnfinishedCall:
    """A call of the tool, until its answer is handed over.

    Attributes:
        run: Its run, at the call's own position.
        site: Where it is made.
        records: The tool's.
    """

    run: PaidRun
    site: CallSite
    records: Records

    def open_key(self) -> Calls[str | None]:
        """The key of a call that asked the same and has no answer; None if there is none."""
        place = ((yield from self._read()) or {}).get("open")
        return None if place is None else str(place["key"])

    def begin(self, own_ledger: Callable[[], Calls[str]]) -> Calls[tuple[PaidRun, str]]:
        """The run to find or start, and its ledger: the call's own, or those of a call that asked the same
        and never got its answer.
        """
        position = self.site.position
        lock = yield from _lock(self.run, self.site)
        try:
            record = (yield from self._read()) or {}
            taken = record.get("taken_over", {})
            place = taken.get(position) or record.get("open") or self._unseen(record)
            if place is None or place["position"] == position:
                ledger_id = yield from own_ledger()
                if self.site.thread_id is not None:
                    yield from self._write({**record, "open": self._place(self.run, ledger_id)})
                return self.run, ledger_id
            yield from self._prove_ledger(place["ledger_id"], own_ledger)
            if position not in taken and (yield from self._has_its_own(own_ledger)):
                return self.run, (yield from own_ledger())
            if position not in taken:  # a kill after the answer must not make this call a new one
                latest = [*taken.items(), (position, place)][-_TAKEN_OVER:]
                yield from self._write({**record, "open": place, "taken_over": dict(latest)})
        finally:
            lock.release()
        run, ledger_id = replace(self.run, position=place["position"]), str(place["ledger_id"])
        if (yield from run.is_known(ledger_id)):  # also where its ledger is gone
            return run, ledger_id
        ledgers = run.door.ledgers
        return run, (yield from ledgers.replacement(ledger_id, self.site.config)) or ledger_id

    def end(
        self,
        run: PaidRun,
        ledger_id: str,
        *,
        run_id: str | None = None,
        error: ParallelError | None = None,
    ) -> Calls[None]:
        """Note how the call ended. If that fails, the next identical call gets the same answer, for nothing.

        Args:
            run: As `begin` returned it.
            ledger_id: The same.
            run_id: The run whose answer is handed over.
            error: Why there is no answer.
        """
        with suppress(ParallelError):
            if error is None or _has_no_answer(error):
                yield from _close(self.records, self.run, run.key, self.site, run_id)
            elif self.site.thread_id is None:
                record = (yield from self._read()) or {}
                yield from self._write({**record, "open": self._place(run, ledger_id)})

    def _place(self, run: PaidRun, ledger_id: str) -> dict[str, Any]:
        return {"position": run.position, "ledger_id": ledger_id, "key": run.key}

    def _unseen(self, record: Record) -> dict[str, Any] | None:
        """The call whose answer was handed over and never came into the conversation: the call beside it was
        killed, and another message overtook both.
        """
        answered: dict[str, Any] | None = record.get("answered")
        if answered is None:
            return None
        if not self.site.lacks_answer(answered["message"], answered["run_id"]):
            return None
        return {name: answered[name] for name in ("position", "ledger_id", "key")}

    def _prove_ledger(self, ledger_id: str, own_ledger: Callable[[], Calls[str]]) -> Calls[None]:
        """Refuse a recorded ledger that is not this conversation's: behind a LangGraph server, a user may be
        able to write into the store that has the record.
        """
        door, config = self.run.door, self.site.config
        if not door.trusts_ids(config) and ledger_id != (yield from own_ledger()):
            yield from prove_ledger(door, ledger_id, config)

    def _has_its_own(self, own_ledger: Callable[[], Calls[str]]) -> Calls[bool]:
        """Whether this call has a run of its own from before, which a replay of it finds again."""
        if not is_found_again(self.site):
            return False
        return (yield from self.run.may_have_been_sent((yield from own_ledger())))

    def _read(self) -> Calls[Record | None]:
        return (yield from self.records.get(self.site.config, _name(self.run)))

    def _write(self, record: Record) -> Calls[None]:
        yield from self.records.put(self.site.config, _name(self.run), record)


def _has_no_answer(error: ParallelError) -> bool:
    """Whether the run will never have an answer for this call; a run that is refused is another thread's."""
    is_refused = isinstance(error, InvalidRequest) and error.run_id is not None
    return is_refused or isinstance(error, RunFailed | RunCancelled)


def close_collected(
    records: Records, run: PaidRun, collected: TaskRun, site: CallSite, *, has_answer: bool = True
) -> Calls[None]:
    """Note that the answer of a run was handed over, after it was fetched by the run's id."""
    metadata = collected.metadata or {}
    asked = replace(run, request=run.request.model_copy(update={"metadata": metadata}))
    with suppress(ParallelError):
        key = metadata.get(EDITED_CALL) or metadata.get(METADATA_KEY)
        yield from _close(records, asked, key, site, collected.run_id if has_answer else None)


def _close(
    records: Records, run: PaidRun, key: str | None, site: CallSite, run_id: str | None
) -> Calls[None]:
    """Note that the run with this key has handed over its answer, at `site`; or, without an id, has none."""
    lock = yield from _lock(run, site)
    try:
        record = yield from records.get(run.config, _name(run))
        place = (record or {}).get("open") or {}
        if record and place.get("key") == key:
            where = {"message": site.position, "run_id": run_id}
            answered = {**place, **where} if run_id else None
            closed = {**record, "open": None, "answered": answered}
            yield from records.put(run.config, _name(run), closed)
    finally:
        lock.release()


def _lock(run: PaidRun, site: CallSite) -> Calls[SharedLock]:
    """While one call reads and writes the record, no other does."""
    return run.lock(f"{_name(run)} in {site.session}")


def _name(run: PaidRun) -> str:
    """The name of the record of all calls that ask the same."""
    return f"{run.door.name} asked {run.request.metadata.get(ASKED_KEY)}"
