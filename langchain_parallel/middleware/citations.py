"""Citations: one number for one address in a whole thread, and the lookup of the source behind `[3]`.

Rule: a number, once given, stays. Runs end in any order, some at the same time in parallel tool calls, so
each has a range of its own; an address that an earlier finding or another tool's answer cites keeps the
number it has there. The range is planned with the run, in one sequence with the answers of other tools
(`tools/thread_citations.py`). A run that a tool plans or finds, while others run that do not know of it, has
a range far above these.

A sub-agent has its own numbers, and its text goes to agents that have other ones. So the end of its ledger's
id follows each of its numbers, as in `[3@c65c64]`.

Rule: only this package writes marks. Text of the web is shown to a model without any mark that
`find_citations` would understand, for any middleware (`text/own_marks.py`); the state keeps it as it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from typing_extensions import TypedDict

from ..text.own_marks import Number, marked_numbers
from ..text.source_numbers import number_of, position_of
from ..tools.thread_citations import UNPLANNED, numbered_sources, numbers_by_url
from .agent_state import AgentTurn, Research
from .names import Names


class Source(TypedDict):
    """The source behind a citation number. Title and address are untrusted."""

    number: Number
    url: str
    title: str | None
    fields: list[str]
    handle: str
    """The finding that cites it first; empty for a source of another tool's answer."""
    run_id: str
    interaction_id: str | None


class CitationLookup(NamedTuple):
    """The sources that a text cites."""

    sources: dict[Number, Source]
    unknown: list[Number]
    """Numbers that no source has: the model made them up."""


def number_citations(
    record: AgentTurn, research: Research, beside: Mapping[str, int]
) -> list[dict[str, Any]]:
    """A record's citations, with the thread's numbers.

    Args:
        record: The record.
        research: All records.
        beside: What `numbers_beside` returns. A sub-agent's text goes to agents that have other numbers.
    """
    earlier = _by_url(research, without=record["handle"])
    if not record.get("citation_suffix"):
        earlier = {**beside, **earlier}
    return [
        {**source, "number": earlier.get(source["url"]) or _own(record, nth)}
        for nth, source in enumerate(record["citations"], start=1)
    ]


def numbers_beside(names: Names, state: Mapping[str, Any]) -> dict[str, int]:
    """The numbers that the answers of other tools have given, by address; they count with those of an unnamed
    middleware.
    """
    return numbers_by_url(state.get("messages") or ()) if names.is_default else {}


def numbers_of(research: Research) -> dict[str, int]:
    """The numbers of what the runs of this agent have cited, by address: those of the one sequence, which are
    neither a sub-agent's nor those of a run that nobody planned.
    """
    return {
        url: number
        for url, number in _by_url(research).items()
        if isinstance(number, int) and position_of(number) < UNPLANNED
    }


def _own(record: AgentTurn, nth: int) -> Number:
    planned = _planned_range(record)
    position = UNPLANNED + record["position"] if planned is None else planned
    number = number_of(position, nth)
    return f"{number}@{record['citation_suffix']}" if record.get("citation_suffix") else number


def next_range(research: Research) -> int:
    """The first range above those that were planned for runs of this agent."""
    planned = map(_planned_range, research.values())
    return max((known + 1 for known in planned if known is not None), default=0)


def _planned_range(record: AgentTurn) -> int | None:
    """The range that was planned; None if none was, or if a state that somebody wrote says anything else."""
    planned: object = record.get("numbers_at")
    if isinstance(planned, bool) or not isinstance(planned, int):
        return None
    return planned if 0 <= planned < UNPLANNED else None


def _by_url(research: Research, without: str = "") -> dict[str, Number]:
    numbers: dict[str, Number] = {}
    for record in sorted(research.values(), key=lambda r: r["position"]):
        if record["handle"] != without:
            for source in record["citations"]:
                numbers.setdefault(source["url"], source["number"])
    return numbers


def sources(state: Mapping[str, Any], name: str = "research") -> dict[Number, Source]:
    """Every source of an agent's research by its number: `3`, or `"3@c65c64"` of a sub-agent's.

    Pages of search and extract tools are among them as long as their messages are.

    Args:
        state: What the agent returned, or `agent.get_state(config).values`.
        name: The middleware's.
    """
    found: dict[Number, Source] = {}
    research: Research = state.get(Names(name).records) or {}
    own_first = sorted(research.values(), key=lambda r: ("@" in r["handle"], r["position"]))
    for record in own_first:
        ids = {name: record[name] for name in ("handle", "run_id", "interaction_id")}
        for citation in record["citations"]:
            found.setdefault(citation["number"], Source(**citation, **ids))  # type: ignore[typeddict-item]
    messages = state.get("messages") or ()
    others = numbered_sources(messages) if Names(name).is_default else {}
    for number, source in others.items():
        found.setdefault(number, _of_tool(number, source))
    return found


def _of_tool(number: int, source: Mapping[str, Any]) -> Source:
    """A source that the answer of another tool has numbered."""
    title = source.get("title")
    return Source(
        number=number,
        url=source["url"],
        title=title if isinstance(title, str) else None,
        fields=[],
        handle="",
        run_id="",
        interaction_id=None,
    )


def find_citations(text: str, state: Mapping[str, Any], name: str = "research") -> CitationLookup:
    """The sources that a text cites, in its order.

    It understands `[3]`, `[3, 104]`, `[3][4]`, `[3-5]`, `[3@c65c64]`, and all of them as `【3】`.

    Args:
        text: An answer of the agent's model.
        state: What the agent returned, or `agent.get_state(config).values`.
        name: The middleware's.
    """
    known = sources(state, name)
    numbers = dict.fromkeys(_numbers(text, Names(name)))
    return CitationLookup(
        sources={number: known[number] for number in numbers if number in known},
        unknown=[number for number in numbers if number not in known],
    )


def _numbers(text: str, names: Names) -> list[Number]:
    prefix = "" if names.is_default else names.name
    return [number for name, number in marked_numbers(text) if name == prefix]
