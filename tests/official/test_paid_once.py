"""What crashes or is lost in the official package works here, and is paid for once."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import time
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from langchain_parallel import official
from langchain_parallel.errors import CreditExhausted, MissingKey, RunFailed, StillRunning
from langchain_parallel.simulator import Fault, ManualClock, Simulator

from ..tool.helpers import START as ASKED
from ..tool.helpers import agent, answers, calls
from .helpers import OfficialAccount


class Capital(BaseModel):
    capital: str = Field(max_length=1)


class State(TypedDict, total=False):
    rows: list[Any]


def test_a_lost_response_pays_for_no_second_run(account: OfficialAccount) -> None:
    account.simulator.faults.add(Fault(kind="drop_after", method="POST", path="/runs"))
    account.task_run().invoke("q")
    account.simulator.faults.add(Fault(kind="drop_after", method="POST", path="/runs"))
    account.group().run(["a", "b"])
    assert account.billed == len(account.runs) == 3


def test_a_failed_row_costs_no_other_its_answer(account: OfficialAccount) -> None:
    account.script(outcome="failed")
    failed, done = account.group().run(["a", "b"])
    assert failed["output"] is None
    assert failed["run"]["status"] == "failed"
    assert failed["run"]["run_id"] in failed["run"]["error"]["message"]
    assert done["output"]["content"]
    assert official.parse_basis(failed)["citations_by_field"] == {}


def test_a_batch_without_any_answer_is_an_error_that_names_its_runs(
    account: OfficialAccount,
) -> None:
    account.script(outcome="failed", times=2)
    with pytest.raises(ValueError, match="Error calling Parallel Task Group API: ") as raised:
        account.group().run(["a", "b"])
    assert isinstance(raised.value, official.CallFailed)
    assert isinstance(raised.value.__cause__, RunFailed)
    assert [row["run"]["run_id"] for row in raised.value.results] == [
        run["run_id"] for run in account.runs
    ]


def test_what_is_refused_for_all_rows_is_sent_for_one(account: OfficialAccount) -> None:
    poor = OfficialAccount(Simulator(ManualClock(), credit_usd=0.0))
    with pytest.raises(official.CallFailed) as raised:
        poor.group().run(["a"] * 20)
    assert isinstance(raised.value.__cause__, CreditExhausted)
    assert len(poor.sent) == 1


def test_a_wrong_row_is_refused_before_any_is_sent(account: OfficialAccount) -> None:
    with pytest.raises(official.CallFailed, match="input"):
        account.group().run(["a", ""])
    assert account.sent == []


def test_a_run_that_takes_too_long_is_named_and_not_lost(account: OfficialAccount) -> None:
    account.script(seconds=5000)
    with pytest.raises(ValueError, match="Error calling Parallel Task API: ") as raised:
        account.task_run(timeout=60).invoke("q")
    error = raised.value
    assert isinstance(error, official.CallFailed)
    assert isinstance(error.__cause__, StillRunning)
    assert error.run_id == account.runs[0]["run_id"]
    assert error.interaction_id == account.runs[0]["interaction_id"]
    account.simulator.clock.sleep(5000)
    assert account.client.wait(str(error.run_id)).output.content
    account.script(seconds=5000)
    late, done = account.group().run(["a", "b"], timeout=60)
    assert late["output"] is None
    assert late["run"]["status"] in ("queued", "running")
    assert done["output"]


@pytest.mark.parametrize("how", ["sync", "async"])
def test_a_timeout_that_is_given_to_a_call_is_that_of_this_call(
    account: OfficialAccount, how: str
) -> None:
    tool = account.task_run()

    def run(*args: Any, **given: Any) -> Any:
        if how == "sync":
            return tool._run(*args, **given)
        return asyncio.run(tool._arun(*args, **given))

    with pytest.raises(official.CallFailed, match="timeout"):
        run(input="q", timeout=-1)
    assert account.sent == []
    account.script(seconds=5000)
    with pytest.raises(official.CallFailed) as raised:
        run("q", {"team": "a"}, timeout=60)
    assert isinstance(raised.value.__cause__, StillRunning)
    first = run("q", {"team": "a"}, None, 7200.0)
    again = run(input="more", metadata=None, previous_interaction_id=first["interaction_id"])
    assert first["run"]["metadata"] == {"team": "a"}
    assert again["output"]["content"]
    assert account.sent[-1]["previous_interaction_id"] == first["interaction_id"]


def test_an_answer_of_another_shape_is_kept(account: OfficialAccount) -> None:
    result = account.task_run(task_output_schema=Capital).invoke("q")
    assert len(result["output"]["content"]["capital"]) > 1
    assert result["output"]["parsed"] is None
    assert "does not fit Capital" in result["run"]["warnings"][-1]["message"]


@pytest.mark.parametrize("how", ["sync", "async"])
def test_a_batch_in_a_node_is_found_again_when_the_node_runs_again(
    account: OfficialAccount, how: str
) -> None:
    deaths = [True]

    def node(state: State) -> State:
        rows = account.enrichment(output_schema="Its capital").invoke(["a", "b"])
        if deaths:
            deaths.clear()
            raise RuntimeError("died with its answers")
        return {"rows": rows}

    async def anode(state: State) -> State:
        rows = await account.enrichment(output_schema="Its capital").ainvoke(["a", "b"])
        if deaths:
            deaths.clear()
            raise RuntimeError("died with its answers")
        return {"rows": rows}

    builder = StateGraph(State)
    if how == "sync":
        builder.add_node("enrich", node)
    else:
        builder.add_node("enrich", anode)
    builder.add_edge(START, "enrich")
    graph = builder.compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "t"}}

    def run(given: Any) -> Any:
        if how == "sync":
            return graph.invoke(given, config, durability="sync")
        return asyncio.run(graph.ainvoke(given, config, durability="sync"))

    with pytest.raises(RuntimeError, match="died"):
        run({})
    assert len(run(None)["rows"]) == 2
    assert account.billed == len(account.runs) == 2


def test_an_agent_follows_up_by_what_it_read(account: OfficialAccount) -> None:
    tool = account.task_run(name="parallel_task")
    first = tool.invoke("who?")["interaction_id"]
    asked = calls({"input": "and then?", "previous_interaction_id": "intr_of_somebody"})
    state: Any = None
    with pytest.raises(ValueError, match="comes from no answer of this conversation"):
        state = agent(tool, asked, "done").invoke(ASKED)
    assert state is None

    says = calls({"input": "who?"})
    saver = InMemorySaver()
    config: Any = {"configurable": {"thread_id": "t"}}
    got = agent(tool, says, "it is", checkpointer=saver).invoke(ASKED, config)
    ours = answers(got)[0].artifact["interaction_id"]
    again = calls({"input": "and?", "previous_interaction_id": ours})
    agent(tool, again, "done", checkpointer=saver).invoke(ASKED, config)
    assert account.sent[-1]["previous_interaction_id"] == ours != first


@pytest.mark.parametrize("name", ["thread_id", "ledger_key", "asked_key"])
def test_metadata_cannot_take_the_place_of_ours(account: OfficialAccount, name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} are this package's own"):
        account.task_run().invoke({"input": "q", "metadata": {name: "x"}})
    with pytest.raises(ValueError, match=f"{name} are this package's own"):
        account.group(metadata={name: "x"})
    assert account.sent == []


@pytest.mark.parametrize(
    "make",
    [
        official.ParallelTaskRunTool,
        official.ParallelDeepResearch,
        official.ParallelTaskGroup,
        lambda: official.ParallelEnrichment(output_schema="text"),
    ],
)
def test_without_a_key_there_is_a_value_error(make: Any) -> None:
    with pytest.raises(ValueError, match="key") as raised:
        make()
    assert isinstance(raised.value, MissingKey)


def test_a_webhook_is_verified_in_either_scheme() -> None:
    secret = "whsec_" + base64.b64encode(b"0123456789abcdef").decode()
    body, sent_at = b'{"a":1}', str(int(time.time()))
    for key in (secret.encode(), b"0123456789abcdef"):
        signed = hmac.new(key, f"w.{sent_at}.".encode() + body, hashlib.sha256).digest()
        given: dict[str, Any] = {"webhook_id": "w", "secret": secret}
        given["webhook_timestamp"] = sent_at
        signature = f"v1,AAAA v1,{base64.b64encode(signed).decode()}"
        assert official.verify_webhook(body, webhook_signature=signature, **given)
        late = {**given, "tolerance_seconds": -1}
        assert not official.verify_webhook(body, webhook_signature=signature, **late)
        odd = {**given, "webhook_timestamp": "soon"}
        assert not official.verify_webhook(body, webhook_signature=signature, **odd)
