"""Sends webhooks on a schedule. It is an open loop: it does not wait for a response before the next webhook.

It writes HTTP itself, on connections that it reuses, so that the load needs little CPU.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

_RETRY_SECONDS = 5.0
_ATTEMPTS = 4


Fate = Literal["lost", "forged", "duplicate", "genuine"]
_FATES: dict[int, Fate] = {3: "forged", 9: "lost", 15: "duplicate"}
"""Of each twenty deliveries one is lost, one comes after a forged one, and one comes twice."""


@dataclass
class LoadResult:
    """What happened to a batch of webhooks."""

    due: dict[str, float] = field(default_factory=dict)
    """When the delivery of each thread was due, without those that were lost."""
    lost: set[str] = field(default_factory=set)
    statuses: Counter[str] = field(default_factory=Counter)
    """Responses, by kind of delivery and status."""
    late: float = 0.0
    """The greatest delay of a delivery, in seconds after it was due."""


def signed_webhook(run_id: str, webhook_id: str, secret: str) -> bytes:
    """A delivery as the API sends it, with its signature."""
    body = json.dumps({"type": "task_run.status", "data": {"run_id": run_id}}).encode()
    moment = int(time.time())
    message = f"{webhook_id}.{moment}.".encode() + body
    digest = base64.b64encode(hmac.new(secret.encode(), message, hashlib.sha256).digest())
    head = (
        f"webhook-id: {webhook_id}\r\nwebhook-timestamp: {moment}\r\n"
        f"webhook-signature: v1,{digest.decode()}\r\n"
    )
    return post_request(head, body)


def post_request(head: str, body: bytes) -> bytes:
    """A POST of JSON to the webhook endpoint."""
    return (
        "POST /parallel/webhook HTTP/1.1\r\nhost: worker.example\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n{head}\r\n"
    ).encode() + body


class Balancer:
    """Sends to the workers in turn. If one is unreachable, the next one gets the delivery."""

    def __init__(self, ports: Sequence[int]) -> None:
        self._ports = ports
        self._turn = 0
        self._idle: dict[int, list[Any]] = {port: [] for port in ports}

    async def send(self, message: bytes) -> int:
        """Returns the status, or 0 without a response."""
        self._turn = first = (self._turn + 1) % len(self._ports)
        for port in (*self._ports[first:], *self._ports[:first]):
            for fresh in (False, True):  # an idle connection may have been closed
                try:
                    return await self._exchange(port, message, fresh=fresh)
                except (OSError, asyncio.IncompleteReadError, IndexError):
                    continue
        return 0

    async def _exchange(self, port: int, message: bytes, *, fresh: bool) -> int:
        idle = self._idle[port]
        reader, writer = await asyncio.open_connection("127.0.0.1", port) if fresh else idle.pop()
        try:
            writer.write(message)
            head = await reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length or b"0"))
        except (OSError, asyncio.IncompleteReadError):
            writer.close()
            raise
        idle.append((reader, writer))
        return int(head.split(b" ", 2)[1])

    def close(self) -> None:
        """Close all connections."""
        for idle in self._idle.values():
            for _, writer in idle:
                writer.close()


async def send_webhooks(
    threads: Sequence[str],
    rate: float | None,
    *,
    troubled: bool,
    ports: Sequence[int],
    message: Callable[[str, bool], bytes],
    midway: Callable[[], None] = lambda: None,
) -> LoadResult:
    """Send one webhook for each of these threads.

    Args:
        threads: The thread ids.
        rate: Webhooks per second; None: all at once.
        troubled: Whether some deliveries are lost, forged or sent twice.
        ports: The ports of the workers.
        message: Builds the delivery for a thread, genuine or forged.
        midway: Called when half of them have become due.
    """
    result, balancer = LoadResult(), Balancer(ports)
    tasks: set[asyncio.Task[None]] = set()

    def deliver(kind: str, what: bytes) -> None:
        async def attempt() -> None:
            for _ in range(_ATTEMPTS):
                status = await balancer.send(what)
                result.statuses[f"{kind} {status}"] += 1
                if status < 500 and status:
                    return
                await asyncio.sleep(_RETRY_SECONDS)

        tasks.add(asyncio.ensure_future(attempt()))

    start = time.monotonic() + 0.1
    for number, thread_id in enumerate(threads):
        due = start + (number / rate if rate else 0.0)
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        result.late = max(result.late, time.monotonic() - due) if rate else 0.0
        if number == len(threads) // 2:
            midway()
        fate: Fate = _FATES.get(number % 20, "genuine") if troubled else "genuine"
        if fate == "lost":
            result.lost.add(thread_id)
            continue
        result.due[thread_id] = due
        if fate == "forged":
            deliver("forged", message(thread_id, True))
        genuine = message(thread_id, False)
        deliver("genuine", genuine)
        if fate == "duplicate":
            deliver("duplicate", genuine)
    await asyncio.gather(*tasks)
    balancer.close()
    return result
