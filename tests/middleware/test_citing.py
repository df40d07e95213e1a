"""The source behind `[3]` in an answer, and typed research as an agent's answer."""

from __future__ import annotations

import time
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from pydantic import BaseModel

from benchmarks.report import always_answer
from langchain_parallel.errors import InvalidRequest, OutputMismatch
from langchain_parallel.middleware import UseFinding, find_citations, sources, structured_finding
from langchain_parallel.middleware.agent_state import AgentTurn
from langchain_parallel.middleware.citations import next_range, number_citations
from langchain_parallel.text.own_marks import json_told_apart, told_apart

from .harness import SAID, Account, Model, calls, follow_up, more, record, start, texts, thread


def test_marks_in_an_answer_lead_back_to_their_sources(account: Account) -> None:
    model = Model(calls(start("Who leads?"), start("Who follows?")), "It is so [1], see [2, 101].")
    state = account.invoke(account.agent(model), SAID)
    found, unknown = find_citations(state["messages"][-1].text, state)
    assert list(found) == [1, 2, 101]
    assert unknown == []
    assert [found[n]["handle"] for n in found] == ["r1", "r1", "r2"]
    for number, source in found.items():
        own = record(state, source["handle"])["citations"]
        assert source["url"] == next(c["url"] for c in own if c["number"] == number)
        assert source["run_id"] == record(state, source["handle"])["run_id"]


def test_numbers_without_a_source_are_reported_as_unknown(account: Account) -> None:
    model = Model(calls(start("Who leads?")), "done")
    state = account.invoke(account.agent(model), SAID)
    assert find_citations("Surely [77]. In [2024]? And x[0].", state) == ({}, [77, 2024, 0])


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("So[1-3].", [1, 2, 3]),
        ("[1–2, 4]", [1, 2, 4]),
        ("[1,3]", [1, 3]),
        ("[1 ; 3]", [1, 3]),
        ("【1】【2†source】", [1, 2]),
        ("［1］", [1]),
        ("[1][2] [1](https://a.example)", [1, 2]),
        ("[３]", [3]),
        ("[3-1]", [3, 1]),
        ("[2-2]", [2]),
        ("[1-5000000000]", [1, 5_000_000_000]),
        ("[1@c65c64-3@c65c64]", ["1@c65c64", "2@c65c64", "3@c65c64"]),
        ("[1-2@c65c64]", ["1@c65c64", "2@c65c64"]),
        ("[2020 report](https://a.example) [2024-05-01] [a] [1, a] [] [1,\n2] [ 1] (1)", []),
        ("[market-1]", []),
    ],
)
def test_marks_are_understood_however_a_model_writes_them(text: str, numbers: list[Any]) -> None:
    assert find_citations(text, {}) == ({}, numbers)


@pytest.mark.parametrize("text", ["[market-1, market-3]", "[market-1, 3]", "[market-1][market-3]"])
def test_marks_of_a_named_one_are_understood_too(text: str) -> None:
    assert find_citations(text, {}, "market").unknown == [1, 3]
    assert find_citations("[market-1-3], [market-1–market-3]", {}, "market").unknown == [1, 2, 3]
    assert find_citations("[1], [patents-1]", {}, "market").unknown == []


def test_an_endless_text_takes_no_time() -> None:
    for hostile in ("[" * 300_000, "[1," * 100_000, "[" + "1@ab-3," * 100_000, "【1-" * 100_000):
        begun = time.perf_counter()
        find_citations(hostile, {})
        json_told_apart(hostile)
        told_apart(hostile)
        assert time.perf_counter() - begun < 2


def test_every_number_names_one_source_in_the_whole_thread(account: Account) -> None:
    model = Model(calls(start("One?"), start("Two?")), calls(follow_up("r1", "Three?")), "done")
    state = account.invoke(account.agent(model), SAID)
    by_number: dict[int, set[str]] = {}
    for found in state["parallel_research"].values():
        for source in found["citations"]:
            by_number.setdefault(source["number"], set()).add(source["url"])
    assert all(len(urls) == 1 for urls in by_number.values())
    assert {n: {s["url"]} for n, s in sources(state).items()} == by_number


def test_an_address_keeps_its_number_in_later_findings(account: Account) -> None:
    same = {"url": "https://wire.example/one", "title": "One", "excerpts": []}
    answer = {"content": {"a": "x"}, "basis": {"a": {"confidence": "high", "citations": [same]}}}
    again = Account(account.how, always_answer(answer))
    model = Model(calls(start("One?")), calls(follow_up("r1", "Two?")), "done")
    state = again.invoke(again.agent(model), SAID)
    assert [c["number"] for r in state["parallel_research"].values() for c in r["citations"]] == [
        1,
        1,
    ]
    assert list(sources(state)) == [1]


def test_numbers_do_not_change_when_an_older_run_ends_later(account: Account) -> None:
    account.script(contains="Slow?", seconds=5_000)
    model = Model(calls(start("Slow?"), start("Fast?")), "later")
    saver = InMemorySaver()
    agent = account.agent(model, wait="background", compiled={"checkpointer": saver})
    account.invoke(agent, SAID, thread())
    account.pass_time(1_000)
    model.says("one of them")
    state = account.invoke(agent, more(), thread())
    early = sources(state)
    assert {s["handle"] for s in early.values()} == {"r2"}
    account.pass_time()
    model.says("both")
    state = account.invoke(agent, more(), thread())
    late = sources(state)
    assert {number: late[number] for number in early} == early
    assert {s["handle"] for s in late.values()} == {"r1", "r2"}


def test_more_than_a_hundred_citations_stay_apart() -> None:
    def made(position: int) -> AgentTurn:
        urls = [{"url": f"https://{position}.example/{n}"} for n in range(250)]
        turn: Any = {"handle": f"r{position}", "position": position, "citations": urls}
        return turn  # type: ignore[no-any-return]

    numbers = [c["number"] for p in range(30) for c in number_citations(made(p), {}, {})]
    assert len(set(numbers)) == len(numbers) == 30 * 250


@pytest.mark.parametrize("planned", [None, "0", True, -1, 1_000, 10**30, 0.5])
def test_a_run_whose_range_nobody_planned_has_numbers_far_above_all_others(planned: Any) -> None:
    turn: Any = {"handle": "r1", "position": 3, "numbers_at": planned}
    turn["citations"] = [{"url": "https://a.example"}]
    found = number_citations(turn, {}, {})
    assert [one["number"] for one in found] == [100_301]
    assert next_range({"r1": turn}) == 0


@pytest.mark.parametrize("suffix", [{}, {"citation_suffix": "c65c64"}], ids=["own", "sub-agent"])
def test_a_next_run_has_the_range_above_those_of_all_others(suffix: Any) -> None:
    research: Any = {h: {**suffix, "numbers_at": at} for h, at in (("r1", 0), ("r2", 7), ("r3", 2))}
    assert next_range(research) == 8


def within(ledger: str | None) -> Any:
    """A state with one finding of two sources; of a sub-agent, if there is a ledger's name."""
    urls = [{"url": f"https://{ledger}.example/{n}", "fields": []} for n in range(2)]
    ids = {
        "handle": "r1",
        "run_id": "trun",
        "interaction_id": None,
        "citation_suffix": ledger or "",
    }
    found: Any = {**ids, "position": 0, "numbers_at": 0, "citations": urls}
    return {**found, "citations": number_citations(found, {}, {})}


def test_marks_of_sub_agents_are_resolved_in_every_state_with_their_records() -> None:
    found = {"r1": within(None), "r1@c65c64": within("c65c64"), "r1@42d1f0": within("42d1f0")}
    text = "So [1], [1@c65c64] and [2@42d1f0, 2; 1@42d1f0]; not [1@ffffff]."
    known, unknown = find_citations(text, {"parallel_research": found})
    assert list(known) == [1, "1@c65c64", "2@42d1f0", 2, "1@42d1f0"]
    urls = {number: source["url"] for number, source in known.items()}
    assert urls["1@c65c64"] == "https://c65c64.example/0"
    assert urls["2@42d1f0"] == "https://42d1f0.example/1"
    assert unknown == ["1@ffffff"]
    named = {"parallel_market": {"market-1": within("c65c64")}}
    assert list(find_citations("So [market-2@c65c64].", named, "market").sources) == ["2@c65c64"]


# --- typed ------------------------------------------------------------------------------------------


class Profile(BaseModel):
    revenue: str
    employees: str


def hand_over(handle: str, comment: str = "") -> AIMessage:
    return calls(("UseFinding", {"handle": handle, "comment": comment}))


def test_a_structured_answer_is_filled_from_typed_research_without_writing_it_again(
    account: Account,
) -> None:
    model = Model(calls(start("Which figures?")), hand_over("r1", "As reported [1]."))
    agent = account.agent(model, output_schema=Profile, compiled={"response_format": UseFinding})
    state = account.invoke(agent, SAID)
    given = structured_finding(Profile, state)
    assert given.value == Profile.model_validate(record(state, "r1")["content"])
    assert given.handle == "r1"
    assert given.comment == "As reported [1]."
    assert given.run_id == account.runs[0]["run_id"]
    assert set(given.citations) == {"revenue", "employees"}
    assert given.citations["revenue"][0] == sources(state)[1]
    assert set(given.confidence) == {"revenue", "employees"}


def test_it_can_be_handed_over_by_a_program_too(account: Account) -> None:
    model = Model(calls(start("Which figures?")), "done")
    state = account.invoke(account.agent(model, output_schema=Profile), SAID)
    assert structured_finding(Profile, state, "r1").value.revenue in texts(state)[0]


def test_what_does_not_fit_is_refused_and_says_so(account: Account) -> None:
    model = Model(calls(start("Which figures?")), "done")
    state = account.invoke(account.agent(model, output_schema=Profile), SAID)

    class Other(BaseModel):
        founded: int

    with pytest.raises(OutputMismatch, match="founded"):
        structured_finding(Other, state, "r1")
    with pytest.raises(InvalidRequest, match="Known: r1"):
        structured_finding(Profile, state, "r2")
    with pytest.raises(InvalidRequest, match="UseFinding"):
        structured_finding(Profile, state)


def test_a_wrong_handle_is_refused_with_the_known_ones_and_nothing_is_lost(
    account: Account,
) -> None:
    account.script(contains="Fails?", outcome="failed")
    asked = calls(start("Which figures?"), start("Fails?"), start("And then?"))
    model = Model(asked, hand_over("r7", "As reported [1]."))
    agent = account.agent(model, output_schema=Profile, compiled={"response_format": UseFinding})
    state = account.invoke(agent, SAID)
    with pytest.raises(InvalidRequest) as wrong:
        structured_finding(Profile, state)
    assert "no research 'r7'. Known: r1 (completed)" in str(wrong.value)
    with pytest.raises(InvalidRequest) as failed:
        structured_finding(Profile, state, "r2")
    assert "r2 has no answer (failed). Known: r1 (completed)" in str(failed.value)
    assert "r3 (completed)" in str(failed.value)
    for error in (wrong, failed):
        assert str(error.value).endswith("Nothing is lost: name another one.")
    given = structured_finding(Profile, state, "r1")
    assert given.value == Profile.model_validate(record(state, "r1")["content"])
    assert given.comment == "As reported [1]."


def test_a_comment_on_another_finding_is_not_handed_over(account: Account) -> None:
    model = Model(calls(start("Which figures?"), start("And then?")), hand_over("r1", "So [1]."))
    agent = account.agent(model, output_schema=Profile, compiled={"response_format": UseFinding})
    state = account.invoke(agent, SAID)
    assert structured_finding(Profile, state, "R1").comment == "So [1]."
    assert structured_finding(Profile, state, "r2").comment == ""
