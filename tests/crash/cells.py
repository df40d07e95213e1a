"""The cells of the kill matrix, and what is promised in each.

Rule: a promise is written down here before it is measured. Where nothing is promised the matrix still
measures, and says how often a run was paid for twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, product
from typing import Literal

from .points import EXCHANGE

Durability = Literal["sync", "async", "exit"]

_TOOLS = ("tool", "three calls")
_AGENTS = ("agent, block", "agent, background", "agent, park")
_WORKLOADS = ("subgraph", "branches", "node", *_TOOLS, *_AGENTS)
"""Those of `workloads.py`."""
_AROUND = ("before", "after")
KINDS = [
    *chain.from_iterable(
        [f"{request} request: {what}" for request in ("paid", "free")] for what in EXCHANGE
    ),
    *(f"{where}: {what}" for where in ("checkpoint put", "checkpoint writes") for what in _AROUND),
    *(f"store: {what}" for what in _AROUND),
    "step: start",
    "step: end",
]
"""Every kind of kill point."""


@dataclass(frozen=True, order=True)
class Cell:
    """One way to run one workload."""

    workload: str
    backend: Literal["sqlite", "postgres"]
    mode: Literal["sync", "async"]
    durability: Durability
    store: bool

    def __str__(self) -> str:
        store = "store" if self.store else "no store"
        return f"{self.workload}, {self.backend}, {self.mode}, {self.durability}, {store}"

    @property
    def has_model(self) -> bool:
        """Whether a model decides what is asked."""
        return self.workload in (*_TOOLS, *_AGENTS)

    @property
    def in_agent(self) -> bool:
        """Whether it is the tool in an agent, not the research graph."""
        return self.workload in _TOOLS

    @property
    def kinds(self) -> list[str]:
        """The kinds of kill points (`points.kind`) that occur here."""
        return [
            kind
            for kind in KINDS
            if (self.store or not kind.startswith("store"))
            and (self.durability != "exit" or not kind.startswith("checkpoint writes"))
        ]

    @property
    def promised(self) -> bool:
        """Whether no run is paid for twice here, wherever the process is killed.

        What must have survived is the ledger, the intent and the position (R4). The first two are records of
        the thread, with and without a store. A step waits until the checkpoint it began from is written;
        under `exit` none is. The research graph's position is counted, so it comes out the same again; the
        agent's is a message of the model, which says something else (with another id) when its message was
        not written down.
        """
        return not self.in_agent or self.durability != "exit"


def cells() -> list[Cell]:
    """All of them."""
    backends: list[Literal["sqlite", "postgres"]] = ["sqlite", "postgres"]
    modes: list[Literal["sync", "async"]] = ["sync", "async"]
    durabilities: list[Durability] = ["sync", "async", "exit"]
    every = product(_WORKLOADS, backends, modes, durabilities, (True, False))
    return [Cell(*parts) for parts in every]
