"""An API that is down, or does not know a run yet: through every door it costs time and nothing else."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.tools import ToolException
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore
from langgraph.types import Command

from langchain_parallel import (
    AsyncParallelClient,
    ParallelClient,
    ParallelError,
    ParallelTaskTool,
    create_research_graph,
)
from langchain_parallel.middleware import ParallelResearchMiddleware
from langchain_parallel.models import TaskRunInput
from langchain_parallel.simulator import Fault, RunScript

from ..middleware.harness import Model, check, record, start
from ..middleware.harness import calls as middleware_calls
from ..outage import Outage
from ..research.harness import Mode, invoke
from ..research.test_doubt import Dying, finished
from ..research.test_written_down import Killed
from ..tool.helpers import KEY, START, Account, agent, answers, calls, thread
from .users import MODES

QUESTION = "Who leads?"
UNKNOWN = Fault("status_before", path="*/runs/trun*", status=404, times=None), 3.0
DOWN = Fault("status_before", status=503, times=None)
OUTAGES = {
    "404 for 3 s": UNKNOWN,
    "503 for 40 s": (DOWN, 40.0),
    "503 for 200 s": (DOWN, 200.0),
    "unreachable for 200 s": (Fault("refuse", times=None), 200.0),
    "silent for 200 s": (Fault("hang", seconds=9e9, times=None), 200.0),
    "429 for 200 s": (Fault("rate_limit", seconds=130, times=None), 200.0),
}


def client_in(account: Account, mode: Mode, outage: tuple[Fault, float]) -> Any:
    make = ParallelClient if mode == "sync" else AsyncParallelClient
    transport = Outage(account.simulator, *outage)
    return make(KEY, transport=transport, clock=account.simulator.clock)


def ask_tool(account: Account, mode: Mode, client: Any) -> str:
    graph = agent(ParallelTaskTool(client=client), calls({"input": QUESTION}), "done")
    (answer,) = answers(invoke(mode, graph, START, None))
    assert answer.status == "success", answer.text
    return str(answer.artifact["run_id"])


def ask_middleware(account: Account, mode: Mode, client: Any) -> str:
    with_research = ParallelResearchMiddleware(processor="lite", client=client)
    model = Model(middleware_calls(start(QUESTION)), "done")
    state = invoke(mode, create_agent(model, middleware=[with_research]), START, None)
    found = record(state, "r1")
    assert found["status"] == "completed", found
    return str(found["run_id"])


def ask_graph(account: Account, mode: Mode, client: Any) -> str:
    graph = create_research_graph(processor="lite", client=client).compile()
    (turn,) = invoke(mode, graph, {"question": QUESTION}, None)["turns"]
    return str(turn["run_id"])


def ask_parking_graph(account: Account, mode: Mode, client: Any) -> str:
    options: dict[str, Any] = {"processor": "lite", "wait": "park", "client": client}
    graph = create_research_graph(**options).compile(checkpointer=InMemorySaver())
    invoke(mode, graph, {"question": QUESTION}, thread("t"))
    clock: Any = account.simulator.clock
    clock.advance(600)
    (turn,) = invoke(mode, graph, Command(resume=True), thread("t"))["turns"]
    return str(turn["run_id"])


DOORS = {"tool": ask_tool, "middleware": ask_middleware, "graph": ask_graph}


@pytest.mark.grid
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("outage", OUTAGES)
def test_an_outage_after_a_run_was_accepted_costs_time_alone(
    mode: Mode, door: str, outage: str
) -> None:
    account = Account()
    account.script(seconds=5.0)
    client = client_in(account, mode, OUTAGES[outage])
    run_id = DOORS[door](account, mode, client)
    assert [run["run_id"] for run in account.runs] == [run_id]
    assert account.billed == 1
    assert account.simulator.monotonic < OUTAGES[outage][1] + 150


# --- a key that is refused after a run was accepted -----------------------------------------------

ROTATED = {
    status: Fault("status_before", method="GET", status=status, times=None) for status in (401, 403)
}


def rotated(account: Account, mode: Mode, status: int) -> Any:
    return client_in(account, mode, (ROTATED[status], 9e9))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("status", ROTATED)
def test_a_key_that_is_refused_after_acceptance_says_what_is_known(mode: Mode, status: int) -> None:
    for door in ("tool", "graph", "client"):
        account = Account()
        client = rotated(account, mode, status)
        error = refused_to(door, account, mode, client)
        (run,) = account.runs
        assert type(error).__name__ in ("AuthenticationFailed", "Forbidden"), door
        assert (error.run_id, error.billed) == (run["run_id"], None), door
        assert "othing was" not in str(error)
        assert "another processor" not in str(error)
        assert account.simulator.monotonic < 5  # at once: waiting does not mend it


def refused_to(door: str, account: Account, mode: Mode, client: Any) -> ParallelError:
    if door == "graph":
        graph = create_research_graph(processor="lite", client=client).compile()
        with pytest.raises(ParallelError) as raised:
            invoke(mode, graph, {"question": QUESTION}, None)
        return raised.value
    if door == "tool":
        tool = ParallelTaskTool(client=client, handle_tool_error=False)
        with pytest.raises(ToolException) as refused:
            invoke_tool(tool, mode)
        assert isinstance(refused.value.__cause__, ParallelError)
        return refused.value.__cause__
    with pytest.raises(ParallelError) as raised:
        finished(wait_for_one(client))
    return raised.value


def invoke_tool(tool: ParallelTaskTool, mode: Mode) -> Any:
    return tool.invoke(QUESTION) if mode == "sync" else asyncio.run(tool.ainvoke(QUESTION))


async def wait_for_one(client: Any) -> Any:
    async def call(name: str, *args: Any) -> Any:
        value = getattr(client, name)(*args)
        return await value if inspect.isawaitable(value) else value

    group = await call("create_group")
    request = TaskRunInput(input=QUESTION, processor="lite")
    submission = await call("submit", group.taskgroup_id, request)
    return await call("wait", submission.run.run_id)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("status", ROTATED)
def test_a_run_that_a_killed_process_sent_is_not_refused_for_a_key_that_is(
    mode: Mode, status: int
) -> None:
    """The middleware may not say that nothing was billed, and finds the run with the next key."""
    account = Account()
    saver, store = InMemorySaver(), InMemoryStore()

    def ask(client: Any, *says: Any, given: Any) -> Any:
        research = ParallelResearchMiddleware(processor="lite", client=client)
        kept: dict[str, Any] = {"checkpointer": saver, "store": store}
        graph = create_agent(Model(*says), middleware=[research], **kept)
        return invoke(mode, graph, given, thread("t"))

    make: Any = ParallelClient if mode == "sync" else AsyncParallelClient
    dying = make(KEY, transport=Dying(account.simulator), clock=account.simulator.clock)
    with pytest.raises(Killed):
        ask(dying, middleware_calls(start(QUESTION)), given=START)
    account.simulator.faults.add(ROTATED[status])
    state = ask(make(KEY, transport=account.wire, clock=account.simulator.clock), "ok", given=None)
    assert record(state, "r1")["status"] != "refused"
    assert record(state, "r1")["cost_usd"] != 0
    account.simulator.faults.clear()
    account.simulator.clock.sleep(600.0)
    mended = make(KEY, transport=account.wire, clock=account.simulator.clock)
    state = ask(mended, middleware_calls(check("r1")), "done", given=START)
    assert record(state, "r1")["status"] == "completed"
    assert account.billed == len(account.runs) == 1


@pytest.mark.parametrize("mode", MODES)
def test_a_graph_parks_with_a_run_that_the_api_does_not_know_yet(mode: Mode) -> None:
    account = Account()
    account.simulator.scripts.add(RunScript(seconds=300.0))
    assert ask_parking_graph(account, mode, client_in(account, mode, UNKNOWN))
    assert account.billed == 1
