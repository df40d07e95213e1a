"""On every door: a rule of the documentation draws one warning per object, and is refused with `strict`."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, Field, ValidationError

from langchain_parallel import (
    ParallelResearchMiddleware,
    ParallelTaskTool,
    RequestOptions,
    create_research_graph,
)
from langchain_parallel.errors import InvalidRequest, RequestWarning
from langchain_parallel.middleware.structured import structured_finding
from langchain_parallel.models import DataSources, SourcePolicy, TaskAdvancedSettings
from langchain_parallel.simulator import ManualClock, Simulator

from .research.harness import blocking_client

DOORS: list[Any] = [create_research_graph, ParallelResearchMiddleware, ParallelTaskTool]
BROKEN = SourcePolicy(exclude_domains=["https://reddit.com"])
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"sources": {"type": "string"}, "evidence": {"type": "string"}},
}


@pytest.fixture
def caught() -> Iterator[list[warnings.WarningMessage]]:
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        yield found


def rules(caught: list[warnings.WarningMessage]) -> list[str]:
    return [w.message.rule for w in caught if isinstance(w.message, RequestWarning)]


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
def test_a_door_warns_once_of_each_rule_at_the_line_that_makes_it(
    door: Any, caught: list[warnings.WarningMessage]
) -> None:
    made = {"client": blocking_client(Simulator()), "processor": ("pro", "core")}
    door(request=RequestOptions(source_policy=BROKEN), output_schema=SCHEMA, **made)
    assert sorted(rules(caught)) == ["domain", "schema-basis"]
    assert {w.filename for w in caught} == {__file__}


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
def test_a_strict_door_is_not_made(door: Any, caught: list[warnings.WarningMessage]) -> None:
    simulator = Simulator()
    made = {"client": blocking_client(simulator), "output_schema": SCHEMA}
    with pytest.raises((InvalidRequest, ValidationError)) as refused:
        door(request=RequestOptions(source_policy=BROKEN, strict=True), **made)
    assert "'https://reddit.com' is no domain" in str(refused.value)
    assert "asks for evidence, sources" in str(refused.value)
    assert (rules(caught), simulator.requests) == ([], [])


def test_a_rule_that_a_question_breaks_is_named_once_by_tool_and_graph(
    caught: list[warnings.WarningMessage],
) -> None:
    simulator = Simulator(ManualClock())
    tool = ParallelTaskTool(client=blocking_client(simulator), processor="pro")
    graph: Any = create_research_graph(client=blocking_client(simulator), processor="pro").compile()
    for letter in "ab":
        assert "interaction" in tool.invoke(letter * 15_001)
        graph.invoke({"question": letter * 15_001})
    assert rules(caught) == ["deep-input", "deep-input"]
    assert len(simulator.runs()) == 4


def test_a_strict_graph_sends_no_question_that_breaks_a_rule() -> None:
    simulator = Simulator(ManualClock())
    strict = RequestOptions(strict=True)
    made = create_research_graph(client=blocking_client(simulator), processor="pro", request=strict)
    graph: Any = made.compile()
    with pytest.raises(InvalidRequest, match="holds 15,001 characters; for deep research"):
        graph.invoke({"question": "x" * 15_001})
    assert simulator.runs() == []


def test_a_warning_that_is_an_error_leaves_nothing_behind() -> None:
    """Python's own switch (`-W error`): nothing is sent, and the next call is in no doubt."""
    simulator = Simulator(ManualClock())
    graph: Any = create_research_graph(client=blocking_client(simulator), processor="pro").compile()
    with pytest.raises(RequestWarning, match="deep research"):
        graph.invoke({"question": "x" * 15_001})
    assert simulator.runs() == []


def test_connectors_and_new_fields_reach_the_api_from_a_door() -> None:
    simulator = Simulator(ManualClock())
    sources = DataSources(free=["pubmed"], extra_body={"cached": ["x"]})
    options = RequestOptions(
        advanced_settings=TaskAdvancedSettings(data_sources=sources),
        extra_body={"novelty": True},
    )
    ParallelTaskTool(client=blocking_client(simulator), request=options).invoke("Who?")
    [sent] = [
        r.body["inputs"][0] for r in simulator.requests if r.path.endswith("/runs") and r.body
    ]
    assert sent["novelty"] is True
    assert sent["advanced_settings"] == {"data_sources": {"free": ["pubmed"], "cached": ["x"]}}


class Funding(BaseModel):
    company: str
    usd: int = Field(ge=0)


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
@pytest.mark.parametrize(
    "schema", [list[Funding], Funding | None, {"json_schema": SCHEMA}], ids=str
)
@pytest.mark.filterwarnings("ignore::langchain_parallel.errors.RequestWarning")
def test_every_door_takes_a_schema_in_any_form(door: Any, schema: Any) -> None:
    door(client=blocking_client(Simulator()), output_schema=schema)
    with pytest.raises(
        ValueError, match=r"A value of the type int is no schema\. Give a pydantic class"
    ):
        door(client=blocking_client(Simulator()), output_schema=5)


def test_a_list_of_models_comes_back_from_tool_graph_and_middleware() -> None:
    simulator = Simulator(ManualClock())
    made: dict[str, Any] = {"client": blocking_client(simulator), "output_schema": list[Funding]}
    call = {"type": "tool_call", "id": "c", "name": "parallel_task", "args": {"input": "Who?"}}
    artifact = ParallelTaskTool(**made).invoke(call).artifact
    content = artifact["output"]["content"]
    graph: Any = create_research_graph(**made).compile()
    turn = graph.invoke({"question": "Who?"})["turns"][0]
    assert isinstance(turn["content"]["result"], list)
    assert list(content) == ["result"]
    record = {**turn, "handle": "r1", "content": {"result": [{"company": "A", "usd": 1}]}}
    found = structured_finding(list[Funding], {"parallel_research": {"r1": record}}, "r1")
    assert found.value == [Funding(company="A", usd=1)]
