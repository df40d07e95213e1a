"""What is in a store shows nobody an id, and can be listed and deleted by user."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore

from langchain_parallel.options import Limits
from langchain_parallel.parked import (
    adelete_user_records,
    alist_user_records,
    delete_user_records,
    list_user_records,
)
from langchain_parallel.webhooks import webhook_app

from ..middleware.harness import SAID, Account, Model, calls, start
from ..research.harness import Mode, Session, async_client
from ..webhooks.deliveries import SECRET, delivery
from .helpers import do, records, swept, woken

OURS = ("langchain_parallel",)


@pytest.fixture(params=["sync", "async"])
def session(request: pytest.FixtureRequest) -> Session:
    mode: Mode = request.param
    return Session(mode, options={"wait": "park"}, store=InMemoryStore())


def of(user: str | None, thread_id: str) -> Any:
    """The config of a run of a LangGraph server, for an authenticated user."""
    who = {"langgraph_auth_user_id": user} if user else {}
    return {"configurable": {"thread_id": thread_id, **who}}


def shown(store: InMemoryStore) -> str:
    """What whoever may list a store's namespaces and keys sees."""
    keys = [item.key for item in store.search(OURS, limit=1_000)]
    assert keys
    return f"{store.list_namespaces(limit=1_000)} {keys}"


def test_no_namespace_and_no_key_of_a_session_has_an_id(session: Session) -> None:
    session.ask("How large is it?", config=of("ann", "thread-of-ann"))
    run = session.runs[0]
    assert session.store is not None
    listed = shown(session.store)
    for id in (run["run_id"], run["taskgroup_id"], run["interaction_id"], "thread-of-ann", "ann"):
        assert id not in listed


def test_no_namespace_and_no_key_of_an_agent_has_an_id() -> None:
    account, store = Account("sync"), InMemoryStore()
    kept: Any = {"checkpointer": InMemorySaver(), "store": store}
    agent = account.agent(Model(calls(start("Who?")), "done"), wait="park", compiled=kept)
    account.invoke(agent, SAID, of("ann", "thread-of-ann"))
    run = account.runs[0]
    listed = shown(store)
    for id in (run["run_id"], run["taskgroup_id"], run["interaction_id"], "thread-of-ann", "ann"):
        assert id not in listed


async def test_a_processed_delivery_is_not_listed_by_its_id() -> None:
    session = Session("async", options={"wait": "park"}, store=InMemoryStore())
    await session.graph().ainvoke({"question": "Who?"}, session.config, durability="sync")
    session.simulator.clock.sleep(3_600.0)
    client = async_client(session.simulator)
    app = webhook_app(session.graph(), secrets=[SECRET], client=client)
    body, signed = delivery(session.runs[0]["run_id"])
    http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://hooks")
    async with app.router.lifespan_context(app), http:
        await http.post("/parallel/webhook", content=body, headers=signed)
    assert session.store is not None
    assert len(session.store.search((*OURS, "webhooks"))) == 1
    assert signed["webhook-id"] not in shown(session.store)


def listed(session: Session, user: str) -> Any:
    store: Any = session.store
    return do(
        session, lambda: list_user_records(store, user), lambda: alist_user_records(store, user)
    )


def deleted(session: Session, user: str) -> Any:
    store: Any = session.store
    return do(
        session, lambda: delete_user_records(store, user), lambda: adelete_user_records(store, user)
    )


def test_the_records_of_one_user_are_listed_and_deleted_and_no_others(session: Session) -> None:
    for user, thread_id in (("ann", "one"), ("bob", "two"), (None, "three")):
        session.ask(f"What of {thread_id}?", config=of(user, thread_id))
    store: Any = session.store
    store.put((*OURS, "parked", "foreign"), "foreign", {"thread": 7, "owner": ["ann"]})
    everything = len(store.search(OURS, limit=1_000))
    of_ann = listed(session, "ann")
    assert {item.value["name"].split()[0] for item in of_ann if "name" in item.value} == {
        *("ledger", "intent", "made")
    }
    assert [i.value["thread_id"] for i in of_ann if "thread_id" in i.value] == ["one"]
    assert listed(session, "an") == []
    assert deleted(session, "ann") == len(of_ann)
    assert listed(session, "ann") == []
    assert len(store.search(OURS, limit=1_000)) == everything - len(of_ann)
    assert {item.value["thread_id"] for item in records(store) if "run_id" in item.value} == {
        *("two", "three")
    }


def test_what_a_sweep_records_for_nobody_belongs_to_the_user_of_the_thread(
    session: Session,
) -> None:
    asked = {"action": "follow_up", "question": "Really?"}
    session.options["evaluate"] = lambda state, turn: asked if len(state["turns"]) == 1 else None
    session.options["limits"] = Limits(max_runs_per_question=2)
    session.ask("How large is it?", config=of("ann", "thread"))
    session.simulator.clock.sleep(3_600.0)
    assert swept(session, session.graph()).resumed == ["thread"]
    (parked,) = records(session.store)
    assert "owner" not in parked.value
    assert parked.value in [item.value for item in listed(session, "ann")]


def test_waking_depends_on_no_user(session: Session) -> None:
    session.ask("How large is it?", config=of("ann", "thread"))
    session.simulator.clock.sleep(3_600.0)
    run_id = session.runs[0]["run_id"]
    as_bob: Any = {"configurable": {"langgraph_auth_user_id": "bob"}}
    assert woken(session, session.graph(), run_id, config=as_bob).outcome == "resumed"
    assert records(session.store) == []
    assert len(session.runs) == 1
