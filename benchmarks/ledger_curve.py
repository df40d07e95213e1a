"""Does a turn cost more requests or bytes the longer a research session gets?

    python -m benchmarks.ledger_curve [--small]

A session of 200 turns on one LangGraph thread, each asked by the caller: the research graph, and the tool
called by a model in a graph. Once with the same objects for all turns, and once with new clients, graph and
connections for each turn, as after a restart: of the tool at once, and an hour after its last use, for it
looks longer where another process used the ledger a moment ago. Counted where httpx hands requests over;
every answer is the same, so only the looks into the ledger could grow.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from langgraph.store.sqlite import SqliteStore

from langchain_parallel import AsyncParallelClient

from . import graphs
from .figures import Row, keep, parser, say, table
from .report import always, brief
from .threads import How, ask, opened, stored_in
from .wire import Account, Traffic

TURNS = 200
SHOWN = (1, 10, 50, 100, 150, 200)

Restarts: TypeAlias = Literal["none", "at once", "an hour later"]
_LEDGERS = ("langchain_parallel", "ledgers")
"""Where the tool keeps its ledgers in a store, with the time of their last use."""


@dataclass(frozen=True)
class Case:
    """How a session is run."""

    what: str
    """`graph` or `tool`."""
    store: bool
    restarts: Restarts
    """When the next turn begins with new objects."""
    how: How = "sync"

    def __str__(self) -> str:
        kept = "a store" if self.store else "no store"
        objects = "same objects" if self.restarts == "none" else f"new objects {self.restarts}"
        return f"{self.what}, {kept}, {objects}, {self.how}"


_SESSIONS: tuple[tuple[str, bool, Restarts], ...] = (
    *(("graph", False, "none"), ("graph", False, "at once")),
    *(("graph", True, "none"), ("graph", True, "at once")),
    *(("tool", True, "none"), ("tool", True, "at once"), ("tool", True, "an hour later")),
)
_HOWS: tuple[How, ...] = ("sync", "async")
CASES = tuple(Case(*session, how) for session in _SESSIONS for how in _HOWS)


def measure(case: Case, turns: int) -> list[Traffic]:
    """The traffic of each turn of a session."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_session(case, turns, Path(folder)))


async def _session(case: Case, turns: int, folder: Path) -> list[Traffic]:
    account = Account(always(brief()))
    found: list[Traffic] = []
    for questions in _lives(case, turns):
        async with opened(folder, case.how, store=case.store) as places:
            build = graphs.research if case.what == "graph" else graphs.agent
            is_async = case.how == "async"
            client = account.async_client() if is_async else account.blocking_client()
            graph = build(client).compile(**places)
            for number in questions:
                text = f"Question {number:04}: how did the market change?"
                await ask(graph, case.how, graphs.question(graph, text))
                found.append(account.meter.take())
            if isinstance(client, AsyncParallelClient):
                await client.close()
            else:
                client.close()
        if case.restarts == "an hour later":
            _hour_passes(folder)
    return found


def _lives(case: Case, turns: int) -> Iterable[Iterable[int]]:
    """The turns that the same objects run."""
    return [range(turns)] if case.restarts == "none" else ([number] for number in range(turns))


def _hour_passes(folder: Path) -> None:
    """Now the last use of each ledger was an hour earlier."""
    with SqliteStore.from_conn_string(stored_in(folder)) as store:
        for item in store.search(_LEDGERS):
            store.put(item.namespace, item.key, {**item.value, "at": item.value["at"] - 3600.0})


def rows(case: Case, traffic: list[Traffic], shown: Iterable[int] = SHOWN) -> list[Row]:
    """The figures of some turns, counted from 1."""
    return [
        {
            "session": str(case),
            "turn": turn,
            "requests": traffic[turn - 1].requests,
            "paid": traffic[turn - 1].paid,
            "sent": traffic[turn - 1].sent,
            "received": traffic[turn - 1].received,
            "of it looks": traffic[turn - 1].look_bytes,
        }
        for turn in shown
        if turn <= len(traffic)
    ]


def overview(found: list[Row]) -> list[Row]:
    """A line for each session: requests and bytes both ways, by turn."""
    lines: dict[str, Row] = {}
    for row in found:
        line = lines.setdefault(row["session"], {"session": row["session"]})
        kilobytes = (row["sent"] + row["received"]) / 1000
        line[f"turn {row['turn']}"] = f"{row['requests']} req {kilobytes:.1f} kB"
    return list(lines.values())


def main() -> None:
    """Measure, print, keep."""
    options = parser(__doc__).parse_args()
    turns = 10 if options.small else TURNS
    found = [row for case in CASES for row in rows(case, measure(case, turns))]
    say(table(overview(found)))
    if not options.small:
        keep("ledger_curve", {"turns": turns, "rows": found})


if __name__ == "__main__":
    main()
