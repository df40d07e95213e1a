"""Agents that share their storage: each resumes its own threads only, if they have names."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from langchain.agents.middleware import before_model
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore

from langchain_parallel.parked import (
    Outcome,
    SweepResult,
    WakeResult,
    aresume_parked,
    asweep,
    resume_parked,
    sweep,
)
from langchain_parallel.webhooks import webhook_app

from ..middleware.harness import SAID, Account, How, Model, calls, start, thread
from ..research.harness import Session
from ..webhooks.deliveries import SECRET, delivery
from .helpers import RECORDS, swept, woken


class Office:
    """Agents by name, over one checkpointer, and one store or none."""

    def __init__(self, how: How, *, store: bool) -> None:
        self.account = Account(how)
        self.store = InMemoryStore()
        self._stored: dict[str, Any] = {"checkpointer": InMemorySaver()}
        self._stored |= {"store": self.store} if store else {}

    def agent(self, name: str | None, *says: AIMessage) -> Any:
        model = Model(*says, "done")
        return self.account.agent(model, wait="park", compiled={**self._stored, "name": name})

    def ask(self, name: str | None, thread_id: str) -> str:
        """The run that the thread then waits for."""
        self.account.invoke(self.agent(name, calls(start("Who?"))), SAID, thread(thread_id))
        return str(self.account.runs[-1]["run_id"])

    def sweep(self, name: str | None, *, take_over: Any = None) -> SweepResult:
        how: dict[str, Any] = {"stranded_after": 0.0}
        how["config"] = {"configurable": {"take_over": take_over}} if take_over else None
        if self.account.how == "sync":
            return sweep(self.agent(name), self.account.client(), **how)
        return asyncio.run(asweep(self.agent(name), self.account.async_client(), **how))

    def wake(self, name: str | None, run_id: str) -> WakeResult:
        if self.account.how == "sync":
            return resume_parked(self.agent(name), run_id, self.account.client())
        client = self.account.async_client()
        return asyncio.run(aresume_parked(self.agent(name), run_id, client))

    def waits(self, thread_id: str) -> bool:
        return bool(self.agent(None).get_state(thread(thread_id)).next)

    def forget_names(self) -> None:
        """Make old records of all, without the agents' names."""
        for item in self.store.search(RECORDS):
            node = str(item.value["node"]).rpartition("|")[2]
            self.store.put(item.namespace, item.key, {**item.value, "node": node, "at": 0.0})


@pytest.fixture(params=[False, True], ids=["listing", "store"])
def store(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def office(how: How, store: bool) -> Office:
    made = Office(how, store=store)
    made.ask("left", "of the left")
    made.ask("right", "of the right")
    made.account.pass_time()
    return made


@pytest.fixture(params=["sync", "async"])
def how(request: pytest.FixtureRequest) -> How:
    way: How = request.param
    return way


def test_a_sweep_for_one_agent_leaves_the_threads_of_the_other_alone(office: Office) -> None:
    swept = office.sweep("left")
    assert (swept.threads, swept.resumed) == (1, ["of the left"])
    assert office.waits("of the right")
    assert office.sweep("right").resumed == ["of the right"]


def test_a_webhook_that_came_to_the_other_agent_wakes_nothing(office: Office) -> None:
    right = str(office.account.runs[1]["run_id"])
    woken = office.wake("left", right)
    assert woken.outcome in (Outcome.UNKNOWN_THREAD, Outcome.IN_PROGRESS)
    if "store" in office._stored:  # its records say so, without a look at any thread
        assert woken.outcome is Outcome.UNKNOWN_THREAD
    assert not woken.is_settled
    assert office.waits("of the right")
    assert office.wake("right", right).outcome is Outcome.RESUMED


def test_an_agent_without_a_name_leaves_the_threads_of_named_ones_alone(office: Office) -> None:
    swept = office.sweep(None)
    assert (swept.resumed, swept.failed) == ([], {})
    assert swept.other_graphs == {
        "of the left": "left|research",
        "of the right": "right|research",
    }
    assert office.sweep(None, take_over="left|research").resumed == ["of the left"]
    assert office.sweep("right").resumed == ["of the right"]
    assert len(office.account.runs) == 2


def test_an_agent_given_a_name_later_takes_its_unnamed_threads_over(how: How, store: bool) -> None:
    office = Office(how, store=store)
    office.ask(None, "older")
    office.account.pass_time()
    swept = office.sweep("left")
    assert swept.resumed == []
    unnamed = swept.other_graphs["older"]
    assert office.sweep("left", take_over=[unnamed]).resumed == ["older"]
    assert len(office.account.runs) == 1


def test_records_without_names_lead_to_no_other_agents_thread_and_stay(how: How) -> None:
    office = Office(how, store=True)
    office.ask("right", "of the right")
    office.account.pass_time()
    office.forget_names()
    assert office.sweep("left").resumed == []
    assert office.waits("of the right")
    assert len(office.store.search(RECORDS)) == 1
    assert office.sweep("right").resumed == ["of the right"]
    assert office.store.search(RECORDS) == []


@dataclass
class Who:
    name: str


@pytest.mark.parametrize("by", ["webhook", "sweep", "application"])
def test_a_woken_agent_has_the_context_that_is_given(how: How, by: str) -> None:
    account, seen, kept = Account(how), [], {"checkpointer": InMemorySaver()}

    @before_model
    def look(state: Any, runtime: Any) -> None:
        seen.append(runtime.context.name)

    model = Model(calls(start("Who?")), "done")
    agent = account.agent(model, look, wait="park", compiled={**kept, "context_schema": Who})
    account.invoke(agent, SAID, thread(), context=Who("Ann"))
    account.pass_time()
    run_id, driven, who = str(account.runs[0]["run_id"]), Session(how, account.simulator), Who("Bo")
    if by == "webhook":
        assert woken(driven, agent, run_id, context=who).outcome is Outcome.RESUMED
    elif by == "sweep":
        assert swept(driven, agent, context=who).resumed == ["thread"]
    else:
        more: Any = {"context": who, "blocking": how == "sync", **account.clients()}
        app = webhook_app(agent, secrets=[SECRET], **more)
        body, signed = delivery(run_id)

        async def deliver() -> None:
            http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://hooks")
            async with app.router.lifespan_context(app), http:
                await http.post("/parallel/webhook", content=body, headers=signed)

        asyncio.run(deliver())
    assert seen == ["Ann", "Bo"]
