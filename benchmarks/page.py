"""Makes docs/explain/benchmarks.md and its pictures from `results/`, and from nothing else.

Rule: no figure is written by hand. A text of a case says what is done; what came out stands in its result.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from . import cases
from .harness import ROOT, Case, Figures, Goal, Table, load
from .plots import Bar, draw_bars

PAGE = ROOT / "docs" / "explain" / "benchmarks.md"
PICTURES = ROOT / "docs" / "images" / "benchmarks"
BUSY = 0.2
"""Cores: with more in use by other processes, times say little."""

_HEAD = """\
# Benchmarks

**You need this if** you want to know what a call, a thousand at once, a table or a parked thread takes,
or whether a change has made it slower.

What this package takes, beside the best that one can write by hand and beside the official package
(0.5.0, in an environment of its own). Nothing here needs a key or the network, but for the official
package, which pip installs.

```console
$ make bench                      # all of it, in ten minutes or less on an idle machine, and this page anew
$ make bench NAME=single_call     # one case
$ make bench ARGS=--full          # five rounds of everything, and the longest cases: about an hour
```

Each way runs in a process of its own. All ways of a case do the same work against one server, and take
turns in every round; a figure is the median of the rounds, with the least and the greatest in brackets.
The server is a small one ([`benchmarks/fast_api.py`](../../benchmarks/fast_api.py)), whose CPU time is a
small part of that of the fastest way, so it is not what is measured. It counts requests, connections and
runs; each run costs money once, so *billed* must be the number of questions. Blue bars are this package.
A measurement that takes too long is cut, and the table says so.

**Not measured:** the network and TLS, where each connection and each request costs more; the real API's
own time; PostgreSQL.
"""

_END = """\
**Next**: [thousands of calls](../guides/client.md#thousands-of-calls-in-one-process) ·
[tables](../guides/batch.md)
"""


def write() -> list[Path]:
    """Write the page and its pictures. Returns the files that have changed."""
    files = {PAGE: page(), **{PICTURES / f"{name}.svg": svg for name, svg in pictures().items()}}
    changed = [
        path for path, text in files.items() if not path.exists() or path.read_text("utf-8") != text
    ]
    for path in changed:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files[path], encoding="utf-8")
    return [path.relative_to(ROOT) for path in changed]


def page() -> str:
    """The page's text."""
    sections = [_section(case, result) for case, result in _kept()]
    return "\n".join([_HEAD, *_summary(), *sections, _END])


def pictures() -> dict[str, str]:
    """The pictures, by the names of their cases."""
    return {case.name: _picture(case, result) for case, result in _kept()}


def _kept() -> Iterator[tuple[Case, Figures]]:
    for name in cases.NAMES:
        result = load(name)
        if result:
            yield cases.case(name), result


# --- goals ---------------------------------------------------------------------------------------


def _summary() -> list[str]:
    lines = [
        "## Goals",
        "",
        "| case | goal | limit | measured | |",
        "| --- | --- | --- | --- | --- |",
    ]
    for case, result in _kept():
        for goal in case.goals:
            link = f"[{case.title}](#{case.title.lower().replace(' ', '-')})"
            lines.append(f"| {link} | {goal.text} | {_outcome(goal, result)} |")
    return [*lines, ""]


def _outcome(goal: Goal, result: Figures) -> str:
    limit = f"{'≥' if goal.at_least else '≤'} {_number(goal.limit)}"
    value = goal.value(Table(result["rows"]))
    if value is None:
        return f"{limit} | – | not measured"
    met = value >= goal.limit if goal.at_least else value <= goal.limit
    doubt = ", on a busy machine" if (result["cores_used_by_others"] or 0.0) > BUSY else ""
    return f"{limit} | {_number(value)} | {'met' if met else '**missed**'}{doubt}"


# --- sections ------------------------------------------------------------------------------------


def _section(case: Case, result: Figures) -> str:
    rows = result["rows"]
    shown = [column for column in case.columns if any(column in row["figures"] for row in rows)]
    heads = ["", *(["size"] if _varying(rows) else []), *(case.columns[one] for one in shown)]
    lines = [f"| {' | '.join(heads)} |", f"| {' | '.join(['---'] * len(heads))} |"]
    lines += [f"| {' | '.join(_cells(case, row, shown, _varying(rows)))} |" for row in rows]
    parts = [
        f"## {case.title}",
        *textwrap.wrap(
            " ".join(case.text.split()), 118, break_long_words=False, break_on_hyphens=False
        ),
        "",
        f"![{case.title}](../images/benchmarks/{case.name}.svg)",
        "",
        *lines,
        "",
        *textwrap.wrap(_where(result), 118, break_long_words=False, break_on_hyphens=False),
        "",
    ]
    return "\n".join([parts[0], "", *parts[1:]])


def _cells(
    case: Case, row: Mapping[str, Any], shown: Sequence[str], varying: Sequence[str]
) -> list[str]:
    size = [_size(row["setting"], varying)] if varying else []
    values = [_value(row, column, spread=column == case.bars) for column in shown]
    problem = row.get("problem")
    name = f"{row['way']} (**{_safe(problem)}**)" if problem else str(row["way"])
    return [name, *size, *values]


def _safe(text: str) -> str:
    return " ".join(text.replace("|", "/").replace("*", "").replace("<", "‹").split())[:120]


def _value(row: Mapping[str, Any], column: str, *, spread: bool) -> str:
    found = row["figures"].get(column)
    if found is None:
        return "–"
    if not spread or row["rounds"] < 2:
        return _number(found["median"])
    return f"{_number(found['median'])} ({_number(found['min'])}–{_number(found['max'])})"


def _number(value: float) -> str:
    """Three digits that count, or whole."""
    if value == int(value) or abs(value) >= 100:
        return f"{round(value):,}"
    return f"{value:.3g}"


def _varying(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names of what differs between the settings of these rows."""
    names = dict.fromkeys(name for row in rows for name in row["setting"])
    return [name for name in names if len({str(row["setting"].get(name)) for row in rows}) > 1]


_UNITS = {"n": "{:,}", "handles": "{:,} handles", "turns": "{:,} turns", "restarts": "restarts"}


def _size(setting: Mapping[str, Any], varying: Sequence[str]) -> str:
    given = {name: setting[name] for name in varying if name in setting}
    return ", ".join(_UNITS.get(name, "{}").format(value) for name, value in given.items())


def _where(result: Figures) -> str:
    machine, versions, others = (
        result["machine"],
        result["versions"],
        result["cores_used_by_others"],
    )
    rounds = sorted({row["rounds"] for row in result["rows"]} - {0})
    least, most = (rounds[0], rounds[-1]) if rounds else (0, 0)
    times = f"{least} round{'s' * (least != 1)}" if least == most else f"{least} to {most} rounds"
    packages = ", ".join(f"{name} {version}" for name, version in versions.items())
    load = "" if others is None else f" Other processes used {others:.1f} cores meanwhile"
    if others is not None:
        load += ": **times mean little, compare ratios and counts.**" if others > BUSY else "."
    return (
        f"*Measured on {result['date']}: {times}; {machine['processor']}, {machine['cores']} cores, "
        f"{machine['system']}; {packages}.*{load}"
    )


def _picture(case: Case, result: Figures) -> str:
    rows, groups = result["rows"], dict[str, list[Bar]]()
    varying = _varying(rows)
    for row in rows:
        found = row["figures"].get(case.bars)
        value = None if found is None else float(found["median"])
        label = row.get("problem", "–")[:40] if value is None else _number(value)
        bar = Bar(row["way"], value, label, row["way"] in case.controls)
        groups.setdefault(_size(row["setting"], varying), []).append(bar)
    unit = case.columns[case.bars]
    titled = [(f"{size}: {unit}" if size else unit, bars) for size, bars in groups.items()]
    return draw_bars(f"{case.title}: {unit}", titled)
