"""The differences between an OpenAPI document of the API and ours, each as one line.

- The simulator's models of requests say the same as the document: types, required fields, limits.
- The client's models name the same fields, of the same kinds. It reads more than is documented, and sends no
  null, so that nothing else of them is compared.
- The simulator has the same calls, with the same query values, and its answers obey the document.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema
from pydantic import BaseModel, TypeAdapter

from langchain_parallel import models
from langchain_parallel._core.chat_request import IGNORED, ROLES, SENT
from langchain_parallel.simulator import request_models, web_request_models
from langchain_parallel.simulator.endpoints import CALLS, Call
from langchain_parallel.simulator.http_messages import to_json
from langchain_parallel.simulator.webhook_outbox import signature
from langchain_parallel.webhooks import MonitorDelivery, WebhookRejected, receive_any

from .facts import Schema, facts, kinds
from .tour import answers

_KEY = "a-secret-of-this-comparison"
REQUESTS: tuple[type[BaseModel], ...] = (
    request_models.TaskRunInput,
    request_models.CreateTaskGroupRequest,
    request_models.TaskGroupRunRequest,
    web_request_models.V1SearchRequest,
    web_request_models.V1ExtractRequest,
    request_models.ChatCompletionRequest,
    request_models.MemoryRetrieveRequest,
    request_models.MemoryEvictRequest,
    request_models.MemoryClearRequest,
)
CLIENT: dict[str, Any] = {
    "TaskRunInput": models.TaskRunInput,
    "TaskRun": models.TaskRun,
    "TaskRunResult": models.TaskRunResult,
    "TaskGroupResponse": models.TaskGroup,
    "TaskGroupRunResponse": models.TaskGroupRunResponse,
    "TaskRunEvent": models.TaskRunEvent,
    "TaskRunProgressStatsEvent": models.TaskRunProgressStatsEvent,
    "TaskRunProgressMessageEvent": models.TaskRunProgressMessageEvent,
    "TaskGroupStatusEvent": models.TaskGroupStatusEvent,
    "ErrorEvent": models.ErrorEvent,
    "V1SearchRequest": models.SearchRequest,
    "V1SearchResponse": models.SearchResponse,
    "V1ExtractRequest": models.ExtractRequest,
    "V1ExtractResponse": models.ExtractResponse,
    "MemoryRetrieveResponse": models.MemoryRetrieveResponse,
}
"""The document's name for what a model of the client reads or writes."""


def drift(document: Schema) -> set[str]:
    """Every difference between the document and ours."""
    return {
        *(line for model in REQUESTS for line in request_drift(document, model)),
        *(line for name, model in CLIENT.items() for line in client_drift(document, name, model)),
        *_statuses(document),
        *_chat(document),
        *monitor_drift(document),
        *_calls(document),
        *_answers(document),
    }


def request_drift(document: Schema, model: type[BaseModel]) -> Iterator[str]:
    """What a body that the simulator takes has that the document has not, and the other way round."""
    name, ours = model.__name__, model.model_json_schema()
    theirs = _of_itself(facts(name, _named(document, name), document))
    mine = _of_itself(facts(name, ours, ours))
    yield from (f"request, only in the document: {line}" for line in theirs - mine)
    yield from (f"request, only in the simulator: {line}" for line in mine - theirs)


def _of_itself(lines: Iterator[str]) -> set[str]:
    """Without what stands under `TaskRunInput` already."""
    return {line for line in lines if not line.startswith("TaskGroupRunRequest.inputs[].")}


def client_drift(document: Schema, name: str, model: Any) -> Iterator[str]:
    """Fields, or kinds of a field, that only the document or only a model of the client has."""
    schema = TypeAdapter(model).json_schema(mode="serialization")
    theirs = kinds(facts(name, _named(document, name), document))
    ours = kinds(facts(name, schema, schema))
    free = {path for path, found in ours.items() if "anything" in found or _is_free(path, ours)}
    for path in sorted({*theirs, *ours}):
        if any(path != each and path.startswith((f"{each}.", f"{each}[")) for each in free):
            continue  # the client hands on what is inside
        only_theirs = theirs.get(path, set()) - ours.get(path, set())
        only_ours = ours.get(path, set()) - theirs.get(path, set())
        if path not in free or path not in theirs:
            yield from (f"client, only in the document: {path}: {kind}" for kind in only_theirs)
            yield from (f"client, only in the client: {path}: {kind}" for kind in only_ours)


def _is_free(path: str, ours: dict[str, set[str]]) -> bool:
    """Whether the client takes any object there."""
    return "object" in ours[path] and not any(each.startswith(f"{path}.") for each in ours)


class NotTheDocument(ValueError):
    """What was given does not describe the API."""


def _named(document: Schema, name: str) -> Schema:
    try:
        found: Schema = document["components"]["schemas"][name]
    except (LookupError, TypeError):
        raise NotTheDocument(
            f"It describes no {name}: it is no OpenAPI document of the API."
        ) from None
    return found


def _statuses(document: Schema) -> Iterator[str]:
    theirs = set(_named(document, "TaskRun")["properties"]["status"]["enum"])
    ours = {*models.ACTIVE_STATUSES, *models.FINAL_STATUSES, "action_required"}
    yield from (f"client, status only in the document: {status}" for status in theirs - ours)
    yield from (f"client, status only in the client: {status}" for status in ours - theirs)


def monitor_drift(document: Schema) -> Iterator[str]:
    """What a monitor announces, and the id under which an event can be continued."""
    announced = _named(document, "MonitorWebhook")["properties"]["event_types"]["items"]["enum"]
    for kind in announced:
        body = to_json({"type": kind, "data": {"monitor_id": "monitor_1"}})
        headers = {
            "webhook-id": "whevent_1",
            "webhook-timestamp": "0",
            "webhook-signature": signature(_KEY.encode(), "whevent_1", 0, body),
        }
        try:
            found = receive_any(headers, body, secrets=[_KEY], now=0)
        except WebhookRejected:
            yield f"monitor, not recognised: {kind}"
        else:
            if not isinstance(found, MonitorDelivery) or found.type != kind:
                yield f"monitor, not recognised: {kind}"
    for name in ("MonitorEventStreamEvent", "MonitorSnapshotEvent"):
        event = _named(document, name)
        if event["properties"].get("event_id", {}).get("type") != "string":
            yield f"monitor, without an id to continue from: {name}"
    outputs = _named(document, "MonitorEventStreamEvent")["properties"]["output"]["oneOf"]
    names = sorted(each["$ref"].rpartition("/")[2] for each in outputs)
    if names != ["TaskRunJsonOutput", "TaskRunTextOutput"]:
        yield f"monitor, its output is no task's: {', '.join(names)}"


def _chat(document: Schema) -> Iterator[str]:
    """What a client may write into a turn of a chat, and what it says of the rest."""
    known, ignored = {*SENT}, {*IGNORED}
    for name in _named(document, "ChatCompletionRequest")["properties"].keys() - known - ignored:
        yield f"client, only in the document: ChatCompletionRequest.{name}"
    for name in known - _named(document, "ChatCompletionRequest")["properties"].keys():
        yield f"client, only in the client: ChatCompletionRequest.{name}"
    roles = {*_named(document, "ChatMessage")["properties"]["role"]["enum"]}
    yield from (f"client, not the same: ChatMessage.role: {role}" for role in roles ^ {*ROLES})
    read = {"choices", "created", "model", "basis", "interaction_id"}
    for model in ("ChatCompletion", "ChatCompletionResponseChunk"):
        for name in read - _named(document, model)["properties"].keys():
            yield f"client, only in the client: {model}.{name}"


def _calls(document: Schema) -> Iterator[str]:
    theirs = {
        (method.upper(), path): operation
        for path, methods in document["paths"].items()
        if _is_ours(path)
        for method, operation in methods.items()
    }
    ours = {(call.method, call.path): call for call in CALLS}
    yield from (
        f"call, only in the document: {' '.join(key)}" for key in theirs.keys() - ours.keys()
    )
    yield from (
        f"call, only in the simulator: {' '.join(key)}" for key in ours.keys() - theirs.keys()
    )
    for key in theirs.keys() & ours.keys():
        said, made = set(_of_operation(theirs[key], document)), set(_of_call(ours[key]))
        yield from (f"call, only in the document: {' '.join(key)}: {line}" for line in said - made)
        yield from (f"call, only in the simulator: {' '.join(key)}: {line}" for line in made - said)


def _is_ours(path: str) -> bool:
    """Whether a path is of the part of the API that this package is for."""
    parts = ("/tasks/", "/chat/", "/memory/")
    return any(part in path for part in parts) or path in ("/v1/search", "/v1/extract")


def _of_operation(operation: Schema, document: Schema) -> Iterator[str]:
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "query":
            yield from facts(parameter["name"], parameter["schema"], document)
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if body is not None:
        yield f"body {body['schema']['$ref'].rpartition('/')[2]}"
    invalid = operation["responses"].get("422", {}).get("content", {}).get("application/json", {})
    if "schema" in invalid:
        yield f"422 as {invalid['schema']['$ref'].rpartition('/')[2]}"


def _of_call(call: Call) -> Iterator[str]:
    schema = call.query.model_json_schema()
    for name, value in schema.get("properties", {}).items():
        yield from facts(name, value, schema)
    if call.body is not None:
        yield f"body {call.body.__name__}"
    yield f"422 as {'HTTPValidationError' if call.lists_errors else 'ErrorResponse'}"


def _answers(document: Schema) -> Iterator[str]:
    """Where an answer of the simulator is not what the document says."""
    for name, value in answers():
        validator = jsonschema.Draft202012Validator(
            {**document, "$ref": f"#/components/schemas/{name}"}
        )
        for error in validator.iter_errors(value):
            where = ".".join(str(step) for step in error.absolute_path if not isinstance(step, int))
            yield f"answer, {name}.{where}: {error.message[:200]}"
