"""The processors and the chat models: what a run, or a turn of a chat, costs and how long it takes.

The numbers are those of the page `SOURCE` in the month of `SOURCE_DATE`, and of `-fast` processors those of
`FAST_SOURCE_DATE`: newer pages no longer name these. The API has no call that returns prices, so they may
have changed since. Times are those of the running alone; a run may be queued before.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

SOURCE = "https://docs.parallel.ai/task-api/guides/choose-a-processor"
"""The page the table was read from."""
SOURCE_DATE = date(2026, 10, 1)
"""The month in which it was read; the day is not on record."""
FAST_SOURCE_DATE = date(2026, 8, 1)
"""The month in which the times of `-fast` processors were last on that page."""


@dataclass(frozen=True, slots=True)
class Processor:
    """One processor.

    Attributes:
        name: Its name.
        usd: The price of a run.
        seconds: The usual shortest and longest time of a run.
        p50: Seconds in which half of all runs are done; None where no page says it.
        p90: Seconds in which nine of ten runs are done; None where no page says it.
        deep: Deep research (`pro` and above), for which the API records progress without being asked.
        is_listed: Whether the newest pages name it.
    """

    name: str
    usd: float
    seconds: tuple[float, float]
    p50: float | None
    p90: float | None
    deep: bool
    is_listed: bool


_TABLE: tuple[tuple[str, float, tuple[float, float], tuple[float, float], tuple[float, float]], ...] = (
    # name, USD for 1,000 runs, seconds at the least and at the most, p50 and p90, the first two of `-fast`
    ("lite", 5, (10, 120), (45, 90), (10, 20)),
    ("base", 10, (15, 180), (50, 120), (15, 50)),
    ("core", 25, (60, 300), (90, 180), (15, 100)),
    ("core2x", 50, (60, 600), (210, 390), (15, 180)),
    ("pro", 100, (120, 600), (210, 450), (30, 300)),
    ("ultra", 300, (180, 1500), (240, 600), (60, 600)),
    ("ultra2x", 600, (300, 3000), (360, 570), (60, 1200)),
    ("ultra4x", 1200, (300, 5400), (480, 630), (60, 2400)),
    ("ultra8x", 2400, (300, 7200), (390, 660), (60, 3600)),
)  # fmt: skip


def _processors() -> dict[str, Processor]:
    table = {}
    for name, price, seconds, (p50, p90), fast_seconds in _TABLE:
        deep, usd, fast = name.startswith(("pro", "ultra")), price / 1000, f"{name}-fast"
        table[name] = Processor(name, usd, seconds, p50, p90, deep, is_listed=True)
        table[fast] = Processor(fast, usd, fast_seconds, None, None, deep, is_listed=False)
    return table


PROCESSORS: Mapping[str, Processor] = MappingProxyType(_processors())
"""Every known processor of task runs by name."""


def price_usd(processor: str) -> float | None:
    """What one run costs, in USD; None for a processor this table does not know."""
    known = find_processor(processor)
    return known.usd if known else None


def expected_seconds(processor: str) -> tuple[float, float] | None:
    """The usual shortest and longest time of a run, in seconds; None for an unknown processor."""
    known = find_processor(processor)
    return known.seconds if known else None


def costs_more(processor: str, than: str) -> bool:
    """Whether a run costs more than with another processor.

    True if either price is unknown: this function guards money, so an unknown price must not pass.
    """
    price, limit = price_usd(processor), price_usd(than)
    if price is None or limit is None:
        return processor != than
    return price > limit


def nearest_listed(processor: str) -> str | None:
    """The processor to use in place of one that the API refuses: the plain one of a `-fast` one, else the
    next cheaper one; of an unknown name the one that is written most alike. None if there is none.
    """
    plain = processor.removesuffix("-fast")
    names = [name for name, known in PROCESSORS.items() if known.is_listed]
    if processor not in PROCESSORS:
        return next(iter(difflib.get_close_matches(plain, names, n=1, cutoff=0.4)), None)
    if plain != processor:
        return plain
    place = names.index(processor)
    return names[place - 1] if place else None


# --- chat models ----------------------------------------------------------------------------------

CHAT_SOURCE = "https://docs.parallel.ai/resources/pricing"
"""The page the table of chat models was read from."""
CHAT_SOURCE_DATE = date(2026, 8, 14)
"""When it was read; by 2026-09-17 Chat had gone from that page."""
CHAT_PRICE_NOTE = (
    "An assumption: the list price of 2026-08-14; Chat has since gone from the page of prices."
)


@dataclass(frozen=True, slots=True)
class ChatModel:
    """One model of the Chat API.

    Attributes:
        name: Its name.
        usd: The price of a turn.
        seconds: The usual shortest and longest time until the first of the answer.
        has_basis: Whether its answers have evidence.
    """

    name: str
    usd: float
    seconds: tuple[float, float]
    has_basis: bool


CHAT_MODELS: Mapping[str, ChatModel] = MappingProxyType(
    {
        "speed": ChatModel("speed", 0.005, (3, 3), has_basis=False),
        "lite": ChatModel("lite", 0.005, (10, 60), has_basis=True),
        "base": ChatModel("base", 0.01, (15, 100), has_basis=True),
        "core": ChatModel("core", 0.025, (60, 300), has_basis=True),
    }
)
"""Every known chat model by name. `lite`, `base` and `core` wrap the processors of these names."""


def chat_price_usd(model: str) -> float | None:
    """What one turn of a chat costs, in USD (`CHAT_PRICE_NOTE`); None for an unknown model."""
    known = CHAT_MODELS.get(model)
    return known.usd if known else None


# --- quick turns ----------------------------------------------------------------------------------

CHAT_PREFIX = "chat:"
"""What the name of a quick turn's processor begins with: `chat:lite` asks the chat model `lite`."""
CHAT_PROCESSORS: Mapping[str, Processor] = MappingProxyType(
    {
        f"{CHAT_PREFIX}{name}": Processor(
            f"{CHAT_PREFIX}{name}",
            model.usd,
            model.seconds,
            None,
            None,
            deep=False,
            is_listed=False,
        )
        for name, model in CHAT_MODELS.items()
    }
)
"""The processors of quick turns in a session, by name. No task run takes them."""


def is_chat(processor: str) -> bool:
    """Whether a turn with this processor is a quick one, which the Chat API answers at once."""
    return processor.startswith(CHAT_PREFIX)


def find_processor(name: str) -> Processor | None:
    """What is known of a processor, of task runs or of quick turns."""
    return PROCESSORS.get(name) or CHAT_PROCESSORS.get(name)
