"""Leave to send: what allows a send holds for moments.

Rule: what allowed it, the look into the ledger and that no other process has taken over, is out of date after
a part of the settling time. Whoever takes over looks for the whole settling time, and so finds what was sent
with the last leave.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from typing_extensions import Self

from ..retry import RetryPolicy

_MOMENTS = 1 / 30
"""For which part of the settling time it holds at first; doubled each time that it takes longer to send."""
_LONGEST = 1 / 3
"""For which part of it it holds at the most."""
_SHORTEST = 0.05
"""Seconds that it holds at least."""
_TOLD_SLOW = 1.0
"""Seconds that it may hold at the least, once it takes long to send."""


@dataclass
class Leave:
    """Leave to send."""

    since: float
    moments: float
    longest: float
    slow_looks: int = 0
    """Looks in a row that were out of date when they were over."""

    @classmethod
    def of(cls, since: float, policy: RetryPolicy) -> Self:
        """Leave that a look at this time, by the monotonic clock, gives."""
        settle = policy.settle_seconds
        return cls(since, max(_SHORTEST, _MOMENTS * settle), max(_TOLD_SLOW, _LONGEST * settle))

    def renew(self, since: float) -> None:
        """Leave again; it took too long to use the last."""
        self.since, self.moments = since, min(2 * self.moments, self.longest)

    def note_look(self, began_at: float, ended_at: float) -> None:
        """Note how long a look took."""
        self.slow_looks = self.slow_looks + 1 if ended_at > began_at + self.longest else 0

    def revoke(self) -> None:
        """None any more, for another process has taken over."""
        self.since = -math.inf

    @property
    def ends_at(self) -> float:
        """When it is out of date, by the monotonic clock."""
        return self.since + self.moments
