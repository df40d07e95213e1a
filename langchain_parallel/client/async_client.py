"""`AsyncParallelClient`: the API, asynchronous. Its methods are those of `sync_client.py`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import httpx
from pydantic import SecretStr

from .._core import chat_turn, streams
from .._core.chat_request import ChatMessages
from .._core.hidden import as_secret, hidden, hide
from .._core.retry import RetryPolicy
from .._core.send_quota import RUNS_A_MINUTE
from ..models import ChatPiece, Event, SchemaLike
from .async_driver import AsyncDriver
from .awaited import as_awaitable
from .bodies import MAX_RESPONSE_BYTES
from .chat_calls import CHAT_MODEL, CHAT_SECONDS, checked_call
from .client_settings import Clock, settings
from .memory_methods import AsyncMemory
from .run_reports import report_chat_pieces
from .sync_client import ParallelClient


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
        runs_per_minute: int = RUNS_A_MINUTE,
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
                runs_per_minute=runs_per_minute,
            ),
            http_client,
            transport,
        )

    create: Final = as_awaitable(ParallelClient.create)
    submit: Final = as_awaitable(ParallelClient.submit)
    submit_many: Final = as_awaitable(ParallelClient.submit_many)
    find: Final = as_awaitable(ParallelClient.find)
    retrieve: Final = as_awaitable(ParallelClient.retrieve)
    retrieve_input: Final = as_awaitable(ParallelClient.retrieve_input)
    result: Final = as_awaitable(ParallelClient.result)
    wait: Final = as_awaitable(ParallelClient.wait)
    create_group: Final = as_awaitable(ParallelClient.create_group)
    retrieve_group: Final = as_awaitable(ParallelClient.retrieve_group)
    add_runs: Final = as_awaitable(ParallelClient.add_runs)
    list_runs: Final = as_awaitable(ParallelClient.list_runs)
    search: Final = as_awaitable(ParallelClient.search)
    extract: Final = as_awaitable(ParallelClient.extract)
    chat: Final = as_awaitable(ParallelClient.chat)

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
        return self._iterate(
            report_chat_pieces(chat_turn.stream(call, self._settings.policy), call)
        )

    @property
    def memory(self) -> AsyncMemory:
        """As `ParallelClient.memory`; awaited."""
        return AsyncMemory(self)

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
