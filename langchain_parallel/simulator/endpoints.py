"""The API's endpoints: one function for each, and the table that finds it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import BaseModel

from .account import Account
from .chat_endpoint import CHAT_PATH, complete_chat
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
from .json_bodies import read_json
from .memory_endpoints import clear_memory, evict_memory, retrieve_memory
from .problems import Problem, invalid_request
from .progress_events import is_stats, progress_events, state_event
from .request_models import (
    AddRunsQuery,
    ChatCompletionRequest,
    CreateTaskGroupRequest,
    GroupEventsQuery,
    GroupRunsQuery,
    MemoryClearRequest,
    MemoryEvictRequest,
    MemoryRetrieveRequest,
    NoQuery,
    ResultQuery,
    TaskGroupRunRequest,
    TaskRunInput,
)
from .simulated_run import Run
from .task_group import Group, group_status, parse_cursor
from .validation import MAX_GROUP_RUNS, metadata_problems, read_query, shape_problems
from .web_endpoints import extract, search
from .web_request_models import V1ExtractRequest, V1SearchRequest

_YEAR = 365 * 24 * 3600.0
_GROUP_STREAM_SECONDS = 3600.0
"""After this long, the server closes a group's event stream."""


def route(account: Account, request: Request) -> Response:
    """Call the endpoint of a request. The caller holds the account's lock. Raises ApiError."""
    found = [(call, m) for call in CALLS if (m := call.pattern.fullmatch(request.path))]
    for call, match in found:
        if call.method == request.method:
            return call.answer(account, request, match.groupdict())
    if found:
        allow = {"allow": ", ".join(sorted({call.method for call, _ in found}))}
        raise ApiError(405, f"Method not allowed: {request.method[:20]}", headers=allow)
    raise ApiError(404, f"Not found: {request.method[:20]} {request.path[:200]}")


# -- runs ------------------------------------------------------------------------------------------


def _create_run(account: Account, request: Request) -> Response:
    [run] = account.create_runs([read_json(request)])
    return json_response(202, run.to_json(run.created, account.epoch, "queued"))


def _retrieve_run(account: Account, request: Request, run_id: str) -> Response:
    run = account.find_run(run_id, known=True)
    return json_response(200, run.to_json(account.monotonic, account.epoch))


def _run_input(account: Account, request: Request, run_id: str) -> Response:
    return json_response(200, account.find_run(run_id, known=True).request)


def _run_result(account: Account, request: Request, run_id: str) -> Response:
    run = account.find_run(run_id, known=True)
    until = account.monotonic + min(max(read_query(ResultQuery, request.query).timeout, 0), _YEAR)

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
    """The state, what the run has recorded so far, what happens from now on, and the state again.

    Of a run that is not active there is one state and nothing else. Statistics are those of the moment.
    """
    now = account.monotonic
    closes = now + account.stream_seconds
    yield _state_now(account, run)
    if run.is_over_at(now):
        return
    begun = sent = len([at for at, _ in progress_events(run, account.epoch) if at <= now])
    recorded = [event for _, event in progress_events(run, account.epoch)[:begun]]
    yield from (sse_event(event) for event in recorded if not is_stats(event))
    yield from (sse_event(event) for event in [e for e in recorded if is_stats(e)][-1:])
    while True:
        now = account.monotonic
        ahead = progress_events(run, account.epoch)[sent:]
        due = [event for at, event in ahead if at <= now]
        sent += len(due)
        yield from map(sse_event, due)
        if run.is_over_at(now) or now >= closes:
            yield _state_now(account, run)
            return
        upcoming = [at for at, _ in ahead[len(due) :]]
        yield Wait(min([closes, run.ends, *upcoming]), run.run_id)


def _state_now(account: Account, run: Run) -> Chunk:
    """The state of a run, with its whole output if it has completed."""
    with account.lock:
        account.finish_output(run)
        return sse_event(state_event(run, account.monotonic, account.epoch))


# -- groups ----------------------------------------------------------------------------------------


def _create_group(account: Account, request: Request) -> Response:
    body = read_json(request)
    found = shape_problems(CreateTaskGroupRequest, body) or list(metadata_problems(body))
    if found:
        raise invalid_request(found)
    group = account.create_group(body.get("metadata") or {})
    return json_response(200, group.to_json(account.monotonic, account.epoch))


def _retrieve_group(account: Account, request: Request, taskgroup_id: str) -> Response:
    group = account.find_group(taskgroup_id)
    return json_response(200, group.to_json(account.monotonic, account.epoch))


def _add_runs(account: Account, request: Request, taskgroup_id: str) -> Response:
    group = account.find_group(taskgroup_id)
    is_fresh = read_query(AddRunsQuery, request.query).refresh_status
    inputs = _group_inputs(read_json(request))
    before = group.status(account.monotonic, account.epoch)
    cursors = {
        "run_cursor": str(len(group.listed)) if group.listed else None,
        "event_cursor": str(len(group.events)) if group.runs else None,
    }
    runs = account.create_runs(inputs, group)
    status = group.status(account.monotonic, account.epoch) if is_fresh else before
    return json_response(200, {"status": status, "run_ids": [r.run_id for r in runs], **cursors})


def _group_inputs(body: Any) -> list[JsonObject]:
    """The inputs of the new runs; one without a task spec gets the default one."""
    if found := shape_problems(TaskGroupRunRequest, body):
        raise invalid_request(found)
    inputs: list[JsonObject] = body["inputs"]
    if len(inputs) > MAX_GROUP_RUNS:
        message = f"{len(inputs)} runs, {MAX_GROUP_RUNS} are allowed"
        raise invalid_request([Problem(("inputs",), message)])
    default = body.get("default_task_spec")
    if default is None:
        return inputs
    return [{**each, "task_spec": each.get("task_spec") or default} for each in inputs]


def _group_runs(account: Account, request: Request, taskgroup_id: str) -> Response:
    group = account.find_group(taskgroup_id)
    query = read_query(GroupRunsQuery, request.query)
    now = account.monotonic
    group.refresh(now)
    numbered = group.listed_after(query.last_event_id, account.listing)
    chosen = [(i, r) for i, r in numbered if query.status in (None, r.status_at(now))]
    page = chosen[: account.listing.page]
    return sse_response([_listed_run(account, query, run, str(i)) for i, run in page])


def _listed_run(account: Account, query: GroupRunsQuery, run: Run, event_id: str) -> Chunk:
    """The event of a run as it is now, with its input and output if the request asks for them."""
    if query.include_output:
        account.finish_output(run)
    event = state_event(
        run, account.monotonic, account.epoch, event_id=event_id, output=query.include_output
    )
    if query.include_input:
        event["input"] = dict(run.request)
    if not account.listing.metadata:
        event["run"].pop("metadata")
        event.get("input", {}).pop("metadata", None)
    return sse_event(event)


def _group_run(account: Account, request: Request, taskgroup_id: str, run_id: str) -> Response:
    if account.find_run(run_id, known=True) not in account.find_group(taskgroup_id).runs:
        raise ApiError(404, "Run id not found")
    return _retrieve_run(account, request, run_id)


def _group_events(account: Account, request: Request, taskgroup_id: str) -> Response:
    group = account.find_group(taskgroup_id)
    group.refresh(account.monotonic)
    query = read_query(GroupEventsQuery, request.query)
    seen = parse_cursor(query.last_event_id, len(group.events))
    limit = _GROUP_STREAM_SECONDS
    if query.timeout is not None:
        limit = min(max(query.timeout, 0.0), limit)
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


# -- the table -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Call:
    """One call of the API: where it is, what it takes, and in which of two formats its 422 comes."""

    method: str
    path: str
    """As the document writes it."""
    endpoint: Callable[..., Response]
    body: type[BaseModel] | None = None
    query: type[BaseModel] = NoQuery
    lists_errors: bool = False

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        path = re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", self.path)
        # The group calls also have their earlier address, which the SDK's beta part uses.
        path = path.replace("/v1/tasks/groups", "/v1(?:beta)?/tasks/groups")
        # OpenAI's clients are given the API's own address.
        return re.compile(
            path.replace(f"/v1beta{CHAT_PATH}", f"(?:/v1beta)?{CHAT_PATH}"), re.DOTALL
        )

    def answer(self, account: Account, request: Request, ids: dict[str, str]) -> Response:
        """The response. Raises ApiError, with its 422 in the format of this call."""
        try:
            return self.endpoint(account, request, **ids)
        except ApiError as error:
            error.as_list = error.status == 422 and self.lists_errors
            raise


_RUN = "/v1/tasks/runs/{run_id}"
_GROUP = "/v1/tasks/groups/{taskgroup_id}"
CALLS = (
    Call("POST", "/v1/tasks/runs", _create_run, body=TaskRunInput),
    Call("GET", _RUN, _retrieve_run),
    Call("GET", _RUN + "/input", _run_input),
    Call("GET", _RUN + "/result", _run_result, query=ResultQuery),
    Call("GET", _RUN + "/events", _run_events),
    Call("GET", _RUN.replace("v1", "v1beta") + "/events", _run_events),
    Call("POST", "/v1/tasks/groups", _create_group, body=CreateTaskGroupRequest, lists_errors=True),
    Call("GET", _GROUP, _retrieve_group, lists_errors=True),
    Call(
        "POST",
        _GROUP + "/runs",
        _add_runs,
        body=TaskGroupRunRequest,
        query=AddRunsQuery,
        lists_errors=True,
    ),
    Call("GET", _GROUP + "/runs", _group_runs, query=GroupRunsQuery, lists_errors=True),
    Call("GET", _GROUP + "/runs/{run_id}", _group_run),
    Call("GET", _GROUP + "/events", _group_events, query=GroupEventsQuery, lists_errors=True),
    *(
        Call("POST", f"/v1beta/memory/{name}", endpoint, body=body, lists_errors=True)
        for name, endpoint, body in (
            ("retrieve", retrieve_memory, MemoryRetrieveRequest),
            ("evict", evict_memory, MemoryEvictRequest),
            ("clear", clear_memory, MemoryClearRequest),
        )
    ),
    Call("POST", "/v1/search", search, body=V1SearchRequest),
    Call("POST", "/v1/extract", extract, body=V1ExtractRequest),
    Call(
        "POST",
        f"/v1beta{CHAT_PATH}",
        complete_chat,
        body=ChatCompletionRequest,
        lists_errors=True,
    ),
)
