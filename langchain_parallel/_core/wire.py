"""Models to requests, answers to models or errors.

Rule: the one place that knows paths, headers and status codes. Secrets go into a body here and
nowhere else; a server that repeats them in an error has them blotted out before anyone reads it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

from pydantic import BaseModel, ValidationError

from .. import errors
from ..models import McpServer, TaskRunInput
from .effects import Lost, Outcome, Request, Response
from .retry import retry_after

ModelT = TypeVar("ModelT", bound=BaseModel)

RUNS = "/v1/tasks/runs"
GROUPS = "/v1/tasks/groups"

_BETA_HEADER = "parallel-beta"
_FIELD_BASIS = "field-basis-2025-11-25"  # evidence for each element of an array field
_BETAS: Mapping[str, str] = {
    "mcp_servers": "mcp-server-2025-07-17",
    "enable_events": "events-sse-2025-07-24",
    "webhook": "webhook-2025-08-12",
}
"""Which beta a field of the request needs."""


# --- requests ------------------------------------------------------------------------------------


def path(root: str, *parts: str) -> str:
    """A path whose parts cannot break out of it."""
    return "/".join((root, *(quote(part, safe="") for part in parts)))


def betas(inputs: Iterable[TaskRunInput]) -> str:
    """The beta header's value that these inputs need."""
    used = {beta for run in inputs for field, beta in _BETAS.items() if getattr(run, field)}
    return ",".join(sorted(used | {_FIELD_BASIS}))


def payload(run: TaskRunInput) -> dict[str, Any]:
    """A run's JSON as the API wants it, secrets revealed; what is unset is left out."""
    body = run.model_dump(mode="json", exclude_none=True, exclude={"mcp_servers"})
    body = {name: value for name, value in body.items() if value != {}}
    if run.source_policy is not None:
        body["source_policy"] = {k: v for k, v in body["source_policy"].items() if v}
    if run.mcp_servers:
        body["mcp_servers"] = [_server(server) for server in run.mcp_servers]
    return body


def _server(server: McpServer) -> dict[str, Any]:
    body = server.model_dump(mode="json", exclude_none=True, exclude={"headers"})
    if server.headers:
        body["headers"] = {name: value.get_secret_value() for name, value in server.headers.items()}
    return body


def secrets_of(inputs: Iterable[TaskRunInput]) -> tuple[str, ...]:
    """Every text in these inputs that no error may repeat."""
    servers = [server for run in inputs for server in run.mcp_servers]
    values = [v.get_secret_value() for server in servers for v in (server.headers or {}).values()]
    values += [part for server in servers for part in _url_secrets(server.url)]
    values += [run.webhook.url for run in inputs if run.webhook]
    # "Bearer abc": the server may repeat the token without its scheme.
    values += [part for value in values for part in value.split()]
    return tuple(sorted({v for v in values if len(v) > 5}, key=len, reverse=True))


def _url_secrets(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.query, parts.netloc.rpartition("@")[0]


def json_body(value: object) -> bytes:
    """JSON bytes."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def create(run: TaskRunInput) -> Request:
    """`POST /v1/tasks/runs`: starts a run. Paid."""
    return Request(
        "POST",
        RUNS,
        headers={_BETA_HEADER: betas([run])},
        body=json_body(payload(run)),
        paid=True,
        secrets=secrets_of([run]),
    )


def add_runs(group_id: str, runs: list[TaskRunInput]) -> Request:
    """`POST /v1/tasks/groups/{id}/runs`: starts runs in a group. Paid."""
    return Request(
        "POST",
        path(GROUPS, group_id, "runs"),
        query={"refresh_status": "false"},
        headers={_BETA_HEADER: betas(runs)},
        body=json_body({"inputs": [payload(run) for run in runs]}),
        timeout=60.0,
        paid=True,
        secrets=secrets_of(runs),
    )


def create_group(metadata: Mapping[str, object]) -> Request:
    """`POST /v1/tasks/groups`: an empty group. Free."""
    return Request("POST", GROUPS, body=json_body({"metadata": dict(metadata)} if metadata else {}))


def get(
    *parts: str, root: str = RUNS, query: Mapping[str, object] | None = None, timeout: float = 30.0
) -> Request:
    """A GET under `root`; query values that are None are left out, booleans written as the API does."""
    words = {name: _word(value) for name, value in (query or {}).items() if value is not None}
    return Request("GET", path(root, *parts), query=words, timeout=timeout)


def result(run_id: str, *, seconds: float) -> Request:
    """`GET …/result?timeout=`: blocks on the server for up to `seconds`."""
    query = {"timeout": max(1, round(seconds))}
    request = get(run_id, "result", query=query, timeout=seconds + 15.0)
    return _with(request, {_BETA_HEADER: _FIELD_BASIS})


def stream(request: Request) -> Request:
    """The same request, for an event stream."""
    return _with(request, {"accept": "text/event-stream", _BETA_HEADER: _STREAM_BETAS})


_STREAM_BETAS = f"{_BETAS['enable_events']},{_FIELD_BASIS}"


def _with(request: Request, headers: Mapping[str, str]) -> Request:
    return Request(
        request.method, request.path, query=request.query, headers=headers, timeout=request.timeout
    )


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


# --- answers -------------------------------------------------------------------------------------


def decode(
    model: type[ModelT], request: Request, outcome: Outcome, *, run_id: str | None = None
) -> ModelT:
    """The model an answer holds.

    Raises:
        AnswerLost, AnswerBroken, ApiError: Whatever the outcome was instead.
    """
    if isinstance(outcome, Lost) or not 200 <= outcome.status < 300:
        raise failure(request, outcome, run_id=run_id)
    try:
        return model.model_validate_json(outcome.body)
    except ValidationError as error:
        what = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'body'}: {e['msg']}"
            for e in error.errors(include_input=False, include_url=False)[:5]
        )
        raise errors.AnswerBroken(
            f"The answer to {request.method} {request.path} is not a {model.__name__} ({blot(what, request)}).",
            hint=_unknown_hint(request),
            run_id=run_id,
            billed=None if request.paid or run_id else False,
        ) from None


def failure(
    request: Request, outcome: Outcome, *, run_id: str | None = None
) -> errors.ParallelError:
    """The error for an outcome that is no answer, or not 2xx."""
    if isinstance(outcome, Lost):
        return _lost(request, outcome, run_id)
    return _refusal(request, outcome, run_id)


def _lost(request: Request, outcome: Lost, run_id: str | None) -> errors.AnswerLost:
    reason = f" ({blot(outcome.reason, request)})" if outcome.reason else ""
    what = "No answer arrived to" if outcome.sent else "The API could not be reached for"
    unknown = request.paid and outcome.sent
    return errors.AnswerLost(
        f"{what} {request.method} {request.path}{reason}.",
        hint=_unknown_hint(request) if unknown else "Check the network, then call again.",
        sent=outcome.sent,
        run_id=run_id,
        billed=None if unknown or run_id else False,
    )


def _unknown_hint(request: Request) -> str:
    if not request.paid:
        return "Nothing was started by it; call again."
    return "A run may have been started and billed; do not repeat it blindly: `submit` with a ledger can find it."


_STATUS: Mapping[int, tuple[type[errors.ApiError], str, str]] = {
    # status: class, what happened, what to do
    401: (
        errors.AuthenticationFailed,
        "The API key was not accepted",
        "Check PARALLEL_API_KEY or `api_key`.",
    ),
    402: (
        errors.CreditExhausted,
        "The account has not enough credit (money reserved by running tasks counts)",
        "Add credit or wait for running tasks to settle, then submit again; a cheaper processor may fit.",
    ),
    403: (
        errors.Forbidden,
        "The account may not use this processor or feature",
        "Choose another processor, or ask Parallel to enable it.",
    ),
    404: (
        errors.NotFound,
        "There is nothing under this id",
        "Check the id, and that the API key belongs to the account that made it.",
    ),
    408: (errors.RequestTimedOut, "The server gave up waiting", "Call again."),
    422: (
        errors.Unprocessable,
        "The server found the request invalid",
        "Correct what it names and call again; nothing was started.",
    ),
    429: (
        errors.RateLimited,
        "Too many requests",
        "Wait for `retry_after` seconds, then call again; nothing was started.",
    ),
}
_FAULT = (
    errors.ServerFault,
    "The server had trouble of its own",
    "Call again later; tell Parallel's support the ref_id if it stays.",
)
_OTHER = (
    errors.UnexpectedStatus,
    "The server answered with a status the API does not document",
    "Check `base_url`, and whether this package is up to date.",
)


def _refusal(request: Request, response: Response, run_id: str | None) -> errors.ApiError:
    fallback = _FAULT if response.status >= 500 else _OTHER
    kind, happened, todo = _STATUS.get(response.status, fallback)
    body = _error_body(response.body)
    said, fields = blot(str(body.get("message") or ""), request), _fields(body.get("detail"))
    unknown = request.paid and (response.status in (408, 409, 425) or response.status >= 500)
    parts = [f"{happened} (HTTP {response.status} on {request.method} {request.path})"]
    parts += [f"the server says: {said.rstrip('.')}"] if said else []
    parts += [f"fields: {blot(', '.join(fields), request)}"] if fields else []
    parts += [f"ref_id {body['ref_id']}"] if body.get("ref_id") else []
    return kind(
        "; ".join(parts) + ".",
        hint=_unknown_hint(request) if unknown else todo,
        status=response.status,
        ref_id=body.get("ref_id"),
        server_message=said,
        fields=tuple(blot(field, request) for field in fields),
        retry_after=retry_after(response),
        run_id=run_id,
        billed=None if unknown or run_id else False,
    )


def _error_body(body: bytes) -> dict[str, Any]:
    """The `error` object of an error answer; empty where it has none."""
    try:
        value = json.loads(body)
    except ValueError:
        return {"message": body[:200].decode(errors="replace").strip()} if body else {}
    if not isinstance(value, dict):
        return {}
    inner = value.get("error", value)
    return inner if isinstance(inner, dict) else {"message": str(inner)}


def _fields(detail: object) -> list[str]:
    """The fields a 422 names, in either of the shapes the API documents: a list of `loc`s with their
    `msg`s, or an object. Values are left out: they may hold what was sent."""
    if isinstance(detail, dict):
        inner = detail.get("errors", detail.get("fields"))
        return _fields(inner) if isinstance(inner, list) else [str(key) for key in detail]
    if not isinstance(detail, list):
        return []
    return [_field(item) for item in detail]


def _field(item: object) -> str:
    if not isinstance(item, dict):
        return str(item)
    loc = item.get("loc") or item.get("field") or ()
    where = ".".join(map(str, loc)) if isinstance(loc, list | tuple) else str(loc)
    return ": ".join(part for part in (where, str(item.get("msg") or "")) if part)


def blot(text: str, request: Request) -> str:
    """`text` without the request's secrets."""
    for secret in request.secrets:
        text = text.replace(secret, "…")
    return text
