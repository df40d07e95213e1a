"""How many connections one process may have at a time, whatever is asked of it.

Rule: every connection is one of these. An exchange that is soon over takes one of `exchanges`, and waits for
it. What may last takes a seat: a wait that finds none shares the events of its group, or looks now and then,
and an iterator that a caller holds is never refused. A process with few free file handles has fewer of both;
the free ones are counted again now and then, and where one was missing, because others open files, too.
"""

from __future__ import annotations

import errno
import math
import os
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from .._locks.process import ForgottenInChild
from .._locks.signals import Places

resource: Any = None
with suppress(ImportError):  # Windows has none
    import resource

MAX_EXCHANGES = 128
"""Short exchanges at a time."""
MAX_SEATS = 1_000
"""Connections that wait, at a time."""
SHARED_BEYOND = 100
"""Waits at a time beyond which those for runs of one group share its events."""
ALONE = 3
"""Waits for runs of one group that are too few to share."""
LOOKS_A_SECOND = 50
"""Looks at runs, of all waits together that have no connection and share none."""
SEAT_SHARE, EXCHANGE_SHARE = 0.5, 0.125
"""Of the free file handles. The rest is for what else the process opens."""
_FEWEST = 2
_UNKNOWN = 256
"""File handles, where the system does not say how many there are."""
_COUNTED_FOR = 5.0
"""Seconds after which the free file handles are counted again."""


class _Allowance(ForgottenInChild):
    """The connections of this process."""

    def forget(self) -> None:
        """Start anew."""
        super().forget()
        self._room, self._counted_at = 0.0, -math.inf
        self.exchanges: Places = Places(lambda: self._share_of(MAX_EXCHANGES, EXCHANGE_SHARE))
        self.seats: int = 0
        """Taken."""
        self.standing = 0
        """Waits without a seat."""
        self.waits_of: Counter[str] = Counter()
        """By task group."""

    @property
    def most_seats(self) -> int:
        """How many there may be."""
        return self._share_of(MAX_SEATS, SEAT_SHARE)

    def measure_again(self) -> None:
        """Count the free file handles again: one was missing."""
        self._counted_at = -math.inf

    def _share_of(self, most: int, share: float) -> int:
        """How many connections of a kind there may be: `share` of the file handles that are free or ours."""
        now = time.monotonic()
        if now >= self._counted_at + _COUNTED_FOR:
            self._counted_at = now
            self._room = free_handles() + self.exchanges.taken + self.seats
        return int(max(_FEWEST, min(most, self._room * share)))

    def take_seat(self, group_id: str | None) -> bool:
        """Take a seat for a wait, if there is one for it."""
        most = self.most_seats * 3 // 4  # what is left is for what they share
        if group_id is not None and self.waits_of[group_id] > ALONE:
            most = min(SHARED_BEYOND, most)
        return self._take_seat_of(most)

    def take_shared_seat(self) -> bool:
        """Take a seat for all waits of a group."""
        return self._take_seat_of(self.most_seats)

    def _take_seat_of(self, most: int) -> bool:
        with self.guard:
            is_free = self.seats < most
            self.seats += is_free
            return is_free


ALLOWANCE = _Allowance()


class Seat:
    """The seat of one flow, or its place among those that stand."""

    def __init__(self) -> None:
        self.has_seat: bool = False
        self._is_standing = False
        self._group_id: str | None = None
        self._made_in = os.getpid()

    def take(self, group_id: str | None) -> float:
        """Take a seat; 0.0 if it is there, else seconds between two looks."""
        if group_id is not None and self._group_id is None:
            self._group_id = group_id
            with ALLOWANCE.guard:
                ALLOWANCE.waits_of[group_id] += 1
        if self.has_seat or ALLOWANCE.take_seat(group_id):
            self.has_seat = True
            self._stand(False)
            return 0.0
        self._stand(True)
        return max(1, ALLOWANCE.standing) / LOOKS_A_SECOND

    def take_shared(self) -> bool:
        """Take a seat for what several waits share, if there is one."""
        self.has_seat = self.has_seat or ALLOWANCE.take_shared_seat()
        return self.has_seat

    def take_anyway(self) -> None:
        """Take one more, whether there is one or not."""
        if not self.has_seat:
            with ALLOWANCE.guard:
                ALLOWANCE.seats += 1
            self.has_seat = True

    def _stand(self, stands: bool) -> None:
        if stands == self._is_standing:
            return
        with ALLOWANCE.guard:
            ALLOWANCE.standing += stands - self._is_standing
        self._is_standing = stands

    def close(self) -> None:
        """Leave."""
        if not (self.has_seat or self._is_standing or self._group_id):
            return
        if self._made_in != os.getpid():  # the parent's, which a forked child does not have
            return
        self._stand(False)
        with ALLOWANCE.guard:
            ALLOWANCE.seats -= self.has_seat
            if self._group_id is not None:
                ALLOWANCE.waits_of[self._group_id] -= 1
                if not ALLOWANCE.waits_of[self._group_id]:
                    del ALLOWANCE.waits_of[self._group_id]
        self.has_seat, self._group_id = False, None


def free_handles() -> float:
    """The file handles that this process may still open."""
    if resource is None:
        return _UNKNOWN
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if most == resource.RLIM_INFINITY:
        return math.inf
    used = 0
    try:
        used = sum(1 for _ in Path("/dev/fd").iterdir())
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE):  # none is left to look with
            return 0.0
    return float(max(0, most - used))
