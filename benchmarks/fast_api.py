"""A fast server of the Task API, in its own process: the simulator would be the slowest part of a case.

    python -m benchmarks.fast_api

It checks nothing, forgets nothing until it is reset, and gives every question the same answer. It prints its
address; `POST /control/reset` sets how long runs and requests take, `GET /control/stats` says what has come.

Rule: what it sends has the form of what the simulator sends (`tests/test_benchmarks.py` compares them).
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import resource
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from .report import realistic_report
from .request_kinds import request_kind

_TIME = "2026-01-01T00:00:00.000000Z"
_LONGEST_POLL = 600.0


def _answer_output() -> dict[str, Any]:
    """A report cut to four of its fields: 11 kB as JSON."""
    report = realistic_report()
    names = list(report["content"])[:4]
    basis = [{"field": name, **report["basis"][name]} for name in names]
    content = {name: str(report["content"][name]) for name in names}
    return {"type": "json", "content": content, "basis": basis, "output_schema": None}


OUTPUT = json.dumps(_answer_output())


@dataclass(eq=False)
class _Run:
    run_id: str
    processor: str
    metadata: str
    group: _Group | None
    ends: float
    """On the loop's clock, which is that of `time.monotonic`."""
    has_ended: bool = False
    watchers: list[Callable[[], None]] = field(default_factory=list)

    def to_json(self) -> str:
        status = "completed" if self.has_ended else "running"
        group = f'"{self.group.group_id}"' if self.group else "null"
        return (
            f'{{"run_id": "{self.run_id}", "interaction_id": "{self.run_id.replace("trun", "intr")}", '
            f'"status": "{status}", "is_active": {"false" if self.has_ended else "true"}, '
            f'"warnings": null, "processor": "{self.processor}", "metadata": {self.metadata}, '
            f'"taskgroup_id": {group}, "created_at": "{_TIME}", "modified_at": "{_TIME}"}}'
        )

    def result(self) -> str:
        return f'{{"run": {self.to_json()}, "output": {OUTPUT}}}'

    def event(self, *, number: int | None = None, output: bool = False) -> bytes:
        """Its state as an event, with its output if that is asked for and there is one."""
        shown = f', "output": {OUTPUT}' if output and self.has_ended else ""
        event_id = "null" if number is None else f'"{number}"'
        data = (
            f'{{"type": "task_run.state", "event_id": {event_id}, "run": {self.to_json()}{shown}}}'
        )
        return f"event: task_run.state\ndata: {data}\n\n".encode()


@dataclass(eq=False)
class _Group:
    group_id: str
    metadata: dict[str, Any]
    runs: list[_Run] = field(default_factory=list)
    ended: list[_Run] = field(default_factory=list)
    watchers: list[Callable[[], None]] = field(default_factory=list)

    @property
    def is_active(self) -> bool:
        return len(self.ended) < len(self.runs)

    def status(self) -> dict[str, Any]:
        counts = {"running": len(self.runs) - len(self.ended), "completed": len(self.ended)}
        return {
            "num_task_runs": len(self.runs),
            "task_run_status_counts": {name: count for name, count in counts.items() if count},
            "is_active": self.is_active,
            "status_message": "",
            "modified_at": _TIME,
        }

    def to_json(self) -> str:
        own = {"taskgroup_id": self.group_id, "metadata": self.metadata, "created_at": _TIME}
        return json.dumps({**own, "status": self.status()})


class _Account:
    """All that the server knows: its runs and groups, and what has come so far."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.open = 0
        self.reset({})

    def reset(self, settings: dict[str, Any]) -> None:
        """Forget everything. `seconds`: of a run, one number or two between which it lies; `latency`: seconds
        until a request is acted upon.
        """
        seconds = settings.get("seconds", 0.0)
        self.seconds = seconds if isinstance(seconds, list) else [seconds, seconds]
        self.latency = float(settings.get("latency", 0.0))
        self.chance = random.Random(16)
        self.prefix = os.urandom(8).hex()  # ids of two servers of one machine differ
        self.runs: dict[str, _Run] = {}
        self.groups: dict[str, _Group] = {}
        self.kinds: Counter[str] = Counter()
        self.connections = 0
        self.slowest = 0.0
        self.most_open = self.open
        self.cpu = time.process_time()

    def stats(self) -> dict[str, Any]:
        return {
            "requests": dict(self.kinds),
            "connections": self.connections,
            "most_open": self.most_open,
            "billed": len(self.runs),
            "cpu": time.process_time() - self.cpu,
            "slowest": self.slowest,
        }

    def add_run(self, asked: dict[str, Any], group: _Group | None) -> _Run:
        seconds = self.chance.uniform(*self.seconds)
        self.slowest = max(self.slowest, seconds)
        ends = self.loop.time() + seconds
        run = _Run(
            f"trun_{self.prefix}{len(self.runs):016x}",
            asked.get("processor", "lite"),
            json.dumps(asked.get("metadata") or {}),
            group,
            ends,
        )
        self.runs[run.run_id] = run
        if group:
            group.runs.append(run)
        if ends <= self.loop.time():
            self._end(run)
        else:
            self.loop.call_at(ends, self._end, run)
        return run

    def _end(self, run: _Run) -> None:
        run.has_ended = True
        watchers, run.watchers = run.watchers, []
        if run.group:
            run.group.ended.append(run)
            watchers = [*watchers, *run.group.watchers]
        for watcher in watchers:
            watcher()

    def add_group(self, metadata: dict[str, Any]) -> _Group:
        group = _Group(f"tgrp_{self.prefix}{len(self.groups):016x}", metadata)
        self.groups[group.group_id] = group
        return group


class _Connection(asyncio.Protocol):
    """One connection: HTTP/1.1, one request at a time."""

    transport: asyncio.Transport

    def __init__(self, account: _Account) -> None:
        self.account = account
        self.buffer = b""
        self.is_counted = False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.account.open -= self.is_counted

    def _count(self, kind: str) -> None:
        account = self.account
        account.kinds[kind] += 1
        if not self.is_counted:  # a connection for controls never is
            self.is_counted = True
            account.connections += 1
            account.open += 1
            account.most_open = max(account.most_open, account.open)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end].lower()
            _, found, after = head.partition(b"content-length:")
            length = int(after.partition(b"\r\n")[0]) if found else 0
            if len(self.buffer) < end + 4 + length:
                return
            body = self.buffer[end + 4 : end + 4 + length]
            method, target, _ = self.buffer[:end].partition(b"\r\n")[0].decode().split(" ")
            self.buffer = self.buffer[end + 4 + length :]
            path, _, query = target.partition("?")
            self._request(method, path.replace("/v1beta/", "/v1/"), query, body)

    def _request(self, method: str, path: str, query: str, body: bytes) -> None:
        if path.startswith("/control/"):
            return self._control(path, body)
        self._count(request_kind(method, path))
        if self.account.latency:
            self.account.loop.call_later(self.account.latency, self._act, method, path, query, body)
        else:
            self._act(method, path, query, body)
        return None

    def _control(self, path: str, body: bytes) -> None:
        if path.endswith("reset"):
            self.account.reset(json.loads(body))
        ends = {run.run_id: run.ends for run in self.account.runs.values()}
        self._send(json.dumps(ends if path.endswith("ends") else self.account.stats()))

    def _act(self, method: str, path: str, query: str, body: bytes) -> None:  # noqa: C901 -- a table
        account, parts = self.account, path.split("/")[3:]
        asked = json.loads(body) if body else {}
        options = dict(parse_qsl(query))
        try:
            match (method, parts):
                case ("POST", ["runs"]):
                    self._send(account.add_run(asked, None).to_json(), b"202 Accepted")
                case ("POST", ["groups"]):
                    self._send(account.add_group(asked.get("metadata") or {}).to_json())
                case ("GET", ["groups", group_id]):
                    self._send(account.groups[group_id].to_json())
                case ("POST", ["groups", group_id, "runs"]):
                    self._add_runs(account.groups[group_id], asked["inputs"])
                case ("GET", ["groups", group_id, "runs"]):
                    self._list(account.groups[group_id], options)
                case ("GET", ["groups", group_id, "events"]):
                    self._follow_group(account.groups[group_id], options)
                case ("GET", ["runs", run_id]):
                    self._send(account.runs[run_id].to_json())
                case ("GET", ["runs", run_id, "result"]):
                    self._await_result(account.runs[run_id], options)
                case ("GET", ["runs", run_id, "events"]):
                    self._follow_run(account.runs[run_id])
                case _:
                    raise KeyError
        except KeyError:  # no such run, group or path
            message = {"type": "error", "error": {"ref_id": "", "message": "not found"}}
            self._send(json.dumps(message), b"404 Not Found")

    def _add_runs(self, group: _Group, inputs: list[dict[str, Any]]) -> None:
        ids = [self.account.add_run(asked, group).run_id for asked in inputs]
        cursors = {"run_cursor": None, "event_cursor": None}
        self._send(json.dumps({"status": group.status(), "run_ids": ids, **cursors}))

    def _await_result(self, run: _Run, options: dict[str, str]) -> None:
        if run.has_ended:
            return self._send(run.result())

        def answer() -> None:
            timer.cancel()
            self._send(run.result())

        def give_up() -> None:
            run.watchers.remove(answer)
            error = {"ref_id": "", "message": "The run is still active."}
            self._send(json.dumps({"type": "error", "error": error}), b"408 Request Timeout")

        timer = self.account.loop.call_later(
            min(float(options.get("timeout", _LONGEST_POLL)), _LONGEST_POLL), give_up
        )
        run.watchers.append(answer)
        return None

    # --- streams ---

    def _follow_run(self, run: _Run) -> None:
        def end() -> None:
            self._chunk(run.event(output=True))
            self._chunk(b"")

        self._begin_stream()
        if run.has_ended:
            end()
        else:
            self._chunk(run.event())
            run.watchers.append(end)

    def _list(self, group: _Group, options: dict[str, str]) -> None:
        output = options.get("include_output") == "true"
        first = int(options.get("last_event_id", 0))
        self._begin_stream()
        for number, run in enumerate(group.runs[first:], first + 1):
            if options.get("status", "completed") == "completed" or not run.has_ended:
                self._chunk(run.event(number=number, output=output))
        self._chunk(b"")

    def _follow_group(self, group: _Group, options: dict[str, str]) -> None:
        told = int(options.get("last_event_id", 0))

        def tell() -> None:
            nonlocal told
            for run in group.ended[told:]:
                told += 1
                self._chunk(run.event(number=told))
            if not group.is_active or self.transport.is_closing():
                self._chunk(b"")
                if tell in group.watchers:
                    group.watchers.remove(tell)

        self._begin_stream()
        group.watchers.append(tell)
        tell()

    def _begin_stream(self) -> None:
        self.transport.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        )

    def _chunk(self, data: bytes) -> None:
        self.transport.write(b"%x\r\n%b\r\n" % (len(data), data))

    def _send(self, body: str, status: bytes = b"200 OK") -> None:
        data = body.encode()
        self.transport.write(
            b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
            % (status, len(data), data)
        )


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    account = _Account(loop)
    server = await loop.create_server(lambda: _Connection(account), "127.0.0.1", 0, backlog=4_096)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)  # noqa: T201
    await server.serve_forever()


def main() -> None:
    """Serve until killed."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    asyncio.run(_serve())


if __name__ == "__main__":
    main()
