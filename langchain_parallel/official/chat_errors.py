"""`ChatParallel` as in the official package: this package's own, whose errors are `ValueError`s, too."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from pydantic import Field, SecretStr

from .._core.chat_request import IGNORED
from ..chat_models import ChatParallel as ChatModel
from ..client import AsyncParallelClient, ParallelClient
from ..errors import ParallelError
from .failures import CallFailed
from .leniency import Keyed


class ChatParallelWeb(Keyed, ChatModel):
    """The Chat API as a chat model.

    Raises:
        CallFailed: A turn got no answer. It is a `ValueError`; `billed` says whether it may cost money.
        NoKey: On construction, without an API key. It is a `ValueError`.
    """

    _known_elsewhere: ClassVar[frozenset[str]] = IGNORED

    model: str = Field(default="speed", alias="model_name")

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            model: str = ...,
            timeout: float | None = ...,
            max_retries: int | None = ...,
            response_format: dict[str, Any] | None = ...,
            api_key: str | SecretStr | None = ...,
            base_url: str | None = ...,
            client: ParallelClient | AsyncParallelClient | None = ...,
            **more: Any,
        ) -> None:
            """`more`: the other options of `chat_models.ChatParallel`, and what the API ignores."""

    @property
    def _llm_type(self) -> str:
        return "chat-parallel-web"

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        try:
            return super()._generate(messages, *args, **kwargs)
        except ParallelError as error:
            raise CallFailed("Chat", error) from error

    async def _agenerate(
        self, messages: list[BaseMessage], *args: Any, **kwargs: Any
    ) -> ChatResult:
        try:
            return await super()._agenerate(messages, *args, **kwargs)
        except ParallelError as error:
            raise CallFailed("Chat", error) from error

    def _stream(
        self, messages: list[BaseMessage], *args: Any, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        try:
            yield from super()._stream(messages, *args, **kwargs)
        except ParallelError as error:
            raise CallFailed("Chat", error) from error

    async def _astream(
        self, messages: list[BaseMessage], *args: Any, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        try:
            async for chunk in super()._astream(messages, *args, **kwargs):
                yield chunk
        except ParallelError as error:
            raise CallFailed("Chat", error) from error


ChatParallel = ChatParallelWeb
