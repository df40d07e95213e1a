"""What cannot be sent or stored is refused in words before anything is sent, or sent right."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import pytest
from langgraph.types import Command
from pydantic import ValidationError

from langchain_parallel import Limits, ParallelTaskTool
from langchain_parallel.errors import InvalidRequest
from langchain_parallel.models import (
    JsonSchema,
    McpServer,
    SourcePolicy,
    TaskRunInput,
    TaskSpec,
    Webhook,
)
from langchain_parallel.simulator import ManualClock, Simulator

from .middleware import harness as agents
from .research.harness import Session, blocking_client
from .test_odd_answers import HALF, saver
from .tool.helpers import Account

ODD = {"half": f"a{HALF}", "NUL": "a\0b"}
PLACES: dict[str, Callable[[str], dict[str, Any]]] = {
    "input": lambda odd: {"input": odd},
    "input.q.0": lambda odd: {"input": {"q": [odd]}},
    "input.": lambda odd: {"input": {odd: 1}},
    "metadata": lambda odd: {"metadata": {odd: "x"}},
    "metadata.k": lambda odd: {"metadata": {"k": odd}},
    "previous_interaction_id": lambda odd: {"previous_interaction_id": odd},
    "task_spec": lambda odd: {"task_spec": TaskSpec(output_schema=odd)},
    "mcp_servers.0.name": lambda odd: {"mcp_servers": [McpServer(url="https://x.org", name=odd)]},
    "mcp_servers.0.headers.h": lambda odd: {
        "mcp_servers": [McpServer(url="https://x.org", name="x", headers={"h": odd})]
    },
    "webhook.url": lambda odd: {"webhook": Webhook(url=f"https://x.org/{odd}")},
    "source_policy": lambda odd: {"source_policy": SourcePolicy(include_domains=[odd])},
    "processor": lambda odd: {"processor": odd},
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
@pytest.mark.parametrize("place", PLACES)
def test_a_client_refuses_it_and_says_where(place: str, odd: str) -> None:
    simulator = Simulator(ManualClock())
    run = TaskRunInput(**{"input": "q", "processor": "lite", **PLACES[place](odd)})
    with pytest.raises(InvalidRequest, match=f"lone surrogate.*{place}") as refused:
        blocking_client(simulator).submit("tgrp_1", run)
    assert odd not in str(refused.value)
    assert not simulator.requests


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_metadata_of_a_group_and_a_position(odd: str) -> None:
    client = blocking_client(Simulator(ManualClock()))
    for metadata in ({"k": odd}, {odd: "x"}):
        with pytest.raises(InvalidRequest, match="lone surrogate"):
            client.create_group(metadata)
    ledger, run = client.create_group().taskgroup_id, TaskRunInput(input="q", processor="lite")
    first = client.submit(ledger, run, position=odd)  # only its hash is sent
    assert client.submit(ledger, run, position=odd).run.run_id == first.run.run_id


def deep(levels: int) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = {"a": [value]}
    return value


@pytest.mark.parametrize("levels", [60, 200, 1_000, 100_000])
def test_what_is_too_deep_is_refused_in_words(levels: int) -> None:
    schema: Any = {"type": "object", "properties": {"a": deep(levels)}}
    listed: Any = {"a": [deep(levels)]}
    usual: dict[str, Any] = {"input": "q", "processor": "lite"}
    for make in (
        lambda: TaskRunInput(**{**usual, "input": deep(levels)}),
        lambda: TaskRunInput(**usual, metadata=deep(levels)),
        lambda: TaskSpec(output_schema=schema),
        lambda: TaskSpec(input_schema=JsonSchema(json_schema=schema)),
        lambda: ParallelTaskTool(output_schema=schema),
        lambda: Session("sync", options={"output_schema": schema}).graph(),
        lambda: agents.Account().middleware(output_schema=schema),
    ):
        with pytest.raises((ValidationError, InvalidRequest), match="more than 100 levels deep"):
            make()
    client = blocking_client(Simulator(ManualClock()))
    with pytest.raises(InvalidRequest, match="'a' is a list"):
        client.create_group(listed)
    account = Account()
    if levels < 500:  # LangChain takes no more
        said = account.tool().invoke({"input": deep(levels)})
        assert re.search("More than 100 levels|depth exceeded", said)
    assert not account.simulator.runs()


@pytest.mark.grid
@pytest.mark.parametrize("where", ["memory", "sqlite", "postgres"])
@pytest.mark.parametrize(
    "name", ["question", "continue_from", "processor", "interaction_id", "ledger_id"]
)
@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_a_graph_refuses_it_and_takes_the_next_question(
    where: str, name: str, odd: str, postgres_uri: Callable[[], str]
) -> None:
    with saver(where, postgres_uri) as checkpointer:
        session = Session("sync", checkpointer=checkpointer)
        with pytest.raises(InvalidRequest, match="lone surrogate"):
            session.ask(**{"question": "q", name: odd})
        assert not session.simulator.requests
        assert session.ask("What now?")["turns"][0]["question"] == "What now?"


@pytest.mark.grid
@pytest.mark.parametrize("where", ["memory", "postgres"])
@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_a_person_writes_it(where: str, odd: str, postgres_uri: Callable[[], str]) -> None:
    edited = {"name": "research", "args": {"question": odd, "processor": "lite"}}
    with saver(where, postgres_uri) as checkpointer:
        limits = Limits(approve_above="lite")
        session = Session("sync", checkpointer=checkpointer, options={"limits": limits})
        session.ask("q")
        answer = {"decisions": [{"type": "edit", "edited_action": edited}]}
        done = session.graph().invoke(Command(resume=answer), session.config, durability="sync")
        if (
            odd == ODD["half"]
        ):  # LangGraph stores it so, and it must be the same when the step runs again
            assert done["turns"][0]["question"] == "a?"
        else:
            assert "NUL" in done["__interrupt__"][0].value["refused"][0]
        session.ask("q2")
        answer = {"decisions": [{"type": "reject", "message": odd}]}
        session.graph().invoke(Command(resume=answer), session.config, durability="sync")


@pytest.mark.parametrize("limit", [2**63, math.nan, math.inf])
def test_a_person_gives_a_limit_that_no_checkpoint_holds(limit: float) -> None:
    session = Session("sync", options={"limits": Limits(approve_above="lite")})
    session.ask("q")
    answer = {"decisions": [{"type": "approve"}], "limits": {"max_cost_usd": limit}}
    asked = session.graph().invoke(Command(resume=answer), session.config)
    assert "must be a number" in asked["__interrupt__"][0].value["refused"][0]


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_a_model_is_told(odd: str) -> None:
    account = agents.Account("sync")
    state = account.invoke(
        account.agent(agents.Model(agents.calls(agents.start(odd)))), agents.SAID
    )
    assert "lone surrogate" in agents.texts(state)[0]
    tool = Account().tool()
    assert "lone surrogate" in tool.invoke({"input": odd})
    assert not account.simulator.runs()
