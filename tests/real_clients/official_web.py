"""Searches and extractions by the official `langchain-parallel` 0.5, in an environment of its own.

python official_web.py <base URL>

Prints a JSON line for each program: its name, and what failed.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

official: Any = import_module("langchain_parallel")
COMMON = {"base_url": sys.argv[1], "api_key": "simulated"}
QUERIES = {"search_queries": ["fast trains"]}
SETTINGS = {
    "objective": "Which trains are the fastest?",
    "max_results": 12,
    "mode": "basic",
    "location": "us",
    "source_policy": {"include_domains": ["a.example"], "after_date": "2026-01-01"},
    "fetch_policy": {"max_age_seconds": 600},
    "excerpts": {"max_chars_per_result": 100},
}
PAGES = {"urls": ["https://a.example/x", "https://nowhere.invalid"]}

search = official.ParallelSearchTool(**COMMON)
extract = official.ParallelExtractTool(**COMMON)
retriever = official.ParallelSearchRetriever(**COMMON, mode="fast")


def refused(work: Callable[[], object]) -> bool:
    """Whether a call ends in the package's own error, made of a 422."""
    try:
        work()
    except ValueError as error:
        return "422" in str(error)
    return False


PROGRAMS: dict[str, Callable[[], object]] = {
    "search": lambda: len(search.invoke(QUERIES)["results"]) == 10,
    "search awaited": lambda: asyncio.run(search.ainvoke(QUERIES))["search_id"],
    "search with settings": lambda: len(search.invoke({**QUERIES, **SETTINGS})["results"]) == 12,
    "too many results": lambda: search.invoke({**QUERIES, "max_results": 30})["warnings"],
    "malformed search": lambda: refused(lambda: search.invoke({"search_queries": [" "]})),
    "retriever": lambda: len(retriever.invoke("fast trains")) == 5,
    "retriever awaited": lambda: asyncio.run(retriever.ainvoke("q"))[0].metadata["search_id"],
    "extract": lambda: extract.invoke(PAGES)[1]["error_type"] == "fetch_error",
    "extract awaited": lambda: asyncio.run(extract.ainvoke(PAGES))[0]["content"],
    "whole texts": lambda: extract.invoke({**PAGES, "full_content": True})[0]["full_content"],
}

for name, work in PROGRAMS.items():
    failed = None
    try:
        if not work():
            failed = "not as it should be"
    except Exception as error:  # noqa: BLE001 -- whatever it is, it is to be told
        failed = f"{type(error).__name__}: {error}"
    print(json.dumps({"name": name, "failed": failed}))
