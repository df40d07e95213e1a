"""All that wait for runs of one task group share one stream of its events.

Rule: one of those that wait reads the stream for all, and wakes those whose runs have ended. When it leaves
(its own run has ended, its time is over, it is cancelled), another reads on. So there is no thread or task of
which no caller knows, and the stream is closed when the last one leaves.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Generic, TypeAlias, TypeVar, cast

from .._core.effects import AwaitEnds, Effect, Flow, NoResponse, Now, Sleep
from .._core.group_watch import GroupWatch
from .._core.retry import RetryPolicy
from .._locks.signals import Signal
from ..models import TaskRunEvent
from .handles import Seat

StreamT = TypeVar("StreamT")


@dataclass(frozen=True)
class Read:
    """Perform this effect on the shared stream, for up to `seconds`."""

    effect: Effect
    seconds: float


@dataclass(frozen=True)
class Stand:
    """Wait for the signal, for up to `seconds`."""

    signal: Signal
    seconds: float


Ends: TypeAlias = dict[str, TaskRunEvent]
Steps: TypeAlias = Generator[Read | Stand, object, Ends | None]
_CUT = NoResponse(sent=True, reason="the one that read it has left")


@dataclass(eq=False)
class _Waiter:
    run_ids: frozenset[str]
    signal: Signal = field(default_factory=Signal)
    has_news: bool = False


class Shared(Generic[StreamT]):
    """One group that is followed, its stream, and those that wait."""

    def __init__(self, watch: GroupWatch, stream: StreamT, seat: Seat, tick: float) -> None:
        self._tick = tick
        self.watch: GroupWatch = watch
        self.stream: StreamT = stream
        self.seat: Seat = seat
        self.is_refused: bool = False
        self.waiters: dict[_Waiter, None] = {}
        self.guard: threading.Lock = threading.Lock()
        self._flow: Flow[None] = watch.follow()
        self._effect: Effect | None = None
        self._outcome: object = None
        self._reader: _Waiter | None = None

    def steps(self, waiter: _Waiter, seconds: float) -> Steps:
        """Wait for a waiter's runs, and read for the others meanwhile if nobody else does."""
        until = cast(float, (yield Read(Now(), seconds))) + seconds
        while True:
            with self.guard:
                ends = self.watch.ends
                found = {run_id: ends[run_id] for run_id in waiter.run_ids & ends.keys()}
                if found or waiter.has_news:
                    return found
                if self.is_refused:
                    return None
                reads = self._reader in (None, waiter)
                if reads:
                    self._reader = waiter
                else:
                    waiter.signal = Signal()
            left = until - cast(float, (yield Read(Now(), seconds)))
            if left <= 0:
                return {}
            if reads:
                yield from self._read_on(left)
            else:
                yield Stand(waiter.signal, min(left, self._tick))

    def _read_on(self, left: float) -> Generator[Read | Stand, object, None]:
        """One step of the watch."""
        effect, self._effect = self._effect, None
        if effect is not None:
            if isinstance(effect, Sleep) and effect.seconds > left:
                effect = Sleep(left)
            self._outcome = _CUT  # if this reader is cancelled meanwhile
            self._outcome = yield Read(effect, left)
        try:
            self._effect = self._flow.send(self._outcome)
        except StopIteration:
            self.is_refused = True
        with self.guard:
            news = self.watch.take_news()
            for waiter in self.waiters:
                if self.is_refused or not waiter.run_ids.isdisjoint(news):
                    waiter.has_news = not self.is_refused
                    waiter.signal.set()

    def leave(self, waiter: _Waiter) -> bool:
        """Let a waiter go, and another read; whether nobody is left."""
        with self.guard:
            self.waiters.pop(waiter)
            if self._reader in (None, waiter):
                self._reader = None
                if self.waiters:
                    next(reversed(self.waiters)).signal.set()
            return not self.waiters


class GroupWatches(Generic[StreamT]):
    """The groups that a client follows in one event loop, or in its threads."""

    def __init__(self, policy: RetryPolicy, tick: float) -> None:
        """`tick`: seconds after which one that stands looks at its clock."""
        self._policy, self._tick = policy, tick
        self._guard = threading.Lock()
        self._by_group: dict[str, Shared[StreamT]] = {}

    def join(
        self, asked: AwaitEnds, open_stream: Callable[[Seat], StreamT]
    ) -> tuple[Shared[StreamT], _Waiter] | None:
        """A group, and a place among those that wait for it; None if no stream can be had for it."""
        waiter = _Waiter(asked.run_ids)
        with self._guard:
            shared = self._by_group.get(asked.group_id)
            if shared is None:
                seat = Seat()
                if not seat.take_shared():
                    return None
                watch = GroupWatch(asked.group_id, self._policy)
                shared = Shared(watch, open_stream(seat), seat, self._tick)
                self._by_group[asked.group_id] = shared
            with shared.guard:
                shared.waiters[waiter] = None
        return shared, waiter

    def leave(self, shared: Shared[StreamT], waiter: _Waiter) -> bool:
        """Let a waiter go; whether its group is no longer followed, so that the stream is to be closed."""
        with self._guard:
            is_last = shared.leave(waiter)
            if is_last:
                del self._by_group[shared.watch.group_id]
                shared.seat.close()
        return is_last
