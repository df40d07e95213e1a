"""When the next creating POST of an account may leave, so that the API need not turn it away.

Rule: as many as the quota allows leave within any minute. What the quota is, the API says by 429: then
nothing leaves for as long as it asks, and from then on as many a minute as it took in the minute before. A
little more is tried now and then, twice as much after each time that went well, and half as often after one
that did not. An eighth of what was taken lately may be on its way at once, so that few are turned away when a
quota is used up that is not known.

Rule: no call waits longer for what the API said to another one than it would wait after its own 429. It is
sent instead, and gets an answer of its own.
"""

from __future__ import annotations

import math
from collections import deque

from .effects import NoResponse, Outcome, Response
from .retry import Backoff, retry_after

RUNS_A_MINUTE = 2_000
"""POSTs that start runs: the documented quota of an account."""
MINUTE = 60.0
AT_ONCE = 8
"""POSTs that may be on their way at once, whatever was taken lately."""
FEWEST = 30
"""A minute, whatever was learned: one 429 may have been meant for another process of the account."""
_PAUSES = Backoff(0.5, 30.0)
"""Where a 429 does not say how long to wait."""
_LONGEST_HOLD = 600.0


class SendQuota:
    """What is known of one account's quota, and what it was sent within a minute. Times are monotonic."""

    def __init__(self) -> None:
        self.on_their_way = 0
        self.learned = math.inf
        """A minute."""
        self._taken: deque[float] = deque()
        """When the POSTs of the last minute were accepted."""
        self._closed_until = -math.inf
        self._refusals = 0
        """In a row."""
        self._raise_at = math.inf
        self._step, self._hold = 1.0, MINUTE

    def pause(self, now: float, per_minute: float, longest: float = math.inf) -> float:
        """Seconds until the next may leave, or until it is worth asking; infinite until one comes back.

        Args:
            now: By the monotonic clock.
            per_minute: How many may leave in a minute, at the most.
            longest: Seconds that its caller would wait where the API asks for it.
        """
        if 0 < self._closed_until - now <= longest:
            return self._closed_until - now
        self._raise(now, per_minute)
        while self._taken and self._taken[0] + MINUTE <= now:
            self._taken.popleft()
        if self.on_their_way >= max(AT_ONCE, len(self._taken) // 8):
            return math.inf
        most = max(1.0, min(self.learned, per_minute))
        if len(self._taken) + self.on_their_way < most:
            return 0.0
        return self._taken[0] + MINUTE - now if self._taken else math.inf

    def enter(self) -> None:
        """Note that one leaves."""
        self.on_their_way += 1

    def leave(self, now: float, outcome: Outcome | None) -> None:
        """Note what became of one; None if it was not sent after all."""
        self.on_their_way -= 1
        if isinstance(outcome, Response) and outcome.status == 429:
            self._learn(now, outcome)
        elif outcome is not None and not (isinstance(outcome, NoResponse) and not outcome.sent):
            self._taken.append(now)  # what the API refuses for another reason may count, too
            self._refusals = 0

    def _learn(self, now: float, refused: Response) -> None:
        self._refusals += 1
        asked = retry_after(refused)
        pause = _PAUSES.delay(self._refusals) if asked is None else asked
        if now >= self._closed_until:  # the first of those that were on their way
            self.learned = max(FEWEST, len(self._taken))
            self._step = max(1.0, self.learned // 50)
            self._raise_at = now + pause + self._hold
            self._hold = min(2 * self._hold, _LONGEST_HOLD)
        self._closed_until = max(self._closed_until, now + pause)

    def _raise(self, now: float, per_minute: float) -> None:
        if now < self._raise_at:
            return
        self.learned += self._step
        self._step *= 2
        self._raise_at = now + MINUTE
        if self.learned >= per_minute:
            self.learned, self._raise_at, self._hold = math.inf, math.inf, MINUTE
