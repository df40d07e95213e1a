"""Waking and sweeping in one way, blocking or awaiting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from langgraph.store.base import BaseStore

from langchain_parallel.parked import (
    SweepResult,
    WakeResult,
    aresume_parked,
    asweep,
    resume_parked,
    sweep,
)
from langchain_parallel.simulator import Simulator

from ..research.harness import Mode, client_of

RECORDS = ("langchain_parallel", "parked")


class Driven(Protocol):
    """What is driven in one of both ways, such as a `Session`."""

    @property
    def mode(self) -> Mode: ...

    @property
    def simulator(self) -> Simulator: ...


def do(driven: Driven, blocking: Callable[[], Any], awaiting: Callable[[], Any]) -> Any:
    return blocking() if driven.mode == "sync" else asyncio.run(awaiting())


def woken(driven: Driven, graph: Any, run_id: str, **more: Any) -> WakeResult:
    client = client_of(driven.mode, driven.simulator)
    found: WakeResult = do(
        driven,
        lambda: resume_parked(graph, run_id, client, **more),
        lambda: aresume_parked(graph, run_id, client, **more),
    )
    return found


def swept(driven: Driven, graph: Any, **more: Any) -> SweepResult:
    client, options = client_of(driven.mode, driven.simulator), {"per_second": 1e5, **more}
    found: SweepResult = do(
        driven,
        lambda: sweep(graph, client, **options),
        lambda: asweep(graph, client, **options),
    )
    return found


def records(store: BaseStore | None) -> list[Any]:
    """The store's items for parked threads."""
    return [] if store is None else list(store.search(RECORDS, limit=100))
