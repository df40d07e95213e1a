"""May this request be sent again, and after which pause? The only module that decides it.

Rule: a request that can cost money is sent again only where, by the documents, the server started nothing: no
byte left us, or the server turned the request away (429; `submit` looks into the ledger first all the same).
Where the outcome is unknown, `submit` looks into the ledger before anything else happens
(`ledger/submission.py`); a plain `create` stops there.

    outcome                   costs nothing    its answer costs money    can start what costs money
    no byte reached it        send again       send again                send again
    429                       send again       send again                send again
    408, 409, 425, 5xx        send again       send again                unknown
    response lost             send again       unknown, or send again    unknown
    response too long         refused          unknown                   unknown
    our settings are wrong    refused          refused; unknown if a byte may have left
    2xx                       done             done                      done
    anything else             refused          refused                   refused

An answer of Search or Extract is all that is sold: an error in its place is taken to be free (assumed). One
that was lost may have been billed; it is asked for again only if the caller wants that (`resend_lost`).

Why 409 counts as unknown for a paid request: the official SDK repeats it, so the service may use it
for "try again", and it does not say whether a run was started.
"""

from __future__ import annotations

import enum
import math
import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from ..errors import InvalidRequest
from .effects import NoResponse, Outcome, Request, Response, Sleep


class RetryDecision(enum.Enum):
    """What an outcome allows."""

    DONE = "done"
    SEND_AGAIN = "send again"
    UNKNOWN = "unknown"
    REFUSED = "refused"


def classify(request: Request, outcome: Outcome) -> RetryDecision:
    """Decide what `outcome` allows for `request`, by the table above."""
    match outcome:
        case NoResponse(sent=sent, advice=advice) if advice and not (sent and request.paid):
            return RetryDecision.REFUSED
        case NoResponse(sent=False) | Response(status=429):
            return RetryDecision.SEND_AGAIN
        case Response(status=status) if 200 <= status < 300:
            return RetryDecision.DONE
        case NoResponse(limit=limit) if limit and not request.paid:
            return RetryDecision.REFUSED
        case Response(status=status) if status not in (408, 409, 425) and status < 500:
            return RetryDecision.REFUSED
        case NoResponse(limit=limit, advice=advice) if limit or advice:
            return RetryDecision.UNKNOWN  # it would not help
    is_answered = isinstance(outcome, Response)
    may_repeat = request.refusals_are_free if is_answered else request.resend_lost
    if may_repeat or not request.paid:
        return RetryDecision.SEND_AGAIN
    return RetryDecision.UNKNOWN


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses in seconds that double from `initial` up to `longest`."""

    initial: float
    longest: float

    def delay(self, attempt: int) -> float:
        """The pause after the `attempt`-th try, counted from 1."""
        # 2.0 ** 1024 overflows, and no pause needs more than 32 doublings.
        return min(self.longest, self.initial * 2.0 ** min(attempt - 1, 32))


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often, how fast and how patiently requests are repeated.

    Args:
        max_attempts: Sends of one request at the most, the first included. Waiting for a run is not
            bounded by it, but by its own deadline.
        initial_delay: Seconds before the second send; doubled each time.
        max_delay: Longest pause in seconds.
        max_retry_after: Longest pause in seconds that a server may ask for (`Retry-After`). If it asks for
            more, the request fails at once, and the error carries `retry_after`; a caller that waits for a
            run goes on after this pause.
        settle_seconds: Seconds during which `submit` keeps looking into the ledger for a paid request of
            unknown outcome before it may send it again. It must exceed the time for which a server may go
            on working on a request that nobody waits for any more (60 s, the request's timeout) and the time
            a new run then takes to show up in its group's list (15 s); the API documents neither.
    """

    max_attempts: int = 5
    initial_delay: float = 0.5
    max_delay: float = 30.0
    max_retry_after: float = 120.0
    settle_seconds: float = 75.0

    def __post_init__(self) -> None:
        seconds = (self.initial_delay, self.max_delay, self.max_retry_after, self.settle_seconds)
        numbers: tuple[object, ...] = (self.max_attempts, *seconds)
        if not all(isinstance(one, int | float) and 0 <= one < math.inf for one in numbers) or (
            self.max_attempts < 1
        ):
            raise InvalidRequest(
                [
                    f"{self} is no retry policy; it needs at least 1 attempt and finite seconds from 0 up."
                ]
            )

    @property
    def backoff(self) -> Backoff:
        """The pauses where the server asks for none, without jitter."""
        return Backoff(self.initial_delay, self.max_delay)

    def jittered_delay(self, attempt: int) -> Sleep:
        """The pause after the `attempt`-th try, counted from 1, where the server asks for none.

        Half of it is random: clients that failed together must not come back together.
        """
        half = self.backoff.delay(attempt) / 2
        return Sleep(half, jitter=half)

    def delay_before_resend(self, attempt: int, outcome: Outcome) -> Sleep | None:
        """The pause after the `attempt`-th send, counted from 1, or None to give up.

        A pause that the server asks for is never cut short; jitter only makes it longer.
        """
        asked = retry_after(outcome) or 0.0
        if attempt >= self.max_attempts or asked > self.max_retry_after:
            return None
        usual = self.jittered_delay(attempt)
        return Sleep(max(asked, usual.seconds), jitter=usual.jitter)


def retry_after(outcome: Outcome) -> float | None:
    """The pause the server asks for, in seconds.

    A date is measured against the response's own `Date`, so that no clock is needed here.
    """
    if isinstance(outcome, NoResponse):
        return None
    value = outcome.headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", value):
        return float(value)
    try:
        asked, sent = (parsedate_to_datetime(v) for v in (value, outcome.headers["date"]))
        return max(0.0, (asked - sent).total_seconds())
    except (LookupError, ValueError, TypeError, OverflowError):  # not a valid HTTP date
        return None
