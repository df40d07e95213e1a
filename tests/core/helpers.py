from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any, TypeVar

from langchain_parallel._core.effects import (
    AwaitEnds,
    Confirm,
    Effect,
    Emit,
    EndTurn,
    EnterGate,
    Flow,
    LeaveGate,
    NoResponse,
    Now,
    Request,
    Response,
    Sleep,
    TakeSeat,
    TakeTurn,
)

T = TypeVar("T")

FREE = Request("GET", "/v1/tasks/runs/trun_1")
PAID = Request("POST", "/v1/tasks/groups/tgrp_1/runs", paid=True)


class Script:
    """Drives a flow with a list of outcomes; time passes by its sleeps alone."""

    def __init__(self, *outcomes: object) -> None:
        self.outcomes = list(outcomes)
        self.effects: list[Effect] = []
        self.emitted: list[Any] = []
        self.time = 0.0
        self.seats: list[float] = []
        """What a wait is told when it asks for a connection of its own; then that it has one."""
        self.groups: list[str | None] = []
        """The groups with which it asked."""
        self.ends: list[dict[str, Any] | None] = []
        """What the events of its group bring, one time after the other; then they cannot be shared."""
        self.awaited: list[AwaitEnds] = []
        self.confirms: list[bool | None] = []
        """What the caller says when it is asked whether a request may still be sent; then None."""
        self.gates: list[Effect] = []
        """How it took leave of the account's quota, gave it back, and ended its turns."""

    def run(self, flow: Flow[T]) -> T:
        outcome: object = None
        while True:
            try:
                effect = flow.send(outcome)
            except StopIteration as end:
                value: T = end.value
                return value
            outcome = self._outcome(effect)

    def _outcome(self, effect: Effect) -> object:
        match effect:
            case Now():
                return self.time
            case Sleep(seconds):
                self.time += seconds
                self.effects.append(effect)
                return None
            case Emit(event):
                self.emitted.append(event)
                return None
            case EnterGate() | LeaveGate() | EndTurn():
                self.gates.append(effect)
                return None
            case TakeTurn():
                return True
            case TakeSeat():
                self.groups.append(effect.group_id)
                return self.seats.pop(0) if self.seats else 0.0
            case AwaitEnds():
                self.awaited.append(effect)
                ends = self.ends.pop(0) if self.ends else None
                self.time += effect.seconds if ends == {} else 0.0
                return ends
            case Confirm():
                return self.confirms.pop(0) if self.confirms else None
        self.effects.append(effect)
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, NoResponse) and outcome.too_late:
            self.time += 100.0
        return outcome

    @property
    def sent(self) -> list[Request]:
        return [effect for effect in self.effects if isinstance(effect, Request)]

    @property
    def sleeps(self) -> list[Sleep]:
        return [effect for effect in self.effects if isinstance(effect, Sleep)]


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    """`data` in pieces."""
    edges = [0, *sorted({p for p in places if 0 < p < len(data)}), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


def answer(status: int, body: str = "", **headers: str) -> Response:
    return Response(status, {k.replace("_", "-"): v for k, v in headers.items()}, body.encode())
