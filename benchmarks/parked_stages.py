"""The stages of `parked`: threads are parked, and webhooks come for them."""

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
from .parked_load import leg, posted, signed
from .parked_worker import SECRET
from .processes import Process, connected_to, reserved_port, resident, running, worked

WORKER = "benchmarks.parked_worker"
RATE = 200.0
OURS: Kind = "research graph"
BARE: Kind = "bare"
KINDS: tuple[Kind, ...] = (OURS, BARE, "bare, and a GET")
_DRAINED = 1_800.0
"""Seconds to wait for what was taken to be done with."""


# --- parking -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Plan:
    """How much is done, in threads."""

    parked: int = 10_000
    """Of the research graph."""
    at_once: int = 400
    """In a leg with everything at once; at a rate that is kept up."""
    too_fast: int = 600
    """In a leg at 200 a second."""


@dataclass
class Bench:
    """A database, the API, and the threads parked so far."""

    database: Database
    simulator: Process
    api: str
    side: Path
    waiting: dict[Kind, list[str]] = field(default_factory=dict)
    """Parked threads that no webhook has come for."""
    runs: dict[str, str] = field(default_factory=dict)
    """By thread, its run."""

    def job(self, role: str, kind: Kind, **more: Any) -> dict[str, Any]:
        """What a process is told."""
        place = {"place": self.database.place, "api": self.api, "side": str(self.side)}
        return {"role": role, "kind": kind, **place, **more}

    def lines(self, what: str) -> dict[str, list[tuple[float, int]]]:
        """What the workers wrote down, by thread: when, and which process."""
        found: dict[str, list[tuple[float, int]]] = defaultdict(list)
        for line in self.side.read_text(encoding="ascii").splitlines():
            kind, thread_id, moment, pid = line.split(" ")
            if kind == what:
                found[thread_id].append((float(moment), int(pid)))
        return found

    def learn_runs(self) -> None:
        """Which run each thread waits for, from the simulator's own list."""
        listed = httpx.get(f"{self.api}/_simulator/runs", timeout=600).json()
        self.runs = {run["metadata"]["thread_id"]: run["run_id"] for run in listed}


def park(bench: Bench, kind: Kind, count: int) -> Row:
    """Park so many threads, and see what they hold."""
    names = [f"{kind.replace(' ', '-').replace(',', '')}-{number:05}" for number in range(count)]
    workers, port = bench.database.workers, int(bench.api.rpartition(":")[2])
    before = bench.database.size()
    with ExitStack() as stack:
        jobs = [bench.job("park", kind, threads=names[nth::workers]) for nth in range(workers)]
        processes = [stack.enter_context(running(WORKER, job)) for job in jobs]
        told = [process.hear() for process in processes]
        idle = connected_to(port)
    seconds = [one for each in told for one in each["seconds"]]
    bench.waiting[kind] = names
    return {
        "graph": kind,
        "threads": count,
        "kB a thread": round((bench.database.size() - before) / count / 1000, 1),
        "to park, p50 ms": _ms(_quantile(seconds, 0.5)),
        "p99 ms": _ms(_quantile(seconds, 0.99)),
        "parked/s": round(count / max(each["wall"] for each in told), 1),
        "CPU ms a thread": _ms(sum(each["cpu"] for each in told) / count),
        "MB before": round(told[0]["before"] / 1e6, 1),
        "MB when parked": round(told[0]["after"] / 1e6, 1),
        "idle connections": idle,
        "connections": connected_to(port),
    }


# --- waking --------------------------------------------------------------------------------------


class Workers:
    """The processes that take deliveries."""

    def __init__(self, bench: Bench, kind: Kind) -> None:
        self._bench, self._kind = bench, kind
        self._reserved = ExitStack()
        reserve = self._reserved.enter_context
        self.ports = [reserve(reserved_port()) for _ in range(bench.database.workers)]
        self.processes = [self._started(port) for port in self.ports]

    def _started(self, port: int) -> Process:
        return Process(WORKER, self._bench.job("serve", self._kind, port=port))

    def kill_one(self) -> int:
        """Kill one, and start another one in its place; the id of the killed process."""
        killed = self.processes[0].popen
        killed.send_signal(signal.SIGKILL)
        self.processes[0].stop()
        self.processes[0] = self._started(self.ports[0])
        return killed.pid

    def drain(self) -> None:
        """Wait until all that was taken is done with."""
        until = time.monotonic() + _DRAINED
        for port in self.ports:
            while httpx.get(f"http://127.0.0.1:{port}/health", timeout=60).json()["open"]:
                if time.monotonic() > until:
                    raise RuntimeError("The workers do not come to an end.")
                time.sleep(0.05)

    def stop(self) -> None:
        """Let them end."""
        for process in self.processes:
            process.stop()
        self._reserved.close()


@dataclass
class Legs:
    """Webhooks for some threads after the other, and what came of them."""

    bench: Bench
    kinds: Sequence[Kind]
    rows: list[Row] = field(default_factory=list)
    lost: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    killed: set[int] = field(default_factory=set)
    memory: list[float] = field(default_factory=list)
    """MB of each of our workers, at the end."""

    def run(self, plan: Plan) -> None:
        """All legs, one after the other, the graphs in turn."""
        self._workers = {kind: Workers(self.bench, kind) for kind in self.kinds}
        try:
            for workers in self._workers.values():
                for process in workers.processes:
                    process.hear()
            most = [self._leg(kind, plan.at_once, None)["woken/s"] for kind in self.kinds]
            kept_by_all = 5.0 * max(1, round(0.6 * min(most) / 5))
            kept_by_control = 5.0 * max(1, round(0.8 * most[self.kinds.index(BARE)] / 5))
            for rate, count in {
                RATE: plan.too_fast,
                **({kept_by_control: plan.at_once} if kept_by_control < RATE else {}),
                kept_by_all: plan.at_once,
            }.items():
                for kind in self.kinds:
                    self._leg(kind, count, rate)
            kills = self.bench.database.workers > 1
            self._leg(OURS, len(self.bench.waiting[OURS]), RATE, kills=kills)
            pids = [process.popen.pid for process in self._workers[OURS].processes]
            self.memory = [round(resident(pid) / 1e6, 1) for pid in pids]
        finally:
            for workers in self._workers.values():
                workers.stop()

    def _leg(self, kind: Kind, count: int, rate: float | None, *, kills: bool = False) -> Row:
        workers, waiting = self._workers[kind], self.bench.waiting[kind]
        threads = [waiting.pop() for _ in range(min(count, len(waiting)))]
        before = self._cpu(workers)
        sent = asyncio.run(
            leg(
                threads,
                rate,
                troubled=kind == OURS,
                ports=workers.ports,
                message=lambda thread_id, forged: self._message(kind, thread_id, forged=forged),
                midway=lambda: self.killed.add(workers.kill_one()) if kills else None,
            )
        )
        if kills:
            workers.processes[0].hear()
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
            self.answers += sent.answers
        return self.rows[-1]

    def _cpu(self, workers: Workers) -> tuple[float, float, float]:
        """Seconds of the workers, the database's server and the simulator."""
        pid = self.bench.database.pid
        return (
            sum(worked(process.popen.pid) for process in workers.processes),
            worked(pid) if pid else 0.0,
            worked(self.bench.simulator.popen.pid),
        )

    def _message(self, kind: Kind, thread_id: str, *, forged: bool) -> bytes:
        if kind != OURS:
            some = next(iter(self.bench.runs.values()))
            return posted("", json.dumps({"thread_id": thread_id, "run_id": some}).encode())
        run_id = self.bench.runs[thread_id]
        secret = "whsec_of-somebody-else" if forged else SECRET
        return signed(run_id, f"evt_{run_id}{'_f' if forged else ''}", secret)


def _quantile(values: Iterable[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _ms(seconds: float) -> float:
    return round(1000 * seconds, 1)
