"""Agents with one database and no names of their own: what tells their middlewares apart keeps their threads
apart.
"""

from __future__ import annotations

import logging
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.store.memory import InMemoryStore
from langgraph.types import Command

from langchain_parallel.parked import Outcome

from ..middleware.harness import SAID, Account, How, Model, calls, start, texts, thread
from ..research.harness import Session
from .helpers import records, swept, woken

OTHERS: dict[str, dict[str, Any]] = {
    "schemas": {"output_schema": "One word."},
    "names": {"name": "alpha"},
}
"""What the other agent's middleware is made with."""


class Two:
    """Our agent and another one, on one account, with one checkpointer, and one store or none."""

    def __init__(self, how: How, other: str, *, store: bool, nested: bool = False) -> None:
        self.account, self.nested = Account(how), nested
        self.driven = Session(how, self.account.simulator)
        self.kept: dict[str, Any] = {"checkpointer": InMemorySaver()}
        self.kept |= {"store": InMemoryStore()} if store else {}
        self.other_options = OTHERS[other]
        self.says = Model(calls(start("Who?")), "said by ours")

    def agent(self, model: Model, name: str | None = None, **options: Any) -> Any:
        if not self.nested:
            kept = {**self.kept, "name": name}
            return self.account.agent(model, wait="park", compiled=kept, **options)
        parent: Any = StateGraph(MessagesState)
        inner = {"name": name or "helper"}
        parent.add_node("help", self.account.agent(model, wait="park", compiled=inner, **options))
        parent.add_edge(START, "help")
        parent.add_edge("help", END)
        return parent.compile(**self.kept)

    def ours(self) -> Any:
        return self.agent(self.says)

    def other(self) -> Any:
        return self.agent(Model("said by the other"), **self.other_options)

    def ask(self) -> str:
        self.account.invoke(self.ours(), SAID, thread())
        self.account.pass_time()
        return str(self.account.runs[0]["run_id"])

    def last(self) -> str:
        return str(self.ours().get_state(thread()).values["messages"][-1].text)


@pytest.fixture(params=["sync", "async"])
def how(request: pytest.FixtureRequest) -> How:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(params=[False, True], ids=["listing", "store"])
def store(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.mark.grid
@pytest.mark.parametrize("other", OTHERS)
def test_an_agent_leaves_the_threads_of_another_alone(how: How, other: str, store: bool) -> None:
    two = Two(how, other, store=store)
    run_id = two.ask()
    found = swept(two.driven, two.other(), stranded_after=0.0)
    assert (found.resumed, [*found.other_graphs]) == ([], ["thread"])
    assert woken(two.driven, two.other(), run_id).outcome is Outcome.OTHER_GRAPH
    assert two.ours().get_state(thread()).next == ("tools",)
    assert swept(two.driven, two.ours()).resumed == ["thread"]
    assert two.last() == "said by ours"
    assert len(two.account.runs) == two.account.billed == 1
    assert records(two.kept.get("store")) == []


def test_a_tool_that_another_agent_resumes_sends_nothing_and_stays_parked(
    how: How, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "langchain_parallel")
    two = Two(how, "schemas", store=True)
    two.ask()
    for _ in range(2):
        two.account.invoke(two.other(), Command(resume="go on"), thread())
    assert "take_over" in caplog.text
    assert two.ours().get_state(thread()).next == ("tools",)
    assert swept(two.driven, two.ours()).resumed == ["thread"]
    assert two.last() == "said by ours"
    assert len(two.account.runs) == 1


def test_one_of_two_parallel_calls_left_alone_does_not_lose_the_other(how: How) -> None:
    two = Two(how, "schemas", store=True)
    two.says = Model(calls(start("Who?"), start("Why?")), "said by ours")
    two.ask()
    state = two.ours().get_state(thread())
    given = {one.id: "go on" for one in state.interrupts}
    assert len(given) == 2
    two.account.invoke(two.other(), Command(resume=given), thread())
    assert swept(two.driven, two.ours()).resumed == ["thread"]
    assert [text.split()[:2] for text in texts(two.ours().get_state(thread()).values)] == [
        ["r1", "completed"],
        ["r2", "completed"],
    ]
    assert len(two.account.runs) == 2


@pytest.mark.grid
def test_an_agent_inside_a_graph_is_known_by_its_own_name(how: How, store: bool) -> None:
    two = Two(how, "schemas", store=store, nested=True)
    two.ask()
    other = two.agent(Model("said by the other"), name="another")
    (interrupt,) = two.ours().get_state(thread()).interrupts
    assert interrupt.value["graph"] == "helper|research"
    found = swept(two.driven, other, stranded_after=0.0)
    assert (found.resumed, found.other_graphs) == ([], {"thread": "helper|research"})
    assert swept(two.driven, two.ours()).resumed == ["thread"]
    assert two.last() == "said by ours"
    assert len(two.account.runs) == 1
