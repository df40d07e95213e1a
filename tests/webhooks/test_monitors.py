"""Deliveries about monitors: handed on to the caller's function until it has returned, or passed over."""

from __future__ import annotations

import asyncio
import functools
import threading
import time
from typing import Any

import httpx
import pytest

from langchain_parallel.webhooks import MonitorDelivery

from .deliveries import SECRET, headers
from .test_endpoint import PATH, Hooked
from .test_request_forms import monitor_body

BODY = monitor_body()


async def post(http: httpx.AsyncClient, webhook_id: str = "whevent_1") -> tuple[int, Any]:
    signed = headers(BODY, SECRET.encode(), webhook_id=webhook_id, timestamp=int(time.time()))
    response = await http.post(PATH, content=BODY, headers=signed)
    return response.status_code, response.json()


@pytest.mark.parametrize("way", ["async", "sync", "partial", "object"])
def test_each_delivery_is_handed_on_once(way: str) -> None:
    got: list[tuple[MonitorDelivery, bool]] = []

    async def main() -> None:
        loop_thread = threading.get_ident()

        def keep(delivery: MonitorDelivery) -> None:
            got.append((delivery, threading.get_ident() == loop_thread))

        async def keep_awaited(delivery: MonitorDelivery) -> None:
            keep(delivery)

        class Keeper:
            async def __call__(self, delivery: MonitorDelivery) -> None:
                keep(delivery)

        partial = functools.partial(keep_awaited)
        ways = {"async": keep_awaited, "sync": keep, "partial": partial, "object": Keeper()}
        async with Hooked().http(on_monitor=ways[way]) as http:
            said = {"delivery": "handed on", "type": "monitor.event.detected"}
            assert await post(http) == (200, said)
            assert (await post(http))[1]["delivery"] == "duplicate"

    asyncio.run(main())
    [(delivery, in_loop)] = got
    assert (delivery.monitor_id, delivery.event_group_id) == ("mon_1", "mevtgrp_1")
    assert in_loop == (way != "sync")


def test_without_a_function_it_is_passed_over() -> None:
    async def main() -> None:
        async with Hooked().http() as http:
            said = {"delivery": "passed over", "type": "monitor.event.detected"}
            assert await post(http) == (200, said)

    asyncio.run(main())


def test_what_fails_is_sent_again_and_only_the_one_that_is_under_way_waits(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tries: list[str] = []

    async def main() -> None:
        release, called = asyncio.Event(), asyncio.Semaphore(0)

        async def handle(delivery: MonitorDelivery) -> None:
            tries.append(delivery.webhook_id)
            called.release()
            if len(tries) == 1:
                raise ValueError("secret-of-the-caller")
            await release.wait()

        async with Hooked().http(on_monitor=handle) as http:
            assert (await post(http))[0] == 500
            await called.acquire()
            waiting = asyncio.ensure_future(post(http))
            await called.acquire()
            assert (await post(http))[0] == 503
            other = asyncio.ensure_future(post(http, "whevent_2"))
            await called.acquire()
            release.set()
            assert [(await each)[0] for each in (waiting, other)] == [200, 200]

    asyncio.run(main())
    assert tries == ["whevent_1", "whevent_1", "whevent_2"]
    [logged] = [r for r in caplog.records if "on_monitor" in r.getMessage()]
    assert "secret-of-the-caller" not in logged.getMessage()
