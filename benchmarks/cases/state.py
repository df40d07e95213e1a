"""What does a session write to its checkpointer and send to the API, turn by turn, as it gets longer?"""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import graphs
from benchmarks.harness import Case, Goal
from benchmarks.report import always_answer, answer_each, realistic_report, with_other_pages
from benchmarks.standalone.job import Job
from benchmarks.threads import Mode, ask
from benchmarks.wire import Account, Traffic
from langchain_parallel import ParallelClient
from langchain_parallel.models import TaskRunInput

if TYPE_CHECKING:
    from langchain_parallel.simulator import Scenario

OURS, ONCE = "research graph", "research graph, each turn written once"
PLAIN = "one node, whole results in state"
GRAPHS: dict[str, Callable[[ParallelClient], Any]] = {
    OURS: graphs.research,
    "research graph, excerpts kept": graphs.research_with_excerpts,
    ONCE: graphs.research_with_deltas,
    "agent with the tool": graphs.agent,
    PLAIN: graphs.whole_results,
}


# --- savers --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Count:
    """What a saver contains. It deletes nothing, so this is also what was written to it."""

    written: int
    """Bytes: checkpoints, their metadata, and the writes of single tasks."""
    last: int
    """Bytes of the last checkpoint, with the values of all its channels."""


@dataclass(frozen=True)
class Saver:
    """A checkpointer, and the function that counts what it contains."""

    checkpointer: Any
    count: Callable[[], Count]


@contextmanager
def sqlite() -> Iterator[Saver]:
    """On disk. Each checkpoint has the whole state."""
    from langgraph.checkpoint.sqlite import SqliteSaver

    with (
        tempfile.TemporaryDirectory() as folder,
        SqliteSaver.from_conn_string(str(Path(folder) / "checkpoints.sqlite")) as saver,
    ):
        saver.conn.execute("PRAGMA synchronous = OFF")  # no process is killed here
        yield Saver(saver, lambda: _count_sqlite(saver.conn))


def _count_sqlite(connection: sqlite3.Connection) -> Count:
    query = "SELECT coalesce(sum(length(checkpoint) + length(metadata)), 0) FROM checkpoints"
    (whole,) = connection.execute(query).fetchone()
    (single,) = connection.execute("SELECT sum(length(value)) FROM writes").fetchone()
    query = "SELECT length(checkpoint) FROM checkpoints ORDER BY checkpoint_id DESC LIMIT 1"
    (last,) = connection.execute(query).fetchone()
    return Count(whole + (single or 0), last)


@contextmanager
def blobs() -> Iterator[Saver]:
    """In memory. Each version of a channel is a separate blob, as in PostgreSQL."""
    from langgraph.checkpoint.memory import InMemorySaver

    saver = InMemorySaver()
    yield Saver(saver, lambda: _count_blobs(saver))


def _count_blobs(saver: Any) -> Count:
    [namespaces] = saver.storage.values()
    saved = [namespaces[""][key] for key in sorted(namespaces[""])]
    kept = {(channel, version): len(b) for (_, _, channel, version), (_, b) in saver.blobs.items()}
    single = sum(len(w[2][1]) for writes in saver.writes.values() for w in writes.values())
    rows = sum(len(checkpoint[1]) + len(metadata[1]) for checkpoint, metadata, _ in saved)
    last = saver.serde.loads_typed(saved[-1][0])
    needed = sum(kept.get(item, 0) for item in last["channel_versions"].items())
    return Count(rows + single + sum(kept.values()), len(saved[-1][0][1]) + needed)


SAVERS: dict[str, Callable[[], AbstractContextManager[Saver]]] = {"sqlite": sqlite, "blobs": blobs}


# --- measuring -----------------------------------------------------------------------------------


@dataclass
class Curve:
    """A session, turn by turn."""

    written: list[int] = field(default_factory=list)
    """Bytes that each turn wrote to the checkpointer."""
    last: list[int] = field(default_factory=list)
    """Bytes of the last checkpoint after each turn."""
    traffic: list[Traffic] = field(default_factory=list)
    """Requests of each turn."""

    @property
    def slope(self) -> float:
        """What each further turn adds to a checkpoint."""
        return (self.last[-1] - self.last[0]) / max(1, len(self.last) - 1)

    @property
    def bend(self) -> float:
        """The largest step divided by the smallest; 1 for a straight line."""
        steps = [after - before for before, after in zip(self.last, self.last[1:], strict=False)]
        return max(steps) / max(1, min(steps))


_QUESTION = "Question {:04}: what has changed?"


def _new_pages(turns: int) -> Scenario:
    report = realistic_report()
    return answer_each(
        {_QUESTION.format(turn): with_other_pages(report, turn) for turn in range(turns)}
    )


def run_session(
    build: Callable[[ParallelClient], Any],
    saver: Saver,
    turns: int,
    mode: Mode = "sync",
    *,
    restarts: bool = False,
    answer: dict[str, Any] | None = None,
) -> Curve:
    """Run a session. With `restarts`, each turn has a new graph and client, as after a restart.

    Every turn gets the `answer`; unless given, a report that cites other pages than those before it.
    """
    account = Account(always_answer(answer) if answer else _new_pages(turns))
    curve = Curve()

    async def work() -> None:
        graph: Any = None
        for turn in range(turns):
            if graph is None or restarts:
                graph = build(account.client()).compile(checkpointer=saver.checkpointer)
            await ask(graph, mode, graphs.question(graph, _QUESTION.format(turn)))
            count = saver.count()
            curve.written.append(count.written - sum(curve.written))
            curve.last.append(count.last)
            curve.traffic.append(account.meter.take())

    asyncio.run(work())
    return curve


def result_bytes() -> int:
    """The size of one result as the API sends it."""
    account = Account(always_answer(realistic_report()))
    run = account.client().create(TaskRunInput(input="?", processor="lite"))
    return len(account.raw_result(run.run_id).encode())


def session(name: str, job: Job) -> None:
    """A session with this graph, and its figures."""
    restarts = bool(job.setting.get("restarts"))
    same = realistic_report() if "pages" in job.setting else None
    with SAVERS[job.setting["saver"]]() as saver:
        curve = run_session(GRAPHS[name], saver, job.setting["n"], restarts=restarts, answer=same)
    last = curve.traffic[-1]
    job.figures |= {
        "slope_kb": curve.slope / 1e3,
        "second_kb": curve.written[1] / 1e3,
        "last_kb": curve.written[-1] / 1e3,
        "all_mb": sum(curve.written) / 1e6,
        "turn_requests": last.requests,
        "ledger_kb": last.lookup_bytes / 1e3,
        "answered": len(curve.written),
    }


CASE = Case(
    name="state",
    title="What a session writes",
    text="""\
A session of 50 turns on one thread, each with a result of 108 kB (20 fields, 3 citations each,
2 excerpts each). Every turn cites 60 pages that no turn before it has cited; with *the same pages*,
every turn cites those of the first one. Sessions are between the two. SQLite's saver writes the
whole state in each step, the saver in memory (*blobs*) each new version of a channel, as that of
PostgreSQL does. Bytes are those that are handed to the database, without its own overhead. Turn 50
is compared with turn 2: turn 1 has no answer of an earlier turn to write again. With *restarts*,
each turn has new objects, as in a new process, which reads the ledger's list once. These figures
are counts: they do not depend on the machine.""",
    ways={name: partial(session, name) for name in GRAPHS},
    settings=(
        {"n": 50, "saver": "sqlite", "ways": (OURS, ONCE, PLAIN)},
        {"n": 50, "saver": "sqlite", "pages": "the same pages", "ways": (OURS, ONCE)},
        {"n": 50, "saver": "blobs"},
        {"n": 50, "saver": "blobs", "restarts": True, "ways": (OURS, "agent with the tool")},
    ),
    tiny={"n": 2, "saver": "blobs"},
    columns={
        "slope_kb": "a turn adds, kB",
        "second_kb": "turn 2 writes, kB",
        "last_kb": "turn 50 writes, kB",
        "all_mb": "all write, MB",
        "turn_requests": "requests of turn 50",
        "ledger_kb": "of them reading the ledger, kB",
    },
    bars="all_mb",
    controls=(PLAIN,),
    goals=(
        Goal(
            "a turn adds to a checkpoint of the research graph: kB",
            lambda t: t.median(OURS, "slope_kb", saver="sqlite"),
            10.0,
        ),
        Goal(
            "what turn 50 writes, relative to turn 2 (linear: 1)",
            lambda t: _growth(t, ONCE),
            1.5,
        ),
    ),
    rounds=1,
    limit=120.0,
    budget=40.0,
    has_server=False,
)


def _growth(table: Any, way: str) -> float | None:
    second, last = (table.median(way, name, saver="sqlite") for name in ("second_kb", "last_kb"))
    return last / second if second and last else None
