"""The citations of the tool's answers, numbered through their conversation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver

from langchain_parallel.official import ParallelTaskRunTool
from langchain_parallel.text.source_numbers import number_of, position_of
from langchain_parallel.tools.thread_citations import number_citations, numbered_sources

from .helpers import START, Account, How, agent, answers, calls, invoke, thread

HERE = thread("a.thread")


def basis(*urls: str) -> dict[str, Any]:
    cited = [{"url": url, "title": f"Page {url[-1]}"} for url in urls]
    entry = {"field": "output", "reasoning": "", "confidence": "high", "citations": cited}
    return {"type": "text", "content": "They do [2].", "basis": [entry]}


def url(name: str) -> str:
    return f"https://example.org/{name}"


def numbers(message: ToolMessage) -> dict[str, int]:
    return {source["url"][-1]: source["number"] for source in message.artifact["citations"]}


async def test_a_number_names_one_source_in_all_answers_of_a_conversation(
    account: Account, how: How
) -> None:
    for asked, found in (("One?", "ab"), ("Two?", "bc"), ("Three?", "cd")):
        account.script(contains=asked, output=basis(*map(url, found)))
    says: list[Any] = [
        calls({"input": "One?"}),
        calls({"input": "Two?"}, {"input": "Three?"}),
        "done",
    ]
    state = await invoke(agent(account.tool(), *says), START, how)
    one, two, three = answers(state)
    assert numbers(one) == {"a": 1, "b": 2}
    assert numbers(two) == {"b": 2, "c": 102}
    assert numbers(three) == {"c": 201, "d": 202}  # it could not see the one beside it
    assert f"[102] {url('c')}" in two.text
    assert f"[1] {url('b')}" not in two.text
    known = numbered_sources(state["messages"])
    assert {number: source["url"][-1] for number, source in known.items()} == {
        1: "a",
        2: "b",
        102: "c",
        201: "c",
        202: "d",
    }


async def test_what_the_text_wrote_as_a_mark_is_none(account: Account, how: How) -> None:
    account.script(output=basis(url("a")))
    (answer,) = answers(
        await invoke(agent(account.tool(), calls({"input": "?"}), "done"), START, how)
    )
    assert "They do (2)." in answer.text


async def test_calls_that_ask_the_same_have_the_same_numbers(account: Account, how: How) -> None:
    asked = {"input": "One?"}
    state = await invoke(agent(account.tool(), calls(asked, asked), "done"), START, how)
    first, second = answers(state)
    assert numbers(first) == numbers(second)
    assert account.billed == 1


async def test_a_replay_gives_the_same_numbers(account: Account, how: How) -> None:
    says: list[Any] = [calls({"input": "One?"}), calls({"input": "Two?"}), "done", "done"]
    graph = agent(account.tool(), *says, checkpointer=InMemorySaver())
    first = answers(await invoke(graph, START, how, HERE))
    at = next(s for s in graph.get_state_history(HERE) if "tools" in s.next)
    again = answers(await invoke(graph, None, how, at.config))
    assert [m.content for m in again] == [m.content for m in first]


async def test_an_answer_by_hand_begins_at_one(account: Account, how: How) -> None:
    for _ in range(2):
        message = await invoke(
            account.tool(),
            {"type": "tool_call", "id": "1", "name": "parallel_task", "args": {"input": "?"}},
            how,
        )
        assert message.artifact["citations"][0]["number"] == 1


def sources(*names: str) -> list[dict[str, Any]]:
    return [{"number": 1, "url": url(name), "title": None, "fields": []} for name in names]


def told(citations: Sequence[Any]) -> ToolMessage:
    return ToolMessage("", tool_call_id="1", artifact={"citations": citations})


def test_where_the_sources_were_cut_no_number_is_given_again_that_a_summary_names() -> None:
    summary = HumanMessage("Summary: they do [3][205].")
    assert number_citations(sources("a"), [summary])[0]["number"] == 301
    assert number_citations(sources("a"), [told(sources("b")), summary])[0]["number"] == 101


@pytest.mark.parametrize(
    "odd",
    [
        None,
        "citations",
        [None, 5, "x", {}],
        [{"number": "1", "url": url("b")}, {"number": True, "url": url("c")}],
        [{"number": -1, "url": url("b")}, {"number": 10**40, "url": url("b")}],
        [{"number": 3, "url": None}],
    ],
    ids=repr,
)
def test_what_other_tools_call_citations_is_passed_over(odd: Any) -> None:
    messages: list[AnyMessage] = [told(odd), ToolMessage("", tool_call_id="2", artifact="text")]
    messages += [AIMessage("In [99999999999999999999] and [0].")]
    assert number_citations(sources("a"), messages)[0]["number"] == 1


@given(st.integers(0, 9_999), st.integers(1, 5_000))
def test_each_number_tells_its_answers_place_and_no_two_sources_share_one(
    position: int, nth: int
) -> None:
    number = number_of(position, nth)
    assert position_of(number) == position or nth > 100
    assert number_of(position, nth + 1) != number
    assert number_of(position + 1, nth) != number


@given(st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=5), max_size=6))
def test_in_any_conversation_one_number_is_one_source(found: list[list[str]]) -> None:
    messages: list[AnyMessage] = []
    for names in found:
        messages.append(told(number_citations(sources(*dict.fromkeys(names)), messages)))
    known: dict[str, set[int]] = {}
    for message in messages:
        assert isinstance(message, ToolMessage)
        for name, number in numbers(message).items():
            known.setdefault(name, set()).add(number)
    assert all(len(of_one) == 1 for of_one in known.values())
    assert len(set.union(set(), *known.values())) == len(known)


def test_research_by_hand_works_on_the_official_packages_tool_too(account: Account) -> None:
    client = account.tool().client
    tool = ParallelTaskRunTool(client=client)
    assert tool.research("Who leads?").citations[0]["number"] == 1
    assert account.billed == 1


def test_a_number_that_no_answer_can_have_moves_no_other_one() -> None:
    assert number_citations(sources("a"), [HumanMessage("Why [100001]?")])[0]["number"] == 1
