"""A server with one task group, whose runs end at times that are set, and one who reads their answers."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from langchain_parallel._core.effects import (
    Effect,
    Flow,
    LeaveBeside,
    NoResponse,
    Now,
    OpenStream,
    ReadChunk,
    Request,
    Response,
    Sleep,
    StreamEnded,
    TakeBeside,
)
from langchain_parallel._core.group_results import GroupResults
from langchain_parallel._core.listed_answers import Ended
from langchain_parallel._core.retry import RetryPolicy
from langchain_parallel.models import TaskRun, TaskRunResult

from .helpers import answer

T = TypeVar("T")
GROUP = "tgrp_1"
POLICY = RetryPolicy(max_attempts=2, initial_delay=1.0, max_delay=4.0)
HEAD = answer(200, content_type="text/event-stream")
MOST = 20_000
"""Effects of one flow."""
ANSWER = {"type": "text", "content": "Ada", "basis": []}


class GroupServer:
    """Time passes by the flow's sleeps, and while its streams are silent."""

    def __init__(self, **ends: float) -> None:
        """`ends`: by run id, when the run ends; infinite if it never does."""
        self.ends = ends
        self.time = 0.0
        self.statuses: dict[str, str] = {}
        """By run id, how it ends; `completed` unless it is set."""
        self.log: list[tuple[float, str]] = []
        """When it was asked for what: `events`, `list`, `rest of list`, `answers`, `result a`, or `run a`."""
        self.opened: list[Request] = []
        """The streams of events."""
        self.trouble: dict[str, list[Any]] = {}
        """By what is asked for: what is answered instead, one after the other; None for what is usual."""
        self.hides: set[str] = set()
        """Runs that no list has."""
        self.is_told = True
        """Whether the stream of events brings any."""
        self._chunks: Iterator[object] = iter(())

    def run(self, flow: Flow[T]) -> T:
        """Drive a flow to its end."""
        outcome: object = None
        for _ in range(MOST):
            try:
                effect = flow.send(outcome)
            except StopIteration as end:
                value: T = end.value
                return value
            outcome = self._outcome(effect)
        raise AssertionError("it asks without end")

    def asked(self, what: str) -> list[float]:
        """When it was asked for this."""
        return [time for time, name in self.log if name == what]

    def _outcome(self, effect: Effect) -> object:
        match effect:
            case Now():
                return self.time
            case Sleep(seconds):
                assert seconds >= 0
                self.time += seconds
                return None
            case TakeBeside():
                return False  # `test_brisk_groups.py` has a second connection
            case LeaveBeside():
                return None
            case OpenStream(request):
                return self._open(request)
            case ReadChunk():
                return self._read(effect.seconds)
            case Request():
                return self._answer(effect)
        raise AssertionError(effect)

    def _instead(self, what: str) -> Any:
        self.log.append((self.time, what))
        others = self.trouble.get(what)
        return others.pop(0) if others else None

    def _open(self, request: Request) -> object:
        if request.path.endswith("/events"):
            self.opened.append(request)
            self._told = int(request.query.get("last_event_id", "0"))
            return self._instead("events") or HEAD
        with_answers = request.query.get("include_output") == "true"
        after = request.query.get("last_event_id", "")
        what = "answers" if with_answers else "rest of list" if after else "list"
        other = self._instead(what)
        if other is not None and not isinstance(other, list):
            return other
        shown = [one for one in self.ends if one > after and one not in self.hides]
        chunks = [self.event(one, one, with_answers) for one in shown] if other is None else other
        self._chunks = iter([*chunks, StreamEnded()])
        return HEAD

    def event(self, run_id: str, event_id: str, with_answer: bool = False) -> bytes:
        """The event that tells a run's state, as the server sends it."""
        state = self._state(run_id)
        event = {"type": "task_run.state", "event_id": event_id, "run": state}
        if with_answer and self._status(run_id) == "completed":
            event["output"] = ANSWER
        return f"data: {json.dumps(event)}\n\n".encode()

    def _status(self, run_id: str) -> str:
        return (
            self.statuses.get(run_id, "completed") if self.ends[run_id] <= self.time else "running"
        )

    def _state(self, run_id: str) -> dict[str, Any]:
        return {"run_id": run_id, "interaction_id": f"i{run_id}", "status": self._status(run_id)}

    def _read(self, seconds: float) -> object:
        assert seconds > 0
        if (chunk := next(self._chunks, None)) is not None:
            return chunk
        silence = min(seconds, self.opened[-1].timeout)
        in_order = sorted(self.ends, key=lambda run_id: self.ends[run_id])
        nth = self._told
        if self.is_told and nth < len(in_order) and self.ends[in_order[nth]] <= self.time + silence:
            self.time = max(self.time, self.ends[in_order[nth]])
            self._told += 1
            return self.event(in_order[nth], str(self._told))
        assert silence < math.inf
        self.time += silence
        return NoResponse(sent=True)

    def _answer(self, request: Request) -> Response | NoResponse:
        *_, run_id, last = request.path.split("/")
        if last == "result":
            other = self._instead(f"result {run_id}")
            if other is not None:
                return _response(other)
            status = self._status(run_id)
            if status == "running":
                self.time += 1.0
            if status != "completed":
                return Response(408 if status == "running" else 404)
            return _response({"run": self._state(run_id), "output": ANSWER})
        other = self._instead(f"run {last}")
        if other is not None:
            return _response(other)
        return _response(self._state(last)) if last in self.ends else Response(404)


def _response(given: Any) -> Response | NoResponse:
    is_outcome = isinstance(given, Response | NoResponse)
    return given if is_outcome else answer(200, json.dumps(given))


class Reader:
    """The runs of a server's group, as one reads their answers."""

    def __init__(self, server: GroupServer, size: int | None = None, **options: Any) -> None:
        self.server = server
        count = len(server.ends) if size is None else size
        self.group = GroupResults(GROUP, POLICY, count, server.time, **options)
        self.taken: dict[str, Ended] = {}
        """By run id, in the order in which they came."""
        self.times: dict[str, float] = {}

    def take(self, ticket: Any, ended: Ended) -> Flow[None]:
        assert ticket not in self.taken
        self.taken[ticket], self.times[ticket] = ended, self.server.time
        yield from ()

    def await_all(self, run_ids: Iterable[str] = (), **fields: Any) -> Reader:
        """Await these runs, which are their own tickets; all, unless any is named."""
        for run_id in run_ids or self.server.ends:
            self.group.await_run(
                TaskRun(run_id=run_id, **{"status": "queued", **fields}), ticket=run_id
            )
        return self

    def collect(self, until: float = 10_000.0) -> Reader:
        self.server.run(self.group.collect(until, self.take))
        return self

    @property
    def answered(self) -> set[str]:
        return {name for name, ended in self.taken.items() if isinstance(ended, TaskRunResult)}


def many(number: int, time: float, first: int = 0) -> dict[str, float]:
    """Runs that end then."""
    return {f"r{nth:03}": time for nth in range(first, first + number)}
