"""A tool that code may call for an `Answer` instead of a text."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

from langchain_core.messages.tool import ToolCall
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool
from pydantic import BaseModel

from ..display import show_progress
from ..models import SchemaLike
from .answer import Answer, raising_ours


class AskedByHand(BaseTool):
    """A tool with `research`."""

    def research(
        self,
        question: str | Mapping[str, Any] | BaseModel,
        *,
        previous_interaction_id: str | None = None,
        processor: str | None = None,
        output_schema: SchemaLike | None = None,
        progress: bool = False,
        config: RunnableConfig | None = None,
    ) -> Answer:
        """Ask by hand, and get the answer as an object. It costs what a model's call costs.

        Args:
            question: Text; or the fields of the tool's `input_schema`.
            previous_interaction_id: What it follows up on, such as `answer.interaction_id`.
            processor: For this question, instead of the tool's.
            output_schema: The shape of this answer, instead of the tool's; `parsed` is of this type.
            progress: Show the run while it works, on a terminal or in a notebook (`show_progress`).
            config: LangChain's, such as callbacks.

        Raises:
            InvalidRequest: It may not be sent. Nothing was started.
            StillRunning: The tool's `timeout` is over; the run goes on, and the error has its ids.
            ParallelError: Any other error, with the ids of the run, if there is one.
        """
        tool, call, shape = self._by_hand(
            question, previous_interaction_id, processor, output_schema
        )
        with raising_ours(), show_progress() if progress else nullcontext():
            return Answer.of(tool.invoke(call, config).artifact, shape)

    async def aresearch(
        self,
        question: str | Mapping[str, Any] | BaseModel,
        *,
        previous_interaction_id: str | None = None,
        processor: str | None = None,
        output_schema: SchemaLike | None = None,
        progress: bool = False,
        config: RunnableConfig | None = None,
    ) -> Answer:
        """As `research`; awaited."""
        tool, call, shape = self._by_hand(
            question, previous_interaction_id, processor, output_schema
        )
        with raising_ours(), show_progress() if progress else nullcontext():
            message = await tool.ainvoke(call, config)
            return Answer.of(message.artifact, shape)

    @abstractmethod
    def _by_hand(
        self,
        question: str | Mapping[str, Any] | BaseModel,
        previous_interaction_id: str | None,
        processor: str | None,
        output_schema: SchemaLike | None,
    ) -> tuple[BaseTool, ToolCall, Any]:
        """A copy of the tool that raises and has these options, the call of it, and the answer's shape."""
