"""Citations: one number for one address over a whole thread, and the way back from `[3]` to its source.

Rule: a number, once given, stays. Runs end in any order, some at the same time in parallel tool calls, so
each has a range of its own; an address that an earlier finding had already keeps the number it has there.

A sub-agent counts for itself, and its text goes to others who count for themselves. So behind each of its
numbers stands what names its ledger, as in `[3@c65c64]`, from when it is first written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

from typing_extensions import NotRequired, TypedDict

from .names import Names
from .state import AgentTurn, Research

_RANGE = 100
_BEYOND = 1_000_000
"""For the citations of one run after the hundredth."""


Number: TypeAlias = int | str
"""`3`; a sub-agent's is `3@c65c64`."""


class Source(TypedDict):
    """A source, as a citation's number names it. Title and address are untrusted."""

    number: Number
    url: str
    title: str | None
    fields: list[str]
    published: NotRequired[str]
    handle: str
    """The finding that cites it first."""
    run_id: str
    interaction_id: str | None


class Cited(NamedTuple):
    """What a text cites."""

    sources: dict[Number, Source]
    unknown: list[Number]
    """Numbers that no source has: the model made them up."""


def numbered(record: AgentTurn, research: Research) -> list[dict[str, Any]]:
    """A record's citations with the thread's numbers."""
    earlier = _by_url(research, without=record["handle"])
    return [
        {**source, "number": earlier.get(source["url"]) or _own(record, nth)}
        for nth, source in enumerate(record["citations"], start=1)
    ]


def _own(record: AgentTurn, nth: int) -> Number:
    position = record["position"]
    number = position * _RANGE + nth if nth <= _RANGE else (position + 1) * _BEYOND + nth
    return f"{number}@{record['counts_as']}" if record.get("counts_as") else number


def _by_url(research: Research, without: str) -> dict[str, Number]:
    numbers: dict[str, Number] = {}
    for record in sorted(research.values(), key=lambda r: r["position"]):
        if record["handle"] != without:
            for source in record["citations"]:
                numbers.setdefault(source["url"], source["number"])
    return numbers


def sources(state: Mapping[str, Any], name: str = "research") -> dict[Number, Source]:
    """Every source of an agent's research by its number: `3`, or `"3@c65c64"` of a sub-agent's.

    Args:
        state: What the agent returned, or `agent.get_state(config).values`.
        name: The middleware's.
    """
    found: dict[Number, Source] = {}
    research: Research = state.get(name) or {}
    own_first = sorted(research.values(), key=lambda r: ("@" in r["handle"], r["position"]))
    for record in own_first:
        ids = {name: record[name] for name in ("handle", "run_id", "interaction_id")}
        for citation in record["citations"]:
            found.setdefault(citation["number"], Source(**citation, **ids))  # type: ignore[typeddict-item]
    return found


def cited(text: str, state: Mapping[str, Any], name: str = "research") -> Cited:
    """The sources that a text cites as `[3]`, `[3, 104]` or `[3@c65c64]`, in the order in which it does.

    Args:
        text: An answer of the agent's model.
        state: What the agent returned, or `agent.get_state(config).values`.
        name: The middleware's.
    """
    known = sources(state, name)
    numbers = dict.fromkeys(_numbers(text, Names(name)))
    return Cited(
        sources={number: known[number] for number in numbers if number in known},
        unknown=[number for number in numbers if number not in known],
    )


def _numbers(text: str, names: Names) -> list[Number]:
    prefix = "" if names.plain else re.escape(f"{names.name}-")
    one = rf"{prefix}(\d{{1,10}}(?:@[\w-]+)?)"
    marks = re.findall(rf"\[({one}(?:\s*[,;]\s*{one})*)\]", text)
    numbers = [number for whole, *_ in marks for number in re.findall(one, whole)]
    return [number if "@" in number else int(number) for number in numbers]
