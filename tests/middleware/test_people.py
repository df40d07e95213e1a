"""Approval and limits: the runs of a message are reviewed together, and a person decides."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore
from langgraph.types import Command

from langchain_parallel.errors import InvalidRequest
from langchain_parallel.options import Limits
from langchain_parallel.simulator import SimulatorTransport

from .harness import (
    SAID,
    Account,
    Model,
    branch,
    calls,
    follow_up,
    listing,
    more,
    record,
    start,
    texts,
    thread,
)
from .test_surroundings import own_graph

YES = {"type": "approve"}
NO = {"type": "reject", "message": "Too expensive."}


def agent_of(account: Account, model: Model, saver: Any = None, **options: Any) -> Any:
    return account.agent(model, compiled={"checkpointer": saver or InMemorySaver()}, **options)


def request_of(state: dict[str, Any]) -> Any:
    (interrupt,) = state["__interrupt__"]
    return interrupt.value


def answer(*decisions: Any, **more_: Any) -> Command[Any]:
    return Command(resume={"decisions": list(decisions), **more_})


def test_an_expensive_run_waits_for_approval(account: Account) -> None:
    agent = agent_of(
        account,
        Model(calls(start("Who leads?")), "done"),
        processor="pro",
        limits=Limits(approve_above="base"),
    )
    state = account.invoke(agent, SAID, thread())
    request = request_of(state)
    assert request["kind"] == "spend"
    assert request["cost_usd"] == 0.1
    assert request["action_requests"][0]["args"] == {"question": "Who leads?", "processor": "pro"}
    assert account.runs == []
    state = account.invoke(agent, answer(YES), thread())
    assert record(state, "r1")["status"] == "completed"
    assert account.billed == 1


def test_a_rejection_is_reported_to_the_model(account: Account) -> None:
    model = Model(calls(start("Who leads?"), listing()), "done")
    agent = agent_of(account, model, processor="base", limits=Limits(approve_above="lite"))
    account.invoke(agent, SAID, thread())
    state = account.invoke(agent, answer(NO), thread())
    assert texts(state)[0] == "r1 was not started: Too expensive. Nothing was billed."
    assert account.runs == []
    assert record(state, "r1")["cost_usd"] == 0


def test_what_a_person_changed_is_asked_instead_and_reported_to_the_model(account: Account) -> None:
    agent = agent_of(
        account,
        Model(calls(start("Who leads?")), "done"),
        processor="pro",
        limits=Limits(approve_above="base"),
    )
    account.invoke(agent, SAID, thread())
    args = {"question": "Who leads in Europe?", "processor": "base"}
    edit = {"type": "edit", "edited_action": {"name": "research", "args": args}}
    state = account.invoke(agent, answer(edit), thread())
    assert account.asked == ["Who leads in Europe?"]
    assert texts(state)[0].startswith(
        "A person changed this before it was sent. The question was, with base: “Who leads in Europe?”\n"
    )
    assert record(state, "r1")["asked_by"] == "person"


def test_a_person_may_name_what_to_continue_from_by_its_handle(account: Account) -> None:
    model = Model(calls(start("Who leads?")), calls(start("And who follows?")), "done")
    options: dict[str, Any] = {"model_may_choose": ("lite", "pro"), "limits": Limits(max_runs=1)}
    agent = agent_of(account, model, **options)
    account.invoke(agent, SAID, thread())
    args = {"question": "Who follows?", "continue_from": "r1"}
    edit = {"type": "edit", "edited_action": {"name": "research", "args": args}}
    nonsense = {
        **edit,
        "edited_action": {"name": "research", "args": {**args, "continue_from": "r9"}},
    }
    state = account.invoke(agent, answer(nonsense), thread())
    assert "There is no research 'r9'" in request_of(state)["refused"][0]
    state = account.invoke(agent, answer(edit), thread())
    assert record(state, "r2")["parent_handle"] == "r1"
    assert account.runs[1]["run_id"] == record(state, "r2")["run_id"]
    asked = account.simulator.find_run(account.runs[1]["run_id"]).request
    assert asked["previous_interaction_id"] == record(state, "r1")["interaction_id"]


def test_an_answer_that_is_not_understood_costs_nothing_and_leaves_it_open(
    account: Account,
) -> None:
    agent = agent_of(
        account,
        Model(calls(start("Who leads?")), "done"),
        processor="pro",
        limits=Limits(approve_above="base"),
    )
    account.invoke(agent, SAID, thread())
    state = account.invoke(agent, Command(resume="sure"), thread())
    assert request_of(state)["refused"]
    assert account.runs == []
    account.invoke(agent, answer(YES), thread())
    assert account.billed == 1


def test_parallel_calls_are_reviewed_together_and_only_the_expensive_ones_wait(
    account: Account,
) -> None:
    asked = calls(start("One?"), start("Two?", processor="pro"), start("Three?", processor="pro"))
    model = Model(asked, "done")
    agent = agent_of(
        account, model, model_may_choose=("lite", "pro"), limits=Limits(approve_above="base")
    )
    state = account.invoke(agent, SAID, thread())
    request = request_of(state)
    assert [a["args"]["question"] for a in request["action_requests"]] == ["Two?", "Three?"]
    assert request["cost_usd"] == 0.2
    assert account.runs == []
    state = account.invoke(agent, answer(NO, YES), thread())
    assert sorted(account.asked) == ["One?", "Three?"]
    assert "r2 was not started" in texts(state)[1]


def test_no_two_parallel_calls_take_the_same_dollar(account: Account) -> None:
    model = Model(calls(start("One?"), start("Two?"), start("Three?")), "done")
    agent = agent_of(account, model, limits=Limits(max_cost_usd=0.01, on_exceed="stop"))
    state = account.invoke(agent, SAID, thread())
    assert sorted(account.asked) == ["One?", "Two?"]
    assert (
        "r3 was not started: This would bring the session to $0.015; the limit is $0.01."
        in texts(state)[2]
    )


def test_an_approval_raises_the_limits_as_far_as_needed_and_they_stay_raised(
    account: Account,
) -> None:
    model = Model(calls(start("One?")), calls(start("Two?")), calls(start("Three?")), "done")
    agent = agent_of(account, model, limits=Limits(max_cost_usd=0.005))
    state = account.invoke(agent, SAID, thread())
    assert request_of(state)["used_if_approved"]["cost_usd"] == 0.01
    state = account.invoke(agent, answer(YES), thread())
    raised = agent.get_state(thread()).values["parallel_research_limits"]
    assert raised == {"max_cost_usd": 0.01, "seal": raised["seal"]}
    assert request_of(state)["used_if_approved"]["cost_usd"] == 0.015
    state = account.invoke(agent, answer(YES, limits={"max_cost_usd": 1.0}), thread())
    assert account.billed == 3
    model.says(calls(start("Four?")), calls(listing()), "done")
    state = account.invoke(agent, more(), thread())
    assert "Spent so far: $0.02 of $1.00." in texts(state)[-1]


def test_failed_runs_no_longer_count_against_the_limits(account: Account) -> None:
    account.script(outcome="failed", contains="One?")
    model = Model(calls(start("One?")), calls(start("Two?")), "done")
    agent = agent_of(account, model, limits=Limits(max_cost_usd=0.005, on_exceed="stop"))
    state = account.invoke(agent, SAID, thread())
    assert record(state, "r2")["status"] == "completed"
    assert account.billed == 1


def test_runs_on_their_way_count(account: Account) -> None:
    model = Model(calls(start("One?")), calls(start("Two?")), "done")
    agent = agent_of(
        account, model, wait="background", limits=Limits(max_cost_usd=0.005, on_exceed="stop")
    )
    state = account.invoke(agent, SAID, thread())
    assert record(state, "r2")["status"] == "declined"
    assert len(account.runs) == 1


def test_the_branches_of_one_call_are_decided_one_by_one(account: Account) -> None:
    model = Model(calls(start("Who leads?")), calls(branch("r1", "Why?", "Where?")), "done")
    agent = agent_of(account, model, limits=Limits(max_runs=2))
    state = account.invoke(agent, SAID, thread())
    assert len(request_of(state)["action_requests"]) == 1  # one of the two fits
    state = account.invoke(agent, answer(NO), thread())
    assert account.asked == ["Who leads?", "Why?"]
    assert "r1.2 completed" in texts(state)[1]
    assert "r1.3 was not started: Too expensive." in texts(state)[1]


def test_where_no_person_can_be_asked_the_run_is_declined_with_a_reason(account: Account) -> None:
    model = Model(calls(start("Who leads?")), "done")
    state = account.invoke(
        account.agent(model, processor="pro", limits=Limits(approve_above="base")), SAID
    )
    why = "pro costs more than base. Asking a person needs a checkpointer."
    assert f"r1 was not started: {why}" in texts(state)[0]
    assert account.runs == []


def test_nothing_builds_on_what_was_declined(account: Account) -> None:
    model = Model(calls(start("Who leads?")), calls(follow_up("r1", "Why?")), "done")
    agent = agent_of(account, model, limits=Limits(max_runs=0, on_exceed="stop"))
    state = account.invoke(agent, SAID, thread())
    assert "r1 has no answer (declined)" in texts(state)[1]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"wait": "parkd"}, "wait is 'parkd'; 'block' or 'background' or 'park' is allowed"),
        ({"timeout": -1}, "timeout is -1; give seconds, from 0 up"),
        (
            {"limits": Limits(max_runs_per_question=2)},
            "max_runs_per_question is for the research graph",
        ),
    ],
)
def test_a_wrong_option_is_refused_before_anything_is_asked(
    options: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidRequest, match=words):
        Account().middleware(**options)


def edited(**args: Any) -> dict[str, Any]:
    return {"type": "edit", "edited_action": {"name": "research", "args": args}}


def test_a_lone_surrogate_in_an_edit_is_judged_once(account: Account) -> None:
    """It is replaced before it is judged: a checkpointer would change it, and it would count later."""
    model = Model(calls(start("Who leads?")), "done")
    agent = agent_of(account, model, processor="pro", limits=Limits(approve_above="base"))
    account.invoke(agent, SAID, thread())
    state = account.invoke(agent, answer(edited(question="Bikes \ud83d in Europe?")), thread())
    assert "__interrupt__" not in state
    assert account.asked == ["Bikes ? in Europe?"]


def test_a_more_expensive_edit_counts_with_its_own_price(account: Account) -> None:
    model = Model(calls(start("One?")), calls(start("Two?")), "done", "done")
    options: dict[str, Any] = {"processor": "base", "model_may_choose": ("base", "pro", "ultra")}
    limited = {"limits": Limits(max_cost_usd=0.005), "wait": "background"}
    agent = agent_of(account, model, **options, **limited)
    account.invoke(agent, SAID, thread())
    account.invoke(agent, answer(edited(question="One?", processor="ultra")), thread())
    state = account.invoke(agent, answer(YES, limits={"max_cost_usd": 0.15}), thread())
    assert "session to $0.31; the limit is $0.15." in request_of(state)["refused"][0]
    assert len(account.runs) == 1


def test_past_a_hard_limit_an_expensive_run_is_declined_without_asking(account: Account) -> None:
    asked = calls(start("Cheap?"), start("Another?"), start("Dear?", processor="pro"))
    model = Model(asked, "done")
    limits = Limits(max_runs=2, on_exceed="stop", approve_above="base")
    agent = agent_of(account, model, limits=limits, model_may_choose=("lite", "pro"))
    state = account.invoke(agent, SAID, thread())
    assert "__interrupt__" not in state
    assert sorted(account.asked) == ["Another?", "Cheap?"]
    assert record(state, "r3")["status"] == "declined"


def test_under_a_hard_budget_approved_runs_pass_it_only_as_a_person_raises_it(
    account: Account,
) -> None:
    model = Model(calls(start("One?"), start("Two?")), "done")
    limits = Limits(max_cost_usd=0.15, on_exceed="stop", approve_above="base")
    agent = agent_of(account, model, processor="pro", limits=limits)
    account.invoke(agent, SAID, thread())
    state = account.invoke(agent, answer(YES, YES), thread())
    assert "session to $0.20; the limit is $0.15." in request_of(state)["refused"][0]
    assert account.runs == []
    account.invoke(agent, answer(YES, YES, limits={"max_cost_usd": 0.2}), thread())
    assert account.billed == 2


class Killed(BaseException):
    """What a process that is killed at this moment does not catch."""


@pytest.fixture
def killed_after_sending(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Put True into it: the next paid request arrives, and its process dies."""
    armed: list[bool] = []
    whole, awaited = SimulatorTransport.handle_request, SimulatorTransport.handle_async_request

    def die(request: httpx.Request) -> None:
        if armed and request.method == "POST" and request.url.path.endswith("/runs"):
            armed.clear()
            raise Killed

    def handle(self: SimulatorTransport, request: httpx.Request) -> httpx.Response:
        response = whole(self, request)
        die(request)
        return response

    async def ahandle(self: SimulatorTransport, request: httpx.Request) -> httpx.Response:
        response = await awaited(self, request)
        die(request)
        return response

    monkeypatch.setattr(SimulatorTransport, "handle_request", handle)
    monkeypatch.setattr(SimulatorTransport, "handle_async_request", ahandle)
    return armed


def test_a_rejection_finds_the_run_that_a_killed_process_sent_after_an_approval(
    account: Account, killed_after_sending: list[bool]
) -> None:
    """In a graph without hooks, whose tools ask by themselves."""
    saver, store = InMemorySaver(), InMemoryStore()

    def new_process() -> Any:
        model = Model(calls(start("Who leads?")), "done")
        agent = own_graph(account, model, processor="pro", limits=Limits(approve_above="base"))
        agent.checkpointer, agent.store = saver, store
        return agent

    (interrupt,) = account.invoke(new_process(), SAID, thread())["__interrupt__"]
    killed_after_sending.append(True)
    yes = {interrupt.id: {"decisions": [YES]}}
    with pytest.raises(Killed):
        account.invoke(new_process(), Command(resume=yes), thread())
    new = new_process()
    assert request_of(account.invoke(new, None, thread()))["kind"] == "spend"
    state = account.invoke(new, answer(NO), thread())
    assert record(state, "r1")["run_id"] == account.runs[0]["run_id"]
    assert record(state, "r1")["status"] == "completed"
    assert account.billed == 1


def test_a_rejected_call_stays_unsent_if_it_needs_no_approval_any_more(account: Account) -> None:
    saver, model = InMemorySaver(), Model(calls(start("Who leads?")), "done")
    agent = agent_of(account, model, saver, processor="pro", limits=Limits(approve_above="base"))
    account.invoke(agent, SAID, thread())
    anew = agent_of(account, model, saver, processor="pro")
    state = account.invoke(anew, answer(NO), thread())
    assert texts(state)[0] == "r1 was not started: Too expensive. Nothing was billed."
    assert account.runs == []


def test_an_edited_call_may_not_ask_what_one_beside_it_asks(account: Account) -> None:
    model = Model(calls(start("One?"), start("Two?")), "done")
    agent = agent_of(account, model, processor="pro", limits=Limits(approve_above="base"))
    account.invoke(agent, SAID, thread())
    edit = {"type": "edit", "edited_action": {"name": "research", "args": {"question": "One?"}}}
    state = account.invoke(agent, answer(YES, edit), thread())
    assert "would both be paid for" in request_of(state)["refused"][0]
    account.invoke(agent, answer(YES, NO), thread())
    assert account.asked == ["One?"]


def test_two_calls_may_not_be_edited_into_the_same_question(account: Account) -> None:
    model = Model(calls(start("One?"), start("Two?")), "done")
    agent = agent_of(account, model, processor="pro", limits=Limits(approve_above="base"))
    account.invoke(agent, SAID, thread())
    state = account.invoke(
        agent, answer(edited(question="Three?"), edited(question="Three?")), thread()
    )
    assert "would both be paid for" in request_of(state)["refused"][0]
    account.invoke(agent, answer(edited(question="Three?"), NO), thread())
    assert account.asked == ["Three?"]


def test_what_a_model_asks_twice_a_person_may_approve_twice(account: Account) -> None:
    """Both were shown; only an edit could make two of one unseen."""
    model = Model(calls(start("One?"), start("One?")), "done")
    agent = agent_of(account, model, processor="pro", limits=Limits(approve_above="base"))
    account.invoke(agent, SAID, thread())
    account.invoke(agent, answer(YES, YES), thread())
    assert account.asked == ["One?", "One?"]


def test_an_answer_about_one_call_of_a_step_is_none_about_the_other(account: Account) -> None:
    model = Model(calls(start("One?"), start("Two?")), "done")
    graph = own_graph(account, model, processor="pro", limits=Limits(approve_above="base"))
    state = account.invoke(graph, SAID, thread())
    question = request_of(state)["action_requests"][0]["args"]["question"]
    state = account.invoke(graph, answer(YES), thread())
    assert account.asked == [question]
    assert "__interrupt__" not in state
    assert any("make this one again, alone" in text for text in texts(state))
