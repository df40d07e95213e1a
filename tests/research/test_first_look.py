"""A ledger that the same process has just made is not looked into; any other is."""

from __future__ import annotations

from typing import Any

import pytest

from langchain_parallel.errors import CreditExhausted
from langchain_parallel.options import Limits
from langchain_parallel.simulator import Fault, ManualClock, Simulator

from ..faults.users import Saver
from .harness import Mode, Session, blocking_client

QUESTION = "How large is it?"
LOOK = ["GET group", "GET runs"]
START = ["POST runs", "GET events"]


def requests(session: Session, question: str | None = QUESTION, **given: Any) -> list[str]:
    """What a question asks of the API."""
    before = len(session.simulator.requests)
    session.ask(question, **given)
    return [_short(entry) for entry in session.simulator.requests[before:]]


def _short(entry: Any) -> str:
    last = entry.path.rsplit("/", 1)[1]
    names = {"tgrp": "group", "trun": "run"}
    return f"{entry.method} {names.get(last[:4], last)}"


def test_a_sessions_first_turn_makes_its_ledger_and_does_not_look_into_it(session: Session) -> None:
    assert requests(session) == ["POST groups", *START]
    assert requests(session, "Who sells it?") == [*LOOK, *START]


def test_without_a_thread_it_does_not_either(mode: Mode) -> None:
    session = Session(mode, checkpointer=None)
    assert requests(session) == ["POST groups", *START]


def test_where_limits_count_the_ledgers_runs_it_is_looked_into(session: Session) -> None:
    session.options["limits"] = Limits(max_cost_usd=5.0)
    assert requests(session) == ["POST groups", *LOOK, *START]


def test_a_ledger_that_another_process_has_made_is_looked_into(session: Session) -> None:
    ledger_id = blocking_client(session.simulator).create_group().taskgroup_id
    assert requests(session, ledger_id=ledger_id) == [*LOOK, *START]


def test_one_that_may_have_been_used_since_is_looked_into(mode: Mode) -> None:
    clock = ManualClock()
    session = Session(mode, Simulator(clock), Saver(clock))
    session.checkpointer.seconds = 0.1
    assert requests(session) == ["POST groups", *LOOK, *START]


def test_after_a_request_that_was_refused_it_is_looked_into(session: Session) -> None:
    session.simulator.faults.add(Fault("payment_required", method="POST", path="*/runs"))
    with pytest.raises(CreditExhausted):
        session.ask(QUESTION)
    assert requests(session, None) == [*LOOK, *START]
