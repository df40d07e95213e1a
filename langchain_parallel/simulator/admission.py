"""May these runs start? Each check refuses with the API's own status: 422, 403, 429, 402.

Rule: they are made in this order and before anything is written down, so that what is refused
leaves no trace and costs nothing.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Collection, Sequence

from .answers import ApiError, JsonObject
from .billing import Billing
from .pricing import price_usd
from .validation import invalid, problems

__all__ = ["check_credit", "check_inputs", "check_processors", "check_quota"]


def check_inputs(
    inputs: Sequence[JsonObject], betas: frozenset[str], where: str, knows: Callable[[str], bool]
) -> None:
    """422 naming every field at fault; of several inputs with its place behind `where`."""
    found = []
    for i, body in enumerate(inputs):
        place = f"{where}{i}" if where else ""
        faults = problems(body, betas, knows)
        found += [(".".join(filter(None, (place, at))), message) for at, message in faults]
    if found:
        raise invalid(found)


def check_processors(inputs: Sequence[JsonObject], allowed: Collection[str] | None) -> None:
    """403 for a processor this account may not use."""
    for name in sorted({body["processor"] for body in inputs}):
        if allowed is not None and name not in allowed:
            raise ApiError(403, f"Forbidden: processor {name!r} is not allowed")


def check_quota(recent: deque[float], per_minute: int | None, now: float) -> None:
    """429 with `Retry-After`. `recent`: when (seconds) the last creating POSTs came."""
    while recent and recent[0] <= now - 60:
        recent.popleft()
    if per_minute is not None and len(recent) >= per_minute:
        headers = {"retry-after": str(math.ceil(recent[0] + 60 - now))}
        raise ApiError(429, "Too many requests: quota temporarily exceeded", headers=headers)
    recent.append(now)


def check_credit(inputs: Sequence[JsonObject], credit: float | None, billing: Billing) -> None:
    """402 when the money left (USD) is short; what active runs may still cost is not free."""
    if credit is None:
        return
    needed = sum(price_usd(body["processor"]) for body in inputs)
    free = credit - billing.total_usd - billing.reserved_usd
    if needed > free + 1e-9:
        detail = {"available_usd": round(free, 6), "needed_usd": round(needed, 6)}
        raise ApiError(402, "Payment required: insufficient credit in account", detail)
