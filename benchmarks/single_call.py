"""What one small call costs beside the same requests by bare httpx.

    python -m benchmarks.single_call [--small] [--profile]

The simulator is a server in its own process, and its runs take no time, so that only requests are left. Ours
and the control take turns in one process, each with one client that has been warmed up, so that both have the
same machine and the same load. The control sends the requests that ours has sent, with the same headers and
the same bodies, and parses the answers as JSON. Compare the ratios, not the times.
"""

from __future__ import annotations

import asyncio
import cProfile
import json
import pstats
import statistics
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack
from typing import Any, TypeAlias

import httpx

from langchain_parallel import AsyncParallelClient, ParallelClient
from langchain_parallel.models import TaskRunInput

from .figures import Row, option_parser, save, show, table
from .throughput import Server, start_simulator
from .wire import request_kind

CALLS, ROUNDS = 20, 21
"""Of ours, fewer than the 2,000 that a client sends in a minute."""
SMALL_CALLS, SMALL_ROUNDS = 3, 2

_KEY = "key-of-a-benchmark"
_BETAS = "events-sse-2025-07-24,field-basis-2025-11-25"

Way: TypeAlias = Callable[[int], object]
"""Makes the call of this number, blocking."""
AsyncWay: TypeAlias = Callable[[int], Awaitable[object]]


def _question(number: int) -> str:
    return f"Question {number:04}: how large is the market?"


# --- bare httpx ----------------------------------------------------------------------------------


def _paid(group_id: str, number: int) -> dict[str, Any]:
    """The paid request, as this package writes it."""
    run = {
        "processor": "lite",
        "metadata": {"lcp_key": f"{number:064}"},
        "input": _question(number),
    }
    body = json.dumps({"inputs": [run]}).encode()
    headers = {"content-type": "application/json", "parallel-beta": "field-basis-2025-11-25"}
    url = f"/v1/tasks/groups/{group_id}/runs"
    return {
        "method": "POST",
        "url": url,
        "params": {"refresh_status": "false"},
        "content": body,
        "headers": headers,
    }


def _events(run_id: str) -> dict[str, Any]:
    headers = {"accept": "text/event-stream", "parallel-beta": _BETAS}
    return {"method": "GET", "url": f"/v1/tasks/runs/{run_id}/events", "headers": headers}


def _last_event(text: str) -> Any:
    return [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")][-1]


def bare(http: httpx.Client, group_id: str, *, reads_run: bool) -> Way:
    """The requests of one call, by hand."""

    def call(number: int) -> object:
        [run_id] = http.request(**_paid(group_id, number)).json()["run_ids"]
        if reads_run:
            http.get(f"/v1/tasks/runs/{run_id}").json()
        return _last_event(http.request(**_events(run_id)).text)["output"]

    return call


def abare(http: httpx.AsyncClient, group_id: str, *, reads_run: bool) -> AsyncWay:
    """As `bare`, asynchronous."""

    async def call(number: int) -> object:
        [run_id] = (await http.request(**_paid(group_id, number))).json()["run_ids"]
        if reads_run:
            (await http.get(f"/v1/tasks/runs/{run_id}")).json()
        return _last_event((await http.request(**_events(run_id))).text)["output"]

    return call


# --- this package --------------------------------------------------------------------------------


def ours(client: ParallelClient, group_id: str) -> Way:
    """`submit` at a place that no request can have used, and `wait`."""

    def call(number: int) -> object:
        request = TaskRunInput(input=_question(number), processor="lite")
        run = client.submit(group_id, request, lookup="none").run
        return client.wait(run.run_id).output

    return call


def aours(client: AsyncParallelClient, group_id: str) -> AsyncWay:
    """As `ours`, asynchronous."""

    async def call(number: int) -> object:
        request = TaskRunInput(input=_question(number), processor="lite")
        run = (await client.submit(group_id, request, lookup="none")).run
        return (await client.wait(run.run_id)).output

    return call


# --- measuring -----------------------------------------------------------------------------------


def measure(
    ways: dict[str, Way], calls: int, rounds: int, profile: cProfile.Profile | None
) -> dict[str, tuple[float, float]]:
    """Milliseconds of a call, and of its CPU time here: medians of rounds that take turns."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    number = 0
    for turn in range(rounds + 1):
        for name, way in ways.items():
            if profile is not None and name.startswith("submit"):
                profile.enable()
            wall, cpu = time.perf_counter(), time.process_time()
            for _ in range(calls):
                number += 1
                way(number)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            if profile is not None:
                profile.disable()
            if turn:  # the first makes the connections
                times[name].append((1000 * wall / calls, 1000 * cpu / calls))
    return {
        name: (statistics.median(w for w, _ in found), statistics.median(c for _, c in found))
        for name, found in times.items()
    }


def _as_blocking(way: AsyncWay, loop: asyncio.AbstractEventLoop) -> Way:
    async def call(number: int) -> object:
        return await way(number)

    return lambda number: loop.run_until_complete(call(number))


def count_requests(server: Server, way: Way) -> list[str]:
    """The requests that one more call sends, by kind."""
    token = {"x-simulator-token": server.control_token}
    with httpx.Client(base_url=f"{server.url}/_simulator", headers=token) as control:
        before = len(control.get("/requests").json())
        way(-1)
        sent = control.get("/requests").json()[before:]
    return [request_kind(entry["method"], entry["path"]) for entry in sent]


def _rows(  # noqa: PLR0917 -- two clients, two controls
    name: str,
    server: Server,
    package: Way,
    control: Callable[[bool], Way],
    size: tuple[int, int],
    profile: cProfile.Profile | None,
) -> list[Row]:
    """The lines of one client, beside bare httpx with the same requests."""
    package(0)  # before the first call is counted
    kinds = count_requests(server, package)
    ways = {f"{name}, bare httpx": control("status" in kinds), name: package}
    found = measure(ways, *size, profile)
    base = found[f"{name}, bare httpx"]
    return [
        {
            "way": way,
            "requests": len(kinds),
            "ms": round(wall, 2),
            "ratio": round(wall / base[0], 2),
            "client CPU ms": round(cpu, 2),
            "CPU ratio": round(cpu / base[1], 2),
        }
        for way, (wall, cpu) in found.items()
    ]


async def _in_loop(stack: AsyncExitStack, server: Server) -> tuple[AsyncParallelClient, Any]:
    client = await stack.enter_async_context(AsyncParallelClient(_KEY, server.url))
    http = httpx.AsyncClient(base_url=server.url, headers={"x-api-key": _KEY})
    return client, await stack.enter_async_context(http)


def main() -> None:
    """Measure, print and save."""
    parser = option_parser(__doc__)
    parser.add_argument("--profile", action="store_true", help="print a profile of this package")
    options = parser.parse_args()
    size = (SMALL_CALLS, SMALL_ROUNDS) if options.small else (CALLS, ROUNDS)
    profile = cProfile.Profile() if options.profile else None
    rows: list[Row] = []
    with start_simulator() as server, ExitStack() as stack:
        token = {"x-simulator-token": server.control_token}
        control = stack.enter_context(httpx.Client(base_url=server.url, headers=token))
        script = {"seconds": 0.0, "times": None}
        control.post("/_simulator/scripts", json=script).raise_for_status()
        client = stack.enter_context(ParallelClient(_KEY, server.url))
        http = stack.enter_context(httpx.Client(base_url=server.url, headers={"x-api-key": _KEY}))
        group_id = client.create_group().taskgroup_id
        rows += _rows(
            "submit + wait",
            server,
            ours(client, group_id),
            lambda reads_run: bare(http, group_id, reads_run=reads_run),
            size,
            profile,
        )
        loop = asyncio.new_event_loop()
        stack.callback(loop.close)
        astack = AsyncExitStack()
        aclient, ahttp = loop.run_until_complete(_in_loop(astack, server))
        rows += _rows(
            "submit + wait, asynchronous",
            server,
            _as_blocking(aours(aclient, group_id), loop),
            lambda reads_run: _as_blocking(abare(ahttp, group_id, reads_run=reads_run), loop),
            size,
            profile,
        )
        loop.run_until_complete(astack.aclose())
    show(f"One call at a time, medians of {size[1]} rounds of {size[0]}\n")
    show(table(rows))
    if profile is not None:
        pstats.Stats(profile).sort_stats("tottime").print_stats(40)
    if not (options.small or options.profile):
        save("single_call", {"calls": size[0], "rounds": size[1], "rows": rows})


if __name__ == "__main__":
    main()
