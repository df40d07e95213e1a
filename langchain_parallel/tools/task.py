"""`ParallelTaskTool`.

Rule: a call spends through a ledger, under a key that says what was asked and where in the conversation
(`place.py`). Inside LangGraph that place is the model message that made the call, so a replayed or
duplicated call finds the run already paid for; outside, every call is one of its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, Literal

from langchain_core.callbacks import AsyncCallbackManagerForToolRun, CallbackManagerForToolRun
from langchain_core.callbacks.manager import adispatch_custom_event, dispatch_custom_event
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import patch_config
from langchain_core.tools import BaseTool, ToolException
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, SecretStr, model_validator
from typing_extensions import Self

from .._core import limits
from .._core.calls import Calls, adrive, drive
from .._core.redaction import secrets_of
from .._graph.clients import ClientPair
from .._graph.paid_run import Answered, answer, wait_seconds
from .._graph.runtime import was_resumed_recently
from .._graph.session_ledger import Ledgers, stored_ledger, submit_once
from ..client import AsyncParallelClient, ParallelClient
from ..errors import ParallelError
from ..models import (
    Event,
    McpServer,
    Metadata,
    SourcePolicy,
    Submission,
    TaskAdvancedSettings,
    TaskRun,
    TaskRunInput,
    TaskRunResult,
    TaskSpec,
)
from ..processors import price_usd
from ..text.progress import CUSTOM_EVENT, progress
from ..text.result import DEFAULT_MAX_CHARS, MIN_CHARS, render
from .arguments import PREVIOUS, PROCESSOR, arguments, by_name
from .call_site import AnyRuntime, CallSite
from .tool_messages import description, explain, told

Answer = tuple[str, dict[str, Any]]
"""Content and artifact."""


class ParallelTaskTool(BaseTool):
    """Web research with evidence, as a tool for agents.

    The content a model reads is the answer with numbered citations, what is uncertain, and the
    interaction id to follow up on; the artifact is the whole result as plain JSON, with `run_id`,
    `interaction_id` and `cost_usd` (None for an unknown processor; identical parallel calls share one
    run, so sum by `run_id`). Errors come back to the model in words and name the run; set
    `handle_tool_error=False` to have them raised as `ToolException`, with the package's own error as
    `__cause__`.

    Inside LangGraph, runs are kept in the ledger that the state's `ledger_id` names, or the `store`
    knows for the thread: with either, a call whose process was lost finds its run again, paid for once.

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

    # A misspelt option would bill another run than the one meant; a wrong MCP header must not be
    # repeated in an error.
    model_config = ConfigDict(
        extra="forbid", hide_input_in_errors=True, arbitrary_types_allowed=True
    )

    name: str = "parallel_task"
    description: str = ""
    """For the model. Left empty: when to use it, how to follow up, what it costs and how long it takes."""
    args_schema: Any = Field(default=None, exclude=True, repr=False)
    """Built from the fields below."""
    response_format: Literal["content", "content_and_artifact"] = "content_and_artifact"
    handle_tool_error: bool | str | Callable[[ToolException], str] | None = True
    handle_validation_error: bool | str | Callable[[Any], str] | None = Field(
        default=explain, exclude=True, repr=False
    )

    processor: str = "core-fast"
    """How much work goes into an answer; see `langchain_parallel.processors`."""
    processors: Sequence[str] = ()
    """Processors the model may choose from, beside `processor`; empty: it may not choose. Unless
    `processor` is given, the first of them is what a call without a choice gets."""
    task_output_schema: Any = None
    """Shape of the answer: a pydantic class, a JSON schema, a text description, `"auto"` or None."""
    task_input_schema: type[BaseModel] | None = None
    """Your own arguments: the model then fills in this model's fields instead of a question."""
    task_spec: Any = None
    """Instead of the two above: both schemas at once, as `TaskSpec` or its JSON."""
    mcp_servers: Sequence[McpServer] = Field(default=(), repr=False, exclude=True)
    source_policy: SourcePolicy | None = None
    advanced_settings: TaskAdvancedSettings | None = None
    memory_scope_key: str | None = None
    run_metadata: Metadata = Field(default_factory=dict)
    """Kept with every run on Parallel's side, beside LangGraph's `thread_id`. (`metadata` is
    LangChain's: it goes to traces.)"""
    timeout: float | None = Field(default=None, ge=0)
    """Seconds to wait for an answer; None: twice the processor's usual longest time, and ten minutes."""
    max_chars: int | None = Field(default=DEFAULT_MAX_CHARS, ge=MIN_CHARS)
    """Longest content in characters, at least 1,000; None: no cap. What is cut is said, and stays in the
    artifact.
    """
    submission: Literal["ledger", "direct"] = "ledger"
    """`direct`: one POST without a ledger, sent at most once. Saves two free requests a call, and loses
    a run whose answer is lost: it is paid for and cannot be found again."""
    ledger_id: str | None = None
    """A task group to keep this tool's runs in, shared by whoever names it."""
    allow_unknown_processor: bool = False

    api_key: SecretStr | None = None
    """Read from `PARALLEL_API_KEY` unless given."""
    base_url: str | None = None
    """Read from `PARALLEL_BASE_URL` unless given."""
    client: ParallelClient | None = Field(default=None, exclude=True, repr=False)
    """Your own clients, both or neither, for the tool is called both ways; they have their own key."""
    async_client: AsyncParallelClient | None = Field(default=None, exclude=True, repr=False)

    _clients: ClientPair = PrivateAttr()
    _ledgers: Ledgers = PrivateAttr(default_factory=Ledgers)
    _filled_in: type[BaseModel] | None = PrivateAttr(default=None)

    # --- construction ---

    @model_validator(mode="after")
    def _prepare(self) -> Self:
        if self.processors and "processor" not in self.model_fields_set:
            self.processor = self.processors[0]
        for processor in {self.processor, *self.processors}:
            choice = self._template().model_copy(update={PROCESSOR: processor})
            limits.check(choice, allow_unknown_processor=self.allow_unknown_processor)
        own, choices = self.task_input_schema, self._choices()
        self.args_schema = arguments(self.name, own, self._spec(), choices)
        self._filled_in = by_name(own) if own else None
        self.description = self.description or description(choices or (self.processor,))
        self._clients = self._made_clients()
        return self

    def _made_clients(self) -> ClientPair:
        if self.api_key is None and os.environ.get("PARALLEL_API_KEY"):
            self.api_key = SecretStr(os.environ["PARALLEL_API_KEY"])
        return ClientPair.of(
            self.client,
            async_client=self.async_client,
            api_key=self.api_key,
            base_url=self.base_url,
            allow_unknown_processor=self.allow_unknown_processor,
            asks=self._template(),
        )

    def _choices(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((self.processor, *self.processors))) if self.processors else ()

    def _template(self) -> TaskRunInput:
        """Every request but for its question."""
        return TaskRunInput(
            input="?",
            processor=self.processor,
            task_spec=self._spec(),
            mcp_servers=self.mcp_servers,
            source_policy=self.source_policy,
            advanced_settings=self.advanced_settings,
            memory_scope_key=self.memory_scope_key,
            metadata=self.run_metadata,
            enable_events=True,
        )

    def _spec(self) -> TaskSpec | None:
        schemas = self.task_output_schema, self.task_input_schema
        if self.task_spec is not None:
            if schemas != (None, None):
                raise ValueError(
                    "Give either `task_spec`, or `task_output_schema` and `task_input_schema`."
                )
            return TaskSpec.model_validate(self.task_spec)
        if schemas == (None, None):
            return None
        output = "auto" if self.task_output_schema is None else self.task_output_schema
        return TaskSpec(output_schema=output, input_schema=self.task_input_schema)

    # --- a call ---

    def _run(
        self,
        *question: str,
        runtime: AnyRuntime = None,  # type: ignore[assignment]  # injected by LangGraph, absent elsewhere
        config: RunnableConfig,
        run_manager: CallbackManagerForToolRun | None = None,
        **asked: Any,
    ) -> Answer:
        told_to = patch_config(config, callbacks=run_manager.get_child()) if run_manager else config

        def listen(message: dict[str, Any]) -> None:
            if run_manager:
                dispatch_custom_event(CUSTOM_EVENT, message, config=told_to)

        return drive(
            self._research(self._named(question, asked), CallSite.of(runtime, config), listen)
        )

    async def _arun(
        self,
        *question: str,
        runtime: AnyRuntime = None,  # type: ignore[assignment]  # injected by LangGraph, absent elsewhere
        config: RunnableConfig,
        run_manager: AsyncCallbackManagerForToolRun | None = None,
        **asked: Any,
    ) -> Answer:
        told_to = patch_config(config, callbacks=run_manager.get_child()) if run_manager else config

        async def listen(message: dict[str, Any]) -> None:
            if run_manager:
                await adispatch_custom_event(CUSTOM_EVENT, message, config=told_to)

        place = CallSite.of(runtime, config)
        return await adrive(self._research(self._named(question, asked), place, listen))

    def _named(self, question: tuple[str, ...], asked: dict[str, Any]) -> dict[str, Any]:
        """The arguments by name; LangChain passes a bare string (`tool.invoke("…")`) without one."""
        return {**dict(zip(self.args_schema.model_fields, question, strict=False)), **asked}

    def _research(
        self, asked: dict[str, Any], place: CallSite, listen: Callable[[dict[str, Any]], Any]
    ) -> Calls[Answer]:
        try:
            request = self._request(asked, place)
            submission = yield from self._submit(request, place)
            got = yield from answer(
                self._clients,
                submission,
                request,
                place.position,
                lambda run: self._wait(request, run, place, listen),
            )
        except ParallelError as error:
            raise ToolException(told(error)) from error
        return render(got.result, max_chars=self.max_chars), _artifact(got, request.processor)

    def _submit(self, request: TaskRunInput, place: CallSite) -> Calls[Submission]:
        if self.submission == "direct":
            return (yield from self._clients.submit_directly(request))
        ledger_id = yield from self._ledger(place)
        return (
            yield from submit_once(
                self._clients,
                place.config,
                ledger_id,
                request,
                position=place.position,
                lookup="until_settled" if was_resumed_recently(place.config) else place.lookup,
            )
        )

    def _wait(
        self,
        request: TaskRunInput,
        started: TaskRun,
        place: CallSite,
        listen: Callable[[dict[str, Any]], Any],
    ) -> Calls[TaskRunResult]:
        def on_event(event: Event) -> Any:
            message = dict(progress(event, started.run_id, started.interaction_id))
            place.write(message)
            return listen(message)

        seconds = wait_seconds(request.processor, self.timeout)
        return (
            yield from self._clients.wait(
                started.run_id, started.interaction_id, seconds, on_event, secrets_of([request])
            )
        )

    def _request(self, asked: dict[str, Any], place: CallSite) -> TaskRunInput:
        thread = {"thread_id": place.thread_id[:512]} if place.thread_id else {}
        update: dict[str, Any] = {
            PROCESSOR: asked.pop(PROCESSOR, None) or self.processor,
            PREVIOUS: asked.pop(PREVIOUS, None),
            "metadata": {**thread, **self.run_metadata},
        }
        if self._filled_in is None:
            update["input"] = asked["input"]
        else:
            filled_in = self._filled_in.model_validate(asked)
            update["input"] = filled_in.model_dump(mode="json", by_alias=True)
        return self._template().model_copy(update=update)

    def _ledger(self, place: CallSite) -> Calls[str]:
        """Where this call's runs are kept (R4): as configured, or as the graph's state or store
        knows, or else in a ledger of this object's own.
        """
        if known := self.ledger_id or place.ledger_id:
            return known
        if place.store is not None and place.thread_id is not None:
            return (
                yield from stored_ledger(self._clients, place.store, place.thread_id, self.name)
            )
        return (yield from self._ledgers.of(place.session, self._clients, limited=place.fresh))


def _artifact(got: Answered, processor: str) -> dict[str, Any]:
    result = got.result
    usd = price_usd(result.run.processor or processor)
    return {
        **result.model_dump(mode="json"),
        "run_id": result.run.run_id,
        "interaction_id": result.run.interaction_id,
        "cost_usd": None if usd is None else usd * got.paid,
        "duplicates": list(got.duplicates),
    }
