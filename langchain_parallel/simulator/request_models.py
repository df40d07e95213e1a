"""What the published OpenAPI document says of bodies and query values, as models of the simulator's own.

Rule: these say what the document says (types, required fields, enums, lengths) and nothing else; what only
the API's pages say is in `validation.py`. `make drift` compares them with the document, and names what is
newer than it. They stand apart from the client's models, so that a mistake in one of the two shows.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

Status = Literal[
    "queued", "action_required", "running", "completed", "failed", "cancelling", "cancelled"
]


def _is_date(text: str) -> str:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise ValueError("must be a date, YYYY-MM-DD")
    date.fromisoformat(text)
    return text


Date = Annotated[
    str, AfterValidator(_is_date), WithJsonSchema({"type": "string", "format": "date"})
]
Metadata = dict[str, str | int | float | bool]


class _Body(BaseModel):
    """An object of a body. JSON types are taken as they are; an unknown field is let through."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        strict=True, extra="allow", hide_input_in_errors=True
    )


class SourcePolicy(_Body):
    """Which sites may be used."""

    include_domains: list[str] = []
    exclude_domains: list[str] = []
    after_date: Date | None = None


class DataSources(_Body):
    """Data connectors by how they are billed."""

    free: list[str] = []
    pay_per_use: list[str] = []


class TaskAdvancedSettings(_Body):
    """Settings of the search."""

    location: str | None = None
    data_sources: DataSources | None = None


class JsonSchema(_Body):
    """A JSON schema in its envelope."""

    json_schema: dict[str, Any]
    type: Literal["json"] = "json"


class TextSchema(_Body):
    """A description of a text."""

    description: str | None = None
    type: Literal["text"] = "text"


class AutoSchema(_Body):
    """The API chooses the shape."""

    type: Literal["auto"] = "auto"


class TaskSpec(_Body):
    """Shapes of the answer and of the input."""

    output_schema: JsonSchema | TextSchema | AutoSchema | str
    input_schema: str | JsonSchema | TextSchema | None = None


class McpServer(_Body):
    """An MCP server."""

    type: Literal["url"] = "url"
    url: str
    headers: dict[str, str] | None = None
    name: str
    allowed_tools: list[str] | None = None


class Webhook(_Body):
    """Where the end of the run is announced."""

    url: str
    event_types: list[Literal["task_run.status"]] = []


MemoryKey = Annotated[str, Field(min_length=1, max_length=128, pattern="^[a-zA-Z0-9_-]+$")]
MemoryKind = Literal["task", "monitor", "findall"]


class TaskRunInput(_Body):
    """One run to start."""

    processor: str
    metadata: Metadata | None = None
    memory_scope_key: MemoryKey | None = None
    source_policy: SourcePolicy | None = None
    advanced_settings: TaskAdvancedSettings | None = None
    task_spec: TaskSpec | None = None
    input: str | dict[str, Any]
    previous_interaction_id: str | None = None
    mcp_servers: list[McpServer] | None = None
    enable_events: bool | None = None
    webhook: Webhook | None = None


class CreateTaskGroupRequest(_Body):
    """A new group."""

    metadata: Metadata | None = None


class TaskGroupRunRequest(_Body):
    """Runs to start in a group."""

    default_task_spec: TaskSpec | None = None
    inputs: list[TaskRunInput]


class ChatMessage(_Body):
    """A message of a chat."""

    role: Literal["system", "user", "assistant"]
    content: str
    name: str | None = None


class ResponseFormatText(_Body):
    """The answer is text."""

    type: Literal["text"]


class ResponseFormatJSONObject(_Body):
    """The answer is a JSON object."""

    type: Literal["json_object"]


class ResponseSchema(_Body):
    """A JSON schema with its name."""

    name: str
    description: str = ""
    schema_: Annotated[dict[str, Any], Field(alias="schema")] = {}
    strict: bool | None = None


class ResponseFormatJSONSchema(_Body):
    """The answer is JSON of a schema."""

    json_schema: ResponseSchema
    type: Literal["json_schema"]


class ChatCompletionRequest(_Body):
    """One turn of a chat. The last six are taken and ignored."""

    model: str
    messages: list[ChatMessage]
    stream: bool | None = None
    response_format: (
        ResponseFormatText | ResponseFormatJSONSchema | ResponseFormatJSONObject | None
    ) = None
    previous_interaction_id: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    n: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None


class MemoryRetrieveRequest(_Body):
    """What is looked for in a memory."""

    query: Annotated[str, Field(max_length=500)] | None = None
    limit: Annotated[int, Field(ge=1, le=25)] = 10
    kind: MemoryKind | None = None
    since: str | None = None
    memory_scope_key: MemoryKey | None = None


class MemoryEvictRequest(_Body):
    """What is removed from a memory."""

    memory_scope_key: MemoryKey | None = None
    kind: MemoryKind
    id: MemoryKey


class MemoryClearRequest(_Body):
    """Which memory is emptied."""

    memory_scope_key: MemoryKey | None = None


class _Query(BaseModel):
    """Query values, which come as texts. An unknown one is ignored."""

    model_config: ClassVar[ConfigDict] = ConfigDict(hide_input_in_errors=True)


class NoQuery(_Query):
    """A call without query values."""


class ResultQuery(_Query):
    """How long to wait for a result, in seconds."""

    timeout: int = 600


class AddRunsQuery(_Query):
    """Whether the group's status is counted anew."""

    refresh_status: bool = True


class GroupRunsQuery(_Query):
    """Which runs of a group are listed, from where on, and with what."""

    last_event_id: str | None = None
    status: Status | None = None
    include_input: bool = False
    include_output: bool = False


class GroupEventsQuery(_Query):
    """From where on a group's events are sent, and for how many seconds."""

    last_event_id: str | None = None
    timeout: Annotated[float, Field(allow_inf_nan=False)] | None = None
