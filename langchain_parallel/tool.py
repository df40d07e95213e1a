"""`ParallelTaskTool`: web research as a LangChain tool.

Rule: a call spends through a ledger, under a key that says what was asked and where in the conversation.
Inside LangGraph that place is the model message that made the call, so a replayed or duplicated call
finds the run already paid for; outside, every call is one of its own.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

from langchain_core.callbacks import AsyncCallbackManagerForToolRun, CallbackManagerForToolRun
from langchain_core.callbacks.manager import adispatch_custom_event, dispatch_custom_event
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import patch_config
from langchain_core.tools import BaseTool, ToolException
from langgraph.prebuilt import ToolRuntime
from langgraph.store.base import BaseStore
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    WithJsonSchema,
    create_model,
    model_validator,
)
from typing_extensions import Self

from ._calls import (
    Call,
    Calls,
    Clients,
    arun,
    run,
    runtime_of,
    stored_ledger,
    thread_id_of,
    wait_seconds,
)
from ._core import checks
from ._locks import lock_of
from .client import AsyncParallelClient, ParallelClient
from .errors import ParallelError
from .models import (
    Event,
    McpServer,
    Metadata,
    SourcePolicy,
    TaskAdvancedSettings,
    TaskRunInput,
    TaskRunResult,
    TaskSpec,
)
from .processors import PROCESSORS, price_usd
from .progress import CUSTOM_EVENT, progress
from .rendering import DEFAULT_MAX_CHARS, render

_Runtime = ToolRuntime[Any, Any]
_PREVIOUS = "previous_interaction_id"


def _explain(error: ValidationError | Any) -> str:
    """What was wrong with the arguments, in words for a model; their values are not repeated."""
    if not isinstance(error, ValidationError):
        return f"The arguments do not fit: {error}. Nothing was started."
    faults = "; ".join(
        f"{'.'.join(map(str, fault['loc'])) or 'arguments'}: {fault['msg']}"
        for fault in error.errors(include_input=False, include_url=False)
    )
    return f"The arguments do not fit: {faults}. Nothing was started; correct them and call again."


class ParallelTaskTool(BaseTool):
    """Web research with evidence, as a tool for agents.

    The content a model reads is the answer with numbered citations, what is uncertain, and the
    interaction id to follow up on; the artifact is the whole result as plain JSON, with `cost_usd`
    (None for an unknown processor). Errors come back to the model in words and name the run; set
    `handle_tool_error=False` to have them raised as `ToolException`, with the package's own error as
    `__cause__`.

    Example:
        ```python
        from langchain.agents import create_agent
        from langchain_parallel import ParallelTaskTool

        agent = create_agent("openai:gpt-5", tools=[ParallelTaskTool(processor="core-fast")])
        ```

    Raises:
        pydantic.ValidationError: On construction, for whatever the API would refuse.
        MissingKey: On construction, without an API key.
    """

    # A wrong MCP header must not be repeated in an error.
    model_config = ConfigDict(hide_input_in_errors=True, arbitrary_types_allowed=True)

    name: str = "parallel_task"
    description: str = ""
    """For the model. Left empty: when to use it, how to follow up, what it costs and how long it takes."""
    args_schema: Any = None
    """Built from the fields below."""
    response_format: Literal["content", "content_and_artifact"] = "content_and_artifact"
    handle_tool_error: bool | str | Callable[[ToolException], str] | None = True
    handle_validation_error: bool | str | Callable[[Any], str] | None = _explain

    processor: str = "core-fast"
    """How much work goes into an answer; see `langchain_parallel.processors`."""
    processors: Sequence[str] = ()
    """Processors the model may choose from; empty: it may not choose."""
    task_output_schema: Any = None
    """Shape of the answer: a pydantic class, a JSON schema, a text description, `"auto"` or None."""
    task_input_schema: type[BaseModel] | None = None
    """Your own arguments: the model then fills in this model's fields instead of a question."""
    task_spec: Any = None
    """Both schemas at once, as `TaskSpec` or its JSON; goes before the two above."""
    mcp_servers: Sequence[McpServer] = Field(default=(), repr=False)
    source_policy: SourcePolicy | None = None
    advanced_settings: TaskAdvancedSettings | None = None
    memory_scope_key: str | None = None
    metadata_for_runs: Metadata = Field(default_factory=dict)
    """Kept with every run on Parallel's side."""
    timeout: float | None = None
    """Seconds to wait for an answer; None: twice the processor's usual longest time, and ten minutes."""
    max_chars: int | None = DEFAULT_MAX_CHARS
    """Longest content in characters; None: no cap. What is cut is said, and stays in the artifact."""
    ledger_id: str | None = None
    """A task group to keep this tool's runs in, shared by whoever names it."""
    allow_unknown_processor: bool = False

    api_key: SecretStr | None = None
    """Read from `PARALLEL_API_KEY` unless given."""
    base_url: str | None = None
    """Read from `PARALLEL_BASE_URL` unless given."""
    client: ParallelClient | None = Field(default=None, exclude=True, repr=False)
    async_client: AsyncParallelClient | None = Field(default=None, exclude=True, repr=False)

    _clients: Clients = PrivateAttr()
    _template: TaskRunInput = PrivateAttr()
    _own_ledger: str | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _prepare(self) -> Self:
        if self.api_key is None and os.environ.get("PARALLEL_API_KEY"):
            self.api_key = SecretStr(os.environ["PARALLEL_API_KEY"])
        self._clients = Clients.of(
            self.client,
            self.async_client,
            api_key=self.api_key,
            base_url=self.base_url,
            allow_unknown_processor=self.allow_unknown_processor,
        )
        self._template = self._checked_template()
        self.args_schema = self._arguments()
        self.description = self.description or _description(self.processors or (self.processor,))
        return self

    def _checked_template(self) -> TaskRunInput:
        """Every request but for its question; whatever the API would refuse is refused here already."""
        template = TaskRunInput(
            input="?",
            processor=self.processor,
            task_spec=self._spec(),
            mcp_servers=self.mcp_servers,
            source_policy=self.source_policy,
            advanced_settings=self.advanced_settings,
            memory_scope_key=self.memory_scope_key,
            metadata=self.metadata_for_runs,
            enable_events=True,
        )
        for processor in (self.processor, *self.processors):
            choice = template.model_copy(update={"processor": processor})
            checks.check(choice, allow_unknown_processor=self.allow_unknown_processor)
        return template

    def _spec(self) -> TaskSpec | None:
        if self.task_spec is not None:
            return TaskSpec.model_validate(self.task_spec)
        if self.task_output_schema is None and self.task_input_schema is None:
            return None
        output = "auto" if self.task_output_schema is None else self.task_output_schema
        return TaskSpec(output_schema=output, input_schema=self.task_input_schema)

    # --- what the model sees ---

    def _arguments(self) -> type[BaseModel]:
        asked = self._question_fields()
        added: dict[str, Any] = {
            _PREVIOUS: (
                str | None,
                Field(
                    default=None,
                    description="To follow up: the interaction id given at the end of an earlier answer. "
                    "The new research then builds on everything found there.",
                ),
            ),
            "runtime": (_Runtime, None),
        }
        if self.processors:
            added["processor"] = (
                Literal[tuple(self.processors)],
                Field(default=self.processor, description=_prices(self.processors)),
            )
        taken = sorted(set(asked) & {*added, "processor", "config", "run_manager"})
        if taken:
            raise ValueError(f"task_input_schema may not have fields named {', '.join(taken)}; rename them.")
        config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")
        return create_model(f"{self.name}_arguments", __config__=config, **asked, **added)

    def _question_fields(self) -> dict[str, Any]:
        if self.task_input_schema is not None:
            fields = self.task_input_schema.model_fields
            return {name: (field.annotation, field) for name, field in fields.items()}
        question = Field(
            description="The question, whole and self-contained: what to find out, for which scope and "
            "period, and what the answer should contain."
        )
        # Programs may pass an object; a model is asked for text.
        return {"input": (Annotated[str | dict[str, Any], WithJsonSchema({"type": "string"})], question)}

    # --- what happens ---

    def _run(
        self,
        *,
        runtime: _Runtime = None,  # type: ignore[assignment]  # injected by LangGraph, absent elsewhere
        config: RunnableConfig,
        run_manager: CallbackManagerForToolRun | None = None,
        **arguments: Any,
    ) -> tuple[str, dict[str, Any]]:
        told = patch_config(config, callbacks=run_manager.get_child()) if run_manager else config

        def listen(message: dict[str, Any]) -> None:
            if run_manager:
                dispatch_custom_event(CUSTOM_EVENT, message, config=told)

        return run(self._research(arguments, runtime, config, listen))

    async def _arun(
        self,
        *,
        runtime: _Runtime = None,  # type: ignore[assignment]  # injected by LangGraph, absent elsewhere
        config: RunnableConfig,
        run_manager: AsyncCallbackManagerForToolRun | None = None,
        **arguments: Any,
    ) -> tuple[str, dict[str, Any]]:
        told = patch_config(config, callbacks=run_manager.get_child()) if run_manager else config

        async def listen(message: dict[str, Any]) -> None:
            if run_manager:
                await adispatch_custom_event(CUSTOM_EVENT, message, config=told)

        return await arun(self._research(arguments, runtime, config, listen))

    def _research(
        self,
        arguments: dict[str, Any],
        runtime: _Runtime | None,
        config: RunnableConfig,
        listen: Callable[[dict[str, Any]], Any],
    ) -> Calls[tuple[str, dict[str, Any]]]:
        place = _Place.of(runtime, config)
        try:
            request = self._request(arguments, place)
            ledger_id = yield from self._ledger(place)
            submission = yield from self._clients.submit(ledger_id, request, position=place.position)
            asked = submission.run

            def on_event(event: Event) -> Any:
                message = dict(progress(event, asked.run_id, asked.interaction_id))
                place.write(message)
                return listen(message)

            seconds = wait_seconds(request.processor, self.timeout)
            result = yield from self._clients.wait(
                asked.run_id, asked.interaction_id, seconds, on_event
            )
        except ParallelError as error:
            raise ToolException(str(error)) from error
        return render(result, max_chars=self.max_chars), _artifact(result, request.processor)

    def _request(self, arguments: Mapping[str, Any], place: _Place) -> TaskRunInput:
        asked = dict(arguments)
        thread = {"thread_id": place.thread_id[:512]} if place.thread_id else {}
        update: dict[str, Any] = {
            "processor": asked.pop("processor", None) or self.processor,
            _PREVIOUS: asked.pop(_PREVIOUS, None),
            "metadata": {**thread, **self.metadata_for_runs},
        }
        if self.task_input_schema is None:
            update["input"] = asked.get("input", "")
        else:
            update["input"] = self.task_input_schema(**asked).model_dump(mode="json")
        return self._template.model_copy(update=update)

    def _ledger(self, place: _Place) -> Calls[str]:
        """Where this call's runs are kept (R4): as configured, else what the graph's state or store
        knows, else a ledger of this object's own."""
        if known := self.ledger_id or place.ledger_id:
            return known
        if place.store is not None and place.thread_id is not None:
            return (yield from stored_ledger(self._clients, place.store, place.thread_id, self.name))
        lock = lock_of(f"tool {id(self)}")
        yield Call(lock.acquire, lock.aacquire)
        try:
            if self._own_ledger is None:
                self._own_ledger = yield from self._clients.create_group()
            return self._own_ledger
        finally:
            lock.release()


class _Place:
    """Where in a conversation a call stands, and what LangGraph offers there."""

    def __init__(
        self,
        position: str,
        *,
        thread_id: str | None = None,
        ledger_id: str | None = None,
        store: BaseStore | None = None,
        write: Callable[[Any], None] = lambda message: None,
    ) -> None:
        self.position = position
        self.thread_id = thread_id
        self.ledger_id = ledger_id
        self.store = store
        self.write = write

    @classmethod
    def of(cls, runtime: _Runtime | None, config: RunnableConfig) -> _Place:
        """The place of a call: the model message behind it; inside a node, the node's own task;
        outside LangGraph, the call itself."""
        graph = runtime or runtime_of(config)
        if graph is None:
            return cls(uuid.uuid4().hex)
        task = config.get("configurable", {}).get("checkpoint_ns") or uuid.uuid4().hex
        state: Any = runtime.state if runtime else None
        ledger_id = state.get("ledger_id") if isinstance(state, Mapping) else None
        return cls(
            _message_id(runtime) or task,
            thread_id=thread_id_of(config),
            ledger_id=ledger_id if isinstance(ledger_id, str) else None,
            store=graph.store,
            write=graph.stream_writer,
        )


def _message_id(runtime: _Runtime | None) -> str | None:
    """The id of the model message that made this call; its place in the list if it has none."""
    if runtime is None:
        return None
    state: Any = runtime.state
    messages = state.get("messages", ()) if isinstance(state, Mapping) else state
    messages = getattr(state, "messages", messages)
    if not isinstance(messages, list | tuple):
        return runtime.tool_call_id
    for index in range(len(messages) - 1, -1, -1):
        calls = getattr(messages[index], "tool_calls", None) or ()
        if any(call.get("id") == runtime.tool_call_id for call in calls):
            return messages[index].id or f"message {index}"
    return runtime.tool_call_id


def _artifact(result: TaskRunResult, processor: str) -> dict[str, Any]:
    return {
        **result.model_dump(mode="json"),
        "run_id": result.run.run_id,
        "interaction_id": result.run.interaction_id,
        "cost_usd": price_usd(result.run.processor or processor),
    }


def _description(processors: Sequence[str]) -> str:
    return (
        "Research a question on the web. Returns an answer with numbered sources, says what is uncertain, "
        "and gives an interaction id. Use it for facts that need looking up, comparing or verifying; not "
        "for what you know or can compute. To ask a follow-up, pass that id as previous_interaction_id: "
        "the new research builds on all that was found before, so ask only for what is missing. "
        f"{_prices(processors)} Do not repeat a question that was answered."
    )


def _prices(processors: Sequence[str]) -> str:
    known = [PROCESSORS[name] for name in processors if name in PROCESSORS]
    if not known:
        return "A call costs money and takes minutes."
    costs = [
        f"{'A call' if len(processors) == 1 else p.name} costs ${p.usd:g} and takes {_span(*p.seconds)}"
        for p in known
    ]
    return "; ".join(costs) + "."


def _span(least: float, most: float) -> str:
    if most < 120:
        return f"{least:.0f} to {most:.0f} seconds"
    return f"{max(1, round(least / 60))} to {round(most / 60)} minutes"
