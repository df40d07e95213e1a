"""What each processor and each chat model costs and how long it takes, and what Search and Extract cost: the
simulator's own copy of the public tables.

The package has a second copy (`processors.py`). A mistake in one of them fails a test.
"""

from __future__ import annotations

from itertools import pairwise

from .deterministic_ids import fraction

# USD for 1,000 runs; seconds of the shortest run, of half of all runs, of nine in ten and of the longest one;
# of the shortest and of the longest one with `-fast`
_TABLE: dict[str, tuple[float, tuple[float, float, float, float], tuple[float, float]]] = {
    "lite": (5, (10, 45, 90, 120), (10, 20)),
    "base": (10, (15, 50, 120, 180), (15, 50)),
    "core": (25, (60, 90, 180, 300), (15, 100)),
    "core2x": (50, (60, 210, 390, 600), (15, 180)),
    "pro": (100, (120, 210, 450, 600), (30, 300)),
    "ultra": (300, (180, 240, 600, 1500), (60, 600)),
    "ultra2x": (600, (300, 360, 570, 3000), (60, 1200)),
    "ultra4x": (1200, (300, 480, 630, 5400), (60, 2400)),
    "ultra8x": (2400, (300, 390, 660, 7200), (60, 3600)),
}
_SHARES = (0.0, 0.5, 0.9, 1.0)
"""Of the runs that are done by then."""
PROCESSORS: dict[str, tuple[float, tuple[float, ...]]] = {
    **{name: (usd, seconds) for name, (usd, seconds, _) in _TABLE.items()},
    **{f"{name}-fast": (usd, seconds) for name, (usd, _, seconds) in _TABLE.items()},
}
"""USD for 1,000 runs, and the times of a run, the shortest first."""
_SEARCH = {"turbo": 1, "fast": 1, "basic": 5, "advanced": 5}  # USD for 1,000 searches
INCLUDED_RESULTS = 10
EXTRACT_USD = 0.001
"""For each page that was read."""


def search_usd(mode: str, results: int) -> float:
    """The price of a search for so many results."""
    return round((_SEARCH[mode] + max(0, results - INCLUDED_RESULTS)) / 1000, 6)


CHAT_MODELS: dict[str, tuple[float, tuple[float, ...]]] = {
    "speed": (5, (2, 4)),
    "lite": (5, (10, 60)),
    "base": (10, (15, 100)),
    "core": (25, (60, 300)),
}
CHAT = "chat:"
"""Before the name of a chat model, it tells it from the processor of that name."""
_ALL = {**PROCESSORS, **{f"{CHAT}{name}": row for name, row in CHAT_MODELS.items()}}


def price_usd(processor: str) -> float:
    """The price of one run, or one turn of a chat, in USD."""
    return _ALL[processor][0] / 1000


def duration(processor: str, *key: object) -> float:
    """How many seconds a run takes: spread as the table says, the same for the same key."""
    times, share = _ALL[processor][1], fraction("duration", processor, *key)
    shares = _SHARES if len(times) == len(_SHARES) else (0.0, 1.0)
    for (low, at), (high, to) in pairwise(zip(shares, times, strict=True)):
        if share <= high:
            return at + (to - at) * (share - low) / (high - low)
    return times[-1]


def has_events_by_default(processor: str) -> bool:
    """From `pro` up, a run has progress events unless they are switched off."""
    return processor.startswith(("pro", "ultra"))
