"""Kill points: the places where a process is killed, by name.

Rule: nothing under test is patched. The points sit in what a caller passes in anyway: the transports of
the two clients, the checkpointer, the store, and LangChain's callbacks.

    «where»: «what happens» #«n-th time in this process»

An HTTP exchange has four: `leaving` (nothing has been sent), `sent` (the last byte has left, nobody knows
whether it arrived), `answered` (the server has acted, our code has seen nothing), `read`.
"""

from __future__ import annotations

import inspect
import json
import os
import re
import signal
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import httpx
from langchain_core.callbacks import BaseCallbackHandler

T = TypeVar("T")

EXCHANGE = ("leaving", "sent", "answered", "read")
"""The points of an HTTP exchange."""
_IDS = re.compile(r"/(?:trun|tgrp|intr)_\w+")


class Switch:
    """Counts the points a process passes, and kills it at one of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: Counter[str] = Counter()
        self.passed: list[str] = []
        self._kill_at: str | int | None = None
        self._tell = -1
        self._stop_at: str | None = None
        self._stopped = Path()

    def arm(self, kill_at: str | int | None, tell: int) -> None:
        """Kill at the point of this name or number; `tell` is a pipe that learns which it was."""
        self._kill_at, self._tell = kill_at, tell

    def arm_stop(self, stop_at: str, stopped: Path) -> None:
        """Suspend the process at this point; the file `stopped` is made just before, with its id."""
        self._stop_at, self._stopped = stop_at, stopped

    def __call__(self, point: str) -> None:
        with self._lock:
            self._seen[point] += 1
            name = f"{point} #{self._seen[point]}"
            self.passed.append(name)
            if self._stop_at == name:
                self._stopped.write_text(str(os.getpid()))
                os.kill(os.getpid(), signal.SIGSTOP)
            if self._kill_at in (name, len(self.passed)):
                os.write(self._tell, json.dumps({"killed_at": name}).encode() + b"\n")
                os.kill(os.getpid(), signal.SIGKILL)


passing = Switch()
"""One per process; a forked child arms its own."""


def kind(name: str) -> str:
    """What a point is a case of: `leaving`, `checkpoint put: before`, `start`…"""
    where, what = name.rpartition(" #")[0].rsplit(": ", 1)
    if where.startswith(("put", "aput")):
        return f"checkpoint {'writes' if 'writes' in where else 'put'}: {what}"
    if where.startswith("store"):
        return f"store: {what}"
    if where.endswith("/chat/completions"):
        return f"quick question: {what}"
    if where.startswith("POST") and where.endswith("/runs"):
        return f"paid request: {what}"
    return f"step: {what}" if where.startswith("step") else f"free request: {what}"


# --- HTTP -----------------------------------------------------------------------------------------


def _where(request: httpx.Request) -> str:
    return f"{request.method} {_IDS.sub('/*', request.url.path)}"


class Transport(httpx.HTTPTransport):
    """Real sockets, with four points in every exchange."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        where = _where(request)
        passing(f"{where}: leaving")

        inner = request.extensions["trace"]

        def trace(event: str, info: Any) -> None:
            inner(event, info)
            if event.endswith("send_request_body.complete"):
                passing(f"{where}: sent")

        request.extensions["trace"] = trace
        response = super().handle_request(request)
        passing(f"{where}: answered")
        response.stream = _Stream(cast(httpx.SyncByteStream, response.stream), where)
        return response


class AsyncTransport(httpx.AsyncHTTPTransport):
    """The same for an asynchronous client."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        where = _where(request)
        passing(f"{where}: leaving")

        inner = request.extensions["trace"]

        async def trace(event: str, info: Any) -> None:
            await inner(event, info)
            if event.endswith("send_request_body.complete"):
                passing(f"{where}: sent")

        request.extensions["trace"] = trace
        response = await super().handle_async_request(request)
        passing(f"{where}: answered")
        response.stream = _AsyncStream(cast(httpx.AsyncByteStream, response.stream), where)
        return response


class _Stream(httpx.SyncByteStream):
    def __init__(self, inner: httpx.SyncByteStream, where: str) -> None:
        self._inner, self._where = inner, where

    def __iter__(self) -> Iterator[bytes]:
        yield from self._inner

    def close(self) -> None:
        self._inner.close()
        passing(f"{self._where}: read")


class _AsyncStream(httpx.AsyncByteStream):
    def __init__(self, inner: httpx.AsyncByteStream, where: str) -> None:
        self._inner, self._where = inner, where

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._inner:
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()
        passing(f"{self._where}: read")


# --- LangGraph ------------------------------------------------------------------------------------


def mortal(base: type[T], where: str, *methods: str) -> type[T]:
    """A subclass of a checkpointer or store with a point before and after each of its `methods`."""
    around = {name: _around(getattr(base, name), f"{where}{name}") for name in methods}
    return cast(type[T], type(f"Mortal{base.__name__}", (base,), around))


def _around(method: Callable[..., Any], where: str) -> Callable[..., Any]:
    @wraps(method)
    def blocking(*args: Any, **kwargs: Any) -> Any:
        passing(f"{where}: before")
        value = method(*args, **kwargs)
        passing(f"{where}: after")
        return value

    @wraps(method)
    async def asynchronous(*args: Any, **kwargs: Any) -> Any:
        passing(f"{where}: before")
        value = await method(*args, **kwargs)
        passing(f"{where}: after")
        return value

    return asynchronous if inspect.iscoroutinefunction(method) else blocking


class Steps(BaseCallbackHandler):
    """A point at the start and the end of every step of a graph, and of every tool call."""

    run_inline = True
    raise_error = True

    def __init__(self) -> None:
        self._running: dict[Any, str] = {}

    def on_chain_start(self, serialized: Any, inputs: Any, *, run_id: Any, **more: Any) -> None:
        node = (more.get("metadata") or {}).get("langgraph_node")
        if more.get("name") == node and node is not None:
            self._start(run_id, f"step {node}")

    def on_chain_end(self, outputs: Any, *, run_id: Any, **_: Any) -> None:
        self._end(run_id)

    def on_tool_start(self, serialized: Any, input_str: str, *, run_id: Any, **more: Any) -> None:
        self._start(run_id, f"step tool {more.get('name') or 'call'}")

    def on_tool_end(self, output: Any, *, run_id: Any, **_: Any) -> None:
        self._end(run_id)

    def _start(self, run_id: Any, step: str) -> None:
        self._running[run_id] = step
        passing(f"{step}: start")

    def _end(self, run_id: Any) -> None:
        step = self._running.pop(run_id, None)
        if step is not None:
            passing(f"{step}: end")
