"""`AsyncParallelClient`: the API, asynchronous. Its methods are those of `sync_client.py`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec, TypeVar, cast

import httpx
from pydantic import SecretStr

from .._core import chat, streams
from .._core.chat_request import ChatMessages
from .._core.hidden import as_secret, hidden, hide
from .._core.retry import RetryPolicy
from ..models import ChatPiece, Event, SchemaLike
from .async_driver import AsyncDriver
from .bodies import MAX_RESPONSE_BYTES
from .chat_calls import CHAT_MODEL, CHAT_SECONDS, checked_call
from .client_settings import Clock, settings
from .sync_client import ParallelClient

P = ParamSpec("P")
T = TypeVar("T")


def _as_awaitable(
    method: Callable[Concatenate[ParallelClient, P], T],
) -> Callable[Concatenate[AsyncParallelClient, P], Coroutine[Any, Any, T]]:
    """A method of the blocking client for the asynchronous one, whose `_drive` returns an awaitable."""
    method_of_either: Any = method

    @wraps(method)
    async def call(self: AsyncParallelClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        options: dict[str, Any] = kwargs
        if "extra_body" in options:  # a local variable here, whose texts may be secret
            options["extra_body"] = hide(options["extra_body"])
        return cast(T, await method_of_either(self, *args, **options))

    call.__doc__ = f"As `ParallelClient.{method.__name__}`; awaited."
    return call


class AsyncParallelClient(AsyncDriver):
    """An asynchronous client of the API. Tasks may share one, and so may event loops one after another.

    It takes what `ParallelClient` takes; an `http_client` is asynchronous, and bound to one event loop.
    """

    def __init__(
        self,
        api_key: str | SecretStr | None = None,
        base_url: str | None = None,
        *,
        http_client: httpx.AsyncClient | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        retry_policy: RetryPolicy | None = None,
        allow_unknown_processor: bool = False,
        strict: bool = False,
        max_response_bytes: int = MAX_RESPONSE_BYTES,
        clock: Clock | None = None,
    ) -> None:
        api_key, base_url = as_secret(api_key), hidden(base_url)
        super().__init__(
            settings(
                api_key,
                base_url,
                retry_policy,
                clock,
                allow_unknown_processor=allow_unknown_processor,
                max_response_bytes=max_response_bytes,
                strict=strict,
            ),
            http_client,
            transport,
        )

    create: Final = _as_awaitable(ParallelClient.create)
    submit: Final = _as_awaitable(ParallelClient.submit)
    find: Final = _as_awaitable(ParallelClient.find)
    retrieve: Final = _as_awaitable(ParallelClient.retrieve)
    retrieve_input: Final = _as_awaitable(ParallelClient.retrieve_input)
    result: Final = _as_awaitable(ParallelClient.result)
    wait: Final = _as_awaitable(ParallelClient.wait)
    create_group: Final = _as_awaitable(ParallelClient.create_group)
    retrieve_group: Final = _as_awaitable(ParallelClient.retrieve_group)
    add_runs: Final = _as_awaitable(ParallelClient.add_runs)
    list_runs: Final = _as_awaitable(ParallelClient.list_runs)
    search: Final = _as_awaitable(ParallelClient.search)
    extract: Final = _as_awaitable(ParallelClient.extract)
    chat: Final = _as_awaitable(ParallelClient.chat)

    def chat_stream(
        self,
        messages: ChatMessages,
        *,
        model: str = CHAT_MODEL,
        previous_interaction_id: str | None = None,
        response_format: Mapping[str, Any] | None = None,
        output_schema: SchemaLike | None = None,
        timeout: float = CHAT_SECONDS,
        extra_body: dict[str, Any] | None = None,
        strict: bool | None = None,
    ) -> AsyncIterator[ChatPiece]:
        """As `ParallelClient.chat_stream`; asynchronous."""
        extra_body = hide(extra_body)
        call = checked_call(
            self._settings,
            messages,
            model=model,
            previous_interaction_id=previous_interaction_id,
            response_format=response_format,
            output_schema=output_schema,
            timeout=timeout,
            extra_body=extra_body,
            strict=strict,
            stream=True,
        )
        return self._iterate(chat.stream(call, self._settings.policy))

    def events(self, run_id: str) -> AsyncIterator[Event]:
        """As `ParallelClient.events`; asynchronous."""
        return self._iterate(streams.run_events(run_id, self._settings.policy))

    def group_events(
        self, taskgroup_id: str, *, last_event_id: str | None = None, timeout: float | None = None
    ) -> AsyncIterator[Event]:
        """As `ParallelClient.group_events`; asynchronous."""
        flow = streams.group_events(
            taskgroup_id, self._settings.policy, last_event_id=last_event_id, timeout=timeout
        )
        return self._iterate(flow)
