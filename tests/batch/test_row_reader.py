"""Rows are read as far as they are asked for, beside whoever asks, and what ends them is kept."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress

import pytest

from langchain_parallel._core.effects import AwaitSignal
from langchain_parallel.batch.row_reader import RowReader, TaskReader, ThreadReader

PATIENCE = 5.0
"""Seconds after which what should come has not come."""
MOMENT = 0.02
"""Seconds in which what should not happen would happen."""
KINDS = ["here", "thread", "task"]


async def wait(reader: RowReader, number: int, seconds: float = PATIENCE) -> bool:
    flow, outcome = reader.wait(number, seconds), None
    while True:
        try:
            effect = flow.send(outcome)
        except StopIteration as end:
            is_there: bool = end.value
            return is_there
        assert isinstance(effect, AwaitSignal)
        outcome = await effect.signal.await_(effect.seconds)


class Rows:
    """Numbers, and how many of them were read."""

    def __init__(
        self,
        number: int = 100,
        error: BaseException | None = None,
        before: Callable[[int], object] = lambda _: None,
    ) -> None:
        """`before` is called with each number before it is given; `error` is raised after the last."""
        self.read = 0
        self._number, self._error, self._before = number, error, before

    def __iter__(self) -> Iterator[int]:
        for nth in range(self._number):
            self._before(nth)
            self.read += 1
            yield nth
        if self._error is not None:
            raise self._error

    async def __aiter__(self) -> AsyncIterator[int]:
        for row in self:
            await asyncio.sleep(0)
            yield row

    def reader(self, kind: str) -> RowReader:
        if kind == "task":
            return TaskReader(aiter(self))
        return (RowReader if kind == "here" else ThreadReader)(iter(self))


@pytest.mark.parametrize("kind", KINDS)
def test_no_more_rows_are_read_than_were_asked_for(kind: str) -> None:
    async def main() -> None:
        rows = Rows()
        reader = rows.reader(kind)
        assert reader.is_open
        for number, there in [(2, [0, 1]), (1, [2]), (0, []), (3, [3, 4, 5])]:
            assert await wait(reader, number)
            await asyncio.sleep(MOMENT)
            assert rows.read == (there[-1] + 1 if there else rows.read)
            assert list(reader.take()) == there
        assert await wait(reader, 2)
        assert next(reader.take()) == 6
        assert await wait(reader, 2)  # one of them is there
        await asyncio.sleep(MOMENT)
        assert rows.read == 9
        assert reader.is_open
        reader.close()
        await reader.aclose()

    asyncio.run(main())


@pytest.mark.parametrize("error", [None, KeyError("column"), SystemExit(3)], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_what_ends_the_rows_is_kept_until_those_before_are_taken(
    kind: str, error: BaseException | None
) -> None:
    async def main() -> None:
        reader = Rows(2, error).reader(kind)
        if kind == "here" and isinstance(error, SystemExit):
            with pytest.raises(SystemExit):
                await wait(reader, 5)
            return
        assert await wait(reader, 5)
        assert (reader.failure, reader.is_open) == (error, True)
        assert list(reader.take()) == [0, 1]
        assert not reader.is_open
        before = threading.active_count()
        assert await wait(reader, 5, 0.0)
        assert threading.active_count() == before
        assert (reader.failure, reader.is_open, list(reader.take())) == (error, False, [])

    asyncio.run(main())


def test_whoever_asks_waits_its_time_and_no_longer_and_the_row_comes_later() -> None:
    gate = threading.Event()

    def before(nth: int) -> None:
        assert nth < 2 or gate.wait(PATIENCE)

    async def main() -> None:
        reader = Rows(before=before).reader("thread")
        assert not await wait(reader, 3, MOMENT)
        assert list(reader.take()) == [0, 1]
        gate.set()
        assert await wait(reader, 1)
        assert list(reader.take()) == [2]
        reader.close()

    asyncio.run(main())


def test_rows_come_while_they_are_waited_for_in_the_same_thread_too() -> None:
    gate = threading.Event()

    def before(nth: int) -> None:
        assert nth < 1 or gate.wait(PATIENCE)

    reader = Rows(before=before).reader("thread")
    flow = reader.wait(2, PATIENCE)
    effect = next(flow)
    assert isinstance(effect, AwaitSignal)
    assert effect.seconds == PATIENCE
    assert not effect.signal.wait(MOMENT)
    gate.set()
    assert effect.signal.wait(PATIENCE)
    reader.close()


def test_a_thread_reads_in_the_context_of_the_first_who_asks_and_ends_when_it_is_closed() -> None:
    user, seen = contextvars.ContextVar("user", default=""), set[tuple[str, str, bool]]()
    user.set("Ada")

    def before(_: int) -> None:
        thread = threading.current_thread()
        seen.add((user.get(), thread.name, thread.daemon))

    rows = Rows(before=before)
    reader = rows.reader("thread")
    others = set(threading.enumerate())
    asyncio.run(wait(reader, 2))
    asyncio.run(wait(reader, 4))
    assert seen == {("Ada", "rows", True)}
    [thread] = set(threading.enumerate()) - others
    reader.close()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert rows.read == 4
    assert reader.failure is None


@pytest.mark.parametrize("awaits", [False, True])
def test_a_thread_that_is_closed_while_it_reads_reads_that_row_only(awaits: bool) -> None:
    reading, gate = threading.Event(), threading.Event()

    def before(nth: int) -> None:
        reading.set()
        assert gate.wait(PATIENCE)

    rows = Rows(before=before)
    reader = rows.reader("thread")
    others = set(threading.enumerate())
    assert not asyncio.run(wait(reader, 5, 0.0))
    [thread] = set(threading.enumerate()) - others
    assert reading.wait(PATIENCE)
    if awaits:
        asyncio.run(reader.aclose())
    else:
        reader.close()
    gate.set()
    thread.join(PATIENCE)
    assert (thread.is_alive(), rows.read) == (False, 1)


def test_a_task_is_cancelled_in_the_middle_of_a_row() -> None:
    ended: list[str] = []

    async def rows() -> AsyncIterator[int]:
        yield 0
        try:
            await asyncio.sleep(PATIENCE)
        finally:
            ended.append("the row")

    async def main() -> None:
        reader = TaskReader(rows())
        assert await wait(reader, 1)
        assert not await wait(reader, 2, MOMENT)
        await reader.aclose()
        assert ended == ["the row"]
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())


def test_rows_that_come_though_they_were_cancelled_are_read_no_further() -> None:
    given: list[int] = []

    async def rows() -> AsyncIterator[int]:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(PATIENCE)
        for nth in range(3):
            given.append(nth)
            yield nth

    async def main() -> None:
        reader = TaskReader(rows())
        assert not await wait(reader, 5, MOMENT)
        await reader.aclose()
        assert given == [0]

    asyncio.run(main())


def test_a_task_is_ended_that_has_not_begun_or_stands() -> None:
    async def main() -> None:
        for number in (None, 0, 1):
            rows = Rows()
            reader = rows.reader("task")
            if number is not None:
                flow = reader.wait(number, 0.0)
                next(flow)
            await reader.aclose()
            assert len(asyncio.all_tasks()) == 1
            assert rows.read == 0
        reader = Rows().reader("task")
        assert await wait(reader, 2)
        await asyncio.sleep(MOMENT)
        await reader.aclose()
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())


def test_who_is_cancelled_while_it_ends_a_task_is_cancelled() -> None:
    """The rows clean up, which takes long."""

    async def rows() -> AsyncIterator[int]:
        try:
            await asyncio.sleep(PATIENCE)
            yield 0
        finally:
            with_patience = asyncio.get_running_loop().create_future()
            await with_patience

    async def main() -> None:
        reader = TaskReader(rows())
        assert not await wait(reader, 1, MOMENT)
        closing = asyncio.create_task(reader.aclose())
        await asyncio.sleep(MOMENT)
        assert not closing.done()
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing

    asyncio.run(main())
