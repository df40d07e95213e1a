"""Measures cases: named ways of doing the same work, each in a process of its own, against one server.

Rule: the ways of a case take turns in every round, in the opposite order every other round, so that a machine
that becomes slower or busier slows all of them. A figure is the median of its rounds, and is kept with the
least and the greatest. A measurement that takes too long is cut and kept as that; the others go on.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import cache
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Any, TypeAlias
from urllib.request import Request, urlopen

from .standalone.job import Job

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"
LONG = 15.0
"""Seconds: a way that takes longer is measured once, unless all rounds are asked for."""

Figures: TypeAlias = dict[str, Any]
_PACKAGES = (
    *("langchain-parallel", "langgraph", "langchain-core", "langchain", "pydantic", "httpx"),
    *("httpcore", "langgraph-checkpoint-sqlite"),
)


# --- cases ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Official:
    """A way of the official package: a function of `standalone/official.py`."""

    name: str


Way: TypeAlias = "Callable[[Job], object] | Official"


@dataclass(frozen=True)
class Goal:
    """What is aimed at: a figure that is computed from the rows, and its limit."""

    text: str
    value: Callable[[Table], float | None]
    limit: float
    at_least: bool = False


@dataclass(frozen=True)
class Case:
    """One question, and the ways that are compared to answer it."""

    name: str
    title: str
    text: str
    """What is done, and what is not measured: a paragraph of the page."""
    ways: Mapping[str, Way]
    settings: Sequence[Mapping[str, Any]]
    """Sizes. `ways` in one names those that are measured with it; `full`: only if everything is asked for."""
    tiny: Mapping[str, Any]
    """A size that takes a moment, for a test."""
    columns: Mapping[str, str]
    """The figures of the page's table, with their headings."""
    bars: str
    """The figure that the plot shows."""
    controls: Sequence[str] = ()
    """The ways that are not this package's."""
    goals: Sequence[Goal] = ()
    rounds: int = 5
    limit: float = 60.0
    """Seconds after which a measurement is cut."""
    budget: float = 60.0
    """Seconds after which no further round is begun, unless everything is asked for."""
    has_server: bool = True


@dataclass(frozen=True)
class Table:
    """The rows of a result."""

    rows: Sequence[Mapping[str, Any]]

    def median(self, way: str, figure: str, **setting: Any) -> float | None:
        """The figure of a way, or None if there is none."""
        for row in self.rows:
            if row["way"] == way and setting.items() <= row["setting"].items():
                found = row["figures"].get(figure)
                return None if found is None else float(found["median"])
        return None

    def ratio(self, way: str, control: str, figure: str, **setting: Any) -> float | None:
        """The figure of a way divided by that of another."""
        ours, theirs = (self.median(one, figure, **setting) for one in (way, control))
        return None if ours is None or not theirs else ours / theirs


# --- the server ----------------------------------------------------------------------------------


class Server:
    """The server's process, and its controls."""

    def __init__(self, url: str) -> None:
        self.url = url

    def reset(self, setting: Mapping[str, Any]) -> None:
        """Have it forget everything, and act as this setting says."""
        body = {name: setting[name] for name in ("seconds", "latency") if name in setting}
        self._call("reset", json.dumps(body).encode())

    def stats(self) -> Figures:
        """What has come since."""
        return self._call("stats")

    def _call(self, name: str, body: bytes | None = None) -> Figures:
        request = Request(f"{self.url}/control/{name}", data=body)
        with urlopen(request, timeout=60.0) as answer:
            found: Figures = json.load(answer)
        return found


@contextmanager
def serve() -> Iterator[Server]:
    """Start the fast server, and kill it at the end of the block."""
    command = [sys.executable, "-m", "benchmarks.fast_api"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Server(process.stdout.readline().strip())
        finally:
            process.kill()


# --- measuring -----------------------------------------------------------------------------------


def measure_once(
    case: Case, way: str, setting: Mapping[str, Any], server: Server | None, limit: float
) -> Figures:
    """Run a way in a process of its own. Of one that fails or is cut, `problem` says how."""
    if server:
        server.reset(setting)
    job = json.dumps({"url": server.url if server else "", "setting": dict(setting)})
    one = case.ways[way]
    if isinstance(one, Official):
        python = official_python()
        if python is None:
            return {"problem": "left out: pip does not give it here"}
        program = ROOT / "benchmarks" / "standalone" / "official.py"
        command = [str(python), str(program), one.name, job]
    else:
        command = [sys.executable, "-m", "benchmarks", "--work", case.name, way, job]
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PARALLEL_", "LANGSMITH_"))}
    if isinstance(one, Official):
        kept.pop("PYTHONPATH", None)
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=kept, capture_output=True, text=True, timeout=limit, check=False
        )
    except subprocess.TimeoutExpired:
        return {"problem": f"cut after {limit:g} s"}
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        return {"problem": f"failed: {said[:200]}"}
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    if server:
        stats = server.stats()
        counts = {name: stats[name] for name in ("connections", "most_open", "billed")}
        counts |= {"requests": sum(stats["requests"].values()), "server_cpu": stats["cpu"]}
        figures = counts | figures
        if stats["slowest"]:
            figures["over_slowest"] = figures["wall"] / stats["slowest"]
    return figures


@dataclass(frozen=True)
class _Plan:
    """How long a case is measured."""

    rounds: int
    end: float
    """When no further round is begun, on the monotonic clock."""
    last: float
    """When nothing more is begun."""
    full: bool
    report: Callable[[str], None]


@dataclass
class _Tally:
    """What was found of one way in one setting."""

    found: list[Figures] = field(default_factory=list)
    problem: str | None = None
    took: float = 0.0

    def row(self, way: str, setting: Mapping[str, Any]) -> Figures:
        names = [name for name, value in (self.found or [{}])[0].items() if _is_number(value)]
        figures = {name: _summary([one[name] for one in self.found]) for name in names}
        row = {"way": way, "setting": dict(setting), "rounds": len(self.found), "figures": figures}
        errors = [one["error"] for one in self.found if one.get("error")]
        problem = self.problem or (errors[-1] if errors else None)
        return {**row, **({"problem": problem} if problem else {})}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _summary(values: Sequence[float]) -> dict[str, float]:
    found = {"median": median(values), "min": min(values), "max": max(values)}
    return {name: round(value, 4) for name, value in found.items()}


def measure(
    case: Case,
    *,
    full: bool = False,
    settings: Sequence[Mapping[str, Any]] | None = None,
    rounds: int | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> Figures:
    """Measure a case, and return what is kept of it."""
    begun, busy, children = time.monotonic(), _busy_seconds(), os.times()
    rows: list[Figures] = []
    with _server_for(case) as server:
        chosen = settings or [one for one in case.settings if full or not one.get("full")]
        until = begun + case.budget
        last = float("inf") if full else until + case.budget
        for number, setting in enumerate(chosen):
            # Each setting has its share of what is left of the time.
            share = max(0.0, until - time.monotonic()) / (len(chosen) - number)
            end = float("inf") if full else time.monotonic() + share
            rows += _rows(
                case, setting, server, _Plan(rounds or case.rounds, end, last, full, report)
            )
    spent = time.monotonic() - begun
    after = os.times()
    own = sum(after[:4]) - sum(children[:4])
    others = None if busy is None else max(0.0, (_busy_seconds() or 0.0) - busy - own) / spent
    return {
        "case": case.name,
        "date": datetime.now(timezone.utc).date().isoformat(),
        "seconds": round(spent),
        "machine": machine(),
        "cores_used_by_others": None if others is None else round(others, 2),
        "versions": versions(),
        "rows": rows,
    }


@contextmanager
def _server_for(case: Case) -> Iterator[Server | None]:
    if case.has_server:
        with serve() as server:
            yield server
    else:
        yield None


def _rows(
    case: Case,
    setting: Mapping[str, Any],
    server: Server | None,
    plan: _Plan,
) -> list[Figures]:
    tallies = {way: _Tally() for way in setting.get("ways", case.ways)}
    for number in range(plan.rounds):
        if number and time.monotonic() > plan.end:
            break
        for way in list(tallies)[:: -1 if number % 2 else 1]:
            tally = tallies[way]
            if tally.problem or (tally.took > LONG and not plan.full):
                continue
            if time.monotonic() > plan.last:
                tally.problem = None if tally.found else "left out: there was no time"
                continue
            start = time.monotonic()
            limit = case.limit * (5 if plan.full else 1)
            figures = measure_once(case, way, setting, server, limit)
            tally.took = time.monotonic() - start
            tally.problem = figures.get("problem")
            if not tally.problem:
                tally.found.append(figures)
            shown = tally.problem or f"{figures.get(case.bars, 0):.4g} {case.bars}"
            plan.report(f"{case.name} {_brief(setting)} round {number + 1}: {way}: {shown}")
    return [tally.row(way, _plain(setting)) for way, tally in tallies.items()]


def _plain(setting: Mapping[str, Any]) -> Figures:
    return {name: value for name, value in setting.items() if name not in ("ways", "full")}


def _brief(setting: Mapping[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in _plain(setting).items())


# --- where ---------------------------------------------------------------------------------------


@cache
def official_python() -> Path | None:
    """The interpreter of an environment with the official package, made once; None if it cannot be made."""
    from tests.real_clients.environments import NotAvailable, python_environment

    try:
        return python_environment("official", "langchain-parallel==0.5.0")
    except (NotAvailable, subprocess.TimeoutExpired):
        return None


def machine() -> Figures:
    """What it was measured on, without its name."""
    info = Path("/proc/cpuinfo")
    models = [
        line.partition(": ")[2]
        for line in (info.read_text(encoding="utf-8").splitlines() if info.exists() else [])
        if line.startswith("model name")
    ]
    return {
        "processor": models[0] if models else platform.processor(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def versions() -> dict[str, str]:
    """The versions of Python and of the packages that matter."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _busy_seconds() -> float | None:
    """Seconds of CPU that all processes of the machine have used (Linux)."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return None
    ticks = list(map(int, stat.read_text(encoding="ascii").splitlines()[0].split()[1:9]))
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


# --- results -------------------------------------------------------------------------------------


def save(result: Mapping[str, Any]) -> Path:
    """Write a result where the page is made from."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{result['case']}.json"
    path.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def load(name: str) -> Figures | None:
    """The kept result of a case."""
    path = RESULTS / f"{name}.json"
    found: Figures | None = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    return found
