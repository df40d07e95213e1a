"""`ParallelClient`: the API, blocking. What spends through a ledger is in `ledger_methods.py`, Search and
Extract in `web_driver.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import httpx
from pydantic import SecretStr

from .._core import chat_turn, limits, operations, run_wait, streams
from .._core.chat_request import ChatMessages
from .._core.hidden import as_secret, hidden, hide
from .._core.retry import RetryPolicy
from .._core.send_quota import RUNS_A_MINUTE
from ..models import (
    ChatAnswer,
    ChatPiece,
    Event,
    RunInput,
    SchemaLike,
    TaskGroup,
    TaskGroupRunResponse,
    TaskRun,
    TaskRunEvent,
    TaskRunInput,
    TaskRunResult,
)
from .bodies import MAX_RESPONSE_BYTES
from .chat_calls import CHAT_MODEL, CHAT_SECONDS, checked_call
from .client_settings import DEFAULT_TIMEOUT, Clock, settings
from .ledger_methods import LedgerMethods
from .memory_methods import Memory
from .request_warnings import warn
from .run_reports import (
    report_added,
    report_chat,
    report_chat_pieces,
    report_created,
    report_end,
)
from .web_driver import WebDriver


class ParallelClient(LedgerMethods, WebDriver):
    """A blocking client of the API. Threads may share one.

    Args:
        api_key: The key; read from `PARALLEL_API_KEY` by default.
        base_url: The server; read from `PARALLEL_BASE_URL` by default.
        http_client: An `httpx` client of your own, which you close yourself.
        transport: Only a transport for the `httpx` client made here, which closes it.
        retry_policy: How often, how fast and how patiently requests are repeated.
        allow_unknown_processor: Send processors that this package does not know.
        strict: Refuse what breaks a rule of the API's documentation (`langchain_parallel.rules`), which is
            sent with a `RequestWarning` otherwise.
        max_response_bytes: Longest response, decoded; 64 MiB unless given. A longer answer raises
            `ResponseTooLarge`, and is there for a client that takes more.
        runs_per_minute: Requests that start runs, of all clients with this key in a process; 2,000 unless
            given, as documented. More wait for their turn. If the API turns one away, they become fewer.
        clock: Time; for tests.

    Raises:
        MissingKey: There is no key.
        InvalidRequest: The key or the address is not valid.
    """

    def __init__(
        self,
        api_key: str | SecretStr | None = None,
        base_url: str | None = None,
        *,
        http_client: httpx.Client | None = None,
        transport: httpx.BaseTransport | None = None,
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

    def create(self, request: TaskRunInput) -> TaskRun:
        """Start a run without a ledger. Paid.

        The request is sent once. If its response is lost, it stays unknown whether a run was started;
        `submit` finds out.

        Raises:
            InvalidRequest: Nothing was sent.
            ResponseLost, MalformedResponse: The run may have been started and billed.
            ApiError: The server refused; on 5xx the run may have been started.
        """
        [checked] = self._settings.check(request)
        flow = report_created(operations.create(checked, self._settings.policy), checked)
        return self._drive(flow)

    def retrieve(self, run_id: str) -> TaskRun:
        """The current state of a run."""
        return self._drive(operations.retrieve(run_id, self._settings.policy))

    def retrieve_input(self, run_id: str) -> RunInput:
        """The request that started a run. The API does not send back headers of MCP servers."""
        return self._drive(operations.retrieve_input(run_id, self._settings.policy))

    def result(self, run_id: str, *, timeout: float = 600.0) -> TaskRunResult:
        """The answer of a run, polled for up to `timeout` seconds without following its events.

        Raises:
            StillRunning: There is no answer yet.
            RunFailed, RunCancelled, ActionRequired: The run ended without an answer.
        """
        policy, cache = self._settings.policy, self._settings.cache
        flow = report_end(run_wait.wait(run_id, timeout, policy, cache, follow=False), run_id)
        return self._drive(flow, seconds=limits.seconds(timeout))

    def wait(
        self,
        run_id: str,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        on_event: Callable[[Event], Any] | None = None,
    ) -> TaskRunResult:
        """Wait for a run's answer, up to `timeout` seconds, following its progress.

        Args:
            run_id: The run.
            timeout: Seconds to wait at the most.
            on_event: Called with each event as it comes, once each. It may be asynchronous if the client is.

        Raises:
            StillRunning: The deadline passed; the run goes on, so wait for the same id again.
            RunFailed, RunCancelled, ActionRequired: The run ended without an answer.
            ApiError, ResponseLost, MalformedResponse: The API could not be reached until the deadline,
                refuses the key, or cannot be read; the run goes on.
        """
        policy, cache = self._settings.policy, self._settings.cache
        flow = report_end(run_wait.wait(run_id, timeout, policy, cache), run_id)
        return self._drive(flow, on_event, seconds=limits.seconds(timeout))

    @property
    def memory(self) -> Memory:
        """What the API remembers of completed runs and monitors. Free."""
        return Memory(self)

    def events(self, run_id: str) -> Iterator[Event]:
        """The events of a run until it has ended, each once; the last one holds the whole output.

        Raises:
            ApiError, ResponseLost: The stream could not be followed; `wait` would poll instead.
        """
        return self._iterate(streams.run_events(run_id, self._settings.policy))

    def chat(
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
    ) -> ChatAnswer:
        """One turn of a chat, answered at once: a turn of the same tree as runs. Paid, at most once.

        The API keeps no answer of a chat. So a request that may have left is not sent again; `submit` starts
        a task run, which is found again.

        Args:
            messages: A question, or messages with `role` (system, user or assistant) and `content` (text).
            model: `speed`, `lite`, `base` or `core`. `speed` answers in seconds, without evidence; the others
                are the processors of these names.
            previous_interaction_id: Continue from this interaction, of a chat or of a task run. That only the
                new turn then belongs into `messages` is assumed: the API does not say how both combine.
            response_format: The answer's form, as OpenAI writes it.
            output_schema: The same, in any form that task runs take; read it with `answer.parse(…)`.
            timeout: Seconds to wait for the answer once the request has been sent.
            extra_body: Fields of the API that this package does not know.
            strict: Refuse what breaks a rule of the documentation; the client's own setting unless given.

        Raises:
            InvalidRequest: Nothing was sent.
            ChatAnswerLost: The answer may have been written and billed, and did not arrive.
            ApiError: The server refused; nothing was billed.
            ResponseLost: The API could not be reached; nothing was billed.
        """
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
            stream=False,
        )
        return self._drive(report_chat(chat_turn.complete(call, self._settings.policy), call))

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
    ) -> Iterator[ChatPiece]:
        """As `chat`, in pieces: each has its `text`, the last one the whole `answer` instead.

        A stream that is left early is paid for, and its answer is lost.

        Raises:
            ChatAnswerLost: The stream broke off; the error has what had arrived.
        """
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

    def create_group(
        self, metadata: Mapping[str, str | int | float | bool] | None = None
    ) -> TaskGroup:
        """An empty task group, which is also what a ledger is. Free; starts nothing."""
        strict = self._settings.strict
        checked, found = limits.check_group_metadata(metadata or {}, strict=strict)
        warn(found)
        return self._drive(operations.create_group(checked, self._settings.policy))

    def retrieve_group(self, taskgroup_id: str) -> TaskGroup:
        """A group with its runs counted by status."""
        return self._drive(operations.retrieve_group(taskgroup_id, self._settings.policy))

    def add_runs(self, taskgroup_id: str, requests: Sequence[TaskRunInput]) -> TaskGroupRunResponse:
        """Start up to 1,000 runs in a group without looking them up first. Paid; sent once, as by `create`.

        Raises:
            InvalidRequest: Nothing was sent.
            ResponseLost, MalformedResponse: The runs may have been started; `list_runs` shows them.
            ApiError: The server refused; on 5xx the runs may have been started.
        """
        runs, found = limits.check_batch(requests, strict=self._settings.strict)
        checked = self._settings.check(*runs)
        warn(found)
        flow = operations.add_runs(taskgroup_id, checked, self._settings.policy)
        return self._drive(report_added(flow, taskgroup_id, checked))

    def list_runs(
        self,
        taskgroup_id: str,
        *,
        include_input: bool = False,
        include_output: bool = False,
        status: str | None = None,
        last_event_id: str | None = None,
    ) -> list[TaskRunEvent]:
        """The runs of a group in their current state, in the server's order; does not wait for them.

        Args:
            taskgroup_id: The group.
            include_input: With the request of each run.
            include_output: With the answers of those that have completed.
            status: Only those in this status.
            last_event_id: Only those after this one (`event_id` of an earlier list).
        """
        flow = streams.list_runs(
            taskgroup_id,
            self._settings.policy,
            include_input=include_input,
            include_output=include_output,
            status=status,
            last_event_id=last_event_id,
        )
        return self._drive(flow)

    def group_events(
        self, taskgroup_id: str, *, last_event_id: str | None = None, timeout: float | None = None
    ) -> Iterator[Event]:
        """The events of a group: its status, and each run as it ends; until no run is active.

        Args:
            taskgroup_id: The group.
            last_event_id: Start after this event.
            timeout: Seconds after which the server ends the stream; then this iterator ends, too.
        """
        flow = streams.group_events(
            taskgroup_id, self._settings.policy, last_event_id=last_event_id, timeout=timeout
        )
        return self._iterate(flow)
