"""When the next creating POST of an account may leave, so that the API need not turn it away.

Rule: as many as the caller says leave within any minute, the first hundred of them at once. What the account
may send besides, the API says by 429: then nothing leaves for as long as it asks, one is tried after that,
and when that one was taken, from then on as many at a time as were taken before the 429. The time is the one
from the first of these to the end of the pause: a second where the API limits what it takes in a second, a
minute where it counts by the minute. A little more is tried now and then, twice as much after each time that
went well, and half as often after one that did not.

Rule: few are turned away where a quota is used up that is not known: past the first hundred, only a sixth of
what was taken lately may be on its way at once.

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
AT_FIRST = 100
"""POSTs that may be on their way at once where little was taken lately."""
AT_ONCE = 8
"""POSTs that may be on their way at once at any time, unless the last one was turned away."""
_PART = 6
"""One for so many that were taken within a minute may be on its way at once."""
FEWEST = 30
"""A minute, whatever was learned: one 429 may have been meant for another process of the account."""
_SHORTEST = 1.0
"""Seconds in which the API counts, at the least."""
_PAUSES = Backoff(0.5, 30.0)
"""Where a 429 does not say how long to wait."""
_LONGEST_HOLD = 600.0
_NEARLY = 0.95


class SendQuota:
    """What is known of one account's quota, and what it was sent within a minute. Times are monotonic."""

    def __init__(self) -> None:
        self.on_their_way = 0
        self.learned: float = math.inf
        """As many are taken in `window` seconds."""
        self.window = MINUTE
        self._known = math.inf
        """What was learned before more was tried."""
        self._taken: deque[float] = deque()
        """When the POSTs of the last minute were accepted."""
        self._closed_until = -math.inf
        self._refusals = 0
        """In a row."""
        self._began = -math.inf
        """When the first was accepted of those before the last 429."""
        self._raise_at = math.inf
        self._step, self._hold = 1.0, 0.0

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
        if self.on_their_way >= self._most_at_once(now):
            return math.inf
        return max(
            self._until(now, per_minute, MINUTE), self._until(now, self.learned, self.window)
        )

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
            if now < self._closed_until:
                self.learned += 1  # it was on its way beside the one that was turned away
            else:
                self._refusals = 0

    def _most_at_once(self, now: float) -> int:
        if self._refusals and now >= self._closed_until:
            return 1
        taken = len(self._taken)
        return max(AT_ONCE, AT_FIRST - taken, taken // _PART)

    def _until(self, now: float, most: float, window: float) -> float:
        """Seconds until one more is no more than `most` in a window; infinite until one comes back."""
        allowed = max(1, math.floor(min(most, 1e9))) - self.on_their_way
        if len(self._taken) < allowed:
            return 0.0
        if allowed <= 0:
            return math.inf
        return max(0.0, self._taken[-allowed] + window - now)

    def _learn(self, now: float, refused: Response) -> None:
        is_one_of_many = now < self._closed_until
        is_first = not self._refusals
        self._refusals += not is_one_of_many
        asked = retry_after(refused)
        pause = _PAUSES.delay(self._refusals) if asked is None else asked
        if is_first:
            self.learned, self._began = (
                self._taken_since(now - self.window),
                now + pause - self.window,
            )
            if self.learned < _NEARLY * self._known:  # what was known was wrong
                self._began = self._burst_began(now, pause)
                self.learned = self._taken_since(self._began)
            self._hold = min(2 * self._hold, _LONGEST_HOLD)
        self._closed_until = max(self._closed_until, now + pause)
        if is_one_of_many:
            return
        self.window = max(_SHORTEST, min(MINUTE, self._closed_until - self._began))
        self.learned = max(self.learned, FEWEST * self.window // MINUTE)
        self._known, self._step = self.learned, max(1.0, self.learned // 50)
        self._hold = max(self._hold, self.window)
        self._raise_at = self._closed_until + self._hold

    def _taken_since(self, time: float) -> int:
        return sum(taken >= time for taken in self._taken)

    def _burst_began(self, now: float, pause: float) -> float:
        """When the first was taken of those before which nothing was for as long as the API asks to pause."""
        began = later = now
        for taken in reversed(self._taken):
            if later - taken > pause:
                break
            began = later = taken
        return began

    def _raise(self, now: float, per_minute: float) -> None:
        if now < self._raise_at:
            return
        self.learned += self._step
        self._step *= 2
        self._raise_at = now + self.window
        if self.learned >= per_minute:
            self.learned = self._known = self._raise_at = math.inf
            self._hold = 0.0
