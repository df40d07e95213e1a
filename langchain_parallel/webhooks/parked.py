"""What the interrupt of a parked thread says, whichever graph or middleware has raised it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def runs_of(interrupt: Any) -> frozenset[str]:
    """The runs that a thread with such an interrupt is parked for; empty for any other interrupt."""
    if not isinstance(interrupt, Mapping) or interrupt.get("kind") != "parked":
        return frozenset()
    runs = [run.get("run_id") for run in interrupt.get("runs", ()) if isinstance(run, Mapping)]
    ids = [*runs, interrupt.get("run_id"), *interrupt.get("waiting_for", ())]
    return frozenset(id for id in ids if isinstance(id, str))
