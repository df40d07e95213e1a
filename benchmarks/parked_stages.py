"""The stages of `parked`: threads are parked, then webhooks resume them."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from .figures import Row
from .parked_databases import Database
from .parked_graphs import Kind
from .parked_load import post_request, send_webhooks, signed_webhook
from .parked_worker import CONTROL_TOKEN, SECRET
from .processes import (
    Process,
    connection_count,
    cpu_seconds,
    memory_bytes,
    reserved_port,
    start_process,
)

WORKER = "benchmarks.parked_worker"
RATE = 200.0
OURS: Kind = "research graph"
BARE: Kind = "bare"
KINDS: tuple[Kind, ...] = (OURS, BARE, "bare, and a GET")
_DRAINED = 1_800.0
"""Seconds to wait until the workers have processed what they accepted."""


# --- parking -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Plan:
    """The size of each stage in threads."""

    parked: int = 10_000
    """Of the research graph."""
    at_once: int = 400
    """In a batch with all webhooks at once, and at a rate that all graphs sustain."""
    too_fast: int = 600
    """In a batch at 200 per second."""


@dataclass
class Bench:
    """A database, the API, and the threads parked so far."""

    database: Database
    simulator: Process
    api: str
    events: Path
    """The file in which the workers write what they do."""
    waiting: dict[Kind, list[str]] = field(default_factory=dict)
    """Parked threads without a webhook so far."""
    runs: dict[str, str] = field(default_factory=dict)
    """The run of each thread."""

    def job(self, role: str, kind: Kind, **more: Any) -> dict[str, Any]:
        """The job of a process."""
        where = {"location": self.database.location, "api": self.api, "events": str(self.events)}
        return {"role": role, "kind": kind, **where, **more}

    def lines(self, what: str) -> dict[str, list[tuple[float, int]]]:
        """The lines of one kind that the workers wrote, by thread: the time and the process."""
        found: dict[str, list[tuple[float, int]]] = defaultdict(list)
        for line in self.events.read_text(encoding="ascii").splitlines():
            kind, thread_id, moment, pid = line.split(" ")
            if kind == what:
                found[thread_id].append((float(moment), int(pid)))
        return found

    def load_runs(self) -> None:
        """Read from the simulator which run each thread waits for."""
        listed = httpx.get(
            f"{self.api}/_simulator/runs",
            headers={"x-simulator-token": CONTROL_TOKEN},
            timeout=600,
        ).json()
        self.runs = {run["metadata"]["thread_id"]: run["run_id"] for run in listed}


def park(bench: Bench, kind: Kind, count: int) -> Row:
    """Park this many threads, and measure what they use."""
    names = [f"{kind.replace(' ', '-').replace(',', '')}-{number:05}" for number in range(count)]
    workers, port = bench.database.workers, int(bench.api.rpartition(":")[2])
    before = bench.database.size()
    with ExitStack() as stack:
        jobs = [bench.job("park", kind, threads=names[nth::workers]) for nth in range(workers)]
        processes = [stack.enter_context(start_process(WORKER, job)) for job in jobs]
        reports = [process.receive() for process in processes]
        idle = connection_count(port)
    seconds = [one for each in reports for one in each["seconds"]]
    bench.waiting[kind] = names
    return {
        "graph": kind,
        "threads": count,
        "kB a thread": round((bench.database.size() - before) / count / 1000, 1),
        "to park, p50 ms": _ms(_quantile(seconds, 0.5)),
        "p99 ms": _ms(_quantile(seconds, 0.99)),
        "parked/s": round(count / max(each["wall"] for each in reports), 1),
        "CPU ms a thread": _ms(sum(each["cpu"] for each in reports) / count),
        "MB before": round(reports[0]["before"] / 1e6, 1),
        "MB when parked": round(reports[0]["after"] / 1e6, 1),
        "idle connections": idle,
        "connections": connection_count(port),
    }


# --- waking --------------------------------------------------------------------------------------


class Workers:
    """The processes that receive deliveries."""

    def __init__(self, bench: Bench, kind: Kind) -> None:
        self._bench, self._kind = bench, kind
        self._reserved = ExitStack()
        reserve = self._reserved.enter_context
        self.ports = [reserve(reserved_port()) for _ in range(bench.database.workers)]
        self.processes = [self._start(port) for port in self.ports]

    def _start(self, port: int) -> Process:
        return Process(WORKER, self._bench.job("serve", self._kind, port=port))

    def kill_one(self) -> int:
        """Kill one process and start another in its place. Returns the id of the killed one."""
        killed = self.processes[0].popen
        killed.send_signal(signal.SIGKILL)
        self.processes[0].stop()
        self.processes[0] = self._start(self.ports[0])
        return killed.pid

    def drain(self) -> None:
        """Wait until the workers have processed everything that they accepted."""
        until = time.monotonic() + _DRAINED
        for port in self.ports:
            while httpx.get(f"http://127.0.0.1:{port}/health", timeout=60).json()["open"]:
                if time.monotonic() > until:
                    raise RuntimeError("The workers did not finish in time.")
                time.sleep(0.05)

    def stop(self) -> None:
        """Stop the processes."""
        for process in self.processes:
            process.stop()
        self._reserved.close()


@dataclass
class Batches:
    """Sends webhooks in batches, and measures the effect."""

    bench: Bench
    kinds: Sequence[Kind]
    rows: list[Row] = field(default_factory=list)
    lost: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    killed: set[int] = field(default_factory=set)
    memory: list[float] = field(default_factory=list)
    """MB of each worker with our graph, at the end."""

    def run(self, plan: Plan) -> None:
        """Send all batches, one after the other; each to all graphs in turn."""
        self._workers = {kind: Workers(self.bench, kind) for kind in self.kinds}
        try:
            for workers in self._workers.values():
                for process in workers.processes:
                    process.receive()
            most = [self._batch(kind, plan.at_once, None)["woken/s"] for kind in self.kinds]
            sustained_by_all = 5.0 * max(1, round(0.6 * min(most) / 5))
            sustained_by_control = 5.0 * max(1, round(0.8 * most[self.kinds.index(BARE)] / 5))
            for rate, count in {
                RATE: plan.too_fast,
                **({sustained_by_control: plan.at_once} if sustained_by_control < RATE else {}),
                sustained_by_all: plan.at_once,
            }.items():
                for kind in self.kinds:
                    self._batch(kind, count, rate)
            kills = self.bench.database.workers > 1
            self._batch(OURS, len(self.bench.waiting[OURS]), RATE, kills=kills)
            pids = [process.popen.pid for process in self._workers[OURS].processes]
            self.memory = [round(memory_bytes(pid) / 1e6, 1) for pid in pids]
        finally:
            for workers in self._workers.values():
                workers.stop()

    def _batch(self, kind: Kind, count: int, rate: float | None, *, kills: bool = False) -> Row:
        workers, waiting = self._workers[kind], self.bench.waiting[kind]
        threads = [waiting.pop() for _ in range(min(count, len(waiting)))]
        before = self._cpu(workers)
        sent = asyncio.run(
            send_webhooks(
                threads,
                rate,
                troubled=kind == OURS,
                ports=workers.ports,
                message=lambda thread_id, forged: self._message(kind, thread_id, forged=forged),
                midway=lambda: self.killed.add(workers.kill_one()) if kills else None,
            )
        )
        if kills:
            workers.processes[0].receive()
        workers.drain()
        done = {name: moments[0][0] for name, moments in self.bench.lines("done").items()}
        took = [done[name] - due for name, due in sent.due.items() if name in done]
        last = max(done[name] for name in sent.due if name in done)
        after = self._cpu(workers)
        worker, database, api = (
            _ms((b - a) / len(took)) for a, b in zip(before, after, strict=True)
        )
        self.rows.append(
            {
                "graph": f"{kind}, a worker is killed" if kills else kind,
                "webhooks/s": rate or "all at once",
                "threads": len(threads),
                "woken": len(took),
                "p50 ms": _ms(_quantile(took, 0.5)),
                "p99 ms": _ms(_quantile(took, 0.99)),
                "woken/s": round(len(took) / (last - min(sent.due.values())), 1),
                "worker CPU ms": None if kills else worker,
                "database CPU ms": None if kills else database,
                "API CPU ms": None if kills else api,
                "sent late, ms": _ms(sent.late),
            }
        )
        if kind == OURS:
            self.lost += len(sent.lost)
            self.statuses += sent.statuses
        return self.rows[-1]

    def _cpu(self, workers: Workers) -> tuple[float, float, float]:
        """CPU seconds of the workers, the database server and the simulator."""
        pid = self.bench.database.pid
        return (
            sum(cpu_seconds(process.popen.pid) for process in workers.processes),
            cpu_seconds(pid) if pid else 0.0,
            cpu_seconds(self.bench.simulator.popen.pid),
        )

    def _message(self, kind: Kind, thread_id: str, *, forged: bool) -> bytes:
        if kind != OURS:
            any_run = next(iter(self.bench.runs.values()))
            return post_request(
                "", json.dumps({"thread_id": thread_id, "run_id": any_run}).encode()
            )
        run_id = self.bench.runs[thread_id]
        secret = "whsec_of-another-account" if forged else SECRET
        return signed_webhook(run_id, f"evt_{run_id}{'_f' if forged else ''}", secret)


def _quantile(values: Iterable[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _ms(seconds: float) -> float:
    return round(1000 * seconds, 1)
