"""What a checkpoint has of a session's turns is smaller than the turns, and says all of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langgraph.channels import BinaryOperatorAggregate
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Overwrite
from typing_extensions import TypedDict

from langchain_parallel import create_research_graph
from langchain_parallel.errors import InvalidRequest
from langchain_parallel.research import Turn, merge_turns, write_turns_once
from langchain_parallel.research._channels import MergedTurns
from langchain_parallel.research.turn_codec import TurnTable, unpack_turns
from langchain_parallel.simulator import RunScript

from .harness import Session, blocking_client

SOURCES = [(f"https://{n}.example/report/of/the/year", f"Report {n} of the year") for n in "abc"]


def turn(position: int, *cited: int, **more: Any) -> dict[str, Any]:
    citations = [
        {"number": n, "url": SOURCES[at][0], "title": SOURCES[at][1], "fields": ["ceo", "revenue"]}
        for n, at in enumerate(cited, start=1)
    ]
    named = {"run_id": f"trun_{position}", "key": f"key {position}", "position": position}
    return {**named, "question": "Who?", "citations": citations, **more}


# --- the form ------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.floats(allow_nan=False)
    | st.text("ab", max_size=2),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=2)
    ),
    max_leaves=4,
)
NAMES = st.sampled_from(["ceo", "", "a.b"])
USUAL = st.fixed_dictionaries(
    {
        "url": st.sampled_from([url for url, _ in SOURCES]),
        "title": st.sampled_from([None, "", "Title"]),
        "fields": st.lists(NAMES, max_size=3),
    },
    optional={"excerpts": st.lists(st.text("xy", max_size=2), max_size=2)},
)
ODD = st.fixed_dictionaries(
    {"number": JSON},
    optional={"url": JSON, "title": JSON, "fields": JSON, "excerpts": JSON, "cited": JSON},
)


@st.composite
def citations(draw: st.DrawFn) -> Any:
    usual = draw(st.lists(USUAL, max_size=3))
    found: list[Any] = [{"number": n, **one} for n, one in enumerate(usual, start=1)]
    return draw(
        st.just(found) | st.lists(ODD | st.sampled_from(found or [None]), max_size=3) | JSON
    )


TURNS = st.lists(
    st.fixed_dictionaries({"citations": citations()}, optional={"cited": JSON, "content": JSON})
    | JSON,
    max_size=4,
)


def same(one: Any, other: Any) -> bool:
    """Also 1 and True, and the order of keys, are told apart."""
    return json.dumps(one) == json.dumps(other)


def test_a_citation_keeps_the_order_of_its_keys() -> None:
    for order in (("number", "url", "fields", "title"), ("fields", "title", "url", "number")):
        usual = {"number": 1, "url": "https://a.example", "title": "A", "fields": ["ceo"]}
        turns: list[Any] = [{"citations": [{name: usual[name] for name in order}]}]
        assert same(TurnTable().unpack(json.loads(json.dumps(TurnTable().pack(turns)))), turns)


@given(TURNS, st.data())
def test_any_turns_are_read_as_they_were_written(turns: list[Any], data: st.DataObject) -> None:
    table = TurnTable()
    kept = json.loads(json.dumps(table.pack(turns)))
    read = TurnTable()
    again = read.unpack(kept)
    assert same(again, turns)
    # What follows is packed by the table that wrote, and by one that has read.
    first, added = data.draw(st.integers(0, len(turns))), data.draw(TURNS)
    whole = TurnTable().pack([*turns[:first], *added])
    assert same(table.pack([*turns[:first], *added]), whole)
    assert same(read.pack([*again[:first], *added]), whole)


@pytest.mark.parametrize(
    "odd",
    [
        {"number": True},
        {"number": 1.0},
        {"number": 2},
        {"url": None},
        {"url": ["two"]},
        {"title": 5},
        {"fields": "ceo"},
        {"fields": [0]},
        {"fields": None},
        {"excerpts": "text"},
        {"note": "a person's"},
    ],
)
def test_an_odd_citation_is_read_as_it_was_written(odd: dict[str, Any]) -> None:
    one = turn(1, 1)
    one["citations"][0] |= odd
    turns = [turn(0, 0), one, turn(2, 2)]
    assert same(unpack_turns(json.loads(json.dumps(TurnTable().pack(turns)))), turns)


@pytest.mark.parametrize("more", [{"cited": [[0, 0]]}, {"cited": None}, {"cited": "text"}])
def test_a_turn_with_a_key_of_the_packed_form_is_read_as_it_was_written(more: Any) -> None:
    without = turn(1, **more)
    del without["citations"]
    for odd in (without, turn(1, 1, **more)):
        turns = [turn(0, 0), odd]
        assert same(unpack_turns(json.loads(json.dumps(TurnTable().pack(turns)))), turns)


@pytest.mark.parametrize("kept", [None, "text", 3, [], [{"run_id": "a"}], {"turns": []}, {"a": 1}])
def test_what_is_not_packed_stays_as_it_is(kept: Any) -> None:
    assert unpack_turns(kept) == kept
    assert TurnTable().pack(kept) == kept


@pytest.mark.parametrize("row", [[7], [0, 9], ["a"], [], "x", None, [[0]]])
def test_what_another_program_packed_wrongly_is_no_list_of_turns(row: Any) -> None:
    kept = {
        "sources": [["https://a.example", None]],
        "fields": ["ceo"],
        "turns": [{"cited": [row]}],
    }
    assert unpack_turns(kept) is kept


def test_an_address_of_several_turns_is_written_once() -> None:
    turns = [turn(0, 0, 1), turn(1, 1, 2), turn(2, 0, 1, 2)]
    text = json.dumps(TurnTable().pack(turns))
    for url, title in SOURCES:
        assert text.count(url) == text.count(title) == 1
    assert text.count("revenue") == 1


def test_what_a_replaced_turn_alone_cited_is_written_no_more() -> None:
    table, kept, old = TurnTable(), turn(0, 0), turn(1, 1, 2)
    assert SOURCES[2][0] in json.dumps(table.pack([kept, old]))
    text = json.dumps(table.pack([kept, turn(1, 1, status="withheld")]))
    assert SOURCES[1][0] in text
    assert SOURCES[2][0] not in text
    read = TurnTable()
    turns = read.unpack(json.loads(json.dumps(table.pack([kept, old]))))
    packed = read.pack([turns[0], turn(1)])
    assert SOURCES[2][0] not in json.dumps(packed)
    assert packed == TurnTable().pack([kept, turn(1)])
    other = turn(1, 2)
    other["citations"][0]["fields"] = ["employees"]
    assert read.pack([turns[0], other]) == TurnTable().pack([kept, other])
    assert read.pack([turns[0], turn(1, 1)]) == TurnTable().pack([kept, turn(1, 1)])


def test_what_was_handed_out_does_not_change_when_turns_are_added() -> None:
    """A checkpointer may write it while the next step runs."""
    table, first = TurnTable(), turn(0, 0)
    kept = table.pack([first])
    before = json.dumps(kept)
    table.pack([first, turn(1, 1, 2)])
    assert json.dumps(kept) == before


# --- threads -------------------------------------------------------------------------------------


class Before(BinaryOperatorAggregate[Any]):
    """The channel with which earlier versions wrote a list of turns."""


@pytest.fixture(params=["memory", "sqlite"])
def saver(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    if request.param == "memory":
        yield InMemorySaver()
        return
    with SqliteSaver.from_conn_string(str(tmp_path / "checkpoints.sqlite")) as opened:
        yield opened


def graph_of(of: Session, form: str, **options: Any) -> Any:
    options = {**of.options, **options}
    graph: Any = create_research_graph(
        processor=("pro", "core-fast"), client=blocking_client(of.simulator), **options
    )
    if form == "before":
        graph.channels["turns"] = Before(list[Turn], merge_turns)
        graph.channels["turns"].key = "turns"
    if form == "once":
        graph = write_turns_once(graph)
    return graph.compile(checkpointer=of.checkpointer)


def ask(graph: Any, of: Session, given: Any) -> Any:
    given = {"question": given} if isinstance(given, str) else given
    return graph.invoke(given, of.config, durability="sync")


def stored(of: Session) -> Any:
    return of.checkpointer.get_tuple(of.config).checkpoint["channel_values"].get("turns")


def test_a_thread_from_before_goes_on(saver: Any) -> None:
    """With its seals: its turns are believed without a request for each."""
    of = Session("sync", checkpointer=saver)
    old = ask(graph_of(of, "before"), of, "Who leads?")["turns"]
    assert stored(of) == old
    now = graph_of(of, "now")
    assert now.get_state(of.config).values["turns"] == old
    out = ask(now, of, "And where?")
    assert out["turns"][0] == old[0]
    assert [one["question"] for one in out["turns"]] == ["Who leads?", "And where?"]
    assert out["turns"][1]["parent_interaction_id"] == old[0]["interaction_id"]
    assert isinstance(stored(of), dict)
    assert unpack_turns(stored(of)) == out["turns"]
    assert len(of.runs) == 2
    for one in now.get_state_history(of.config):  # old and new checkpoints
        assert isinstance(one.values.get("turns") or [], list)


@pytest.mark.parametrize("parked", [False, True])
def test_a_run_from_before_is_not_paid_for_again(saver: Any, parked: bool) -> None:
    of = Session("sync", checkpointer=saver, options={"wait": "park"} if parked else {})
    if not parked:  # as if the process had died behind `submit`
        ask(graph_of(of, "before"), of, "Who leads?")
        before = next(
            one
            for one in graph_of(of, "before").get_state_history(of.config)
            if one.next == ("wait",)
        )
        out = graph_of(of, "now").invoke(None, before.config, durability="sync")
    else:
        ask(graph_of(of, "before"), of, "Who leads?")
        of.simulator.clock.sleep(10_000)
        out = ask(graph_of(of, "now"), of, Command(resume=True))
    assert [one["status"] for one in out["turns"]] == ["completed"]
    assert len(of.runs) == 1


@pytest.mark.parametrize(
    "forms", [("now", "once", "now"), ("once", "now", "once"), ("before", "once", "now")]
)
def test_a_thread_goes_on_in_every_form(saver: Any, forms: tuple[str, ...]) -> None:
    of = Session("sync", checkpointer=saver)
    asked, outs = [], []
    for number, form in enumerate(forms):
        asked.append(f"Question {number}?")
        outs.append(ask(graph_of(of, form), of, asked[-1]))
        assert [one["question"] for one in outs[-1]["turns"]] == asked
        assert outs[-1]["turns"][:number] == (outs[-2]["turns"] if number else [])
        for other in ("now", "once"):
            assert graph_of(of, other).get_state(of.config).values["turns"] == outs[-1]["turns"]
    assert len(of.runs) == 3


class Parent(TypedDict, total=False):
    question: str
    interaction_id: str | None
    ledger_id: str
    turns: Annotated[list[Turn], merge_turns]


def test_a_graph_with_the_reducer_alone_goes_on_with_a_thread(saver: Any) -> None:
    of = Session("sync", checkpointer=saver)
    first = ask(graph_of(of, "now"), of, "Who leads?")["turns"]
    parent: Any = StateGraph(Parent)
    parent.add_node("ask", graph_of(Session("sync", of.simulator, checkpointer=None), "now"))
    parent.add_edge(START, "ask")
    parent.add_edge("ask", END)
    graph = parent.compile(checkpointer=saver)
    out = ask(graph, of, "And where?")
    assert out["turns"][:1] == first
    assert [one["question"] for one in out["turns"]] == ["Who leads?", "And where?"]
    assert len(of.runs) == 2


def test_excerpts_are_read_back(saver: Any) -> None:
    of = Session("sync", checkpointer=saver, options={"keep_excerpts": True})
    cited = [{"url": SOURCES[0][0], "title": "T", "excerpts": ["One.", "Two."]}]
    basis = [{"field": "ceo", "reasoning": "r", "confidence": "high", "citations": cited}]
    of.simulator.scripts.add(RunScript(output={"content": {"ceo": "Ada"}, "basis": basis}))
    turns = ask(graph_of(of, "now"), of, "Who leads?")["turns"]
    assert turns[0]["citations"][0]["excerpts"] == ["One.", "Two."]
    assert isinstance(stored(of), dict)
    assert graph_of(of, "now").get_state(of.config).values["turns"] == turns


def test_what_a_person_writes_into_the_turns_is_kept(saver: Any) -> None:
    of = Session("sync", checkpointer=saver)
    graph = graph_of(of, "now")
    [one] = ask(graph, of, "Who leads?")["turns"]
    graph.update_state(of.config, {"turns": [{**one, "citations": [{"url": "my note"}]}]})
    assert graph.get_state(of.config).values["turns"][0]["citations"] == [{"url": "my note"}]
    graph.update_state(of.config, {"turns": Overwrite([])})
    assert not graph.get_state(of.config).values["turns"]


def test_packed_turns_are_no_way_round_the_check_of_turns() -> None:
    kept = {"sources": [["https://a.example", None]], "fields": [], "turns": [{"cited": [[0]]}]}
    for packed in (kept, {**kept, "turns": [{"cited": [[5]]}]}):
        with pytest.raises(InvalidRequest):
            merge_turns([], packed)  # type: ignore[arg-type]  # what a client may send


# --- what a step writes --------------------------------------------------------------------------


def test_a_turn_is_written_once_and_then_what_was_made_of_it(saver: Any) -> None:
    of = Session("sync", checkpointer=saver)
    [one] = ask(graph_of(of, "now"), of, "Who leads?")["turns"]
    sizes = [
        len(turn)
        for found in saver.list(of.config)
        for _, channel, value in found.pending_writes or ()
        if channel == "turns"
        for turn in value
    ]
    assert sorted(sizes) == [4, len(one)]
    assert one["verdict"]["action"] == "accept"


def test_a_change_of_a_turn_leaves_the_rest_of_it() -> None:
    known: Any = [turn(0, 0), turn(1, 1)]
    changed: Any = {
        "run_id": "trun_0",
        "key": "key 0",
        "position": 0,
        "verdict": {"action": "stop"},
    }
    assert merge_turns(known, [changed]) == [{**known[0], "verdict": {"action": "stop"}}, known[1]]
    whole: Any = turn(1)
    assert merge_turns(known, [whole]) == [known[0], whole]


def test_a_channel_without_turns_is_written_as_before() -> None:
    assert MergedTurns(list[Turn], merge_turns).checkpoint() == []
