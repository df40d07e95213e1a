"""Engines that spread rows over processes: the recipes of `docs/engines`, with one process killed.

A process is known to be one of ours by a word in its environment, and to wait for an answer by its connection
to the simulator. It is killed when it has paid and has no answer yet; the engine runs its task again.
"""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from langchain_parallel.simulator import RunningServer, RunScript

from .environments import NotAvailable, python_environment, version_of
from .outcome import Outcome

_CHECKOUT = Path(__file__).parents[2]
_RECIPES = _CHECKOUT / "docs" / "engines"
_ROWS = 40
_RUN_SECONDS = 1.5
_PATIENCE = 240.0
_MARK = "PARALLEL_TEST_OF_ENGINES"
_PACKAGES = {
    "dask": ("dask[dataframe]", "distributed"),
    "ray": ("ray[data]",),
    "pyspark": ("pyspark", "pandas", "pyarrow"),
    "prefect": ("prefect>=3",),
    "dbos": ("dbos>=3",),
}
_RUN_AGAIN = {"prefect", "dbos"}
"""Engines of one process: their program is killed, and started again."""


def dask(server: RunningServer) -> list[Outcome]:
    """Two worker processes, of which one is killed."""
    return [_check("dask", server)]


def ray(server: RunningServer) -> list[Outcome]:
    """Likewise."""
    return [_check("ray", server)]


def spark(server: RunningServer) -> list[Outcome]:
    """Likewise, of the Python processes of a local Spark. Needs Java."""
    return [_check("pyspark", server)]


def prefect(server: RunningServer) -> list[Outcome]:
    """A flow whose process is killed, and that is started again."""
    return [_check("prefect", server)]


def dbos(server: RunningServer) -> list[Outcome]:
    """A workflow whose process is killed, and that goes on in another."""
    return [_check("dbos", server)]


def _check(engine: str, server: RunningServer) -> Outcome:
    python = python_environment(f"engine-{engine}", *_this_package(), *_PACKAGES[engine])
    folder = python.parents[2] / f"run-{uuid.uuid4().hex[:8]}"
    folder.mkdir()
    server.simulator.scripts.add(RunScript(seconds=_RUN_SECONDS, times=None))
    _write_rows(folder / "companies.csv")
    mark = uuid.uuid4().hex
    name = engine.removeprefix("py")
    program: list[Path | str] = [
        python,
        _RECIPES / f"{name}_rows.py",
        "companies.csv",
        "answers.csv",
    ]
    failed: list[str] = []
    with (folder / "log").open("w") as log:
        running = _start(program, folder, server, mark, log)
        killed = _kill_one(server, mark, running)
        if engine in _RUN_AGAIN:
            running.wait(_PATIENCE)
            running = _start(program, folder, server, mark, log)
        try:
            running.wait(_PATIENCE)
        finally:
            for pid in _processes(mark):
                os.kill(pid, signal.SIGKILL)
    if running.returncode:
        said = (folder / "log").read_text(encoding="utf-8", errors="replace")
        _check_machine(said)
        failed.append(said[-800:])
    else:
        failed += _faults(folder / "answers.csv", server)
    if killed is None:
        failed.append("no process was killed")
    what = f"{engine} {version_of(python, engine)}, {_ROWS} rows, a process killed"
    return Outcome(what, int(not failed), failed)


def _this_package() -> list[str]:
    """What to install of this package: the wheel, where the tests stand in a tree without it."""
    if (_CHECKOUT / "langchain_parallel").exists():
        return ["--editable", str(_CHECKOUT)]
    return [str(next(_CHECKOUT.parents[1].glob("dist/*.whl")))]


def _check_machine(log: str) -> None:
    """Raises NotAvailable where this machine lacks what the engine needs."""
    if "JAVA_HOME is not set" in log:
        raise NotAvailable("Java is not installed")


def _write_rows(path: Path) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "company"])
        writer.writerows([nth, f"Company {nth}"] for nth in range(_ROWS))


def _start(
    program: list[Path | str], folder: Path, server: RunningServer, mark: str, log: IO[str]
) -> subprocess.Popen[bytes]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PARALLEL_"))}
    variables = {
        "PARALLEL_API_KEY": "simulated",
        "PARALLEL_BASE_URL": server.url,
        "PYTHONPATH": str(_RECIPES),
        "HOME": str(folder),
        "RAY_USAGE_STATS_ENABLED": "0",
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",  # of a busy machine
        "PYSPARK_PYTHON": str(program[0]),
        _MARK: mark,
    }
    return subprocess.Popen(
        list(map(str, program)), cwd=folder, env={**kept, **variables}, stdout=log, stderr=log
    )


def _kill_one(server: RunningServer, mark: str, running: subprocess.Popen[bytes]) -> int | None:
    """Kill one of the processes that have paid and wait; None if the program ended before."""
    port, until = int(server.url.rpartition(":")[2]), time.monotonic() + _PATIENCE
    while running.poll() is None and time.monotonic() < until:
        if server.simulator.all_runs():
            sockets = set(_sockets_to(port))
            for pid in _processes(mark):
                if sockets & set(_sockets_of(pid)):
                    os.kill(pid, signal.SIGKILL)
                    return pid
        time.sleep(0.05)
    return None


def _processes(mark: str) -> Iterator[int]:
    """The processes that have the word in their environment."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"{_MARK}={mark}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                yield int(folder.name)
        except OSError:
            continue


def _sockets_to(port: int) -> Iterator[str]:
    """The connections of this machine to a port, by inode."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        words = line.split()
        if int(words[2].rpartition(":")[2], 16) == port and words[3] == "01":
            yield f"socket:[{words[9]}]"


def _sockets_of(pid: int) -> Iterator[str]:
    """The sockets that a process holds."""
    try:
        for handle in Path(f"/proc/{pid}/fd").iterdir():
            yield str(handle.readlink())
    except OSError:
        return


def _faults(answers: Path, server: RunningServer) -> list[str]:
    """What is not as it should be: each row is paid for once, and has the answer of its own run."""
    runs = {run.run_id: run.text for run in server.simulator.all_runs()}
    with answers.open(newline="") as file:
        rows = list(csv.DictReader(file))
    faults = []
    twice = [text for text, times in Counter(runs.values()).items() if times > 1]
    if twice or len(runs) != _ROWS:
        faults.append(f"{len(runs)} runs for {_ROWS} rows; paid for twice: {twice[:3]}")
    wrong = [row["id"] for row in rows if row["company"] not in runs.get(row["run_id"], "")]
    wrong += [row["id"] for row in rows if not row["ceo"] or row["error"]]
    if wrong or sorted(int(row["id"]) for row in rows) != list(range(_ROWS)):
        faults.append(f"{len(rows)} rows came back; without their answer: {wrong[:5]}")
    return faults
