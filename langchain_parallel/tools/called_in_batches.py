"""A tool whose calls in a batch are sent together.

Rule: everything that LangChain promises of a batch is LangChain's own: order, exceptions as values, a config
for each input, and events. Inside a graph, and within limits, each call goes its own way, through the ledger
of its thread or of the tool, unless it has a `batch_id`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import get_config_list
from langchain_core.tools import BaseTool

from .._core.calls import Calls, adrive, drive
from .._core.kinds import kind_of
from ..errors import InvalidRequest
from .batched_calls import CallBatch
from .seating import plan_batch

_WORKERS = 100
"""Threads in which blocking calls wait, unless `max_concurrency` says otherwise: waiting costs little."""
_Configs = RunnableConfig | Sequence[RunnableConfig] | None


class CalledInBatches(BaseTool):
    """A tool with `batch`, `abatch`, `batch_as_completed` and `abatch_as_completed`."""

    def batch(
        self,
        inputs: list[Any],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        batch_id: str | None = None,
        on_begin: Callable[[str], Any] | None = None,
        **kwargs: Any,
    ) -> list[Any]:
        """As LangChain's; the calls are sent together, and their answers read together.

        Args:
            inputs: Questions, arguments, or tool calls.
            config: LangChain's, for all or for each; `max_concurrency` of the first bounds the runs that are
                on their way at the same time.
            return_exceptions: Return exceptions in the place of outputs.
            batch_id: A task group, such as an earlier call gave to `on_begin`. Calls that it has paid for are
                not paid for again.
            on_begin: Called with the batch id before anything is paid: the place to keep it.
            kwargs: Passed on to each call.

        Raises:
            InvalidRequest: The batch cannot be sent with these options; nothing was.
            LedgerNotFound: There is no such batch: as the error of each call.
        """
        with self._sent_together(inputs, config, batch_id, on_begin) as configs:
            return super().batch(inputs, configs, return_exceptions=return_exceptions, **kwargs)

    async def abatch(
        self,
        inputs: list[Any],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        batch_id: str | None = None,
        on_begin: Callable[[str], Any] | None = None,
        **kwargs: Any,
    ) -> list[Any]:
        """As `batch`; awaited."""
        async with self._asent_together(inputs, config, batch_id, on_begin) as configs:
            return await super().abatch(
                inputs, configs, return_exceptions=return_exceptions, **kwargs
            )

    def batch_as_completed(
        self,
        inputs: Sequence[Any],
        config: _Configs = None,
        *,
        return_exceptions: bool = False,
        batch_id: str | None = None,
        on_begin: Callable[[str], Any] | None = None,
        **kwargs: Any,
    ) -> Iterator[tuple[int, Any]]:
        """As `batch`; each output with the number of its input, as they come."""
        how: dict[str, Any] = {"return_exceptions": return_exceptions, **kwargs}
        ids = (batch_id, on_begin)
        with self._sent_together(inputs, config, *ids, hurries=True) as configs:
            yield from super().batch_as_completed(inputs, configs, **how)

    async def abatch_as_completed(
        self,
        inputs: Sequence[Any],
        config: _Configs = None,
        *,
        return_exceptions: bool = False,
        batch_id: str | None = None,
        on_begin: Callable[[str], Any] | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[tuple[int, Any]]:
        """As `batch_as_completed`; asynchronous."""
        how: dict[str, Any] = {"return_exceptions": return_exceptions, **kwargs}
        ids = (batch_id, on_begin)
        async with self._asent_together(inputs, config, *ids, hurries=True) as configs:
            async for each in super().abatch_as_completed(inputs, configs, **how):
                yield each

    @contextmanager
    def _sent_together(
        self, inputs: Sequence[Any], config: _Configs, *ids: Any, hurries: bool = False
    ) -> Iterator[list[RunnableConfig]]:
        """Research what is sent together meanwhile; the config of each call."""
        many, configs = drive(self._plan(inputs, config, *ids))
        if many is None:
            yield configs
            return
        many.hurries = hurries
        with many.research():
            yield _with_workers(configs)

    @asynccontextmanager
    async def _asent_together(
        self, inputs: Sequence[Any], config: _Configs, *ids: Any, hurries: bool = False
    ) -> AsyncIterator[list[RunnableConfig]]:
        many, configs = await adrive(self._plan(inputs, config, *ids))
        if many is None:
            yield configs
            return
        many.hurries = hurries
        async with many.aresearch():
            yield configs

    def _plan(
        self,
        inputs: Sequence[Any],
        config: _Configs,
        batch_id: str | None,
        on_begin: Callable[[str], Any] | None,
    ) -> Calls[tuple[CallBatch | None, list[RunnableConfig]]]:
        if isinstance(inputs, str | Mapping):  # each of its characters would be a question
            raise InvalidRequest([f"inputs is {kind_of(inputs)}; give a list of inputs."])
        configs = get_config_list(config, len(inputs)) if inputs else []
        _check_concurrency(configs)
        return (yield from plan_batch(cast(Any, self), inputs, configs, batch_id, on_begin))


def _check_concurrency(configs: Sequence[RunnableConfig]) -> None:
    """Refuse what LangChain would wait on for ever, or stumble over once calls are paid for."""
    most: Any = configs[0].get("max_concurrency") if configs else None
    if most is not None and (not isinstance(most, int) or most < 1):
        raise InvalidRequest(
            [f"max_concurrency is {most!r:.40}; give a whole number from 1 up, or leave it out."]
        )


def _with_workers(configs: list[RunnableConfig]) -> list[RunnableConfig]:
    """The configs, of which LangChain asks the first how many threads to use."""
    if configs[0].get("max_concurrency") is not None:
        return configs
    return [{**configs[0], "max_concurrency": min(len(configs), _WORKERS)}, *configs[1:]]
