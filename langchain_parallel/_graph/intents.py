"""What is about to be sent is written down before it is sent, and what came of it after.

Rule: no request that costs money leaves before its intent is recorded in the thread (`records.py`), with the
process that is about to send it. Nobody has sent a request without an intent, so one look into the ledger is
enough. An intent of another process without an outcome is in doubt for ever, whoever resumes the thread and
whatever the clocks say: its run is looked for until that is settled. So no doubt depends on time.

Two processes take turns by it. Who takes over an intent writes its own name first, and then looks for the
settling time. Who has waited (a suspended process, a pause that the server asked for) reads the intent again
right before it sends: if it bears another name, it does not send, but looks.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from langchain_core.runnables import RunnableConfig

from .._core.calls import Calls
from ..errors import ParallelError
from ..models import TaskRun
from .records import Record, Records
from .seals import Seals

_LOG = logging.getLogger("langchain_parallel")


@dataclass
class Intent:
    """What is known of one request to one ledger.

    Attributes:
        records: Where it is recorded.
        config: LangChain's config of the step that sends.
        ledger_id: The ledger.
        key: The request's key in it.
        by: This process's id.
        seals: The account's: a server's users may be able to write into the store that has the record.
    """

    records: Records
    config: RunnableConfig
    ledger_id: str
    key: str
    by: str
    seals: Seals
    _seen: Record | None = None
    """The record as it was when this process last had to give way to it."""

    @property
    def name(self) -> str:
        """The name of its record."""
        return f"intent {self.ledger_id} {self.key}"

    def read(self) -> Calls[Record | None]:
        """The record; None if nobody has ever been about to send this request."""
        return (yield from self.records.get(self.config, self.name))

    def is_in_doubt(self, record: Record | None) -> bool:
        """Whether another process may have sent the request, and nobody knows what came of it."""
        return record is not None and bool(record.get("open")) and record.get("by") != self.by

    def claim(self) -> Calls[None]:
        """Record that this process is about to send the request.

        Raises:
            CheckpointNotWritten: That could not be recorded.
        """
        yield from self.records.put(self.config, self.name, {"by": self.by, "open": True})

    def is_ours(self) -> Calls[bool]:
        """Whether this process may still send. If another one has taken over, this one takes over from it
        only once it has looked for the settling time, and the other has recorded nothing more meanwhile.
        """
        record = yield from self.read()
        if record is not None and record.get("by") == self.by:
            return True
        if record == self._seen:
            yield from self.claim()
        self._seen = record
        return False

    def withdraw(self, before: Record | None) -> Calls[None]:
        """Record that nothing was started; a doubt that was there `before` stays."""
        withdrawn: Record = {"by": self.by, "open": False}
        doubt = before if self.is_in_doubt(before) else None
        yield from self._record_outcome(doubt or withdrawn)

    def settle(self, run: TaskRun, key: str) -> Calls[None]:
        """Record the run that was started or found under a key."""
        ids = {"run_id": run.run_id, "interaction_id": run.interaction_id, "key": key}
        record: Record = {"by": self.by, "open": False, **ids}
        record["seal"] = self.seals.of(*self._sealed_parts(record))
        yield from self._record_outcome(record)

    def is_sealed(self, record: Record) -> bool:
        """Whether this package has written which run the record names."""
        return self.seals.holds(record.get("seal"), *self._sealed_parts(record))

    def _sealed_parts(self, record: Record) -> tuple[str, str, str, str, str | None]:
        ids = record["run_id"], record.get("interaction_id")
        return "intent", self.ledger_id, record["key"], *ids

    def run_of(self, record: Record | None) -> TaskRun | None:
        """The run that was started or found for this request; None if there is none, or under another key."""
        if record is None or record.get("key") != self.key:
            return None
        ids = {"run_id": record["run_id"], "interaction_id": record.get("interaction_id")}
        return TaskRun(**ids, status="queued")

    def _record_outcome(self, record: Record) -> Calls[None]:
        """Record it. If that fails, the intent stays in doubt, which costs the next process a wait."""
        try:
            yield from self.records.put(self.config, self.name, record)
        except ParallelError as error:
            _LOG.warning("The outcome of a paid request was not recorded. %s", error.message)
