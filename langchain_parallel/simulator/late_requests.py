"""Requests on which the server acts only some time after they came, whether their client still waits or not.

Rule: time alone changes nothing. What is due is done by the next call that looks, as of the time it was due.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from .http_messages import Response


@dataclass(eq=False)
class LateRequest:
    """A request that is processed at `at` (seconds on the clock's monotonic axis)."""

    at: float
    process: Callable[[], Response]
    response: Response | None = None
    """None until it has been processed."""


@dataclass
class LateRequests:
    """Those that have come and have not been processed."""

    moment: float | None = None
    """The time of the one that is being processed now."""
    _waiting: list[LateRequest] = field(default_factory=list)

    def add(self, late: LateRequest) -> None:
        self._waiting.append(late)

    def __contains__(self, late: LateRequest) -> bool:
        return late in self._waiting

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def process_due(self, now: float) -> None:
        """Process those that are due, each as of its time. The caller holds the account's lock."""
        if self.moment is not None:
            return  # processing one looks at the account, too
        due = sorted((late for late in self._waiting if late.at <= now), key=lambda late: late.at)
        for late in due:
            self._waiting.remove(late)
            self.moment = late.at
            try:
                late.response = late.process()
            finally:
                self.moment = None
