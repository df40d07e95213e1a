"""The desk: who waits for a place, and who for the others."""

from __future__ import annotations

import asyncio
from typing import Any

from langchain_parallel.errors import worth_retrying
from langchain_parallel.webhooks import Outcome, WakeResult, WebhookDelivery
from langchain_parallel.webhooks.delivery_queue import Desk


def received(run_id: str, webhook_id: str) -> WebhookDelivery:
    return WebhookDelivery(run_id=run_id, webhook_id=webhook_id)


async def test_many_deliveries_of_one_run_leave_room_for_others() -> None:
    go_on, seen = asyncio.Event(), asyncio.Event()

    async def wake(delivery: WebhookDelivery) -> WakeResult:
        if delivery.run_id == "slow":
            await go_on.wait()
        else:
            seen.set()
        return WakeResult(Outcome.RESUMED, delivery.run_id)

    options: Any = {"worth_retrying": worth_retrying, "queue": 100, "tries": 1}
    desk = Desk(wake, concurrency=2, **options)
    for nth in range(10):
        assert desk.take(received("slow", f"slow {nth}")) == "queued"
    await asyncio.sleep(0)
    assert desk.take(received("quick", "quick")) == "queued"
    await asyncio.wait_for(seen.wait(), 5)
    go_on.set()
    await desk.close(5)
    assert desk.open == 0


async def test_a_desk_that_closes_asks_the_api_to_come_again() -> None:
    async def wake(delivery: WebhookDelivery) -> WakeResult:
        return WakeResult(Outcome.RESUMED, delivery.run_id)

    desk = Desk(wake, worth_retrying=worth_retrying, concurrency=1, queue=1, tries=1)
    await desk.close(0)
    assert desk.take(received("run", "late")) == "full"
