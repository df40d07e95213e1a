"""Research a whole table: each row asks one question, and has its answer, cell by cell, with its evidence.

Rule: every row is paid for once, whatever happens, and none is lost with another's error.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Generator, Iterator, Sequence
from contextlib import aclosing, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, overload

from langchain_core.runnables.config import ensure_config
from typing_extensions import Self, Unpack

from .._core.calls import Calls, adrive, drive
from .._core.listed_answers import Ended
from .._core.plain_text import count
from .._graph.clients import ClientPair
from .._graph.observers import OBSERVER, Observer, Update, tell_to
from .._locks.machine import open_machine_locks
from ..display import show_progress
from ..errors import ParallelError, StillRunning, SubmissionUnknown
from ..parked.interrupts import ParkedBatch, check_parked_by, park_for_batch
from .approval_of_tables import clear
from .batch_lock import BatchLock, busy, lock_batch, lock_new_batch, tell_begin, warn_of_leaving
from .batch_of_step import StepBatch, check_last, find_batch, name_of_table
from .questions import Question, RowTicket
from .row_answer import ResearchRow, with_answer, with_error
from .row_source import TEXT_COLUMN, Rows
from .table_files import columns_of, write_rows
from .table_flow import BatchActive, BatchProgress, TableFlow
from .table_job import TableJob, TableOptions, hide_secrets
from .table_plan import TablePlan
from .table_trace import TableTrace


@dataclass(frozen=True, repr=False)
class ResearchTable(Sequence[ResearchRow]):
    """A researched table: for each row that was given, one with its answer or its error; in the order given,
    or with `in_order=False` as they were answered.
    """

    rows: Sequence[ResearchRow]
    plan: TablePlan
    """What it was expected to cost."""
    batch_id: str | None
    """Goes on with it on another day; None after the `dry_run` of a new one."""
    columns: Sequence[str]
    """Of the answers."""

    @overload
    def __getitem__(self, index: int) -> ResearchRow: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[ResearchRow]: ...

    def __getitem__(self, index: int | slice) -> ResearchRow | Sequence[ResearchRow]:
        return self.rows[index]

    def __repr__(self) -> str:
        if self.batch_id is None or (self.plan.rows and not self.rows):
            return f"ResearchTable, not started: {self.plan}"
        failed = f", {count(len(self.errors), 'error')}" if self.errors else ""
        return f"ResearchTable: {count(len(self), 'row')}{failed}, batch_id={self.batch_id!r}"

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def errors(self) -> list[ResearchRow]:
        """The rows that have an error in place of an answer."""
        return [row for row in self.rows if row.error is not None]

    @property
    def cost_usd(self) -> float | None:
        """List prices of the rows that were billed; None if one of them is unknown."""
        costs = [row.cost_usd for row in self.rows]
        return None if None in costs else round(sum(cost or 0.0 for cost in costs), 6)

    def to_records(self) -> list[dict[str, Any]]:
        """A flat dict for each row, for `pandas.DataFrame(…)` or `polars.DataFrame(…)`.

        It has the row's own columns; those of the answer, each with `…_confidence` and `…_sources` (a list of
        addresses); then `run_id`, `interaction_id` and `error`.
        """
        flat = columns_of(self.rows, self.columns)
        return [] if flat is None else [flat.flat(row) for row in self.rows]

    def write(self, path: str | Path) -> int:
        """Write a `.csv`, `.tsv`, `.jsonl` or `.parquet` file, and return the number of rows."""
        return write_rows(self.rows, path, self.columns)


def research_table(
    rows: Rows,
    question: Question = TEXT_COLUMN,
    *,
    dry_run: bool = False,
    **options: Unpack[TableOptions],
) -> ResearchTable:
    """Ask one question for each row of a table, and return all rows with their answers.

    Args:
        rows: A list or an iterator of dicts, models, dataclasses or texts; a DataFrame of pandas or Polars, a
            table of Arrow, a relation of DuckDB; the path of a `.csv`, `.tsv`, `.jsonl` or `.parquet` file.
        question: A template such as `Who runs {company}?`; a column that holds the question; a list of
            columns, sent as an object; or a function of the row.
        dry_run: Only say what it would cost (`.plan`). Free; starts nothing.
        options: Those of `TableOptions`, such as `output_schema`, `processor`, `limits`, `batch_id` (to go on
            with a batch), `row_id` and `continue_from` (columns), `timeout` in seconds.

    Raises:
        InvalidRequest: An option is wrong, or the rows lack a column; nothing was sent.
        LimitExceeded: It would pass a limit, and nobody has approved that; nothing was sent.
        ParallelError: The batch could not be begun or read; its hint names the batch to go on with.
    """
    options = hide_secrets(options)
    job = TableJob.of(rows, question, options)
    if dry_run:
        reopening = job.reopen()
        chain = None if reopening is None else job.sync._drive(reopening)
        return ResearchTable([], job.plan(chain, reads=True), options.get("batch_id"), job.columns)
    return research(job)


def research(job: TableJob) -> ResearchTable:
    """Research a table whose options are checked."""
    seen = _Seen(job)
    with closing(_iterate(job, seen)) as answers:
        found = list(answers)
    return ResearchTable(found, seen.plan, seen.batch_id, job.columns)


async def aresearch_table(
    rows: Rows,
    question: Question = TEXT_COLUMN,
    *,
    dry_run: bool = False,
    **options: Unpack[TableOptions],
) -> ResearchTable:
    """As `research_table`; awaited."""
    options = hide_secrets(options)
    if dry_run and isinstance(rows, AsyncIterable):
        rows = [row async for row in rows]
    job = TableJob.of(rows, question, options, is_awaited=True)
    if dry_run:
        reopening = job.reopen()
        chain = None if reopening is None else await job.async_._drive(reopening)
        return ResearchTable([], job.plan(chain, reads=True), options.get("batch_id"), job.columns)
    return await aresearch(job)


async def aresearch(job: TableJob) -> ResearchTable:
    """As `research`; awaited."""
    seen = _Seen(job)
    async with aclosing(_aiterate(job, seen)) as answers:
        found = [row async for row in answers]
    return ResearchTable(found, seen.plan, seen.batch_id, job.columns)


def stream_table(
    rows: Rows, question: Question = TEXT_COLUMN, **options: Unpack[TableOptions]
) -> Generator[ResearchRow, None, None]:
    """As `research_table`, row by row as they are answered; holds no more rows than are in flight.

    An iterator that is left early leaves the runs going: go on with its batch id.
    """
    options = hide_secrets(options)
    job = TableJob.of(rows, question, options)
    return _iterate(job, _Seen(job, is_streamed=True))


def astream_table(
    rows: Rows, question: Question = TEXT_COLUMN, **options: Unpack[TableOptions]
) -> AsyncGenerator[ResearchRow, None]:
    """As `stream_table`; asynchronous."""
    options = hide_secrets(options)
    job = TableJob.of(rows, question, options, is_awaited=True)
    return _aiterate(job, _Seen(job, is_streamed=True))


# --- both ways -----------------------------------------------------------------------------------


class _Seen:
    """What has come of a job so far. While it is open, no other call on this machine researches its batch."""

    def __init__(self, job: TableJob, *, is_streamed: bool = False) -> None:
        self.job = job
        self._is_streamed = is_streamed
        self.plan: TablePlan = job.plan()
        self.batch_id: str | None = job.options["batch_id"]
        self._config = ensure_config(job.options["config"])
        goes_on = self.batch_id is not None
        clear(self.plan, job.spending, job.options["approve"], self._config, goes_on=goes_on)
        self.trace = TableTrace(self._config)
        self._display = show_progress()
        self._observer: Observer | None = None
        self._lock: BatchLock | None = None
        self._step: StepBatch | None = None
        self._is_parked = False
        self._ahead: dict[int, ResearchRow] = {}
        """Rows that wait for one before them. They are made before, for that takes time."""
        self._next = 0
        self._has_unknown = False
        """Whether it is not known of a row what became of it."""

    def __enter__(self) -> Self:
        self._observer = OBSERVER.get()
        if self._observer is None and self.job.options["progress"]:
            self._observer = self._display.open()
        asked = self.job.questioner.question
        shown = f": {asked}" if isinstance(asked, str) else ""
        self._show(question=f"Table{shown}", processor=self.plan.processor, status="running")
        return self

    def _show(self, **news: Any) -> None:
        if self._observer is not None:
            tell_to(self._observer, Update(key=f"table {id(self)}", rows=self.plan.rows, **news))

    def claim(self) -> Calls[None]:
        """Take the batch that is gone on with, or that of the step of a graph: two would both send what is
        missing.
        """
        if self.job.parks:
            yield from check_parked_by(name_of_table(self.job.questioner), self._config)
        yield from open_machine_locks()
        clients, step = ClientPair(self.job.sync, self.job.async_), None
        if self.batch_id is None:
            step = yield from find_batch(self._config, clients, self.job.questioner)
            if step is None:
                return
            self.batch_id = step.batch_id
        self._lock = yield from lock_batch(self.batch_id, self.job.place, self._config)
        if self._lock is None:
            raise busy()
        if step is not None:
            self._step = yield from check_last(step, self._config, clients, self.job.questioner)

    def flow(self) -> TableFlow:
        """The table on its way."""
        step = self._step
        return replace(
            self.job.flow(self._begin),
            batch_id=self.batch_id,
            hurries=self._is_streamed or self._is_watched,
            parks=self.job.parks and step is not None,
            is_new=step is not None and step.is_new,
            is_settled=step is not None and step.is_settled,
        )

    @property
    def _is_watched(self) -> bool:
        """Whether somebody sees each answer as it comes."""
        is_told = self._observer is not None or self.job.options["on_progress"] is not None
        return is_told or self.trace.has_listeners

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._show(status="completed" if kind is None else "goes on", has_ended=True)
        self._display.close()
        if self._lock is not None:
            self._lock.release()
        if self._step is not None and (kind is None or self._is_parked) and not self._has_unknown:
            self._step.note_end()
        options = self.job.options
        is_kept = options["batch_id"] or options["on_begin"] or self._step
        is_told = kind is None or issubclass(kind, ParallelError)
        if self.batch_id is not None and not is_kept and not is_told:
            warn_of_leaving("A table", self.batch_id)

    def _begin(self, batch_id: str) -> None:
        """Note the batch, before anything is paid."""
        if self._lock is None:
            self._lock = lock_new_batch(batch_id, self.job.place)
            if self._lock is None:
                raise busy()
        self.batch_id = batch_id
        tell_begin(self.job.options["on_begin"], batch_id)

    def rows(self, step: Any) -> Iterator[ResearchRow]:
        """The rows whose turn has come with a step of the flow; a report brings none."""
        if isinstance(step, BatchProgress):
            self._note(step)
        elif self.job.options["in_order"]:
            row = self._row(*step)
            self._ahead[row.number] = row
            while (row_in_turn := self._ahead.pop(self._next, None)) is not None:
                self._next += 1
                yield row_in_turn
        else:
            yield self._row(*step)

    def _note(self, progress: BatchProgress) -> None:
        self._show(answered=progress.answered + progress.failed, cost_usd=progress.cost_usd)
        self.trace.beat()
        on_progress = self.job.options["on_progress"]
        if on_progress is not None:
            on_progress(progress)

    def _row(self, ticket: RowTicket, ended: Ended) -> ResearchRow:
        if isinstance(ended, ParallelError):
            self._has_unknown |= isinstance(ended, StillRunning | SubmissionUnknown)
            return with_error(ticket, ended, self.job.options["processor"])
        return with_answer(ticket, ended, self.job.columns)

    def park(self, step: BatchActive) -> Calls[None]:
        """End this step with an interrupt: the thread waits for a group of its batch, without a process."""
        self._is_parked, batch_id = True, self.batch_id or ""
        batch = ParkedBatch(batch_id=batch_id, group_id=step.group_id, active=step.active)
        yield from park_for_batch(batch, name_of_table(self.job.questioner), self._config)

    def tell_begin(self) -> Calls[None]:
        """Begin the table's run in the trace."""
        yield from self.trace.begin({"processor": self.plan.processor, "rows": self.plan.rows})

    def tell(self, row: ResearchRow) -> Calls[None]:
        """Tell what became of a row."""
        yield from self.trace.tell(row, self.batch_id or "", self.plan.processor)


def _iterate(job: TableJob, seen: _Seen) -> Generator[ResearchRow, None, None]:
    with seen:
        drive(seen.claim())
        drive(seen.tell_begin())
        try:
            steps: Any = job.sync._iterate(seen.flow().steps())
            with closing(steps):
                for step in steps:
                    if isinstance(step, BatchActive):
                        drive(seen.park(step))
                    for row in seen.rows(step):
                        drive(seen.tell(row))
                        yield row
        except BaseException as error:
            drive(seen.trace.end(seen.batch_id, error))
            raise
        drive(seen.trace.end(seen.batch_id))


async def _aiterate(job: TableJob, seen: _Seen) -> AsyncGenerator[ResearchRow, None]:
    with seen:
        await adrive(seen.claim())
        await adrive(seen.tell_begin())
        try:
            flow = seen.flow()
            steps: Any = job.async_._iterate(flow.steps())
            async with aclosing(flow.queue.rows), aclosing(steps):
                async for step in steps:
                    if isinstance(step, BatchActive):
                        await adrive(seen.park(step))
                    for row in seen.rows(step):
                        await adrive(seen.tell(row))
                        yield row
        except BaseException as error:
            await adrive(seen.trace.end(seen.batch_id, error))
            raise
        await adrive(seen.trace.end(seen.batch_id))
