"""What a thread or a task waits for, and places in a line of which only so many are free.

Rule: whoever gives a place back hands it to the first in the line, and wakes that one alone. So a thousand
that wait cost nothing until it is their turn, and one that is cancelled hands on what it was given.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import anyio


class Signal:
    """One thread or task waits for it; any thread may set it, once."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._wake: Callable[[], object] | None = None

    @property
    def is_set(self) -> bool:
        """Whether it was set."""
        return self._event.is_set()

    def set(self) -> None:
        """Wake the one that waits."""
        self._event.set()
        wake = self._wake
        if wake is not None:
            wake()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait, up to `seconds`, and return whether it was set."""
        return self._event.wait(seconds)

    async def await_(self, seconds: float | None = None) -> bool:
        """As `wait`; awaited. Blocks no event loop."""
        loop, thread = asyncio.get_running_loop(), threading.get_ident()
        future: asyncio.Future[None] = loop.create_future()

        def settle() -> None:
            if not future.done():
                future.set_result(None)

        def wake() -> None:
            if threading.get_ident() == thread:
                settle()
            else:
                with suppress(RuntimeError):  # the loop is closed, and the one that waited is gone
                    loop.call_soon_threadsafe(settle)

        self._wake = wake
        try:
            if not self._event.is_set():
                with anyio.move_on_after(seconds):
                    await future
        finally:
            self._wake = None
        return self._event.is_set()


class Places:
    """So many places; who finds none free waits in a line, threads and tasks of any event loop alike."""

    def __init__(self, limit: Callable[[], int]) -> None:
        """`limit` says how many there are; it is asked each time."""
        self._limit = limit
        self._guard = threading.Lock()
        self._line: deque[Signal] = deque()
        self.taken: int = 0

    def try_take(self) -> bool:
        """Take a place if one is free and nobody waits for it."""
        with self._guard:
            is_free = not self._line and self.taken < self._limit()
            self.taken += is_free
            return is_free

    def take(self) -> None:
        """Wait for a place. A thread that runs an event loop does not wait: its tasks may hold all."""
        if self.try_take():
            return
        if asyncio._get_running_loop() is not None:
            with self._guard:
                self.taken += 1
            return
        signal, has_it = self._stand(), False
        try:
            has_it = signal.wait()
        finally:
            if not has_it:  # a signal handler has raised
                self._leave(signal)

    async def atake(self) -> None:
        """As `take`; awaited."""
        if self.try_take():
            return
        signal, has_it = self._stand(), False
        try:
            has_it = await signal.await_()
        finally:
            if not has_it:
                self._leave(signal)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """A place, for as long as the block lasts."""
        self.take()
        try:
            yield
        finally:
            self.give()

    @asynccontextmanager
    async def ahold(self) -> AsyncIterator[None]:
        """As `hold`; asynchronous."""
        await self.atake()
        try:
            yield
        finally:
            self.give()

    def give(self) -> None:
        """Give a place back."""
        with self._guard:
            if self._line and self.taken <= self._limit():
                self._line.popleft().set()  # the place is handed on
            else:
                self.taken -= 1

    def _stand(self) -> Signal:
        signal = Signal()
        with self._guard:
            if not self._line and self.taken < self._limit():
                self.taken += 1
                signal.set()
            else:
                self._line.append(signal)
        return signal

    def _leave(self, signal: Signal) -> None:
        with self._guard:
            if signal in self._line:
                self._line.remove(signal)
                return
        self.give()  # it was handed over a moment ago
