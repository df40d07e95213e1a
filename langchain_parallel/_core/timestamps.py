"""The API's timestamps (RFC 3339, with any number of fractional digits)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timezone
from math import inf

from pydantic import TypeAdapter

_MOMENT: TypeAdapter[datetime] = TypeAdapter(datetime)


def unix_seconds(moment: object) -> float | None:
    """Seconds since 1970; None for what is no time. Without a zone it is taken as UTC."""
    try:
        known = _MOMENT.validate_python(moment) if isinstance(moment, str) else None
    except ValueError:
        return None
    if known is None:
        return None
    return (known if known.tzinfo else known.replace(tzinfo=timezone.utc)).timestamp()


def span(start: object, end: object) -> tuple[float, float] | None:
    """Two moments in seconds since 1970; None if one is unknown, or they are in no order."""
    first, last = unix_seconds(start), unix_seconds(end)
    return None if first is None or last is None or last < first else (first, last)


def elapsed(start: object, end: object) -> float | None:
    """Seconds from one moment to another; None where `span` is."""
    known = span(start, end)
    return None if known is None else round(known[1] - known[0], 3)


def covered_seconds(spans: Iterable[tuple[float, float]]) -> float:
    """Seconds that at least one of the spans (start, end) covers."""
    total, until = 0.0, -inf
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return round(total, 3)
