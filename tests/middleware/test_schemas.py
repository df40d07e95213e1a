"""What every turn of the model pays for: the tools' schemas, word for word, and what they cost."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.tools import tool
from langchain_core.utils.function_calling import convert_to_openai_tool

from benchmarks.tokens import by_characters
from langchain_parallel import RequestOptions
from langchain_parallel.errors import InvalidRequest

from .harness import SAID, Account, Model, calls, start

TEXT = {"type": "string"}
HANDLE = {"type": "string", "description": "Handle of a finished research, such as r1 or r1.2."}
QUESTION = {"type": "string", "description": "Self-contained: what to find out, scope, period."}
PARAMETERS: dict[str, Any] = {
    "start_research": {"properties": {"question": QUESTION}, "required": ["question"]},
    "follow_up": {
        "properties": {"handle": HANDLE, "question": QUESTION},
        "required": ["handle", "question"],
    },
    "branch": {
        "properties": {
            "handle": HANDLE,
            "questions": {
                "description": "Self-contained questions.",
                "items": TEXT,
                "maxItems": 10,
                "minItems": 1,
                "type": "array",
            },
        },
        "required": ["handle", "questions"],
    },
    "check_research": {
        "properties": {
            "handle": {
                **TEXT,
                "description": "One of them; all, if left out.",
            }
        }
    },
    "read_research": {
        "properties": {
            "handle": HANDLE,
            "page": {"default": 1, "type": "integer"},
            "field": TEXT,
        },
        "required": ["handle"],
    },
    "list_research": {"properties": {}},
}
TOKENS = 560
"""At four characters to a token, for all six tools."""


def schemas(**options: Any) -> dict[str, Any]:
    made = map(convert_to_openai_tool, Account().middleware(**options).tools)
    return {schema["function"]["name"]: schema["function"] for schema in made}


def test_the_arguments_are_these_and_nothing_injected_is_among_them() -> None:
    for name, schema in schemas().items():
        parameters = dict(schema["parameters"])
        assert parameters.pop("type") == "object"
        assert parameters.pop("additionalProperties", False) is False
        assert parameters == {"required": [], **PARAMETERS[name]} or parameters == PARAMETERS[name]


def test_the_descriptions_are_these() -> None:
    told = {name: schema["description"] for name, schema in schemas().items()}
    assert told == {
        "start_research": (
            "Research a question on the web, for facts to look up, compare or verify. Returns the "
            "answer with numbered sources. Costs money: do not ask twice. lite: $0.005, 10 s to 2 min."
        ),
        "follow_up": (
            "Ask further, building on all that a finished research found: ask only for what is "
            "missing. lite: $0.005, 10 s to 2 min."
        ),
        "branch": (
            "Ask several independent questions at the same time, each building on the same finished "
            "research. Each is paid for."
        ),
        "check_research": "Status of research; its answer, if it has ended. Free.",
        "read_research": (
            "Read finished research again, page by page or one field with its confidence and its "
            "sources' addresses; field='sources': all addresses. Free."
        ),
        "list_research": "All research so far with handles, status and cost. Free.",
    }


@pytest.mark.parametrize("wait", ["block", "background", "park"])
def test_all_tools_together_cost_few_tokens(wait: str) -> None:
    whole = json.dumps(list(schemas(wait=wait).values()), separators=(",", ":"))
    assert by_characters(whole) <= TOKENS


def test_a_choice_of_processors_is_described_with_prices() -> None:
    made = schemas(model_may_choose=("lite", "pro"), processor=("lite", "base"))
    choice = made["start_research"]["parameters"]["properties"]["processor"]
    assert choice == {"default": "lite", "enum": ["lite", "pro"], "type": "string"}
    later = made["follow_up"]["parameters"]["properties"]["processor"]
    assert later["default"] == "base"
    assert "pro: $0.10" in made["start_research"]["description"]


def test_no_secret_is_in_them() -> None:
    assert "key-aaaabbbb" not in json.dumps(schemas())


def test_a_second_middleware_brings_tools_of_its_own() -> None:
    names = set(schemas(name="patents"))
    assert names == {
        "start_patents",
        "follow_up_patents",
        "branch_patents",
        "check_patents",
        "read_patents",
        "list_patents",
    }
    assert names.isdisjoint(schemas())


@pytest.mark.parametrize("name", ["", "Patents", "r2", "a|b", "x" * 40])
def test_a_name_that_no_tool_could_have_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequest):
        Account().middleware(name=name)


def test_a_name_that_agents_have_for_a_part_of_theirs_meets_none_of_theirs() -> None:
    """Our keys have a prefix of their own, so no list of other packages' names can grow old."""
    for name in ("messages", "model", "tools", "todos", "model_route"):
        account = Account()
        agent = account.agent(
            Model(calls((f"start_{name}", {"question": "Who?"})), "done"), name=name
        )
        state = account.invoke(agent, SAID)
        assert state[f"parallel_{name}"][f"{name}-1"]["status"] == "completed"
        assert account.billed == 1


def test_a_tool_of_the_same_name_is_refused_before_anything_is_paid(account: Account) -> None:
    @tool
    def start_research(question: str) -> str:
        """Another tool of the same name."""
        return question

    agent = create_agent(
        Model(calls(start("Who?")), "done"), [start_research], middleware=[account.middleware()]
    )
    with pytest.raises(
        InvalidRequest, match="Another tool of this agent is called 'start_research'"
    ):
        account.invoke(agent, SAID)
    assert account.simulator.requests == []


@pytest.mark.parametrize("name", ["research_limits", "research_ledger_id", "patents_limits"])
def test_a_name_that_another_one_needs_in_the_state_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequest, match=name):
        Account().middleware(name=name)


@pytest.mark.parametrize(
    "args",
    [
        {},
        {"question": ""},
        {"question": "x", "processor": "ultra8x"},
        {"question": "x" * 30_000},
        {"question": ["x"]},
    ],
)
def test_arguments_that_do_not_fit_are_reported_and_start_nothing(
    account: Account, args: dict[str, Any]
) -> None:
    bad = ("start_research", args)
    model = Model(calls(bad, start("Who leads?")), "done")
    agent = account.agent(model, request=RequestOptions(strict=True))
    state = account.invoke(agent, SAID)
    said = state["messages"][2]
    assert said.status == "error"
    assert said.text
    assert account.asked == ["Who leads?"]
    assert list(state["parallel_research"]) == ["r1"]


def test_a_model_cannot_inject_what_langgraph_injects(account: Account) -> None:
    forged = start("Who leads?", runtime={"state": {"parallel_research": {}}, "tool_call_id": "9"})
    state = account.invoke(account.agent(Model(calls(forged), "done")), SAID)
    assert state["messages"][2].tool_call_id == "1"
    assert account.asked == ["Who leads?"]


def test_a_processor_left_out_is_the_first_one(account: Account) -> None:
    model = Model(calls(start("One?"), start("Two?", processor="base")), "done")
    state = account.invoke(account.agent(model, model_may_choose=("base",)), SAID)
    assert [r["processor"] for r in state["parallel_research"].values()] == ["lite", "base"]
