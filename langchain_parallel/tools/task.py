"""`ParallelTaskTool`.

Rule: a call spends through a ledger, under a key that says what was asked and at which point of the
conversation (`call_site.py`). Inside LangGraph that is the model message that made the call, so a replayed or
duplicated call finds the run already paid for; outside, every call is a new one.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from langchain_core.messages.tool import ToolCall, tool_call
from langchain_core.tools import BaseTool, ToolException
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    InstanceOf,
    PrivateAttr,
    SecretStr,
    model_validator,
)
from typing_extensions import Self

from .._core.calls import Calls
from .._graph.callbacks import tell_cost
from .._graph.discreet_door import DiscreetDoor
from .._graph.ownership import prove_ledger
from .._graph.paid_run import PaidAnswer, PaidRun
from .._graph.run_config import RunConfig
from .._graph.runtime import ends_step
from .._graph.web_clients import key_or_environment
from .._session_options import only_one_run_per_question
from ..client import AsyncParallelClient, ParallelClient
from ..errors import ParallelError
from ..evidence import citations
from ..models import SchemaLike
from ..models.schema_forms import is_class
from ..options import (
    DEFAULT_PROCESSORS,
    Limits,
    ProcessorChoice,
    Processors,
    RequestOptions,
    check_timeout,
)
from ..parked.interrupts import check_can_park, check_own_thread, is_parking
from ..text.result import DEFAULT_MAX_CHARS, MIN_CHARS, paid_calls, render
from .arguments import (
    OUTPUT,
    PREVIOUS,
    PROCESSOR,
    accept_field_names,
    arguments,
    check_described,
    described_shape,
)
from .asked_by_hand import AskedByHand
from .batched_calls import seat_of
from .call_site import CallSite
from .called_by_name import CalledByName
from .called_in_batches import CalledInBatches
from .own_answers import check_adopted, check_follow_up, remember_answer, seal_answer
from .parked_call import wait_or_park
from .seating import answer_from_seat
from .task_artifact import Told, artifact_of, spending
from .thread_citations import number_citations
from .tool_messages import description, error_for_model, explain
from .unfinished_calls import UnfinishedCall, is_found_again, with_asked_key
from .within_limits import submit_within_limits


class ParallelTaskTool(DiscreetDoor, CalledByName, CalledInBatches, AskedByHand):
    """Web research with evidence, as a tool for agents.

    The content a model reads is the answer with numbered citations, what is uncertain, and the
    interaction id to follow up on; the artifact is the whole result as plain JSON, with `run_id`,
    `interaction_id` and `cost_usd` (None for an unknown processor; `cost_is_lower_bound` where calls of data
    connectors are billed on top; identical parallel calls share one
    run, so sum by `run_id`). Errors come back to the model as text and name the run; set
    `handle_tool_error=False` to have them raised as `ToolException`, with the package's own error as
    `__cause__`.

    Inside LangGraph, runs are kept in the ledger that the state's `ledger_id` names, else in one that is
    recorded for the thread, in the graph's `store` or its checkpointer: with any of these, a call whose
    process was lost finds its run again, paid for once.

    Example:
        ```python
        from langchain.agents import create_agent
        from langchain_parallel import ParallelTaskTool

        agent = create_agent("openai:gpt-5", tools=[ParallelTaskTool(processor="core")])
        ```

    Raises:
        pydantic.ValidationError: On construction, for whatever may not be sent.
        MissingKey: On construction, without an API key.
    """

    # A misspelt option would bill another run than the one meant; a wrong MCP header must not be
    # repeated in an error.
    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid",
        hide_input_in_errors=True,
        arbitrary_types_allowed=True,
        populate_by_name=True,
    )

    name: str = "parallel_task"
    """What the model calls it."""
    description: str = ""
    """For the model. Left empty: when to use it, how to follow up, what it costs and how long it takes."""
    args_schema: Any = Field(default=None, exclude=True, repr=False)
    """Built from the fields below."""
    response_format: Literal["content", "content_and_artifact"] = "content_and_artifact"
    handle_tool_error: bool | str | Callable[[ToolException], str] | None = True
    handle_validation_error: bool | str | Callable[[Any], str] | None = Field(
        default=explain, exclude=True, repr=False
    )

    processor: ProcessorChoice = DEFAULT_PROCESSORS
    """For every run; or two, for first questions and for follow-ups. See `langchain_parallel.processors`."""
    model_may_choose: Sequence[str] = ()
    """Processors the model may choose from; unless `processor` is given, the first of them is the usual one.
    Empty: it may not choose."""
    model_may_describe_output: bool = False
    """Whether the model may say what shape an answer has, in words or as a JSON schema; that is checked
    before it is sent."""
    # Every LangChain Runnable has attributes `output_schema` and `input_schema`, so these two are given
    # under the words of all doors, and kept under others.
    task_output_schema: Any = Field(default=None, alias="output_schema")
    """Shape of every answer: pydantic class, JSON schema, text description and more (see
    `langchain_parallel.models.SchemaLike`), or None for whatever the API chooses."""
    task_input_schema: Any = Field(default=None, alias="input_schema")
    """Shape of the question. A pydantic class: the model fills in its fields instead of a question. A JSON
    schema or a text description: the model fills in `input` accordingly."""
    wait: Literal["block", "park"] = "block"
    """`block`: a call returns with the answer. `park`: the graph ends in an interrupt (`ParkedInterrupt`)
    until the run has ended and the thread is resumed; without a checkpointer a call blocks."""
    timeout: float | None = None
    """Seconds to wait for an answer; None: twice the processor's usual longest time, and ten minutes."""
    limits: InstanceOf[Limits] | None = None
    """What the runs of one ledger may use, and from which price on a person is asked. Inside LangGraph that
    is a thread; where there is none, all calls of this object. A person's approval counts for one call."""
    max_chars: int | None = Field(default=DEFAULT_MAX_CHARS, ge=MIN_CHARS)
    """Longest content in characters, at least 1,000; None: no limit. What is cut is said, and stays in the
    artifact.
    """
    request: RequestOptions | None = Field(default=None, repr=False, exclude=True)
    """What else shapes the runs: sources, MCP servers, metadata, a webhook. LangChain's own `metadata` goes
    to traces."""
    ledger_id: str | None = Field(default=None, min_length=1)
    """A task group to keep this tool's runs in, shared by every tool that names it."""

    api_key: SecretStr | None = None
    """The key; read from `PARALLEL_API_KEY` unless given."""
    base_url: str | None = None
    """The server; read from `PARALLEL_BASE_URL` unless given."""
    client: ParallelClient | AsyncParallelClient | None = Field(
        default=None, exclude=True, repr=False
    )
    """Your own client, blocking or asynchronous; the other kind is made from it."""

    _door: RunConfig = PrivateAttr()
    _latest: tuple[tuple[object, ...], RunConfig] = PrivateAttr()
    """The door as it was last, and the options that it was made of."""
    _fields: type[BaseModel] | None = PrivateAttr(default=None)
    """`input_schema`, if the model fills in its fields."""
    _is_by_hand: bool = PrivateAttr(default=False)
    """It is the copy that `research` calls."""

    # --- construction ---

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            processor: ProcessorChoice = ...,
            model_may_choose: Sequence[str] = ...,
            model_may_describe_output: bool = ...,
            output_schema: SchemaLike | None = ...,
            input_schema: SchemaLike | None = ...,
            wait: Literal["block", "park"] = ...,
            timeout: float | None = ...,
            limits: Limits | None = ...,
            max_chars: int | None = ...,
            request: RequestOptions | None = ...,
            ledger_id: str | None = ...,
            api_key: str | SecretStr | None = ...,
            base_url: str | None = ...,
            client: ParallelClient | AsyncParallelClient | None = ...,
            **langchain: Any,
        ) -> None:
            """`langchain`: options of every LangChain tool, such as `name` and `description`."""

    @model_validator(mode="after")
    def _prepare(self) -> Self:
        given_key = self.api_key
        self.api_key = key_or_environment(self.api_key)
        self._door = RunConfig.of(
            processor_names=self._processors().all,
            output_schema=self.task_output_schema,
            input_schema=self.task_input_schema,
            request=self.request,
            limits=only_one_run_per_question(self.limits),
            wait=self.wait,
            waits=("block", "park"),
            timeout=self.timeout,
            name=self.name,
            api_key=given_key,
            base_url=self.base_url,
            client=self.client,
        )
        self._latest = self._door_options(), self._door
        processors = self._processors()
        self._fields = accept_field_names(own) if (own := self._own_arguments()) else None
        self.args_schema = self._arguments()
        self.description = self.description or description(processors.choices or processors.all)
        return self

    def _own_arguments(self) -> type[BaseModel] | None:
        own = self.task_input_schema
        return own if is_class(own) and issubclass(own, BaseModel) else None

    def _arguments(self) -> type[BaseModel]:
        return arguments(
            self.name,
            self._own_arguments(),
            self._door.template.task_spec,
            self._processors().choices,
            may_describe=self.model_may_describe_output,
        )

    def _processors(self) -> Processors:
        return Processors.of(self.processor, self.model_may_choose)

    # --- a call ---

    def _by_hand(
        self,
        question: str | Mapping[str, Any] | BaseModel,
        previous_interaction_id: str | None,
        processor: str | None,
        output_schema: SchemaLike | None,
    ) -> tuple[BaseTool, ToolCall, Any]:
        update: dict[str, Any] = {"handle_tool_error": False, "handle_validation_error": False}
        if processor is not None:
            update |= {"processor": processor, "model_may_choose": ()}
        if output_schema is not None:
            update["task_output_schema"] = output_schema
        tool = self.model_copy(update=update)
        tool._is_by_hand = True
        if processor is not None and self.model_may_choose:
            tool.args_schema = tool._arguments()
        if isinstance(question, BaseModel):
            question = question.model_dump()
        is_filled_in = self._fields is not None and isinstance(question, Mapping)
        args: dict[str, Any] = dict(question) if is_filled_in else {"input": question}  # type: ignore[arg-type]
        args[PREVIOUS] = previous_interaction_id
        call = tool_call(name=self.name, args=args, id=uuid.uuid4().hex)
        return tool, call, tool.task_output_schema

    def _research(self, asked: dict[str, Any], site: CallSite) -> Calls[Told]:
        try:
            site = yield from site.at_its_step()
            yield from check_own_thread(self._door, site.config)
            check_can_park(self.wait, site.config)
            if (seat := seat_of(site.config)) is not None:
                return (yield from answer_from_seat(self, seat, site))
            paid_run = self._paid_run(asked, site)
            if self.ledger_id is None and site.ledger_id is not None:
                yield from prove_ledger(paid_run.door, site.ledger_id, site.config)
            yield from self._check_follow_up(paid_run, site)
            by_person = replace(site, is_from_model=False)
            call = UnfinishedCall(paid_run, site, self._door.records)
            run, ledger_id = yield from call.begin(lambda: self._ledger(site))
            try:
                sent, submission = yield from submit_within_limits(
                    run,
                    ledger_id,
                    is_new=site.is_new and run.position == site.position,
                    reads_started=is_parking(self.wait, site.config),
                    check_edited=lambda edited: self._check_follow_up(edited, by_person),
                )
                if self.ledger_id is not None:
                    yield from check_adopted(run.door, site, submission)
                got = yield from wait_or_park(sent, submission, ledger_id, site, self.wait)
            except ParallelError as error:
                yield from call.end(run, ledger_id, error=error)
                raise
        except ParallelError as error:
            if ends_step(error, site.config):
                raise
            text = error_for_model(
                error, collector=site.collector(self.name), is_found_again=is_found_again(site)
            )
            raise ToolException(text) from error
        processor = sent.as_sent(submission).request.processor
        return (yield from self._hand_over(got, processor, run, ledger_id, call))

    def _hand_over(
        self, got: PaidAnswer, processor: str, run: PaidRun, ledger_id: str, call: UnfinishedCall
    ) -> Calls[Told]:
        site = call.site
        answer = self._answer(got, processor, ledger_id, site)
        yield from remember_answer(self._door, site, got.result.run)
        yield from tell_cost(spending(got, processor), site.config)
        yield from call.end(run, ledger_id, run_id=got.result.run.run_id)
        return answer

    def _check_follow_up(self, run: PaidRun, site: CallSite) -> Calls[None]:
        """Refuse to build on another's interaction, before anything is recorded or sent."""
        if run.request.previous_interaction_id is None:
            return
        ledger_id = self.ledger_id or site.ledger_id
        if ledger_id is None and site.thread_id is not None:
            ledger_id = yield from run.door.ledgers.find_recorded(site.config, self._session(site))
        yield from check_follow_up(run.door, site, run.request.previous_interaction_id, ledger_id)

    def _session(self, site: CallSite) -> str:
        return f"{site.session}/{self.name}"

    def _answer(self, got: PaidAnswer, processor: str, ledger_id: str, site: CallSite) -> Told:
        artifact = artifact_of(got, processor)
        numbered = number_citations(
            citations(got.result), site.messages, site.nth_call, site.tools, site.state
        )
        artifact["citations"] = numbered
        told = paid_calls(got.result, self._door_now().options.paid_connectors)
        artifact |= {"cost_is_lower_bound": bool(told)} | seal_answer(
            self._door, got.result.run, ledger_id
        )
        return render(got.result, max_chars=self.max_chars, citations=numbered), artifact

    def _door_now(self) -> RunConfig:
        """The options as they are now: a copy of the tool may have other ones."""
        given, (before, door) = self._door_options(), self._latest
        if all(new is old for new, old in zip(given, before, strict=True)):
            return door
        options = self.request or RequestOptions()
        template = options.template(
            self._processors().all,
            self.task_output_schema,
            self.task_input_schema,
            self._door.warned,
        )
        door = replace(
            self._door,
            template=template,
            options=options,
            timeout=check_timeout(self.timeout),
            limits=only_one_run_per_question(self.limits),
        )
        self._latest = given, door
        return door

    def _door_options(self) -> tuple[object, ...]:
        """What a door is made of."""
        shapes = (self.task_output_schema, self.task_input_schema)
        asks = (self.processor, self.model_may_choose, self.request)
        return (*shapes, *asks, self.timeout, self.limits)

    def _paid_run(self, asked: dict[str, Any], site: CallSite) -> PaidRun:
        door, processors = self._door_now(), self._processors()
        chosen, previous = asked.pop(PROCESSOR, None), asked.pop(PREVIOUS, None)
        shape = described_shape(asked.pop(OUTPUT, None))
        if self._fields is None:
            question = asked["input"]
        else:
            filled_in = self._fields.model_validate(asked)
            question = filled_in.model_dump(mode="json", by_alias=True)
        processor = chosen or (processors.follow_up if previous else processors.first)
        request = door.request(question, processor, previous, site.config, output_schema=shape)
        if shape is not None:  # a model can correct what the API would refuse
            check_described(request, self._door.template)
        request = with_asked_key(request, door.options.identity)
        return PaidRun(door, request, site.position, site.config)

    def _ledger(self, site: CallSite) -> Calls[str]:
        """The ledger of this call (R4): the configured one; else that of the graph's state, or the one that
        is recorded for the thread; else one that this object keeps.
        """
        ledgers = self._door.ledgers
        if known := self.ledger_id or site.ledger_id:
            return (yield from ledgers.replacement(known, site.config)) or known
        # Without a thread, limits hold for all calls of this object: in a new ledger nothing would be used.
        is_limited = site.thread_id is None and bool(self._door_now().limits.for_session())
        if site.is_new and not is_limited:
            return (yield from ledgers.of_new_call(site.config, self._session(site)))
        name = f"within limits/{self.name}" if is_limited else self._session(site)
        return (yield from ledgers.of(site.config, name))
