"""Rows are taken in chunks, none is lost between two of them, and none waits long for the next to come."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import pytest

from langchain_parallel._core.effects import AwaitSignal, Flow, Now
from langchain_parallel.batch.questions import RowTicket
from langchain_parallel.batch.row_reader import RowReader, ThreadReader
from langchain_parallel.batch.ticket_queue import GATHERING, TicketQueue

MOST = 100
"""Steps of one wait, and chunks of one table."""


def _tickets(*sizes: int) -> Iterator[RowTicket]:
    for number, size in enumerate(sizes):
        yield RowTicket(number, {}, row_id=str(number), size=size)


class Waiting:
    """Drives a queue's waits: no row comes by itself, and each wait takes its time."""

    def __init__(self) -> None:
        self.time = 100.0
        self.waits: list[float] = []

    def run(self, flow: Flow[None]) -> None:
        outcome: object = None
        for _ in range(MOST):
            try:
                effect = flow.send(outcome)
            except StopIteration:
                return
            if isinstance(effect, Now):
                outcome = self.time
                continue
            assert isinstance(effect, AwaitSignal)
            outcome = effect.signal.wait(0.0)
            self.waits.append(effect.seconds)
            self.time += 0.0 if outcome else effect.seconds
        raise AssertionError("it waits without end")


class Arriving(ThreadReader):
    """An iterator whose rows have come as far as they are given, and whose next one does not come."""

    def __init__(self, rows: int) -> None:
        super().__init__(iter(()))
        self.given = deque(_tickets(*[1] * rows))
        self.is_at_end = False
        self.error: BaseException | None = None

    def _read_on(self) -> None:
        while self.given and not self._stands:
            self._note(self.given.popleft())
        if not self.given and (self.error or (self.is_at_end and not self._stands)):
            self._end(self.error)


def _take_all(queue: TicketQueue, number: int) -> list[list[int]]:
    """The numbers of all rows, as they are taken; what is at hand is as many as `number`, and one."""
    taken: list[list[int]] = []
    waiting = Waiting()
    while queue.has_more and len(taken) < MOST:
        waiting.run(queue.wait(number, waiting.time + 1.0, is_idle=True))
        taken.append([ticket.number for ticket in queue.take(number)])
    return taken


@pytest.mark.parametrize(
    ("sizes", "most_chars", "chunks"),
    [
        ([1] * 7, 100, [[0, 1, 2], [3, 4, 5], [6]]),
        ([1] * 6, 100, [[0, 1, 2], [3, 4, 5]]),
        ([4, 4, 2, 4], 10, [[0, 1, 2], [3]]),
        ([4, 4, 3, 4], 10, [[0, 1], [2, 3]]),
        ([4, 4, 8, 4], 10, [[0, 1], [2], [3]]),
        ([50, 50, 1], 10, [[0], [1], [2]]),
        ([], 10, [[]]),
    ],
)
def test_each_row_is_taken_once_as_many_as_one_request_holds(
    sizes: list[int], most_chars: int, chunks: list[list[int]]
) -> None:
    queue = TicketQueue(RowReader(_tickets(*sizes)), most_chars=most_chars)
    assert _take_all(queue, 3) == chunks


def test_rows_are_counted_from_0_over_all_chunks() -> None:
    made: list[tuple[int, str]] = []

    def make(number: int, row: str) -> RowTicket:
        made.append((number, row))
        return RowTicket(number, {}, row_id=row)

    assert _take_all(TicketQueue(RowReader(iter("abcde")), make), 2) == [[0, 1], [2, 3], [4]]
    assert made == [*enumerate("abcde")]


@pytest.mark.parametrize(
    ("rows", "is_at_end", "is_partial", "has_more"),
    [
        (2, False, True, True),
        (2, True, False, False),
        (3, False, False, True),
        (4, False, False, True),
    ],
)
def test_rows_are_partial_while_more_of_their_chunk_may_come(
    rows: int, is_at_end: bool, is_partial: bool, has_more: bool
) -> None:
    reader, waiting = Arriving(rows), Waiting()
    reader.is_at_end = is_at_end
    queue = TicketQueue(reader)
    waiting.run(queue.wait(3, waiting.time + 1.0, is_idle=True))
    assert len(queue.take(3)) == min(rows, 3)
    assert (queue.is_partial, queue.has_more) == (is_partial, has_more)


def test_a_chunk_that_is_cut_by_its_size_is_not_partial() -> None:
    waiting, queue = Waiting(), TicketQueue(Arriving(2), most_chars=1)
    waiting.run(queue.wait(3, waiting.time + 1.0, is_idle=True))
    assert len(queue.take(3)) == 1
    assert not queue.is_partial


@pytest.mark.parametrize(
    ("is_idle", "had_come", "left", "waits"),
    [
        (True, False, 10.0, GATHERING),
        (False, True, 10.0, GATHERING),
        (False, False, 10.0, 0.0),
        (True, True, 0.2, 0.2),
        (True, True, -1.0, 0.0),
    ],
)
def test_more_rows_are_waited_for_a_moment(
    is_idle: bool, had_come: bool, left: float, waits: float
) -> None:
    waiting, queue = Waiting(), TicketQueue(Arriving(1 if had_come else 0))
    waiting.run(queue.wait(3, waiting.time + 10.0, is_idle=False))
    assert waiting.waits == [GATHERING]  # the first time, rows may be at hand
    assert len(queue.take(3)) == had_come
    waiting.run(queue.wait(3, waiting.time + left, is_idle=is_idle))
    assert waiting.waits[1:] == [pytest.approx(waits)]


@pytest.mark.parametrize(("more", "is_enough"), [(2, False), (3, True)])
def test_the_row_that_was_looked_at_is_one_of_those_that_are_waited_for(
    more: int, is_enough: bool
) -> None:
    """Three are wanted and one more is looked at, as before: three are enough beside it."""
    reader, waiting = Arriving(4), Waiting()
    queue = TicketQueue(reader)
    waiting.run(queue.wait(3, waiting.time + 1.0, is_idle=True))
    assert len(queue.take(3)) == 3
    reader.given.extend(_tickets(*[1] * more))
    waiting.run(queue.wait(3, waiting.time + 1.0, is_idle=True))
    assert (waiting.time == 100.0) is is_enough


@pytest.mark.parametrize(
    ("left", "waits"), [(2.5, [1.0, 1.0, 0.5]), (0.5, [0.5]), (0.0, []), (-1.0, [])]
)
def test_the_first_row_is_waited_for_until_the_time_is_over_and_it_is_told(
    left: float, waits: list[float]
) -> None:
    queue, told, waiting = TicketQueue(Arriving(0)), list[float](), Waiting()

    def tell() -> Flow[None]:
        told.append(waiting.time)
        yield from ()

    waiting.run(queue.wait_for_first(waiting.time + left, tell))
    assert waiting.waits == waits
    assert len(told) == len(waits)


@pytest.mark.parametrize("was_looked_at", [False, True])
def test_a_first_row_that_is_there_is_not_waited_for(was_looked_at: bool) -> None:
    waiting, queue = Waiting(), TicketQueue(Arriving(4 if was_looked_at else 1))
    if was_looked_at:
        waiting.run(queue.wait(3, waiting.time + 1.0, is_idle=True))
        queue.take(3)

    def tell() -> Flow[None]:
        yield from ()
        raise AssertionError

    waiting.run(queue.wait_for_first(waiting.time + 10.0, tell))
    assert waiting.time == 100.0


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
def test_what_ends_a_program_is_raised_where_rows_are_taken(error: BaseException) -> None:
    reader, waiting = Arriving(2), Waiting()
    reader.error, queue = error, TicketQueue(reader)
    waiting.run(queue.wait(3, waiting.time + 1.0, is_idle=True))
    with pytest.raises(type(error)):
        queue.take(3)


def test_an_error_of_the_iterator_leaves_the_rows_that_were_read() -> None:
    reader, waiting = Arriving(2), Waiting()
    reader.error, queue = ValueError("no"), TicketQueue(reader)
    waiting.run(queue.wait(3, waiting.time + 1.0, is_idle=True))
    assert len(queue.take(3)) == 2
