"""The options that all doors (tool, middleware, research graph) share, and the request made from them.

`_session_options` has those of a session: limits, quotas, and what is kept for later sessions.

Rule: an option is checked here, in one way for all doors, when a door is made and before it can pay.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple, TypeAlias, cast

from pydantic import Field, InstanceOf, ValidationError, field_validator
from pydantic_core import ErrorDetails

from ._core import limits as api_limits
from ._core.documented_rules import BrokenRule
from ._core.kinds import as_list
from ._core.ledger.identity import check_identity
from ._core.ledger.keys import check_own_metadata
from ._core.quick_questions import check as check_question
from ._session_options import Limits, Quota, Recall, SessionLimits
from .client.request_warnings import warn
from .errors import InvalidRequest
from .models import (
    McpServer,
    Metadata,
    SchemaLike,
    SourcePolicy,
    TaskAdvancedSettings,
    TaskRunInput,
    TaskSpec,
    Webhook,
)
from .models.requests import Extensible
from .processors import is_chat

__all__ = ["Limits", "ProcessorChoice", "Quota", "Recall", "RequestOptions", "SessionLimits"]

ProcessorChoice: TypeAlias = "str | tuple[str, str]"
"""One processor for every run; or one for first questions and one for follow-ups."""
DEFAULT_PROCESSORS = ("core", "base")


class RequestOptions(Extensible):
    """Options of every run that a tool, graph or middleware starts, beside question and processor.

    Args:
        source_policy: Which sites may be used.
        mcp_servers: MCP servers the runs may call.
        advanced_settings: Country of the search, data connectors.
        memory_scope_key: Files the runs in the application memory of this name. No run reads it by itself.
        metadata: Kept with every run on Parallel's side, beside the `thread_id`, which is not yours to set.
        webhook: Where the API posts when a run has ended; for `wait="park"`.
        allow_unknown_processor: Send processors that this package does not know.
        processor_may_fall_back: If the API refuses a processor, and so bills nothing, ask once with the
            nearest listed one that costs no more: the plain one of a `-fast` one, else the next cheaper one.
        allow_foreign_ids: Whether to accept ids of ledgers, runs and interactions that do not come from this
            thread, such as those of monitor events. True: always. False: never. None: in your own process,
            those that your code gives, and none that a model gives; behind a LangGraph server, none.
        identity: Whose credentials the MCP servers get, such as a user's id; never sent. With it, a run is
            found again after its credentials were rotated; without it, rotated credentials make another run.
        recall: Keep what sessions find in LangGraph's store, and show it before a question is paid for again.
        extra_body: Fields that the API knows and this package does not, sent with every run.
        strict: Refuse what breaks a rule of the API's documentation (`langchain_parallel.rules`). Otherwise
            it is sent with a `RequestWarning`.

    Raises:
        pydantic.ValidationError: An option is unknown or of another type. Values are not repeated.
    """

    source_policy: SourcePolicy | None = None
    mcp_servers: Sequence[McpServer] = Field(default=(), repr=False)  # headers are secret
    advanced_settings: TaskAdvancedSettings | None = None
    memory_scope_key: str | None = None
    metadata: Metadata = Field(default_factory=dict)
    webhook: Webhook | None = Field(default=None, repr=False)  # its URL may hold a token
    allow_unknown_processor: bool = False
    processor_may_fall_back: bool = False
    allow_foreign_ids: bool | None = None
    strict: bool = False
    identity: str | None = Field(default=None, repr=False)  # it names a person
    recall: InstanceOf[Recall] | None = None

    _sent_beside: ClassVar[frozenset[str]] = frozenset(TaskRunInput.model_fields)

    @field_validator("metadata")
    @classmethod
    def _is_the_callers(cls, value: Metadata) -> Metadata:
        check_own_metadata(value)
        return value

    @field_validator("identity")
    @classmethod
    def _is_identity(cls, value: str | None) -> str | None:
        check_identity(value)
        return value

    @property
    def paid_connectors(self) -> tuple[str, ...]:
        """The data connectors whose calls are billed on top of the runs, at prices that are not known."""
        sources = self.advanced_settings.data_sources if self.advanced_settings else None
        return tuple(sources.pay_per_use) if sources else ()

    def template(
        self,
        processors: Sequence[str],
        output_schema: SchemaLike | None = None,
        input_schema: SchemaLike | None = None,
        warned: set[str] | None = None,
    ) -> TaskRunInput:
        """The request that all runs of a door share, checked; only the question is missing.

        Args:
            processors: All that the door may use, the usual one first.
            output_schema: Shape of every answer; None: the API chooses.
            input_schema: Shape of the question; None: text.
            warned: The names of rules that a warning has named before; those named here are added.

        Raises:
            InvalidRequest: It may not be sent.
        """
        spec = None
        if output_schema is not None or input_schema is not None:
            spec = task_spec(output_schema, input_schema)
        request = TaskRunInput(
            input="?",
            processor=processors[0],
            task_spec=spec,
            enable_events=True,
            **{name: value for name, value in self if name in TaskRunInput.model_fields},
        )
        for processor in dict.fromkeys(processors):
            warn(self.check(request.model_copy(update={"processor": processor})), warned)
        return request

    def check(self, request: TaskRunInput, *, strict: bool = False) -> list[BrokenRule]:
        """The rules of the documentation that a request breaks, and a caller should be warned of.

        Raises:
            InvalidRequest: No API could take it; or it breaks such a rule, and `strict` is set.
        """
        if is_chat(request.processor):
            check_question(request)
            return []
        return api_limits.check(
            request,
            allow_unknown_processor=self.allow_unknown_processor,
            how_to_allow="request=RequestOptions(allow_unknown_processor=True)",
            strict=strict or self.strict,
        )


def task_spec(output_schema: SchemaLike | None, input_schema: SchemaLike | None = None) -> TaskSpec:
    """The shape of answers and questions; without an output schema, the API chooses the answers'.

    Raises:
        InvalidRequest: One is no schema.
    """
    shape = "auto" if output_schema is None else output_schema
    try:
        return TaskSpec(output_schema=shape, input_schema=input_schema)
    except ValidationError as error:
        raise InvalidRequest([*map(_schema_problem, error.errors())]) from None


def _schema_problem(fault: ErrorDetails) -> str:
    said = fault["msg"].removeprefix("Value error, ")
    return f"{fault['loc'][0]}: {said}" if fault["loc"] else said  # which may name it by itself


def first_and_follow_up(processor: ProcessorChoice) -> tuple[str, str]:
    """The processor for a first question, and the one for follow-ups.

    Raises:
        InvalidRequest: Neither a name nor two of them are given.
    """
    names: tuple[object, ...] = processor if isinstance(processor, tuple) else (processor,) * 2
    if len(names) != 2 or not all(isinstance(name, str) for name in names):
        raise InvalidRequest(
            [f"processor is {processor!r}; give a name, or two: for first questions, follow-ups."]
        )
    return cast("tuple[str, str]", names)


class Processors(NamedTuple):
    """The processors that a door may use."""

    first: str
    follow_up: str
    choices: tuple[str, ...]
    """What a model may choose from; empty: it may not choose."""
    quick: tuple[str, ...] = ()
    """What it may choose from for quick turns; empty: it has no tool for them."""

    @classmethod
    def of(cls, processor: ProcessorChoice, model_may_choose: Sequence[str]) -> Processors:
        """From the two options. Unless `processor` is given, the first of the choices is the usual one.

        Raises:
            InvalidRequest: One of them is no name, or no list of names.
        """
        first, follow_up = first_and_follow_up(processor)
        given: list[Any] = as_list("model_may_choose", model_may_choose or ())
        quick = [name for name in given if isinstance(name, str) and is_chat(name)]
        named = [name for name in given if name not in quick]
        if named and processor is DEFAULT_PROCESSORS:  # not given, however alike
            first = follow_up = named[0]
        choices = tuple(dict.fromkeys((first, *named))) if named else ()
        return cls(first, follow_up, choices, tuple(dict.fromkeys(quick)))

    @property
    def all(self) -> tuple[str, ...]:
        """Each of them once, the usual one first."""
        return tuple(dict.fromkeys((self.first, self.follow_up, *self.choices, *self.quick)))


def check_timeout(timeout: float | None) -> float | None:
    """A timeout in seconds, or None.

    Raises:
        InvalidRequest: It is negative or no number.
    """
    return None if timeout is None else api_limits.seconds(timeout)
