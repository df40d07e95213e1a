"""The queue of deliveries: which wait for a place, and which for each other."""

from __future__ import annotations

import asyncio

from langchain_parallel.parked import Outcome, WakeResult
from langchain_parallel.webhooks import QueueOptions, WebhookDelivery
from langchain_parallel.webhooks.delivery_queue import DeliveryQueue


def delivery(run_id: str, webhook_id: str) -> WebhookDelivery:
    return WebhookDelivery(run_id=run_id, webhook_id=webhook_id)


async def test_many_deliveries_of_one_run_leave_room_for_others() -> None:
    go_on, seen = asyncio.Event(), asyncio.Event()

    async def wake(run_id: str, webhook_id: str) -> WakeResult:
        if run_id == "slow":
            await go_on.wait()
        else:
            seen.set()
        return WakeResult(Outcome.RESUMED, run_id)

    queue = DeliveryQueue(wake, QueueOptions(concurrency=2, size=100, max_attempts=1))
    for nth in range(10):
        assert queue.accept(delivery("slow", f"slow {nth}")) == "queued"
    await asyncio.sleep(0)
    assert queue.accept(delivery("quick", "quick")) == "queued"
    await asyncio.wait_for(seen.wait(), 5)
    go_on.set()
    await queue.close()
    assert len(queue) == 0


async def test_a_queue_that_closes_accepts_nothing() -> None:
    async def wake(run_id: str, webhook_id: str) -> WakeResult:
        return WakeResult(Outcome.RESUMED, run_id)

    queue = DeliveryQueue(wake, QueueOptions())
    await queue.close()
    assert queue.accept(delivery("run", "late")) == "full"


async def test_a_duplicate_of_a_delivery_that_is_being_processed_wakes_nothing() -> None:
    go_on, woken = asyncio.Event(), list[str]()

    async def wake(run_id: str, webhook_id: str) -> WakeResult:
        woken.append(webhook_id)
        await go_on.wait()
        return WakeResult(Outcome.RESUMED, run_id)

    queue = DeliveryQueue(wake, QueueOptions())
    assert queue.accept(delivery("run", "one")) == "queued"
    assert queue.accept(delivery("run", "one")) == "duplicate"  # it waits for its turn
    await asyncio.sleep(0.001)
    assert queue.accept(delivery("run", "one")) == "duplicate"  # its thread is being resumed
    go_on.set()
    await queue.close()
    assert woken == ["one"]
