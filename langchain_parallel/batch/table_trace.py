"""A table in LangChain's trace: a run of its own, and within it one for each row, with what it cost.

Rule: of a row are told its ids, its price, and whether it failed: no cell, which is untrusted text of the
web, and nothing of the request. Where nobody listens, nothing is made.
"""

from __future__ import annotations

from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForChainRun, CallbackManagerForChainRun
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import (
    get_async_callback_manager_for_config,
    get_callback_manager_for_config,
    patch_config,
)
from typing_extensions import TypedDict

from .._core.calls import Call, Calls
from .._graph.callbacks import emit, trace_cost
from .._graph.runtime import runtime_of
from .row_answer import ResearchRow

ROW_EVENT = "parallel_row"
"""The name of LangChain's custom event about a row."""
_TABLE = "research_table"


class RowEnd(TypedDict):
    """A message about a row that has ended: as a custom event, and on LangGraph's custom stream."""

    type: str
    """`row`."""
    batch_id: str
    number: int
    """Of the row, counted from 0."""
    row_id: str
    """What names the row: its column, or a hash of its question."""
    run_id: str | None
    interaction_id: str | None
    processor: str
    cost_usd: float | None
    """The list price, if the run was billed; None if that is unknown."""
    error: str | None
    """What kind of error came in place of an answer."""


class TableTrace:
    """What is told of a table while it is researched."""

    def __init__(self, config: RunnableConfig) -> None:
        self._config = config
        self._runtime = runtime_of(config)
        self._run: Any = None

    def begin(self, inputs: dict[str, Any]) -> Calls[None]:
        """Begin the table's run, if there are callbacks."""
        config = self._config
        how: dict[str, Any] = {"name": _TABLE, "run_id": config.get("run_id")}

        def sync() -> CallbackManagerForChainRun | None:
            manager = get_callback_manager_for_config(config)
            return manager.on_chain_start(None, inputs, **how) if manager.handlers else None

        async def async_() -> AsyncCallbackManagerForChainRun | None:
            manager = get_async_callback_manager_for_config(config)
            return await manager.on_chain_start(None, inputs, **how) if manager.handlers else None

        self._run = yield Call(sync, async_)

    @property
    def has_listeners(self) -> bool:
        """Whether somebody is told of each row."""
        return self._runtime is not None or self._run is not None

    def beat(self) -> None:
        """Tell LangGraph that the step is not idle."""
        if self._runtime is not None:
            self._runtime.heartbeat()

    def tell(self, row: ResearchRow, batch_id: str, processor: str) -> Calls[None]:
        """Tell what became of a row."""
        if not self.has_listeners:
            return
        message = RowEnd(
            type="row",
            batch_id=batch_id,
            number=row.number,
            row_id=row.row_id,
            run_id=row.run_id,
            interaction_id=row.interaction_id,
            processor=processor,
            cost_usd=row.cost_usd,
            error=None if row.error is None else type(row.error).__name__,
        )
        if self._runtime is not None:
            self._runtime.stream_writer(dict(message))
        if self._run is None:
            return
        config = patch_config(self._config, callbacks=self._run.get_child())

        async def async_() -> None:
            event = emit(dict(message), config, ROW_EVENT)
            if event is not None:
                await event

        yield Call(lambda: emit(dict(message), config, ROW_EVENT), async_)
        yield from trace_cost("parallel_run", message, config)

    def end(self, batch_id: str | None, error: BaseException | None = None) -> Calls[None]:
        """End the table's run."""
        run, self._run = self._run, None
        if run is None:
            return
        name = "on_chain_end" if error is None else "on_chain_error"
        told: Any = {"batch_id": batch_id} if error is None else error
        yield Call(lambda: getattr(run, name)(told), lambda: getattr(run, name)(told))
