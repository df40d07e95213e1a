"""`ParallelTaskResultTool`: the answer of a run that `ParallelTaskTool` has started, by the run's id.

Rule: an id from a model is no capability: `own_answers.py` says which runs may be read where. Nothing here
costs money.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal

from langchain_core.callbacks import AsyncCallbackManagerForToolRun, CallbackManagerForToolRun
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config
from langchain_core.tools import BaseTool, ToolException
from pydantic import BaseModel, ConfigDict, Field, model_validator
from typing_extensions import Self

from .._core.calls import Calls, adrive, drive
from .._graph.paid_run import PaidRun
from ..errors import InvalidRequest, NotFound, ParallelError, RunCancelled, RunFailed
from ..models import Submission, TaskRun
from .arguments import Injected
from .call_site import NO_CONFIG, AnyRuntime, CallSite, config_inside
from .own_answers import may_read, remember_answer
from .task import ParallelTaskTool
from .task_artifact import Told
from .tool_messages import error_for_model, explain
from .unfinished_calls import close_collected


class _Arguments(BaseModel):
    """The arguments that a model fills in."""

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    run_id: str = Field(description="The run_id that the research tool named.")
    runtime: Injected = None  # type: ignore[assignment]  # absent outside LangGraph


class ParallelTaskResultTool(BaseTool):
    """Fetches the answer of a run whose call ended without one, such as after `timeout`. Free.

    It reads as an answer of the task tool does, and waits for as long. Give it to an agent beside that tool:
    then the errors of that tool name it.

    Example:
        ```python
        from langchain.agents import create_agent
        from langchain_parallel import ParallelTaskResultTool, ParallelTaskTool

        research = ParallelTaskTool(processor="ultra", timeout=600)
        result = ParallelTaskResultTool(task_tool=research)
        agent = create_agent("openai:gpt-5", tools=[research, result])
        ```
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", hide_input_in_errors=True)

    task_tool: ParallelTaskTool = Field(exclude=True, repr=False)
    """The tool whose runs these are."""
    name: str = ""
    """Left empty: that of the task tool, and `_result`."""
    description: str = ""
    """For the model. Left empty: when to use it."""
    args_schema: Any = Field(default=_Arguments, exclude=True, repr=False)
    response_format: Literal["content", "content_and_artifact"] = "content_and_artifact"
    handle_tool_error: bool | str | Callable[[ToolException], str] | None = True
    handle_validation_error: bool | str | Callable[[Any], str] | None = Field(
        default=explain, exclude=True, repr=False
    )

    @property
    def collects(self) -> str:
        """The name of the tool whose runs these are."""
        return self.task_tool.name

    @model_validator(mode="after")
    def _prepare(self) -> Self:
        self.name = self.name or f"{self.collects}_result"
        self.description = self.description or (
            f"Fetch the answer of research that {self.collects} has started, by the run_id that it named "
            "when it gave no answer. Waits for it, and costs nothing."
        )
        return self

    def _run(
        self,
        run_id: str,
        runtime: AnyRuntime = None,  # type: ignore[assignment]  # injected by LangGraph, absent elsewhere
        *,
        config: RunnableConfig = NO_CONFIG,
        run_manager: CallbackManagerForToolRun | None = None,
    ) -> Any:
        config = config or ensure_config()
        if run_manager is None:  # another framework's adapter: it gets what a model reads
            return self.run({"run_id": run_id}, config=config)
        site = CallSite.of(runtime, config_inside(config, run_manager))
        return drive(self._collect(run_id, site))

    async def _arun(
        self,
        run_id: str,
        runtime: AnyRuntime = None,  # type: ignore[assignment]  # injected by LangGraph, absent elsewhere
        *,
        config: RunnableConfig = NO_CONFIG,
        run_manager: AsyncCallbackManagerForToolRun | None = None,
    ) -> Any:
        config = config or ensure_config()
        if run_manager is None:
            return await self.arun({"run_id": run_id}, config=config)
        site = CallSite.of(runtime, config_inside(config, run_manager))
        return await adrive(self._collect(run_id, site))

    def _collect(self, run_id: str, site: CallSite) -> Calls[Told]:
        task = self.task_tool
        door = task._door_now()
        try:
            run = yield from self._find(run_id.strip(), site)
            request = door.template.model_copy(update={"processor": run.processor})
            asked = PaidRun(door, request, site.position, site.config)
            found = Submission(run=run, ledger_id=run.taskgroup_id or "", key="", adopted=True)
            try:
                got = yield from asked.answer(found)
            except (RunFailed, RunCancelled):
                yield from close_collected(task._door.records, asked, run, site, has_answer=False)
                raise
        except ParallelError as error:
            raise ToolException(error_for_model(error, collector=self.name)) from error
        answer = task._answer(got, run.processor, run.taskgroup_id or "", site)
        yield from remember_answer(task._door, site, got.result.run)
        yield from close_collected(task._door.records, asked, run, site)
        return answer

    def _find(self, run_id: str, site: CallSite) -> Calls[TaskRun]:
        """The run, if it is one that may be asked for here.

        Raises:
            InvalidRequest: It is not, or there is none.
        """
        unknown = InvalidRequest(
            ["There is no research of this conversation under this run_id."],
            hint=f"Give the run_id that {self.collects} named.",
        )
        try:
            run = yield from self.task_tool._door.clients.retrieve(run_id)
        except (InvalidRequest, NotFound) as error:
            raise unknown from error
        task = self.task_tool
        if not may_read(task._door_now(), site, run, task.name, task.ledger_id):
            raise unknown
        return run
