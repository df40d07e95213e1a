"""The nouns of the Task API, as frozen pydantic models.

Rule: lenient to what the API sends, strict to what callers build. An answer with fields, statuses,
event types or output types nobody has heard of still reads, and keeps them (`model_extra`); a request
with a misspelt field does not build. The API's *limits* (lengths, counts, known processors) are
checked in one place, `_core/checks.py`, just before a request is sent.

Facts: https://docs.parallel.ai/api-reference (OpenAPI 0.1.2).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    SecretStr,
    ValidationError,
    field_serializer,
    field_validator,
    model_validator,
)

from .errors import OutputMismatch

ModelT = TypeVar("ModelT", bound=BaseModel)

Metadata = dict[str, str | int | float | bool]

ACTIVE_STATUSES = frozenset({"queued", "running", "cancelling"})
"""The run goes on by itself."""
FINAL_STATUSES = frozenset({"completed", "failed", "cancelled"})
"""The run has ended. `action_required` is in neither set: a person must act first."""


class _Answer(BaseModel):
    """Something the API sent. What is null where a value belongs counts as left out.

    An answer is paid for: it must not be lost because one of its citations lacks a title.
    """

    model_config = ConfigDict(
        extra="allow", frozen=True, hide_input_in_errors=True, coerce_numbers_to_str=True
    )

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        fields = cls.model_fields
        return {
            name: v
            for name, v in value.items()
            if v is not None or name not in fields or fields[name].is_required()
        }


class _Request(BaseModel):
    """Something a caller builds. Errors never repeat the input: it may hold a secret."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


# --- what is asked -------------------------------------------------------------------------------


class JsonSchema(_Request):
    """The answer is a JSON object that obeys `json_schema` (root an object, at most 5 levels deep)."""

    type: Literal["json"] = "json"
    json_schema: dict[str, JsonValue]


class TextSchema(_Request):
    """The answer is text, as `description` asks."""

    type: Literal["text"] = "text"
    description: str | None = None


class AutoSchema(_Request):
    """The API chooses the shape of the answer."""

    type: Literal["auto"] = "auto"


AnySchema = Annotated[JsonSchema | TextSchema | AutoSchema, Field(discriminator="type")]
SchemaLike = type[BaseModel] | Mapping[str, Any] | str | JsonSchema | TextSchema | AutoSchema
"""What stands for a schema: a pydantic class, a JSON schema, an envelope (`{"type": "text", …}`),
or a bare string, which the API reads as the description of a text answer."""


def schema_envelope(schema: object) -> object:
    """Whatever a caller may pass for a schema, as one of the API's three envelopes."""
    if isinstance(schema, type) and issubclass(schema, BaseModel):
        return JsonSchema(json_schema=schema.model_json_schema())
    if isinstance(schema, str):
        return AutoSchema() if schema == "auto" else TextSchema(description=schema)
    if isinstance(schema, Mapping) and schema.get("type") not in ("json", "text", "auto"):
        return JsonSchema(json_schema=dict(schema))
    return schema


class TaskSpec(_Request):
    """What shape the answer shall have, and what shape the input has.

    Both take whatever `SchemaLike` allows. No spec at all is the same as an auto output schema.
    """

    output_schema: Annotated[AnySchema, BeforeValidator(schema_envelope)] = AutoSchema()
    input_schema: Annotated[AnySchema | None, BeforeValidator(schema_envelope)] = None

    if TYPE_CHECKING:

        def __init__(
            self, *, output_schema: SchemaLike = ..., input_schema: SchemaLike | None = ...
        ) -> None: ...


class SourcePolicy(_Request):
    """Which web sources may be used. The two lists together hold at most 200 domains.

    A domain is plain (`example.com`) or an ending with its dot (`.gov`).
    """

    include_domains: Sequence[str] = ()
    exclude_domains: Sequence[str] = ()
    after_date: date | None = None
    """Only content published on or after this day."""


def _host_of(url: str) -> str:
    """What a dump shows of a URL that may carry secrets: `wire.py` sends the whole of it."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "…"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/…"


class McpServer(_Request):
    """An MCP server the run may call. Headers, and whatever its URL carries, are treated as secrets."""

    type: Literal["url"] = "url"
    url: str = Field(repr=False)
    name: str
    headers: dict[str, SecretStr] | None = Field(default=None, repr=False)
    allowed_tools: Sequence[str] | None = None

    @field_serializer("url")
    def _address(self, url: str) -> str:
        return _host_of(url)

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            url: str,
            name: str,
            headers: Mapping[str, str | SecretStr] | None = ...,
            allowed_tools: Sequence[str] | None = ...,
        ) -> None: ...


class TaskAdvancedSettings(_Request):
    """Search settings. `location` is an ISO 3166-1 alpha-2 country code, such as `de`."""

    location: str | None = None

    @field_validator("location")
    @classmethod
    def _two_letters(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch("[A-Za-z]{2}", value):
            raise ValueError(
                "location is an ISO 3166-1 alpha-2 country code of two letters, such as 'us'"
            )
        return value


class Webhook(_Request):
    """Where the API posts once the run has ended. The URL is kept out of `repr`: it may hold a token."""

    url: str = Field(repr=False)
    event_types: Sequence[Literal["task_run.status"]] = ("task_run.status",)

    @field_serializer("url")
    def _address(self, url: str) -> str:
        return _host_of(url)


class TaskRunInput(_Request):
    """One run to start.

    Args:
        input: The question, as text or as a JSON object.
        processor: How much work goes into the answer; see `langchain_parallel.processors`.
        task_spec: Shape of the answer (and of the input). Left out: the API chooses.
        previous_interaction_id: Continue from this interaction, with all the context behind it.
        source_policy: Which sites may be used, and from which day on.
        mcp_servers: At most 10.
        metadata: Kept with the run. Keys up to 16, values up to 512 characters.
        enable_events: Record progress (on by itself from `pro` up; cannot be switched on later).
        webhook: Called when the run has ended.
        advanced_settings: Country of the search.
        memory_scope_key: Which memory the run uses.
    """

    input: str | dict[str, JsonValue]
    processor: str
    task_spec: TaskSpec | None = None
    previous_interaction_id: str | None = None
    source_policy: SourcePolicy | None = None
    mcp_servers: Sequence[McpServer] = ()
    metadata: Metadata = Field(default_factory=dict)
    enable_events: bool | None = None
    webhook: Webhook | None = None
    advanced_settings: TaskAdvancedSettings | None = None
    memory_scope_key: str | None = None


# --- what comes back -----------------------------------------------------------------------------


class TaskRunWarning(_Answer):
    """A remark of the server on a run, such as a schema it found doubtful."""

    type: str = "warning"
    message: str = ""
    detail: Any = None


class TaskRunError(_Answer):
    """Why a run failed. `ref_id` is what Parallel's support asks for."""

    ref_id: str | None = None
    message: str = ""
    detail: Any = None


class TaskRun(_Answer):
    """A run as it stands."""

    run_id: str
    interaction_id: str | None = None
    """Pass it as `previous_interaction_id` to continue from this run."""
    status: str
    is_active: bool | None = None
    processor: str = ""
    warnings: tuple[TaskRunWarning, ...] | None = None
    error: TaskRunError | None = None
    metadata: dict[str, Any] | None = None
    taskgroup_id: str | None = None
    created_at: str | None = None
    modified_at: str | None = None

    @property
    def active(self) -> bool:
        """Whether the run goes on by itself.

        A status nobody has heard of is believed to, unless the server says `is_active: false`.
        """
        if self.status in ACTIVE_STATUSES:
            return True
        if self.status in FINAL_STATUSES or self.status == "action_required":
            return False
        return self.is_active is not False


class Citation(_Answer):
    """One source. The excerpts are untrusted web text."""

    url: str = ""
    title: str | None = None
    excerpts: tuple[str, ...] | None = None


class FieldBasis(_Answer):
    """The evidence for one field of the answer (`output` where the answer is text)."""

    field: str = ""
    reasoning: str = ""
    citations: tuple[Citation, ...] | None = ()
    confidence: str | None = None
    """`high`, `medium`, `low`; None or empty where the processor gives none."""


class McpToolCall(_Answer):
    """A call the run made to one of the MCP servers."""

    tool_call_id: str = ""
    server_name: str = ""
    tool_name: str = ""
    arguments: str = ""
    content: str | None = None
    error: str | None = None


class TaskRunOutput(_Answer):
    """The answer. `content` is text where `type` is `text`, a JSON object where it is `json`."""

    type: str
    content: Any
    basis: tuple[FieldBasis, ...] = ()
    mcp_tool_calls: tuple[McpToolCall, ...] | None = None
    output_schema: dict[str, Any] | None = None
    """The schema the API chose; only with an auto schema."""


class TaskRunResult(_Answer):
    """A completed run with its answer."""

    run: TaskRun
    output: TaskRunOutput

    def parse(self, model: type[ModelT]) -> ModelT:
        """The answer as an instance of `model`.

        Raises:
            OutputMismatch: The answer does not fit. It is paid for, and stays at `.output`.
        """
        content = self.output.content
        try:
            if isinstance(content, str):
                return model.model_validate_json(content)
            return model.model_validate(content)
        except ValidationError as error:
            where = "; ".join(
                f"{'.'.join(map(str, e['loc'])) or 'the whole'}: {e['msg']}"
                for e in error.errors(include_input=False, include_url=False)
            )
            raise OutputMismatch(
                f"The answer of run {self.run.run_id} does not fit {model.__name__}: {where}.",
                hint="It is paid for and stays readable as `result.output.content`; "
                "ask a follow-up for the missing parts, or loosen the model.",
                run_id=self.run.run_id,
                interaction_id=self.run.interaction_id,
                billed=True,
            ) from error


class RunInput(_Answer):
    """What was asked of a run, as the server kept it (secrets are not sent back)."""

    input: Any
    processor: str = ""
    task_spec: dict[str, Any] | None = None
    previous_interaction_id: str | None = None
    source_policy: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    mcp_servers: tuple[dict[str, Any], ...] | None = Field(default=None, repr=False)
    webhook: dict[str, Any] | None = Field(default=None, repr=False)


class TaskGroupStatus(_Answer):
    """The runs of a group, counted by status."""

    num_task_runs: int = 0
    task_run_status_counts: dict[str, int] = Field(default_factory=dict)
    is_active: bool = False
    status_message: str | None = None
    modified_at: str | None = None


class TaskGroup(_Answer):
    """A group of runs. Making one is free; it starts nothing."""

    taskgroup_id: str
    status: TaskGroupStatus = TaskGroupStatus()
    metadata: dict[str, Any] | None = None
    created_at: str | None = None


class TaskGroupRunResponse(_Answer):
    """The runs just started in a group, and cursors from which to read on."""

    run_ids: tuple[str, ...]
    status: TaskGroupStatus = TaskGroupStatus()
    run_cursor: str | None = None
    event_cursor: str | None = None


# --- what streams --------------------------------------------------------------------------------


class TaskRunEvent(_Answer):
    """A run as it stands; with its output at the end of a stream."""

    type: Literal["task_run.state"] = "task_run.state"
    run: TaskRun
    event_id: str | None = None
    input: RunInput | None = None
    output: TaskRunOutput | None = None


class TaskRunSourceStats(_Answer):
    """How many sources a run has looked at so far."""

    num_sources_considered: int | None = None
    num_sources_read: int | None = None
    sources_read_sample: tuple[str, ...] | None = None


class TaskRunProgressStatsEvent(_Answer):
    """How far a run is. `progress_meter` goes from 0 to 100."""

    type: Literal["task_run.progress_stats"] = "task_run.progress_stats"
    source_stats: TaskRunSourceStats = TaskRunSourceStats()
    progress_meter: float | None = None


class TaskRunProgressMessageEvent(_Answer):
    """What a run is doing. `type` is `task_run.progress_msg.` and a kind such as `plan` or `search`."""

    type: str
    message: str = ""
    timestamp: str | None = None

    @property
    def kind(self) -> str:
        """The last part of the type: `plan`, `search`, `result`, `tool_call`, `exec_status`, …"""
        return self.type.rpartition(".")[2]


class TaskGroupStatusEvent(_Answer):
    """A group as it stands. `event_id` is the cursor to resume from."""

    type: Literal["task_group_status"] = "task_group_status"
    status: TaskGroupStatus
    event_id: str | None = None


class ErrorEvent(_Answer):
    """The server reports trouble inside a stream."""

    type: Literal["error"] = "error"
    error: TaskRunError


class UnknownEvent(_Answer):
    """An event of a type, or of a shape, this package does not know yet. All its fields are kept."""

    type: str = ""


Event = (
    TaskRunEvent
    | TaskRunProgressStatsEvent
    | TaskRunProgressMessageEvent
    | TaskGroupStatusEvent
    | ErrorEvent
    | UnknownEvent
)


class Submission(_Answer):
    """What came of asking the ledger for a run.

    `adopted` says that the run was there already: it was paid for earlier, and nothing was sent.
    `duplicates` names further runs found under the same key, which should not exist; the oldest is
    the one in `run`.
    """

    run: TaskRun
    """As it stood then. Right after the start it may lack its `interaction_id`: a wait tells."""
    ledger_id: str
    key: str
    adopted: bool
    duplicates: tuple[str, ...] = ()
    sent_again: bool = False
    """Sent again after an outcome nobody saw, and a settling time in which no run showed up. Should one
    show up later still, `find` reports it as a duplicate.
    """
    cursor: str | None = None
    """Where this run stands in the ledger's list. A later submission of the session may begin there."""
