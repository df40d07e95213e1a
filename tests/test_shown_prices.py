"""A person sees what is billed: at every door, every kind of proposal is shown at the price it then costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from langchain.agents import create_agent
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore
from langgraph.types import Command

from langchain_parallel import ParallelTaskTool, create_research_graph
from langchain_parallel.options import Limits, RequestOptions
from langchain_parallel.processors import PROCESSORS
from langchain_parallel.research import by_person, deep_then_fast
from langchain_parallel.text.format import usd

from .middleware.harness import (
    SAID,
    Account,
    How,
    Model,
    branch,
    calls,
    follow_up,
    start,
    texts,
    thread,
)
from .research.harness import script
from .sentences import faults, outside_fences, sentences_of

YES: dict[str, Any] = {"type": "approve"}
ABOVE_LITE = Limits(approve_above="lite")
Answers = Callable[[Any], dict[str, Any]]


def approve(request: Any) -> dict[str, Any]:
    return {"decisions": [YES] * len(request["action_requests"])}


@dataclass
class Shown:
    """What a person was shown on a thread, and what it then cost."""

    account: Account
    graph: Any
    asked: list[Any] = field(default_factory=list)

    @property
    def bill(self) -> float:
        return self.account.simulator.billing.total_usd

    def go(self, given: Any) -> None:
        self.state = self.account.invoke(self.graph, given, thread())
        said = texts(self.state) if "messages" in self.state else []
        assert [fault for text in said for fault in faults(outside_fences(text))] == []

    def answer_all(self, answers: Answers) -> None:
        """Answer what is open, all at once; check what was shown against the bill, if runs were started."""
        interrupts = self.state["__interrupt__"]
        requests = [interrupt.value for interrupt in interrupts]
        self.asked += requests
        assert [
            fault for one in requests for text in sentences_of(one) for fault in faults(text)
        ] == []
        for action in (action for one in requests for action in one["action_requests"]):
            asked_for = action["args"].get("questions") or [action["args"]]
            assert all(one.get("question", "") in action["description"] for one in asked_for)
        before, runs = self.bill, len(self.account.runs)
        self.go(Command(resume={one.id: answers(one.value) for one in interrupts}))
        left = [one.value["kind"] for one in self.state.get("__interrupt__", ())]
        if {request["kind"] for request in requests} == {"review"} and left == ["spend"]:
            # The limits hold after a review, so the same runs are shown once more.
            (money,) = self.state["__interrupt__"]
            assert money.value["cost_usd"] == requests[0]["cost_usd"]
            assert money.value["used_if_approved"] == requests[0]["used_if_approved"]
            return
        if answers is not approve:
            return
        if len(requests) == 1:
            used = requests[0]["used_if_approved"]
            assert (used["cost_usd"], used["runs"]) == (self.bill, len(self.account.runs))
        asked = sum(len(request["action_requests"]) for request in requests)
        # A call of an agent that needs no approval is started beside those that do.
        if requests[0]["kind"] == "review" or len(self.account.runs) - runs == asked:
            cost = sum(request["cost_usd"] for request in requests)
            assert round(self.bill - before, 6) == round(cost, 6)

    def answer_until_done(self, answers: Answers, most: int = 6) -> None:
        for _ in range(most):
            if not self.state.get("__interrupt__"):
                return
            self.answer_all(answers)


def shown(account: Account, graph: Any, given: Any = SAID) -> Shown:
    seen = Shown(account, graph)
    seen.go(given)
    return seen


@pytest.fixture(params=["sync", "async"])
def account(request: pytest.FixtureRequest) -> Account:
    how: How = request.param
    return Account(how)


# --- the graph -----------------------------------------------------------------------------------


def follow(**more: Any) -> dict[str, Any]:
    return {"action": "follow_up", "question": "And then?", **more}


def proposals(*verdicts: Any) -> Any:
    """Each is proposed to a person, then to accept."""
    return by_person(script(*verdicts))


THREE: Any = {
    "action": "branch",
    "questions": [
        {"question": "Left?"},
        {"question": "Right?", "processor": "ultra8x"},
        {"question": "Up?", "processor": "lite", "output_schema": "a number"},
    ],
}
GRAPHS: dict[str, Callable[[], dict[str, Any]]] = {
    "accept": lambda: {"evaluate": proposals()},
    "stop": lambda: {"evaluate": proposals({"action": "stop", "reason": "Enough."})},
    "follow-up": lambda: {"processor": ("base", "ultra8x"), "evaluate": proposals(follow())},
    "two follow-ups": lambda: {"evaluate": proposals(follow(), follow(processor="pro"))},
    "branches": lambda: {"evaluate": proposals(THREE)},
    "policy": lambda: {
        "processor": deep_then_fast("pro", "core-fast", escalation=["ultra-fast"]),
        "evaluate": proposals(follow(), follow(question="And?"), follow(question="So?")),
    },
    "follow-up above a price": lambda: {
        "processor": ("lite", "ultra8x"),
        "evaluate": proposals(follow()),
        "limits": ABOVE_LITE,
    },
    "branches beyond a limit": lambda: {
        "processor": "lite",
        "evaluate": proposals(THREE),
        "limits": Limits(max_cost_usd=0.01),
    },
    "first run above a price": lambda: {"processor": "ultra2x", "limits": ABOVE_LITE},
    "runs beyond the money": lambda: {
        "processor": ("base", "core"),
        "evaluate": script(follow(), follow(question="And?")),
        "limits": Limits(max_cost_usd=0.01, max_runs_per_question=5),
    },
    "more runs": lambda: {
        "evaluate": script(follow(), THREE),
        "limits": Limits(max_runs=1, max_runs_per_question=9),
    },
}


def graph_of(account: Account, **options: Any) -> Any:
    made = create_research_graph(**{"processor": "base", **account.clients(), **options})
    return made.compile(checkpointer=InMemorySaver())


@pytest.mark.grid
@pytest.mark.parametrize("kind", GRAPHS)
def test_in_the_graph_what_is_approved_costs_what_was_shown(account: Account, kind: str) -> None:
    seen = shown(account, graph_of(account, **GRAPHS[kind]()), {"question": "Who?"})
    assert seen.state["__interrupt__"]
    seen.answer_until_done(approve)
    assert "__interrupt__" not in seen.state
    assert seen.bill == seen.state["spent_usd"]


def test_a_branch_from_an_earlier_turn_is_shown_at_its_price(account: Account) -> None:
    def back(state: Any, turn: Any) -> Any:
        first = state["turns"][0]["interaction_id"]
        return follow(continue_from=first) if len(state["turns"]) == 2 else None

    graph = graph_of(account, processor=("core", "pro"), evaluate=by_person(back))
    seen = shown(account, graph, {"question": "Who?"})
    seen.answer_until_done(approve)
    seen.go({"question": "And why?"})
    seen.answer_until_done(approve)
    assert [request["cost_usd"] for request in seen.asked] == [0, 0.1, 0]
    assert seen.bill == 0.225


def edited(name: str, **args: Any) -> Answers:
    action = {"name": name, "args": args}
    return lambda request: {"decisions": [{"type": "edit", "edited_action": action}]}


def listed_price(request: Any, processor: str) -> float:
    """What the form of an edit says of a processor."""
    properties = request["review_configs"][0]["args_schema"]["properties"]
    said = dict(
        one.split(" $") for one in properties["processor"]["description"][18:-1].split(", ")
    )
    return float(said[processor])


@pytest.mark.parametrize("kind", ["spend", "review"])
@pytest.mark.parametrize("processor", ["lite", "ultra8x"])
def test_what_a_person_edits_costs_what_the_form_lists(
    account: Account, kind: str, processor: str
) -> None:
    spend = {"processor": "pro", "limits": ABOVE_LITE}
    options = spend if kind == "spend" else {"processor": "base", "evaluate": proposals(follow())}
    seen = shown(account, graph_of(account, **options), {"question": "Who?"})
    before = seen.bill
    name = "research" if kind == "spend" else "follow_up"
    seen.answer_all(edited(name, question="Where?", processor=processor))
    assert seen.asked[0]["kind"] == kind
    assert round(seen.bill - before, 6) == listed_price(seen.asked[0], processor)


def test_the_form_of_an_edit_lists_every_price(account: Account) -> None:
    seen = shown(account, graph_of(account, evaluate=by_person()), {"question": "Who?"})
    (interrupt,) = seen.state["__interrupt__"]
    for name, processor in PROCESSORS.items():
        assert usd(listed_price(interrupt.value, name)) == usd(processor.usd)


def test_limits_that_a_review_raises_are_not_asked_about_again(account: Account) -> None:
    graph = graph_of(
        account, evaluate=proposals(follow(processor="pro")), limits=Limits(max_cost_usd=0.01)
    )
    seen = shown(account, graph, {"question": "Who?"})
    (interrupt,) = seen.state["__interrupt__"]
    (reason,) = interrupt.value["reasons"]
    assert reason == "This would bring the session to $0.11; the limit is $0.01."
    seen.answer_all(lambda _: {"decisions": [YES], "limits": {"max_cost_usd": 0.11}})
    assert seen.state["__interrupt__"][0].value["kind"] == "review"
    assert seen.bill == 0.11 == seen.asked[0]["used_if_approved"]["cost_usd"]


def test_a_session_that_stops_at_its_limits_takes_no_approval_that_could_do_nothing(
    account: Account,
) -> None:
    limits = Limits(max_cost_usd=0.01, on_exceed="stop")
    graph = graph_of(account, evaluate=proposals(follow(processor="pro")), limits=limits)
    seen = shown(account, graph, {"question": "Who?"})
    seen.go(Command(resume={"decisions": [YES]}))
    request = seen.state["__interrupt__"][0].value
    assert request["refused"] == [
        "This would bring the session to $0.11; the limit is $0.01.",
        "Give higher `limits`, or decide otherwise.",
    ]
    seen.go(Command(resume={"decisions": [YES], "limits": {"max_cost_usd": 0.11}}))
    assert seen.bill == 0.11


@pytest.mark.parametrize("kind", ["spend", "review"])
def test_a_price_that_is_not_known_is_shown_as_unknown(account: Account, kind: str) -> None:
    options: dict[str, Any] = {
        "request": RequestOptions(allow_unknown_processor=True),
        "client": account.client(allow_unknown_processor=True),
        "processor": ("base", "core9x"),
        "evaluate": (proposals if kind == "review" else script)(follow()),
        "limits": Limits(approve_above="base", max_runs_per_question=9),
    }
    seen = shown(account, graph_of(account, **options), {"question": "Who?"})
    request = seen.state["__interrupt__"][0].value
    assert request["kind"] == kind
    assert request["cost_usd"] is request["used_if_approved"]["cost_usd"] is None
    assert "an unknown price" in request["action_requests"][0]["description"]
    assert "None" not in request["action_requests"][0]["description"]


def test_a_proposal_that_the_api_would_refuse_is_shown_as_that(account: Account) -> None:
    graph = graph_of(account, evaluate=proposals(follow(processor="cor")))
    seen = shown(account, graph, {"question": "Who?"})
    request = seen.state["__interrupt__"][0].value
    assert request["reasons"][0].startswith("What is proposed would be refused: Processor 'cor'")
    assert request["cost_usd"] == 0
    seen.go(Command(resume={"decisions": [YES]}))
    assert "did you mean" in seen.state["__interrupt__"][0].value["refused"][0]
    assert seen.bill == 0.01


# --- the middleware ------------------------------------------------------------------------------

MESSAGES: dict[str, list[Any]] = {
    "one call": [calls(start("Who?"))],
    "calls together": [calls(start("Who?"), start("Why?"), start("Where?", processor="ultra8x"))],
    "one by one": [calls(start("Who?")), calls(start("Why?", processor="core"))],
    "follow-up": [calls(start("Who?")), calls(follow_up("r1", "Why?"))],
    "branches": [calls(start("Who?")), calls(branch("r1", "Why?", "Where?"), start("When?"))],
}
LIMITS = {
    "price": Limits(approve_above="lite"),
    "money": Limits(max_cost_usd=0.001),
    "runs": Limits(max_runs=1),
}


@pytest.mark.grid
@pytest.mark.parametrize("limits", LIMITS)
@pytest.mark.parametrize("kind", MESSAGES)
def test_in_an_agent_what_is_approved_costs_what_was_shown(
    account: Account, kind: str, limits: str
) -> None:
    agent = account.agent(
        Model(*MESSAGES[kind], "done"),
        compiled={"checkpointer": InMemorySaver(), "store": InMemoryStore()},
        processor="base",
        model_may_choose=("base", "core", "ultra8x"),
        limits=LIMITS[limits],
    )
    seen = shown(account, agent)
    seen.answer_until_done(approve)
    assert "__interrupt__" not in seen.state
    assert seen.asked or (kind, limits) == ("one call", "runs")
    assert len(account.runs) == account.billed


# --- the tool ------------------------------------------------------------------------------------

TOOL_CALLS: dict[str, list[Any]] = {
    "one call": [[{"input": "Who?"}]],
    "calls together": [[{"input": "Who?"}, {"input": "Why?", "processor": "ultra8x"}]],
    "one by one": [[{"input": "Who?"}], [{"input": "Why?", "processor": "core"}]],
}


@pytest.mark.grid
@pytest.mark.parametrize("limits", LIMITS)
@pytest.mark.parametrize("kind", TOOL_CALLS)
def test_of_a_tool_what_is_approved_costs_what_was_shown(
    account: Account, kind: str, limits: str
) -> None:
    tool = ParallelTaskTool(
        model_may_choose=("base", "core", "ultra8x"), limits=LIMITS[limits], **account.clients()
    )
    said = [calls(*((tool.name, args) for args in message)) for message in TOOL_CALLS[kind]]
    agent = create_agent(
        Model(*said, "done"), tools=[tool], checkpointer=InMemorySaver(), store=InMemoryStore()
    )
    seen = shown(account, agent)
    seen.answer_until_done(approve)
    assert "__interrupt__" not in seen.state
    assert len(account.runs) == account.billed == sum(map(len, TOOL_CALLS[kind]))
