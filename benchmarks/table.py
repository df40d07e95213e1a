"""What does a table cost beside the same requests by hand?

    python -m benchmarks.table [--small] [--only WAY …] [--repeat N] [--profile]
    python -m benchmarks.table --large ROWS …
    python -m benchmarks.table --virtual ROWS

1,000 rows, 50 ms on each request, and runs of 0.5 to 2.5 seconds, on a simulator in its own process. The
floor is httpx by hand: a task group, one POST for all rows, one event stream, one list with all answers; it
checks nothing and keeps nothing. All ways alternate, so that the load of the machine falls on each alike.

`--large` streams so many rows in and out through a process of its own, with runs of a second or less, and
prints that process's peak of resident memory. `--virtual` researches them with `pro` on the simulator's
clock, which passes no real time: the requests and the time of a table that takes hours.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import resource
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import httpx

from langchain_parallel import ParallelClient
from langchain_parallel.batch import research_table, stream_table
from langchain_parallel.models import TaskRunInput
from langchain_parallel.simulator import ManualClock, Simulator, SimulatorTransport

from .figures import Row, option_parser, save, show, table
from .throughput import Server, start_simulator

ROWS, SMALL_ROWS = 1_000, 40
DELAY = 0.05
"""Seconds on each request."""
KINDS = 41
"""Runs of so many durations, evenly spread."""
SHORTEST, LONGEST = 0.5, 2.5
_KEY = "key-of-a-benchmark"
_PROCESSOR = "lite"
_CHUNK = 1_000

Way: TypeAlias = Callable[[str, int], int]
"""Takes the server's address and a number of rows; returns how many of them were answered."""


def rows(number: int) -> Iterator[dict[str, str]]:
    """Rows of the table; each names how long its run takes."""
    for nth in range(number):
        yield {"company": f"Company {nth}", "kind": f"(kind {nth % KINDS})"}


_QUESTION = "Who runs {company}? {kind}"


# --- ways ----------------------------------------------------------------------------------------


def by_hand(url: str, number: int) -> int:
    """The floor: plain httpx with the fewest possible requests."""
    headers = {"x-api-key": _KEY, "parallel-beta": "field-basis-2025-11-25"}
    with httpx.Client(base_url=url, headers=headers, timeout=600.0) as http:
        group = http.post("/v1/tasks/groups", json={}).raise_for_status().json()
        path = f"/v1/tasks/groups/{group['taskgroup_id']}"
        asked = [
            {"input": _QUESTION.format(**row), "processor": _PROCESSOR} for row in rows(number)
        ]
        started = http.post(f"{path}/runs", json={"inputs": asked}).raise_for_status().json()
        waiting = set(started["run_ids"])
        stream = {"accept": "text/event-stream"}
        with http.stream("GET", f"{path}/events", headers=stream) as events:
            for event in _events(events):
                if event["type"] == "task_run.state" and not event["run"]["is_active"]:
                    waiting.discard(event["run"]["run_id"])
                if not waiting:
                    break
        answers = {}
        query = {"include_output": "true"}
        with http.stream("GET", f"{path}/runs", params=query, headers=stream) as listed:
            for event in _events(listed):
                answers[event["run"]["run_id"]] = event["output"]["content"]
    return len(answers)


def _events(answer: httpx.Response) -> Iterator[dict[str, Any]]:
    for line in answer.iter_lines():
        if line.startswith("data:"):
            yield json.loads(line[5:])


def run_table(url: str, number: int) -> int:
    """`research_table`: all rows, in order."""
    found = research_table(
        list(rows(number)), _QUESTION, processor=_PROCESSOR, api_key=_KEY, base_url=url
    )
    return len(found) - len(found.errors)


def run_stream(url: str, number: int) -> int:
    """`stream_table`, as rows are answered."""
    found = stream_table(
        rows(number),
        _QUESTION,
        processor=_PROCESSOR,
        in_order=False,
        api_key=_KEY,
        base_url=url,
    )
    return sum(row.error is None for row in found)


def run_submit_many(url: str, number: int) -> int:
    """`client.submit_many`, which awaits no answer."""
    with ParallelClient(_KEY, url) as client:
        ledger = client.create_group().taskgroup_id
        asked = [
            TaskRunInput(input=_QUESTION.format(**row), processor=_PROCESSOR)
            for row in rows(number)
        ]
        return sum(not isinstance(one, Exception) for one in client.submit_many(ledger, asked))


FLOOR = "by hand"
WAYS: dict[str, Way] = {
    FLOOR: by_hand,
    "research_table": run_table,
    "stream_table": run_stream,
    "submit_many": run_submit_many,
}


# --- measuring -----------------------------------------------------------------------------------


def order(server: Server, *, delay: float, shortest: float, longest: float) -> None:
    """Order how long requests and runs take."""
    step = (longest - shortest) / (KINDS - 1)
    with _control(server) as control:
        if delay:
            fault = {"kind": "slow_head", "seconds": delay, "times": None}
            control.post("/faults", json=fault).raise_for_status()
        for kind in range(KINDS):
            script = {
                "contains": f"(kind {kind})",
                "seconds": shortest + kind * step,
                "times": None,
            }
            control.post("/scripts", json=script).raise_for_status()


def _control(server: Server) -> httpx.Client:
    token = {"x-simulator-token": server.control_token}
    return httpx.Client(base_url=f"{server.url}/_simulator", timeout=600.0, headers=token)


def measure(way: Way, number: int, longest: float) -> Row:
    """Research this many rows on a new server."""
    with start_simulator() as server:
        order(server, delay=DELAY, shortest=longest * SHORTEST / LONGEST, longest=longest)
        wall, cpu = time.perf_counter(), time.process_time()
        answered = way(server.url, number)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        with _control(server) as control:
            requests = len(control.get("/requests").json())
            billed = len(control.get("/billing").json()["billed"])
    return {
        "wall s": wall,
        "cpu s": cpu,
        "requests": requests,
        "answered": answered,
        "billed": billed,
    }


def compare(names: Sequence[str], number: int, longest: float, repeat: int) -> list[Row]:
    """Measure ways in turn, and return the median of each."""
    found: dict[str, list[Row]] = {name: [] for name in names}
    for _ in range(repeat):
        for name in names:
            found[name].append(measure(WAYS[name], number, longest))
    floor = found.get(FLOOR)
    rows_: list[Row] = []
    for name, measured in found.items():
        wall = statistics.median(one["wall s"] for one in measured)
        cpu = statistics.median(one["cpu s"] for one in measured)
        base = None if floor is None else statistics.median(one["cpu s"] for one in floor)
        rows_.append(
            {
                "way": name,
                "wall s": round(wall, 2),
                "of the slowest run": round(wall / longest, 2),
                "least": round(min(one["wall s"] for one in measured) / longest, 2),
                "CPU s": round(cpu, 2),
                "of the floor": None if base is None else round(cpu / base, 2),
                "requests": max(one["requests"] for one in measured),
                "answered": min(one["answered"] for one in measured),
                "billed": max(one["billed"] for one in measured),
            }
        )
    return rows_


# --- many rows -----------------------------------------------------------------------------------


def stream_rows(url: str, number: int) -> Row:
    """Stream so many rows through this process, and say what it took."""
    before = _peak_mb()
    cpu = time.process_time()
    answered = run_stream(url, number)
    return {
        "rows": number,
        "answered": answered,
        "peak RSS MB": round(_peak_mb(), 1),
        "before MB": round(before, 1),
        "CPU ms a row": round((time.process_time() - cpu) / number * 1000, 2),
    }


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure_large(number: int) -> Row:
    """Stream so many rows through a process of its own."""
    with start_simulator() as server:
        order(server, delay=0.0, shortest=0.1, longest=1.0)
        command = [sys.executable, "-m", "benchmarks.table", "--worker", server.url, str(number)]
        began = time.perf_counter()
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        found: Row = json.loads(done.stdout)
        found["wall s"] = round(time.perf_counter() - began, 1)
        with _control(server) as control:
            kinds = Counter(
                f"{one['method']} {'/'.join(one['path'].split('/')[3:])}"
                for one in control.get("/requests").json()
            )
            found["requests"] = sum(kinds.values())
            found["billed"] = len(control.get("/billing").json()["billed"])
    return found


def measure_virtual(number: int) -> Row:
    """Research so many rows on the simulator's clock, with the durations of `pro`."""
    clock = ManualClock()
    simulator = Simulator(clock)
    client = ParallelClient(_KEY, transport=SimulatorTransport(simulator), clock=clock)
    cpu = time.process_time()
    found = stream_table(rows(number), _QUESTION, processor="pro", in_order=False, client=client)
    answered = sum(row.error is None for row in found)
    requests = Counter(entry.path.rpartition("/")[2] for entry in simulator.requests)
    return {
        "rows": number,
        "answered": answered,
        "virtual minutes": round(clock.monotonic() / 60, 1),
        "requests": sum(requests.values()),
        "requests a thousand rows": round(sum(requests.values()) / number * 1000, 1),
        "CPU s, simulator included": round(time.process_time() - cpu, 1),
    }


def main() -> None:
    """Measure, print and save."""
    parser = option_parser(__doc__)
    parser.add_argument("--only", nargs="+", choices=[*WAYS], help="these ways; saves no figures")
    parser.add_argument("--repeat", type=int, default=5, help="times that each way is measured")
    parser.add_argument("--profile", action="store_true", help="print a profile of each way")
    parser.add_argument("--large", type=int, nargs="+", metavar="ROWS")
    parser.add_argument("--virtual", type=int, nargs="+", metavar="ROWS")
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        url, number = options.worker
        sys.stdout.write(json.dumps(stream_rows(url, int(number))))
        return
    if options.large or options.virtual:
        measured = [measure_large(one) for one in options.large or ()]
        measured += [measure_virtual(one) for one in options.virtual or ()]
        show(table(measured))
        return
    number, longest = (SMALL_ROWS, 0.25) if options.small else (ROWS, LONGEST)
    names = options.only or list(WAYS)
    profile = cProfile.Profile()
    if options.profile:
        profile.enable()
    found = compare(names, number, longest, 1 if options.small else options.repeat)
    profile.disable()
    if options.profile:
        pstats.Stats(profile).sort_stats("tottime").print_stats(40)
    show(f"{number:,} rows, {DELAY:g} s on each request, runs of up to {longest:g} s\n")
    show(table(found))
    if not (options.small or options.only or options.profile):
        save("table", {"rows": number, "delay": DELAY, "longest": longest, "ways": found})


if __name__ == "__main__":
    main()
