"""What a checkpoint has of a session's turns is smaller than the turns, and says all of them."""

from __future__ import annotations

import json
import tracemalloc
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from enum import IntEnum
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from langgraph.channels import BinaryOperatorAggregate
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.serde.base import CipherProtocol
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Overwrite
from typing_extensions import TypedDict

from langchain_parallel import create_research_graph
from langchain_parallel.errors import InvalidRequest
from langchain_parallel.research import Turn, merge_turns, write_turns_once
from langchain_parallel.research._channels import MergedTurns
from langchain_parallel.research.turn_codec import TurnPacker, unpack_turns
from langchain_parallel.simulator import RunScript

from .harness import Session, blocking_client

LONG = " ".join(sha256(bytes([n])).hexdigest() for n in range(20))
"""A text without repetition, of 1,300 characters."""
SOURCES = [(f"https://{n}.example/report/of/the/year", f"Report {n} of the year") for n in "abc"]


def turn(position: int, *cited: int, **more: Any) -> dict[str, Any]:
    citations = [
        {"number": n, "url": SOURCES[at][0], "title": SOURCES[at][1], "fields": ["ceo", "revenue"]}
        for n, at in enumerate(cited, start=1)
    ]
    named = {"run_id": f"trun_{position}", "key": f"key {position}", "position": position}
    return {**named, "question": "Who?", "citations": citations, **more}


class Rot(CipherProtocol):
    """Hides a text, as a cipher does."""

    def encrypt(self, plaintext: bytes) -> tuple[str, bytes]:
        return "rot", bytes(255 - one for one in plaintext)

    def decrypt(self, ciphername: str, ciphertext: bytes) -> bytes:
        return bytes(255 - one for one in ciphertext)


# --- the form ------------------------------------------------------------------------------------


class Odd(IntEnum):
    """A number that JSON would write as a plain one."""

    ONE = 1


TEXTS = st.sampled_from(["", "a", "ä", "\ud83d\ude00", "\U0001f600", "\x00", LONG])
SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | TEXTS
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=4,
)
OTHER = st.sampled_from(
    [(1,), b"x", Odd.ONE, {1: "a"}, {None: 1}, {("a",): 1}, OrderedDict(a=1), 1j, {1}, 10**5000]
)
TURNS = st.lists(
    st.fixed_dictionaries(
        {"question": TEXTS, "content": JSON},
        optional={"citations": JSON, "seal": OTHER, "more": st.lists(OTHER | JSON, max_size=2)},
    )
    | JSON
    | OTHER,
    max_size=4,
)


def form_of(value: Any) -> Any:
    """All of a value: also 1, 1.0 and True are told apart, and the order of keys."""
    if isinstance(value, dict):
        return type(value), [(form_of(key), form_of(one)) for key, one in value.items()]
    if isinstance(value, list | tuple):
        return type(value), [*map(form_of, value)]
    return type(value), value if isinstance(value, int | str) else repr(value)


def same(one: Any, other: Any) -> bool:
    return bool(form_of(one) == form_of(other))


@given(TURNS, TURNS, st.integers(0, 4))
@example([{"question": LONG, "content": None, "seal": (1,)}], [], 1)
@example([{"question": LONG, "content": None, "seal": Odd.ONE}], [], 1)
@example([{"question": LONG, "content": {True: 1}}], [], 1)
@example([{"question": LONG, "content": "\ud83d\ude00"}], [], 1)
@example([{"question": LONG, "content": -0.0}, {"question": LONG, "content": 5e-324}], [], 1)
def test_any_turns_are_read_as_they_were_written(
    turns: list[Any], added: list[Any], first: int
) -> None:
    packer = TurnPacker()
    kept = packer.pack(turns)
    assert same(unpack_turns(kept), turns)
    read = TurnPacker()
    again = read.unpack(kept)
    assert same(again, turns)
    # What follows is packed by what wrote the first ones, and by what has read them.
    whole = TurnPacker().pack([*added, *turns[:first]])
    assert same(packer.pack([*added, *turns[:first]]), whole)
    assert same(read.pack([*added, *again[:first]]), whole)


@given(st.lists(st.fixed_dictionaries({"question": st.just(LONG), "content": JSON}), max_size=3))
def test_a_large_turn_is_read_back_from_each_serializer(turns: list[Any]) -> None:
    for serializer in (JsonPlusSerializer(), EncryptedSerializer(Rot())):
        stored = TurnPacker().pack(turns)
        with suppress(TypeError, ValueError):  # half a character, which no serializer writes
            assert same(unpack_turns(serializer.loads_typed(serializer.dumps_typed(stored))), turns)


def test_a_large_turn_is_compressed_json_and_a_small_one_stays_as_it_is() -> None:
    small, large = turn(0, 0), turn(1, 1, content=LONG)
    kept = TurnPacker().pack([small, large])
    assert kept[0] is small
    assert same(json.loads(zlib.decompress(kept[1])), large)
    assert len(kept[1]) < len(json.dumps(large)) / 1.5


def test_a_turn_too_deep_for_json_stays_as_it_is() -> None:
    deep: Any = LONG
    for _ in range(9_000):
        deep = [deep]
    turns = [{"content": deep}]
    assert TurnPacker().pack(turns)[0] is turns[0]


def test_a_turn_is_compressed_once_in_its_life(monkeypatch: pytest.MonkeyPatch) -> None:
    count = 0

    def compress(*given: Any, _made: Any = zlib.compress) -> bytes:
        nonlocal count
        count += 1
        return bytes(_made(*given))

    monkeypatch.setattr(zlib, "compress", compress)
    turns = [turn(n, 0, content=f"{n}{LONG}") for n in range(3)]
    packer, kept = TurnPacker(), []
    for end in (1, 2, 2, 3):
        kept = packer.pack(turns[:end])
    assert count == 3
    after_a_restart = TurnPacker()
    read = after_a_restart.unpack(kept)
    assert after_a_restart.pack(read) == kept
    assert count == 3
    # Another one in its place, in front of it, or none.
    changed = {**read[1], "status": "withheld"}
    assert unpack_turns(after_a_restart.pack([changed, read[2], read[0]])) == [
        changed,
        read[2],
        read[0],
    ]
    assert count == 4


def test_what_was_handed_out_does_not_change_when_turns_are_added() -> None:
    """A checkpointer may write it while the next step runs."""
    packer, first = TurnPacker(), turn(0, 0, content=LONG)
    kept = packer.pack([first])
    before = [*kept]
    packer.pack([first, turn(1, 1, 2)])
    assert kept == before


@pytest.mark.parametrize("written", ["list", "overwrite", "as JSON"])
def test_a_turn_that_a_node_has_changed_in_place_and_written_is_stored_as_it_is_now(
    written: str,
) -> None:
    """As of a node that takes a name out of an answer: the checkpoint kept what was taken out."""
    channel = MergedTurns(list[Turn], merge_turns).from_checkpoint([turn(0, content=LONG)])
    channel.update([[turn(1, 1, content=LONG)]])
    channel.checkpoint()
    turns = channel.get()
    kept = channel.checkpoint()
    turns[0]["content"] = f"without it {LONG}"
    turns[1]["citations"][0]["title"] = "without it"
    forms = {"list": turns, "overwrite": Overwrite(turns), "as JSON": {"__overwrite__": turns}}
    channel.update([forms[written]])
    assert unpack_turns(channel.checkpoint()) == turns
    assert unpack_turns(kept) != turns


def test_other_turns_than_those_written_are_not_compressed_again() -> None:
    channel = MergedTurns(list[Turn], merge_turns).from_checkpoint([])
    channel.update([[turn(n, n, content=LONG) for n in range(3)]])
    kept = channel.checkpoint()
    channel.update([[channel.get()[1]]])
    again = channel.checkpoint()
    assert [one is other for one, other in zip(kept, again, strict=True)] == [True, False, True]


# What earlier versions or other programs may have written.

BOMB = zlib.compress(b'{"content": "' + b"a" * 30_000_000 + b'"}')
DEEP = zlib.compress(f'{{"{LONG}": {"[" * 9_000}{"]" * 9_000}}}'.encode())
GOOD = zlib.compress(json.dumps(turn(0, 0)).encode())


@pytest.mark.parametrize("kept", [None, "text", 3, {"turns": []}, {"a": 1}, b"x", GOOD])
def test_what_is_no_list_stays_as_it_is(kept: Any) -> None:
    assert unpack_turns(kept) is kept
    assert TurnPacker().pack(kept) is kept


@pytest.mark.parametrize(
    "row",
    [
        *(b"", b"x", b"text", zlib.compress(b""), zlib.compress(b"{"), zlib.compress(b"[]")),
        *(zlib.compress(b"1"), zlib.compress(b'{"a": "\xff"}'), zlib.compress(b"{}" * 9)),
        *(GOOD[:-1], GOOD[:-5], GOOD + b"x", GOOD + GOOD, GOOD[:20] + b"?" + GOOD[21:], BOMB, DEEP),
        zlib.compress('{"a": 1}'.encode("utf-16")),
    ],
)
def test_bytes_that_hold_no_turn_stay_bytes(row: bytes) -> None:
    packer = TurnPacker()
    turns = packer.unpack([row, GOOD])
    assert turns[0] is row
    assert turns[1] == turn(0, 0)
    assert packer.pack(turns) == [row, GOOD]
    assert TurnPacker().pack([row]) == [row]


def test_what_is_read_is_at_most_fifty_times_as_large_as_what_is_stored() -> None:
    tracemalloc.start()
    try:
        assert unpack_turns([BOMB]) == [BOMB]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * 50 * len(BOMB) < 30_000_000
    # So that nothing is written that would not be read: text of a single letter stays as it is.
    for size in (2_000, 10_000, 100_000):
        turns = [turn(0, 0, content="a" * size)]
        assert same(unpack_turns(TurnPacker().pack(turns)), turns)
    assert isinstance(TurnPacker().pack([turn(0, 0, content="a" * 100_000)])[0], dict)


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
    assert {*map(type, stored(of))} == {bytes}  # also the old one
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
    cited = [{"url": SOURCES[0][0], "title": "T", "excerpts": ["One.", LONG]}]
    basis = [{"field": "ceo", "reasoning": "r", "confidence": "high", "citations": cited}]
    of.simulator.scripts.add(RunScript(output={"content": {"ceo": "Ada"}, "basis": basis}))
    turns = ask(graph_of(of, "now"), of, "Who leads?")["turns"]
    assert turns[0]["citations"][0]["excerpts"] == ["One.", LONG]
    assert isinstance(stored(of)[0], bytes)
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
    wrong: list[list[Any]] = [[{"content": LONG}], ["text"], [b"x"]]
    for turns in wrong:
        for packed in (turns, TurnPacker().pack(turns)):
            with pytest.raises(InvalidRequest):
                merge_turns([], packed)


@pytest.fixture(params=["memory", "sqlite", "encrypted", "postgres"])
def any_saver(
    request: pytest.FixtureRequest, tmp_path: Path, postgres_uri: Callable[[], str]
) -> Iterator[Any]:
    with ExitStack() as stack:
        if request.param == "postgres":
            yield stack.enter_context(PostgresSaver.from_conn_string(postgres_uri()))
        elif request.param == "sqlite":
            file = str(tmp_path / "checkpoints.sqlite")
            yield stack.enter_context(SqliteSaver.from_conn_string(file))
        else:
            serde = EncryptedSerializer(Rot()) if request.param == "encrypted" else None
            yield InMemorySaver(serde=serde)


def test_who_reads_state_through_langgraph_finds_turns_as_they_are(any_saver: Any) -> None:
    config: Any = {"configurable": {"thread_id": f"packed {id(any_saver)}"}}
    of = Session("sync", checkpointer=any_saver, config=config)
    graph = graph_of(of, "now")
    first, second = (ask(graph, of, question)["turns"] for question in ("Who leads?", "Where?"))
    assert second[:1] == first
    assert {*map(type, stored(of))} == {bytes}
    graph = graph_of(of, "now")  # as in a new process
    assert graph.get_state(config).values["turns"] == second
    history = [one.values.get("turns") or [] for one in graph.get_state_history(config)]
    answers = [turn["content"] for turn in second]
    assert {len(one) for one in history} == {0, 1, 2}
    assert all([turn["content"] for turn in one] == answers[: len(one)] for one in history)
    # A person's change, a question from before it, and a fork.
    before = graph.get_state(config).config
    graph.update_state(config, {"turns": [{**second[0], "content": "No."}]})
    turns = graph.get_state(config).values["turns"]
    assert turns == [{**second[0], "content": "No."}, second[1]]
    assert graph.get_state(before).values["turns"] == second
    told = {"question": "When?"}
    shown = [*graph.stream(told, before, stream_mode=["values", "checkpoints"], durability="sync")]
    found = [one["values"] if mode == "checkpoints" else one for mode, one in shown]
    assert {type(turn) for one in found for turn in one.get("turns") or ()} == {dict}
    assert found[-1]["turns"][:2] == second
    assert len(found[-1]["turns"]) == 3
    assert len(of.runs) == 3


@pytest.mark.parametrize("unreadable", [[b"of a later version"], {"turns": []}, "text"])
def test_a_thread_whose_turns_cannot_be_read_is_told_so_and_can_be_mended(unreadable: Any) -> None:
    of = Session("sync")
    graph = graph_of(of, "now")
    turns = ask(graph, of, "Who leads?")["turns"]
    graph.update_state(of.config, {"turns": Overwrite(unreadable)})
    assert stored(of) == unreadable
    sent = len(of.simulator.requests)
    with pytest.raises(InvalidRequest, match="cannot be read"):
        ask(graph_of(of, "now"), of, "And where?")
    assert len(of.simulator.requests) == sent
    assert graph.get_state(of.config).values["turns"] == unreadable
    graph.update_state(of.config, {"turns": Overwrite(turns)})
    assert ask(graph, of, "And where?")["turns"][:1] == turns


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
