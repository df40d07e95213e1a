"""The Chat API: turns of the same tree as runs, answered at once, whole or as a stream.

Rule: a turn is a run that no id leads to: its answer is in the one response and nowhere else. It goes on, and
is billed, whether or not the client is still there. Parameters that the API ignores are ignored here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from .account import Account
from .basis import quote
from .http_messages import (
    SSE_DONE,
    ApiError,
    Chunk,
    JsonObject,
    Request,
    Response,
    Step,
    Wait,
    error_response,
    json_response,
    sse_data,
    sse_response,
)
from .json_bodies import read_json
from .pricing import CHAT, CHAT_MODELS
from .problems import Problem, invalid_request
from .request_models import ChatCompletionRequest
from .schema_check import is_schema
from .simulated_run import Run
from .validation import shape_problems

CHAT_PATH = "/chat/completions"
_LONGEST = 3600.0
"""After this long, the server gives a turn up."""
_PIECES = 8
"""Chunks in which the text of a stream comes."""
_CHUNK = "chat.completion.chunk"


def complete_chat(account: Account, request: Request) -> Response:
    """Answer one turn. Raises ApiError (402, 422, 429)."""
    body = read_json(request)
    if found := shape_problems(ChatCompletionRequest, body) or list(_problems(body)):
        raise invalid_request(found)
    chat = account.create_chat(as_run(body))
    before = body["messages"][:-1]
    if body.get("stream"):
        return sse_response(_stream(account, chat, before))
    return Response(_answer(account, chat, before))


def _problems(body: JsonObject) -> Iterator[Problem]:
    """What the published document leaves open. That the API refuses it, too, is assumed."""
    if body["model"] not in CHAT_MODELS:
        yield Problem(("model",), f"unknown model {body['model'][:60]!r}")
    if not any(message["content"].strip() for message in body["messages"]):
        yield Problem(("messages",), "must not be empty")
    schema = _output_schema(body.get("response_format") or {})
    if isinstance(schema, dict) and not is_schema(schema.get("json_schema", {})):
        yield Problem(("response_format", "json_schema", "schema"), "is not a JSON schema")


def as_run(body: JsonObject) -> JsonObject:
    """The turn as the input of a run: the last message is its question."""
    return {
        "input": body["messages"][-1]["content"],
        "processor": f"{CHAT}{body['model']}",
        "task_spec": {"output_schema": _output_schema(body.get("response_format") or {})},
        "previous_interaction_id": body.get("previous_interaction_id"),
    }


def _output_schema(response_format: Mapping[str, Any]) -> JsonObject | str:
    if response_format.get("type") == "json_object":
        return {"type": "auto"}
    schema = response_format.get("json_schema", {}).get("schema")
    return "text" if schema is None else {"type": "json", "json_schema": schema}


def _answer(account: Account, chat: Run, before: list[JsonObject]) -> Iterator[Step]:
    yield from _until_over(account, chat)
    with account.lock:
        try:
            text, evidence = _text_and_evidence(account, chat, before)
        except ApiError as error:
            response = error_response(error, account.new_ref_id())
        else:
            message = {"role": "assistant", "content": text}
            choice = {"index": 0, "message": message, "finish_reason": ""}
            # "Always empty", by the guide: id, object, model, finish_reason and usage.
            empty = {"id": "", "object": "", "model": "", "usage": None}
            response = json_response(
                200, {**empty, "created": _created(account, chat), "choices": [choice], **evidence}
            )
    yield from response.steps


def _stream(account: Account, chat: Run, before: list[JsonObject]) -> Iterator[Step]:
    """The role at once; once the turn is over, the text in pieces; last, what only a whole answer has."""
    yield _chunk(account, chat, {"role": "assistant", "content": ""})
    yield from _until_over(account, chat)
    with account.lock:
        try:
            text, evidence = _text_and_evidence(account, chat, before)
        except ApiError as error:
            said = {"message": error.message, "ref_id": account.new_ref_id(), "detail": None}
            chunks = [sse_data({"error": said})]
        else:
            size = max(16, -(-len(text) // _PIECES))
            pieces = [text[start : start + size] for start in range(0, len(text), size)]
            chunks = [_chunk(account, chat, {"content": piece}) for piece in pieces]
            chunks += [_chunk(account, chat, {}, **evidence), SSE_DONE]
    yield from chunks


def _until_over(account: Account, chat: Run) -> Iterator[Step]:
    until = min(chat.ends, chat.created + _LONGEST)
    while account.monotonic < until:
        yield Wait(until)


def _chunk(account: Account, chat: Run, delta: JsonObject, **evidence: Any) -> Chunk:
    choice = {"index": 0, "delta": delta, "finish_reason": None}
    names = {"id": "", "object": _CHUNK, "type": _CHUNK, "model": ""}
    rest = {"basis": [], "interaction_id": None, **evidence}
    return sse_data({**names, "created": _created(account, chat), "choices": [choice], **rest})


def _created(account: Account, chat: Run) -> int:
    return int(account.epoch + chat.created)


def _text_and_evidence(
    account: Account, chat: Run, before: list[JsonObject]
) -> tuple[str, JsonObject]:
    """The answer's text, its basis and its interaction id. Raises ApiError if there is no answer."""
    status = chat.status_at(account.monotonic)
    output = account.finish_output(chat)
    if output is None:
        message = (chat.error or {}).get("message", f"[simulated] The turn has no answer: {status}")
        raise ApiError(500, message, ref_id=(chat.error or {}).get("ref_id"))
    text = output["content"]
    if not isinstance(text, str):
        text = json.dumps(text, ensure_ascii=False)
    elif before and not (chat.turn and chat.turn.output is not None):
        told = "; ".join(f"{each['role']} {quote(each['content'])}" for each in before)
        text += f"\n\nSent before it in the same request: {told}."
    basis = [] if chat.processor == f"{CHAT}speed" else output["basis"]
    return text, {"basis": basis, "interaction_id": chat.interaction_id}
