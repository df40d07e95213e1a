from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_parallel._core import limits, wire
from langchain_parallel._core.ledger.keys import METADATA_KEY, ledger_key
from langchain_parallel.models import (
    McpServer,
    SourcePolicy,
    TaskAdvancedSettings,
    TaskRunInput,
    TaskSpec,
    Webhook,
)


def ask(**rest: Any) -> TaskRunInput:
    return TaskRunInput(**{"input": {"a": 1, "b": {"c": 2, "d": 3}}, "processor": "lite", **rest})


def server(**rest: Any) -> McpServer:
    return McpServer(**{"url": "https://m.example/sse", "name": "m", **rest})


BASE = ledger_key(ask())

OTHER_QUESTIONS: dict[str, TaskRunInput] = {
    "input": ask(input="another"),
    "processor": ask(processor="base"),
    "output schema": ask(task_spec=TaskSpec(output_schema="a list")),
    "input schema": ask(task_spec=TaskSpec(input_schema="a name")),
    "interaction": ask(previous_interaction_id="intr_1"),
    "included": ask(source_policy=SourcePolicy(include_domains=["a.com"])),
    "excluded": ask(source_policy=SourcePolicy(exclude_domains=["a.com"])),
    "date": ask(source_policy=SourcePolicy(after_date=date(2025, 1, 1))),
    "server": ask(mcp_servers=[server()]),
    "server's host": ask(mcp_servers=[server(url="https://n.example/sse")]),
    "server's host before an @": ask(mcp_servers=[server(url="https://n.example/sse@1")]),
    "server's path": ask(mcp_servers=[server(url="https://m.example/other")]),
    "server's path behind an @": ask(mcp_servers=[server(url="https://m.example/sse@1")]),
    "server's name": ask(mcp_servers=[server(name="n")]),
    "server's tools": ask(mcp_servers=[server(allowed_tools=["read"])]),
    "location": ask(advanced_settings=TaskAdvancedSettings(location="de")),
    "memory": ask(memory_scope_key="team"),
}

SAME_QUESTION: dict[str, TaskRunInput] = {
    "dict order": ask(input={"b": {"d": 3, "c": 2}, "a": 1}),
    "metadata": ask(metadata={"user": "bob"}),
    "webhook": ask(webhook=Webhook(url="https://h.example")),
    "events": ask(enable_events=True),
    "auto schema": ask(task_spec=TaskSpec(output_schema="auto")),
    "empty policy": ask(source_policy=SourcePolicy()),
    "empty settings": ask(advanced_settings=TaskAdvancedSettings()),
}


def test_what_asks_something_else_has_another_key() -> None:
    keys = {name: ledger_key(run) for name, run in OTHER_QUESTIONS.items()}
    assert len({BASE, *keys.values()}) == 1 + len(keys)


def test_every_field_of_a_request_is_known_to_matter_or_not() -> None:
    """A new field has to be given its place in one of the tables above."""
    touched = {
        f
        for run in (*OTHER_QUESTIONS.values(), *SAME_QUESTION.values())
        for f in run.model_fields_set
    }
    assert touched == set(TaskRunInput.model_fields)


@pytest.mark.parametrize("name", SAME_QUESTION)
def test_what_asks_the_same_has_the_same_key(name: str) -> None:
    assert ledger_key(SAME_QUESTION[name]) == BASE


@pytest.mark.parametrize(
    "other",
    [
        server(headers={"Authorization": "Bearer new"}),
        server(url="https://m.example/sse?token=new"),
        server(url="https://me:new@m.example/sse"),
    ],
    ids=["header", "query", "login"],
)
def test_a_rotated_secret_changes_no_key(other: McpServer) -> None:
    assert ledger_key(ask(mcp_servers=[other])) == ledger_key(ask(mcp_servers=[server()]))


def test_the_order_of_domains_changes_no_key() -> None:
    one, two = (
        ask(source_policy=SourcePolicy(include_domains=d)) for d in (["a.b", "c.d"], ["c.d", "a.b"])
    )
    assert ledger_key(one) == ledger_key(two)


@given(st.text(max_size=9), st.integers(0, 9), st.text(max_size=9), st.integers(0, 9))
def test_position_and_attempt_tell_keys_apart(p: str, a: int, q: str, b: int) -> None:
    same = (p, a) == (q, b)
    keys = ledger_key(ask(), position=p, attempt=a), ledger_key(ask(), position=q, attempt=b)
    assert (keys[0] == keys[1]) is same


def test_a_key_fits_into_metadata_and_stays_what_it_is() -> None:
    """Sessions outlive releases: a key that changes with the package would pay for all runs anew."""
    assert limits.check(ask(metadata={METADATA_KEY: BASE})) == []
    assert BASE == "073e9c39591e2eb84b2b7fca100ae67323698f1b"


class LaterInput(TaskRunInput):
    """A request with a field that this version of the package does not have yet."""

    depth: str | None = None


def test_a_new_field_of_a_request_is_sent_and_asks_for_another_run() -> None:
    later = LaterInput(input="Who?", processor="lite", depth="deep")
    assert wire.payload(later) == {"input": "Who?", "processor": "lite", "depth": "deep"}
    assert ledger_key(later) != ledger_key(TaskRunInput(input="Who?", processor="lite"))
