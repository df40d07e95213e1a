"""Values of a row as plain JSON, whatever the caller has them as.

Rule: the same value is the same text in every process, for a row's question is what its run is found by.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from enum import Enum
from typing import Any

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+>\Z")
"""Ends what Python writes of an object that has no text: another one in each process."""


def plain_row(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A row as plain JSON; what stands for a missing value is None."""
    return {str(name): plain_value(value) for name, value in row.items()}


def plain_value(value: Any) -> Any:
    """A value as plain JSON."""
    if isinstance(value, Enum):  # of texts, too: what `str` makes of it depends on Python's version
        return plain_value(value.value)
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return plain_row(value)
    if isinstance(value, set | frozenset):
        return in_order(map(plain_value, value))
    if isinstance(value, list | tuple):
        return [plain_value(one) for one in value]
    if hasattr(value, "tolist") and not isinstance(value, memoryview):  # numpy
        return plain_value(value.tolist())
    return _plain_scalar(value)


def _plain_scalar(value: Any) -> Any:
    if type(value).__name__ in ("NAType", "NaTType"):  # pandas
        return None
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, Decimal) and not value.is_finite():
        return None
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode(errors="backslashreplace")
    text = str(value)
    return None if _ADDRESS.search(text) else text


def in_order(values: Iterable[Any]) -> list[Any]:
    """The members of a set, which Python gives in another order in each process."""
    return sorted(values, key=repr)


def with_sets_in_order(plain: Any, given: Any) -> Any:
    """Plain JSON that a library has made of a value, with the members of each set in it in one order."""
    if isinstance(given, set | frozenset) and isinstance(plain, list):
        return in_order(plain)
    if isinstance(given, Mapping) and isinstance(plain, dict) and len(given) == len(plain):
        pairs = zip(plain.items(), given.values(), strict=True)
        return {name: with_sets_in_order(one, other) for (name, one), other in pairs}
    if isinstance(given, list | tuple) and isinstance(plain, list) and len(given) == len(plain):
        return [with_sets_in_order(*both) for both in zip(plain, given, strict=True)]
    return plain
