"""What a paid run and a quick turn have in common: question, door, and the point of the session."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from langchain_core.runnables import RunnableConfig

from .._core.calls import Calls
from .._core.ledger.keys import ledger_key
from .._core.ledger.ledger_list import as_ledger_error
from .._locks.shared import SharedLock, acquire_shared_lock
from ..errors import NotFound
from ..models import TaskRun, TaskRunInput
from ..processors import expected_seconds
from .gone_ledger import telling_how
from .run_config import RunConfig
from .runtime import checkpointer_of


@dataclass(frozen=True)
class PaidRequest:
    """One request of a door that costs money.

    Attributes:
        door: What it shares with the door's other requests.
        request: What is asked.
        position: The point of the session at which it is asked (R3).
        config: LangChain's config of the step that asks.
        called_as: The key that it had as it was called, if a person or other options have changed it since.
    """

    door: RunConfig
    request: TaskRunInput
    position: str
    config: RunnableConfig
    called_as: str | None = None

    @cached_property
    def key(self) -> str:
        """Its key in the ledger."""
        return ledger_key(self.request, position=self.position, identity=self.door.options.identity)

    def lock(self, name: str) -> Calls[SharedLock]:
        """A lock that all processes share whose checkpointer is in the same PostgreSQL; release it."""
        return (yield from acquire_shared_lock(name, checkpointer_of(self.config)))

    def ledger_runs(self, ledger_id: str) -> Calls[Sequence[TaskRun]]:
        """The runs of its ledger. Free.

        Raises:
            LedgerNotFound: There is no such ledger; the error says how to begin another.
        """
        with telling_how(ledger_id, self.request):
            try:
                return (yield from self.door.clients.list_runs(ledger_id))
            except NotFound as error:
                raise as_ledger_error(error, ledger_id) from None


def wait_seconds(processor: str, timeout: float | None) -> float:
    """How long to wait for an answer: `timeout`, or twice its processor's usual longest time and ten minutes
    more; four hours and ten minutes for a processor that is not in the table.
    """
    if timeout is not None:
        return timeout
    _, longest = expected_seconds(processor) or (0.0, 7200.0)
    return 2 * longest + 600.0
