"""The kill matrix: `python -m tests.crash.matrix`; `--help` lists the options.

Its rows are the cells (`cells.py`), its columns the conditions (`conditions.py`): all cells under the plain
one, and under each other one enough of the promised cells to show every part of a cell. Prints a table and
writes the figures to `benchmarks/crash_matrix.json`. Ends with 1 where a promise was broken.
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
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import TypeAlias

from langchain_parallel.simulator import serve

from .. import postgres
from ..conditions import PLAIN, Condition
from ..cut import representatives
from .cells import Cell, cells
from .conditions import BY_NAME, CONDITIONS, account
from .lab import ROOT, Lab, Outcome, Zygote
from .points import kind

Job: TypeAlias = tuple[Cell, Condition]

FILE = ROOT / "benchmarks" / "crash_matrix.json"


def shown(job: Job) -> list[object]:
    """What a cell has that another one may show in its place."""
    return [*enumerate(astuple(job[0]))]


def columns(chosen: list[Cell], conditions: list[Condition], *, whole: bool) -> list[Job]:
    """All these cells under the plain condition; under any other, unless `whole`, representatives."""
    jobs: list[Job] = []
    for condition in conditions:
        every = [(cell, condition) for cell in chosen]
        some = [(cell, condition) for cell in chosen if cell.promised]
        jobs += every if whole or condition is PLAIN else representatives(some, shown)
    return jobs


def points_of(
    cell: Cell, passed: list[str], seed: int = 0, first: str | None = None
) -> Iterator[str]:
    """The kill points of a cell in an order that takes the kinds in turn; `first`: those that begin so."""
    rng = random.Random(f"{seed} {cell}")
    by_kind: dict[str, list[str]] = defaultdict(list)
    for point in passed:
        by_kind[kind(point)].append(point)
    kinds = sorted(by_kind)
    rng.shuffle(kinds)
    if first is not None:
        kinds.sort(key=lambda kind: not kind.startswith(first))
    for points in by_kind.values():
        rng.shuffle(points)
    while any(by_kind.values()):
        yield from (by_kind[k].pop() for k in kinds if by_kind[k])


@dataclass(frozen=True)
class Row:
    """What was measured in one cell."""

    under: str
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
    told: int
    """Threads in which a process ended in `SubmissionUnknown`, and the next one went on."""
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


def row(cell: Cell, condition: Condition, uncrashed: Outcome, outcomes: list[Outcome]) -> Row:
    """Sum a cell up."""
    resumes = [outcome.last.seconds for outcome in outcomes if outcome.kills] or [0.0]
    return Row(
        under=str(condition),
        cell=str(cell),
        promised=cell.promised,
        kills=sum(len(outcome.kills) for outcome in outcomes),
        paid_twice=sum(outcome.paid_twice > 0 for outcome in outcomes),
        lost=sum(outcome.lost > 0 for outcome in outcomes),
        ledger_lost=sum(outcome.ledgers > 1 for outcome in outcomes),
        state_differs=sum(outcome.state != uncrashed.state for outcome in outcomes),
        told=sum(outcome.told for outcome in outcomes),
        errors=sum(outcome.last.error is not None for outcome in outcomes),
        resume_median=round(statistics.median(resumes), 3),
        resume_max=round(max(resumes), 3),
        broken_at=[
            outcome.kills for outcome in outcomes if outcome.wrong(uncrashed, cell, condition)
        ],
    )


def measure(lab: Lab, cell: Cell, kills: int | None, *, twice: bool, seed: int) -> Row:
    """Kill a cell at `kills` points (None: at all of them); `twice`: and once more while it resumes.

    Under a condition the points about the paid request come first.
    """
    uncrashed = lab.uncrashed(cell)
    first = None if lab.condition is PLAIN else "paid request"
    points = list(points_of(cell, uncrashed.last.passed, seed, first))
    rng = random.Random(f"again {seed} {cell}")
    outcomes = [lab.run(cell, point) for point in points[:kills]]
    if twice:
        chosen = rng.sample(points, min(len(points), kills or len(points)))
        outcomes += [lab.run(cell, point, rng.randint(1, 30)) for point in chosen]
    return row(cell, lab.condition, uncrashed, outcomes)


def run(chosen: list[Job], kills: int | None, *, twice: bool, seed: int, workers: int) -> list[Row]:
    """Measure these cells, several at a time."""
    with ExitStack() as stack, tempfile.TemporaryDirectory(prefix="crash-", dir="/tmp") as folder:
        uri = stack.enter_context(postgres.running(Path(folder) / "pg"))
        zygotes: SimpleQueue[Zygote] = SimpleQueue()
        for _ in range(workers):
            zygotes.put(stack.enter_context(Zygote()))

        def one(job: Job) -> Row:
            cell, condition = job
            zygote = zygotes.get()
            try:
                with serve(account(condition)) as server:
                    lab = Lab(server, zygote, lambda: uri, condition)
                    measured = measure(lab, cell, kills, twice=twice, seed=seed)
            finally:
                zygotes.put(zygote)
            print(_line(measured), flush=True)
            return measured

        with ThreadPoolExecutor(workers) as pool:
            return list(pool.map(one, chosen))


_COLUMNS = (
    *(("under", "<31"), ("cell", "<45"), ("promised", ">8"), ("kills", ">5")),
    *(("paid twice", ">10"), ("lost", ">4"), ("ledger lost", ">11"), ("state differs", ">13")),
    *(("told", ">4"), ("errors", ">6"), ("resume s", ">8"), ("max", ">6")),
)
_HEAD = " ".join(f"{name:{how}}" for name, how in _COLUMNS)


def _line(row: Row) -> str:
    told = (
        *(
            row.under,
            row.cell,
            "yes" if row.promised else "no",
            row.kills,
            row.paid_twice,
            row.lost,
        ),
        *(row.ledger_lost, row.state_differs, row.told, row.errors),
        *(f"{row.resume_median:.3f}", f"{row.resume_max:.3f}"),
    )
    line = " ".join(f"{value:{how}}" for value, (_, how) in zip(told, _COLUMNS, strict=True))
    return f"{line}  BROKEN" if row.promised and not row.kept else line


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=6, help="kill points per cell")
    parser.add_argument("--all", action="store_true", help="every kill point of every cell")
    parser.add_argument("--twice", action="store_true", help="also kill the process that resumes")
    parser.add_argument(
        "--under", action="append", metavar="CONDITION", help=f"default: all; {', '.join(BY_NAME)}"
    )
    parser.add_argument("--whole", action="store_true", help="all cells under every condition")
    parser.add_argument("--only", default="", help="cells whose name contains this")
    parser.add_argument("--promised", action="store_true", help="only cells with a promise")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 2)
    parser.add_argument("--out", type=Path, default=FILE)
    asked = parser.parse_args()

    if unknown := set(asked.under or ()) - set(BY_NAME):
        parser.error(f"no condition is called {', '.join(unknown)}; {', '.join(BY_NAME)} are")
    conditions = [BY_NAME[name] for name in asked.under or ()] or list(CONDITIONS)
    chosen = [c for c in cells() if asked.only in str(c) and (c.promised or not asked.promised)]
    started = time.monotonic()
    print(_HEAD)
    kills = None if asked.all else asked.kills
    jobs = columns(chosen, conditions, whole=asked.whole)
    rows = run(jobs, kills, twice=asked.twice, seed=asked.seed, workers=asked.workers)
    seconds = round(time.monotonic() - started, 1)

    total = sum(row.kills for row in rows)
    broken = [row for row in rows if row.promised and not row.kept]
    print(f"{total} kills in {len(rows)} cells, {seconds} s; {len(broken)} promises broken")
    for bad in broken:
        print(f"  {bad.under}: {bad.cell}: {bad.broken_at}")
    asked.out.parent.mkdir(exist_ok=True)
    figures = {"kills": total, "seconds": seconds, "rows": [asdict(row) for row in rows]}
    asked.out.write_text(json.dumps(figures, indent=1) + "\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
