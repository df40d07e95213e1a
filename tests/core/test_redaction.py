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

from langchain_parallel._core.redaction import (
    REDACTED,
    is_ordinary,
    looks_random,
    redact,
    redact_model,
    secrets_of,
)
from langchain_parallel.models import (
    FieldBasis,
    McpServer,
    TaskRun,
    TaskRunInput,
    TaskRunOutput,
    TaskRunResult,
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
