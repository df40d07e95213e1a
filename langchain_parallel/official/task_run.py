"""`ParallelTaskRunTool` and `ParallelDeepResearch`: one run, and its whole result as a dictionary."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, cast

from langchain_core.callbacks import AsyncCallbackManagerForToolRun, CallbackManagerForToolRun
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.tools import ToolException
from pydantic import (
    BaseModel,
    Field,
    SecretStr,
    ValidationError,
    WithJsonSchema,
    create_model,
    model_validator,
)
from typing_extensions import Self

from .._core.calls import Calls
from .._core.hidden import as_secret, hidden
from .._graph.paid_run import PaidAnswer, PaidRun
from ..errors import ParallelError
from ..models import SchemaLike
from ..options import RequestOptions, check_timeout
from ..processors import PROCESSORS
from ..tools import ParallelTaskTool
from ..tools.call_site import NO_CONFIG, AnyRuntime, CallSite
from ..tools.left_out import LeftOut, none
from ..tools.own_answers import seal_answer
from .failures import CallFailed, parallel_error
from .leniency import Keyed, as_refusal
from .settings import McpServer
from .task_results import as_result, check_metadata

ALL_PROCESSORS = tuple(PROCESSORS)
ProcessorLiteral: TypeAlias = Literal[
    "lite",
    "base",
    "core",
    "core2x",
    "pro",
    "ultra",
    "ultra2x",
    "ultra4x",
    "ultra8x",
    "lite-fast",
    "base-fast",
    "core-fast",
    "core2x-fast",
    "pro-fast",
    "ultra-fast",
    "ultra2x-fast",
    "ultra4x-fast",
    "ultra8x-fast",
]
Result: TypeAlias = dict[str, Any]
Metadata: TypeAlias = dict[str, str | float | bool]
_METADATA = "metadata"
_OfModel: TypeAlias = Annotated[Metadata | None, LeftOut(), WithJsonSchema({"type": "object"})]
"""As a model is shown it: each argument has a type."""


class ParallelTaskRunInput(BaseModel):
    """What a call of `ParallelTaskRunTool` takes."""

    input: str | dict[str, Any]
    metadata: Metadata | None = None
    """Kept with the run on the server."""
    previous_interaction_id: str | None = None
    """`interaction_id` of an earlier result, which the new run builds on."""


class ParallelTaskRunTool(Keyed, ParallelTaskTool):
    """One run as a tool; the result is a dictionary with `run`, `output` and `interaction_id`.

    It has all options of `ParallelTaskTool`, and its ledger: in a LangGraph thread, a call whose process was
    lost finds the run that it has paid for. A call waits until the run has ended; where that takes more than
    `timeout`, the error has the `run_id`.

    Raises:
        CallFailed: A call got no answer. It is a `ValueError`.
        NoKey: On construction, without an API key. It is a `ValueError`.
        pydantic.ValidationError: On construction, for whatever may not be sent.
    """

    name: str = "parallel_task_run"
    description: str = (
        "Run one Parallel Task and wait for its result. The input is text, or an object that fits the "
        "configured input schema. Returns the output, the evidence for each field (basis) and the run's id."
    )
    handle_tool_error: bool | str | Callable[[ToolException], str] | None = False
    handle_validation_error: bool | str | Callable[[Any], str] | None = Field(
        default=False, exclude=True, repr=False
    )

    processor: str = "lite-fast"
    task_spec: dict[str, Any] | None = None
    """A whole task spec; counts in place of `task_output_schema`."""
    mcp_servers: Sequence[McpServer] | None = Field(default=None, repr=False, exclude=True)
    """MCP servers that the runs may call."""

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            processor: str = ...,
            task_output_schema: SchemaLike | None = ...,
            task_spec: dict[str, Any] | None = ...,
            mcp_servers: Sequence[McpServer | dict[str, Any]] | None = ...,
            api_key: str | SecretStr | None = ...,
            base_url: str | None = ...,
            **more: Any,
        ) -> None:
            """`more`: the other options of `ParallelTaskTool`, and those of every LangChain tool."""

    @model_validator(mode="after")
    def _prepare(self) -> Self:
        made = self  # whose options are declared above it, once
        if self.task_spec is not None:
            made.task_output_schema = self.task_spec.get("output_schema", "auto")
            made.task_input_schema = self.task_spec.get("input_schema")
        if self.mcp_servers:
            options = self.request or RequestOptions()
            made.request = options.model_copy(update={"mcp_servers": tuple(self.mcp_servers)})
        prepare = cast("Callable[[], Self]", super()._prepare)
        prepare()
        made.args_schema = create_model(
            f"{self.name}_input",
            __base__=self.args_schema,
            metadata=(_OfModel, none("Texts, numbers and booleans that are kept with the run.")),
        )
        return self

    # The official package's order of arguments; there, too, only who calls these two gives a `timeout`.

    def _run(  # type: ignore[override]  # as above
        self,
        input: Any = None,
        metadata: Any = None,
        previous_interaction_id: Any = None,
        timeout: float | None = None,
        *,
        runtime: AnyRuntime = None,  # type: ignore[assignment]  # as in `ParallelTaskTool`
        config: RunnableConfig = NO_CONFIG,
        run_manager: CallbackManagerForToolRun | None = None,
        **fields: Any,
    ) -> Any:
        return super(ParallelTaskRunTool, self._within(timeout))._run(
            input,
            previous_interaction_id,
            runtime=runtime,
            config=config,
            run_manager=run_manager,
            **_with_metadata(metadata, fields),
        )

    async def _arun(  # type: ignore[override]  # as above
        self,
        input: Any = None,
        metadata: Any = None,
        previous_interaction_id: Any = None,
        timeout: float | None = None,
        *,
        runtime: AnyRuntime = None,  # type: ignore[assignment]  # as in `ParallelTaskTool`
        config: RunnableConfig = NO_CONFIG,
        run_manager: AsyncCallbackManagerForToolRun | None = None,
        **fields: Any,
    ) -> Any:
        return await super(ParallelTaskRunTool, self._within(timeout))._arun(
            input,
            previous_interaction_id,
            runtime=runtime,
            config=config,
            run_manager=run_manager,
            **_with_metadata(metadata, fields),
        )

    def _within(self, timeout: float | None) -> Self:
        if timeout is None:
            return self
        try:
            update = {"timeout": check_timeout(timeout)}
        except ParallelError as error:
            raise CallFailed("Task", error) from error
        return cast(Self, self.model_copy(update=update))

    def _research(self, asked: dict[str, Any], site: CallSite) -> Calls[Any]:
        try:
            return (yield from super()._research(asked, site))
        except ToolException as error:
            cause = parallel_error(error)
            raise CallFailed("Task", cause) from cause

    def _paid_run(self, asked: dict[str, Any], site: CallSite) -> PaidRun:
        metadata = check_metadata(asked.pop(_METADATA, None))
        run = super()._paid_run(asked, site)
        kept = {**run.request.metadata, **metadata}
        return replace(run, request=run.request.model_copy(update={"metadata": kept}))

    def _answer(self, got: PaidAnswer, processor: str, ledger_id: str, site: CallSite) -> Any:
        if self._is_by_hand:
            return super()._answer(got, processor, ledger_id, site)
        run = got.result.run
        result = as_result(got.result, self.task_output_schema)
        if run.interaction_id:
            result["interaction_id"] = run.interaction_id
        return result, seal_answer(self._door, run, ledger_id)


def _with_metadata(metadata: Any, fields: dict[str, Any]) -> dict[str, Any]:
    return fields if metadata is None else {**fields, _METADATA: metadata}


class ParallelDeepResearch(Runnable[str | dict[str, Any], Result]):
    """Deep research as a Runnable; the result is that of `ParallelTaskRunTool`.

    Args:
        processor: Which processor.
        output_schema: Shape of the answer: a pydantic class, a JSON schema or a description in words.
        api_key: The key; read from `PARALLEL_API_KEY` by default.
        base_url: The server; read from `PARALLEL_BASE_URL` by default.
        mcp_servers: MCP servers that the runs may call.
        more: Other options of `ParallelTaskTool`, such as `limits`.

    Raises:
        CallFailed: A call got no answer. It is a `ValueError`.
        NoKey: There is no API key. It is a `ValueError`.
    """

    def __init__(
        self,
        *,
        processor: str = "pro-fast",
        output_schema: SchemaLike | None = None,
        api_key: str | SecretStr | None = None,
        base_url: str | None = None,
        mcp_servers: Sequence[McpServer | dict[str, Any]] | None = None,
        **more: Any,
    ) -> None:
        api_key, base_url = as_secret(api_key), hidden(base_url)
        self.processor = processor
        try:
            self._tool = ParallelTaskRunTool(
                processor=processor,
                task_output_schema=output_schema,
                api_key=api_key,
                base_url=base_url,
                mcp_servers=mcp_servers,
                **more,
            )
        except (ValidationError, ParallelError) as error:
            refused = as_refusal(error)
        else:
            return
        del mcp_servers, more  # headers are secret
        raise refused

    @property
    def mcp_servers(self) -> Sequence[McpServer] | None:
        """The MCP servers that its runs may call."""
        return self._tool.mcp_servers

    def invoke(
        self,
        input: str | dict[str, Any],
        config: RunnableConfig | None = None,
        *,
        previous_interaction_id: str | None = None,
        **kwargs: Any,
    ) -> Result:
        """Research, and wait for the result.

        Args:
            input: The question, as text or as an object.
            config: LangChain's config.
            previous_interaction_id: `interaction_id` of an earlier result, which the new run builds on.
            kwargs: More arguments for the tool's `invoke`.
        """
        asked = _arguments(input, previous_interaction_id)
        return cast(Result, self._tool.invoke(asked, config, **kwargs))

    async def ainvoke(
        self,
        input: str | dict[str, Any],
        config: RunnableConfig | None = None,
        *,
        previous_interaction_id: str | None = None,
        **kwargs: Any,
    ) -> Result:
        """As `invoke`."""
        asked = _arguments(input, previous_interaction_id)
        return cast(Result, await self._tool.ainvoke(asked, config, **kwargs))


def _arguments(
    input: str | Mapping[str, Any], previous_interaction_id: str | None
) -> dict[str, Any]:
    follow_up = {"previous_interaction_id": previous_interaction_id}
    return {"input": input, **(follow_up if previous_interaction_id is not None else {})}
