"""Which ended runs are announced to whom, and what goes wrong with it on demand.

Rule: a run is announced once for each time it ends. Not thread-safe: the world holds the lock.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from .faults import Fault
from .queues import Queue
from .runs import Run, timestamp
from .seeded import hex_id
from .webhooks import Delivery, Outbox, Webhook

__all__ = ["Notices"]


class Notices:
    """Turns ended runs into webhook deliveries. `epoch`: Unix time of the clock's zero."""

    def __init__(self, secrets: Sequence[str], faults: Queue[Fault], epoch: float) -> None:
        self._outbox = Outbox(secrets)
        self._faults = faults
        self._epoch = epoch
        self._expected: list[Run] = []

    def expect(self, run: Run) -> None:
        """Announce this run when it ends, if it asks for that."""
        wanted = (run.request.get("webhook") or {}).get("event_types") or ()
        if "task_run.status" in wanted and run not in self._expected:
            self._expected.append(run)

    def due(self, t: float, unix: float) -> list[Delivery]:
        """Take what is due at t, signed for sending at Unix time `unix`."""
        ended = [r for r in self._expected if r.is_over_at(t)]
        self._expected = [r for r in self._expected if not r.is_over_at(t)]
        for run in ended:
            self._announce(run)
        return self._outbox.due(t, unix)

    def record(self, delivery: Delivery, ok: bool, t: float) -> None:
        """What came of a delivery."""
        self._outbox.record(delivery, ok, t)

    def _announce(self, run: Run) -> None:
        hook = self._webhook(run)
        fault = self._faults.take(lambda f: f.matches_webhook(hook.url))
        kind = fault.kind if fault else ""
        if kind == "webhook_forge":
            self._outbox.put(replace(hook, webhook_id=f"{hook.webhook_id}f", forged=True))
        if kind != "webhook_lose":
            self._outbox.put(hook, copies=2 if kind == "webhook_duplicate" else 1)

    def _webhook(self, run: Run) -> Webhook:
        moment = timestamp(self._epoch + run.ends)
        data = run.wire(run.ends, self._epoch)
        body = {"type": "task_run.status", "timestamp": moment, "data": data}
        return Webhook(
            webhook_id=f"whevent_{hex_id('webhook', run.run_id, run.ends)}",
            url=run.request["webhook"]["url"],
            body=json.dumps(body).encode(),
            since=run.ends,
        )
