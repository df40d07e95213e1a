"""The work of one process: what it is to do, and what that took.

Rule: it imports the standard library alone, so that each way to do the work is measured by the same lines.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class Job:
    """What a way is to do, and its figures."""

    def __init__(self, url: str, setting: Mapping[str, Any]) -> None:
        self.url = url
        self.setting = setting
        self.figures: dict[str, Any] = {}

    def question(self, number: int) -> str:
        """A question that no other has."""
        return f"Question {number:06}: how large is the market?"

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Measure the block: seconds, seconds of CPU of this process, and MB of resident memory."""
        before, cpu, begun = resident_mb(), time.process_time(), time.perf_counter()
        yield
        self.figures["wall"] = time.perf_counter() - begun
        self.figures["cpu"] = time.process_time() - cpu
        self.figures["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        self.figures["grown_mb"] = self.figures["peak_mb"] - before


def resident_mb() -> float:
    """The resident memory of this process now (Linux); elsewhere, the most so far."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return pages * resource.getpagesize() / 2**20


def limit_handles(handles: int | None) -> None:
    """Set how many file handles this process may open; None: all that the machine gives."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = handles or hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def run(ways: Mapping[str, Callable[[Job], object]], way: str, job: Mapping[str, Any]) -> None:
    """Run a way, and print its figures as a line of JSON."""
    limit_handles(job["setting"].get("handles"))
    work = Job(job["url"], job["setting"])
    ways[way](work)
    sys.stdout.write(json.dumps(work.figures) + "\n")
