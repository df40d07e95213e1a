"""Citations: one number for one address in a whole thread, and the lookup of the source behind `[3]`.

Rule: a number, once given, stays. Runs end in any order, some at the same time in parallel tool calls, so
each has a range of its own; an address that an earlier finding cites keeps the number it has there.

A sub-agent has its own numbers, and its text goes to agents that have other ones. So the end of its ledger's
id follows each of its numbers, as in `[3@c65c64]`.

Rule: only this package writes marks. Text of the web is shown to a model without any mark that
`find_citations` would understand, for any middleware; the state keeps the text as it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

from typing_extensions import TypedDict

from .agent_state import AgentTurn, Research
from .names import Names

_RANGE = 100
_BEYOND = 1_000_000
"""From the 101st citation of a run on, its numbers begin at a multiple of this."""


Number: TypeAlias = int | str
"""`3`; a sub-agent's is `3@c65c64`."""


class Source(TypedDict):
    """The source behind a citation number. Title and address are untrusted."""

    number: Number
    url: str
    title: str | None
    fields: list[str]
    handle: str
    """The finding that cites it first."""
    run_id: str
    interaction_id: str | None


class CitationLookup(NamedTuple):
    """The sources that a text cites."""

    sources: dict[Number, Source]
    unknown: list[Number]
    """Numbers that no source has: the model made them up."""


def number_citations(record: AgentTurn, research: Research) -> list[dict[str, Any]]:
    """A record's citations, with the thread's numbers."""
    earlier = _by_url(research, without=record["handle"])
    return [
        {**source, "number": earlier.get(source["url"]) or _own(record, nth)}
        for nth, source in enumerate(record["citations"], start=1)
    ]


def _own(record: AgentTurn, nth: int) -> Number:
    position = record["position"]
    number = position * _RANGE + nth if nth <= _RANGE else (position + 1) * _BEYOND + nth
    return f"{number}@{record['citation_suffix']}" if record.get("citation_suffix") else number


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
    research: Research = state.get(Names(name).records) or {}
    own_first = sorted(research.values(), key=lambda r: ("@" in r["handle"], r["position"]))
    for record in own_first:
        ids = {name: record[name] for name in ("handle", "run_id", "interaction_id")}
        for citation in record["citations"]:
            found.setdefault(citation["number"], Source(**citation, **ids))  # type: ignore[typeddict-item]
    return found


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


# --- marks -----------------------------------------------------------------------------------------

# A candidate for a mark: `_inside` decides. With a blank after the bracket it is none.
_MARK = re.compile(r"""[\[［【]([^\[\]［］【】"\r\n]{1,400})[\]］】]""")
_COMMA = re.compile(r"\s*[,;，；、]\s*")
_ONE = r"(?:([a-z][a-z_]*)-)?(\d{1,10})(?:@([\w-]{1,6}))?"
_ITEM = re.compile(rf"{_ONE}(?:\s*[-‐-―−]\s*{_ONE})?(?:†.*)?")
_JSON_TEXT = r'"(?:[^"\\]|\\.)*"'
_IN_JSON = re.compile(f"{_JSON_TEXT}|{_MARK.pattern}")


def without_marks(text: str) -> str:
    """Text of the web without marks: `[2]` becomes `(2)`.

    Where the bracket may mean something else, in `row[2]` and in the link `[2](…)`, a blank behind it keeps
    that meaning. `[0]` stays: no source has that number.
    """
    return _MARK.sub(_replace, text)


def without_marks_in_json(line: str) -> str:
    """The same for JSON on one line, which stays the same JSON: a list of numbers is `[ 1,2]`."""
    return _IN_JSON.sub(lambda m: without_marks(m[0]) if m[0][0] == '"' else _with_blank(m), line)


def _replace(mark: re.Match[str]) -> str:
    start, end = mark.span()
    if re.match(r"\w", mark.string[max(start - 1, 0) : start]) or mark.string[end : end + 1] == "(":
        return _with_blank(mark)
    return f"({mark[1]})" if _cites(mark) else mark[0]


def _with_blank(mark: re.Match[str]) -> str:
    return f"{mark[0][0]} {mark[0][1:]}" if _cites(mark) else mark[0]


def _cites(mark: re.Match[str]) -> bool:
    return any(str(number).strip("0") for _, number in _inside(mark[1]))


def _numbers(text: str, names: Names) -> list[Number]:
    prefix = "" if names.is_default else names.name
    found = [list(_inside(mark[1])) for mark in _MARK.finditer(text)]
    return [number for inside in found for name, number in inside if name == prefix]


def _inside(inside: str) -> Iterator[tuple[str, Number]]:
    """The numbers in a mark, each with its middleware's prefix; none if it is no mark."""
    items = [_ITEM.fullmatch(item) for item in _COMMA.split(inside)]
    if None in items:
        return
    prefix = ""
    for item in filter(None, items):
        name, first, ledger, _, last, last_ledger = item.groups()
        prefix, ledger = name or prefix, ledger or last_ledger
        for number in _range(int(first), int(last or first)):
            yield prefix, f"{number}@{ledger}" if ledger else number


def _range(first: int, last: int) -> list[int]:
    """3 to 5 is 3, 4 and 5; numbers that are no such range are only themselves."""
    if first <= last < first + _RANGE:
        return list(range(first, last + 1))
    return [first, last]
