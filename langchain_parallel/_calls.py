"""What the tool and the graph do, written once for blocking and asynchronous callers.

Rule: a step of theirs is a generator that yields `Call`s, each naming a blocking function and its
asynchronous twin, and is handed what that returned. `run` makes the blocking calls, `arun` the others.
It is the idea of `_core/effects.py` one floor up, where the effects are calls of a client or a store.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias, TypeVar, cast

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import set_config_context
from langgraph.runtime import Runtime, get_runtime
from langgraph.store.base import BaseStore
from pydantic import SecretStr

from ._core.secrecy import blot
from ._locks import lock_of
from .client import AsyncParallelClient, ParallelClient
from .errors import InvalidRequest, ParallelError
from .models import Event, Submission, TaskRunInput, TaskRunResult
from .processors import PROCESSORS

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call:
    """Call `plain`, or await `awaited`."""

    plain: Callable[[], Any]
    awaited: Callable[[], Awaitable[Any]]


Calls: TypeAlias = Generator[Call, Any, T]


@dataclass(frozen=True, slots=True)
class _End:
    value: Any


def _advance(step: Callable[[Any], Call], outcome: object) -> Call | _End:
    try:
        return step(outcome)
    except StopIteration as end:
        return _End(end.value)


def run(calls: Calls[T]) -> T:
    """Make the calls, blocking."""
    with closing(calls):
        call = _advance(calls.send, None)
        while isinstance(call, Call):
            try:
                outcome = call.plain()
            except ParallelError as error:
                call = _advance(calls.throw, error)
            else:
                call = _advance(calls.send, outcome)
        return cast(T, call.value)


async def arun(calls: Calls[T]) -> T:
    """Make the calls, awaiting each."""
    with closing(calls):
        call = _advance(calls.send, None)
        while isinstance(call, Call):
            try:
                outcome = await call.awaited()
            except ParallelError as error:
                call = _advance(calls.throw, error)
            else:
                call = _advance(calls.send, outcome)
        return cast(T, call.value)


class Clients(NamedTuple):
    """A blocking and an asynchronous client of the same account."""

    plain: ParallelClient
    awaited: AsyncParallelClient

    @classmethod
    def of(
        cls,
        client: ParallelClient | None,
        async_client: AsyncParallelClient | None,
        *,
        api_key: SecretStr | str | None = None,
        base_url: str | None = None,
        allow_unknown_processor: bool = False,
    ) -> Clients:
        """The clients given, both or neither, or made from the rest.

        Raises:
            InvalidRequest: Only one is given: the other would go elsewhere, with another key.
            MissingKey: The clients are to be made and there is no key.
        """
        if client is not None and async_client is not None:
            return cls(client, async_client)
        if client is not None or async_client is not None:
            raise InvalidRequest(
                [
                    "Give `client` and `async_client` together, or neither: both kinds of calls occur."
                ]
            )
        return cls(
            ParallelClient(api_key, base_url, allow_unknown_processor=allow_unknown_processor),
            AsyncParallelClient(api_key, base_url, allow_unknown_processor=allow_unknown_processor),
        )

    def create_group(self) -> Calls[str]:
        """A new ledger. Free."""
        group = yield Call(self.plain.create_group, self.awaited.create_group)
        return str(group.taskgroup_id)

    def submit(
        self, ledger_id: str, request: TaskRunInput, *, position: str, attempt: int = 0
    ) -> Calls[Submission]:
        """Find the run in the ledger or start it there."""
        submission = yield Call(
            lambda: self.plain.submit(ledger_id, request, attempt, position=position),
            lambda: self.awaited.submit(ledger_id, request, attempt, position=position),
        )
        return cast(Submission, submission)

    def wait(
        self,
        run_id: str,
        interaction_id: str | None,
        timeout: float,
        on_event: Callable[[Event], Any],
        secrets: Sequence[str] = (),
    ) -> Calls[TaskRunResult]:
        """Wait for a run. Its errors name the run and the interaction, and never one of `secrets`:
        a server may repeat an MCP header in what it says of a run that failed.
        """
        try:
            result = yield Call(
                lambda: self.plain.wait(run_id, timeout=timeout, on_event=on_event),
                lambda: self.awaited.wait(run_id, timeout=timeout, on_event=on_event),
            )
        except ParallelError as error:
            error.concerning(run_id, interaction_id)
            error.rewrite(lambda text: blot(text, secrets))
            raise
        return cast(TaskRunResult, result)


def wait_seconds(processor: str, timeout: float | None) -> float:
    """How long to wait for a run: as told, or twice its processor's usual longest time and ten
    minutes more; four and a half hours for a processor nobody knows.
    """
    if timeout is not None:
        return timeout
    known = PROCESSORS.get(processor)
    return 2 * (known.seconds[1] if known else 7200.0) + 600.0


def call_function(function: Callable[..., Any], *args: Any) -> Calls[Any]:
    """Call a caller's function, which may be asynchronous; a blocking graph refuses that one."""

    async def awaited() -> Any:
        value = function(*args)
        return await value if inspect.isawaitable(value) else value

    def plain() -> Any:
        if inspect.iscoroutinefunction(function):
            name = getattr(function, "__name__", "the function")
            raise TypeError(f"{name} is asynchronous; run the graph with `ainvoke` or `astream`.")
        return function(*args)

    return (yield Call(plain, awaited))


# --- LangGraph's surroundings --------------------------------------------------------------------


def runtime_of(config: RunnableConfig) -> Runtime[Any] | None:
    """LangGraph's runtime behind a config; None outside a graph.

    Through the config, because Python 3.10 does not carry context variables into tasks.
    """
    with set_config_context(config) as context:
        try:
            return context.run(lambda: get_runtime())  # noqa: PLW0108 -- typed without it
        except (RuntimeError, KeyError):
            return None


def thread_id_of(config: RunnableConfig) -> str | None:
    """The LangGraph thread a config belongs to, if any."""
    thread_id = config.get("configurable", {}).get("thread_id")
    return None if thread_id is None else str(thread_id)


def stored_ledger(clients: Clients, store: BaseStore, thread_id: str, name: str) -> Calls[str]:
    """The ledger of a session as the store knows it, made and written down if there is none.

    A put is durable at once and survives time travel to a checkpoint from before the session (R4).

    Args:
        clients: Who makes a ledger.
        store: LangGraph's store.
        thread_id: The LangGraph thread the session belongs to.
        name: Tells several sessions in one thread apart.
    """
    namespace, key = ("langchain_parallel", "ledgers"), f"{thread_id}/{name}"
    lock = lock_of(f"stored ledger {key}")
    yield Call(lock.acquire, lock.aacquire)
    try:
        item = yield Call(lambda: store.get(namespace, key), lambda: store.aget(namespace, key))
        if item is not None:
            return str(item.value["ledger_id"])
        ledger_id = yield from clients.create_group()
        value: Mapping[str, Any] = {"ledger_id": ledger_id}
        yield Call(
            lambda: store.put(namespace, key, dict(value)),
            lambda: store.aput(namespace, key, dict(value)),
        )
        return ledger_id
    finally:
        lock.release()
