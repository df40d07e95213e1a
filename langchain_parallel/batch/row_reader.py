"""Rows as they are asked for, without keeping waiting what else a table does.

Rule: a row is read only when it is asked for, and no more of them are held than were. An iterator may take
long for its next row. So it is read in a thread of its own, from the first row to the last, and an
asynchronous one in a task: meanwhile what was read is sent, and answers are handed on. An error of the
iterator's own is kept until the answers of what was paid for are handed on.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Iterator
from typing import Any, ClassVar

from .._core.effects import Flow, await_signal
from .._locks.signals import Signal


class RowReader:
    """Reads rows where it is asked for them, for those that are at hand."""

    failure: BaseException | None
    """What ended the rows before their time."""
    may_not_end: ClassVar[bool] = False
    """Whether it is an iterator's matter how many rows there are."""

    def __init__(self, rows: Iterator[Any]) -> None:
        self._rows = rows
        self._read: deque[Any] = deque()
        """Those that were read, and not taken yet."""
        self._is_over = False
        self.failure = None

    @property
    def is_open(self) -> bool:
        """Whether there may be more rows."""
        return bool(self._read) or not self._is_over

    def wait(self, number: int, seconds: float) -> Flow[bool]:
        """Wait, up to `seconds`, until so many rows are there to be taken, or no more come."""
        yield from ()
        try:
            while len(self._read) < number and not self._is_over:
                self._read.append(next(self._rows))
        except StopIteration:
            self._end()
        except Exception as error:  # noqa: BLE001 -- it is raised later
            self._end(error)
        return True

    def _end(self, failure: BaseException | None = None) -> None:
        self._is_over, self.failure = True, failure

    def take(self) -> Iterator[Any]:
        """The rows that are there, one by one."""
        while self._read:
            yield self._read.popleft()

    def close(self) -> None:
        """Read no more."""

    async def aclose(self) -> None:
        """As `close`; waits until what it has begun is over, where it can be ended."""
        self.close()


class _ReaderBeside(RowReader, ABC):
    """Reads beside the flow that asks. Its thread or task stands while as many rows are there as were asked
    for.
    """

    may_not_end: ClassVar[bool] = True
    _wanted: int
    """Rows that were asked for last."""
    _filled: Signal
    """Set when as many rows are there as were asked for, or no more come."""

    def __init__(self) -> None:
        super().__init__(iter(()))
        self._guard = threading.Lock()
        self._is_closed = False

    def wait(self, number: int, seconds: float) -> Flow[bool]:
        """Wait, up to `seconds`, until so many rows are there to be taken, or no more come."""
        with self._guard:
            self._wanted, self._filled = number, Signal()
            self._tell()
        if not self._is_over:
            self._read_on()
        return (yield from await_signal(self._filled, seconds))

    @property
    def _stands(self) -> bool:
        return len(self._read) >= self._wanted and not self._is_closed

    def _tell(self) -> None:
        if self._is_over or len(self._read) >= self._wanted:
            self._filled.set()

    def _note(self, row: Any) -> None:
        with self._guard:
            self._read.append(row)
            self._tell()

    def _end(self, failure: BaseException | None = None) -> None:
        with self._guard:
            super()._end(failure)
            self._tell()

    @abstractmethod
    def _read_on(self) -> None:
        """Have the thread or the task read on."""


class ThreadReader(_ReaderBeside):
    """Reads an iterator in a thread. One that never gives its next row keeps that thread, and no more."""

    def __init__(self, rows: Iterator[Any]) -> None:
        super().__init__()
        self._rows = rows
        self._asked = threading.Condition(self._guard)
        self._is_begun = False

    def _read_on(self) -> None:
        if not self._is_begun:
            self._is_begun = True
            run = contextvars.copy_context().run
            threading.Thread(target=run, args=(self._work,), name="rows", daemon=True).start()
        with self._asked:
            self._asked.notify()

    def _work(self) -> None:
        try:
            while self._may_read():
                self._note(next(self._rows))
        except StopIteration:
            self._end()
        except BaseException as error:  # noqa: BLE001 -- it is raised where the rows are asked for
            self._end(error)

    def _may_read(self) -> bool:
        with self._asked:
            while self._stands:
                self._asked.wait()
            return not self._is_closed

    def close(self) -> None:
        """Read no more than the row that is being read."""
        with self._asked:
            self._is_closed = True
            self._asked.notify()


class TaskReader(_ReaderBeside):
    """Reads an asynchronous iterator in a task of the event loop in which it is asked."""

    def __init__(self, rows: AsyncIterator[Any]) -> None:
        super().__init__()
        self._arriving = rows
        self._asked = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def _read_on(self) -> None:
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._work())
        self._asked.set()

    async def _work(self) -> None:
        try:
            while not self._is_closed:
                self._asked.clear()
                if self._stands:
                    await self._asked.wait()
                else:
                    self._note(await anext(self._arriving))
        except StopAsyncIteration:
            self._end()
        except BaseException as error:  # noqa: BLE001 -- it is raised where the rows are asked for
            self._end(error)

    async def aclose(self) -> None:
        """Cancel what is being read."""
        self._is_closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])  # raises only where this call itself is cancelled
