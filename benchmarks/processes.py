"""Starts the processes of a benchmark, talks to them, and measures them (on Linux, in `/proc`)."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_TICK = os.sysconf("SC_CLK_TCK")
_ROOT = Path(__file__).parents[1]


class Process:
    """`python -m MODULE`. It reads its job as a line of JSON, and answers each further line with one."""

    def __init__(self, module: str, job: dict[str, Any]) -> None:
        self.popen = subprocess.Popen(
            [sys.executable, "-m", module],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.send(json.dumps(job))

    def send(self, line: str) -> None:
        """Send it a line."""
        assert self.popen.stdin is not None
        self.popen.stdin.write(line + "\n")
        self.popen.stdin.flush()

    def receive(self) -> dict[str, Any]:
        """Wait for its next line."""
        assert self.popen.stdout is not None
        line = self.popen.stdout.readline()
        if not line:
            raise RuntimeError(f"A process ended with status {self.popen.wait()}.")
        received: dict[str, Any] = json.loads(line)
        return received

    def request(self, line: str) -> dict[str, Any]:
        """Send it a line, and wait for the answer."""
        self.send(line)
        return self.receive()

    def stop(self) -> None:
        """Close its input, which ends it; after 30 seconds, kill it."""
        assert self.popen.stdin is not None
        with self.popen:
            try:
                self.popen.stdin.close()
                self.popen.wait(30)
            except (BrokenPipeError, subprocess.TimeoutExpired):
                self.popen.kill()


@contextmanager
def start_process(module: str, job: dict[str, Any]) -> Iterator[Process]:
    """Start a process, and stop it at the end of the block."""
    process = Process(module, job)
    try:
        yield process
    finally:
        process.stop()


@contextmanager
def reserved_port() -> Iterator[int]:
    """Reserve a port for a process that needs to know its port in advance.

    A socket that is bound but does not listen keeps the port: the kernel does not assign it as free, and
    (on Linux) a server can still bind it with `SO_REUSEADDR`.
    """
    with socket.socket() as reserving:
        reserving.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserving.bind(("127.0.0.1", 0))
        yield int(reserving.getsockname()[1])


def memory_bytes(pid: int | None = None) -> int:
    """The resident memory of a process in bytes."""
    status = Path(f"/proc/{pid or 'self'}/status").read_text(encoding="ascii")
    [line] = [line for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) * 1024


def cpu_seconds(pid: int) -> float:
    """Seconds of CPU that a process and its children have used."""
    total = 0.0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            continue  # it has just ended
        if int(folder.name) == pid or int(fields[1]) == pid:
            total += sum(map(int, fields[11 : 13 if int(folder.name) != pid else 15])) / _TICK
    return total


def connection_count(port: int) -> int:
    """The number of open TCP connections to a port of this machine."""
    lines = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    return sum(
        line.split()[2].endswith(f":{port:04X}") and line.split()[3] == "01" for line in lines
    )
