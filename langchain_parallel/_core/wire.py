"""The API's calls as requests.

Rule: only this module knows paths, queries and headers. Secrets go into a body here and nowhere else.
Responses are read in `responses.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from ..errors import InvalidRequest
from ..models import (
    DataSources,
    ExtractRequest,
    McpServer,
    SearchRequest,
    SourcePolicy,
    TaskRunInput,
)
from ..models.requests import MAX_DEPTH, Extensible, is_too_deep
from .effects import Request
from .hidden import HiddenBytes, HiddenText, hide
from .redaction import extra_secrets, secrets_of

RUNS = "/v1/tasks/runs"
GROUPS = "/v1/tasks/groups"
MEMORY = "/v1beta/memory"
SEARCH, EXTRACT = "/v1/search", "/v1/extract"
CHAT = "/v1beta/chat/completions"
MAX_ID = 500
"""Characters. Ids have about 40; httpx refuses a URL that is very long."""

_ID = re.compile(rf"[\w.:~-]{{1,{MAX_ID}}}", re.ASCII)

_BETA_HEADER = "parallel-beta"
_FIELD_BASIS = "field-basis-2025-11-25"
"""Evidence for each element of an array field."""
_BETAS: Mapping[str, str] = {
    "mcp_servers": "mcp-server-2025-07-17",
    "enable_events": "events-sse-2025-07-24",
    "webhook": "webhook-2025-08-12",
}
"""The beta that a field of `TaskRunInput` needs."""


def path(root: str, *parts: object) -> str:
    """A path. An id in it is quoted, so that it cannot lead to another path.

    Raises:
        InvalidRequest: A part cannot be an id: it is not text, empty, only dots, too long, or not ASCII.
    """
    for part in parts:
        fits = isinstance(part, str) and part.isascii() and len(part) <= MAX_ID
        if not fits or not str(part).strip(". \t\r\n"):
            raise InvalidRequest([f"{part!r:.80} is not the id of a run or a task group."])
    return "/".join((root, *(quote(str(part), safe="") for part in parts)))


def is_id(text: str) -> bool:
    """Whether this can be an id that the API gave: no server reads it as another path."""
    return _ID.fullmatch(text) is not None and bool(text.strip("."))


def betas(inputs: Iterable[TaskRunInput]) -> str:
    """The value of the beta header that these inputs need."""
    used = {beta for run in inputs for field, beta in _BETAS.items() if getattr(run, field)}
    return ",".join(sorted(used | {_FIELD_BASIS}))


def payload(run: TaskRunInput) -> dict[str, Any]:
    """A run's JSON for the API: secrets revealed, unset fields left out.

    A new field of `TaskRunInput` is sent as it is. Only a field with a secret needs a line here.

    Raises:
        InvalidRequest: It is no JSON, or hundreds of levels deep, as the copy of a model may be.
    """
    deep = [n for n in ("input", "metadata", "extra_body") if is_too_deep(getattr(run, n))]
    if deep:
        raise InvalidRequest([f"More than {MAX_DEPTH} levels deep: {', '.join(deep)}."])
    try:
        secret: Any = {"mcp_servers": True, "webhook": {"url"}}
        body = run.model_dump(mode="json", exclude_none=True, exclude=secret)
    except ValueError as error:
        raise InvalidRequest([f"The request cannot be written as JSON: {error}."]) from None
    body = {name: value for name, value in body.items() if value != {}}
    _complete(run, body)
    if run.webhook is not None:
        body["webhook"] = {**body.get("webhook", {}), "url": HiddenText(run.webhook.url)}
    if run.mcp_servers:
        body["mcp_servers"] = [_server(server) for server in run.mcp_servers]
    return body


def answer_payload(asked: SearchRequest | ExtractRequest) -> dict[str, Any]:
    """A search's or an extraction's JSON for the API: unset fields left out.

    Raises:
        InvalidRequest: It is hundreds of levels deep, as the copy of a model may be.
    """
    if is_too_deep(asked.extra_body):
        raise InvalidRequest([f"More than {MAX_DEPTH} levels deep: extra_body."])
    body = asked.model_dump(mode="json", exclude_none=True)
    _complete(asked, body)
    return body


def _complete(part: Extensible, body: dict[str, Any]) -> None:
    """Make a dump what is sent: without empty lists, and with what this package does not know."""
    body.pop("extra_body", None)
    if isinstance(part, SourcePolicy | DataSources):
        for name in [name for name, value in body.items() if not value]:
            del body[name]
    for name, inner in part._parts.items():
        _complete(inner, body[name])
        if not body[name]:
            del body[name]
    body.update((name, hide(value)) for name, value in part.extra_body.items())


def _server(server: McpServer) -> dict[str, Any]:
    body = server.model_dump(mode="json", exclude_none=True, exclude={"headers"})
    body["url"] = HiddenText(server.url)
    if server.headers:
        body["headers"] = {
            name: HiddenText(value.get_secret_value()) for name, value in server.headers.items()
        }
    return body


def json_body(value: object) -> bytes:
    """JSON bytes.

    Raises:
        ValueError: It holds a NaN, an infinity or a lone surrogate, which JSON cannot.
    """
    return HiddenBytes(
        json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    )


def create(run: TaskRunInput) -> Request:
    """`POST /v1/tasks/runs`: start a run. Paid."""
    return Request(
        "POST",
        RUNS,
        headers={_BETA_HEADER: betas([run])},
        body=json_body(payload(run)),
        paid=True,
        starts_runs=True,
        secrets=secrets_of([run]),
        processors=(run.processor,),
    )


def add_runs(group_id: str, runs: list[TaskRunInput]) -> Request:
    """`POST /v1/tasks/groups/{id}/runs`: start runs in a group. Paid."""
    return Request(
        "POST",
        path(GROUPS, group_id, "runs"),
        query={"refresh_status": "false"},
        headers={_BETA_HEADER: betas(runs)},
        body=json_body({"inputs": [payload(run) for run in runs]}),
        timeout=60.0,
        paid=True,
        starts_runs=True,
        secrets=secrets_of(runs),
        processors=tuple(dict.fromkeys(run.processor for run in runs)),
    )


def ask(asked: SearchRequest | ExtractRequest, *, timeout: float, resend_lost: bool) -> Request:
    """`POST /v1/search`, `POST /v1/extract`: answered at once. Paid."""
    what, path = ("search", SEARCH) if isinstance(asked, SearchRequest) else ("extraction", EXTRACT)
    return Request(
        "POST",
        path,
        body=json_body(answer_payload(asked)),
        timeout=timeout,
        total=timeout,
        paid=True,
        refusals_are_free=True,
        resend_lost=resend_lost,
        if_lost=f"The {what} may have been billed, and its answer cannot be fetched. Calling again may cost "
        "as much once more.",
        secrets=extra_secrets(asked),
    )


def create_group(metadata: Mapping[str, object]) -> Request:
    """`POST /v1/tasks/groups`: an empty group. Free."""
    return Request("POST", GROUPS, body=json_body({"metadata": dict(metadata)} if metadata else {}))


def memory(call: str, body: Mapping[str, object]) -> Request:
    """`POST /v1beta/memory/{call}`. Free; it can be sent again."""
    return Request("POST", f"{MEMORY}/{call}", body=json_body(dict(body)))


def chat(
    body: Mapping[str, object], *, stream: bool, seconds: float, secrets: tuple[str, ...]
) -> Request:
    """`POST /v1beta/chat/completions`: one turn of a chat. Paid. It may be silent for `seconds`."""
    return Request(
        "POST",
        CHAT,
        headers={"accept": "text/event-stream"} if stream else {},
        body=json_body({**body, "stream": True} if stream else body),
        timeout=seconds,
        total=seconds,
        paid=True,
        secrets=secrets,
    )


def get(
    *parts: str,
    root: str = RUNS,
    query: Mapping[str, object] | None = None,
    timeout: float = 30.0,
    total: float = 120.0,
) -> Request:
    """A GET under `root`; None in the query is left out."""
    texts = {name: _query_text(value) for name, value in (query or {}).items() if value is not None}
    return Request("GET", path(root, *parts), query=texts, timeout=timeout, total=total)


def result(run_id: str, *, seconds: float) -> Request:
    """`GET …/result?timeout=`: the server holds it open for up to `seconds`."""
    query = {"timeout": max(1, round(seconds))}
    request = get(run_id, "result", query=query, timeout=seconds + 15.0)
    # A large answer over a slow line may take long; the caller's deadline bounds it.
    return replace(request, total=seconds + 600.0, headers={_BETA_HEADER: _FIELD_BASIS})


def stream(request: Request) -> Request:
    """The same request, for an event stream."""
    beta = f"{_BETAS['enable_events']},{_FIELD_BASIS}"
    return replace(request, headers={"accept": "text/event-stream", _BETA_HEADER: beta})


def _query_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
