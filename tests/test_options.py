"""The options of all doors: what is misspelt, negative or of another kind is refused when a door is made."""

from __future__ import annotations

from inspect import signature
from typing import Any

import pydantic
import pytest
from langgraph.checkpoint.memory import InMemorySaver

from langchain_parallel import (
    AsyncParallelClient,
    ChatParallel,
    ParallelClient,
    ParallelResearchMiddleware,
    ParallelTaskTool,
    create_research_graph,
)
from langchain_parallel.client import RetryPolicy
from langchain_parallel.errors import InvalidRequest, ParallelError
from langchain_parallel.options import (
    DEFAULT_PROCESSORS,
    Limits,
    Processors,
    RequestOptions,
    first_and_follow_up,
)
from langchain_parallel.parked import sweep
from langchain_parallel.research import by_evidence, by_person, deep_then_fast
from langchain_parallel.simulator import Simulator

from .research.harness import blocking_client

WRONG_LIMITS: list[tuple[dict[str, Any], str]] = [
    ({"max_cost_usd": -0.01}, "max_cost_usd must be a number from 0 up"),
    ({"max_cost_usd": "1"}, "max_cost_usd must be a number from 0 up"),
    ({"max_cost_usd": float("nan")}, "max_cost_usd must be a number from 0 up"),
    ({"max_runs": -1}, "max_runs must be a number from 0 up"),
    ({"max_runs": True}, "max_runs must be a number from 0 up"),
    ({"max_seconds": float("inf")}, "max_seconds must be a number from 0 up"),
    ({"max_seconds": -1, "max_runs": -1}, "max_runs must .* max_seconds must"),
    ({"max_runs_per_question": 0}, "max_runs_per_question is 0; at least 1"),
    ({"max_runs_per_question": True}, "max_runs_per_question is True"),
    ({"max_runs_per_question": 1.5}, "max_runs_per_question is 1.5"),
    ({"on_exceed": "aks"}, "on_exceed is 'aks'; 'ask' or 'stop' is allowed"),
    ({"on_exceed": None}, "on_exceed is None; 'ask' or 'stop' is allowed"),
    ({"approve_above": "prow"}, "'prow' is unknown; did you mean pro"),
    ({"approve_above": 0.0}, "approve_above is 0.0; give the name of a processor"),
    ({"approve_above": 5}, "approve_above is 5; give the name of a processor"),
    ({"approve_above": ""}, "Processor '' is unknown"),
]


@pytest.mark.parametrize(("given", "words"), WRONG_LIMITS, ids=str)
def test_a_limit_that_is_none_is_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        Limits(**given)


@pytest.mark.parametrize("name", ["max_cost", "max_turns", "on_budget", "budget"])
def test_a_misspelt_limit_is_refused_by_name(name: str) -> None:
    given: dict[str, Any] = {name: 1}
    with pytest.raises(TypeError, match=name):
        Limits(**given)


def test_the_limits_of_a_session_are_those_that_are_set() -> None:
    limits = Limits(max_cost_usd=0, max_runs=3, max_runs_per_question=2, approve_above="pro")
    assert limits.for_session() == {"max_cost_usd": 0, "max_runs": 3}
    assert Limits().for_session() == {}


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"source_polcy": None}, "source_polcy"),
        ({"mcp_server": []}, "mcp_server"),
        ({"metadata": ["a", "b"]}, "metadata"),
        ({"metadata": {"team": ["a"]}}, "metadata"),
        ({"source_policy": "example.org"}, "source_policy"),
        ({"source_policy": {"include_domain": ["example.org"]}}, "include_domain"),
        ({"webhook": "https://example.org/hook"}, "webhook"),
        ({"advanced_settings": {"loc": "de"}}, "loc"),
    ],
    ids=str,
)
def test_a_request_option_that_is_none_is_refused_by_name(given: dict[str, Any], name: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=name):
        RequestOptions(**given)


def test_a_secret_in_a_refused_option_is_not_repeated() -> None:
    headers: Any = {"Authorization": ["tok-3f9a27c1"]}
    servers: Any = [{"url": "https://mcp.example", "name": "crm", "headers": headers}]
    with pytest.raises(pydantic.ValidationError) as caught:
        RequestOptions(mcp_servers=servers)
    assert "tok-3f9a27c1" not in str(caught.value)


@pytest.mark.parametrize(
    "processor",
    [(), ("pro",), ("pro", "core", "base"), ("pro", None), (None, "pro"), None, 5, ["pro", "core"]],
    ids=repr,
)
def test_a_processor_is_a_name_or_two(processor: Any) -> None:
    with pytest.raises(InvalidRequest, match="give a name, or two: for first questions, follow-"):
        first_and_follow_up(processor)


def test_one_processor_is_for_every_run() -> None:
    assert first_and_follow_up("pro") == ("pro", "pro")
    assert first_and_follow_up(("pro", "base")) == ("pro", "base")
    assert DEFAULT_PROCESSORS == ("core", "base")


DOORS: list[Any] = [create_research_graph, ParallelResearchMiddleware, ParallelTaskTool]
WRONG_OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"limits": {"max_cost_usd": 2.0}}, "limits is a dict; give Limits|instance of Limits"),
    ({"limits": {}}, "limits is a dict; give Limits|instance of Limits"),
    ({"request": ["team"]}, "request is a list; give RequestOptions|instance of RequestOptions"),
    ({"wait": "prak"}, "wait is 'prak'; 'block' or|wait\n *Input should be"),
    ({"timeout": -1}, "timeout is -1(.0)?; give seconds, from 0 up"),
    ({"timeout": float("nan")}, "timeout is nan"),
    ({"processor": ("pro", "core", "base")}, "give a name, or two|at most 2 items"),
    ({"processor": ("pro",)}, "give a name, or two|Field required"),
    ({"processor": ("pro", "cor")}, "'cor' is unknown; did you mean core"),
    (
        {"processor": "cor"},
        r"pass `request=RequestOptions\(allow_unknown_processor=True\)` \(its price",
    ),
    ({"procesor": "pro"}, "procesor"),
]


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
@pytest.mark.parametrize(("options", "words"), WRONG_OPTIONS, ids=str)
def test_a_door_refuses_a_wrong_option_before_anything_is_sent(
    door: Any, options: dict[str, Any], words: str
) -> None:
    simulator = Simulator()
    with pytest.raises((TypeError, ValueError), match=words):
        door(client=blocking_client(simulator), **options)
    assert simulator.requests == []


@pytest.mark.parametrize("door", [ParallelResearchMiddleware, ParallelTaskTool])
@pytest.mark.parametrize("most", [0, 999, -1, 1_500.5, "many"])
def test_a_cap_too_small_for_any_text_is_refused(door: Any, most: Any) -> None:
    with pytest.raises(ValueError, match="max_chars"):
        door(client=blocking_client(Simulator()), max_chars=most)


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
@pytest.mark.parametrize("name", ["", " ", None, 0], ids=repr)
def test_a_name_that_is_none_is_refused(door: Any, name: Any) -> None:
    with pytest.raises(ValueError, match="name"):
        door(client=blocking_client(Simulator()), name=name)


def test_an_empty_ledger_id_is_not_taken_for_none() -> None:
    with pytest.raises(ValueError, match="ledger_id"):
        ParallelTaskTool(client=blocking_client(Simulator()), ledger_id="")


SWEEPS: list[tuple[dict[str, Any], str]] = [
    ({"concurrency": 0}, "concurrency is 0; give a whole number, from 1 up"),
    ({"concurrency": 1.5}, "concurrency is 1.5"),
    ({"concurrency": None}, "concurrency is None"),
    ({"per_second": 0}, "per_second is 0; give a number above 0"),
    ({"per_second": "2"}, "per_second is '2'"),
    ({"per_second": float("nan")}, "per_second is nan"),
    ({"stranded_after": -1}, "stranded_after is -1; give seconds, from 0 up, or None for never"),
    ({"stranded_after": "x"}, "stranded_after is 'x'"),
]


@pytest.mark.parametrize(("options", "words"), SWEEPS, ids=str)
def test_a_wrong_option_of_a_sweep_is_refused(options: dict[str, Any], words: str) -> None:
    client = blocking_client(Simulator())
    graph = create_research_graph(client=client).compile(checkpointer=InMemorySaver())
    with pytest.raises(InvalidRequest, match=words):
        sweep(graph, client, **options)


FALSY: list[tuple[dict[str, Any], str]] = [
    ({"ledger_id": 0}, "ledger_id must be text"),
    ({"interaction_id": 0}, "interaction_id must be text"),
    ({"interaction_id": ""}, "previous_interaction_id is empty"),
    ({"processor": 0}, "processor must be text"),
    ({"continue_from": False}, "continue_from must be text"),
    ({"limits": 0}, "Limits are an object"),
    ({"limits": []}, "Limits are an object"),
    ({"question": 0}, "question must be text"),
]


@pytest.mark.parametrize(("given", "words"), FALSY, ids=str)
def test_what_is_falsy_beside_a_question_is_not_taken_for_nothing(
    given: dict[str, Any], words: str
) -> None:
    simulator = Simulator()
    graph: Any = create_research_graph(client=blocking_client(simulator)).compile()
    with pytest.raises(InvalidRequest, match=words):
        graph.invoke({"question": "How large is it?", **given})
    assert simulator.runs() == []


@pytest.mark.parametrize("limits", [{"max_cost_usd": 0}, {"max_runs": 0}, {"max_seconds": 0}])
def test_a_limit_of_zero_is_one(limits: dict[str, Any]) -> None:
    simulator = Simulator()
    graph = create_research_graph(
        client=blocking_client(simulator), limits=Limits(**limits, on_exceed="stop")
    ).compile()
    out = graph.invoke({"question": "How large is it?"})
    assert out["verdict"]["action"] == "stop"
    assert simulator.runs() == []


def test_nothing_allows_an_unknown_processor_as_a_limit() -> None:
    with pytest.raises(InvalidRequest) as caught:
        Limits(approve_above="prow")
    assert "allow_unknown_processor" not in str(caught.value)


def test_the_middleware_refuses_what_are_no_limits_in_the_same_words() -> None:
    limits: Any = {"max_cost_usd": 2.0}
    with pytest.raises(InvalidRequest, match="limits is a dict; give Limits"):
        ParallelResearchMiddleware(client=blocking_client(Simulator()), limits=limits)


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
def test_only_the_graph_asks_again_by_itself(door: Any) -> None:
    made: dict[str, Any] = {"client": blocking_client(Simulator())}
    made["limits"] = Limits(max_runs_per_question=2)
    if door is create_research_graph:
        door(**made)
        return
    with pytest.raises(ValueError, match="max_runs_per_question is for the research graph"):
        door(**made)


def test_a_processor_that_is_given_is_the_usual_one_also_if_it_is_the_default() -> None:
    given = ("core", "base")
    assert Processors.of(given, ["ultra"]).first == "core"
    assert Processors.of(DEFAULT_PROCESSORS, ["ultra"]).first == "ultra"


def test_an_unknown_processor_that_the_client_would_refuse_is_refused_when_a_door_is_made() -> None:
    client, request = blocking_client(Simulator()), RequestOptions(allow_unknown_processor=True)
    with pytest.raises(InvalidRequest, match="allow_unknown_processor is given beside a client"):
        create_research_graph(processor="core9x", request=request, client=client)


JUNK: list[Any] = [
    0,
    "",
    None,
    -1,
    True,
    1.5,
    float("nan"),
    float("inf"),
    10**400,
    "\ud83d",
    "\x00",
    b"x",
]
JUNK += [[], {}, ("", ""), {"a": 1}, object(), "é漢", "a" * 100_000]
MADE: list[tuple[Any, dict[str, Any]]] = [
    *[(door, {"api_key": "k"}) for door in DOORS],
    *[(kind, {"api_key": "k"}) for kind in (ParallelClient, AsyncParallelClient)],
    (ChatParallel, {"api_key": "k"}),
    (Limits, {}),
    (RequestOptions, {}),
    (RetryPolicy, {}),
    (by_evidence, {}),
    (by_person, {}),
    (deep_then_fast, {}),
]
OPTIONS = [
    (made, name, given)
    for made, given in MADE
    for name in signature(made).parameters
    if name not in {"langchain", "args_schema"}
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("made", "name", "given"), OPTIONS, ids=[f"{made.__name__}.{name}" for made, name, _ in OPTIONS]
)
def test_whatever_an_option_is_given_ends_in_an_error_of_ours(
    made: Any, name: str, given: dict[str, Any]
) -> None:
    for junk in JUNK:
        try:
            made(**{**given, name: junk})
        except (ParallelError, pydantic.ValidationError) as error:
            assert len(str(error)) < 6_000  # noqa: PT017


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("api_key", 5, "api_key is an int; give text"),
        ("base_url", b"http://x", "base_url is a bytes; give text"),
        ("base_url", "\ud83d", "is not the HTTP address of a server"),
        (
            "retry_policy",
            {"max_attempts": 3},
            r"retry_policy is a dict; give RetryPolicy\(\.\.\.\)",
        ),
        ("allow_unknown_processor", "no", "allow_unknown_processor is a str; give True or False"),
    ],
)
def test_a_client_says_what_an_option_should_be(name: str, value: Any, words: str) -> None:
    given: dict[str, Any] = {"api_key": "k", name: value}
    with pytest.raises(InvalidRequest, match=words):
        ParallelClient(**given)
