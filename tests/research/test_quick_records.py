"""What is recorded of a quick question: whoever asks the same finds it, and nobody else can use it."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any, TypedDict

import pytest
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.base import CipherProtocol
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.store.base import PutOp
from langgraph.store.memory import InMemoryStore
from langgraph.types import RetryPolicy

from langchain_parallel import create_research_graph
from langchain_parallel.errors import InvalidRequest, StorageFailed
from langchain_parallel.options import Limits
from langchain_parallel.sessions import carry_over
from langchain_parallel.simulator import Fault, ManualClock, Simulator

from .harness import Mode, Session, blocking_client, invoke
from .test_quick_turns import CHAT, QUICK, asked, bill
from .test_whose_run import ANNA, BERT, Server, thread

QUESTION = "Which are in Europe?"


def quick_of(server: Server, who: Any) -> dict[str, Any]:
    """A thread with a quick turn."""
    server.ask(who, "Map the landscape")
    turn: dict[str, Any] = server.ask(who, QUESTION, **QUICK)["turns"][1]
    return turn


# --- whose interaction it is -----------------------------------------------------------------------


def test_behind_a_server_a_thread_builds_on_its_own_quick_turn_and_no_other_does(
    mode: Mode,
) -> None:
    server = Server(mode)
    theirs = quick_of(server, BERT)["interaction_id"]
    quick_of(server, ANNA)
    for more in (QUICK, {}):
        with pytest.raises(InvalidRequest, match="not known to be this thread's"):
            server.ask(ANNA, "And what else?", continue_from=theirs, **more)
    assert (
        server.ask(BERT, "And what else?", continue_from=theirs)["turns"][2]["status"]
        == "completed"
    )


def test_an_edited_quick_turn_proves_nothing(mode: Mode) -> None:
    server = Server(mode)
    theirs = quick_of(server, BERT)["interaction_id"]
    own = quick_of(server, ANNA)
    server.edit(ANNA, turns=[{**own, "interaction_id": theirs}])
    with pytest.raises(InvalidRequest, match="not known to be this thread's"):
        server.ask(ANNA, "And what else?", continue_from=theirs)


def test_a_record_that_a_user_has_written_gives_no_interaction(mode: Mode) -> None:
    server = Server(mode, processor=("lite", "chat:lite"))
    theirs = quick_of(server, BERT)["interaction_id"]
    [known] = _quick_records(server)
    server.ask(ANNA, "Map the landscape")
    server.simulator.faults.add(Fault("drop_after", path=CHAT))
    server.ask(ANNA, QUESTION)
    [own] = [one for one in _quick_records(server) if one["name"] != known["name"]]
    forged = {**known["record"], "key": own["record"]["key"]}
    server.record(ANNA, own["name"], forged)
    at = next(s for s in server.graph.get_state_history(ANNA) if s.next == ("submit",))
    there: Any = {"configurable": {**ANNA["configurable"], **at.config["configurable"]}}
    turn = invoke(mode, server.graph, None, there)["turns"][-1]
    assert json.loads(forged["answer"][0])["interaction_id"] == theirs
    assert (turn["status"], turn["interaction_id"]) == ("completed", None)


def _quick_records(server: Server) -> list[dict[str, Any]]:
    return [one for one in server.recorded() if one["name"].startswith("quick tgrp")]


def test_once_the_key_was_replaced_nothing_proves_a_quick_turn_and_it_is_refused_by_name(
    mode: Mode,
) -> None:
    server = Server(mode)
    own = quick_of(server, ANNA)
    server.begin("another-key-of-the-account")
    with pytest.raises(InvalidRequest, match=own["interaction_id"]):
        server.ask(ANNA, "And what else?")
    root = server.state(ANNA)["turns"][0]["interaction_id"]
    out = server.ask(ANNA, "And what else?", continue_from=root)  # the API says whose that is
    assert out["turns"][-1]["status"] == "completed"


def test_a_session_that_is_carried_over_goes_on_from_its_quick_turn(mode: Mode) -> None:
    server = Server(mode)
    own = quick_of(server, ANNA)
    other = thread("anna", "another thread")
    out = server.ask(other, "And what else?", **carry_over(server.state(ANNA)))
    assert out["turns"][2]["parent_interaction_id"] == own["interaction_id"]
    assert len(server.simulator.chats()) == 1


class Head(TypedDict, total=False):
    """A parent that keeps the head alone."""

    question: str
    interaction_id: str | None


def test_a_parent_that_keeps_the_head_alone_builds_on_a_quick_turn(mode: Mode) -> None:
    server = Server(mode, processor=("lite", "chat:lite"))
    inner: Any = create_research_graph(
        processor=("lite", "chat:lite"), client=blocking_client(server.simulator)
    ).compile()

    def call(state: Head, config: RunnableConfig) -> Any:
        return {"interaction_id": inner.invoke(state, config)["interaction_id"]}

    async def acall(state: Head, config: RunnableConfig) -> Any:
        return {"interaction_id": (await inner.ainvoke(state, config))["interaction_id"]}

    parent: Any = StateGraph(Head)
    parent.add_node("research", RunnableLambda(call, acall))
    parent.add_edge(START, "research")
    parent.add_edge("research", END)
    graph = parent.compile(InMemorySaver(), store=InMemoryStore())
    for nth in range(3):
        invoke(mode, graph, {"question": f"Question {nth}?"}, ANNA)
    chats = server.simulator.chats()
    assert [chat.request["previous_interaction_id"] for chat in chats] == [
        server.runs[0]["interaction_id"],
        chats[0].interaction_id,
    ]


# --- at the same time, and again -------------------------------------------------------------------


@pytest.mark.parametrize("is_kept", [True, False])
def test_a_node_that_is_retried_finds_the_answer(mode: Mode, is_kept: bool) -> None:
    simulator, fails = Simulator(ManualClock()), [True]
    inner: Any = create_research_graph(processor="chat:lite", client=blocking_client(simulator))
    research = inner.compile()

    def call(state: Head, config: RunnableConfig) -> Any:
        out = research.invoke(state, config)
        if fails and fails.pop():
            raise ConnectionError("after the answer")
        return {"interaction_id": out["interaction_id"]}

    parent: Any = StateGraph(Head)
    again = RetryPolicy(initial_interval=0.001, jitter=False)
    parent.add_node("research", call, retry_policy=again)
    parent.add_edge(START, "research")
    parent.add_edge("research", END)
    graph = parent.compile(InMemorySaver() if is_kept else None)
    where: Any = {"configurable": {"thread_id": "thread"}}
    out = graph.invoke({"question": QUESTION}, where if is_kept else None)
    [chat] = simulator.chats()
    assert out["interaction_id"] == chat.interaction_id


def test_two_callers_of_one_point_share_one_answer() -> None:
    """Threads of one process, both going on with the same checkpoint."""
    session = Session("sync", simulator=Simulator(latency_scale=0.002))
    session.ask("Map the landscape", processor="lite")
    graph = session.graph()
    given = {"question": QUESTION, **QUICK}
    graph.invoke(given, session.config, interrupt_before=["submit"], durability="sync")
    at, answers = graph.get_state(session.config).config, list[Any]()

    def go_on() -> None:
        answers.append(session.graph().invoke(None, at, durability="sync")["answer"])

    both = [threading.Thread(target=go_on) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert len(session.simulator.chats()) == 1
    assert answers[0] == answers[1] is not None


def test_a_cancelled_call_is_said_to_be_lost_when_the_thread_is_resumed() -> None:
    session = Session("async", simulator=Simulator(latency_scale=0.005))
    session.ask("Map the landscape", processor="lite")

    async def cancelled() -> None:
        asking = asyncio.ensure_future(
            session.graph().ainvoke({"question": QUESTION, **QUICK}, session.config)
        )
        while not session.simulator.chats():  # noqa: ASYNC110 -- another thread's doing
            await asyncio.sleep(0.002)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    asyncio.run(cancelled())
    out = session.ask()
    assert [turn["status"] for turn in out["turns"]] == ["completed", "lost"]
    assert len(session.simulator.chats()) == 1


def test_a_question_that_another_overtakes_is_told_if_it_may_be_paid_for(mode: Mode) -> None:
    session = Session(mode, options={"limits": Limits(approve_above="lite")})
    session.ask("Map the landscape", processor="lite")
    session.ask(QUESTION, processor="chat:core")  # waits for a person
    out = session.ask("And what else?", processor="chat:lite")
    assert [turn["processor"] for turn in out["turns"]] == ["lite", "chat:lite"]
    assert asked(session) == 1


# --- what keeps the records ------------------------------------------------------------------------


class Store(InMemoryStore):
    """Raises at the `at`-th write."""

    at = 0

    def batch(self, ops: Any) -> Any:
        self._count(ops)
        return super().batch(ops)

    async def abatch(self, ops: Any) -> Any:
        self._count(ops)
        return super().batch(ops)

    def _count(self, ops: Any) -> None:
        if any(isinstance(op, PutOp) for op in ops):
            self.at -= 1
            if self.at == 0:
                raise OSError("No space left on device")


@pytest.mark.grid
@pytest.mark.parametrize("at", range(1, 5))
def test_wherever_the_store_fails_the_bill_and_the_session_agree(mode: Mode, at: int) -> None:
    session = Session(mode, store=Store())
    session.ask("Map the landscape")
    session.store.at = at  # type: ignore[union-attr]
    try:
        session.ask(QUESTION, **QUICK)
    except (StorageFailed, OSError):
        session.ask()
    out = session.state()
    assert bill(session).count("chat:lite") == asked(session) == 1
    assert out["turns"][1]["status"] == "completed"


class Rot(CipherProtocol):
    """Hides a text, as a cipher does."""

    def encrypt(self, plaintext: bytes) -> tuple[str, bytes]:
        return "rot", bytes(255 - one for one in plaintext)

    def decrypt(self, ciphername: str, ciphertext: bytes) -> bytes:
        return bytes(255 - one for one in ciphertext)


def test_a_serializer_that_encrypts_keeps_question_and_answer_unreadable_on_the_disk(
    tmp_path: Path,
) -> None:
    """SQLite's checkpointer, as PostgreSQL's, writes metadata as plain JSON, and the records are there."""
    file = tmp_path / "checkpoints.sqlite"
    with closing(sqlite3.connect(file, check_same_thread=False)) as connection:
        saver = SqliteSaver(connection, serde=EncryptedSerializer(Rot()))
        session = Session("sync", checkpointer=saver, options=QUICK)
        answer = session.ask(QUESTION)["answer"]
        history = session.graph().get_state_history(session.config)
        at = next(snapshot for snapshot in history if snapshot.next == ("submit",))
        assert session.ask(config=at.config)["answer"] == answer
        rows = connection.execute(
            "select metadata from checkpoints where checkpoint_ns like 'langchain_parallel:%'"
        ).fetchall()
    assert len(rows) >= 3
    assert asked(session) == 1
    everything = b"".join(
        bytes(row[0], "utf-8") if isinstance(row[0], str) else row[0] for row in rows
    )
    assert b"quick tgrp" in everything  # the records' names are not hidden
    plain = b"".join(base64.b64decode(text) for text in re.findall(rb"[\w+/=]{40,}", everything))
    for text in (QUESTION, answer[:30]):
        assert text.encode() not in everything + plain
