from __future__ import annotations

import hashlib
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_parallel._core import limits, wire
from langchain_parallel._core.ledger import identity
from langchain_parallel._core.ledger.identity import (
    credentials_digest,
    credentials_of,
    identity_mark,
)
from langchain_parallel._core.ledger.keys import METADATA_KEY, ledger_key
from langchain_parallel.errors import InvalidRequest
from langchain_parallel.models import (
    DataSources,
    McpServer,
    SourcePolicy,
    TaskAdvancedSettings,
    TaskRun,
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
    "connectors": ask(
        advanced_settings=TaskAdvancedSettings(data_sources=DataSources(free=["pubmed"]))
    ),
    "something new": ask(extra_body={"depth": "deep"}),
    "something new inside": ask(source_policy=SourcePolicy(extra_body={"depth": "deep"})),
}

SAME_QUESTION: dict[str, TaskRunInput] = {
    "dict order": ask(input={"b": {"d": 3, "c": 2}, "a": 1}),
    "metadata": ask(metadata={"user": "bob"}),
    "webhook": ask(webhook=Webhook(url="https://h.example")),
    "events": ask(enable_events=True),
    "auto schema": ask(task_spec=TaskSpec(output_schema="auto")),
    "empty policy": ask(source_policy=SourcePolicy()),
    "empty settings": ask(advanced_settings=TaskAdvancedSettings()),
    "no connectors": ask(advanced_settings=TaskAdvancedSettings(data_sources=DataSources())),
    "nothing new": ask(
        extra_body={}, webhook=Webhook(url="https://h.example", extra_body={"x": 1})
    ),
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


OTHER_EYES: dict[str, list[McpServer]] = {
    "none": [server()],
    "a header": [server(headers={"Authorization": "Bearer one"})],
    "another value": [server(headers={"Authorization": "Bearer two"})],
    "another header": [server(headers={"X-Key": "Bearer one"})],
    "two headers": [server(headers={"Authorization": "Bearer one", "X-Key": "1"})],
    "values changed over": [server(headers={"Authorization": "1", "X-Key": "Bearer one"})],
    "an empty value": [server(headers={"Authorization": ""})],
    "a query": [server(url="https://m.example/sse?token=one")],
    "another query": [server(url="https://m.example/sse?token=two")],
    "a fragment": [server(url="https://m.example/sse#token=one")],
    "a login": [server(url="https://me:one@m.example/sse")],
    "another login": [server(url="https://me:two@m.example/sse")],
    "one of two servers": [server(), server(headers={"Authorization": "Bearer one"})],
    "the other of two servers": [server(headers={"Authorization": "Bearer one"}), server()],
}


def eyes(servers: list[McpServer], **how: Any) -> str:
    return ledger_key(ask(mcp_servers=servers), **how)


def test_other_credentials_have_another_key() -> None:
    seen = {credentials_of(ask(mcp_servers=servers)) for servers in OTHER_EYES.values()}
    assert len(seen) == len(OTHER_EYES)
    assert len({eyes(OTHER_EYES[name]) for name in ("none", "a header", "another value")}) == 3


def test_the_same_credentials_have_the_same_key() -> None:
    one = {"Authorization": "Bearer one", "X-Key": "1"}
    other = {"x-key": "1", "AUTHORIZATION": "Bearer one"}
    assert eyes([server(headers=one)]) == eyes([server(headers=other)])
    assert eyes([server(headers={})]) == eyes([server()])


def test_an_identity_stands_for_all_credentials() -> None:
    alone = [eyes(OTHER_EYES[name], identity="alice") for name in OTHER_EYES]
    assert len(set(alone)) == 2  # one server, two servers
    other = {eyes(OTHER_EYES["a header"], identity=who) for who in (None, "bob", "alice")}
    assert len({*other, eyes(OTHER_EYES["none"])}) == 4
    assert ledger_key(ask(), identity="bob") != ledger_key(ask(), identity="alice") != BASE


def test_a_password_is_hashed_slowly_and_once() -> None:
    """Each guess at it from a key takes as long. A key in state or metadata holds no faster digest of it."""
    credentials = b'[[[["authorization", "Bearer one"]], "", "", ""]]'
    salt = b'langchain-parallel: credentials of MCP servers: ["https://m.example/sse"]'
    slowly = hashlib.pbkdf2_hmac("sha256", credentials, salt, 600_000).hex()
    asked = ask(mcp_servers=OTHER_EYES["a header"])
    assert credentials_digest(asked) == slowly
    made = identity._slow_digest.cache_info().misses
    ledger_key(asked, position="1")
    assert identity._slow_digest.cache_info().misses == made


def test_a_key_with_credentials_or_an_identity_stays_what_it_is() -> None:
    assert eyes(OTHER_EYES["a header"]) == "6e9a346d82fd33655336331c6f503b3de0d63853"
    assert eyes(OTHER_EYES["none"], identity="alice") == "df7b9a675acbce0e00980749e041c9bed052782a"
    assert eyes(OTHER_EYES["none"]) == "7e9c038e1bc728e3dc9959487eed54c45b7eec28"


def test_a_mark_stays_what_it_is_and_tells_whose_a_run_is() -> None:
    """Runs bear it as metadata, and outlive releases."""
    alice = identity_mark(ask(), "a" * identity.MAX_IDENTITY), identity_mark(ask(), "alice")
    assert alice[1] == "858b73f261a9c244"
    assert identity_mark(ask(), None) is None
    for metadata, mark, is_anothers in (
        ({identity.MARK_KEY: alice[1]}, alice[1], False),
        ({identity.MARK_KEY: alice[1]}, alice[0], True),
        ({identity.MARK_KEY: alice[1]}, None, True),
        ({"row": "7"}, alice[1], False),  # what everybody can see
        (None, alice[1], False),
    ):
        run = TaskRun(run_id="trun_1", status="queued", metadata=metadata)
        assert identity.is_anothers(run, mark) is is_anothers


WRONG_IDENTITIES: list[tuple[Any, str]] = [
    ("", "identity is blank; give text of up to 512 characters"),
    (" \n", "identity is blank"),
    ("a" * 513, "identity has 513 characters"),
    ("a\ud800", "lone surrogate"),
    (7, "identity is an int; give text"),
    (b"alice", "identity is a bytes; give text"),
]


@pytest.mark.parametrize(("given", "words"), WRONG_IDENTITIES, ids=repr)
def test_an_identity_that_is_none_is_refused_and_not_repeated(given: Any, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words) as refused:
        ledger_key(ask(), identity=given)
    assert str(given or "\0") not in str(refused.value)


def test_an_identity_has_up_to_512_characters() -> None:
    assert ledger_key(ask(), identity="a" * 512) != BASE


def test_a_mark_stays_what_it_is() -> None:
    """A session compares its own with those of runs that earlier versions have started."""
    assert identity.identity_mark(ask(), "alice") == "858b73f261a9c244"
    assert identity.identity_mark(ask(), None) is None


@pytest.mark.parametrize(
    ("metadata", "mark", "is_anothers"),
    [
        (None, "alice's", False),
        ({}, None, False),
        ({identity.MARK_KEY: "alice's"}, "alice's", False),
        ({identity.MARK_KEY: "alice's"}, "bob's", True),
        ({identity.MARK_KEY: "alice's"}, None, True),
    ],
)
def test_a_run_with_another_mark_is_anothers(
    metadata: dict[str, str] | None, mark: str | None, is_anothers: bool
) -> None:
    run = TaskRun(run_id="trun_1", interaction_id="intr_1", status="queued", metadata=metadata)
    assert identity.is_anothers(run, mark) is is_anothers


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
    other_script = ledger_key(ask(input="Wer führt in 日本?"), position="2")
    assert other_script == "fc8a5aee3dc26e6a8c886ed7e94fa506cf2cc1e8"


class LaterInput(TaskRunInput):
    """A request with a field that this version of the package does not have yet."""

    depth: str | None = None


def test_a_new_field_of_a_request_is_sent_and_asks_for_another_run() -> None:
    later = LaterInput(input="Who?", processor="lite", depth="deep")
    assert wire.payload(later) == {"input": "Who?", "processor": "lite", "depth": "deep"}
    assert ledger_key(later) != ledger_key(TaskRunInput(input="Who?", processor="lite"))


def test_other_domains_ask_for_another_run_and_their_order_does_not() -> None:
    def key(**domains: Any) -> str:
        policy = SourcePolicy(**domains)
        return ledger_key(TaskRunInput(input="Who?", processor="lite", source_policy=policy))

    one = key(include_domains=["a.example", "b.example"])
    assert one == key(include_domains=["b.example", "a.example"])
    assert one != key(include_domains=["a.example", "c.example"])
    assert one != key(exclude_domains=["a.example", "b.example"])


@pytest.mark.parametrize(
    "wrong", [{"position": 1}, {"attempt": -1}, {"attempt": 1.0}, {"attempt": True}]
)
def test_a_position_or_attempt_that_is_none_has_no_key(wrong: Any) -> None:
    with pytest.raises(InvalidRequest, match=next(iter(wrong))):
        ledger_key(TaskRunInput(input="Who?", processor="lite"), **wrong)
