"""How much does a research session write to its checkpointer, and how large does a checkpoint get?

    python -m benchmarks.state_size [--small] [--savers sqlite memory postgres]

A thread has 50 turns, each with a result of about 100 kB (`report.py`). The benchmark measures the bytes
that each turn writes to the saver, and the size of the last checkpoint with everything it refers to. It
compares the research graph; the same with excerpts; a graph with the tool, whose messages have whole
results as artifacts; and a plain graph of one node with whole results in its state.

LangGraph's SQLite saver writes the whole state in every step. Its PostgreSQL saver and its saver in memory
write a channel only when it has changed, but then completely. In both cases a growing list is written again
and again, so a session's total grows with the square of its turns, whatever the list contains.
`DeltaChannel` (beta) writes only what a step adds, and a snapshot at intervals; the last graph shows its
effect.
"""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver

from langchain_parallel import ParallelClient
from langchain_parallel.models import TaskRunInput

from . import graphs
from .figures import Row, option_parser, save, show, table
from .report import always_answer, realistic_report
from .threads import Mode, ask
from .wire import Account

TURNS = 50
SHOWN = (1, 10, 25, 50)

GRAPHS: dict[str, Callable[[ParallelClient], Any]] = {
    "research graph": graphs.research,
    "research graph, excerpts kept": graphs.research_with_excerpts,
    "graph with the tool": graphs.agent,
    "whole results in state": graphs.whole_results,
    "research graph, DeltaChannel": graphs.research_with_deltas,
}


# --- savers --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Count:
    """What a saver contains. It deletes nothing, so this is also what was written to it."""

    checkpoints: int
    written: int
    """Bytes: checkpoints, their metadata, and the writes of single tasks."""
    last: int
    """Bytes of the last checkpoint, with the values of all its channels."""
    copies: int
    """How many times the largest channel was written completely."""


@dataclass(frozen=True)
class Saver:
    """A checkpointer, and the function that counts what it contains."""

    checkpointer: Any
    count: Callable[[], Count]


@contextmanager
def sqlite() -> Iterator[Saver]:
    """On disk. Each checkpoint has the whole state."""
    with (
        tempfile.TemporaryDirectory() as folder,
        SqliteSaver.from_conn_string(str(Path(folder) / "checkpoints.sqlite")) as saver,
    ):
        saver.conn.execute("PRAGMA synchronous = OFF")  # no process is killed here
        yield Saver(saver, lambda: _count_sqlite(saver.conn))


def _count_sqlite(connection: sqlite3.Connection) -> Count:
    query = "SELECT count(*), sum(length(checkpoint) + length(metadata)) FROM checkpoints"
    checkpoints, whole = connection.execute(query).fetchone()
    (single,) = connection.execute("SELECT sum(length(value)) FROM writes").fetchone()
    query = "SELECT length(checkpoint) FROM checkpoints ORDER BY checkpoint_id DESC LIMIT 1"
    (last,) = connection.execute(query).fetchone()
    return Count(checkpoints, whole + (single or 0), last, copies=checkpoints)


@contextmanager
def memory() -> Iterator[Saver]:
    """In memory. Each version of a channel is a separate blob, as in PostgreSQL."""
    saver = InMemorySaver()
    yield Saver(saver, lambda: _count_memory(saver))


def _count_memory(saver: InMemorySaver) -> Count:
    [namespaces] = saver.storage.values()
    saved = [namespaces[""][key] for key in sorted(namespaces[""])]
    blobs = {(channel, version): len(b) for (_, _, channel, version), (_, b) in saver.blobs.items()}
    single = sum(len(w[2][1]) for writes in saver.writes.values() for w in writes.values())
    rows = sum(len(checkpoint[1]) + len(metadata[1]) for checkpoint, metadata, _ in saved)
    last = saver.serde.loads_typed(saved[-1][0])
    needed = sum(blobs.get(item, 0) for item in last["channel_versions"].items())
    written = rows + single + sum(blobs.values())
    return Count(len(saved), written, len(saved[-1][0][1]) + needed, _copies(blobs))


def _copies(blobs: dict[tuple[str, Any], int]) -> int:
    """The number of versions of the largest channel, without empty ones."""
    sizes: dict[str, list[int]] = {}
    for (channel, _), size in blobs.items():
        sizes.setdefault(channel, []).append(size)
    return len([size for size in max(sizes.values(), key=sum) if size > 100])


@contextmanager
def postgres() -> Iterator[Saver]:
    """A real PostgreSQL, started for this (extra `test`)."""
    from langgraph.checkpoint.postgres import PostgresSaver

    from tests.postgres import running as run_postgres

    with (
        tempfile.TemporaryDirectory(dir="/tmp") as folder,  # a socket's path must be short
        run_postgres(Path(folder) / "pg") as uri,
        PostgresSaver.from_conn_string(uri) as saver,
    ):
        yield Saver(saver, lambda: _count_postgres(saver))


_ROWS = "octet_length(checkpoint::text) + octet_length(metadata::text)"
_SUMS = (
    f"SELECT count(*) AS n, sum({_ROWS}) AS bytes FROM checkpoints",
    "SELECT sum(octet_length(blob)) AS bytes FROM checkpoint_blobs",
    "SELECT sum(octet_length(blob)) AS bytes FROM checkpoint_writes",
)
_LAST = """
SELECT octet_length(c.checkpoint::text) + coalesce(sum(octet_length(b.blob)), 0) AS bytes
FROM (SELECT * FROM checkpoints ORDER BY checkpoint_id DESC LIMIT 1) c
CROSS JOIN jsonb_each_text(c.checkpoint -> 'channel_versions') v
LEFT JOIN checkpoint_blobs b ON b.channel = v.key AND b.version = v.value
GROUP BY c.checkpoint
"""
_BLOBS = "SELECT channel, version, coalesce(octet_length(blob), 0) AS bytes FROM checkpoint_blobs"


def _count_postgres(saver: Any) -> Count:
    def rows(query: str) -> list[dict[str, Any]]:
        with saver._cursor() as cursor:
            return list(cursor.execute(query).fetchall())

    sums = [rows(query)[0] for query in _SUMS]
    blobs = {(row["channel"], row["version"]): row["bytes"] for row in rows(_BLOBS)}
    written = sum(int(row["bytes"] or 0) for row in sums)
    return Count(sums[0]["n"], written, int(rows(_LAST)[0]["bytes"]), _copies(blobs))


SAVERS: dict[str, Callable[[], AbstractContextManager[Saver]]] = {
    "sqlite": sqlite,
    "memory": memory,
    "postgres": postgres,
}


# --- measuring -----------------------------------------------------------------------------------


@dataclass
class Curve:
    """A session, turn by turn, in bytes."""

    written: list[int] = field(default_factory=list)
    """What each turn wrote."""
    last: list[int] = field(default_factory=list)
    """The size of the last checkpoint after each turn."""
    checkpoints: int = 0
    copies: int = 0

    @property
    def slope(self) -> float:
        """What each further turn adds to a checkpoint."""
        return (self.last[-1] - self.last[0]) / (len(self.last) - 1)

    @property
    def bend(self) -> float:
        """The largest step divided by the smallest; 1 for a straight line."""
        steps = [after - before for before, after in zip(self.last, self.last[1:], strict=False)]
        return max(steps) / max(1, min(steps))

    @property
    def total(self) -> int:
        """What the whole session wrote."""
        return sum(self.written)


def measure(
    build: Callable[[ParallelClient], Any], saver: Saver, turns: int, mode: Mode = "sync"
) -> Curve:
    """Run a session, and count after each turn."""
    client = Account(always_answer(realistic_report())).client()
    graph = build(client).compile(checkpointer=saver.checkpointer)
    return asyncio.run(_curve(graph, saver, turns, mode))


async def _curve(graph: Any, saver: Saver, turns: int, mode: Mode) -> Curve:
    curve = Curve()
    for turn in range(turns):
        await ask(graph, mode, graphs.question(graph, f"Question {turn:04}: what has changed?"))
        count = saver.count()
        curve.written.append(count.written - curve.total)
        curve.last.append(count.last)
        curve.checkpoints, curve.copies = count.checkpoints, count.copies
    return curve


def row(name: str, saver: str, curve: Curve) -> Row:
    """One line for a session."""
    turns = len(curve.last)
    return {
        "graph": name,
        "saver": saver,
        "turns": turns,
        "copies a turn": round(curve.copies / turns, 2),
        "last checkpoint kB": round(curve.last[-1] / 1000, 1),
        "adds kB a turn": round(curve.slope / 1000, 2),
        "first turn writes kB": round(curve.written[0] / 1000, 1),
        "last turn writes kB": round(curve.written[-1] / 1000, 1),
        "all turns write MB": round(curve.total / 1e6, 2),
    }


def result_bytes() -> int:
    """The size of one result as the API sends it."""
    account = Account(always_answer(realistic_report()))
    run = account.client().create(TaskRunInput(input="?", processor="lite"))
    return len(account.raw_result(run.run_id).encode())


def main() -> None:
    """Measure, print and save."""
    parser = option_parser(__doc__)
    parser.add_argument("--savers", nargs="+", choices=SAVERS, help="default: sqlite and postgres")
    options = parser.parse_args()
    turns = 4 if options.small else TURNS
    savers: Sequence[str] = options.savers or (
        ("sqlite", "memory") if options.small else ("sqlite", "postgres")
    )
    found: list[Row] = []
    curves: list[Row] = []
    for name in savers:
        for title, build in GRAPHS.items():
            with SAVERS[name]() as saver:
                curve = measure(build, saver, turns)
            found.append(row(title, name, curve))
            curves.append(
                {"graph": title, "saver": name, "written": curve.written, "last": curve.last}
            )
    show(f"{turns} turns, each with a result of {result_bytes() / 1000:.0f} kB\n")
    show(table(found))
    if not options.small:
        save("state_size", {"result_bytes": result_bytes(), "rows": found, "curves": curves})


if __name__ == "__main__":
    main()
