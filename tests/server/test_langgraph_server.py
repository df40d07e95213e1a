"""On a LangGraph server: a thread parks, a signed webhook or the sweep wakes it, a person answers over its
REST API.

The server is `langgraph dev`, as `langgraph.json` configures it, in a process of its own; the API is the
simulator's server, which delivers the webhooks. No network.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from langchain_parallel._graph.store import digest
from langchain_parallel.simulator import Fault, RunningServer, RunScript

pytest.importorskip("langgraph_api", reason="langgraph-cli[inmem] is not installed")
from .running import SECRET, end, until

SLOW = RunScript(seconds=600.0)
"""A run that ends when the test says so."""


def test_a_parked_thread_is_woken_by_a_signed_webhook_and_finishes(
    client: Any, api: RunningServer
) -> None:
    before = len(api.simulator.runs())
    thread = client.threads.create()["thread_id"]
    out: Any = client.runs.wait(thread, "research", input={"question": "How large is it?"})
    (interrupt,) = out["__interrupt__"]
    assert interrupt["value"]["kind"] == "parked"
    done = until(
        lambda: not client.threads.get_state(thread)["next"] and client.threads.get_state(thread),
        "it finishes",
    )
    (turn,) = done["values"]["turns"]
    assert turn["status"] == "completed"
    assert len(api.simulator.runs()) == before + 1


def test_a_person_answers_over_the_rest_api(client: Any, api: RunningServer) -> None:
    before = len(api.simulator.runs())
    thread = client.threads.create()["thread_id"]
    given = {"question": "How large is it?", "processor": "ultra"}
    out: Any = client.runs.wait(thread, "research", input=given)
    (interrupt,) = out["__interrupt__"]
    assert interrupt["value"]["reasons"] == ["ultra costs more than pro."]
    assert len(api.simulator.runs()) == before
    api.simulator.scripts.add(SLOW)
    yes = {interrupt["id"]: {"decisions": [{"type": "approve"}]}}
    client.runs.wait(thread, "research", command={"resume": yes})
    end(api)
    until(lambda: not client.threads.get_state(thread)["next"], "it finishes")
    (turn,) = client.threads.get_state(thread)["values"]["turns"]
    assert (turn["processor"], turn["status"]) == ("ultra", "completed")
    assert len(api.simulator.runs()) == before + 1


def processed(client: Any) -> set[str]:
    """The keys of the deliveries that a server has processed."""
    found = client.store.search_items(["langchain_parallel", "webhooks"], limit=1_000)["items"]
    return {item["key"] for item in found}


def test_the_same_webhook_many_times_at_once_resumes_the_thread_once(
    url: str, client: Any, api: RunningServer
) -> None:
    api.simulator.scripts.add(SLOW)
    thread = client.threads.create()["thread_id"]
    client.runs.wait(thread, "research", input={"question": "Who leads?"})
    run_id = end(api)

    async def deliver() -> list[int]:
        from langchain_parallel.simulator.webhook_outbox import signature

        body = json.dumps({"type": "task_run.status", "data": {"run_id": run_id}}).encode()
        at = int(time.time())
        headers = [
            {
                "webhook-id": f"twin_{number}",
                "webhook-timestamp": str(at),
                "webhook-signature": signature(SECRET.encode(), f"twin_{number}", at, body),
            }
            for number in range(10)
        ]
        async with httpx.AsyncClient() as http:
            answers = await asyncio.gather(
                *(http.post(f"{url}/parallel/webhook", content=body, headers=h) for h in headers)
            )
        return [answer.status_code for answer in answers]

    assert set(asyncio.run(deliver())) == {202}
    until(lambda: not client.threads.get_state(thread)["next"], "it finishes")
    history = client.threads.get_history(thread, limit=100)
    judged = [one for one in history if one["values"].get("verdict")]
    assert len(judged) == 1
    assert len(client.threads.get_state(thread)["values"]["turns"]) == 1
    twins = {digest(f"twin_{number}") for number in range(10)}
    until(lambda: twins <= processed(client), "all are recorded, so that other servers know them")


def test_a_users_graph_is_resumed_with_the_context_it_was_asked_in(client: Any) -> None:
    thread = client.threads.create()["thread_id"]
    given: Any = {"input": {"question": "Who leads?"}, "context": {"tone": "dry"}}
    client.runs.wait(thread, "own", **given)
    assert finished(client, thread)["values"]["signed"] == "dry"


@pytest.fixture
def forsaken(client: Any, api: RunningServer) -> Iterator[str]:
    """A thread that is parked for a run that has ended, and that no webhook came for."""
    api.simulator.scripts.add(SLOW)
    api.simulator.faults.add(Fault("webhook_lose", times=None))
    thread = client.threads.create()["thread_id"]
    client.runs.wait(thread, "research", input={"question": "Who leads?"})
    end(api)
    yield thread
    api.simulator.faults.clear()


def sweep(client: Any) -> Any:
    """What a cron does."""
    return client.runs.wait(None, "sweep", input={})["counts"]


def finished(client: Any, thread: str) -> Any:
    """Its state, once there is nothing left to do."""

    def state() -> Any:
        found = client.threads.get_state(thread)
        return None if found["next"] else found

    return until(state, "it finishes")


def test_a_thread_whose_webhook_never_comes_is_swept(
    client: Any, api: RunningServer, forsaken: str
) -> None:
    runs = len(api.simulator.runs())
    assert sweep(client)["resumed"] == 1
    (turn,) = finished(client, forsaken)["values"]["turns"]
    assert turn["status"] == "completed"
    assert sweep(client)["resumed"] == 0
    assert len(api.simulator.runs()) == runs


def test_a_thread_that_failed_when_it_went_on_is_swept_again(
    client: Any, api: RunningServer, forsaken: str
) -> None:
    run_id = api.simulator.runs()[-1]["run_id"]
    its_looks = Fault("status_before", "GET", f"*/{run_id}/result", status=403, times=2)
    api.simulator.faults.add(its_looks)
    assert sweep(client)["resumed"] == 1
    until(lambda: client.threads.get(forsaken)["status"] == "error", "it fails")
    assert sweep(client)["resumed"] == 1
    (turn,) = finished(client, forsaken)["values"]["turns"]
    assert turn["status"] == "completed"


def test_a_thread_that_failed_before_it_parked_continues_without_an_input(
    client: Any, api: RunningServer
) -> None:
    before = len(api.simulator.runs())
    api.simulator.faults.add(Fault("status_before", method="POST", path="*/runs", status=403))
    thread = client.threads.create()["thread_id"]
    given = {"question": "Who leads?"}
    out: Any = client.runs.wait(thread, "research", input=given, raise_error=False)
    assert "Forbidden" in out["__error__"]["error"]
    assert client.threads.get(thread)["status"] == "error"
    client.runs.wait(thread, "research")
    assert finished(client, thread)["values"]["answer"]
    assert len(api.simulator.runs()) == before + 1


def test_a_cron_sweeps(client: Any, forsaken: str) -> None:
    cron = client.crons.create("sweep", schedule="* * * * * */2", input={})  # seconds come last
    try:
        assert finished(client, forsaken)["values"]["answer"]
    finally:
        client.crons.delete(cron["cron_id"])


def test_a_forged_webhook_is_turned_away(url: str) -> None:
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(time.time())),
        "webhook-signature": "v1,Zm9yZ2Vk",
    }
    body = b'{"type": "task_run.status", "data": {"run_id": "trun_1"}}'
    assert httpx.post(f"{url}/parallel/webhook", content=body, headers=headers).status_code == 401
    assert httpx.get(f"{url}/parallel/health").status_code == 200
