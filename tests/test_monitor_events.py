"""An event of a monitor, and the id of a run, stand where an interaction does, at every door."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from langchain_parallel import Limits, RequestOptions
from langchain_parallel.errors import InvalidRequest
from langchain_parallel.models import TaskRunInput
from langchain_parallel.sessions import InteractionTree, carry_over
from langchain_parallel.simulator import ManualClock, Scenario, Simulator, serve

from .middleware.harness import (
    SAID,
    Model,
    branch,
    calls,
    follow_up,
    more,
    record,
    start,
    texts,
)
from .middleware.harness import Account as Agents
from .research.harness import Mode, Session, invoke
from .tool.helpers import Account as Tools

EVENT, FOUND = "event_9c1", "Fares of the ferry go up."
ASKED = "What is new about the ferry?"
SERVER = {"langgraph_auth_user_id": "anna", "langgraph_request_id": "request"}
ANY = RequestOptions(allow_foreign_ids=True)


def known(simulator: Simulator) -> Simulator:
    simulator.add_interaction(EVENT, ASKED, FOUND)
    return simulator


def sent_from(simulator: Simulator) -> list[str | None]:
    """What each paid request was built on."""
    runs = [simulator.find_run(run["run_id"]) for run in simulator.runs()]
    return [run.request.get("previous_interaction_id") for run in runs]


def session(mode: Mode, **options: Any) -> Session:
    return Session(mode, known(Simulator(ManualClock())), options=options)


MODES = pytest.mark.parametrize("mode", ["sync", "async"])


# --- client, tool --------------------------------------------------------------------------------


def test_a_request_of_the_client_builds_on_an_event() -> None:
    account = Tools(known(Simulator(ManualClock())))
    client: Any = account.tool().client
    run = client.create(TaskRunInput(input="Why?", processor="lite", previous_interaction_id=EVENT))
    assert FOUND in str(client.result(run.run_id).output.content)


def test_code_starts_the_tool_from_an_event_and_a_model_needs_leave() -> None:
    account = Tools(known(Simulator(ManualClock())))
    asked = {"input": "Why?", "previous_interaction_id": EVENT}
    assert FOUND in account.tool(max_chars=None).invoke(asked)
    by_model = {"name": "parallel_task", "args": asked, "id": "1", "type": "tool_call"}
    closed = account.tool(request=RequestOptions(allow_foreign_ids=False))
    assert "comes from no answer of this conversation" in closed.invoke(by_model).text
    assert FOUND in account.tool(request=ANY, max_chars=None).invoke(by_model).text
    assert sent_from(account.simulator) == [EVENT, EVENT]


# --- graph ---------------------------------------------------------------------------------------


@MODES
def test_a_session_starts_from_an_event_and_goes_on_from_there(mode: Mode) -> None:
    here = session(mode)
    first = here.ask("Why?", continue_from=EVENT)
    assert FOUND in str(first["answer"])
    assert first["turns"][0]["processor"] == "core-fast"  # a follow-up's
    here.ask("And then?")
    assert sent_from(here.simulator) == [EVENT, first["interaction_id"]]
    tree = InteractionTree.of(here.state())
    assert tree.roots[0].continues == EVENT


@MODES
def test_behind_a_server_an_event_needs_the_deployments_leave(mode: Mode) -> None:
    config = {"configurable": {"thread_id": "t", **SERVER}}
    here = session(mode)
    with pytest.raises(
        InvalidRequest,
        match=f"{EVENT}.*monitor is no thread's.*allow_foreign_ids=True.*ALLOW_FOREIGN_IDS",
    ):
        here.ask("Why?", continue_from=EVENT, config=config)
    assert here.runs == []
    here.options = {"request": ANY}
    here.ask("Why?", continue_from=EVENT, config=config)
    here.options = {}  # what was sealed needs no leave any more
    here.ask("And then?", config=config)
    assert len(here.runs) == 2


@MODES
def test_the_id_of_a_sessions_run_stands_for_its_interaction(mode: Mode) -> None:
    here = session(mode)
    first = here.ask("Who sails?")["turns"][0]
    assert first["run_id"] != first["interaction_id"]
    here.ask("Where?")
    here.ask("And when?", continue_from=first["run_id"])
    assert sent_from(here.simulator)[2] == first["interaction_id"]
    server = {"configurable": {"thread_id": "s", **SERVER}}
    first = here.ask("Who sails?", config=server)["turns"][0]
    here.ask("And when?", continue_from=first["run_id"], config=server)
    assert sent_from(here.simulator)[-1] == first["interaction_id"]


@MODES
def test_a_person_and_an_evaluation_may_name_a_run(mode: Mode) -> None:
    def once(state: Any, turn: Any) -> Any:
        if len(state["turns"]) != 2:
            return None
        return {
            "action": "follow_up",
            "question": "More?",
            "continue_from": state["turns"][0]["run_id"],
        }

    limits = Limits(approve_above="core-fast", max_runs_per_question=2)
    here = session(mode, processor=("core-fast", "pro"), evaluate=once, limits=limits)
    first = here.ask("Who sails?")["turns"][0]
    here.ask("Where?")
    edited = {"name": "research", "args": {"continue_from": first["run_id"]}}
    answer = {"decisions": [{"type": "edit", "edited_action": edited}]}
    for given in (answer, {"decisions": [{"type": "approve"}]}):
        invoke(mode, here.graph(), Command(resume=given), here.config)
    assert sent_from(here.simulator) == [None, first["interaction_id"], first["interaction_id"]]


@MODES
def test_another_thread_continues_a_run_or_the_event_itself(mode: Mode) -> None:
    here = session(mode)
    here.ask("Why?", continue_from=EVENT)
    here.ask("And then?")
    first = here.state()["turns"][0]
    for nth, (id, carried, built_on) in enumerate(
        [
            (first["run_id"], 1, first["interaction_id"]),
            (EVENT, 0, EVENT),
            (None, 2, here.state()["interaction_id"]),
        ]
    ):
        given = carry_over(here.state(), id)
        assert len(given["turns"]) == carried
        other: Any = {"configurable": {"thread_id": f"other {nth}"}}
        here.ask("Else?", config=other, **given)
        assert sent_from(here.simulator)[-1] == built_on
    with pytest.raises(InvalidRequest, match="event_other"):
        carry_over(here.state(), "event_other")


# --- middleware ----------------------------------------------------------------------------------


@MODES
@pytest.mark.parametrize("place", [{}, SERVER])
@pytest.mark.parametrize(
    "asks", [lambda id: follow_up(id, "Why?"), lambda id: branch(id, "Why?", "Since when?")]
)
def test_an_agent_starts_from_an_event_where_it_may(
    mode: Mode, place: dict[str, str], asks: Callable[[str], Any]
) -> None:
    account = Agents(mode)
    known(account.simulator)
    model = Model(calls(asks(f" [{EVENT}]")), "done", calls(follow_up("r1", "And then?")), "done")
    agent = account.agent(model, compiled={"checkpointer": InMemorySaver()}, request=ANY)
    config = {"configurable": {"thread_id": "t", **place}}
    state = account.invoke(agent, SAID, config)
    first = record(state, "r1")
    assert FOUND in str(first["content"])
    assert (first["parent_interaction_id"], first["parent_handle"]) == (EVENT, None)
    state = account.invoke(agent, more(), config)
    assert record(state, "r1.2")["parent_interaction_id"] == first["interaction_id"]
    assert (
        "event"
        in next(t for t in model._tools if t.name == "follow_up").args["handle"]["description"]
    )


@MODES
def test_an_agent_that_may_not_starts_nothing_and_says_what_allows_it(mode: Mode) -> None:
    account = Agents(mode)
    known(account.simulator)
    model = Model(calls(follow_up(EVENT, "Why?")), calls(follow_up("event", "Why?")), "done")
    state = account.invoke(account.agent(model), SAID)
    assert "allow_foreign_ids=True" in texts(state)[-2]
    assert "Nothing was started" in texts(state)[-2]
    assert account.runs == []


def test_what_has_not_the_form_of_an_id_is_none_also_where_ids_are_allowed() -> None:
    account = Agents("sync")
    named = [calls(follow_up(handle, "Why?")) for handle in ("event", "r7", "r1.2", "x" * 200)]
    state = account.invoke(account.agent(Model(*named, "done"), request=ANY), SAID)
    assert ["There is no research" in text for text in texts(state)] == [True] * 4
    patents = account.agent(
        Model(calls(("follow_up_my_patents", {"handle": "my_patents-7", "question": "Why?"})), "."),
        request=ANY,
        name="my_patents",
    )
    assert "There is no research 'my_patents-7'" in texts(account.invoke(patents, SAID))[-1]
    assert account.runs == []


@MODES
@pytest.mark.parametrize("allowed", [None, True])
def test_an_agent_may_name_its_own_runs_by_their_ids(mode: Mode, allowed: bool | None) -> None:
    account = Agents(mode)
    options = RequestOptions(allow_foreign_ids=allowed)

    def by_id(messages: Any) -> Any:
        return calls(follow_up(account.runs[0]["run_id"].upper(), "And then?"))

    model = Model(calls(start("Who sails?")), by_id, "done")
    state = account.invoke(account.agent(model, request=options), SAID)
    assert record(state, "r1.2")["parent_handle"] == "r1"
    assert sent_from(account.simulator) == [None, account.runs[0]["interaction_id"]]


# --- simulator -----------------------------------------------------------------------------------


def test_a_scenario_and_a_control_call_make_interactions_known() -> None:
    made = {"id": EVENT, "input": ASKED, "output": FOUND}
    simulator = Simulator(ManualClock(), scenario=Scenario.parse({"interactions": [made]}))
    simulator.reset()
    with serve(simulator) as server:
        headers = {"x-simulator-token": server.control_token, "x-api-key": "k"}
        with httpx.Client(base_url=server.url, headers=headers) as http:
            other = {"id": "event_2", "output": {"type": "text", "content": "No.", "basis": []}}
            assert http.post("/_simulator/interactions", json=other).status_code == 200
            wrong = http.post("/_simulator/interactions", json={"id": "event_3"})
            assert (wrong.status_code, "output" in wrong.text) == (422, True)
            for id in (EVENT, "event_2"):
                body = {"input": "q", "processor": "lite", "previous_interaction_id": id}
                assert http.post("/v1/tasks/runs", json=body).status_code == 202
    assert simulator.context_of(EVENT)[0].output == {
        "type": "text",
        "content": FOUND,
        "basis": [],
    }
    with pytest.raises(ValueError, match="interaction"):
        Scenario.parse({"interactions": [{"id": "event_1"}]})
