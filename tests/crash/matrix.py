"""The kill matrix: `python -m tests.crash.matrix`; `--help` lists the options.

Prints a table and writes the figures to `benchmarks/crash_matrix.json`. Ends with 1 where a promise
(`cells.py`) was broken.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import SimpleQueue

from langchain_parallel.simulator import RunScript, Simulator, serve

from .. import postgres
from .cells import Cell, cells
from .lab import ROOT, Lab, Outcome, Zygote
from .points import kind

FILE = ROOT / "benchmarks" / "crash_matrix.json"
SPEED = 0.0005
"""The simulator's runs take so much of their usual time."""


def points_of(cell: Cell, passed: list[str], seed: int = 0) -> Iterator[str]:
    """The kill points of a cell in an order that takes the kinds in turn."""
    rng = random.Random(f"{seed} {cell}")
    by_kind: dict[str, list[str]] = defaultdict(list)
    for point in passed:
        by_kind[kind(point)].append(point)
    kinds = sorted(by_kind)
    rng.shuffle(kinds)
    for points in by_kind.values():
        rng.shuffle(points)
    while any(by_kind.values()):
        yield from (by_kind[k].pop() for k in kinds if by_kind[k])


@dataclass(frozen=True)
class Row:
    """What was measured in one cell."""

    cell: str
    promised: bool
    kills: int
    paid_twice: int
    """Threads in which a question was paid for more than once."""
    lost: int
    """Threads whose final state does not know every run that was started."""
    ledger_lost: int
    """Threads whose runs are in more than one ledger."""
    state_differs: int
    errors: int
    resume_median: float
    """Seconds from the new process's first line (imports done) to the end of the graph."""
    resume_max: float
    broken_at: list[list[str]]
    """Where the kills were after which something was paid twice, lost, different or in error."""

    @property
    def kept(self) -> bool:
        """Whether nothing went wrong here."""
        return not self.broken_at


def row(cell: Cell, uncrashed: Outcome, outcomes: list[Outcome]) -> Row:
    """Sum a cell up."""
    resumes = [outcome.last.seconds for outcome in outcomes if outcome.kills] or [0.0]
    return Row(
        cell=str(cell),
        promised=cell.promised,
        kills=sum(len(outcome.kills) for outcome in outcomes),
        paid_twice=sum(outcome.paid_twice > 0 for outcome in outcomes),
        lost=sum(outcome.lost > 0 for outcome in outcomes),
        ledger_lost=sum(outcome.ledgers > 1 for outcome in outcomes),
        state_differs=sum(outcome.state != uncrashed.state for outcome in outcomes),
        errors=sum(outcome.last.error is not None for outcome in outcomes),
        resume_median=round(statistics.median(resumes), 3),
        resume_max=round(max(resumes), 3),
        broken_at=[outcome.kills for outcome in outcomes if outcome.wrong(uncrashed)],
    )


def measure(lab: Lab, cell: Cell, kills: int | None, *, twice: bool, seed: int) -> Row:
    """Kill a cell at `kills` points (None: at all of them); `twice`: and once more while it resumes."""
    uncrashed = lab.uncrashed(cell)
    points = list(points_of(cell, uncrashed.last.passed, seed))
    rng = random.Random(f"again {seed} {cell}")
    outcomes = [lab.run(cell, point) for point in points[:kills]]
    if twice:
        chosen = rng.sample(points, min(len(points), kills or len(points)))
        outcomes += [lab.run(cell, point, rng.randint(1, 30)) for point in chosen]
    return row(cell, uncrashed, outcomes)


def run(
    chosen: list[Cell], kills: int | None, *, twice: bool, late: float, seed: int, workers: int
) -> list[Row]:
    """Measure these cells, several at a time."""
    with ExitStack() as stack, tempfile.TemporaryDirectory(prefix="crash-", dir="/tmp") as folder:
        uri = stack.enter_context(postgres.running(Path(folder) / "pg"))
        simulator = Simulator(latency_scale=SPEED)
        simulator.scripts.add(RunScript(late_commit=late, times=None))
        server = stack.enter_context(serve(simulator))
        labs: SimpleQueue[Lab] = SimpleQueue()
        for _ in range(workers):
            labs.put(Lab(server, stack.enter_context(Zygote()), lambda: uri))

        def one(cell: Cell) -> Row:
            lab = labs.get()
            try:
                measured = measure(lab, cell, kills, twice=twice, seed=seed)
            finally:
                labs.put(lab)
            print(_line(measured), flush=True)
            return measured

        with ThreadPoolExecutor(workers) as pool:
            return list(pool.map(one, chosen))


_HEAD = (
    f"{'cell':<42} {'promised':>8} {'kills':>5} {'paid twice':>10} {'lost':>4} {'ledger lost':>11} "
    f"{'state differs':>13} {'errors':>6} {'resume s':>8} {'max':>6}"
)


def _line(row: Row) -> str:
    promised = "yes" if row.promised else "no"
    mark = "  BROKEN" if row.promised and not row.kept else ""
    return (
        f"{row.cell:<42} {promised:>8} {row.kills:>5} {row.paid_twice:>10} {row.lost:>4} "
        f"{row.ledger_lost:>11} {row.state_differs:>13} {row.errors:>6} {row.resume_median:>8.3f} "
        f"{row.resume_max:>6.3f}{mark}"
    )


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=6, help="kill points per cell")
    parser.add_argument("--all", action="store_true", help="every kill point of every cell")
    parser.add_argument("--twice", action="store_true", help="also kill the process that resumes")
    parser.add_argument(
        "--late", type=float, default=0.0, help="seconds until a run shows up in its ledger's list"
    )
    parser.add_argument("--only", default="", help="cells whose name contains this")
    parser.add_argument("--promised", action="store_true", help="only cells with a promise")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 2)
    parser.add_argument("--out", type=Path, default=FILE)
    asked = parser.parse_args()

    chosen = [c for c in cells() if asked.only in str(c) and (c.promised or not asked.promised)]
    started = time.monotonic()
    print(_HEAD)
    kills = None if asked.all else asked.kills
    rows = run(
        chosen,
        kills,
        twice=asked.twice,
        late=asked.late,
        seed=asked.seed,
        workers=asked.workers,
    )
    seconds = round(time.monotonic() - started, 1)

    total = sum(row.kills for row in rows)
    broken = [row for row in rows if row.promised and not row.kept]
    print(f"{total} kills in {len(rows)} cells, {seconds} s; {len(broken)} promises broken")
    for bad in broken:
        print(f"  {bad.cell}: {bad.broken_at}")
    asked.out.parent.mkdir(exist_ok=True)
    figures = {"kills": total, "seconds": seconds, "rows": [asdict(row) for row in rows]}
    asked.out.write_text(json.dumps(figures, indent=1) + "\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
