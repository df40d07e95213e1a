"""Responses as models or errors.

Rule: only this module knows status codes and the shape of an error. All that the server says goes through
`redact` before it is put into a message.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from .. import errors
from ..processors import nearest_listed
from . import payloads
from .effects import NoResponse, Outcome, Request, Response
from .plain_text import one_line, quote_text
from .redaction import redact
from .retry import RetryDecision, classify, retry_after
from .wire import CHAT, EXTRACT, GROUPS, MEMORY, RUNS, SEARCH

ModelT = TypeVar("ModelT", bound=BaseModel)
MAX_REF = 100
"""Characters of a `ref_id` that a message names."""

_AS_JSON = {
    "model_type": "Input should be an object",
    "dict_type": "Input should be an object",
    "tuple_type": "Input should be an array",
}
"""pydantic's words for values of Python that stand for JSON."""


def decode(
    model: type[ModelT], request: Request, outcome: Outcome, *, run_id: str | None = None
) -> ModelT:
    """The model in a response.

    Raises:
        ResponseLost, MalformedResponse, ApiError: The outcome was something else.
    """
    if isinstance(outcome, NoResponse) or not 200 <= outcome.status < 300:
        raise failure(request, outcome, run_id=run_id)
    try:
        value = payloads.read(model, payloads.parse(outcome.body))
    except json.JSONDecodeError as error:
        what = f"body: Invalid JSON: {error}"
    except ValidationError as error:
        what = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'body'}: {_AS_JSON.get(e['type'], e['msg'])}"
            for e in error.errors(include_input=False, include_url=False)[:5]
        )
    else:
        run = getattr(value, "run", value)
        if run_id is None or getattr(run, "run_id", run_id) == run_id:
            return value
        what = f"it is about another run than {run_id}"
    # Raised outside the `except`, so that pydantic's error is not its context: that repeats what was sent.
    raise errors.MalformedResponse(
        f"The response to {request.method} {request.path} is not a {model.__name__} "
        f"({one_line(redact(what, request.secrets))}).",
        hint=_unknown_hint(request),
        run_id=run_id,
        billed=_is_billed(request, is_unknown=request.paid),
    )


def failure(
    request: Request, outcome: Outcome, *, run_id: str | None = None
) -> errors.ParallelError:
    """The error for an outcome other than a 2xx response."""
    if isinstance(outcome, NoResponse):
        return _no_response(request, outcome, run_id)
    return _refusal(request, outcome, run_id)


def _no_response(
    request: Request, outcome: NoResponse, run_id: str | None
) -> errors.ResponseLost | errors.MalformedResponse | errors.ResponseTooLarge:
    call = f"{request.method} {request.path}"
    said = one_line(redact(outcome.reason, request.secrets))
    reason = f" ({said})" if said else ""
    unknown = request.paid and outcome.sent
    billed = _is_billed(request, is_unknown=unknown)
    if outcome.limit:
        return errors.ResponseTooLarge(
            f"The response to {call} is longer than {outcome.limit:,} bytes, decoded.",
            hint=_unknown_hint(request)
            if unknown
            else "Nothing is lost: fetch it with a client that has a larger `max_response_bytes`.",
            limit=outcome.limit,
            run_id=run_id,
            billed=billed,
        )
    if outcome.malformed:
        return errors.MalformedResponse(
            f"The response to {call} is not what the API documents{reason}.",
            hint=_unknown_hint(request),
            run_id=run_id,
            billed=billed,
        )
    what = "No response arrived to" if outcome.sent else "The API could not be reached for"
    return errors.ResponseLost(
        f"{what} {call}{reason}.",
        hint=f"{_unknown_hint(request)} {outcome.cure}".strip()
        if unknown
        else outcome.advice or outcome.cure or "Check the network, then call again.",
        sent=outcome.sent,
        by_settings=bool(outcome.advice),
        run_id=run_id,
        billed=billed,
    )


def _is_billed(request: Request, *, is_unknown: bool) -> bool | None:
    """False where nothing can have been started: neither by this request, nor by an earlier one that it asks
    after. Every GET asks after a run or the runs of a group.
    """
    return None if is_unknown or request.method == "GET" else False


CHAT_LOST = (
    "The API keeps no answer of a chat, and nothing was sent again: ask anew only if it may be paid for once "
    "more. A task run (`submit`) is found again."
)
"""What to do where the answer of a chat may be written, billed and lost."""


def _unknown_hint(request: Request) -> str:
    if not request.paid:
        return "Nothing was started by it; call again, and check `base_url` if it stays."
    if request.if_lost:
        return request.if_lost
    if request.path == RUNS:
        return (
            "A run may have been started and billed, and without a ledger it cannot be looked up: check "
            "Parallel's platform before you repeat it. `submit` spares you this."
        )
    if request.path == CHAT:
        return CHAT_LOST
    return (
        "Runs may have been started and billed: `list_runs` shows them; do not repeat it blindly."
    )


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
        "Wait a little, then call again; nothing was started.",
    ),
}
_TO_READ: Mapping[int, str] = {
    # status of a GET, which starts nothing: what to do
    403: "Use a key of the account that started the run, or ask Parallel; the run goes on meanwhile.",
    422: "Correct what it names and call again.",
    429: "Wait a little, then call again.",
}
_OF_ANSWER: Mapping[int, str] = {
    # status where the answer itself is what is paid for: what to do
    402: "Add credit, or wait for running tasks to settle, then call again.",
    403: "Ask Parallel to enable it.",
    422: "Correct what it names and call again; nothing was billed.",
    429: "Wait a little, then call again; nothing was billed.",
}
_NO_MEMORY = "Ask Parallel whether this account has it: it is switched on gradually."
_FAULT = (
    errors.ServerFault,
    "The server failed",
    "Call again later; tell Parallel's support the ref_id if it stays.",
)
_OTHER = (
    errors.UnexpectedStatus,
    "The server answered with a status that the API does not document",
    "Check `base_url`, and whether this package is up to date.",
)


def _refusal(request: Request, response: Response, run_id: str | None) -> errors.ApiError:
    fallback = _FAULT if response.status >= 500 else _OTHER
    kind, happened, todo = _STATUS.get(response.status, fallback)
    if response.status == 404 and request.path in (RUNS, GROUPS, SEARCH, EXTRACT, CHAT):
        happened, todo = "There is no such call at this address", "Check `base_url`."
    if response.status == 404 and request.path == CHAT:
        happened, todo = (
            f"{happened}, or no such interaction",
            f"{todo[:-1]}, and the interaction id.",
        )
    if response.status == 404 and request.path.startswith(MEMORY):
        happened, todo = "There is no memory at this address", _NO_MEMORY
    if request.method == "GET":
        todo = _TO_READ.get(response.status, todo)
    if request.refusals_are_free:
        todo = _OF_ANSWER.get(response.status, todo)
    body = _error_body(response.body)
    said = redact(_text(body.get("message")), request.secrets)
    named = _fields(body.get("detail")) if response.status == 422 else []
    fields = tuple(redact(field, request.secrets) for field in named)
    if is_of_processor(response.status, fields, said):
        todo = _with_nearest(todo, request.processors)
    ref_id = redact(_text(body.get("ref_id")), request.secrets) or None
    pause = retry_after(response)
    unknown = request.paid and classify(request, response) is RetryDecision.UNKNOWN
    parts = [f"{happened} (HTTP {response.status} on {request.method} {request.path})"]
    parts += [f"the server says: {quote_text(said.rstrip('.'))}"] if said else []
    parts += [f"fields: {quote_text(', '.join(fields))}"] if fields else []
    parts += [f"it asks to wait {pause:g} s"] if pause is not None else []
    parts += [f"ref_id {ref_id}"] if ref_id and len(ref_id) <= MAX_REF else []
    return kind(
        "; ".join(parts) + ".",
        hint=_unknown_hint(request) if unknown else todo,
        status=response.status,
        ref_id=ref_id,
        server_message=said,
        fields=fields,
        retry_after=pause,
        run_id=run_id,
        billed=_is_billed(request, is_unknown=unknown),
    )


def is_of_processor(status: int, fields: Sequence[str], said: str) -> bool:
    """Whether a refusal is about the processor: a 403, or a 422 that names it."""
    if status == 422:
        named = [field.partition(":")[0].rpartition(".")[2] for field in fields]
        return "processor" in named or (not fields and "processor" in said.lower())
    return status == 403


def _with_nearest(todo: str, processors: Sequence[str]) -> str:
    """What to do, with the nearest listed processor for each of those that were sent."""
    near = {name: nearest_listed(name) for name in processors}
    told = [f"{other} in place of {name}" for name, other in near.items() if other]
    return f"{todo} Nearest of those that are listed: {', '.join(told)}." if told else todo


def _text(value: object) -> str:
    """A value where a text belongs, as text on one line."""
    return "" if value is None else one_line(str(value))


def _error_body(body: bytes) -> dict[str, Any]:
    """The `error` object of an error response; the start of a body that is not JSON becomes its message."""
    try:
        value, _ = payloads.storable(payloads.parse(body))
    except ValueError:
        return {"message": body[:200].decode(errors="replace")}
    if not isinstance(value, dict):
        return {}
    inner = value.get("error", value)
    if not isinstance(inner, dict):
        return {"message": inner}
    if isinstance(inner.get("detail"), str) and not inner.get("message"):
        return {**inner, "message": inner["detail"]}
    return inner


def error_message(value: Mapping[str, Any]) -> str:
    """What an error that came inside a stream says."""
    inner = value.get("error", value)
    return _text(inner.get("message") if isinstance(inner, Mapping) else inner)


def _fields(detail: object) -> list[str]:
    """The fields that a 422 names, in either of the shapes that the API documents.

    These are a list of `loc`s with their `msg`s, and an object. The object's values are left out: they may
    repeat what was sent.
    """
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
