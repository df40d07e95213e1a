"""What each processor and each chat model costs and how long it takes, and what Search and Extract cost: the
simulator's own copy of the public tables.

The package has a second copy (`processors.py`). A mistake in one of them fails a test.
"""

from __future__ import annotations

from .deterministic_ids import fraction

_USUAL: dict[
    str, tuple[float, float, float]
] = {  # USD for 1,000 runs; seconds of the shortest and of the longest run
    "lite": (5, 10, 60),
    "base": (10, 15, 100),
    "core": (25, 60, 300),
    "core2x": (50, 60, 600),
    "pro": (100, 120, 600),
    "ultra": (300, 300, 1500),
    "ultra2x": (600, 300, 3000),
    "ultra4x": (1200, 300, 5400),
    "ultra8x": (2400, 300, 7200),
}
_FAST = {f"{name}-fast": (usd, low / 4, high / 4) for name, (usd, low, high) in _USUAL.items()}
PROCESSORS: dict[str, tuple[float, float, float]] = {**_USUAL, **_FAST}
_SEARCH = {"turbo": 1, "fast": 1, "basic": 5, "advanced": 5}  # USD for 1,000 searches
INCLUDED_RESULTS = 10
EXTRACT_USD = 0.001
"""For each page that was read."""


def search_usd(mode: str, results: int) -> float:
    """The price of a search for so many results."""
    return round((_SEARCH[mode] + max(0, results - INCLUDED_RESULTS)) / 1000, 6)


CHAT_MODELS: dict[str, tuple[float, float, float]] = {
    "speed": (5, 2, 4),
    "lite": (5, 10, 60),
    "base": (10, 15, 100),
    "core": (25, 60, 300),
}
CHAT = "chat:"
"""Before the name of a chat model, it tells it from the processor of that name."""
_ALL = {**PROCESSORS, **{f"{CHAT}{name}": row for name, row in CHAT_MODELS.items()}}


def price_usd(processor: str) -> float:
    """The price of one run, or one turn of a chat, in USD."""
    return _ALL[processor][0] / 1000


def duration(processor: str, *key: object) -> float:
    """How many seconds a run takes: within the processor's range, the same for the same key."""
    _, shortest, longest = _ALL[processor]
    return shortest + (longest - shortest) * fraction("duration", processor, *key)


def has_events_by_default(processor: str) -> bool:
    """From `pro` up, a run has progress events unless they are switched off."""
    return processor.startswith(("pro", "ultra"))
