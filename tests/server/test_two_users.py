"""What one user can learn of another, or do to them, where `docs/deployment/auth.py` is in use: nothing."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from langchain_parallel.simulator import Fault

pytest.importorskip("langgraph_api", reason="langgraph-cli[inmem] is not installed")

from langgraph_sdk.errors import APIStatusError

from .running import until
from .two_users import TOKENS, Asked, Office, opened_office


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with opened_office(tmp_path_factory.mktemp("office")) as made:
        yield made


@pytest.fixture(scope="module")
def bobs(office: Office) -> Asked:
    """A parked thread of Bob's, which stays parked."""
    return office.ask(office.bob, "What does Bob want to know?")


def status_of(attempt: Callable[[], Any]) -> int:
    """The HTTP status with which an attempt is refused."""
    with pytest.raises((APIStatusError, httpx.HTTPStatusError)) as refused:
        attempt()
    return int(refused.value.response.status_code)


READS: dict[str, Callable[[Any, Asked], Any]] = {
    "thread": lambda user, its: user.threads.get(its.thread_id),
    "state": lambda user, its: user.threads.get_state(its.thread_id),
    "history": lambda user, its: user.threads.get_history(its.thread_id),
    "runs": lambda user, its: user.runs.list(its.thread_id),
}
WRITES: dict[str, Callable[[Any, Asked], Any]] = {
    "metadata": lambda user, its: user.threads.update(its.thread_id, metadata={"owner": "ann"}),
    "state": lambda user, its: user.threads.update_state(its.thread_id, {"pending": None}),
    "delete": lambda user, its: user.threads.delete(its.thread_id),
    "copy": lambda user, its: user.threads.copy(its.thread_id),
    "ask": lambda user, its: user.runs.wait(its.thread_id, "research", input={"question": "Why?"}),
    "resume": lambda user, its: user.runs.wait(
        its.thread_id, "research", command={"resume": {its.interrupt_id: "look"}}
    ),
    "take over": lambda user, its: user.threads.create(
        thread_id=its.thread_id, if_exists="do_nothing"
    ),
    "cron": lambda user, its: user.crons.create_for_thread(
        its.thread_id, "research", schedule="* * * * *", input={"question": "Why?"}
    ),
}


@pytest.mark.parametrize("what", READS)
def test_another_users_thread_is_not_read(office: Office, bobs: Asked, what: str) -> None:
    READS[what](office.bob, bobs)
    assert status_of(lambda: READS[what](office.ann, bobs)) in (403, 404)
    assert status_of(lambda: READS[what](office.nobody, bobs)) == 401


@pytest.mark.parametrize("what", WRITES)
def test_another_users_thread_is_not_written(office: Office, bobs: Asked, what: str) -> None:
    before = office.bob.threads.get_state(bobs.thread_id)
    runs = len(office.api.simulator.runs())
    assert status_of(lambda: WRITES[what](office.ann, bobs)) in (403, 404, 409)
    assert status_of(lambda: WRITES[what](office.nobody, bobs)) == 401
    assert office.bob.threads.get_state(bobs.thread_id) == before
    assert office.bob.threads.get(bobs.thread_id)["metadata"]["owner"] == "bob"
    assert len(office.api.simulator.runs()) == runs


def test_another_users_threads_and_assistants_are_not_listed(office: Office, bobs: Asked) -> None:
    made = office.bob.assistants.create("research", name="of Bob", metadata={"owner": "ann"})
    listed = [one["thread_id"] for one in office.ann.threads.search(limit=1_000)]
    assert bobs.thread_id not in listed
    assert bobs.thread_id in [one["thread_id"] for one in office.bob.threads.search(limit=1_000)]
    assert made["assistant_id"] not in str(office.ann.assistants.search(limit=1_000))
    thread = office.ann.threads.create()["thread_id"]
    given: Any = {"input": {"question": "Why?"}}
    assert status_of(lambda: office.ann.runs.wait(thread, made["assistant_id"], **given)) == 404


def test_a_user_gives_no_thread_away(office: Office) -> None:
    """Planting something among another's threads, by the metadata that says whose a thread is."""
    for metadata in ({"owner": "bob"}, {}):
        thread = office.ann.threads.create(metadata=metadata)["thread_id"]
        office.ann.threads.update(thread, metadata={"owner": "bob"})
        assert office.ann.threads.get(thread)["metadata"]["owner"] == "ann"
    made = str(uuid.uuid4())
    given: Any = {"input": {"question": ""}, "metadata": {"owner": "bob"}, "raise_error": False}
    office.ann.runs.wait(made, "research", if_not_exists="create", **given)
    assert office.ann.threads.get(made)["metadata"]["owner"] == "ann"


STORE: dict[str, Callable[[Any], Any]] = {
    "search all": lambda user: user.store.search_items([]),
    "search ours": lambda user: user.store.search_items(["langchain_parallel"]),
    "search parked": lambda user: user.store.search_items(["langchain_parallel", "parked"]),
    "search another's": lambda user: user.store.search_items(["bob"]),
    "namespaces": lambda user: user.store.list_namespaces(),
    "our namespaces": lambda user: user.store.list_namespaces(prefix=["langchain_parallel"]),
    "by suffix": lambda user: user.store.list_namespaces(suffix=["notes"]),
    "get": lambda user: user.store.get_item(["bob", "notes"], key="a"),
    "put": lambda user: user.store.put_item(["langchain_parallel", "parked", "x"], "k", {"a": 1}),
    "put for another": lambda user: user.store.put_item(["bob", "notes"], "a", {"a": 2}),
    "delete": lambda user: user.store.delete_item(["bob", "notes"], "a"),
}


@pytest.mark.parametrize("what", STORE)
def test_the_store_is_closed_but_for_ones_own_namespaces(
    office: Office, bobs: Asked, what: str
) -> None:
    office.bob.store.put_item(["bob", "notes"], "a", {"a": 1})
    assert status_of(lambda: STORE[what](office.ann)) == 403
    assert status_of(lambda: STORE[what](office.nobody)) == 401
    assert office.bob.store.get_item(["bob", "notes"], "a")["value"] == {"a": 1}


def test_ones_own_namespaces_are_open_and_show_no_ids_of_another(
    office: Office, bobs: Asked
) -> None:
    office.ann.store.put_item(["ann", "notes"], "a", {"a": 1})
    seen = f"{office.ann.store.search_items(['ann'])} {office.ann.store.list_namespaces(['ann'])}"
    assert "notes" in seen
    assert not any(id in seen for id in bobs.ids)


def test_our_routes_know_no_user_and_the_webhook_needs_its_signature(office: Office) -> None:
    hook = f"{office.url}/parallel/webhook"
    headers = {"authorization": f"Bearer {TOKENS['ann']}"}
    assert httpx.post(hook, content=b"{}").status_code == 400  # not 401: there is no login
    assert httpx.post(hook, content=b"{}", headers=headers).status_code == 400
    assert httpx.get(f"{office.url}/parallel/health").status_code == 401
    assert httpx.get(f"{office.url}/parallel/health", headers=headers).status_code == 200
    assert httpx.post(f"{hook}/", content=b"{}").status_code in (401, 404)


def test_a_webhook_wakes_a_users_thread(office: Office) -> None:
    asked = office.ask(office.bob)
    runs = len(office.api.simulator.runs())
    office.end(asked)
    (turn,) = office.finished(office.bob, asked)["turns"]
    assert (turn["status"], turn["run_id"]) == ("completed", asked.run_id)
    assert status_of(lambda: office.ann.threads.get_state(asked.thread_id)) == 404
    assert len(office.api.simulator.runs()) == runs


@pytest.fixture
def no_webhooks(office: Office) -> Iterator[None]:
    office.api.simulator.faults.add(Fault("webhook_lose", times=None))
    yield
    office.api.simulator.faults.clear()


def test_an_operator_sweeps_the_threads_of_all_and_sees_counts(
    office: Office, no_webhooks: None
) -> None:
    asked = [office.ask(user) for user in (office.ann, office.bob)]
    for one in asked:
        office.end(one)
    swept = office.olga.runs.wait(None, "sweep", input={})
    assert swept["counts"]["resumed"] == 2
    assert not any(id in str(swept) for one in asked for id in one.ids)
    for user, one in zip((office.ann, office.bob), asked, strict=True):
        assert office.finished(user, one)["turns"][0]["status"] == "completed"
    assert status_of(lambda: office.olga.threads.get_state(asked[0].thread_id)) == 404


def test_a_sweep_by_cron_runs_as_its_operator(office: Office, no_webhooks: None) -> None:
    asked = office.ask(office.bob)
    office.end(asked)
    cron = office.olga.crons.create("sweep", schedule="* * * * * */2", input={})
    try:
        assert cron["cron_id"] not in str(office.ann.crons.search())
        assert office.finished(office.bob, asked)["answer"]
    finally:
        office.olga.crons.delete(cron["cron_id"])


def test_others_than_operators_do_not_sweep(office: Office) -> None:
    assert status_of(lambda: office.ann.runs.wait(None, "sweep", input={})) == 403
    made: Any = {"schedule": "* * * * *", "input": {}}
    assert status_of(lambda: office.ann.crons.create("sweep", **made)) == 403
    assert status_of(lambda: office.ann.assistants.create("sweep")) == 403


def test_ids_of_another_thread_are_no_capability(office: Office, no_webhooks: None) -> None:
    """What a user writes into threads of their own, who has read another's ids in a log."""
    theirs = office.ask(office.bob, "What is the plan of Bob?")
    office.end(theirs)
    office.bob.runs.wait(
        theirs.thread_id, "research", command={"resume": {theirs.interrupt_id: "look"}}
    )
    assert "the plan of Bob" in str(
        office.bob.threads.get_state(theirs.thread_id)["values"]["answer"]
    )
    own = office.ask(office.ann, "What is mine?")
    pending = office.ann.threads.get_state(own.thread_id)["values"]["pending"]
    edited = {"pending": {**pending, "run_id": theirs.run_id}}
    office.ann.threads.update_state(own.thread_id, edited, as_node="submit")
    runs, threads = len(office.api.simulator.runs()), [own.thread_id]
    office.ann.runs.wait(own.thread_id, "research", input=None, raise_error=False)
    for given in (
        {"ledger_id": theirs.ledger_id},
        {"continue_from": theirs.interaction_id},
        {"interaction_id": theirs.interaction_id},
    ):
        threads.append(office.ann.threads.create()["thread_id"])
        asked: Any = {"question": "What is the plan of Bob?", **given}
        office.ann.runs.wait(threads[-1], "research", input=asked, raise_error=False)
    for thread in threads:
        assert office.ann.threads.get(thread)["status"] == "error"
        seen = [state["values"].get("turns") for state in office.ann.threads.get_history(thread)]
        assert not any(seen)
    assert len(office.api.simulator.runs()) == runs
    office.end(own)
    office.ann.runs.wait(own.thread_id, "research", input={"question": "What is mine?"})
    (turn,) = office.finished(office.ann, own)["turns"]
    assert turn["run_id"] == own.run_id


def test_what_a_run_of_ones_own_names_of_another_thread_is_not_read(
    office: Office, bobs: Asked
) -> None:
    thread = office.ann.threads.create()["thread_id"]
    there: Any = {"thread_id": bobs.thread_id, "checkpoint_ns": ""}
    for more in ({"checkpoint": there}, {"config": {"configurable": there}}):
        given: Any = {**more, "input": {"question": ""}, "raise_error": False}
        office.ann.runs.wait(thread, "research", **given)
    assert until(lambda: office.ann.threads.get_state(thread), "it is there")
    assert not any(id in str(office.ann.threads.get_history(thread)) for id in bobs.ids)
    assert office.bob.threads.get_state(bobs.thread_id)["next"] == ["wait"]
