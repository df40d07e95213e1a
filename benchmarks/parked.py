"""What do 10,000 parked threads cost, and how soon does a webhook wake one of them?

    python -m benchmarks.parked [--small] [--threads N] [--only sqlite postgres]

The simulator is a server in a process of its own, and so is each worker: one on SQLite, two on PostgreSQL
(brought up for this). All threads are parked, then webhooks come on a schedule that waits for nobody, from
the moment they are due: some twice, some forged, some never. At the end a worker is killed in the middle
(PostgreSQL), and a sweep collects what is left. Then each thread must have gone on once.

The control is bare LangGraph, in the same database, with the same steps, channels and values (see
`parked_graphs`): an endpoint that resumes a thread with what it was sent, `durability="sync"`, as many at
once as `webhook_app` does. It checks no signature, locks nothing, notes nothing and asks nobody: no real
application could do with so little, for a webhook does not bring the answer. So there is a second one
that asks the API once, for the answer, in plain httpx.

A latency is the time from when a webhook was due to when its thread was at its end, with the last checkpoint
written. Everything shares the machine: load, simulator, database and workers. So each graph gets its
webhooks all at once, for the most that it wakes a second; 200 a second, whether or not it keeps up with
that; as many as the first control keeps up with, if those are fewer; and as many as all of them do.
Where a graph does not keep up, its latency says only for how long the webhooks came.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from .figures import Row, keep, parser, say, table
from .parked_databases import DATABASES
from .parked_graphs import Kind
from .parked_stages import KINDS, OURS, WORKER, Bench, Legs, Plan, park
from .processes import running

_LEAST = 2_000


def measure(name: str, plan: Plan, kinds: Sequence[Kind] = KINDS) -> dict[str, Any]:
    """Everything about one database."""
    with ExitStack() as stack:
        database = stack.enter_context(DATABASES[name]())
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        simulator = stack.enter_context(running(WORKER, {"role": "simulator"}))
        bench = Bench(database, simulator, simulator.hear()["url"], Path(folder) / "side")
        bench.side.touch()
        controlled = 3 * plan.at_once + plan.too_fast
        parked = [park(bench, kind, plan.parked if kind == OURS else controlled) for kind in kinds]
        say(f"{table(parked)}\n")
        bench.learn_runs()
        asked = list(bench.waiting[OURS])
        simulator.ask("end")  # of all runs
        legs = Legs(bench, kinds)
        legs.run(plan)
        say(f"{table(legs.rows)}\n")
        end = _end(bench, legs, asked)
        say("\n".join(f"{what}: {count}" for what, count in end.items()))
        return {"parked": parked, "rows": legs.rows, "end": end}


def _end(bench: Bench, legs: Legs, asked: Sequence[str]) -> Row:
    """Sweep; then each thread must have gone on once, and been paid for once."""
    with running(WORKER, bench.job("finish", OURS, threads=asked)) as finishing:
        swept, turns = finishing.hear(), finishing.hear()
    judged, done = bench.lines("judged"), bench.lines("done")
    again = [judged[name] for name in asked if len(judged[name]) > 1]
    bill = bench.simulator.ask("bill")
    return {
        "threads": len(asked),
        "webhooks": dict(legs.answers),
        "lost webhooks": legs.lost,
        "swept": swept["resumed"],
        "sweep failed": swept["failed"],
        "swept/s": round(swept["threads"] / swept["seconds"], 1),
        "with an answer, by turns": turns,
        "gone on with by two webhooks": sum(len(done[name]) > 1 for name in asked),
        "judged twice": len(again),
        "judged twice, not by the killed worker": sum(
            lines[0][1] not in legs.killed for lines in again
        ),
        "runs": len(bench.runs),
        "runs paid for": bill["billed"],
        "threads paid for": bill["threads"],
        "worker MB": legs.memory,
    }


def main() -> None:
    """Measure, print, keep."""
    made = parser(__doc__)
    made.add_argument("--threads", type=int, default=Plan.parked, help="parked threads")
    made.add_argument("--only", nargs="+", choices=DATABASES, help="keeps no figures")
    options = made.parse_args()
    if options.threads < _LEAST:
        made.error(f"--threads: at least {_LEAST}, so that each leg has some to wake")
    plan = Plan(150, 20, 30) if options.small else Plan(options.threads)
    found: dict[str, dict[str, Any]] = {}
    for name in options.only or DATABASES:
        began = time.perf_counter()
        say(f"\n{name}: {plan.parked} parked threads\n")
        found[name] = measure(name, plan)
        say(f"\n{time.perf_counter() - began:.0f} s")
    if not (options.small or options.only):
        rows = {
            what: [{"database": name, **row} for name in found for row in found[name][what]]
            for what in ("rows", "parked")
        }
        ends = {name: each["end"] for name, each in found.items()}
        keep("parked", {"threads": plan.parked, **rows, "end": ends})


if __name__ == "__main__":
    main()
