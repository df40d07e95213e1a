"""Searches and extractions written for the official `langchain-parallel` 0.5, which run with either package.

python official_web.py <base URL>

In an environment of its own it is the official package that they import, here it is this one. Prints a JSON
line for each program: its name, what failed, and the shape of its result.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

official: Any = import_module("langchain_parallel")
QUERIES = {"search_queries": ["fast trains"]}
SETTINGS = {
    "objective": "Which trains are the fastest?",
    "max_results": 12,
    "mode": "basic",
    "location": "us",
    "source_policy": {"include_domains": ["a.example"], "after_date": "2026-01-01"},
    "fetch_policy": {"max_age_seconds": 600},
    "excerpts": {"max_chars_per_result": 100},
    "max_chars_total": 5_000,
    "client_model": "a-model",
    "session_id": "session_a",
    "include_metadata": False,
    "timeout": 30,
}
PAGES = {"urls": ["https://a.example/x", "https://nowhere.invalid"]}
OF_PAGES = {
    "search_objective": "What is it about?",
    "search_queries": ["what"],
    "excerpts": {"max_chars_per_result": 100},
    "full_content": {"max_chars_per_result": 200},
    "fetch_policy": {"max_age_seconds": 600},
    "max_chars_total": 5_000,
    "client_model": "a-model",
    "session_id": "session_a",
    "timeout": 30.0,
}


def refused(work: Callable[[], object]) -> bool:
    """Whether a call ends in a `ValueError`."""
    try:
        work()
    except ValueError:
        return True
    return False


def as_json(documents: list[Any]) -> list[Any]:
    """Documents as plain JSON."""
    return [{"content": one.page_content, **one.metadata} for one in documents]


def programs(base_url: str) -> dict[str, Callable[[], Any]]:
    """By name, programs that return what is looked at of their results."""
    common = {"base_url": base_url, "api_key": "simulated"}
    search = official.ParallelSearchTool(**common)
    module: Any = import_module("langchain_parallel.search_tool")
    extract = import_module("langchain_parallel.extract_tool").ParallelExtractTool(
        **common, max_chars_per_extract=300
    )
    retriever = official.ParallelSearchRetriever(
        **common,
        mode="fast",
        max_results=3,
        objective="What is needed",
        excerpts=official.ExcerptSettings(max_chars_per_result=100),
        source_policy={"include_domains": ["a.example"]},
        fetch_policy=official.FetchPolicy(max_age_seconds=600),
        location="us",
        max_chars_total=4_000,
        client_model="a-model",
    )
    policy = official.SourcePolicy(exclude_domains=["a.example"], after_date="2026-01-01")
    return {
        "search": lambda: search.invoke(QUERIES),
        "search awaited": lambda: asyncio.run(search.ainvoke(QUERIES)),
        "search by its older name": lambda: module.ParallelWebSearchTool(**common).invoke(QUERIES),
        "search with settings": lambda: search.invoke({**QUERIES, **SETTINGS}),
        "search with a policy": lambda: search.invoke({**QUERIES, "source_policy": policy}),
        "too many results": lambda: search.invoke({**QUERIES, "max_results": 30})["warnings"],
        "ten results": lambda: len(search.invoke(QUERIES)["results"]) == 10 or 1 / 0,
        "malformed search": lambda: refused(lambda: search.invoke({"search_queries": [" "]})),
        "no query": lambda: refused(lambda: search.invoke({"search_queries": []})),
        "name": lambda: search.name == "parallel_web_search" or 1 / 0,
        "retriever": lambda: as_json(
            official.ParallelSearchRetriever(**common).invoke("fast trains")
        ),
        "retriever with settings": lambda: as_json(retriever.invoke("q")),
        "retriever awaited": lambda: as_json(asyncio.run(retriever.ainvoke("q"))),
        "extract": lambda: extract.invoke(PAGES)[:1],
        "page that fails": lambda: extract.invoke(PAGES)[1:],
        "extract awaited": lambda: asyncio.run(extract.ainvoke(PAGES)),
        "extract with settings": lambda: extract.invoke({**PAGES, **OF_PAGES}),
        "whole texts": lambda: extract.invoke({**PAGES, "full_content": True}),
    }


def shape(value: Any) -> Any:
    """As in `official_package.py`, which may be alone in its folder."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in sorted(value.items())}
    if isinstance(value, list):
        return [shape(inner) for inner in value[:1]]
    return type(value).__name__


def main(base_url: str) -> None:
    """Run all, and print what came of each."""
    for name, work in programs(base_url).items():
        told: dict[str, Any] = {"name": name, "failed": None}
        try:
            result = work()
            told["shape"] = shape(result)
            told["failed"] = None if result else "not as it should be"
        except Exception as error:  # noqa: BLE001 -- whatever it is, it is to be told
            told["failed"] = f"{type(error).__name__}: {error}"
        print(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1])
