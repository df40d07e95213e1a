"""The quick questions of a session: what a ledger's list is for runs.

Rule: a question is listed before it is sent, so that limits count it in every fork and tab of the session.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from langchain_core.runnables import RunnableConfig

from .._core.calls import Calls
from .._core.ledger.keys import METADATA_KEY, THREAD_ID
from .._locks.shared import acquire_shared_lock
from ..models import TaskRun, TaskRunInput
from .records import Record
from .run_config import RunConfig
from .runtime import checkpointer_of


def quick_id(key: str) -> str:
    """What stands in the place of a run's id, where quick questions are counted beside runs."""
    return f"quick {key}"


@dataclass(frozen=True)
class QuickIndex:
    """The list of one session's quick questions, by their keys."""

    door: RunConfig
    config: RunnableConfig
    ledger_id: str

    def read(self) -> Calls[list[TaskRun]]:
        """The questions, each like a run of the ledger: with processor and metadata, and no answer."""
        record = (yield from self._get()) or {}
        return [
            TaskRun(
                run_id=quick_id(key),
                status="completed",
                processor=entry["processor"],
                metadata={**entry["metadata"], METADATA_KEY: key},
            )
            for key, entry in record.items()
        ]

    def add(self, key: str, request: TaskRunInput) -> Calls[None]:
        """List a question."""
        everywhere = {THREAD_ID, *self.door.template.metadata}
        own = {name: value for name, value in request.metadata.items() if name not in everywhere}
        entry = {"processor": request.processor, "metadata": own}
        yield from self._change(lambda known: {**known, key: entry})

    def remove(self, key: str) -> Calls[None]:
        """Take out a question that was not billed."""
        yield from self._change(lambda known: {k: v for k, v in known.items() if k != key})

    @property
    def _name(self) -> str:
        return f"quick questions of {self.ledger_id}"

    def _get(self) -> Calls[Record | None]:
        return (yield from self.door.records.get(self.config, self._name))

    def _change(self, change: Callable[[Record], Record]) -> Calls[None]:
        holder = checkpointer_of(self.config)
        lock = yield from acquire_shared_lock(self._name, holder)
        try:
            known = (yield from self._get()) or {}
            yield from self.door.records.put(self.config, self._name, change(known))
        finally:
            lock.release()
