"""What each processor costs and how long it takes: the simulator's own copy of the public table.

The package has a second copy (`processors.py`). A mistake in one of them fails a test.
"""

from __future__ import annotations

from dataclasses import dataclass

from .deterministic_ids import fraction


@dataclass(frozen=True)
class Processor:
    """`usd_per_1000`: USD for 1,000 runs. `shortest`, `longest`: seconds."""

    name: str
    usd_per_1000: float
    shortest: float
    longest: float


_BASE = (
    Processor("lite", 5, 10, 60),
    Processor("base", 10, 15, 100),
    Processor("core", 25, 60, 300),
    Processor("core2x", 50, 60, 600),
    Processor("pro", 100, 120, 600),
    Processor("ultra", 300, 300, 1500),
    Processor("ultra2x", 600, 300, 3000),
    Processor("ultra4x", 1200, 300, 5400),
    Processor("ultra8x", 2400, 300, 7200),
)
_FAST = tuple(
    Processor(f"{p.name}-fast", p.usd_per_1000, p.shortest / 4, p.longest / 4) for p in _BASE
)
PROCESSORS = {p.name: p for p in (*_BASE, *_FAST)}


def price_usd(processor: str) -> float:
    """The price of one run in USD."""
    return PROCESSORS[processor].usd_per_1000 / 1000


def duration(processor: str, *key: object) -> float:
    """How many seconds a run takes: within the processor's range, the same for the same key."""
    row = PROCESSORS[processor]
    return row.shortest + (row.longest - row.shortest) * fraction("duration", processor, *key)


def has_events_by_default(processor: str) -> bool:
    """From `pro` up, a run has progress events unless they are switched off."""
    return processor.startswith(("pro", "ultra"))
