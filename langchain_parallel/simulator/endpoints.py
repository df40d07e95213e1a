"""The HTTP surface: one function per call of the API, and the table that leads to them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from .answers import (
    Answer,
    ApiError,
    Chunk,
    JsonObject,
    Request,
    Step,
    Wait,
    error_answer,
    json_answer,
    sse_answer,
    sse_event,
)
from .groups import Group, cursor, status_of
from .progress import progress_events, state_event
from .runs import Run
from .validation import MAX_GROUP_RUNS, invalid, metadata_problems

if TYPE_CHECKING:
    from .world import Simulator

__all__ = ["route"]

_STATUSES = (
    *("queued", "action_required", "running", "completed", "failed", "cancelling", "cancelled"),
)


def route(world: Simulator, request: Request) -> Answer:
    """The answer of the call this request makes. Raises ApiError; called under the lock."""
    for method, pattern, endpoint in _ROUTES:
        found = pattern.fullmatch(request.path)
        if found and method == request.method:
            return endpoint(world, request, **found.groupdict())
    raise ApiError(404, f"Not found: {request.method} {request.path}")


# -- runs ------------------------------------------------------------------------------------------


def _create_run(world: Simulator, request: Request) -> Answer:
    [run] = world.create_runs([request.json()], request.betas)
    return json_answer(202, run.wire(run.created, world.epoch, "queued"))


def _retrieve_run(world: Simulator, request: Request, run_id: str) -> Answer:
    return json_answer(200, world.find_run(run_id).wire(world.monotonic, world.epoch))


def _run_input(world: Simulator, request: Request, run_id: str) -> Answer:
    return json_answer(200, world.find_run(run_id).request)


def _run_result(world: Simulator, request: Request, run_id: str) -> Answer:
    run = world.find_run(run_id)
    until = world.monotonic + _number(request, "timeout", 600.0)

    def steps() -> Iterator[Step]:
        while run.is_active_at(world.monotonic) and world.monotonic < until:
            yield Wait(min(until, run.ends), run.run_id)
        with world.lock:
            answer = _result_now(world, run)
        yield from answer.steps

    return Answer(steps())


def _result_now(world: Simulator, run: Run) -> Answer:
    """The result, or what stands in its way: 408 while active, 404 where there is none."""
    status = run.status_at(world.monotonic)
    if status == "completed":
        body = {"run": run.wire(world.monotonic, world.epoch), "output": world.finish_output(run)}
        return json_answer(200, body)
    detail = {"run_id": run.run_id, "status": status}
    if run.is_active_at(world.monotonic):
        message = "Request timed out; run still active"
        return error_answer(ApiError(408, message, detail), world.new_ref_id())
    error = run.error or {}
    message = error.get("message", f"Run has no result: its status is {status}")
    return error_answer(
        ApiError(404, message, detail, ref_id=error.get("ref_id")), world.new_ref_id()
    )


def _run_events(world: Simulator, request: Request, run_id: str) -> Answer:
    return sse_answer(_run_stream(world, world.find_run(run_id)))


def _run_stream(world: Simulator, run: Run) -> Iterator[Step]:
    """The run's whole story from its start, as far as time has come, until it ends."""
    closes = world.monotonic + world.stream_seconds
    yield sse_event(state_event(run, run.created, world.epoch, output=False))
    sent = 0
    while True:
        now = world.monotonic
        ahead = progress_events(run, world.epoch)[sent:]
        due = [event for at, event in ahead if at <= now]
        sent += len(due)
        yield from map(sse_event, due)
        if run.is_over_at(now):
            yield _final_state(world, run, now)
            return
        if now >= closes:
            return
        upcoming = [at for at, _ in ahead[len(due) :]]
        yield Wait(min([closes, run.ends, *upcoming]), run.run_id)


def _final_state(world: Simulator, run: Run, now: float) -> Chunk:
    with world.lock:
        world.finish_output(run)
        return sse_event(state_event(run, now, world.epoch))


# -- groups ----------------------------------------------------------------------------------------


def _create_group(world: Simulator, request: Request) -> Answer:
    body = request.json() or {}
    if found := list(metadata_problems(body)):
        raise invalid(found)
    group = world.create_group(body.get("metadata") or {})
    return json_answer(200, group.wire(world.monotonic, world.epoch))


def _retrieve_group(world: Simulator, request: Request, group_id: str) -> Answer:
    return json_answer(200, world.find_group(group_id).wire(world.monotonic, world.epoch))


def _add_runs(world: Simulator, request: Request, group_id: str) -> Answer:
    group = world.find_group(group_id)
    inputs = _group_inputs(request.json())
    before = group.status(world.monotonic, world.epoch)
    cursors = {
        "run_cursor": str(len(group.listed)) if group.listed else None,
        "event_cursor": str(len(group.events)) if group.runs else None,
    }
    runs = world.create_runs(inputs, request.betas, group)
    fresh = request.query.get("refresh_status", "true").lower() not in ("false", "0")
    status = group.status(world.monotonic, world.epoch) if fresh else before
    return json_answer(200, {"status": status, "run_ids": [r.run_id for r in runs], **cursors})


def _group_inputs(body: Any) -> list[JsonObject]:
    """The runs asked for, each with the default task spec where it has none."""
    inputs = body.get("inputs") if isinstance(body, dict) else None
    if not isinstance(inputs, list):
        raise invalid([("inputs", "field required")])
    if not 1 <= len(inputs) <= MAX_GROUP_RUNS:
        raise invalid([("inputs", f"{len(inputs)} runs; 1 to {MAX_GROUP_RUNS} are allowed")])
    default = body.get("default_task_spec")
    if default is None:
        return inputs
    return [
        {**each, "task_spec": each.get("task_spec") or default} if isinstance(each, dict) else each
        for each in inputs
    ]


def _group_runs(world: Simulator, request: Request, group_id: str) -> Answer:
    group = world.find_group(group_id)
    status = request.query.get("status") or None
    if status is not None and status not in _STATUSES:
        raise invalid([("status", f"unknown status {status!r}")])
    group.refresh(world.monotonic)
    seen = cursor(request.query.get("last_event_id"), len(group.listed))
    places = enumerate(group.listed[seen:], seen + 1)
    now = world.monotonic
    chosen = [(i, r) for i, r in places if status in (None, r.status_at(now))]
    return sse_answer([_listed(world, request, run, str(i)) for i, run in chosen])


def _listed(world: Simulator, request: Request, run: Run, event_id: str) -> Chunk:
    """A run as it stands now, with input and output as far as asked for."""
    wants_output = _flag(request, "include_output")
    if wants_output:
        world.finish_output(run)
    event = state_event(run, world.monotonic, world.epoch, event_id=event_id, output=wants_output)
    return sse_event({**event, "input": run.request} if _flag(request, "include_input") else event)


def _group_run(world: Simulator, request: Request, group_id: str, run_id: str) -> Answer:
    if world.find_run(run_id) not in world.find_group(group_id).runs:
        raise ApiError(404, "Run id not found")
    return _retrieve_run(world, request, run_id)


def _group_events(world: Simulator, request: Request, group_id: str) -> Answer:
    group = world.find_group(group_id)
    group.refresh(world.monotonic)
    seen = cursor(request.query.get("last_event_id"), len(group.events))
    limit = min(_number(request, "timeout", 3600.0), world.group_stream_seconds)
    return sse_answer(_group_stream(world, group, seen, world.monotonic + limit))


def _group_stream(world: Simulator, group: Group, seen: int, closes: float) -> Iterator[Step]:
    """The group's log from `seen` on, followed until no run is active."""
    while True:
        with world.lock:
            now = world.monotonic
            group.refresh(now)
            chunks = [_logged(world, group, i) for i in range(seen, len(group.events))]
            done = not group.is_active_at(now) or now >= closes
            upcoming = group.next_change(now)
        seen += len(chunks)
        yield from chunks
        if done:
            return
        yield Wait(min(closes, upcoming), group.group_id)


def _logged(world: Simulator, group: Group, place: int) -> Chunk:
    event, event_id = group.events[place], str(place + 1)
    if event.run is not None:
        now = world.monotonic
        return sse_event(state_event(event.run, now, world.epoch, event_id=event_id, output=False))
    status = status_of(event, world.epoch)
    return sse_event({"type": "task_group_status", "event_id": event_id, "status": status})


# -- query values and the table --------------------------------------------------------------------


def _number(request: Request, name: str, default: float) -> float:
    raw = request.query.get(name)
    try:
        return default if raw in (None, "") else max(float(raw or 0), 0.0)
    except ValueError:
        raise invalid([(name, "must be a number")]) from None


def _flag(request: Request, name: str) -> bool:
    return request.query.get(name, "false").lower() in ("true", "1")


_RUN = r"/v1/tasks/runs/(?P<run_id>\w+)"
_GROUPS = r"/v1(?:beta)?/tasks/groups"
_GROUP = _GROUPS + r"/(?P<group_id>\w+)"
_TABLE: tuple[tuple[str, str, Callable[..., Answer]], ...] = (
    ("POST", r"/v1/tasks/runs", _create_run),
    ("GET", _RUN, _retrieve_run),
    ("GET", _RUN + "/input", _run_input),
    ("GET", _RUN + "/result", _run_result),
    ("GET", _RUN.replace("/v1/", "/v1(?:beta)?/") + "/events", _run_events),
    ("POST", _GROUPS, _create_group),
    ("GET", _GROUP, _retrieve_group),
    ("POST", _GROUP + "/runs", _add_runs),
    ("GET", _GROUP + "/runs", _group_runs),
    ("GET", _GROUP + r"/runs/(?P<run_id>\w+)", _group_run),
    ("GET", _GROUP + "/events", _group_events),
)
_ROUTES = [(method, re.compile(path), endpoint) for method, path, endpoint in _TABLE]
