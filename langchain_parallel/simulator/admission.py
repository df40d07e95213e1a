"""May these runs start? Each check refuses with the API's own status: 422, 403, 429 or 402.

Rule: all checks run, in this order, before anything is stored. A refused request leaves no trace and costs
nothing.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Collection, Sequence

from .billing import Billing
from .http_messages import ApiError, JsonObject
from .problems import Loc, invalid_request
from .validation import problems


def check_inputs(
    inputs: Sequence[JsonObject], places: Sequence[Loc], knows: Callable[[str], bool]
) -> None:
    """Raise a 422 that names every wrong field of the inputs, which stand at these places of the body."""
    found = [
        problem.below(*place)
        for body, place in zip(inputs, places, strict=True)
        for problem in problems(body, knows)
    ]
    if found:
        raise invalid_request(found)


def check_processors(inputs: Sequence[JsonObject], allowed: Collection[str] | None) -> None:
    """Raise a 403 for a processor that this account may not use."""
    for name in sorted({body["processor"] for body in inputs}):
        if allowed is not None and name not in allowed:
            raise ApiError(403, f"Forbidden: processor {name!r} is not allowed")


def check_quota(recent: deque[float], per_minute: int | None, now: float) -> None:
    """Raise a 429 with `Retry-After`. `recent` holds the times (seconds) of the last creating POSTs."""
    while recent and recent[0] <= now - 60:
        recent.popleft()
    if per_minute is not None and len(recent) >= per_minute:
        headers = {"retry-after": str(math.ceil(recent[0] + 60 - now))}
        raise ApiError(429, "Too many requests: quota temporarily exceeded", headers=headers)
    recent.append(now)


def check_credit(needed: float, credit: float | None, billing: Billing) -> None:
    """Raise a 402 if the credit does not cover what is needed, what was billed and what is active, in USD."""
    if credit is None:
        return
    available = credit - billing.total_usd - billing.reserved_usd
    if needed > available + 1e-9:
        detail = {"available_usd": round(available, 6), "needed_usd": round(needed, 6)}
        raise ApiError(402, "Payment required: insufficient credit in account", detail)
