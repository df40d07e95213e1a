"""What earlier sessions have found is shown with its age and price, to the same user only, and never taken
for an answer.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, cast

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore
from langgraph.types import Command
from pydantic import ValidationError

from langchain_parallel import ParallelTaskTool, create_research_graph
from langchain_parallel._graph.recollections import earlier_questions, same_words
from langchain_parallel.errors import InvalidRequest
from langchain_parallel.models import McpServer
from langchain_parallel.options import Limits, Recall, RequestOptions
from langchain_parallel.parked import delete_user_records, list_user_records
from langchain_parallel.sessions import Recollection, aforget, arecall, forget, recall
from langchain_parallel.simulator import ManualClock, RunScript

from .harness import Mode, Session, blocking_client, invoke, script

QUESTION = "Who leads the market for cargo bikes?"
A_DAY = 86_400.0
ALL = RequestOptions(recall=Recall(per="all"))
NO: Any = {"decisions": [{"type": "reject"}]}
YES: Any = {"decisions": [{"type": "approve"}]}


def on(thread: str, user: str | None = None) -> Any:
    server = {"langgraph_request_id": "r", "langgraph_auth_user_id": user} if user else {}
    return {"configurable": {"thread_id": thread, **server}}


def session(mode: Mode = "sync", request: RequestOptions = ALL, **options: Any) -> Session:
    limits = Limits(approve_above="base")
    usual = {"request": request, "limits": limits, "evaluate": script()}
    return Session(mode, store=InMemoryStore(), options={**usual, **options})


def asks(room: Session, question: str, config: Any, decision: Any = YES) -> Any:
    """Ask it, and answer what a person is asked. Returns what the person was shown, and the state."""
    graph = room.graph()
    shown = invoke(room.mode, graph, {"question": question}, config)
    if "__interrupt__" not in shown:
        return None, shown
    return shown["__interrupt__"][0].value, invoke(
        room.mode, graph, Command(resume=decision), config
    )


def later(room: Session, seconds: float) -> None:
    cast(ManualClock, room.simulator.clock).advance(seconds)


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_person_is_shown_what_an_earlier_session_has_found(mode: Mode) -> None:
    room = session(mode)
    room.simulator.scripts.add(RunScript(output={"content": {"leader": "Acme"}}))
    first, state = asks(room, QUESTION, on("a"))
    assert "known" not in first
    later(room, 3 * A_DAY)
    shown, _ = asks(room, "  who LEADS the market for cargo bikes ", on("b"), NO)
    ((known,),) = shown["known"]
    assert known["is_same_question"]
    assert known["answer"] == state["answer"]
    assert known["cost_usd"] == state["spent_usd"]
    assert known["age_seconds"] == pytest.approx(3 * A_DAY, abs=1)
    text = shown["action_requests"][0]["description"]
    assert "The same question was asked in an earlier session, 3 days ago" in text
    assert "for $0.10" in text
    assert '    {"leader":"Acme"}' in text
    assert len(room.runs) == 1


def test_approved_it_is_asked_anew_and_the_later_answer_is_known_from_then_on() -> None:
    room = session()
    for content in ("Acme", "Bolt"):
        room.simulator.scripts.add(RunScript(output={"content": {"leader": content}}))
    asks(room, QUESTION, on("a"))
    later(room, 60)
    _, state = asks(room, QUESTION, on("b"))
    assert state["answer"] == {"leader": "Bolt"}
    assert len(room.runs) == 2
    ((known,),) = asks(room, QUESTION, on("c"), NO)[0]["known"]
    assert known["answer"] == {"leader": "Bolt"}


def test_an_answer_without_a_value_takes_the_place_of_none() -> None:
    room = session()
    for content in ({"leader": "Acme"}, {"leader": None}):
        room.simulator.scripts.add(RunScript(output={"content": content}))
    asks(room, QUESTION, on("a"))
    asks(room, QUESTION, on("b"))
    ((known,),) = asks(room, QUESTION, on("c"), NO)[0]["known"]
    assert known["answer"] == {"leader": "Acme"}


def test_a_session_is_not_told_of_itself() -> None:
    room = session()
    config = on("a")
    asks(room, QUESTION, config)
    before = room.graph().get_state_history(config)
    (start,) = [s for s in before if s.next == ("approve",) and not s.values.get("turns")][:1]
    shown = invoke("sync", room.graph(), None, start.config)
    assert "known" not in shown["__interrupt__"][0].value


def test_users_see_nothing_of_each_other() -> None:
    room = session(request=RequestOptions(recall=Recall()))
    asks(room, QUESTION, on("a", "ann"))
    assert "known" not in asks(room, QUESTION, on("b", "bob"), NO)[0]
    assert "known" in asks(room, QUESTION, on("c", "ann"), NO)[0]
    with pytest.raises(InvalidRequest, match="There is a recall per user, and this call has no"):
        asks(room, QUESTION, on("d"))
    assert len(room.runs) == 1


def test_a_function_says_who_asks() -> None:
    def who(config: Any) -> str:
        return str(config["configurable"]["thread_id"])[:3]

    kept = RequestOptions(recall=Recall(per=who))
    room = session(request=kept)
    asks(room, QUESTION, on("ann-1"))
    assert "known" not in asks(room, QUESTION, on("bob-1"), NO)[0]
    assert "known" in asks(room, QUESTION, on("ann-2"), NO)[0]
    store = cast(InMemoryStore, room.store)
    assert recall(store, QUESTION, kept, who="ann", now=0)
    assert not recall(store, QUESTION, kept, who="bob", now=0)


@pytest.mark.parametrize("other", ["bob", None])
def test_what_one_identity_or_token_has_seen_is_not_shown_to_another(other: str | None) -> None:
    def options(identity: str | None, token: str = "t-1") -> RequestOptions:
        server = McpServer(name="crm", url="https://crm.example", headers={"X": token})
        return RequestOptions(recall=Recall(per="all"), identity=identity, mcp_servers=[server])

    room = session(request=options("ann"))
    asks(room, QUESTION, on("a"))
    theirs = Session(
        "sync",
        room.simulator,
        store=room.store,
        options={**room.options, "request": options(other, "t-2")},
    )
    assert "known" not in asks(theirs, QUESTION, on("b"), NO)[0]
    assert "known" in asks(room, QUESTION, on("c"), NO)[0]
    assert room.store is not None
    assert "t-1" not in json.dumps([i.value for i in room.store.search(())], default=str)


def test_whoever_resumes_the_thread_another_user_keeps_the_answer_for_the_one_who_asked() -> None:
    room = session(request=RequestOptions(recall=Recall()))
    graph = room.graph()
    graph.invoke({"question": QUESTION}, on("a", "ann"), durability="sync")
    graph.invoke(Command(resume=YES), on("a", "boss"), durability="sync")
    assert "known" in asks(room, QUESTION, on("b", "ann"), NO)[0]
    assert "known" not in asks(room, QUESTION, on("c", "boss"), NO)[0]


def test_a_thread_that_a_webhook_resumes_as_nobody_keeps_the_answer_for_the_one_who_asked() -> None:
    room = session(request=RequestOptions(recall=Recall()), limits=None, wait="park")
    graph = room.graph()
    parked = graph.invoke({"question": QUESTION}, on("a", "ann"), durability="sync")
    assert parked["__interrupt__"][0].value["kind"] == "parked"
    later(room, 10_000)
    nobody: Any = {"configurable": {"thread_id": "a", "langgraph_request_id": "r"}}
    assert graph.invoke(Command(resume="look"), nobody, durability="sync")["answer"]
    store = cast(InMemoryStore, room.store)
    request = RequestOptions(recall=Recall())
    now = room.simulator.clock.now()
    assert recall(store, QUESTION, request, who="ann", now=now)
    assert len(kept_items(store)) == 1


def test_a_follow_up_is_known_after_the_same_questions_only() -> None:
    room = session()
    follow_up = "And who founded it?"
    for thread in ("a", "b"):
        asks(room, QUESTION if thread == "a" else "Who leads in trams?", on(thread))
    asks(room, follow_up, on("a"))
    assert "known" not in asks(room, follow_up, on("b"), NO)[0]
    asks(room, QUESTION, on("c"))
    ((known,),) = asks(room, follow_up, on("c"), NO)[0]["known"]
    assert known["after"] == [QUESTION]


def test_what_is_too_old_is_not_shown() -> None:
    room = session(request=RequestOptions(recall=Recall(per="all", days=2)))
    asks(room, QUESTION, on("a"))
    later(room, 2 * A_DAY - 10_000)
    assert "known" in asks(room, QUESTION, on("b"), NO)[0]
    later(room, 20_000)
    assert "known" not in asks(room, QUESTION, on("c"), NO)[0]


def test_with_ask_a_person_is_asked_before_the_same_question_is_paid_for_again() -> None:
    room = session(request=RequestOptions(recall=Recall(per="all", ask=True)), limits=None)
    assert asks(room, QUESTION, on("a"))[0] is None
    shown, state = asks(room, QUESTION, on("b"), NO)
    assert shown["reasons"] == ["An earlier session has asked this, and has an answer."]
    assert state.get("answer") is None
    assert len(room.runs) == 1
    _, state = asks(room, QUESTION, on("c"))
    assert state["answer"]
    assert len(room.runs) == 2
    assert asks(room, "Something else?", on("d"))[0] is None


def test_where_nobody_can_be_asked_the_session_stops() -> None:
    room = session(request=RequestOptions(recall=Recall(per="all", ask=True)), limits=None)
    asks(room, QUESTION, on("a"))
    room.checkpointer = None
    state = room.ask(QUESTION, config={})
    assert state["verdict"]["action"] == "stop"
    assert "has asked this" in state["verdict"]["reason"]
    assert len(room.runs) == 1


def test_calls_without_a_thread_are_sessions_of_their_own() -> None:
    options = RequestOptions(recall=Recall(per=lambda config: str(config["metadata"]["who"])))
    room = session(request=options, limits=None)
    room.checkpointer = None
    for who in ("ann", "bob"):
        room.ask(QUESTION, config={"metadata": {"who": who}})
    store = cast(InMemoryStore, room.store)
    assert len({item["thread"] for item in kept_items(store)}) == 2
    ask = RequestOptions(recall=Recall(per=cast(Recall, options.recall).per, ask=True))
    room.options["request"] = ask
    state = room.ask(QUESTION, config={"metadata": {"who": "ann"}})
    assert "has asked this" in state["verdict"]["reason"]


# --- the store's own index -----------------------------------------------------------------------

WORDS = ["cargo", "bikes", "market", "leads", "largest", "maker", "trams", "price"]


def embed(texts: list[str]) -> list[list[float]]:
    return [[float(word in text.lower()) for word in WORDS] for text in texts]


def test_a_question_in_other_words_is_found_by_the_stores_index() -> None:
    room = session(request=RequestOptions(recall=Recall(per="all", least_score=0.7)))
    index: Any = {"dims": len(WORDS), "embed": embed, "fields": ["$"]}
    room.store = InMemoryStore(index=index)
    asks(room, QUESTION, on("a"))
    ((known,),) = asks(room, "Which maker leads the cargo bikes market?", on("b"), NO)[0]["known"]
    assert not known["is_same_question"]
    assert known["score"] == pytest.approx(0.894, abs=0.001)
    assert "known" not in asks(room, "What is the price of trams?", on("c"), NO)[0]
    ((same,),) = asks(room, QUESTION, on("d"), NO)[0]["known"]
    assert same["is_same_question"]
    assert same["score"] is None


class Failing(InMemoryStore):
    """Its searches by meaning fail, as those of an embedding service that is down."""

    def batch(self, ops: Any) -> Any:
        if any(getattr(op, "query", None) or isinstance(op.index, list) for op in ops):
            raise ConnectionError("embedding")
        return super().batch(ops)


def test_a_store_that_fails_here_loses_nothing(caplog: pytest.LogCaptureFixture) -> None:
    room = session()
    room.store = Failing()
    _, state = asks(room, QUESTION, on("a"))
    assert state["answer"]
    assert state["verdict"]["action"] == "accept"
    said = [record.getMessage() for record in caplog.records]
    assert any("not kept for later sessions" in text for text in said)
    assert any("Nothing is shown of earlier sessions" in text for text in said)


# --- what is kept --------------------------------------------------------------------------------


def kept_items(store: BaseStore | None) -> list[dict[str, Any]]:
    assert store is not None
    return [item.value for item in store.search(("langchain_parallel", "recollections"))]


def test_what_is_kept_is_bounded_and_holds_no_key() -> None:
    room = session()
    room.simulator.scripts.add(RunScript(output={"content": "Long. " * 20_000}))
    asks(room, "Why? " * 2_000, on("a"))
    (item,) = kept_items(room.store)
    assert len(item["answer"]) <= 20_000
    assert len(item["question"]) <= 2_000
    assert len(json.dumps(item)) < 40_000
    assert "key-of-a-test" not in json.dumps(item)


def test_nothing_is_kept_unless_it_is_asked_for() -> None:
    room = session(request=RequestOptions())
    asks(room, QUESTION, on("a"))
    assert kept_items(room.store) == []


def test_it_is_deleted_with_the_users_records_or_by_its_question() -> None:
    options = RequestOptions(recall=Recall())
    room = session(request=options)
    store = cast(InMemoryStore, room.store)
    for nth, user in enumerate(("ann", "bob", "ann")):
        asks(room, f"{QUESTION} {nth}", on(f"{user}-{nth}", user))
    assert any(item.value.get("answer") for item in list_user_records(store, "ann"))
    assert forget(store, f"{QUESTION} 2", options, who="ann")
    assert not forget(store, f"{QUESTION} 2", options, who="ann")
    assert asyncio.run(aforget(store, f"{QUESTION} 9", options, who="ann")) is False
    assert len(kept_items(store)) == 2
    delete_user_records(store, "ann")
    assert [item["question"] for item in kept_items(store)] == [f"{QUESTION} 1"]


def test_a_program_reads_it_without_a_graph() -> None:
    room = session()
    store = cast(InMemoryStore, room.store)
    asks(room, QUESTION, on("a"))
    now = room.simulator.clock.now()
    (found,) = recall(store, QUESTION.upper(), ALL, now=now + A_DAY)
    assert found == asyncio.run(arecall(store, QUESTION.upper(), ALL, now=now + A_DAY))[0]
    assert found.keys() == Recollection.__annotations__.keys()
    assert found["age_seconds"] == pytest.approx(A_DAY, abs=10_000)
    assert recall(store, QUESTION, ALL, after=["Another?"]) == []
    assert recall(store, QUESTION, ALL, now=now + 91 * A_DAY) == []


def test_what_somebody_else_has_put_there_is_passed_over() -> None:
    room = session()
    store = cast(InMemoryStore, room.store)
    asks(room, QUESTION, on("a"))
    (item,) = store.search(("langchain_parallel", "recollections"))
    store.put(item.namespace, item.key, {"question": "?"})
    assert recall(store, QUESTION, ALL) == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"request": RequestOptions()}, "keep nothing of earlier sessions"),
        ({"question": " "}, "There is no question"),
        ({"who": "ann"}, "who is 'ann'; with Recall"),
        (
            {"request": RequestOptions(recall=Recall())},
            "who is missing",
        ),
        ({"request": Recall()}, "request is a Recall; give RequestOptions"),
    ],
)
def test_what_cannot_be_looked_up_is_refused(given: dict[str, Any], words: str) -> None:
    args = {"question": QUESTION, "request": ALL, **given}
    with pytest.raises(InvalidRequest, match=words):
        recall(InMemoryStore(), args.pop("question"), args.pop("request"), **args)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"per": "team"}, "per is 'team'"),
        ({"days": -1}, "days must be a number from 0 up"),
        ({"least_score": "high"}, "least_score must be a number"),
        ({"least_score": True}, "least_score must be a number"),
        ({"ask": 1}, "ask is an int; give True or False"),
    ],
)
def test_an_option_that_is_none_is_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        Recall(**given)


def test_a_graph_without_a_store_pays_for_nothing() -> None:
    room = session()
    room.store = None
    with pytest.raises(InvalidRequest, match="needs a store"):
        room.ask(QUESTION)
    assert room.runs == []


def test_a_tool_does_without() -> None:
    room = session()
    with pytest.raises(ValidationError, match="only the research graph and the middleware"):
        ParallelTaskTool(client=blocking_client(room.simulator), request=ALL)
    create_research_graph(client=blocking_client(room.simulator), request=ALL).compile(
        checkpointer=InMemorySaver()
    )


# --- which questions are the same ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Who  leads?", "who leads", True),
        ("Wer führt？", "wer führt", True),
        ("STRASSE", "straße", True),
        ("ﬁrst", "first", True),
        ("Who leads in 2024?", "Who leads in 2025?", False),
        ("Is it 1.5?", "Is it 15?", False),
    ],
)
def test_questions_are_the_same_up_to_what_changes_no_word(
    one: str, other: str, same: bool
) -> None:
    assert (same_words(one) == same_words(other)) is same


def test_what_an_evaluation_asks_is_no_question_of_its_own() -> None:
    def turn(id: str, parent: str | None, by: str = "caller") -> dict[str, Any]:
        return {
            "interaction_id": id,
            "parent_interaction_id": parent,
            "asked_by": by,
            "question": f"Q{id}",
        }

    turns = [turn("1", None), turn("2", "1", "evaluation"), turn("3", "2"), turn("4", "elsewhere")]
    assert earlier_questions(turns, "3") == ["Q1", "Q3"]
    assert earlier_questions(turns, "4") == ["elsewhere", "Q4"]
    assert earlier_questions(turns, None) == []
    circle = [turn("1", "2"), turn("2", "1")]
    assert earlier_questions(circle, "1") == ["1", "Q2", "Q1"]
