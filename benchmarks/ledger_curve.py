"""Does a turn cost more requests or bytes the longer a research session gets?

    python -m benchmarks.ledger_curve [--small]

It runs a session of 200 turns on one LangGraph thread, with a question by the caller in each turn: once with
the research graph, and once with the tool, called by a model in a graph. All turns use the same objects, or
each turn uses new clients, graph and connections, as after a restart. Traffic is counted in httpx's
transport. Every answer is the same, so only the lookups in the ledger could grow.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from . import graphs
from .figures import Row, option_parser, save, show, table
from .report import always_answer, brief_answer
from .threads import Mode, ask, open_storage
from .wire import Account, Traffic

TURNS = 200
SHOWN = (1, 10, 50, 100, 150, 200)


@dataclass(frozen=True)
class Case:
    """How to run a session."""

    what: str
    """`graph` or `tool`."""
    store: bool
    restarts: bool
    """Whether each turn starts with new objects."""
    mode: Mode = "sync"

    def __str__(self) -> str:
        store = "a store" if self.store else "no store"
        objects = "new objects" if self.restarts else "same objects"
        return f"{self.what}, {store}, {objects}, {self.mode}"


_MODES: tuple[Mode, ...] = ("sync", "async")
CASES = tuple(
    Case(*case) for case in product(("graph", "tool"), (False, True), (False, True), _MODES)
)


def measure(case: Case, turns: int) -> list[Traffic]:
    """The traffic of each turn of a session."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_session(case, turns, Path(folder)))


async def _session(case: Case, turns: int, folder: Path) -> list[Traffic]:
    account = Account(always_answer(brief_answer()))
    found: list[Traffic] = []
    for questions in _restarts(case, turns):
        async with open_storage(folder, case.mode, store=case.store) as storage:
            client = account.client()
            build = graphs.research if case.what == "graph" else graphs.agent
            graph = build(client).compile(**storage)
            for number in questions:
                text = f"Question {number:04}: how did the market change?"
                await ask(graph, case.mode, graphs.question(graph, text))
                found.append(account.meter.take())
            client.close()
    return found


def _restarts(case: Case, turns: int) -> Iterable[Iterable[int]]:
    """The turns that run with the same objects."""
    return ([number] for number in range(turns)) if case.restarts else [range(turns)]


def rows(case: Case, traffic: list[Traffic], shown: Iterable[int] = SHOWN) -> list[Row]:
    """The figures of the turns in `shown`, counted from 1."""
    return [
        {
            "session": str(case),
            "turn": turn,
            "requests": traffic[turn - 1].requests,
            "paid": traffic[turn - 1].paid,
            "sent": traffic[turn - 1].sent,
            "received": traffic[turn - 1].received,
            "lookup bytes": traffic[turn - 1].lookup_bytes,
        }
        for turn in shown
        if turn <= len(traffic)
    ]


def overview(found: list[Row]) -> list[Row]:
    """One line for each session: requests and bytes in both directions, by turn."""
    lines: dict[str, Row] = {}
    for row in found:
        line = lines.setdefault(row["session"], {"session": row["session"]})
        kilobytes = (row["sent"] + row["received"]) / 1000
        line[f"turn {row['turn']}"] = f"{row['requests']} req {kilobytes:.1f} kB"
    return list(lines.values())


def main() -> None:
    """Measure, print and save."""
    options = option_parser(__doc__).parse_args()
    turns = 10 if options.small else TURNS
    found = [row for case in CASES for row in rows(case, measure(case, turns))]
    show(table(overview(found)))
    if not options.small:
        save("ledger_curve", {"turns": turns, "rows": found})


if __name__ == "__main__":
    main()
