"""How long do 1,000 concurrent runs of 2 seconds take in one process?

    python -m benchmarks.throughput [--small] [--official] [--profile] [--only NAME …]

The simulator is a server in its own process, and each way to run gets a new one. The control is plain httpx
with the fewest possible requests: one POST and one long poll per run. With one httpx client it is slow,
because httpx's pool looks at every connection for every request; 20 clients that share the runs are faster,
and 200, the floor, are faster still. Seconds depend on the machine and its load, so compare the ratios of CPU
time, and the numbers of requests, connections and bytes.
"""

from __future__ import annotations

import asyncio
import cProfile
import os
import pstats
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import httpx

from langchain_parallel import AsyncParallelClient, ParallelTaskTool
from langchain_parallel.models import TaskRunInput
from langchain_parallel.simulator import RunningServer

from .figures import Row, option_parser, save, show, table
from .request_kinds import request_kind

RUNS, SECONDS = 1000, 2.0
SMALL_RUNS, SMALL_SECONDS = 20, 0.2
CONTROL = "bare httpx, 20 clients"

_KEY = "key-of-a-benchmark"
_PROCESSOR = "lite"
_TIMEOUT = 600.0
"""Seconds."""

Way: TypeAlias = Callable[[str, int], Awaitable[list[str]]]
"""Takes the server's address and a number of runs, makes the runs at once, and returns the ids of those that
were answered."""


# --- ways ----------------------------------------------------------------------------------------


def _question(number: int) -> str:
    return f"Question {number:04}: how large is the market?"


def bare(clients: int) -> Way:
    """Plain httpx: a POST and a long poll for each run, divided among this many clients."""

    async def way(url: str, runs: int) -> list[str]:
        # The beta that this package uses, so that the answers have the same size.
        headers = {"x-api-key": _KEY, "parallel-beta": "field-basis-2025-11-25"}
        limits = httpx.Limits(max_connections=max(1, 1000 // clients))
        ssl_context = (
            httpx.create_ssl_context()
        )  # only once, because it takes longer than a request
        async with AsyncExitStack() as stack:
            https = [
                await stack.enter_async_context(
                    httpx.AsyncClient(
                        base_url=url,
                        headers=headers,
                        limits=limits,
                        timeout=_TIMEOUT,
                        verify=ssl_context,
                    )
                )
                for _ in range(clients)
            ]

            async def one(number: int) -> str:
                http = https[number % clients]
                body = {"input": _question(number), "processor": _PROCESSOR}
                run = (await http.post("/v1/tasks/runs", json=body)).raise_for_status().json()
                address = f"/v1/tasks/runs/{run['run_id']}/result"
                result = (await http.get(address)).raise_for_status().json()
                return str(result["run"]["run_id"])

            return await asyncio.gather(*map(one, range(runs)))

    return way


def submit_and_wait(ledgers: int) -> Way:
    """This package's client: `submit`, then `wait`, with this many ledgers."""

    async def way(url: str, runs: int) -> list[str]:
        async with AsyncParallelClient(_KEY, url) as client:
            ids = [(await client.create_group()).taskgroup_id for _ in range(ledgers)]

            async def one(number: int) -> str:
                request = TaskRunInput(input=_question(number), processor=_PROCESSOR)
                submission = await client.submit(ids[number % ledgers], request)
                return (await client.wait(submission.run.run_id)).run.run_id

            return await asyncio.gather(*map(one, range(runs)))

    return way


async def run_tool_batch(url: str, runs: int) -> list[str]:
    """This package's tool, in a batch of LangChain."""
    async with AsyncParallelClient(_KEY, url) as client:
        tool = ParallelTaskTool(processor=_PROCESSOR, client=client)
        contents = await tool.abatch([{"input": _question(n)} for n in range(runs)])
    return re.findall(r"^run_id: (\w+)$", "\n".join(contents), re.MULTILINE)


async def official(url: str, runs: int) -> list[str]:
    """The official SDK (`parallel-web`, a test dependency): create, then result."""
    from parallel import AsyncParallel

    async with AsyncParallel(api_key=_KEY, base_url=url) as client:

        async def one(number: int) -> str:
            run = await client.task_run.create(input=_question(number), processor=_PROCESSOR)
            return (await client.task_run.result(run.run_id)).run.run_id

        return await asyncio.gather(*map(one, range(runs)))


WAYS: dict[str, Way] = {
    "bare httpx, 200 clients": bare(200),
    "bare httpx, 20 clients": bare(20),
    "bare httpx, one client": bare(1),
    "submit + wait, one ledger": submit_and_wait(1),
    "submit + wait, 20 ledgers": submit_and_wait(20),
    "tool.abatch": run_tool_batch,
}
OFFICIAL = "official SDK"


# --- measuring -----------------------------------------------------------------------------------


@dataclass
class Server:
    """A simulator in its own process. `cpu` (seconds) is set when it has stopped."""

    url: str
    control_token: str
    cpu: float = 0.0


@contextmanager
def start_simulator() -> Iterator[Server]:
    """Start a simulator, and stop it at the end of the block."""
    command = [sys.executable, "-m", "langchain_parallel", "simulator"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url, token = process.stdout.readline(), process.stdout.readline()
        server = Server(url.strip(), token.rpartition(" ")[2].strip())
        try:
            yield server
        finally:
            process.terminate()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            server.cpu = usage.ru_utime + usage.ru_stime


class CountingLoop(asyncio.SelectorEventLoop):
    """An event loop that counts the connections that it opens and the bytes that it receives."""

    connections = 0
    received = 0

    async def create_connection(
        self, protocol_factory: Callable[[], Any], *args: Any, **more: Any
    ) -> Any:
        """Count the connection and its bytes."""
        self.connections += 1

        def counting_protocol() -> Any:
            protocol = protocol_factory()
            receive = protocol.data_received

            def data_received(data: bytes) -> None:
                self.received += len(data)
                receive(data)

            protocol.data_received = data_received
            return protocol

        return await super().create_connection(counting_protocol, *args, **more)


@dataclass(frozen=True)
class Measurement:
    """What one way needed."""

    wall: float
    cpu: float
    """Seconds of CPU in this process."""
    answered: int
    """The number of different runs that were answered."""
    billed: int
    kinds: Counter[str]
    connections: int
    received: int
    """Bytes."""

    @property
    def paid(self) -> int:
        """Requests that can cost money."""
        return self.kinds["paid"]


def measure(way: Way, server: Server | RunningServer, runs: int, seconds: float) -> Measurement:
    """Make this many runs at once, each of which takes `seconds`."""
    url, token = server.url, {"x-simulator-token": server.control_token}
    with httpx.Client(base_url=f"{url}/_simulator", timeout=_TIMEOUT, headers=token) as control:
        control.post("/scripts", json={"seconds": seconds, "times": None}).raise_for_status()
        loop = CountingLoop()
        try:
            wall_start, cpu_start = time.perf_counter(), time.process_time()
            found = loop.run_until_complete(way(url, runs))
            wall, cpu = time.perf_counter() - wall_start, time.process_time() - cpu_start
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            loop.close()
        requests = control.get("/requests").json()
        billed = control.get("/billing").json()["billed"]
    kinds = Counter(request_kind(entry["method"], entry["path"]) for entry in requests)
    return Measurement(
        wall, cpu, len(set(found)), len(billed), kinds, loop.connections, loop.received
    )


def row(
    name: str, runs: int, found: Measurement, server_cpu: float, control: Measurement | None
) -> Row:
    """One line for a way, with ratios to the control if that was measured."""
    baseline = control or found
    return {
        "way": name,
        "wall s": round(found.wall, 2),
        "wall ratio": round(found.wall / baseline.wall, 2),
        "client CPU s": round(found.cpu, 2),
        "CPU ratio": round(found.cpu / baseline.cpu, 2),
        "server CPU s": round(server_cpu, 2),
        "answered": found.answered,
        "billed": found.billed,
        "requests a run": round(sum(found.kinds.values()) / runs, 2),
        "connections a run": round(found.connections / runs, 2),
        "kB received a run": round(found.received / runs / 1000, 1),
    }


def main() -> None:
    """Measure, print and save."""
    parser = option_parser(__doc__)
    parser.add_argument("--official", action="store_true", help="also measure the official SDK")
    parser.add_argument("--profile", action="store_true", help="print a profile of this process")
    parser.add_argument(
        "--only", nargs="+", choices=[*WAYS, OFFICIAL], help="measure only these; saves no figures"
    )
    options = parser.parse_args()
    runs, seconds = (SMALL_RUNS, SMALL_SECONDS) if options.small else (RUNS, SECONDS)
    ways = {**WAYS, **({OFFICIAL: official} if options.official else {})}
    if options.only:
        ways = {name: {**WAYS, OFFICIAL: official}[name] for name in options.only}
    rows: list[Row] = []
    kinds: dict[str, dict[str, int]] = {}
    control: Measurement | None = None
    for name, way in ways.items():
        profile = cProfile.Profile()
        with start_simulator() as server:
            if options.profile:
                profile.enable()
            found = measure(way, server, runs, seconds)
            profile.disable()
        control = found if name == CONTROL else control
        rows.append(row(name, runs, found, server.cpu, control))
        kinds[name] = dict(found.kinds)
        if options.profile:
            show(f"\n{name}")
            pstats.Stats(profile).sort_stats("tottime").print_stats(20)
    show(f"{runs} concurrent runs of {seconds:g} s\n")
    show(table(rows))
    if not (options.small or options.only or options.profile):
        save("throughput", {"runs": runs, "seconds": seconds, "rows": rows, "requests": kinds})


if __name__ == "__main__":
    main()
