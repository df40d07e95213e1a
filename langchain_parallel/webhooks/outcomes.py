"""What became of each webhook, told to those who operate the program.

Rule: what an operator can mend is a warning that says how: a wrong secret, a clock that is off, a queue that
is full. Anybody can post to the path, so there is one such warning a minute for each reason; the others are
logged at DEBUG, and counted.
"""

from __future__ import annotations

import logging
import math
import time

from .._telemetry import TelemetryEvent, tell

_QUIET_SECONDS = 60.0
_CURES: dict[str, str] = {
    "signature": "compare the secret given with the account's; give both while it is being changed",
    "timestamp": "set this machine's clock, unless somebody repeats old deliveries",
    "full": "raise `QueueOptions.size` or `.concurrency`, or add workers; the API sends it again",
    "malformed": "see whether a proxy changes headers or body; others than the API may post here, too",
    "too large": "raise `max_body` if it is the API's",
    "too slow": "see what delays the body on its way",
}


class WebhookOutcomes:
    """Tells of one application's webhooks."""

    def __init__(self) -> None:
        self._warned_at: dict[str, float] = {}

    def tell(self, outcome: str, status: int, why: str = "", run_id: str | None = None) -> None:
        """Tell of one webhook.

        Args:
            outcome: In a word or two, always the same ones.
            status: Of the response.
            why: A sentence; nothing of the request.
            run_id: The run that a genuine delivery is about.
        """
        cure = _CURES.get(outcome)
        fields = {"outcome": outcome, "status": status, "run_id": run_id, "why": why or None}
        level = self._level(outcome) if cure else None
        tell(TelemetryEvent("webhook", {**fields, "cure": cure}, level=level))

    def _level(self, outcome: str) -> int:
        now = time.monotonic()
        if now < self._warned_at.get(outcome, -math.inf) + _QUIET_SECONDS:
            return logging.DEBUG
        self._warned_at[outcome] = now
        return logging.WARNING
