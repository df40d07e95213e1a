"""A tool that LangChain calls, and the adapters of other frameworks.

Annotations are not postponed here: LangChain reads those of `_run` in every call, and compiles each that is
a text.
"""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForToolRun, CallbackManagerForToolRun
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config
from langchain_core.tools import BaseTool

from .._core.calls import Calls, adrive, drive
from .arguments import OUTPUT, PREVIOUS, PROCESSOR
from .call_site import NO_CONFIG, AnyRuntime, CallSite, config_inside


class CalledByName(BaseTool):
    """A tool whose signature names its arguments.

    LangChain always gives a run manager. Other frameworks' adapters call `_run` and `_arun` without one, and
    get what a model reads: the text alone, with errors told as text. Some of them pass only arguments that a
    signature names.
    """

    def _run(
        self,
        input: Any = None,
        previous_interaction_id: Any = None,
        processor: Any = None,
        output_schema: Any = None,
        *,
        runtime: AnyRuntime = None,  # type: ignore[assignment]  # injected by LangGraph, absent elsewhere
        config: RunnableConfig = NO_CONFIG,
        run_manager: CallbackManagerForToolRun | None = None,
        **fields: Any,
    ) -> Any:
        config = config or ensure_config()
        asked = self._by_name(input, previous_interaction_id, processor, output_schema, fields)
        if run_manager is None:
            return self.run(asked, config=config)
        site = CallSite.of(runtime, config_inside(config, run_manager))
        return drive(self._research(asked, site))

    async def _arun(
        self,
        input: Any = None,
        previous_interaction_id: Any = None,
        processor: Any = None,
        output_schema: Any = None,
        *,
        runtime: AnyRuntime = None,  # type: ignore[assignment]  # injected by LangGraph, absent elsewhere
        config: RunnableConfig = NO_CONFIG,
        run_manager: AsyncCallbackManagerForToolRun | None = None,
        **fields: Any,
    ) -> Any:
        config = config or ensure_config()
        asked = self._by_name(input, previous_interaction_id, processor, output_schema, fields)
        if run_manager is None:
            return await self.arun(asked, config=config)
        site = CallSite.of(runtime, config_inside(config, run_manager))
        return await adrive(self._research(asked, site))

    @property
    def func(self) -> Callable[..., Any]:
        """The tool as a function that gives what a model reads, for other frameworks' adapters."""
        return self._run

    @property
    def coroutine(self) -> Callable[..., Any]:
        """As `func`; awaited."""
        return self._arun

    def _by_name(
        self, input: Any, previous: Any, processor: Any, shape: Any, fields: dict[str, Any]
    ) -> dict[str, Any]:
        """The arguments that are given, by name. LangChain passes a bare string (`tool.invoke("…")`) without
        one, whatever the first field is called.
        """
        schema: Any = self.args_schema
        own = schema.model_fields
        question = "input" if "input" in own else next(iter(own))
        named = {question: input, PREVIOUS: previous, PROCESSOR: processor, OUTPUT: shape}
        return {**{name: value for name, value in named.items() if value is not None}, **fields}

    @abstractmethod
    def _research(self, asked: dict[str, Any], site: CallSite) -> Calls[Any]:
        """The answer to a call, from its arguments by name."""
