"""A call that waits in its process starts its run and follows it: two requests. The first event says whose
run it is; where it does not come, or does not say so, the run is read, and looked for in the ledger.
"""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.tools import ToolException
from langgraph.checkpoint.memory import InMemorySaver

from langchain_parallel import ParallelClient
from langchain_parallel.errors import SubmissionUnknown
from langchain_parallel.models import TaskRunInput
from langchain_parallel.simulator import (
    Fault,
    Listing,
    ManualClock,
    Request,
    Response,
    SimulatorTransport,
)
from langchain_parallel.simulator.http_messages import json_response

from ..client.test_unclear_answers import Naming
from .helpers import KEY, START, Account, How, agent, answers, ask, calls, invoke, thread

QUESTION, OTHER = "Who leads?", "Who follows?"
HERE: Any = thread("a.thread")
EVENTS: dict[str, Any] = {"method": "GET", "path": "*/events"}
ONE_RUN = "/v1/tasks/runs/trun_" + "?" * 32
READ = {"method": "GET", "path": ONE_RUN}
NO_FIRST_EVENT = [
    Fault("status_before", status=404, **EVENTS),
    Fault("drop_before", **EVENTS),
    Fault("hang", seconds=1_000.0, **EVENTS),
    Fault("sse_cut", after_events=0, **EVENTS),
    Fault("sse_error", **EVENTS),
    Fault("sse_only_heartbeats", **EVENTS),
    Fault("sse_unknown_event", **EVENTS),
    Fault("wrong_shape", body={"a": "page"}, **EVENTS),
    Fault("wrong_id", **EVENTS),
]


def requests(account: Account, since: int = 0) -> list[str]:
    names = {"tgrp": "group", "trun": "run"}
    entries = account.simulator.requests[since:]
    lasts = [entry.path.rsplit("/", 1)[1] for entry in entries]
    return [f"{e.method} {names.get(x[:4], x)}" for e, x in zip(entries, lasts, strict=True)]


def another_run(account: Account) -> str:
    """A run of somebody else, which has ended."""
    api = ParallelClient(
        KEY, transport=SimulatorTransport(account.simulator), clock=account.simulator.clock
    )
    asked = TaskRunInput(input="A secret?", processor="lite")
    run_id = api.submit(api.create_group().taskgroup_id, asked).run.run_id
    account.simulator.settle(run_id)
    return run_id


class Killed(BaseException):
    """Stands for the end of a process."""


class KillingNaming(Naming):
    """Then kills the one who follows a run but this one."""

    spared = ""

    def handle(self, request: Request) -> Response:
        if request.path.endswith("/events") and self.spared not in request.path:
            raise Killed
        return super().handle(request)


class Lying(Naming):
    """Starts nothing, and names another run; then kills the one who follows it, if told so."""

    kills = False

    def handle(self, request: Request) -> Response:
        if request.path.endswith("/events") and self.kills:
            raise Killed
        if not (request.method == "POST" and request.path.endswith("/runs") and self.instead):
            return super().handle(request)
        named, self.instead = self.instead, ""
        return json_response(200, {"run_ids": [named]})


@pytest.fixture
def naming() -> Account:
    return Account(Naming(ManualClock()))


async def test_a_call_is_two_requests(account: Account, how: How) -> None:
    tool = account.tool()
    await ask(tool, how, input=QUESTION)
    assert requests(account) == ["POST groups", "POST runs", "GET events"]
    await ask(tool, how, input=OTHER)
    assert requests(account, 3) == ["POST runs", "GET events"]


async def test_a_parked_call_reads_its_run(account: Account, how: How) -> None:
    graph = agent(
        account.tool(wait="park"), calls({"input": QUESTION}), checkpointer=InMemorySaver()
    )
    await invoke(graph, START, how, HERE)
    assert requests(account)[1:3] == ["POST runs", "GET run"]


@pytest.mark.parametrize("trouble", NO_FIRST_EVENT, ids=lambda fault: fault.kind)
async def test_without_its_first_event_a_run_is_read(
    account: Account, how: How, trouble: Fault
) -> None:
    account.script(seconds=100.0)
    account.simulator.faults.add(trouble)
    answer = await ask(account.tool(), how, input=QUESTION)
    assert requests(account)[1:4] == ["POST runs", "GET events", "GET run"]
    assert [answer.artifact["run_id"]] == [run["run_id"] for run in account.runs]
    assert answer.artifact["interaction_id"] == account.runs[0]["interaction_id"]


@pytest.mark.parametrize("checkpointer", [True, False])
async def test_the_id_of_another_run_is_never_taken_for_the_calls_own(
    naming: Account, how: How, checkpointer: bool
) -> None:
    naming.simulator.instead = other = another_run(naming)  # type: ignore[attr-defined]
    kept: dict[str, Any] = {"checkpointer": InMemorySaver()} if checkpointer else {}
    heard = list[Any]()
    graph = agent(naming.tool(), calls({"input": QUESTION}), "done", **kept)
    if how == "async":
        async for news in graph.astream(START, HERE, stream_mode="custom"):
            heard.append(news)
    else:
        heard += graph.stream(START, HERE, stream_mode="custom")
    _, own = naming.runs
    assert own["run_id"] != other
    assert {news["run_id"] for news in heard} == {own["run_id"]}
    if checkpointer:
        message = answers(graph.get_state(HERE).values)[0]
        assert message.artifact["run_id"] == own["run_id"]
        assert message.artifact["duplicates"] == []
    assert naming.billed == 2  # theirs, and ours


async def test_the_interaction_is_told_with_each_step_of_the_run(
    account: Account, how: How
) -> None:
    account.script(seconds=100.0)
    heard = list[Any]()
    graph = agent(account.tool(), calls({"input": QUESTION}), "done")
    if how == "async":
        async for news in graph.astream(START, stream_mode="custom"):
            heard.append(news)
    else:
        heard += graph.stream(START, stream_mode="custom")
    assert {news["interaction_id"] for news in heard} == {account.runs[0]["interaction_id"]}


async def test_where_neither_id_nor_list_shows_the_run_it_is_unknown_and_found_later(
    naming: Account, how: How
) -> None:
    """In the same process and in another one, which knows only what was recorded."""
    naming.simulator.instead = another_run(naming)  # type: ignore[attr-defined]
    naming.simulator.listing = Listing(metadata=False)
    saver = InMemorySaver()
    tool = naming.tool(handle_tool_error=False)
    with pytest.raises(ToolException) as caught:
        await invoke(agent(tool, calls({"input": QUESTION}), checkpointer=saver), START, how, HERE)
    assert isinstance(caught.value.__cause__, SubmissionUnknown)
    assert caught.value.__cause__.billed is None
    naming.simulator.listing = Listing()
    state = await invoke(agent(naming.tool(), "done", checkpointer=saver), None, how, HERE)
    assert answers(state)[0].artifact["run_id"] == naming.runs[1]["run_id"]
    assert len(naming.runs) == 2


async def test_the_run_that_is_found_in_place_of_anothers_is_recorded(how: How) -> None:
    """So a process that comes after a killed one needs no list that says what was started."""
    killing = KillingNaming(ManualClock())
    account, saver = Account(killing), InMemorySaver()
    killing.instead = killing.spared = another_run(account)
    graph = agent(account.tool(), calls({"input": QUESTION}), checkpointer=saver)
    with pytest.raises(Killed):
        await invoke(graph, START, how, HERE)
    killing.spared, killing.listing = "", Listing(metadata=False)
    state = await invoke(agent(account.tool(), "done", checkpointer=saver), None, how, HERE)
    assert answers(state)[0].artifact["run_id"] == account.runs[1]["run_id"]
    assert len(account.runs) == 2


@pytest.mark.parametrize("is_killed", [False, True])
@pytest.mark.parametrize("is_new", [False, True])
async def test_a_recorded_id_that_is_anothers_does_not_hold_a_call_for_ever(
    how: How, is_killed: bool, is_new: bool
) -> None:
    """The answer names another's run, and nothing was started. Nor may what is recorded of it be believed."""
    lying = Lying(ManualClock())
    account, saver = Account(lying), InMemorySaver()
    lying.instead = another_run(account)
    lying.kills = is_killed
    tool = account.tool(handle_tool_error=False)

    async def go_on(given: Any, *says: Any) -> Any:
        used = account.tool(handle_tool_error=False) if is_new else tool
        return await invoke(agent(used, *says, checkpointer=saver), given, how, HERE)

    with pytest.raises(Killed if is_killed else ToolException):
        await go_on(START, calls({"input": QUESTION}))
    assert len(account.runs) == 1
    lying.kills = False
    if is_killed:  # what was accepted is looked for, and nothing is sent
        with pytest.raises(ToolException) as caught:
            await go_on(None, "done")
        assert isinstance(caught.value.__cause__, SubmissionUnknown)
        assert len(account.runs) == 1
    state = await go_on(None, "done")
    assert answers(state)[0].artifact["run_id"] == account.runs[1]["run_id"]
    assert len(account.runs) == account.billed == 2
