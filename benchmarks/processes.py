"""Processes of a benchmark: started, asked, and looked at from outside (Linux: `/proc`)."""

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
    """`python -m MODULE`, which reads a line of JSON and answers each line with one."""

    def __init__(self, module: str, job: dict[str, Any]) -> None:
        self.popen = subprocess.Popen(
            [sys.executable, "-m", module],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.say(json.dumps(job))

    def say(self, line: str) -> None:
        """Write a line to it."""
        assert self.popen.stdin is not None
        self.popen.stdin.write(line + "\n")
        self.popen.stdin.flush()

    def hear(self) -> dict[str, Any]:
        """The next line that it says."""
        assert self.popen.stdout is not None
        line = self.popen.stdout.readline()
        if not line:
            raise RuntimeError(f"A process ended with status {self.popen.wait()}.")
        heard: dict[str, Any] = json.loads(line)
        return heard

    def ask(self, line: str) -> dict[str, Any]:
        """Say something, and hear the answer."""
        self.say(line)
        return self.hear()

    def stop(self) -> None:
        """Let it end by itself, or else end it."""
        assert self.popen.stdin is not None
        with self.popen:
            try:
                self.popen.stdin.close()
                self.popen.wait(30)
            except (BrokenPipeError, subprocess.TimeoutExpired):
                self.popen.kill()


@contextmanager
def running(module: str, job: dict[str, Any]) -> Iterator[Process]:
    """A process, until left."""
    process = Process(module, job)
    try:
        yield process
    finally:
        process.stop()


@contextmanager
def reserved_port() -> Iterator[int]:
    """A port for a process that has to be told its own, and that no other process is given until left.

    A socket that is bound and does not listen keeps it: the kernel gives it to nobody who asks for any free
    port, and (on Linux) to whoever asks for this one with `SO_REUSEADDR`, as servers do.
    """
    with socket.socket() as reserving:
        reserving.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserving.bind(("127.0.0.1", 0))
        yield int(reserving.getsockname()[1])


def resident(pid: int | None = None) -> int:
    """Bytes of memory that a process holds."""
    status = Path(f"/proc/{pid or 'self'}/status").read_text(encoding="ascii")
    [line] = [line for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) * 1024


def worked(pid: int) -> float:
    """Seconds of CPU that a process and those it has started have used so far."""
    total = 0.0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            continue  # it has just ended
        if int(folder.name) == pid or int(fields[1]) == pid:
            total += sum(map(int, fields[11 : 13 if int(folder.name) != pid else 15])) / _TICK
    return total


def connected_to(port: int) -> int:
    """Open TCP connections on this machine to a port of its own."""
    lines = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    return sum(
        line.split()[2].endswith(f":{port:04X}") and line.split()[3] == "01" for line in lines
    )
