from __future__ import annotations

import asyncio
import threading
import time

from langchain_parallel.simulator import ManualClock, RealClock


def test_a_sleep_on_a_manual_clock_takes_virtual_time_only() -> None:
    clock, before = ManualClock(start=1000.0), time.monotonic()
    clock.sleep(7200)
    assert (clock.now(), clock.monotonic()) == (8200.0, 7200.0)
    assert time.monotonic() - before < 1


async def test_sleeps_at_the_same_time_overlap() -> None:
    clock = ManualClock()
    await asyncio.gather(*(clock.asleep(60) for _ in range(10)))
    assert clock.monotonic() == 60


async def test_a_shorter_sleep_does_not_move_time_back() -> None:
    clock = ManualClock()
    await asyncio.gather(clock.asleep(60), clock.asleep(5))
    assert clock.monotonic() == 60


def test_sleeps_in_many_threads_all_count() -> None:
    clock = ManualClock()
    threads = [threading.Thread(target=clock.sleep, args=(n,)) for n in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clock.monotonic() >= 49


async def test_the_real_clock_is_real() -> None:
    clock = RealClock()
    before = clock.monotonic()
    clock.sleep(0.01)
    await clock.asleep(0.01)
    assert clock.monotonic() - before >= 0.02
    assert abs(clock.now() - time.time()) < 5
