"""Faults and kills in any order: in the end each question is answered and paid for once.

Rule: the trouble is bounded (six faults, three kills), so a user that continues gets the answer. A run shows
up in its list later than it was started, but within the settling time.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from langchain_parallel import AsyncParallelClient, ParallelClient, ParallelError
from langchain_parallel._core.ledger.lookup import Lookup
from langchain_parallel._core.retry import RetryPolicy
from langchain_parallel.client import pair_clients
from langchain_parallel.models import Submission, TaskRunInput
from langchain_parallel.simulator import Fault, Response, RunScript, Simulator, SimulatorTransport
from langchain_parallel.simulator.http_messages import Wait

from ..cut import examples
from ..research.harness import Mode
from .kills import Deadly, Kill, survive
from .matrix import clean
from .table import CALLS, refuses_and_accepts, rows
from .users import MODES, QUESTION, AgentUser, ClientUser, Clock, GraphUser, Told

ASKED = TaskRunInput(input=QUESTION, processor="lite")
CONCERNED = sorted({(call.method, call.path) for call in CALLS})
ROWS = [r for r in rows() if not r.kind.startswith("webhook_") and not refuses_and_accepts(r)]

late = st.floats(0, RetryPolicy().settle_seconds - 1)
faults = st.builds(
    lambda row, where, skip, times: Fault(
        row.kind, method=where[0], path=where[1], skip=skip, times=times, **row.options
    ),
    st.sampled_from(ROWS),
    st.sampled_from(CONCERNED),
    st.integers(0, 3),
    st.sampled_from([1, 1, 1, 6, 12]),  # more often than a request is repeated, and than a poll is
)
troubles = st.lists(faults, max_size=6)
kills = st.lists(
    st.builds(Kill, st.integers(1, 20), st.booleans(), st.booleans()),
    max_size=3,
    unique_by=lambda kill: kill.request,
)


@pytest.mark.parametrize("mode", MODES)
@given(troubles, kills, late)
@settings(max_examples=examples(60))
def test_a_client_pays_once_whatever_happens(
    mode: Mode, trouble: list[Fault], kills: list[Kill], late: float
) -> None:
    survive(ClientUser, mode, trouble=trouble, kills=kills, late=late)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("request_number", [6, 7])
def test_a_run_of_unreadable_status_leaves_a_trace_while_the_ledger_is_looked_up(
    mode: Mode, request_number: int
) -> None:
    """The client is killed in that lookup and asks again in the same process: it must not send at once."""
    unreadable = Fault("wrong_shape", method="GET", path="/v1/tasks/runs/trun_*", body={"a": "b"})
    kill = Kill(request_number, processed=True, elsewhere=False)
    survive(ClientUser, mode, trouble=[unreadable], kills=[kill], late=12.0)


@pytest.mark.parametrize("mode", MODES)
@given(troubles, kills, late, st.booleans())
@settings(max_examples=examples(15))
def test_a_session_pays_once_for_each_question_whatever_happens(
    mode: Mode, trouble: list[Fault], kills: list[Kill], late: float, again: bool
) -> None:
    """After a kill the thread is resumed, or the question is asked again: both find the run."""
    survive(GraphUser, mode, trouble=trouble, kills=kills, late=late, again=again)


@pytest.mark.parametrize("mode", MODES)
@given(troubles, kills, late)
@settings(max_examples=examples(15))
def test_an_agent_pays_once_whatever_happens(
    mode: Mode, trouble: list[Fault], kills: list[Kill], late: float
) -> None:
    survive(AgentUser, mode, trouble=trouble, kills=kills, late=late)


# --- a task that is cancelled --------------------------------------------------------------------


class Cancelling(Deadly):
    """Cancels the task that makes certain requests, while it waits for the answer."""

    task: asyncio.Future[Submission] | None = None

    def lose(self) -> Response:
        assert self.task is not None
        self.task.cancel()
        return Response(iter([Wait(self.monotonic + 3600)]))


WRONG_ID_UNREAD = (
    [
        Fault("refuse", method="GET", path="*/groups/*/runs"),
        Fault("wrong_id", method="POST", path="*/groups/*/runs"),
    ],
    [Kill(6, processed=False, elsewhere=False)],
    1.0,
)
"""The answer names a run that is not there; the call is cancelled before that is noticed, and then no list
can be read."""


@given(troubles, kills, late)
@example(*WRONG_ID_UNREAD)
@settings(max_examples=examples(40))
def test_a_client_whose_tasks_are_cancelled_pays_once(
    trouble: list[Fault], kills: list[Kill], late: float
) -> None:
    simulator = Cancelling(kills)
    simulator.scripts.add(RunScript(late_commit=late, times=None))
    run_id = asyncio.run(submitted(simulator, trouble))
    assert [run["run_id"] for run in simulator.runs()] == [run_id]


async def submitted(simulator: Cancelling, trouble: list[Fault]) -> str:
    """The run, from a client that goes on after each error and each cancellation."""
    transport, clock = SimulatorTransport(simulator), simulator.clock
    async with AsyncParallelClient("key", transport=transport, clock=clock) as client:
        simulator.seen = -100  # nobody is cancelled here
        ledger_id = (await client.create_group()).taskgroup_id
        simulator.seen = 1
        simulator.faults.add(*trouble)
        while True:
            simulator.task = asyncio.ensure_future(client.submit(ledger_id, ASKED))
            try:
                return (await simulator.task).run.run_id
            except ParallelError as error:
                clean(Told.by(error))
            except asyncio.CancelledError:
                assert simulator.task.cancelled()


# --- several at once -----------------------------------------------------------------------------


class Crowd:
    """Askers of one request: threads on blocking clients, and tasks of an asynchronous one.

    `strangers`: the clients know nothing of each other, as if in several processes, and ask as these
    have to. Else they share what they know, as those of a tool or a graph do.
    """

    def __init__(self, simulator: Simulator, *, strangers: bool, tries: int) -> None:
        how: dict[str, Any] = {
            "transport": SimulatorTransport(simulator),
            "clock": simulator.clock,
        }
        self.asynchronous = AsyncParallelClient("key", **how)
        self.blocking = [ParallelClient("key", **how) for _ in range(1 + strangers)]
        if not strangers:
            pair_clients(self.blocking[0], self.asynchronous)
        self.lookup: Lookup = "until_settled" if strangers else "once"
        self.tries = tries
        self.ledger_id = self.blocking[0].create_group().taskgroup_id

    def ask(self) -> set[str]:
        """The runs that all of them get."""
        with ThreadPoolExecutor(5) as pool:
            asked = [client for client in self.blocking for _ in range(4 // len(self.blocking))]
            threads = [pool.submit(self._thread, client) for client in asked]
            tasks = pool.submit(asyncio.run, self._tasks())
            return {*(thread.result() for thread in threads), *tasks.result()}

    def _thread(self, client: ParallelClient) -> str:
        for _ in range(self.tries):
            try:
                return client.submit(self.ledger_id, ASKED, lookup=self.lookup).run.run_id
            except ParallelError as error:
                clean(Told.by(error))
        raise AssertionError("there is nothing left in the way, and yet no run")

    async def _tasks(self) -> list[str]:
        return await asyncio.gather(*(self._task() for _ in range(3)))

    async def _task(self) -> str:
        submit = self.asynchronous.submit
        for _ in range(self.tries):
            try:
                return (await submit(self.ledger_id, ASKED, lookup=self.lookup)).run.run_id
            except ParallelError as error:
                clean(Told.by(error))
        raise AssertionError("there is nothing left in the way, and yet no run")


@given(troubles, late, st.booleans())
@settings(max_examples=examples(20))
def test_threads_and_tasks_with_one_request_pay_once_whatever_happens(
    trouble: list[Fault], late: float, strangers: bool
) -> None:
    simulator = Simulator(Clock())
    simulator.scripts.add(RunScript(late_commit=late, times=None))
    tries = 1 + sum(fault.times or 0 for fault in trouble)
    crowd = Crowd(simulator, strangers=strangers, tries=tries)
    simulator.faults.add(*trouble)
    asked = crowd.ask()
    assert [run["run_id"] for run in simulator.runs()] == list(asked)
