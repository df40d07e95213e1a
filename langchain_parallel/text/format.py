"""Money and time as text."""

from __future__ import annotations


def usd(amount: float | None, unknown: str = "unknown") -> str:
    """`$0.10`, `$0.005`, `$1,200.00`: two decimals, and up to six where they are needed."""
    if amount is None:
        return unknown
    whole, _, decimals = f"{amount:,.6f}".partition(".")
    return f"${whole}.{decimals[:2]}{decimals[2:].rstrip('0')}"


def duration(seconds: float | None, unknown: str = "unknown") -> str:
    """`45 s`, `2 min 5 s`, `1 h 4 min`."""
    if seconds is None:
        return unknown
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, over = divmod(minutes, 60)
    if hours:
        return f"{hours:,} h" + (f" {over} min" if over else "")
    return f"{minutes} min" + (f" {rest} s" if rest else "")


def duration_range(least: float, most: float) -> str:
    """`10 to 60 s`, `60 s to 5 min`, `5 min to 2 h`; above two minutes, whole minutes will do."""
    low, high = (duration(s if s < 120 else round(s / 60) * 60) for s in (least, most))
    number, _, unit = low.partition(" ")
    return f"{number} to {high}" if high.partition(" ")[2] == unit else f"{low} to {high}"
