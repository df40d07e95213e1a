"""Leave to send: what allows a send holds for moments.

Rule: what allowed it, the look into the ledger and that no other process has taken over, is out of date after
a small part of the settling time. Whoever takes over looks for the whole settling time, and so finds what was
sent with the last leave.
"""

from __future__ import annotations

from dataclasses import dataclass

from typing_extensions import Self

from ..retry import RetryPolicy

_MOMENTS = 1 / 30
"""For which part of the settling time it holds at first; doubled each time that it takes longer to send."""
_SHORTEST = 0.05
"""Seconds that it holds at least."""


@dataclass
class Leave:
    """Leave to send."""

    since: float
    moments: float

    @classmethod
    def of(cls, since: float, policy: RetryPolicy) -> Self:
        """Leave that a look at this time, by the monotonic clock, gives."""
        return cls(since, max(_SHORTEST, _MOMENTS * policy.settle_seconds))

    def renew(self, since: float) -> None:
        """Leave again; it took too long to use the last."""
        self.since, self.moments = since, 2 * self.moments

    @property
    def ends_at(self) -> float:
        """When it is out of date, by the monotonic clock."""
        return self.since + self.moments
