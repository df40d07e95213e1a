"""The gate through which the creating POSTs of one account leave this process, one after another.

Rule: all clients of a key share it, blocking and asynchronous ones. Each that waits stands in a line and is
woken when its turn comes; one that is cancelled leaves the line, and the next goes on. No task blocks its
event loop.
"""

from __future__ import annotations

import hashlib
import math
from collections import deque
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Protocol

from .._core.effects import NoResponse, Outcome, Sleep
from .._core.latest import Latest
from .._core.send_quota import SendQuota
from .._locks.process import ForgottenInChild
from .._locks.signals import Signal
from .group_watches import Stand

_TICK = 5.0
"""Seconds after which one that was not woken looks whether it may go: the first in the line may be stuck."""
_MAX_GATES = 1_000
"""The latest accounts whose gates a process remembers."""


class _Monotonic(Protocol):
    def monotonic(self) -> float:
        """Seconds since some moment."""


@dataclass(eq=False)
class _Turn:
    signal: Signal = field(default_factory=Signal)


class SendGate(ForgottenInChild):
    """The gate of one account."""

    def forget(self) -> None:
        """Start anew."""
        super().forget()
        self._line: deque[_Turn] = deque()
        self._quota = SendQuota()

    def enter(
        self, clock: _Monotonic, per_minute: float, longest: float
    ) -> Generator[Sleep | Stand, object, None]:
        """Wait until the next POST may leave; for what a 429 asks, `longest` seconds at the most."""
        with self.guard:
            if not self._line and self._quota.pause(clock.monotonic(), per_minute, longest) <= 0:
                self._quota.enter()
                return
            turn, was_woken = _Turn(), True
            self._line.append(turn)
        try:
            while True:
                with self.guard:
                    pause = math.inf
                    if self._line[0] is turn or not was_woken:
                        pause = self._quota.pause(clock.monotonic(), per_minute, longest)
                    if pause <= 0:
                        self._quota.enter()
                        return
                    turn.signal = Signal()
                if math.isinf(pause) or self._line[0] is not turn:
                    was_woken = bool((yield Stand(turn.signal, _TICK)))
                else:
                    yield Sleep(pause)
        finally:
            with self.guard:
                self._line.remove(turn)
            self._wake_first()

    def enter_anyway(self) -> None:
        """Let one leave that cannot wait."""
        with self.guard:
            self._quota.enter()

    def leave(self, clock: _Monotonic, outcome: Outcome | None) -> None:
        """Note what became of a POST; None if it was not sent after all."""
        with self.guard:
            self._quota.leave(clock.monotonic(), outcome)
        self._wake_first()

    def _wake_first(self) -> None:
        with self.guard:
            if self._line:
                self._line[0].signal.set()


class _Gates(ForgottenInChild):
    def forget(self) -> None:
        super().forget()
        self.by_account: Latest[tuple[str, int], tuple[object, SendGate]] = Latest(_MAX_GATES)


_GATES = _Gates()


def account_of(api_key: str, base_url: str) -> str:
    """The name of an account in this process, which does not tell its key."""
    return hashlib.sha256(f"{base_url} {api_key}".encode()).hexdigest()


def gate_of(account: str, clock: object) -> SendGate:
    """The gate of an account; `clock` is None for the machine's own."""
    name = (account, 0 if clock is None else id(clock))
    with _GATES.guard:
        if name not in _GATES.by_account:
            # The clock is kept, so that no other can get its id.
            _GATES.by_account[name] = (clock, SendGate())
        return _GATES.by_account[name][1]


class Permit:
    """Leave for one flow to send one creating POST."""

    def __init__(
        self, gate: SendGate, clock: _Monotonic, per_minute: float, longest: float
    ) -> None:
        self._gate, self._clock = gate, clock
        self._per_minute, self._longest = per_minute, longest
        self.is_held: bool = False
        self._was_sent = False

    def take(self) -> Generator[Sleep | Stand, object, None]:
        """Wait for it, unless it is held."""
        if not self.is_held:
            yield from self._gate.enter(self._clock, self._per_minute, self._longest)
            self.is_held = True

    def take_anyway(self) -> None:
        """Take it without waiting."""
        if not self.is_held:
            self._gate.enter_anyway()
            self.is_held = True

    def sending(self) -> None:
        """Note that a request is about to leave, which is the POST if the permit is held."""
        self._was_sent = self.is_held

    def use(self, outcome: Outcome | None) -> None:
        """Note what became of the POST; one that was too late may be sent yet."""
        if self.is_held and not (isinstance(outcome, NoResponse) and outcome.too_late):
            self.is_held = False
            self._gate.leave(self._clock, outcome)
        self._was_sent = False

    def close(self) -> None:
        """Give it back. What left and was not waited for counts."""
        self.use(NoResponse(sent=True) if self._was_sent else None)
