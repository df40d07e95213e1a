"""Seals: only who has the account's key makes one, and one stands for nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.runnables import RunnableConfig
from pydantic import SecretStr

from langchain_parallel._graph.runtime import asking_user, came_through_server
from langchain_parallel._graph.seals import Seals

OURS, ANOTHERS = Seals(SecretStr("key-1")), Seals(SecretStr("key-2"))
PARTS = ("trun_1", "tgrp_1", None)


def test_a_seal_holds_for_what_it_was_made_of() -> None:
    assert OURS.holds(OURS.of("run", *PARTS), "run", *PARTS)
    assert Seals(SecretStr("key-1")).holds(OURS.of("run", *PARTS), "run", *PARTS)


@pytest.mark.parametrize(
    ("kind", "parts"),
    [
        ("ledger", PARTS),
        ("run", ("trun_2", *PARTS[1:])),
        ("run", PARTS[:2]),
        ("run", ("trun_1tgrp_1", None)),
        ("run", ("trun_1", "tgrp_1", "None")),
    ],
)
def test_it_holds_for_nothing_else(kind: str, parts: tuple[Any, ...]) -> None:
    assert not OURS.holds(OURS.of("run", *PARTS), kind, *parts)


@pytest.mark.parametrize("seal", [None, "", 1, ["x"], "é", "0" * 32, ANOTHERS.of("run", *PARTS)])
def test_what_is_no_seal_of_this_account_proves_nothing(seal: object) -> None:
    assert not OURS.holds(seal, "run", *PARTS)


@given(st.text())
def test_any_text_can_be_sealed(text: str) -> None:
    assert OURS.holds(OURS.of("run", text), "run", text)
    assert not OURS.holds(OURS.of("run", text + "x"), "run", text)


def test_the_order_of_names_does_not_count() -> None:
    """A checkpoint may give an object back with its names in another order."""
    assert OURS.holds(OURS.of("plan", {"a": 1, "b": 2}), "plan", {"b": 2, "a": 1})


def test_seals_of_earlier_versions_hold() -> None:
    """They are in checkpoints: another way to make them would ask people anew."""
    assert OURS.of("run", "é", {"b": 2, "a": None}) == "6f31a35e0f35d4e3ff4ab3c0dcff7feb"


def test_it_shows_no_key() -> None:
    assert repr(OURS) == "Seals()"
    assert "key-1" not in OURS.of("run")


@pytest.mark.parametrize(
    ("given", "through_server", "user"),
    [
        ({}, False, None),
        ({"thread_id": "t"}, False, None),
        ({"langgraph_request_id": "r"}, True, None),
        ({"langgraph_auth_user_id": "anna"}, True, "anna"),
        ({"langgraph_auth_user_id": "", "langgraph_request_id": None}, True, None),
    ],
)
def test_who_calls(given: dict[str, Any], through_server: bool, user: str | None) -> None:
    config = RunnableConfig(configurable=given)
    assert came_through_server(config) is through_server
    assert asking_user(config) == user
