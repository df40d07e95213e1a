"""May this be sent again? The only place that answers.

Rule: a request that can cost money is sent again only where the outcome proves that the server
started nothing: no byte left us, or it turned us away (429). Where the outcome is unknown, the ledger
looks before anything else happens (`ledger.py`); a plain `create` stops there.

    outcome                   costs nothing    can cost money
    no byte reached it        again            again
    429                       again            again
    408, 409, 425, 5xx        again            unknown
    answer lost               again            unknown
    2xx                       done             done
    anything else             refused          refused

Why 409 counts as unknown for a paid request: the official SDK repeats it, so the service may use it
for "try again", and it says nothing on what was started.
"""

from __future__ import annotations

import enum
import math
import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from ..errors import InvalidRequest
from .effects import Lost, Outcome, Request, Response, Sleep


class Next(enum.Enum):
    """What an outcome allows."""

    DONE = "done"
    AGAIN = "again"
    UNKNOWN = "unknown"
    REFUSED = "refused"


def after(request: Request, outcome: Outcome) -> Next:
    """What `outcome` allows for `request`; see the table above."""
    match outcome:
        case Lost(sent=False) | Response(status=429):
            return Next.AGAIN
        case Response(status=status) if 200 <= status < 300:
            return Next.DONE
        case Response(status=status) if status not in (408, 409, 425) and status < 500:
            return Next.REFUSED
    return Next.UNKNOWN if request.paid else Next.AGAIN


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how fast.

    Args:
        attempts: Sends of one request at the most, the first included.
        first: Seconds before the second send; doubled each time.
        longest: Longest pause in seconds.
        patience: A server that asks for a longer pause than this many seconds (`Retry-After`) is not
            waited for; the error then carries `retry_after`.
        settling: Seconds during which a paid request of unknown outcome is looked for in the ledger
            before it may be sent again. It must exceed the time a new run takes to show up in its
            group's list, which the API does not document.
    """

    attempts: int = 5
    first: float = 0.5
    longest: float = 30.0
    patience: float = 120.0
    settling: float = 15.0

    def __post_init__(self) -> None:
        seconds = (self.first, self.longest, self.patience, self.settling)
        if self.attempts < 1 or not all(0 <= value < math.inf for value in seconds):
            raise InvalidRequest(
                [
                    f"{self} is no retry policy; at least 1 attempt and finite seconds from 0 up are needed."
                ]
            )

    def backoff(self, attempt: int) -> Sleep:
        """The pause after the `attempt`-th try (from 1), where the server asks for none."""
        half = min(self.longest, self.first * 2.0 ** min(attempt - 1, 32)) / 2
        return Sleep(half, jitter=half)

    def pause(self, attempt: int, outcome: Outcome) -> Sleep | None:
        """The pause after the `attempt`-th send (from 1), or None to give up.

        What the server asks for is never cut short; chance only adds to it.
        """
        if attempt >= self.attempts:
            return None
        asked = retry_after(outcome) or 0.0
        if asked > self.patience:
            return None
        backoff = self.backoff(attempt)
        return Sleep(max(asked, backoff.seconds), jitter=backoff.jitter)


def retry_after(outcome: Outcome) -> float | None:
    """The pause the server asks for, in seconds.

    A date is measured against the answer's own `Date`, so that no clock is needed here.
    """
    if isinstance(outcome, Lost):
        return None
    value = outcome.headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", value):
        return float(value)
    try:
        moment, sent = (parsedate_to_datetime(v) for v in (value, outcome.headers["date"]))
        return max(0.0, (moment - sent).total_seconds())
    except (LookupError, ValueError, TypeError, OverflowError):  # no date, by whatever it fails
        return None
