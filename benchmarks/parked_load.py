"""Webhooks on a schedule: an open loop, which waits for no answer before the next one is due.

HTTP is spoken by hand, on kept connections: the load must cost little beside what it is to measure.
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

_AGAIN = 5.0
"""Seconds until the API comes again with what was not accepted."""
_TRIES = 4


Fate = Literal["lost", "forged", "duplicate", "genuine"]
_FATES: dict[int, Fate] = {3: "forged", 9: "lost", 15: "duplicate"}
"""Of each twenty deliveries: 5 % are lost, before 5 % comes a forged one, and 5 % come twice."""


@dataclass
class Sent:
    """What came of a leg."""

    due: dict[str, float] = field(default_factory=dict)
    """By thread: when its delivery was due. Not of those that were lost."""
    lost: set[str] = field(default_factory=set)
    answers: Counter[str] = field(default_factory=Counter)
    """By kind of delivery and status."""
    late: float = 0.0
    """Seconds by which a delivery left after it was due, at the most."""


def signed(run_id: str, webhook_id: str, secret: str) -> bytes:
    """A delivery as the API makes it: headers and body."""
    body = json.dumps({"type": "task_run.status", "data": {"run_id": run_id}}).encode()
    moment = int(time.time())
    message = f"{webhook_id}.{moment}.".encode() + body
    digest = base64.b64encode(hmac.new(secret.encode(), message, hashlib.sha256).digest())
    head = (
        f"webhook-id: {webhook_id}\r\nwebhook-timestamp: {moment}\r\n"
        f"webhook-signature: v1,{digest.decode()}\r\n"
    )
    return posted(head, body)


def posted(head: str, body: bytes) -> bytes:
    """A POST of JSON to where webhooks go."""
    return (
        "POST /parallel/webhook HTTP/1.1\r\nhost: worker.example\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n{head}\r\n"
    ).encode() + body


class Balancer:
    """Sends to one worker after the other, and to the next one where one is not there."""

    def __init__(self, ports: Sequence[int]) -> None:
        self._ports = ports
        self._turn = 0
        self._idle: dict[int, list[Any]] = {port: [] for port in ports}

    async def send(self, message: bytes) -> int:
        """The status; 0 where nobody answered."""
        self._turn = first = (self._turn + 1) % len(self._ports)
        for port in (*self._ports[first:], *self._ports[:first]):
            for fresh in (False, True):  # a connection that was kept may have been closed
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
        """Close the connections."""
        for idle in self._idle.values():
            for _, writer in idle:
                writer.close()


async def leg(
    threads: Sequence[str],
    rate: float | None,
    *,
    troubled: bool,
    ports: Sequence[int],
    message: Callable[[str, bool], bytes],
    midway: Callable[[], None] = lambda: None,
) -> Sent:
    """Deliver for these threads.

    Args:
        threads: For each, a delivery is due.
        rate: So many threads a second; None: all at once.
        troubled: Some deliveries are lost, forged, or come twice.
        ports: Of the workers.
        message: What is sent for a thread, genuine or forged.
        midway: Called when half of them have become due.
    """
    sent, balancer = Sent(), Balancer(ports)
    tasks: set[asyncio.Task[None]] = set()

    def deliver(kind: str, what: bytes) -> None:
        async def delivering() -> None:
            for _ in range(_TRIES):
                status = await balancer.send(what)
                sent.answers[f"{kind} {status}"] += 1
                if status < 500 and status:
                    return
                await asyncio.sleep(_AGAIN)

        tasks.add(asyncio.ensure_future(delivering()))

    start = time.monotonic() + 0.1
    for number, thread_id in enumerate(threads):
        due = start + (number / rate if rate else 0.0)
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        sent.late = max(sent.late, time.monotonic() - due) if rate else 0.0
        if number == len(threads) // 2:
            midway()
        fate: Fate = _FATES.get(number % 20, "genuine") if troubled else "genuine"
        if fate == "lost":
            sent.lost.add(thread_id)
            continue
        sent.due[thread_id] = due
        if fate == "forged":
            deliver("forged", message(thread_id, True))
        genuine = message(thread_id, False)
        deliver("genuine", genuine)
        if fate == "duplicate":
            deliver("duplicate", genuine)
    await asyncio.gather(*tasks)
    balancer.close()
    return sent
