"""The records of parked threads: each thread has its own, until it was resumed."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore

from langchain_parallel.parked import Outcome
from langchain_parallel.parked.index import put_record

from ..research.harness import Mode, Session, blocking_client
from .helpers import RECORDS, records, swept, woken


@pytest.fixture(params=["sync", "async"])
def session(request: pytest.FixtureRequest) -> Session:
    mode: Mode = request.param
    return Session(mode, options={"wait": "park"}, store=InMemoryStore())


def ask_in_two_threads(session: Session) -> str:
    """The run that both wait for."""
    ledger_id = blocking_client(session.simulator).create_group().taskgroup_id
    for name in ("one", "two"):
        config = {"configurable": {"thread_id": name}}
        session.ask("How large is it?", ledger_id=ledger_id, config=config)
    session.simulator.clock.sleep(3_600.0)
    (found,) = session.runs
    return str(found["run_id"])


def waits(session: Session, thread_id: str) -> bool:
    return bool(session.graph().get_state({"configurable": {"thread_id": thread_id}}).tasks)


def older(session: Session, seconds: float) -> None:
    for item in records(session.store):
        value = {**item.value, "at": item.value["at"] - seconds}
        session.store.put(item.namespace, item.key, value)  # type: ignore[union-attr]


def test_two_threads_that_wait_for_one_run_are_both_woken(session: Session) -> None:
    run_id = ask_in_two_threads(session)
    assert len(records(session.store)) == 2
    found = woken(session, session.graph(), run_id)
    assert (found.outcome, found.is_settled) == (Outcome.RESUMED, True)
    assert (waits(session, "one"), waits(session, "two")) == (False, False)
    assert records(session.store) == []


def test_two_threads_that_wait_for_one_run_are_both_swept(session: Session) -> None:
    ask_in_two_threads(session)
    assert sorted(swept(session, session.graph()).resumed) == ["one", "two"]
    assert records(session.store) == []


def test_one_of_two_threads_that_fails_does_not_stop_the_other_and_keeps_its_record(
    session: Session,
) -> None:
    failed: list[str] = []

    def evaluate(state: Any, turn: Any) -> None:
        if not failed:
            failed.append(turn["run_id"])
            raise LookupError("a fault of the caller's own")

    session.options["evaluate"] = evaluate
    run_id = ask_in_two_threads(session)
    with pytest.raises(LookupError):
        woken(session, session.graph(), run_id)
    assert [waits(session, name) for name in ("one", "two")].count(True) == 1
    assert len(records(session.store)) == 1
    assert len(swept(session, session.graph(), stranded_after=0.0).resumed) == 1
    assert records(session.store) == []


@pytest.mark.parametrize("by", ["webhook", "sweep"])
@pytest.mark.parametrize("changes", [{"more": 1}, {"node": "missing", "at": "missing"}])
def test_a_record_with_other_fields_is_read(
    session: Session, changes: dict[str, Any], by: str
) -> None:
    session.ask("How large is it?")
    session.simulator.clock.sleep(3_600.0)
    store, (item,) = session.store, records(session.store)
    assert store is not None
    value = {**item.value, **changes}
    store.put(item.namespace, item.key, {n: v for n, v in value.items() if v != "missing"})
    if by == "webhook":
        run_id = str(item.value["run_id"])
        assert woken(session, session.graph(), run_id).outcome is Outcome.RESUMED
    else:
        assert swept(session, session.graph()).resumed == ["thread"]
    assert records(session.store) == []


@pytest.mark.parametrize(
    "value",
    [{"x": 1}, {"run_id": "trun_1", "thread_id": None}, {"run_id": 7, "thread_id": "thread"}],
)
def test_an_item_that_is_no_record_is_logged_and_stops_no_other(
    session: Session, value: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    assert session.store is not None
    session.ask("How large is it?")
    session.simulator.clock.sleep(3_600.0)
    session.store.put(RECORDS, "trun_strange", value)
    session.store.put(("langchain_parallel", "webhooks"), "strange", value)
    assert swept(session, session.graph()).resumed == ["thread"]
    assert "trun_strange" in caplog.text
    assert woken(session, session.graph(), "trun_strange").outcome is Outcome.UNKNOWN_RUN


def test_a_sweep_over_other_checkpoints_leaves_the_records_for_days(
    session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    session.ask("How large is it?")
    session.simulator.clock.sleep(3_600.0)
    older(session, 6 * 86_400.0)
    right = session.checkpointer
    session.checkpointer = InMemorySaver()
    swept(session, session.graph())
    woken(session, session.graph(), session.runs[0]["run_id"])
    assert len(records(session.store)) == 1
    session.checkpointer = right
    assert swept(session, session.graph()).resumed == ["thread"]


def test_the_record_of_a_thread_that_is_never_seen_is_deleted_and_logged(
    session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "langchain_parallel")
    session.ask("How large is it?")
    session.simulator.clock.sleep(3_600.0)
    older(session, 8 * 86_400.0)
    session.checkpointer = InMemorySaver()
    swept(session, session.graph())
    assert records(session.store) == []
    assert "thread" in caplog.text
    assert session.runs[0]["run_id"] in caplog.text


def test_a_thread_that_waits_keeps_its_record_however_old(session: Session) -> None:
    session.simulator.clock.sleep(1.0)
    session.ask("How large is it?")
    older(session, 30 * 86_400.0)
    swept(session, session.graph())
    assert len(records(session.store)) == 1


def test_runs_whose_ids_differ_by_a_dot_have_records_of_their_own(session: Session) -> None:
    """A namespace of the store must not contain dots."""
    run_id = ask_in_two_threads(session)
    assert session.store is not None
    dotted = run_id.replace("_", ".")
    put_record(session.store, dotted, "one").sync()
    woken(session, session.graph(), run_id)
    assert [item.value["run_id"] for item in records(session.store)] == [dotted]
