from __future__ import annotations

import asyncio
import threading

import pytest

from langchain_parallel._locks.process import ahold, hold, process_lock
from langchain_parallel.errors import ParallelError


def test_one_name_is_one_lock_and_it_goes_with_its_last_user() -> None:
    lock = process_lock("a")
    assert process_lock("a") is lock
    assert process_lock("b") is not lock


def test_threads_and_event_loops_keep_each_other_out() -> None:
    inside, most = 0, 0
    guard = threading.Lock()

    def work() -> None:
        nonlocal inside, most
        with guard:
            inside += 1
            most = max(most, inside)
        threading.Event().wait(0.001)
        with guard:
            inside -= 1

    def blocking() -> None:
        for _ in range(5):
            with hold("shared"):
                work()

    async def awaiting() -> None:
        async def once() -> None:
            async with ahold("shared"):
                work()

        await asyncio.gather(*(once() for _ in range(5)))

    threads = [threading.Thread(target=blocking) for _ in range(3)]
    threads += [threading.Thread(target=asyncio.run, args=(awaiting(),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not any(thread.is_alive() for thread in threads)
    assert most == 1


async def test_a_cancelled_waiter_leaves_nothing_behind() -> None:
    async with ahold("c"):
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(process_lock("c").aacquire(), 0.02)
    async with ahold("c"):
        pass


async def test_a_blocking_call_that_would_wait_for_its_own_loop_is_refused() -> None:
    async with ahold("d"):
        with pytest.raises(ParallelError, match=r"wait for ever .* in a thread"), hold("d"):
            pass
    with hold("d"):
        pass
