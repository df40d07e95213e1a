"""One LangGraph server for all tests that need no other: it takes seconds to start."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from langchain_parallel.simulator import RunningServer, Simulator, serve

from .running import SECRET, running


@pytest.fixture(scope="session")
def api() -> Iterator[RunningServer]:
    with serve(
        Simulator(latency_scale=0.02, webhook_secrets=(SECRET,), webhook_scheme="legacy")
    ) as server:
        yield server


@pytest.fixture(scope="session")
def url(api: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(api, tmp_path_factory.mktemp("server")) as here:
        yield here


@pytest.fixture(scope="session")
def client(url: str) -> Iterator[Any]:
    from langgraph_sdk import get_sync_client

    made = get_sync_client(url=url)
    yield made
    made.http.client.close()


@pytest.fixture(scope="session")
def patient(client: Any) -> str:
    """An assistant of the research graph that waits for its answers; the graph itself parks."""
    context = {"wait": "block", "limits": {"max_runs": 5}}
    made = client.assistants.create("research", name="patient", context=context)
    return str(made["assistant_id"])
