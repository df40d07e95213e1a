"""An iterator that is slow, or fails, keeps waiting nothing that was read before, and loses nothing of it."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from itertools import count
from typing import Any

import pytest

from langchain_parallel import errors
from langchain_parallel._core.ledger.batch_chain import BatchChain
from langchain_parallel._core.ledger.keys import NEXT_GROUP
from langchain_parallel.batch import BatchProgress, ResearchRow, astream_table, stream_table
from langchain_parallel.models import Submission, TaskRun
from langchain_parallel.simulator import Fault, RunScript

from .tables import QUESTION, Office, companies

LIMIT = 20.0
"""Seconds after which a row that waits for an answer has waited in vain."""


class Gate:
    """What the rows of an iterator wait for."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.answered = 0

    def note(self, progress: BatchProgress) -> None:
        """Called with each progress."""
        self.raise_to(progress.answered + progress.failed)

    def raise_to(self, number: int) -> None:
        with self._changed:
            self.answered = number
            self._changed.notify_all()

    def await_answers(self, number: int) -> None:
        with self._changed:
            if not self._changed.wait_for(lambda: self.answered >= number, LIMIT):
                raise TimeoutError("The answers of the rows before were not handed on.")

    def rows(self, *parts: int) -> Iterator[dict[str, Any]]:
        """Rows in parts, each of which waits for the answers of those before."""
        given = 0
        for part in parts:
            self.await_answers(given)
            yield from companies(given + part)[given:]
            given += part


async def awaited(rows: Iterator[Any]) -> AsyncIterator[Any]:
    """The same rows, asynchronously."""
    while (row := await asyncio.to_thread(next, rows, None)) is not None:
        yield row


def _stream(office: Office, rows: Any, **options: Any) -> Iterator[ResearchRow]:
    """The rows of a table, each before the next is asked for."""
    options["client"] = office.client()
    if office.mode == "sync":
        yield from stream_table(rows, QUESTION, **options)
        return
    loop = asyncio.new_event_loop()
    stream = astream_table(rows, QUESTION, **options)
    try:
        while (row := loop.run_until_complete(anext(stream, None))) is not None:
            yield row
    finally:
        loop.run_until_complete(stream.aclose())
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


@pytest.mark.parametrize("in_order", [True, False])
def test_answers_are_handed_on_while_the_next_row_is_waited_for(
    office: Office, in_order: bool
) -> None:
    gate = Gate()
    table = []
    for row in _stream(office, gate.rows(3, 2), in_order=in_order):
        table.append(row)
        gate.raise_to(len(table))
    assert len(table) == 5
    assert not any(row.error for row in table)
    assert office.answers_its_question(table)
    assert len({run.group_id for run in office.sim.all_runs()}) == 1


def test_an_asynchronous_iterator_is_read_beside_the_rest() -> None:
    office, gate = Office("async"), Gate()
    table = office.research(awaited(gate.rows(2, 1)), on_progress=gate.note)
    assert [row["company"] for row in table] == [row["company"] for row in companies(3)]
    assert not table.errors
    planned = office.research(awaited(iter(companies(3))), dry_run=True)
    assert planned.plan.rows == 3


def test_an_asynchronous_iterator_in_a_blocking_call_is_refused() -> None:
    with pytest.raises(errors.InvalidRequest, match="aresearch_table"):
        Office("sync").research(awaited(iter(companies(1))))


def test_rows_that_come_one_by_one_share_groups_and_are_found_again(office: Office) -> None:
    gate = Gate()
    first = office.research(gate.rows(2, 2, 1), on_progress=gate.note, chunk_size=3)
    assert not first.errors
    sizes = Counter(run.group_id for run in office.sim.all_runs())
    assert [*sizes.values()] == [4, 1]  # a group has a chunk before the next is begun
    again = office.research(companies(6), batch_id=first.batch_id, chunk_size=3)
    assert [row.run_id for row in again][:5] == [row.run_id for row in first]
    assert len(office.sim.all_runs()) == 6


def _failing(rows: Iterator[Any], error: BaseException) -> Iterator[Any]:
    yield from rows
    raise error


def test_an_iterator_that_fails_raises_its_error_after_what_was_paid_for(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    gate, broken, seen = Gate(), KeyError("column"), []
    office.sim.scripts.add(RunScript(seconds=30.0, times=None))

    def note(progress: BatchProgress) -> None:
        seen.append(progress)
        gate.raise_to(progress.started)  # the error comes while the runs are on their way

    rows = _failing(gate.rows(3, 1), broken)
    with caplog.at_level(logging.WARNING), pytest.raises(KeyError) as caught:
        office.research(rows, on_progress=note)
    assert caught.value is broken
    last = seen[-1]
    assert (last.answered, last.failed, last.started) == (3, 1, 3)
    assert last.batch_id in caplog.text
    if hasattr(broken, "__notes__"):
        assert last.batch_id in broken.__notes__[0]
    again = office.research(companies(4), batch_id=last.batch_id)
    assert not again.errors
    assert office.paid_once()
    assert len(office.sim.all_runs()) == 4


def test_the_answers_are_handed_on_before_the_error_of_the_iterator(office: Office) -> None:
    first = office.research(companies(2))
    table: list[Any] = []
    rows = _failing(iter(companies(4)), RuntimeError("cut"))
    with pytest.raises(RuntimeError, match="cut"):
        table.extend(_stream(office, rows, batch_id=first.batch_id))
    assert [row.run_id for row in table[:2]] == [row.run_id for row in first]
    assert [str(row.error) for row in table[2:]] == [str(table[2].error)] * 2
    assert "Reading the rows failed: RuntimeError" in str(table[2].error)
    assert str(first.batch_id) in str(table[2].error)
    assert (table[2].cost_usd, len(office.sim.all_runs())) == (0.0, 2)


def test_an_iterator_that_fails_at_once_costs_nothing(office: Office) -> None:
    with pytest.raises(errors.InvalidRequest, match=r"rows\[1\] is an int") as caught:
        office.research(iter([*companies(1), 7]))
    assert caught.value.hint.startswith("Nothing was sent. Go on later with batch_id=")
    assert not office.sim.all_runs()


def test_an_error_of_ours_in_an_iterator_does_not_say_that_nothing_was_sent(office: Office) -> None:
    gate = Gate()
    with pytest.raises(errors.InvalidRequest) as caught:
        office.research(
            _failing(gate.rows(1, 0), errors.InvalidRequest(["No."])), on_progress=gate.note
        )
    assert "Nothing was sent" not in caught.value.hint
    assert "batch_id" in caught.value.hint


def test_what_ends_a_program_ends_the_table_at_once(office: Office) -> None:
    with pytest.raises(SystemExit):
        office.research(_failing(iter(companies(2)), SystemExit(3)))
    assert not office.sim.all_runs()


def test_a_timeout_waits_for_no_row(office: Office) -> None:
    office.sim.scripts.add(RunScript(seconds=1_000.0, times=None))
    gate = Gate()
    table = office.research(gate.rows(2, 1), timeout=100.0)
    assert [type(row.error) for row in table] == [errors.StillRunning] * 2
    gate.raise_to(2)


class Cursor:
    """Of a database that is gone after some rows."""

    description = (("company",),)

    def __init__(self, rows: int) -> None:
        parts = [[(f"Company {number}",) for number in range(rows)]]
        self._parts = iter(parts if rows else [])

    def fetchmany(self, size: int) -> list[tuple[str]]:
        del size
        try:
            return next(self._parts)
        except StopIteration:
            raise ConnectionError("The database is gone.") from None


@pytest.mark.parametrize("number", [0, 7])
def test_a_cursor_that_fails_is_no_shorter_table(office: Office, number: int) -> None:
    """A failing generator ends; asked once more, it is as one that has given all its rows."""
    with pytest.raises(ConnectionError, match="gone"):
        office.research(Cursor(number), chunk_size=2)
    assert office.paid_once()


def test_at_the_timeout_rows_that_never_end_are_left(office: Office) -> None:
    """What was paid for is handed over: an iterator that has its next row at once gives no end of them."""

    def endless() -> Iterator[dict[str, Any]]:
        for number in count():
            if number > 5_000:
                raise TimeoutError("It was read on for ever.")
            if number >= 20:
                office.clock.advance(1.0)
            yield {"company": f"Company {number}"}

    table = office.research(endless(), timeout=60.0, chunk_size=10, max_in_flight=10)
    assert any(row.error is None for row in table)
    assert office.paid_once()


def test_rows_are_read_in_one_thread_in_the_context_of_the_caller_as_far_as_asked() -> None:
    user = contextvars.ContextVar("user", default="")
    user.set("Ada")
    threads: list[int] = []

    def rows() -> Iterator[dict[str, Any]]:
        for nth in range(100):
            threads.append(threading.get_ident())
            yield {"company": f"{user.get()} {nth}"}

    stream = Office("sync").stream(rows(), chunk_size=4, max_in_flight=4)
    assert next(stream)["company"] == "Ada 0"
    assert len(threads) == 5
    assert len({*threads, threading.get_ident()}) == 2


def test_a_table_that_is_left_leaves_no_thread() -> None:
    rows = ({"company": f"Company {nth}"} for nth in range(100))
    stream = Office("sync").stream(rows, chunk_size=4, max_in_flight=4)
    next(stream)
    [reading] = [one for one in threading.enumerate() if one.name == "rows"]
    stream.close()  # type: ignore[attr-defined]
    reading.join(LIMIT)
    assert not reading.is_alive()


def test_a_chunk_that_was_turned_away_names_no_group_for_the_next(office: Office) -> None:
    """The group that it would have named must not be gone on in: nobody would find what is sent to it."""
    gate = Gate()
    turned_away = Fault("rate_limit", path="*/runs", method="POST", contains="Company 4?", times=9)
    office.sim.faults.add(turned_away)
    first = office.research(gate.rows(2, 4, 1), on_progress=gate.note, chunk_size=4)
    assert not first.errors
    again = office.research(companies(7), batch_id=first.batch_id, chunk_size=4)
    assert [row.run_id for row in again] == [row.run_id for row in first]
    assert len(office.sim.all_runs()) == 7


def _outcome(adopted: bool, **metadata: str) -> Submission:
    run = TaskRun(run_id="trun_1", status="queued", metadata=metadata)
    return Submission(run=run, ledger_id="tgrp_1", key="k", adopted=adopted)


@pytest.mark.parametrize(
    ("outcomes", "tail"),
    [
        ([_outcome(False)], "tgrp_2"),
        ([errors.ParallelError("lost"), _outcome(False)], "tgrp_2"),
        ([_outcome(True, **{NEXT_GROUP: "tgrp_2"})], "tgrp_2"),
        ([_outcome(True, **{NEXT_GROUP: "tgrp_3"})], "tgrp_1"),
        ([_outcome(True)], "tgrp_1"),
        ([errors.ParallelError("lost")], "tgrp_1"),
        ([], "tgrp_1"),
    ],
)
def test_a_batch_goes_on_in_a_group_only_if_a_run_names_it(outcomes: Any, tail: str) -> None:
    chain = BatchChain("tgrp_1", "tgrp_1", 0.0, following="tgrp_2")
    chain.advance(outcomes)
    assert chain.tail == tail
    assert chain.following == ("tgrp_2" if tail == "tgrp_1" else None)
