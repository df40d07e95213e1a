"""The API's timestamps (RFC 3339, with any number of fractional digits)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timezone
from math import inf

from pydantic import TypeAdapter

_TIMESTAMP: TypeAdapter[datetime] = TypeAdapter(datetime)


def unix_seconds(timestamp: object) -> float | None:
    """Seconds since 1970; None for what is not a timestamp. One without a zone is taken as UTC."""
    known = _read(timestamp)
    if known is None:
        return None
    return (known if known.tzinfo else known.replace(tzinfo=timezone.utc)).timestamp()


def has_zone(timestamp: object) -> bool:
    """Whether it is a timestamp that names its zone."""
    known = _read(timestamp)
    return known is not None and known.tzinfo is not None


def utc_date(seconds: float) -> str:
    """The day, in UTC, of so many seconds since 1970: `2026-01-31`."""
    return datetime.fromtimestamp(seconds, timezone.utc).date().isoformat()


def utc_minute(seconds: float) -> str:
    """The minute, in UTC, of so many seconds since 1970: `2026-01-31 23:59`."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M")


def _read(timestamp: object) -> datetime | None:
    try:
        return _TIMESTAMP.validate_python(timestamp) if isinstance(timestamp, str) else None
    except ValueError:
        return None


def sort_key(timestamp: str | None) -> str:
    """Orders the API's timestamps, all of which are in UTC; those that are unknown come first."""
    # With its Z, a time without a fraction of a second sorts after the same second with one: "Z" > ".".
    return (timestamp or "").rstrip("Z")


def span(start: object, end: object) -> tuple[float, float] | None:
    """Both timestamps in seconds since 1970; None if one is unknown or the end is before the start."""
    first, last = unix_seconds(start), unix_seconds(end)
    return None if first is None or last is None or last < first else (first, last)


def elapsed_seconds(start: object, end: object) -> float | None:
    """Seconds from one timestamp to another; None where `span` is None."""
    known = span(start, end)
    return None if known is None else round(known[1] - known[0], 3)


def covered_seconds(spans: Iterable[tuple[float, float]]) -> float:
    """Seconds that at least one of the spans (start, end) covers."""
    total, until = 0.0, -inf
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return round(total, 3)
