"""A call that ended without an answer: the next call that asks the same gets the run that was paid for."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx
import pytest
from langchain_core.messages import AIMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore

from langchain_parallel import ParallelClient, ParallelTaskResultTool, ParallelTaskTool
from langchain_parallel.options import Limits
from langchain_parallel.simulator import Fault, SimulatorTransport

from ..outage import Outage
from ..research.test_doubt import Dying
from ..research.test_written_down import Killed
from .helpers import KEY, START, Account, How, agent, answers, ask, calls, invoke, model, thread

QUESTION = {"input": "Who leads?"}
OTHER = {"input": "Who follows?"}
HERE = thread("a.thread")
AGAIN: dict[str, Any] = {"messages": [("user", "Try again")]}
KEEPERS: dict[str, Any] = {
    "store": lambda: {"checkpointer": InMemorySaver(), "store": InMemoryStore()},
    "checkpointer": lambda: {"checkpointer": InMemorySaver()},
}
TROUBLE: dict[str, Any] = {
    "still running": None,
    "down": (Fault("status_before", status=503, times=None), 9e9),
    "unreachable": (Fault("refuse", times=None), 9e9),
    "key rotated": (Fault("status_before", status=401, times=None), 9e9),
    "forbidden": (Fault("status_before", status=403, times=None), 9e9),
    "no credit": (Fault("payment_required", times=None), 9e9),
    "unreadable": (Fault("wrong_shape", times=None), 9e9),
}


def tool_in(account: Account, trouble: Any, **options: Any) -> ParallelTaskTool:
    """A tool whose API fails in this way once a run was accepted."""
    if trouble is None:
        return account.tool(**options)
    transport = Outage(account.simulator, *trouble)
    client = ParallelClient(KEY, transport=transport, clock=account.simulator.clock)
    return ParallelTaskTool(client=client, **options)


def mend(account: Account) -> None:
    account.simulator.faults.clear()


def last(state: Any) -> ToolMessage:
    return answers(state)[-1]


@pytest.mark.grid
@pytest.mark.parametrize("keeper", KEEPERS)
@pytest.mark.parametrize("trouble", TROUBLE)
@pytest.mark.parametrize("process", ["same", "new"])
async def test_the_model_asks_again_and_gets_the_run_that_was_paid_for(
    account: Account, how: How, keeper: str, trouble: str, process: str
) -> None:
    account.script(seconds=150.0)
    kept = KEEPERS[keeper]()
    tool = tool_in(account, TROUBLE[trouble], timeout=100.0)
    state = await invoke(agent(tool, calls(QUESTION), "done", **kept), START, how, HERE)
    assert last(state).status == "error"
    assert account.runs[0]["run_id"] in last(state).text
    assert "Make the same call again, word for word" in last(state).text
    mend(account)
    tool = account.tool() if process == "new" else tool
    tool.timeout = None
    state = await invoke(agent(tool, calls(QUESTION), "done", **kept), AGAIN, how, HERE)
    assert last(state).status == "success", last(state).text
    assert [last(state).artifact["run_id"]] == [run["run_id"] for run in account.runs]
    assert account.billed == 1
    # Now it is answered: asked once more, it is a question of its own.
    state = await invoke(agent(tool, calls(QUESTION), "done", **kept), AGAIN, how, HERE)
    assert last(state).status == "success"
    assert account.billed == len(account.runs) == 2


@pytest.mark.parametrize("keeper", KEEPERS)
async def test_while_a_run_goes_on_it_is_asked_for_as_often_as_the_model_likes(
    account: Account, how: How, keeper: str
) -> None:
    account.script(seconds=250.0)
    asked = [calls(QUESTION) for _ in range(4)]
    graph = agent(account.tool(timeout=60.0), *asked, "done", **KEEPERS[keeper]())
    state = await invoke(graph, START, how, HERE)
    assert [answer.status for answer in answers(state)] == ["error"] * 4
    state = await invoke(
        agent(account.tool(timeout=60.0), calls(QUESTION), "done", **_kept(graph)),
        AGAIN,
        how,
        HERE,
    )
    assert last(state).status == "success"
    assert account.billed == len(account.runs) == 1


def _kept(graph: Any) -> dict[str, Any]:
    kept = {"checkpointer": graph.checkpointer, "store": graph.store}
    return {name: value for name, value in kept.items() if value is not None}


@pytest.mark.parametrize("keeper", KEEPERS)
async def test_after_a_kill_a_new_message_that_asks_the_same_finds_the_run(
    account: Account, how: How, keeper: str
) -> None:
    kept, world = KEEPERS[keeper](), account.simulator
    client = ParallelClient(KEY, transport=Dying(world, 1), clock=world.clock)
    graph = agent(ParallelTaskTool(client=client), calls(QUESTION), **kept)
    with pytest.raises(Killed):
        await invoke(graph, START, how, HERE)
    state = await invoke(agent(account.tool(), calls(QUESTION), "done", **kept), AGAIN, how, HERE)
    assert last(state).status == "success"
    assert account.billed == len(account.runs) == 1


@pytest.mark.parametrize("keeper", KEEPERS)
async def test_a_call_that_took_over_a_run_finds_it_when_it_is_run_again(
    account: Account, how: How, keeper: str
) -> None:
    """A kill between its answer and the checkpoint, or a replay long after."""
    kept = KEEPERS[keeper]()
    account.script(seconds=100.0)
    await invoke(
        agent(account.tool(timeout=1.0), calls(QUESTION), "done", **kept), START, how, HERE
    )
    graph = agent(account.tool(), calls(QUESTION), "done", calls(QUESTION), "done", "done", **kept)
    await invoke(graph, AGAIN, how, HERE)
    before = next(s for s in graph.get_state_history(HERE) if s.next == ("tools",))
    await invoke(graph, AGAIN, how, HERE)  # answered before: a second run
    assert account.billed == len(account.runs) == 2
    state = await invoke(
        agent(account.tool(), "done", **kept),
        None,
        how,
        {
            **before.config,
        },
    )
    assert last(state).artifact["run_id"] == account.runs[0]["run_id"]
    assert len(account.runs) == 2


@pytest.mark.parametrize("keeper", KEEPERS)
async def test_an_unsettled_submission_is_settled_by_the_next_call(
    account: Account, how: How, keeper: str
) -> None:
    kept = KEEPERS[keeper]()
    account.simulator.faults.add(
        Fault("drop_after", path="*/runs", method="POST"),
        Fault("status_before", path="*/groups/*", method="GET", skip=2, times=None),
    )
    state = await invoke(agent(account.tool(), calls(QUESTION), "done", **kept), START, how, HERE)
    assert last(state).status == "error"
    assert "could not be found out" in last(state).text
    mend(account)
    state = await invoke(agent(account.tool(), calls(QUESTION), "done", **kept), AGAIN, how, HERE)
    assert last(state).status == "success"
    assert account.billed == len(account.runs) == 1


async def test_with_limits_too(account: Account, how: How) -> None:
    account.script(seconds=150.0)
    kept, limits = KEEPERS["store"](), Limits(max_runs=1, on_exceed="stop")
    for timeout, status in ((10.0, "error"), (900.0, "success"), (900.0, "error")):
        tool = account.tool(timeout=timeout, limits=limits)
        state = await invoke(agent(tool, calls(QUESTION), "done", **kept), AGAIN, how, HERE)
        assert last(state).status == status, last(state).text
    assert account.billed == len(account.runs) == 1


async def test_other_words_another_thread_or_a_run_that_failed_are_a_run_of_their_own(
    account: Account, how: How
) -> None:
    account.script(outcome="failed", contains="fails", seconds=1.0)
    account.script(seconds=150.0)
    kept, fails = KEEPERS["store"](), {"input": "It fails"}
    tool = account.tool(timeout=10.0)
    await invoke(agent(tool, calls(QUESTION), "done", **kept), START, how, HERE)
    await invoke(agent(tool, calls({"input": "Who leads now?"}), "done", **kept), START, how, HERE)
    await invoke(agent(tool, calls(QUESTION), "done", **kept), START, how, thread("another"))
    assert len(account.runs) == 3
    for _ in range(2):
        await invoke(agent(tool, calls(fails), "done", **kept), START, how, HERE)
    assert len(account.runs) == 5


async def test_outside_of_threads_the_tool_itself_remembers(account: Account, how: How) -> None:
    account.script(seconds=150.0)
    tool = account.tool(timeout=100.0)
    assert (await ask(tool, how, **QUESTION)).status == "error"
    tool.timeout = None
    graph = agent(tool, calls(QUESTION), "done")
    assert last(await invoke(graph, START, how)).status == "success"
    assert account.billed == len(account.runs) == 1
    assert (await ask(tool, how, **QUESTION)).status == "success"
    assert account.billed == 2


class Lost(SimulatorTransport):
    """Kills its process when it asks after the second run: the first may have been answered by then."""

    def __init__(self, account: Account) -> None:
        super().__init__(account.simulator)
        self.account = account

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._die(request)
        return super().handle_request(request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self._is_it(request):
            await asyncio.sleep(0.05)
        self._die(request)
        return await super().handle_async_request(request)

    def _is_it(self, request: httpx.Request) -> bool:
        slow = [run["run_id"] for run in self.account.runs if run["processor"] == "base"]
        return bool(slow) and request.url.path.endswith(f"{slow[0]}/events")

    def _die(self, request: httpx.Request) -> None:
        if self._is_it(request):
            time.sleep(0.05)  # the other call is at work in another thread
            raise Killed


@pytest.mark.parametrize("keeper", KEEPERS)
@pytest.mark.parametrize("patched", [False, True])
async def test_an_answer_that_a_kill_beside_it_kept_from_the_model_is_handed_over_again(
    account: Account, how: How, keeper: str, patched: bool
) -> None:
    """Each call is a task of its own, whose outcome is dropped when another message overtakes the thread."""
    kept, slow = KEEPERS[keeper](), {**OTHER, "processor": "base"}
    choice: dict[str, Any] = {"model_may_choose": ("lite", "base")}
    client = ParallelClient(KEY, transport=Lost(account), clock=account.simulator.clock)
    graph = agent(ParallelTaskTool(client=client, **choice), calls(QUESTION, slow), **kept)
    with pytest.raises(Killed):
        await invoke(graph, START, how, HERE)
    assert len(account.runs) == 2
    again: list[Any] = [("user", "Try again")]
    if patched:
        again = [*(ToolMessage("It was cancelled.", tool_call_id=id) for id in "12"), *again]
    graph = agent(account.tool(**choice), calls(QUESTION, slow), "done", **kept)
    state = await invoke(graph, {"messages": again}, how, HERE)
    got = {answer.artifact["run_id"] for answer in answers(state)[-2:]}
    assert got == {run["run_id"] for run in account.runs}
    assert account.billed == len(account.runs) == 2
    # They are answered now.
    graph = agent(account.tool(**choice), calls(QUESTION), "done", **kept)
    await invoke(graph, AGAIN, how, HERE)
    assert len(account.runs) == 3


@pytest.mark.parametrize("keeper", KEEPERS)
async def test_a_replay_finds_its_own_run_while_a_later_call_that_asks_the_same_is_unfinished(
    account: Account, how: How, keeper: str
) -> None:
    kept = KEEPERS[keeper]()
    account.script(seconds=1.0, times=1)
    account.script(seconds=150.0)
    graph = agent(account.tool(), calls(QUESTION), "done", **kept)
    await invoke(graph, START, how, HERE)
    before = next(s for s in graph.get_state_history(HERE) if s.next == ("tools",))
    hasty = agent(account.tool(timeout=10.0), calls(QUESTION), "done", **kept)
    await invoke(hasty, AGAIN, how, HERE)
    first, second = (run["run_id"] for run in account.runs)
    state = await invoke(agent(account.tool(), "done", **kept), None, how, before.config)
    assert last(state).artifact["run_id"] == first
    state = await invoke(agent(account.tool(), calls(QUESTION), "done", **kept), AGAIN, how, HERE)
    assert last(state).artifact["run_id"] == second
    assert account.billed == len(account.runs) == 2


@pytest.mark.parametrize("keeper", KEEPERS)
@pytest.mark.parametrize("limits", [None, Limits(max_runs=9)], ids=["no limits", "limits"])
async def test_a_run_that_is_known_is_fetched_although_its_ledger_is_gone(
    account: Account, how: How, keeper: str, limits: Limits | None
) -> None:
    account.script(seconds=150.0)
    kept = KEEPERS[keeper]()
    hasty = account.tool(timeout=10.0, limits=limits)
    await invoke(agent(hasty, calls(QUESTION), "done", **kept), START, how, HERE)
    gone = lose_ledger(account)
    graph = agent(account.tool(limits=limits), calls(QUESTION), "done", **kept)
    state = await invoke(graph, AGAIN, how, replacing(gone))
    assert last(state).artifact["run_id"] == account.runs[0]["run_id"]
    assert len(account.runs) == 1


@pytest.mark.parametrize("keeper", KEEPERS)
@pytest.mark.parametrize("limits", [None, Limits(max_runs=9)], ids=["no limits", "limits"])
async def test_an_unfinished_call_whose_ledger_is_gone_goes_on_once_that_is_replaced(
    account: Account, how: How, keeper: str, limits: Limits | None
) -> None:
    kept, world = KEEPERS[keeper](), account.simulator
    client = ParallelClient(KEY, transport=Dying(world, 1), clock=world.clock)
    graph = agent(ParallelTaskTool(client=client, limits=limits), calls(QUESTION), **kept)
    with pytest.raises(Killed):
        await invoke(graph, START, how, HERE)
    gone = lose_ledger(account)
    tool = account.tool(limits=limits)
    for _ in range(2):
        state = await invoke(agent(tool, calls(QUESTION), "done", **kept), AGAIN, how, HERE)
        assert f'"replace_ledger": "{gone}"' in last(state).text
    state = await invoke(agent(tool, calls(QUESTION), "done", **kept), AGAIN, how, replacing(gone))
    assert last(state).status == "success", last(state).text
    state = await invoke(agent(tool, calls(OTHER), "done", **kept), AGAIN, how, HERE)
    assert last(state).status == "success", last(state).text
    assert len(account.runs) == 3


def lose_ledger(account: Account) -> str:
    """The server has no such group any more; its runs stay readable."""
    [gone] = account.simulator._groups
    del account.simulator._groups[gone]
    return gone


def replacing(ledger_id: str) -> dict[str, Any]:
    return {"configurable": {**HERE["configurable"], "replace_ledger": ledger_id}}


# --- the tool that fetches an answer --------------------------------------------------------------


def fetch(tool: ParallelTaskTool, run_id: str) -> AIMessage:
    call = {"name": f"{tool.name}_result", "args": {"run_id": run_id}, "id": "1"}
    return AIMessage("", tool_calls=[{**call, "type": "tool_call"}])


def both(tool: ParallelTaskTool, *says: Any, **options: Any) -> Any:
    from langchain.agents import create_agent

    result = ParallelTaskResultTool(task_tool=tool)
    return create_agent(model(*says), tools=[tool, result], **options)


async def test_an_answer_is_fetched_by_its_run_id(account: Account, how: How) -> None:
    account.script(seconds=150.0)
    kept = KEEPERS["checkpointer"]()
    state = await invoke(
        both(account.tool(timeout=10.0), calls(QUESTION), "done", **kept), START, how, HERE
    )
    (run,) = account.runs
    assert (
        "It may continue. parallel_task_result with this run_id fetches its answer, and costs nothing."
        in last(state).text
    )
    tool = account.tool()
    state = await invoke(both(tool, fetch(tool, run["run_id"]), "done", **kept), AGAIN, how, HERE)
    assert last(state).text.startswith("Research result.")
    assert last(state).artifact["run_id"] == run["run_id"]
    assert last(state).artifact["cost_usd"] > 0
    assert account.billed == len(account.runs) == 1
    # It is answered now, so the same question is a new one.
    await invoke(both(account.tool(), calls(QUESTION), "done", **kept), AGAIN, how, HERE)
    assert account.billed == 2


async def test_an_id_from_a_model_is_no_capability(account: Account, how: How) -> None:
    tool, kept = account.tool(), KEEPERS["checkpointer"]()
    for elsewhere in ("another", None):
        config = thread(elsewhere) if elsewhere else None
        options = kept if elsewhere else {}
        await invoke(agent(account.tool(), calls(QUESTION), "done", **options), START, how, config)
    ids = [run["run_id"] for run in account.runs]
    for run_id in [*ids, "trun_nobody", "", "../groups"]:
        for options, config in ((kept, HERE), ({}, None)):
            graph = both(tool, fetch(tool, run_id), "done", **options)
            answer = last(await invoke(graph, START, how, config))
            assert answer.status == "error"
            assert "There is no research of this conversation under this run_id." in answer.text
    assert len(account.runs) == 2


async def test_outside_of_threads_the_runs_of_the_tool_are_fetched(
    account: Account, how: How
) -> None:
    account.script(seconds=150.0)
    tool = account.tool(timeout=100.0)
    result = ParallelTaskResultTool(task_tool=tool)
    assert (await ask(tool, how, **QUESTION)).status == "error"
    given = {"run_id": account.runs[0]["run_id"]}
    assert (await invoke(result, given, how)).startswith("Research result.")
    ledger = account.new_ledger()
    await ask(account.tool(ledger_id=ledger), how, **QUESTION)
    other = ParallelTaskResultTool(task_tool=account.tool(ledger_id=ledger))
    assert (await invoke(other, {"run_id": account.runs[1]["run_id"]}, how)).startswith("Res")
    assert account.billed == 2
