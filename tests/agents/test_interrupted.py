"""Examples whose process dies after something was paid for: another one continues, and pays nothing twice."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import httpx
import pytest

from langchain_parallel import ParallelClient
from langchain_parallel.simulator import SimulatorTransport

from ..middleware.harness import KEY, Account, thread
from . import examples
from .examples import OUTCOMES


class GoneError(BaseException):
    """Stands for the death of the process; nothing catches it."""


class Deadly(SimulatorTransport):
    """The process dies in the first paid request, which the server has processed."""

    died = False

    def _die(self, request: httpx.Request) -> None:
        if request.method == "POST" and request.url.path.endswith("/runs") and not self.died:
            self.died = True
            raise GoneError

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = super().handle_request(request)
        self._die(request)
        return response

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        self._die(request)
        return response


def deadly(account: Account) -> dict[str, Any]:
    """Clients in a process that dies once."""
    transport, clock = Deadly(account.simulator), account.simulator.clock
    return {
        "client": ParallelClient(KEY, transport=transport, clock=clock),
    }


def states(
    example: ModuleType, account: Account, first: Any, second: Any
) -> Iterator[dict[str, Any]]:
    """The state after each question. The first process dies in one of them; the second one continues."""
    second.checkpointer, second.store = first.checkpointer, first.store
    agent = first
    for question in example.QUESTIONS:
        said: Any = {"messages": [("user", question)]}
        try:
            yield account.invoke(agent, said, thread())
        except GoneError:
            agent = second
            yield account.invoke(agent, None, thread())
    assert agent is second


@pytest.mark.grid
@pytest.mark.parametrize("name", OUTCOMES)
def test_another_process_continues_and_pays_nothing_twice(
    name: str, account: Account, scripted: ModuleType
) -> None:
    example = examples.load(name)
    models = scripted.models(example.SCRIPT)
    first = example.build(models, **deadly(account))
    second = example.build(models, **account.clients())
    *_, last = states(example, account, first, second)
    examples.came_to_what_it_should(name, example, last, account)
