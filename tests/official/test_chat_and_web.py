"""Chat, search and extract under their official names: every documented argument, errors, calls of models."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from langchain_core.messages import ToolMessage
from pydantic import ValidationError

import langchain_parallel
from langchain_parallel import chat_models, official, retrievers, tools
from langchain_parallel.errors import ParallelError, RequestWarning
from langchain_parallel.simulator import Fault

from .helpers import OfficialAccount

QUERY = {"search_queries": ["fast trains"]}
IGNORED: dict[str, Any] = {
    "temperature": 0.7,
    "max_tokens": 10,
    "tools": [],
    "tool_choice": "auto",
    "stream_options": {},
    "top_p": 1.0,
    "frequency_penalty": 0.0,
    "presence_penalty": 0.0,
    "logit_bias": {},
    "seed": 1,
    "user": "somebody",
}
FAILS = Fault("status_before", method="POST", status=422, times=None)


def test_chat_takes_every_documented_argument(account: OfficialAccount) -> None:
    none = dict.fromkeys(IGNORED)
    usual: dict[str, Any] = {"timeout": None, "response_format": None, **none}
    made = official.ChatParallelWeb(model_name="lite", client=account.client, **usual)
    answer = made.invoke([("system", "Be brief."), ("human", "q")])
    assert answer.content
    assert answer.response_metadata["interaction_id"]
    assert official.ChatParallel is official.ChatParallelWeb
    assert official.ChatParallel(api_key="k").model == "speed"
    with pytest.warns(RequestWarning, match="Chat ignores .*temperature"):
        official.ChatParallel(api_key="k", base_url="https://a.example", max_retries=2, **IGNORED)


@pytest.mark.parametrize("how", ["invoke", "ainvoke", "stream", "astream"])
def test_a_turn_that_fails_is_a_value_error(account: OfficialAccount, how: str) -> None:
    account.simulator.faults.add(FAILS)
    model = official.ChatParallel(model="lite", client=account.client)

    async def streamed() -> list[Any]:
        return [piece async for piece in model.astream("q")]

    calls: dict[str, Any] = {
        "invoke": lambda: model.invoke("q"),
        "ainvoke": lambda: asyncio.run(model.ainvoke("q")),
        "stream": lambda: list(model.stream("q")),
        "astream": lambda: asyncio.run(streamed()),
    }
    with pytest.raises(ValueError, match="Error calling Parallel Chat API: ") as raised:
        calls[how]()
    assert isinstance(raised.value, ParallelError)
    assert isinstance(raised.value.__cause__, ParallelError)


def sent(account: OfficialAccount, path: str) -> list[dict[str, Any]]:
    """The bodies of all calls of a path."""
    return [json.loads(one.content) for one in account.wire.asked if one.url.path == path]


def test_a_search_sends_every_documented_argument(account: OfficialAccount) -> None:
    search = official.ParallelSearchTool(client=account.client)
    policy = official.SourcePolicy(include_domains=["a.example"], after_date="2026-01-01")  # type: ignore[arg-type]  # text is read
    given = {
        **QUERY,
        "objective": "o",
        "max_results": 12,
        "excerpts": official.ExcerptSettings(max_chars_per_result=100),
        "source_policy": policy,
        "fetch_policy": {"max_age_seconds": 600, "timeout_seconds": 1.5},
        "location": "us",
        "mode": "basic",
        "max_chars_total": 5_000,
        "client_model": "m",
        "session_id": "s",
        "include_metadata": False,
        "timeout": 30,
    }
    assert "search_metadata" not in search.invoke(given)
    search.invoke(QUERY)
    full, plain = sent(account, "/v1/search")
    assert full == {
        **QUERY,
        "objective": "o",
        "mode": "basic",
        "max_chars_total": 5_000,
        "session_id": "s",
        "client_model": "m",
        "advanced_settings": {
            "source_policy": {"include_domains": ["a.example"], "after_date": "2026-01-01"},
            "fetch_policy": {
                "max_age_seconds": 600,
                "timeout_seconds": 1.5,
                "disable_cache_fallback": False,
            },
            "excerpt_settings": {"max_chars_per_result": 100},
            "location": "us",
            "max_results": 12,
        },
    }
    assert plain == {**QUERY, "advanced_settings": {"max_results": 10}}


@pytest.mark.parametrize(
    ("given", "whole"),
    [
        ({"full_content": True}, {"max_chars_per_result": 300}),
        ({"full_content": {"max_chars_per_result": 200}}, {"max_chars_per_result": 200}),
        ({}, None),
    ],
)
def test_an_extraction_sends_every_documented_argument(
    account: OfficialAccount, given: dict[str, Any], whole: Any
) -> None:
    extract = official.ParallelExtractTool(client=account.client, max_chars_per_extract=300)
    common = {
        "search_queries": ["what"],
        "max_chars_total": 5_000,
        "client_model": "m",
        "session_id": "s",
    }
    more = {"excerpts": {"max_chars_per_result": 100}, "timeout": 30.0, "search_objective": "o"}
    pages = {"urls": ["https://a.example/x"]}
    [page] = extract.invoke({**pages, **common, **more, **given})
    assert page["content"]
    settings = {"excerpt_settings": {"max_chars_per_result": 100}}
    settings |= {"full_content": whole} if whole else {}
    [body] = sent(account, "/v1/extract")
    assert body == {**pages, **common, "objective": "o", "advanced_settings": settings}


def test_a_model_reads_fenced_pages_and_is_shown_two_arguments(account: OfficialAccount) -> None:
    search = official.ParallelSearchTool(client=account.client)
    message = search.invoke({"type": "tool_call", "id": "1", "name": search.name, "args": QUERY})
    assert isinstance(message, ToolMessage)
    assert "<research_output" in message.text
    assert message.artifact["citations"]
    assert set(search.tool_call_schema.model_json_schema()["properties"]) == {  # type: ignore[union-attr]  # a class
        "search_queries",
        "objective",
    }
    empty = {"type": "tool_call", "id": "2", "name": search.name, "args": {"search_queries": []}}
    assert "do not fit" in search.invoke(empty).text


@pytest.mark.parametrize("how", ["sync", "async"])
def test_by_hand_what_fails_is_a_value_error(account: OfficialAccount, how: str) -> None:
    account.simulator.faults.add(FAILS)
    doors: dict[str, Any] = {
        "Search": (official.ParallelSearchTool(client=account.client), QUERY),
        "Extract": (official.ParallelExtractTool(client=account.client), {"urls": ["https://a"]}),
        "Search ": (official.ParallelSearchRetriever(client=account.client), "q"),
    }
    for api, (door, given) in doors.items():
        with pytest.raises(ValueError, match=f"Error calling Parallel {api.strip()} API: "):
            door.invoke(given) if how == "sync" else asyncio.run(door.ainvoke(given))
    with pytest.raises(ValidationError):
        doors["Search"][0].invoke({"search_queries": []})


def test_the_top_level_gives_the_official_tools_and_this_packages_chat() -> None:
    top: Any = langchain_parallel
    assert top.ParallelSearchTool is top.ParallelWebSearchTool is official.ParallelSearchTool
    assert issubclass(top.ParallelSearchTool, tools.ParallelSearchTool)
    assert issubclass(top.ParallelExtractTool, tools.ParallelExtractTool)
    assert issubclass(top.ParallelSearchRetriever, retrievers.ParallelSearchRetriever)
    assert top.ChatParallel is top.ChatParallelWeb is chat_models.ChatParallelWeb
    assert issubclass(official.ChatParallel, chat_models.ChatParallel)
