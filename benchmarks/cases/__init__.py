"""The cases that are measured, by name."""

from __future__ import annotations

from importlib import import_module

from benchmarks.harness import Case

NAMES = (
    *("throughput", "single_call", "batch", "live_sessions", "parked", "agents"),
    *("imports", "memory", "file_handles", "state", "texts"),
)


def case(name: str) -> Case:
    """The case of this name; only its module is imported."""
    found: Case = import_module(f"{__name__}.{name}").CASE
    return found
