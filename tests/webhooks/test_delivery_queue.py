"""The queue of deliveries: which wait for a place, and which for each other."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from typing import Any

import pytest

from langchain_parallel._core.retry import RetryPolicy
from langchain_parallel.parked import Outcome, WakeResult
from langchain_parallel.webhooks import QueueOptions, WebhookDelivery, delivery_queue
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


async def test_a_process_takes_so_many_deliveries_unless_told_otherwise() -> None:
    usual = QueueOptions()
    assert (usual.concurrency, usual.size, usual.max_attempts) == (16, 10_000, 7)
    assert usual.shutdown_seconds == 10.0
    assert QueueOptions(concurrency=1, size=1, max_attempts=1).size == 1


@pytest.mark.parametrize("chance", [0.0, 1.0])
async def test_attempts_are_a_quarter_of_a_second_apart_at_first_and_thirty_at_last(
    monkeypatch: pytest.MonkeyPatch, chance: float
) -> None:
    pauses, woken = list[float](), list[str]()

    async def at_once(waited: Coroutine[Any, Any, Any], seconds: float) -> None:
        waited.close()
        pauses.append(seconds)
        raise asyncio.TimeoutError

    async def wake(run_id: str, webhook_id: str) -> WakeResult:
        woken.append(webhook_id)
        raise ConnectionError

    options = QueueOptions(max_attempts=10, retry_on=lambda error: True)
    queue = DeliveryQueue(wake, options)
    with monkeypatch.context() as patched:
        patched.setattr(asyncio, "wait_for", at_once)
        patched.setattr(random, "random", lambda: chance)
        assert queue.accept(delivery("run", "one")) == "queued"
        await queue._tasks["one"]
    longest = [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert pauses == [seconds * (1 + chance) / 2 for seconds in longest]
    assert woken == ["one"] * 10
    assert len(queue) == 0
    assert queue.accept(delivery("run", "one")) == "queued"  # it may come again
    await queue.close()


@pytest.mark.parametrize(
    ("outcome", "attempts"),
    [
        (None, 1),
        (Outcome.RESUMED, 1),
        (Outcome.NOT_PARKED, 1),
        (Outcome.ACTION_REQUIRED, 1),
        (Outcome.OTHER_GRAPH, 1),
        (Outcome.STILL_ACTIVE, 2),
        (Outcome.UNKNOWN_THREAD, 2),
    ],
)
async def test_what_another_attempt_may_change_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, outcome: Outcome | None, attempts: int
) -> None:
    monkeypatch.setattr(delivery_queue, "_BACKOFF", RetryPolicy(initial_delay=0, max_delay=0))
    woken = list[str]()

    async def wake(run_id: str, webhook_id: str) -> WakeResult | None:
        woken.append(webhook_id)
        return WakeResult(outcome, run_id) if outcome else None

    queue = DeliveryQueue(wake, QueueOptions(max_attempts=2))
    queue.accept(delivery("run", "one"))
    await queue._tasks["one"]
    assert woken == ["one"] * attempts
    known = queue.accept(delivery("run", "one"))
    assert known == ("duplicate" if attempts == 1 else "queued")
    await queue.close()


async def test_a_queue_holds_what_is_processed_and_what_waits() -> None:
    go_on = asyncio.Event()

    async def wake(run_id: str, webhook_id: str) -> WakeResult:
        await go_on.wait()
        return WakeResult(Outcome.RESUMED, run_id)

    queue = DeliveryQueue(wake, QueueOptions(concurrency=2, size=3))
    accepted = [queue.accept(delivery(f"run {n}", f"{n}")) for n in range(6)]
    assert accepted == ["queued"] * 5 + ["full"]
    go_on.set()
    await queue.close()
    assert len(queue) == 0


async def test_a_queue_that_closes_makes_no_further_attempt() -> None:
    began, attempts = asyncio.Event(), 0

    async def wake(run_id: str, webhook_id: str) -> WakeResult:
        nonlocal attempts
        attempts += 1
        began.set()
        return WakeResult(Outcome.STILL_ACTIVE, run_id)

    queue = DeliveryQueue(wake, QueueOptions(max_attempts=3))
    queue.accept(delivery("run", "one"))
    await began.wait()
    await asyncio.wait_for(queue.close(), 5)
    assert attempts == 1
    assert len(queue) == 0


@pytest.mark.parametrize(
    ("retried", "attempts", "words"),
    [(True, 2, "it is tried again"), (False, 1, "it is left to the sweep")],
)
async def test_the_operator_says_which_errors_may_be_gone_at_the_next_attempt(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    retried: bool,
    attempts: int,
    words: str,
) -> None:
    monkeypatch.setattr(delivery_queue, "_BACKOFF", RetryPolicy(initial_delay=0, max_delay=0))
    asked, woken = list[BaseException](), list[str]()

    def retry_on(error: BaseException) -> bool:
        asked.append(error)
        return retried

    async def wake(run_id: str, webhook_id: str) -> WakeResult:
        woken.append(webhook_id)
        raise LookupError

    queue = DeliveryQueue(wake, QueueOptions(max_attempts=2, retry_on=retry_on))
    queue.accept(delivery("run", "one"))
    await queue._tasks["one"]
    assert (len(woken), len(asked)) == (attempts, attempts)
    assert f"could not be resumed; {words}: LookupError" in caplog.text
    assert queue.accept(delivery("run", "one")) == "queued"
    await queue.close()
