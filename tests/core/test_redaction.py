"""What counts as a secret: all that looks like one in a secret place, and no word that an answer may mean."""

from __future__ import annotations

import base64
import string
import uuid
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from langchain_parallel._core.hidden import hidden, hide
from langchain_parallel._core.redaction import (
    REDACTED,
    header_secrets,
    is_ordinary,
    longest_first,
    looks_random,
    redact,
    redact_model,
    secrets_of,
)
from langchain_parallel.models import (
    FieldBasis,
    McpServer,
    SourcePolicy,
    TaskRun,
    TaskRunInput,
    TaskRunOutput,
    TaskRunResult,
    TaskRunWarning,
    Webhook,
)

WORDS = st.text(string.ascii_lowercase, min_size=1, max_size=12)
TOKENS = st.text(string.ascii_letters + string.digits + "-_", min_size=6, max_size=40).filter(
    lambda text: (
        any(c.isdigit() for c in text.strip("-_"))
        and any(a.isalpha() and b.isdigit() for a, b in pairwise(text))
    )
)
ORDINARY_HEADERS = {
    "Accept": "application/json, text/event-stream;q=0.9, */*",
    "Accept-Language": "en-US,en;q=0.8,de-DE;q=0.5",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Cache-Control": "no-cache, must-revalidate",
    "Content-Type": "application/vnd.api+json; charset=utf-8",
    "MCP-Protocol-Version": "2025-06-18",
    "Notion-Version": "2022-06-28",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) research-agent/1.2.3",
    "X-GitHub-Api-Version": "2022-11-28",
    "X-Tenant": "Acme Corporation",
    "X-Environment": "production",
    "X-Model": "gpt-4o-mini-2024-07-18",
    "X-Auth-Type": "interactive",
    "Authorization": "Bearer",
    "Cookie": "lang=german; theme=dark-mode",
}


def asking(headers: Any = None, url: str = "https://mcp.example/mcp", hook: str = "") -> Any:
    server = McpServer(url=url, name="m", headers=headers)
    webhook = Webhook(url=hook) if hook else None
    return TaskRunInput(input="x", processor="lite", mcp_servers=[server], webhook=webhook)


def answered(content: Any, request: TaskRunInput) -> TaskRunResult:
    run = TaskRun(run_id="trun_1", interaction_id="intr_1", status="completed")
    output = TaskRunOutput(type="text", content=content, basis=(FieldBasis(reasoning="so"),))
    return redact_model(TaskRunResult(run=run, output=output), secrets_of([request]))


@pytest.mark.parametrize("name", ORDINARY_HEADERS)
def test_an_ordinary_header_changes_no_answer(name: str) -> None:
    value = ORDINARY_HEADERS[name]
    parts = [value, *value.replace(";", ",").replace("=", ",").replace(" ", ",").split(",")]
    content = " / ".join(parts)
    got = answered(content, asking({name: value}))
    assert got.output.content == content
    assert got.run.warnings is None


PATHS = [
    "/webhooks/parallel/incoming-events/research",
    "/api/v2/oauth2callback/myWebhookReceiver",
    "/hooks/2025-07-17/gpt-4o-mini/production",
    "/services/internationalization/responsibilities",
]


@pytest.mark.parametrize("path", PATHS)
def test_words_of_a_path_change_no_answer(path: str) -> None:
    content = f"{path.replace('/', ' ')} {path}"
    request = asking(url=f"https://mcp.example{path}?lang=german", hook=f"https://a.example{path}")
    assert answered(content, request).output.content == content


@given(st.lists(WORDS, min_size=1, max_size=6))
@settings(max_examples=200, deadline=None)
def test_words_are_never_secret_outside_of_secret_places(words: list[str]) -> None:
    text, path = " ".join(words), "/".join(words)
    headers = {"X-Tenant": text, "Accept": "/".join(words[:2]), "X-Team": "-".join(words)}
    url = f"https://mcp.example/{path}?team={'+'.join(words)}"
    assert answered(f"{text} {path}", asking(headers, url)).output.content == f"{text} {path}"


PLACES: dict[str, Any] = {
    "bearer": lambda t: asking({"Authorization": f"Bearer {t}"}),
    "bare": lambda t: asking({"authorization": t}),
    "key": lambda t: asking({"X-Api-Key": t}),
    "token": lambda t: asking({"X-Acme-Token": t}),
    "cookie": lambda t: asking({"Cookie": f"lang=de; session={t}; theme=dark"}),
    "password": lambda t: asking(url=f"https://me:{t}@mcp.example/sse"),
    "user alone": lambda t: asking(url=f"https://{t}@mcp.example/sse"),
    "placeholder": lambda t: asking(url=f"https://{t}:x-oauth-basic@mcp.example/sse"),
    "query": lambda t: asking(url=f"https://mcp.example/sse?api_key={t}"),
    "hook": lambda t: asking(hook=f"https://hooks.example/in?sig={t}&a=b"),
    "basic": lambda t: asking(
        {"Authorization": f"Basic {base64.b64encode(f'me:{t}'.encode()).decode()}"}
    ),
}


@pytest.mark.parametrize("place", PLACES)
@given(TOKENS)
@settings(max_examples=60, deadline=None)
def test_a_token_in_a_secret_place_is_removed_from_an_answer(place: str, token: str) -> None:
    got = answered(f"It was ({token}), '{token}' and {token}.", PLACES[place](token))
    assert got.output.content == "It was (…), '…' and …."
    assert [str(warning) for warning in got.run.warnings or ()] == [REDACTED]
    assert (got.run.run_id, got.run.interaction_id) == ("trun_1", "intr_1")


@pytest.mark.parametrize("letters", [string.ascii_letters + string.digits, "0123456789abcdef"])
@given(st.integers(0), st.integers(24, 64))
@settings(max_examples=100, deadline=None)
def test_a_long_random_text_is_secret_wherever_it_stands(
    letters: str, seed: int, size: int
) -> None:
    token = "".join(Random(seed).choices(letters, k=size))
    for request in (
        asking({"X-Tenant": token}),
        asking(url=f"https://mcp.example/{token}/sse"),
        asking(hook=f"https://hooks.example/{token}"),
        asking(url=f"https://mcp.example/sse?a={token}"),
    ):
        assert answered(f"Got {token}!", request).output.content == "Got …!"


def test_what_may_hold_a_secret_stays_what_it_is_and_is_not_shown() -> None:
    address = "https://me:hunter2@api.example"
    assert hidden(address) == address
    assert "hunter2" not in repr(hidden(address))
    assert hidden(None) is None
    given = {"login": ["me", {"password": "hunter2"}], "most": 5}
    assert hide(given) == given
    assert "hunter2" not in repr(hide(given))


@pytest.mark.parametrize("text", ['tok"47\\11é', "tok47\t11\u2028é", "töken–4711", 'to"k4711'])
def test_a_secret_is_found_however_json_writes_it(text: str) -> None:
    got = answered({"said": [f"Got {text}!"]}, asking({"X-Key": text}))
    assert got.output.content == {"said": ["Got …!"]}


def test_ids_of_what_is_paid_for_stay() -> None:
    request = asking({"Authorization": "Bearer trun_1a2b3c"})
    run = TaskRun(run_id="trun_1a2b3c", status="completed", metadata={"a": "trun_1a2b3c"})
    got = redact_model(run, secrets_of([request]))
    assert got.run_id == "trun_1a2b3c"
    assert got.metadata == {"a": "…"}
    assert [str(warning) for warning in got.warnings or ()] == [REDACTED]


def test_one_warning_for_all_places() -> None:
    run = TaskRun(run_id="trun_1", status="completed", metadata={"a": "tok4711"})
    result = TaskRunResult(run=run, output=TaskRunOutput(type="text", content="tok4711 it is"))
    got = redact_model([result], secrets_of([asking({"X-Key": "tok4711"})]))
    assert [str(warning) for warning in got[0].run.warnings or ()] == [REDACTED]


def test_ordinary_and_random() -> None:
    for text in (
        "application/json",
        "Research",
        "dark-mode",
        "2025-07-17",
        "en-US",
        "short",
        "*/*",
    ):
        assert is_ordinary(text), text
    for text in (
        "tok4711",
        "hunter2",
        "P@ssword",
        "kqzxvb",
        "abcDEF",
        "correct-horse-battery-staple",
    ):
        assert not is_ordinary(text), text
    for text in (
        str(uuid.UUID(int=2**127 + 5)),
        "xoxb-17653672481-19874698323-pdFZKVeTuE8sk7oOcHrzqqgy",
    ):
        assert looks_random(text), text
    for text in ("oauth2callback", "parallel-webhook-v2", "gpt-4o-mini-2024-07-18", "v1beta1"):
        assert not looks_random(text), text
    assert redact("xtok4711 tok4711_a", ["tok4711"]) == "xtok4711 …_a"


@pytest.mark.parametrize(
    ("text", "is_word"),
    [
        ("a1b2c", True),  # short
        ("a1b2c3", False),
        ("research production", True),  # 19 characters
        ("research productions", False),
        ("1234567", True),
        ("12345678", False),
        ("responsibiliti", True),  # 14 letters
        ("responsibilitie", False),
        ("Research", True),
        ("RESEARCH", True),
        ("reSearch", False),
        ("bcdfg hjklm", True),
        ("bcdfgh", False),  # nobody can say it
        ("rhythm", True),
        ("привет", True),
        ("video/quicktime", True),
        ("*/vnd.acme+json-2026.11", True),
        ("secret/vnd.acme+json-2026.11", False),
    ],
)
def test_what_an_answer_may_mean(text: str, is_word: bool) -> None:
    assert bool(is_ordinary(text)) is is_word


@pytest.mark.parametrize(
    ("text", "is_random"),
    [
        ("a1b2c3d4e5f6", True),
        ("a1b2c3d4e5f", False),  # 11 characters
        ("a1b2c3d4e5f6!", False),  # no token has this
        ("a1-b2-c3-d4-e5", False),  # 10 letters and digits
        ("abcd12efgh34", True),  # it changes three times, in 12
        ("abcd12efghij", False),
        ("abcde12efgh34", False),
        ("abcdefghij12klmnopqrst34", True),  # 24 in one piece
        ("abcdefghi12klmnopqrst34", False),
        ("abcDefGhiJklmnopqrstuvwx12", True),  # no letter follows a digit
        ("abcdefghijklmnopqrstuvwx12", False),  # it changes once
        ("ABCDEFab-1234-5678-9ABC-DEF012345678", True),
        ("abcdefgh-abcd-abcd-abcd-abcdefghijkl", False),
        ("00000000-0000-0000-0000-000000000000", True),
    ],
)
def test_what_looks_as_if_made_by_chance(text: str, is_random: bool) -> None:
    assert looks_random(text) is is_random


@pytest.mark.parametrize(
    ("secret", "left"),
    [("abcdefghijkl", "x…y …"), ("abcdefghijk", "xabcdefghijky …")],
)
def test_a_short_secret_is_removed_as_a_whole_word_only(secret: str, left: str) -> None:
    assert redact(f"x{secret}y {secret}", [secret]) == left


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({"Authorization": "Bearer tok4711"}, {"Bearer tok4711", "tok4711"}),
        ({"authorization": "BEARER"}, set()),
        ({"X-Tenant": "tok4711"}, set()),
        ({"X-Tenant": "a1b2c3d4e5f6"}, {"a1b2c3d4e5f6"}),
        ({"Cookie": 'a="tok4711"; b=c'}, {"tok4711", "c"}),
        ({"Cookie": "tok4711=="}, {"tok4711=="}),
        ({"Cookie": "=tok4711"}, {"=tok4711"}),
        ({"X-Key": "a=b c"}, {"a=b c", "b", "c"}),
        (
            {"Authorization": "Basic bWU6aHVudGVyMg=="},
            {"Basic bWU6aHVudGVyMg==", "bWU6aHVudGVyMg==", "me:hunter2", "hunter2"},
        ),
        ({"X-Key": "bm9uZQ=="}, {"bm9uZQ=="}),  # no login: it has no colon
        ({"X-Key": "OgA="}, {"OgA="}),  # nor has it letters only
    ],
)
def test_the_secrets_in_headers(headers: dict[str, str], found: set[str]) -> None:
    assert header_secrets(headers.items()) == found


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("https://a.example/b?lang=de#c", set()),
        ("https://me:hunter2@a.example", {"me:hunter2", "hunter2"}),
        ("https://me@a.example", {"me"}),
        ("https://me:x-oauth-basic@a.example", {"me", "me:x-oauth-basic"}),
        ("https://a1b2c3d4e5f6:hunter2@a.example", {"a1b2c3d4e5f6:hunter2", "hunter2"}),
        ("https://a.example?key=hunter2&a=b", {"hunter2", "key=hunter2&a=b"}),
        ("https://a.example?a=a1b2c3d4e5f6", {"a1b2c3d4e5f6", "a=a1b2c3d4e5f6"}),
        ("https://a.example/x/a1b2c3d4e5f6/y", {"a1b2c3d4e5f6"}),
        ("https://a.example?key=a%20b+c", {"a%20b+c", "a b c", "a b+c", "key=a%20b+c"}),
    ],
)
def test_the_secrets_in_an_address(url: str, found: set[str]) -> None:
    if found:
        found |= {url, url.removeprefix("https://")}
    if url.startswith("https://a1b2c3d4e5f6:"):
        found |= {"a1b2c3d4e5f6"}
    assert set(secrets_of([asking(url=url)])) == found


def test_secrets_are_told_longest_first_and_none_is_blank() -> None:
    assert longest_first(["b", "", "abc", " ", "a", "abc"]) == ("abc", "a", "b")


def test_what_callers_send_beside_is_searched_through() -> None:
    extra: Any = {
        "depth": "deep",
        "auth": {"a": ["x", {"token": "tok4711"}]},
        "list": [["y"]],
        "n": 5,
    }
    request = TaskRunInput(
        input="x",
        processor="lite",
        extra_body=extra,
        source_policy=SourcePolicy(extra_body={"password": "hunter2"}),
    )
    assert set(secrets_of([request])) == {"tok4711", "hunter2"}


def test_what_holds_no_secret_is_the_same_object() -> None:
    run = TaskRun(run_id="trun_1", status="completed", metadata={"a": "b"})
    assert redact_model(run, ["tok4711"]) is run
    assert redact_model(run, ["b"]) is run  # a word
    only_its_id = TaskRun(run_id="tok4711", status="completed")
    assert redact_model(only_its_id, ["tok4711"]) is only_its_id


def test_a_secret_goes_from_names_and_lists_too() -> None:
    metadata = {"tok4711": "x", "y": "a tok4711"}
    run = TaskRun(run_id="trun_1", status="completed", metadata=metadata)
    got = redact_model((run, [run]), ["tok4711"])
    assert isinstance(got, tuple)
    assert got[0].metadata == {"…": "x", "y": "a …"}
    assert got[1][0].metadata == got[0].metadata
    assert [str(warning) for warning in got[0].warnings or ()] == [REDACTED]


@pytest.mark.parametrize("secret", ['tok"47\\11', "tök4711"])
def test_a_secret_that_json_writes_in_another_way_is_removed_too(secret: str) -> None:
    run = TaskRun(run_id="trun_1", status="completed", metadata={"a": f"It is {secret}"})
    assert redact_model(run, [secret]).metadata == {"a": "It is …"}


def test_what_has_no_run_is_told_of_nothing() -> None:
    basis = FieldBasis(field="a", reasoning="It is tok4711")
    got = redact_model(basis, ["tok4711"])
    assert got == FieldBasis(field="a", reasoning="It is …")


def test_the_warning_stands_beside_others_and_once() -> None:
    other = TaskRunWarning(message="Take care.")
    run = TaskRun(run_id="trun_1", status="completed", warnings=(other,), metadata={"a": "tok4711"})
    once = redact_model(run, ["tok4711"])
    assert [warning.message for warning in once.warnings or ()] == ["Take care.", REDACTED]
    again = redact_model(once.model_copy(update={"metadata": {"a": "tok4711"}}), ["tok4711"])
    assert again.warnings == once.warnings


@pytest.mark.parametrize("scheme", ["Basic", "bearer", "DIGEST", "Negotiate", "token"])
def test_the_word_before_a_token_is_none(scheme: str) -> None:
    assert header_secrets({"Authorization": scheme}.items()) == set()


@pytest.mark.parametrize("word", ["x-oauth-basic", "x-token-auth", "x-access-token"])
def test_a_word_in_place_of_a_password_is_none(word: str) -> None:
    found = secrets_of([asking(url=f"https://hunter2:{word}@a.example")])
    assert "hunter2" in found
    assert word not in found


def test_the_address_of_a_webhook_is_a_secret_as_a_whole() -> None:
    """Whoever knows it can post there."""
    hook = "https://a.example/in"
    request = TaskRunInput(input="x", processor="lite", webhook=Webhook(url=hook))
    assert secrets_of([request]) == (hook,)


def test_what_is_not_quite_base64_holds_no_login() -> None:
    assert "hunter2" not in header_secrets({"X-Key": "bWU6!aHVudGVyMg=="}.items())


class Paid(BaseModel):
    """All ids that results of this package have."""

    run_id: str = "tok4711"
    interaction_id: str = "tok4711"
    taskgroup_id: str = "tok4711"
    ledger_id: str = "tok4711"
    run_ids: tuple[str, ...] = ("tok4711",)
    duplicates: tuple[str, ...] = ("tok4711",)
    said: dict[str, Any] = {"a": "It is tok4711", "n": 5, "none": None}


def test_all_ids_stay_and_so_does_what_is_no_text() -> None:
    got = redact_model(Paid(), ["tok4711"])
    assert got == Paid(said={"a": "It is …", "n": 5, "none": None})
