"""The batch of a table that a step of a graph researches.

Rule: the batch of such a table is recorded in the thread before anything is paid, under the position of the
step and what the table asks (R3, R4). So a step that runs again, after a crash, a retry or in a replay, goes
on with its batch; another visit of the same node, and another question, have batches of their own. Two tables
that ask the same in one step share one; a row that is in both is asked once.
"""

from __future__ import annotations

from typing import NamedTuple

from langchain_core.runnables import RunnableConfig

from .._core.calls import Calls
from .._core.latest import Latest
from .._core.ledger.keys import ledger_key
from .._graph.clients import ClientPair
from .._graph.graph_names import TABLE_PREFIX
from .._graph.records import Records, holder_of
from .._graph.runtime import runtime_of
from .._graph.session_ledger import Ledgers
from .._graph.step_position import step_position
from .questions import Questioner

_ENDED: Latest[str, int] = Latest(1_000)
"""By batch: its last use in this process, which left no row of unknown outcome."""


class StepBatch(NamedTuple):
    """The batch of a step's table."""

    batch_id: str
    use: int
    """The number of this call among those that have used it, from 1."""
    is_last: bool = False
    """No other call has used it since. Known while this call has its lock."""

    @property
    def is_new(self) -> bool:
        """Whether nobody has sent anything for it."""
        return self.is_last and self.use == 1

    @property
    def is_settled(self) -> bool:
        """Whether it is certain what was sent for it: nobody has used it since an orderly end here."""
        is_next = _ENDED.get(self.batch_id) == self.use - 1
        return self.is_new or (self.is_last and is_next)

    def note_end(self) -> None:
        """Note that the outcome of each row that was sent is known."""
        _ENDED[self.batch_id] = self.use


def find_batch(
    config: RunnableConfig, clients: ClientPair, questioner: Questioner
) -> Calls[StepBatch | None]:
    """The batch of the step that `config` belongs to, recorded; None where a rerun could not find it: outside
    a graph, without a checkpointer, with `durability="exit"`.

    Raises:
        CheckpointNotWritten: It could not be recorded; nothing was sent.
    """
    if runtime_of(config) is None or holder_of(config) is None:
        return None
    position = yield from step_position(config)
    if position is None:
        return None
    ledgers, name = Ledgers(clients, Records()), _name_at(position, questioner)
    return StepBatch(*(yield from ledgers.use(config, name)))


def check_last(
    batch: StepBatch, config: RunnableConfig, clients: ClientPair, questioner: Questioner
) -> Calls[StepBatch]:
    """The batch, whose lock this call has by now: another may have had it, and used the batch, before."""
    position = yield from step_position(config)
    uses = yield from Ledgers(clients, Records()).uses(config, _name_at(position, questioner))
    return batch._replace(is_last=uses == batch.use)


def _name_at(position: str | None, questioner: Questioner) -> str:
    return f"table at {position}: {_mark_of(questioner)}"


def name_of_table(questioner: Questioner) -> str:
    """The name under which a step with this table parks: another table does not go on with it."""
    return f"{TABLE_PREFIX}{_mark_of(questioner)[:8]}"


def _mark_of(questioner: Questioner) -> str:
    """What a table asks, whatever its rows are."""
    question = questioner.question
    named = "a function" if callable(question) else question
    by = {"question": named, "row_id": questioner.row_id, "before": questioner.continue_from}
    request = questioner.template.model_copy(update={"input": by})
    return ledger_key(request, position="table", identity=questioner.identity)
