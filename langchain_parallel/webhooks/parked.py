"""What the interrupt of a parked thread says, whichever graph or middleware has raised it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def runs_of(interrupt: Any) -> frozenset[str]:
    """The runs that a thread with such an interrupt is parked for; empty for any other interrupt."""
    if not isinstance(interrupt, Mapping) or interrupt.get("kind") != "parked":
        return frozenset()
    runs = [r.get("run_id") for r in _list(interrupt.get("runs")) if isinstance(r, Mapping)]
    ids = [*runs, interrupt.get("run_id"), *_list(interrupt.get("waiting_for"))]
    return frozenset(id for id in ids if isinstance(id, str))


def _list(value: Any) -> list[Any] | tuple[Any, ...]:
    """Somebody else's interrupts may call themselves parked, too."""
    return value if isinstance(value, list | tuple) else ()
