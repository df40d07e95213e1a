"""A thread's first question: its ledger is made before anything is looked up, when nobody else knows it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import httpx
import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore

from langchain_parallel import ParallelClient, create_research_graph
from langchain_parallel.errors import ApiError
from langchain_parallel.simulator import Fault, SimulatorTransport

from .harness import Mode, Session, invoke
from .test_written_down import Killed

QUESTION = {"question": "Who leads?"}


def with_store(mode: Mode) -> Session:
    return Session(mode, store=InMemoryStore())


def ledgers_made(session: Session) -> int:
    sent = [(one.method, one.path) for one in session.simulator.requests]
    return sum(method == "POST" and path.endswith("/groups") for method, path in sent)


def test_its_ledger_is_made_once_and_looked_for_after_that(mode: Mode) -> None:
    session = with_store(mode)
    session.ask("Who leads?")
    session.ask("Who follows?")
    assert ledgers_made(session) == 1
    assert len(session.runs) == 2


def test_sent_again_without_its_checkpoints_it_finds_its_run_beside_an_empty_ledger(
    mode: Mode,
) -> None:
    session = with_store(mode)
    before = session.ask("Who leads?")
    session.checkpointer = InMemorySaver()
    after = session.ask("Who leads?")
    assert ledgers_made(session) == 2
    assert after["ledger_id"] == before["ledger_id"]
    assert len(session.runs) == 1


def test_sent_again_while_no_ledger_can_be_made_it_finds_its_run(mode: Mode) -> None:
    session = with_store(mode)
    session.ask("Who leads?")
    session.checkpointer = InMemorySaver()
    session.simulator.faults.add(Fault("status_before", path="*/groups", times=None))
    assert session.ask("Who leads?")["turns"][-1]["status"] == "completed"
    assert len(session.runs) == 1
    with pytest.raises(ApiError):
        session.ask("Who leads?", config={"configurable": {"thread_id": "another"}})


class Failing(InMemorySaver):
    """Its disk is full when a plan is to be written."""

    is_full = True

    def put_writes(self, config: Any, writes: Any, *args: Any) -> None:
        self._refuse(name for name, _ in writes)
        super().put_writes(config, writes, *args)

    def put(self, config: Any, checkpoint: Any, *args: Any) -> Any:
        self._refuse(checkpoint["channel_values"])
        return super().put(config, checkpoint, *args)

    def _refuse(self, channels: Iterable[str]) -> None:
        if self.is_full and "ledger_id" in channels:
            raise OSError("disk full")


def test_resumed_it_looks_before_it_makes_another(mode: Mode) -> None:
    session = with_store(mode)
    session.checkpointer = saver = Failing()
    with pytest.raises(OSError, match="disk full"):
        session.ask("Who leads?")
    saver.is_full = False
    session.ask()
    assert ledgers_made(session) == 1
    assert len(session.runs) == 1


class Dying(SimulatorTransport):
    """Kills its process when that is about to send what costs money."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/runs") and request.method == "POST":
            raise Killed
        return super().handle_request(request)


@pytest.mark.parametrize("seconds", [0.0, 0.06, 3_600.0])
def test_whoever_made_the_ledger_sees_that_another_process_was_about_to_send(
    mode: Mode, seconds: float
) -> None:
    session = with_store(mode)
    own = session.graph()
    invoke(mode, own, QUESTION, {"configurable": {"thread_id": "earlier"}})  # its store is proven
    own.interrupt_before_nodes = ["submit"]
    invoke(mode, own, QUESTION, session.config)
    clock = session.simulator.clock
    clock.sleep(seconds)
    killed = ParallelClient("key-of-a-test", transport=Dying(session.simulator), clock=clock)
    theirs = create_research_graph(client=killed, processor=("pro", "core-fast"))
    with pytest.raises(Killed):
        theirs.compile(session.checkpointer, store=session.store).invoke(None, session.config)
    own.interrupt_before_nodes = []
    before, resumed_at = len(session.simulator.requests), clock.monotonic()
    ended = invoke(mode, own, None, session.config)
    assert ended["turns"][-1]["status"] == "completed"
    assert len(session.runs) == 2
    sent_at = [one.at for one in session.simulator.requests[before:] if one.method == "POST"]
    assert sent_at[0] - resumed_at > 30.0  # it was looked for until that was settled


class Overtaking(InMemorySaver):
    """Once it has written a plan, another process goes on with the thread before the one that planned."""

    overtake: Callable[[], object] | None = None

    def put(self, config: Any, checkpoint: Any, *args: Any) -> Any:
        place = super().put(config, checkpoint, *args)
        overtake = self.overtake
        if overtake and "ledger_id" in checkpoint["channel_values"]:
            self.overtake = None
            overtake()
        return place


def test_whoever_made_the_ledger_finds_what_another_process_has_sent_in_that_moment(
    mode: Mode,
) -> None:
    session = with_store(mode)
    session.options = {"wait": "park"}
    session.checkpointer = saver = Overtaking()
    own = session.graph()
    invoke(mode, own, QUESTION, {"configurable": {"thread_id": "earlier"}})  # its store is proven
    assert len(session.runs) == 1
    other = replace(session, mode="sync").graph()
    parked = list[Any]()
    saver.overtake = lambda: parked.append(other.invoke(None, session.config, durability="sync"))
    invoke(mode, own, QUESTION, session.config)
    assert len(parked) == 1
    assert len(session.runs) == 2
    turn = own.get_state(session.config).values["pending"]
    assert turn["run_id"] == session.runs[-1]["run_id"]


def test_asked_again_from_before_it_the_same_question_is_researched_anew(mode: Mode) -> None:
    session = with_store(mode)
    session.ask("Who leads?")
    *_, first = session.graph().get_state_history(session.config)
    session.ask("Who leads?", config=first.config)
    assert len(session.runs) == 2


def test_a_new_thread_of_a_deleted_ones_id_gets_no_answer_of_that(mode: Mode) -> None:
    session = with_store(mode)
    limits = {"limits": {"max_runs": 5}}
    session.graph().update_state(session.config, limits)
    session.ask("Who leads?")
    session.checkpointer = InMemorySaver()
    session.graph().update_state(session.config, limits)
    session.ask("Who leads?")
    assert len(session.runs) == 2
