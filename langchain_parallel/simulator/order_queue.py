"""Orders that a test has queued for the requests or runs that they match.

Rule: of the orders that match, only the oldest one acts.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar


class Order(Protocol):
    """An order ignores its first `skip` matches and then acts on `times` of them (None: on all)."""

    @property
    def times(self) -> int | None: ...

    @property
    def skip(self) -> int: ...


T = TypeVar("T", bound=Order)


@dataclass
class _Pending(Generic[T]):
    order: T
    skip: int
    left: float


class OrderQueue(Generic[T]):
    """Orders added by a test and taken by the simulator. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queue: list[_Pending[T]] = []

    def add(self, *orders: T) -> None:
        """Queue orders, in this sequence."""
        with self._lock:
            for order in orders:
                left = float("inf") if order.times is None else float(order.times)
                self._queue.append(_Pending(order, order.skip, left))

    def take(self, matches: Callable[[T], bool]) -> T | None:
        """Use up one match of the order that acts next, and return that order."""
        with self._lock:
            for pending in [p for p in self._queue if matches(p.order)]:
                if pending.skip > 0:
                    pending.skip -= 1
                    continue
                pending.left -= 1
                if pending.left <= 0:
                    self._queue.remove(pending)
                return pending.order
        return None

    def clear(self) -> None:
        """Remove every order."""
        with self._lock:
            self._queue.clear()

    @property
    def pending(self) -> tuple[T, ...]:
        """Orders that can still act, oldest first."""
        with self._lock:
            return tuple(p.order for p in self._queue)
