"""A dict of bounded size."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Latest(OrderedDict[K, V]):
    """A dict that keeps the entries that were set last, up to a number.

    `on_drop` is called with the key of each entry that is dropped for that.
    """

    def __init__(self, most: int, on_drop: Callable[[K], Any] | None = None) -> None:
        super().__init__()
        self._most, self._on_drop = most, on_drop

    def __setitem__(self, key: K, value: V) -> None:
        super().__setitem__(key, value)
        self.move_to_end(key)
        while len(self) > self._most:
            dropped, _ = self.popitem(last=False)
            if self._on_drop is not None:
                self._on_drop(dropped)
