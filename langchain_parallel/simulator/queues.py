"""Orders that wait for the requests or runs they are meant for.

Rule: of the orders that match, the oldest with something left acts, once per subject.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

__all__ = ["Order", "Queue"]


class Order(Protocol):
    """`skip` matches are let pass, then `times` are acted on (None: every one from there)."""

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


class Queue(Generic[T]):
    """Orders added by a test, taken by the simulator. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[_Pending[T]] = []

    def add(self, *orders: T) -> None:
        """Queue orders, in this sequence."""
        with self._lock:
            for order in orders:
                left = float("inf") if order.times is None else float(order.times)
                self._waiting.append(_Pending(order, order.skip, left))

    def take(self, matches: Callable[[T], bool]) -> T | None:
        """The order that acts on the subject `matches` looks for, if any."""
        with self._lock:
            for pending in [p for p in self._waiting if matches(p.order)]:
                if pending.skip > 0:
                    pending.skip -= 1
                    continue
                pending.left -= 1
                if pending.left <= 0:
                    self._waiting.remove(pending)
                return pending.order
        return None

    def clear(self) -> None:
        """Forget every order."""
        with self._lock:
            self._waiting.clear()

    @property
    def pending(self) -> tuple[T, ...]:
        """Orders with something left, oldest first."""
        with self._lock:
            return tuple(p.order for p in self._waiting)
