"""What the API sends back: runs, answers, groups, and the result of a submission.

Rule: a response with fields, statuses or output types that this package does not know still reads, and
keeps them (`model_extra`).
"""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar, TypeVar, get_origin, overload

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..errors import OutputMismatch
from .schema_forms import read_as

T = TypeVar("T")

ACTIVE_STATUSES = frozenset({"queued", "running", "cancelling"})
"""The run is still working, without help from a person."""
FINAL_STATUSES = frozenset({"completed", "failed", "cancelled"})
"""The run has ended. `action_required` is in neither set: the run continues after a person has acted."""


class ApiModel(BaseModel):
    """Something that the API sent. A null where a value belongs counts as left out.

    It may be an answer that is paid for, which must not be lost because one of its citations lacks a title.
    """

    # A number where a text belongs (`ref_id`) is read as text, for the same reason.
    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="allow",
        frozen=True,
        hide_input_in_errors=True,
        coerce_numbers_to_str=True,
        allow_inf_nan=False,
    )

    _text_is: ClassVar[str] = ""
    """The field that a bare text in place of the object is read as."""

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            is_text = isinstance(value, str) and cls._text_is
            return {cls._text_is: value} if is_text else value
        if None not in value.values():
            return value
        without = _optional_fields(cls)
        return {name: v for name, v in value.items() if v is not None or name not in without}


@cache
def _optional_fields(model: type[BaseModel]) -> frozenset[str]:
    return frozenset(name for name, one in model.model_fields.items() if not one.is_required())


class TaskRunWarning(ApiModel):
    """A remark on a run: the server's, or this package's on what it had to change to keep the answer."""

    _text_is: ClassVar[str] = "message"

    type: str = "warning"
    message: str = ""
    detail: Any = None

    def __str__(self) -> str:
        return str(self.message or self.detail or self.type)


class TaskRunError(ApiModel):
    """Why a run failed. `ref_id` is what Parallel's support asks for."""

    ref_id: str | None = None
    message: str = ""
    detail: Any = None


class TaskRun(ApiModel):
    """A run, in the state in which it was read."""

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
        """Whether the run is still working, without help from a person.

        A run with a status that this package does not know counts as active, unless the server says
        `is_active: false`.
        """
        if self.status in ACTIVE_STATUSES:
            return True
        if self.status in FINAL_STATUSES or self.status == "action_required":
            return False
        return self.is_active is not False


class Citation(ApiModel):
    """A source of an answer. The excerpts are untrusted web text."""

    _text_is: ClassVar[str] = "url"

    url: str = ""
    title: str | None = None
    excerpts: tuple[str, ...] | None = None


class FieldBasis(ApiModel):
    """The evidence for one field of the answer (`output` where the answer is text)."""

    field: str = ""
    reasoning: str = ""
    citations: tuple[Citation, ...] | None = ()
    confidence: str | None = None
    """`high`, `medium`, `low`; None or empty if the processor gives none."""


class McpToolCall(ApiModel):
    """A call that the run made to an MCP server."""

    tool_call_id: str = ""
    server_name: str = ""
    tool_name: str = ""
    arguments: str = ""
    content: str | None = None
    error: str | None = None


class TaskRunOutput(ApiModel):
    """The answer of a run. `content` is text where `type` is `text`, a JSON object where it is `json`."""

    type: str
    content: Any
    basis: tuple[FieldBasis, ...] = ()
    mcp_tool_calls: tuple[McpToolCall, ...] | None = None
    output_schema: dict[str, Any] | None = None
    """The schema that the API chose; only with an auto schema."""


class TaskRunResult(ApiModel):
    """A completed run with its answer."""

    run: TaskRun
    output: TaskRunOutput

    @overload
    def parse(self, model: type[T]) -> T: ...

    @overload
    def parse(self, model: Any) -> Any: ...

    def parse(self, model: Any) -> Any:
        """The answer as a value of `model`: the class or type that was given as `output_schema`, or one that
        fits.

        Raises:
            OutputMismatch: The answer does not fit. It is paid for, and stays at `.output`.
        """
        try:
            return read_as(model, self.output.content)
        except ValueError as error:
            raise mismatch(
                f"The answer of run {self.run.run_id}",
                model,
                error,
                "result.output.content",
                run_id=self.run.run_id,
                interaction_id=self.run.interaction_id,
            ) from error


def mismatch(what: str, model: Any, error: Exception, at: str, **ids: str | None) -> OutputMismatch:
    """The error for an answer that does not fit a caller's model, and is still there at `at`."""
    return OutputMismatch(
        f"{what} does not fit {_name(model)}: {_where(error)}.",
        hint=f"It is paid for and stays readable as `{at}`; "
        "ask a follow-up for the missing parts, or loosen the model.",
        billed=True,
        **ids,
    )


def _name(model: Any) -> str:
    return str(model if get_origin(model) else getattr(model, "__name__", model))


def _where(error: Any) -> str:
    """What does not fit, by path; of an error of pydantic without the input, which may be long."""
    if isinstance(error, ValidationError):
        faults: Any = error.errors(include_input=False, include_url=False)
    elif hasattr(error, "errors"):  # of pydantic 1
        faults = error.errors()
    else:
        return str(error)
    return "; ".join(f"{'.'.join(map(str, e['loc'])) or 'the whole'}: {e['msg']}" for e in faults)


class RunInput(ApiModel):
    """The request that started a run, as the server kept it. Secrets are not sent back."""

    input: Any
    processor: str = ""
    task_spec: dict[str, Any] | None = None
    previous_interaction_id: str | None = None
    source_policy: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    mcp_servers: tuple[dict[str, Any], ...] | None = Field(default=None, repr=False)
    webhook: dict[str, Any] | None = Field(default=None, repr=False)


class TaskGroupStatus(ApiModel):
    """The runs of a group, counted by status."""

    num_task_runs: int = 0
    task_run_status_counts: dict[str, int] = Field(default_factory=dict)
    is_active: bool = False
    status_message: str | None = None
    modified_at: str | None = None


class TaskGroup(ApiModel):
    """A group of runs. Making one is free; it starts nothing."""

    taskgroup_id: str
    status: TaskGroupStatus = TaskGroupStatus()
    metadata: dict[str, Any] | None = None
    created_at: str | None = None


class TaskGroupRunResponse(ApiModel):
    """The runs just started in a group, and cursors from which to read on."""

    run_ids: tuple[str, ...]
    status: TaskGroupStatus = TaskGroupStatus()
    run_cursor: str | None = None
    event_cursor: str | None = None


class Submission(ApiModel):
    """The result of a `submit`: a run that was found in the ledger, or started there.

    `adopted` means that the run was in the ledger already: it was paid for earlier, and nothing was sent.
    `duplicates` names further runs under the same key, which should not exist; `run` is the oldest.
    """

    run: TaskRun
    """As it stood then. Right after the start it may lack its `interaction_id`, which the answer has."""
    ledger_id: str
    key: str
    adopted: bool
    duplicates: tuple[str, ...] = ()
    instead_of: str | None = None
    """The processor that was asked for and refused, if the run was started with another: `run.processor`."""
    sent_again: bool = False
    """The request was sent again, because the outcome of an earlier send was unknown and no run showed up
    for the settling time. If one shows up later still, `find` reports it as a duplicate.
    """
