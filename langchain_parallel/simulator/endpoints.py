"""The API's endpoints: one function for each, and the table that finds it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from .account import Account
from .http_messages import (
    ApiError,
    Chunk,
    JsonObject,
    Request,
    Response,
    Step,
    Wait,
    error_response,
    json_response,
    sse_event,
    sse_response,
)
from .progress_events import progress_events, state_event
from .simulated_run import Run
from .task_group import Group, group_status, parse_cursor
from .validation import MAX_GROUP_RUNS, invalid_request, metadata_problems

_STATUSES = (
    *("queued", "action_required", "running", "completed", "failed", "cancelling", "cancelled"),
)
_GROUP_STREAM_SECONDS = 3600.0
"""After this long, the server closes a group's event stream."""


def route(account: Account, request: Request) -> Response:
    """Call the endpoint of a request. The caller holds the account's lock. Raises ApiError."""
    for method, pattern, endpoint in _ROUTES:
        found = pattern.fullmatch(request.path)
        if found and method == request.method:
            return endpoint(account, request, **found.groupdict())
    raise ApiError(404, f"Not found: {request.method} {request.path}")


# -- runs ------------------------------------------------------------------------------------------


def _create_run(account: Account, request: Request) -> Response:
    [run] = account.create_runs([request.json()], request.betas)
    return json_response(202, run.to_json(run.created, account.epoch, "queued"))


def _retrieve_run(account: Account, request: Request, run_id: str) -> Response:
    run = account.find_run(run_id, known=True)
    return json_response(200, run.to_json(account.monotonic, account.epoch))


def _run_input(account: Account, request: Request, run_id: str) -> Response:
    return json_response(200, account.find_run(run_id, known=True).request)


def _run_result(account: Account, request: Request, run_id: str) -> Response:
    run = account.find_run(run_id, known=True)
    until = account.monotonic + _number(request, "timeout", 600.0)

    def steps() -> Iterator[Step]:
        while run.is_active_at(account.monotonic) and account.monotonic < until:
            yield Wait(min(until, run.ends), run.run_id)
        with account.lock:
            response = _result_now(account, run)
        yield from response.steps

    return Response(steps())


def _result_now(account: Account, run: Run) -> Response:
    """The result; a 408 while the run is active; a 404 if it ended without a result."""
    status = run.status_at(account.monotonic)
    if status == "completed":
        shown = run.to_json(account.monotonic, account.epoch)
        return json_response(200, {"run": shown, "output": account.finish_output(run)})
    detail = {"run_id": run.run_id, "status": status}
    if run.is_active_at(account.monotonic):
        error = ApiError(408, "Request timed out; run still active", detail)
    else:
        cause = run.error or {}
        message = cause.get("message", f"Run has no result: its status is {status}")
        error = ApiError(404, message, detail, ref_id=cause.get("ref_id"))
    return error_response(error, account.new_ref_id())


def _run_events(account: Account, request: Request, run_id: str) -> Response:
    return sse_response(_run_stream(account, account.find_run(run_id, known=True)))


def _run_stream(account: Account, run: Run) -> Iterator[Step]:
    """All events of the run from its start, each at its time, until the run ends."""
    closes = account.monotonic + account.stream_seconds
    yield sse_event(state_event(run, run.created, account.epoch, output=False))
    sent = 0
    while True:
        now = account.monotonic
        ahead = progress_events(run, account.epoch)[sent:]
        due = [event for at, event in ahead if at <= now]
        sent += len(due)
        yield from map(sse_event, due)
        if run.is_over_at(now):
            yield _final_state(account, run, now)
            return
        if now >= closes:
            return
        upcoming = [at for at, _ in ahead[len(due) :]]
        yield Wait(min([closes, run.ends, *upcoming]), run.run_id)


def _final_state(account: Account, run: Run, now: float) -> Chunk:
    with account.lock:
        account.finish_output(run)
        return sse_event(state_event(run, now, account.epoch))


# -- groups ----------------------------------------------------------------------------------------


def _create_group(account: Account, request: Request) -> Response:
    body = request.json() or {}
    if found := list(metadata_problems(body)):
        raise invalid_request(found)
    group = account.create_group(body.get("metadata") or {})
    return json_response(200, group.to_json(account.monotonic, account.epoch))


def _retrieve_group(account: Account, request: Request, group_id: str) -> Response:
    group = account.find_group(group_id)
    return json_response(200, group.to_json(account.monotonic, account.epoch))


def _add_runs(account: Account, request: Request, group_id: str) -> Response:
    group = account.find_group(group_id)
    inputs = _group_inputs(request.json())
    before = group.status(account.monotonic, account.epoch)
    cursors = {
        "run_cursor": str(len(group.listed)) if group.listed else None,
        "event_cursor": str(len(group.events)) if group.runs else None,
    }
    runs = account.create_runs(inputs, request.betas, group)
    is_fresh = request.query.get("refresh_status", "true").lower() not in ("false", "0")
    status = group.status(account.monotonic, account.epoch) if is_fresh else before
    return json_response(200, {"status": status, "run_ids": [r.run_id for r in runs], **cursors})


def _group_inputs(body: Any) -> list[JsonObject]:
    """The inputs of the new runs; one without a task spec gets the default one."""
    inputs = body.get("inputs") if isinstance(body, dict) else None
    if not isinstance(inputs, list):
        raise invalid_request([("inputs", "field required")])
    if not 1 <= len(inputs) <= MAX_GROUP_RUNS:
        raise invalid_request(
            [("inputs", f"{len(inputs)} runs; 1 to {MAX_GROUP_RUNS} are allowed")]
        )
    default = body.get("default_task_spec")
    if default is None:
        return inputs
    return [
        {**each, "task_spec": each.get("task_spec") or default} if isinstance(each, dict) else each
        for each in inputs
    ]


def _group_runs(account: Account, request: Request, group_id: str) -> Response:
    group = account.find_group(group_id)
    status = request.query.get("status") or None
    if status is not None and status not in _STATUSES:
        raise invalid_request([("status", f"unknown status {status!r}")])
    now = account.monotonic
    group.refresh(now)
    numbered = group.listed_after(request.query.get("last_event_id"), account.listing)
    chosen = [(i, r) for i, r in numbered if status in (None, r.status_at(now))]
    page = chosen[: account.listing.page]
    return sse_response([_listed_run(account, request, run, str(i)) for i, run in page])


def _listed_run(account: Account, request: Request, run: Run, event_id: str) -> Chunk:
    """The event of a run as it is now, with its input and output if the request asks for them."""
    wants_output = _flag(request, "include_output")
    if wants_output:
        account.finish_output(run)
    event = state_event(
        run, account.monotonic, account.epoch, event_id=event_id, output=wants_output
    )
    if _flag(request, "include_input"):
        event["input"] = dict(run.request)
    if not account.listing.metadata:
        event["run"].pop("metadata")
        event.get("input", {}).pop("metadata", None)
    return sse_event(event)


def _group_run(account: Account, request: Request, group_id: str, run_id: str) -> Response:
    if account.find_run(run_id, known=True) not in account.find_group(group_id).runs:
        raise ApiError(404, "Run id not found")
    return _retrieve_run(account, request, run_id)


def _group_events(account: Account, request: Request, group_id: str) -> Response:
    group = account.find_group(group_id)
    group.refresh(account.monotonic)
    seen = parse_cursor(request.query.get("last_event_id"), len(group.events))
    limit = min(_number(request, "timeout", 3600.0), _GROUP_STREAM_SECONDS)
    return sse_response(_group_stream(account, group, seen, account.monotonic + limit))


def _group_stream(account: Account, group: Group, seen: int, closes: float) -> Iterator[Step]:
    """The group's log from `seen` on, until no run is active."""
    while True:
        with account.lock:
            account.catch_up()
            now = account.monotonic
            group.refresh(now)
            chunks = [_logged_event(account, group, i) for i in range(seen, len(group.events))]
            is_done = not group.is_active_at(now) or now >= closes
            upcoming = group.next_change(now)
        seen += len(chunks)
        yield from chunks
        if is_done:
            return
        yield Wait(min(closes, upcoming), group.group_id)


def _logged_event(account: Account, group: Group, index: int) -> Chunk:
    event, event_id = group.events[index], str(index + 1)
    if event.run is not None:
        now = account.monotonic
        state = state_event(event.run, now, account.epoch, event_id=event_id, output=False)
        return sse_event(state)
    status = group_status(event, account.epoch)
    return sse_event({"type": "task_group_status", "event_id": event_id, "status": status})


# -- query values and the table --------------------------------------------------------------------


def _number(request: Request, name: str, default: float) -> float:
    raw = request.query.get(name)
    try:
        return default if raw in (None, "") else max(float(raw or 0), 0.0)
    except ValueError:
        raise invalid_request([(name, "must be a number")]) from None


def _flag(request: Request, name: str) -> bool:
    return request.query.get(name, "false").lower() in ("true", "1")


_RUN = r"/v1/tasks/runs/(?P<run_id>\w+)"
_GROUPS = r"/v1(?:beta)?/tasks/groups"
_GROUP = _GROUPS + r"/(?P<group_id>\w+)"
_TABLE: tuple[tuple[str, str, Callable[..., Response]], ...] = (
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
