"""One deployment, many assistants: what a call's context sets, and whose key a call has."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from pydantic import SecretStr, ValidationError
from typing_extensions import TypedDict

from langchain_parallel import ParallelClient, create_research_graph
from langchain_parallel.errors import Forbidden, InvalidRequest
from langchain_parallel.models import SourcePolicy
from langchain_parallel.options import Limits, RequestOptions
from langchain_parallel.research import ResearchContext, ResearchState
from langchain_parallel.simulator import Fault

from ..cut import exhaustive
from ..secrets_kit import Wire
from .harness import Mode, Session, blocking_client, invoke

THREAD: Any = {"configurable": {"thread_id": "thread"}}
SCHEMA = {"type": "object", "properties": {"maker": {"type": "string"}}}


@pytest.fixture(params=["sync", exhaustive("async")])
def mode(request: pytest.FixtureRequest) -> Mode:
    return request.param  # type: ignore[no-any-return]


def ask(session: Session, question: str | None, context: Any = None, **configurable: Any) -> Any:
    given = None if question is None else {"question": question}
    config = {"configurable": {**session.config["configurable"], **configurable}}
    graph, more = session.graph(), {"context": context, "durability": "sync"}
    if session.mode == "sync":
        return graph.invoke(given, config, **more)
    return asyncio.run(graph.ainvoke(given, config, **more))


def sent(session: Session) -> list[Any]:
    """Every run that was asked for, as it was sent."""
    paid = [r for r in session.simulator.requests if r.method == "POST" and "/runs" in r.path]
    return [run for request in paid for run in request.body["inputs"]]


def test_a_context_sets_processors_and_the_shape_of_answers(session: Session) -> None:
    context = {"processor": "base", "follow_up_processor": "lite", "output_schema": SCHEMA}
    ask(session, "Who?", context)
    out = ask(session, "Why?", context)
    assert [turn["processor"] for turn in out["turns"]] == ["base", "lite"]
    assert [list(turn["content"]) for turn in out["turns"]] == [["maker"], ["maker"]]
    other = ask(session, "How?")  # and another assistant of the deployment has none of it
    assert other["turns"][2]["processor"] == "core-fast"
    assert list(other["answer"]) != ["maker"]


def test_what_a_context_says_of_sources_is_sent_also_after_a_kill_without_it(
    session: Session,
) -> None:
    fault = Fault("status_before", method="POST", path="*/runs", status=403)
    session.simulator.faults.add(fault)
    policy = {"include_domains": ["a.example"], "after_date": "2026-01-02"}
    with pytest.raises(Forbidden):
        ask(session, "Who?", {"source_policy": policy})
    ask(session, None)
    assert sent(session)[-1]["source_policy"] == policy
    assert len(session.runs) == 1
    assert "source_policy" not in session.state()["turns"][0]


def test_a_question_on_its_way_that_another_assistant_asks_again_has_one_run(
    session: Session,
) -> None:
    shaped = {"output_schema": SCHEMA, "source_policy": {"include_domains": ["a.example"]}}
    ask(session, "Who?", {"wait": "park", "processor": "lite", **shaped})
    out = ask(session, "Who?", {"processor": "base"})
    assert len(session.runs) == len(out["turns"]) == 1
    assert list(out["answer"]) == ["maker"]


def test_a_context_lowers_limits_and_raises_none(session: Session) -> None:
    session.options["limits"] = Limits(max_runs=2, max_cost_usd=1.0, on_exceed="stop")
    with pytest.raises(InvalidRequest, match=r"max_runs is 3; at most 2 .*"):
        ask(session, "Who?", {"limits": {"max_runs": 3}})
    with pytest.raises(InvalidRequest, match="max_dollars"):
        ask(session, "Who?", {"limits": {"max_dollars": 3}})
    ask(session, "Who?", {"limits": {"max_runs": 1}})
    out = ask(session, "Why?", {"limits": {"max_runs": 1}})
    assert "the limit is 1" in out["verdict"]["reason"]
    assert len(session.runs) == 1


def test_a_person_is_asked_earlier_and_not_later(session: Session) -> None:
    session.options["limits"] = Limits(approve_above="pro")
    with pytest.raises(InvalidRequest, match="above 'pro' at the latest"):
        ask(session, "Who?", {"approve_above": "ultra"})
    ask(session, "Who?", {"approve_above": "lite"})
    assert session.graph().get_state(session.config).interrupts[0].value["kind"] == "spend"
    assert session.runs == []


def test_the_graphs_own_sources_are_not_replaced(session: Session) -> None:
    own = SourcePolicy(include_domains=["b.example"])
    session.options["request"] = RequestOptions(source_policy=own)
    with pytest.raises(InvalidRequest, match="source_policy: the graph has its own"):
        ask(session, "Who?", {"source_policy": {"include_domains": ["a.example"]}})
    assert session.runs == []


@pytest.mark.parametrize(
    ("context", "words"),
    [
        ({"colour": "red"}, "colour"),
        ({"wait": "background"}, "block"),
        ({"processor": 3}, "processor"),
        ({"source_policy": {"sites": []}}, "sites"),
    ],
    ids=str,
)
def test_what_is_not_understood_is_refused_by_name(
    session: Session, context: Any, words: str
) -> None:
    with pytest.raises(ValidationError, match=words):
        ask(session, "Who?", context)
    assert session.runs == []


@pytest.mark.parametrize("context", ["processor=lite", ["processor"], 7], ids=repr)
def test_a_context_that_is_no_context_is_refused(session: Session, context: Any) -> None:
    with pytest.raises(InvalidRequest, match="Give a dict, or a ResearchContext"):
        ask(session, "Who?", context)
    assert session.runs == []


def test_a_processor_that_is_not_known_is_refused(session: Session) -> None:
    with pytest.raises(InvalidRequest, match="gpu"):
        ask(session, "Who?", {"processor": "gpu"})
    assert session.runs == []


def test_a_context_says_how_to_wait(session: Session) -> None:
    ask(session, "Who?", {"wait": "park"})
    assert session.graph().get_state(session.config).interrupts[0].value["kind"] == "parked"
    ask(session, None, {"wait": "block"})
    assert session.state()["answer"]
    assert len(session.runs) == 1


class Tone(TypedDict):
    """A parent's own context, one of whose names is ours, too."""

    processor: str


@pytest.mark.parametrize(
    ("schema", "context", "used"),
    [(Tone, {"processor": "gpu"}, "core"), (ResearchContext, {"processor": "lite"}, "lite")],
    ids=["own", "ours"],
)
def test_a_parents_own_context_is_not_taken_for_ours(
    session: Session, schema: Any, context: Any, used: str
) -> None:
    graph: Any = StateGraph(ResearchState, context_schema=schema)
    made = create_research_graph(client=blocking_client(session.simulator))
    graph.add_node("research", made.compile())
    graph.add_edge(START, "research")
    compiled = graph.compile(checkpointer=InMemorySaver())
    out = compiled.invoke({"question": "Who?"}, THREAD, context=context)
    assert out["turns"][0]["processor"] == used


# --- keys ----------------------------------------------------------------------------------------

KEYS: dict[str, Any] = {
    "text": {"__parallel_api_key": "key-of-anna"},
    "secret": {"__parallel_api_key": SecretStr("key-of-anna")},
    "user": {"langgraph_auth_user": {"identity": "anna", "parallel_api_key": "key-of-anna"}},
}


@pytest.fixture
def wire(session: Session) -> Wire:
    """The session's way to the API, which sees keys."""
    made = Wire(session.simulator)
    how: Any = {"transport": made, "clock": session.simulator.clock}
    session.options["client"] = ParallelClient("key-of-the-deployment", **how)
    return made


@pytest.mark.parametrize("given", KEYS)
def test_a_users_key_pays_for_all_of_the_users_requests(
    session: Session, wire: Wire, given: str
) -> None:
    ask(session, "Who?", **KEYS[given])
    out = ask(session, "Why?", **KEYS[given])
    assert len(out["turns"]) == len(session.runs) == 2
    assert {request.headers["x-api-key"] for request in wire.sent} == {"key-of-anna"}
    assert "key-of-anna" not in f"{[*session.checkpointer.list(None)]} {session.checkpointer.blobs}"


def test_two_users_of_one_graph_pay_each_for_themselves(session: Session, wire: Wire) -> None:
    graph = session.graph()
    for user in ("anna", "bert", "anna"):
        own: Any = {"thread_id": user, "__parallel_api_key": f"key-of-{user}"}
        invoke(session.mode, graph, {"question": "Who?"}, {"configurable": own})
    paid = [r for r in wire.sent if r.method == "POST" and r.url.path.endswith("/runs")]
    keys = [request.headers["x-api-key"] for request in paid]
    assert keys == ["key-of-anna", "key-of-bert", "key-of-anna"]


def test_a_thread_with_a_users_key_is_not_parked_for_nobody_could_wake_it(mode: Mode) -> None:
    session = Session(mode, options={"wait": "park"})
    out = ask(session, "Who?", {"wait": "park"}, **KEYS["secret"])
    assert out["answer"]


@pytest.mark.parametrize("name", ["api_key", "parallel_api_key"])
def test_a_key_where_it_would_be_written_down_is_refused_by_name(
    session: Session, name: str
) -> None:
    with pytest.raises(InvalidRequest, match=name):
        ask(session, "Who?", **{name: "key-of-anna"})
    assert session.simulator.requests == []


@pytest.mark.parametrize("key", ["", "  ", 7, "schlüssel"], ids=repr)
def test_a_key_that_cannot_be_one_is_refused(session: Session, key: Any) -> None:
    with pytest.raises(InvalidRequest) as raised:
        ask(session, "Who?", __parallel_api_key=key)
    assert str(raised.value).count("Nothing was sent") == 1
    assert session.simulator.requests == []
