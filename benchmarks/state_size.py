"""How much does a research session write to its checkpointer, and how large does a checkpoint get?

    python -m benchmarks.state_size [--small] [--savers sqlite memory postgres]

A thread of 50 turns, each with a result of about 100 kB (`report.py`). Measured: the bytes that each turn
writes to the saver, and the size of the last checkpoint with all it needs. Compared: the research graph;
the same keeping excerpts; a graph with the tool, whose messages hold whole results as artifacts; and a
plain graph of one node that keeps whole results in its state.

LangGraph's SQLite saver writes the whole state once a step. Its PostgreSQL saver (and the one in memory)
writes a channel only when it has changed, but then whole. Either way a list that grows is written again and
again: what a session writes in total grows with the square of its turns, whatever is in the list.
`DeltaChannel` (beta) writes what a step adds, and a snapshot now and then; the last graph shows what it
would change.
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
from .figures import Row, keep, parser, say, table
from .report import always, realistic
from .threads import How, ask
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
    """What a saver holds. It deletes nothing, so this is also what was written to it."""

    checkpoints: int
    written: int
    """Bytes: checkpoints, their metadata, and the writes of single tasks."""
    last: int
    """Bytes of the last checkpoint, with the values of all channels in it."""
    copies: int
    """How often the channel that takes the most room was written whole."""


@dataclass(frozen=True)
class Saver:
    """A checkpointer, and how to count what is in it."""

    checkpointer: Any
    count: Callable[[], Count]


@contextmanager
def sqlite() -> Iterator[Saver]:
    """On disk; each checkpoint holds the whole state."""
    with (
        tempfile.TemporaryDirectory() as folder,
        SqliteSaver.from_conn_string(str(Path(folder) / "checkpoints.sqlite")) as saver,
    ):
        saver.conn.execute("PRAGMA synchronous = OFF")  # nothing is killed here
        yield Saver(saver, lambda: _in_sqlite(saver.conn))


def _in_sqlite(connection: sqlite3.Connection) -> Count:
    query = "SELECT count(*), sum(length(checkpoint) + length(metadata)) FROM checkpoints"
    checkpoints, whole = connection.execute(query).fetchone()
    (single,) = connection.execute("SELECT sum(length(value)) FROM writes").fetchone()
    query = "SELECT length(checkpoint) FROM checkpoints ORDER BY checkpoint_id DESC LIMIT 1"
    (last,) = connection.execute(query).fetchone()
    return Count(checkpoints, whole + (single or 0), last, copies=checkpoints)


@contextmanager
def memory() -> Iterator[Saver]:
    """In memory; each version of a channel is a blob of its own, as in PostgreSQL."""
    saver = InMemorySaver()
    yield Saver(saver, lambda: _in_memory(saver))


def _in_memory(saver: InMemorySaver) -> Count:
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
    """Versions of the channel that takes the most room; empty ones are none."""
    sizes: dict[str, list[int]] = {}
    for (channel, _), size in blobs.items():
        sizes.setdefault(channel, []).append(size)
    return len([size for size in max(sizes.values(), key=sum) if size > 100])


@contextmanager
def postgres() -> Iterator[Saver]:
    """A real PostgreSQL, brought up for this (extra `test`)."""
    from langgraph.checkpoint.postgres import PostgresSaver

    from tests.postgres import running

    with (
        tempfile.TemporaryDirectory(dir="/tmp") as folder,  # a socket's path must be short
        running(Path(folder) / "pg") as uri,
        PostgresSaver.from_conn_string(uri) as saver,
    ):
        yield Saver(saver, lambda: _in_postgres(saver))


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


def _in_postgres(saver: Any) -> Count:
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
    """A session, turn by turn. All in bytes."""

    written: list[int] = field(default_factory=list)
    """By each turn."""
    last: list[int] = field(default_factory=list)
    """Size of the last checkpoint after each turn."""
    checkpoints: int = 0
    copies: int = 0

    @property
    def slope(self) -> float:
        """What each further turn adds to a checkpoint."""
        return (self.last[-1] - self.last[0]) / (len(self.last) - 1)

    @property
    def bend(self) -> float:
        """How far the largest step differs from the smallest; 1 for a straight line."""
        steps = [after - before for before, after in zip(self.last, self.last[1:], strict=False)]
        return max(steps) / max(1, min(steps))

    @property
    def total(self) -> int:
        """What the whole session has written."""
        return sum(self.written)


def measure(
    build: Callable[[ParallelClient], Any], saver: Saver, turns: int, how: How = "sync"
) -> Curve:
    """Run a session and count after each turn."""
    client = Account(always(realistic())).blocking_client()
    graph = build(client).compile(checkpointer=saver.checkpointer)
    return asyncio.run(_curve(graph, saver, turns, how))


async def _curve(graph: Any, saver: Saver, turns: int, how: How) -> Curve:
    curve = Curve()
    for turn in range(turns):
        await ask(graph, how, graphs.question(graph, f"Question {turn:04}: what has changed?"))
        count = saver.count()
        curve.written.append(count.written - curve.total)
        curve.last.append(count.last)
        curve.checkpoints, curve.copies = count.checkpoints, count.copies
    return curve


def row(name: str, saver: str, curve: Curve) -> Row:
    """A session in one line."""
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
    """Size of one result as the API sends it."""
    account = Account(always(realistic()))
    run = account.blocking_client().create(TaskRunInput(input="?", processor="lite"))
    return len(account.raw_result(run.run_id).encode())


def main() -> None:
    """Measure, print, keep."""
    made = parser(__doc__)
    made.add_argument("--savers", nargs="+", choices=SAVERS, help="default: sqlite and postgres")
    options = made.parse_args()
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
    say(f"{turns} turns, each with a result of {result_bytes() / 1000:.0f} kB\n")
    say(table(found))
    if not options.small:
        keep("state_size", {"result_bytes": result_bytes(), "rows": found, "curves": curves})


if __name__ == "__main__":
    main()
