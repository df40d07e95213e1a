"""What do 10,000 parked threads cost, and how fast does a webhook resume one of them?

    python -m benchmarks.parked [--small] [--threads N] [--only sqlite postgres]

The simulator is a server in its own process, and so is each worker: one with SQLite, two with PostgreSQL
(which the benchmark starts). First all threads are parked. Then webhooks arrive on a schedule that does not
wait for responses; some come twice, some are forged, some are lost. At the end a worker is killed
(PostgreSQL), and a sweep collects what is left. Then each thread must have been resumed once.

The control is bare LangGraph in the same database, with the same steps, channels and values (see
`parked_graphs`): an endpoint that resumes a thread with what it receives, with `durability="sync"` and as
many at once as `webhook_app`. It checks no signature, takes no lock, records nothing and makes no request.
No real application could do so little, because a webhook does not have the answer. So a second control
makes one request to the API for the answer, with plain httpx.

A latency is the time from when a webhook was due to when its thread had written its last checkpoint. Load,
simulator, database and workers share the machine. So each graph gets batches of webhooks: all at once, for
the highest rate; 200 per second, whether or not it sustains that; the rate that the first control sustains,
if that is less; and the rate that all graphs sustain. If a graph does not sustain a rate, its latency only
says for how long the webhooks came.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from .figures import Row, option_parser, save, show, table
from .parked_databases import DATABASES
from .parked_graphs import Kind
from .parked_stages import KINDS, OURS, WORKER, Batches, Bench, Plan, park
from .processes import start_process

_LEAST = 2_000


def measure(name: str, plan: Plan, kinds: Sequence[Kind] = KINDS) -> dict[str, Any]:
    """Run the whole benchmark with one database."""
    with ExitStack() as stack:
        database = stack.enter_context(DATABASES[name]())
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        simulator = stack.enter_context(start_process(WORKER, {"role": "simulator"}))
        bench = Bench(database, simulator, simulator.receive()["url"], Path(folder) / "events")
        bench.events.touch()
        control_threads = 3 * plan.at_once + plan.too_fast
        parked = [
            park(bench, kind, plan.parked if kind == OURS else control_threads) for kind in kinds
        ]
        show(f"{table(parked)}\n")
        bench.load_runs()
        threads = list(bench.waiting[OURS])
        simulator.request("end")  # now all runs end
        batches = Batches(bench, kinds)
        batches.run(plan)
        show(f"{table(batches.rows)}\n")
        end = _end(bench, batches, threads)
        show("\n".join(f"{what}: {count}" for what, count in end.items()))
        return {"parked": parked, "rows": batches.rows, "end": end}


def _end(bench: Bench, batches: Batches, threads: Sequence[str]) -> Row:
    """Sweep. Then each thread must have been resumed once and paid for once."""
    with start_process(WORKER, bench.job("finish", OURS, threads=threads)) as finishing:
        swept, turns = finishing.receive(), finishing.receive()
    evaluated, done = bench.lines("evaluated"), bench.lines("done")
    twice = [evaluated[name] for name in threads if len(evaluated[name]) > 1]
    bill = bench.simulator.request("bill")
    return {
        "threads": len(threads),
        "webhooks": dict(batches.statuses),
        "lost webhooks": batches.lost,
        "swept": swept["resumed"],
        "sweep failed": swept["failed"],
        "swept/s": round(swept["threads"] / swept["seconds"], 1),
        "with an answer, by turns": turns,
        "resumed by two webhooks": sum(len(done[name]) > 1 for name in threads),
        "evaluated twice": len(twice),
        "evaluated twice, not by the killed worker": sum(
            lines[0][1] not in batches.killed for lines in twice
        ),
        "runs": len(bench.runs),
        "runs paid for": bill["billed"],
        "threads paid for": bill["threads"],
        "worker MB": batches.memory,
    }


def main() -> None:
    """Measure, print and save."""
    parser = option_parser(__doc__)
    parser.add_argument("--threads", type=int, default=Plan.parked, help="parked threads")
    parser.add_argument(
        "--only", nargs="+", choices=DATABASES, help="measure only these; saves no figures"
    )
    options = parser.parse_args()
    if options.threads < _LEAST:
        parser.error(f"--threads: at least {_LEAST}, so that each batch has threads")
    plan = Plan(150, 20, 30) if options.small else Plan(options.threads)
    found: dict[str, dict[str, Any]] = {}
    for name in options.only or DATABASES:
        start = time.perf_counter()
        show(f"\n{name}: {plan.parked} parked threads\n")
        found[name] = measure(name, plan)
        show(f"\n{time.perf_counter() - start:.0f} s")
    if not (options.small or options.only):
        rows = {
            what: [{"database": name, **row} for name in found for row in found[name][what]]
            for what in ("rows", "parked")
        }
        ends = {name: each["end"] for name, each in found.items()}
        save("parked", {"threads": plan.parked, **rows, "end": ends})


if __name__ == "__main__":
    main()
