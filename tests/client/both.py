"""One test, two clients: the asynchronous one is called through an event loop of its own."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Iterator
from typing import Any, Literal

import pytest

from langchain_parallel import AsyncParallelClient, ParallelClient, errors
from langchain_parallel._core.retry import RetryPolicy
from langchain_parallel.models import TaskRunInput
from langchain_parallel.simulator import ManualClock, RunScript, Simulator, SimulatorTransport

Kind = Literal["blocking", "asynchronous"]
KINDS: tuple[Kind, Kind] = ("blocking", "asynchronous")


class Both:
    """Either client, called as if it were the blocking one."""

    def __init__(self, kind: Kind, *args: Any, **options: Any) -> None:
        self.kind = kind
        self._loop = asyncio.new_event_loop() if kind == "asynchronous" else None
        make = ParallelClient if kind == "blocking" else AsyncParallelClient
        self.client: Any = make(*args, **options)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.client, name)

        def call(*args: Any, **options: Any) -> Any:
            value = method(*args, **options)
            if isinstance(value, AsyncIterator):
                return self._items(value)
            return self._run(value) if inspect.isawaitable(value) else value

        return call

    def _run(self, value: Any) -> Any:
        assert self._loop is not None
        return self._loop.run_until_complete(value)

    def _items(self, items: AsyncIterator[Any]) -> Iterator[Any]:
        while True:
            try:
                yield self._run(anext(items))
            except StopAsyncIteration:
                return

    def done(self) -> None:
        """Close the client, and then the loop as `asyncio.run` does."""
        self.close()
        if self._loop is not None:
            self._run(self._loop.shutdown_asyncgens())
            self._run(self._loop.shutdown_default_executor())
            self._loop.close()


class World:
    """A client, the account it talks to, and its money."""

    def __init__(self, kind: Kind, **options: Any) -> None:
        self.kind = kind
        self.clock = ManualClock()
        self.sim = Simulator(self.clock, **options)
        self.api = self.client()

    def client(self, **options: Any) -> Both:
        """Another client of the same account."""
        transport = SimulatorTransport(self.sim)
        return Both(self.kind, "key", transport=transport, clock=self.clock, **options)

    def start(self, outcome: Any = "completed", *, processor: str = "lite", **script: Any) -> str:
        """A run that will go like this."""
        self.sim.scripts.add(RunScript(outcome=outcome, **script))
        run_id: str = self.api.create(ask(processor=processor)).run_id
        return run_id

    @property
    def started(self) -> int:
        return len(self.sim.runs())

    def sent(self, method: str = "POST") -> list[str]:
        """Paths of the requests so far."""
        return [entry.path for entry in self.sim.requests if entry.method == method]

    def raises(
        self, kind: type[errors.ParallelError], call: Any, *args: Any, **options: Any
    ) -> Any:
        """The error that a call ends in, which is of exactly this class."""
        with pytest.raises(errors.ParallelError) as caught:
            call(*args, **options)
        assert type(caught.value) is kind, caught.value
        assert caught.value.message.endswith(".")
        assert caught.value.hint
        return caught.value


def ask(input: Any = "Who?", processor: str = "lite", **rest: Any) -> TaskRunInput:
    return TaskRunInput(input=input, processor=processor, **rest)


QUICK = RetryPolicy(initial_delay=0.01, max_delay=0.02, settle_seconds=0.3)
"""For real sockets, where time is real."""
