"""Keys and MCP headers stay in the graph's configuration."""

from __future__ import annotations

import pickle

import pytest

from langchain_parallel import create_research_graph
from langchain_parallel.models import McpServer
from langchain_parallel.options import RequestOptions
from langchain_parallel.simulator import RunScript

from .harness import Mode, Session, as_json, client_of, invoke

TOKEN = "tok-3f9a27c1"


def with_server(session: Session) -> Session:
    url = f"https://mcp.example/{TOKEN}?key={TOKEN}"
    server = McpServer(url=url, name="files", headers={"Authorization": f"Bearer {TOKEN}"})
    session.options["request"] = RequestOptions(mcp_servers=[server])
    return session


def test_they_never_reach_state_checkpoints_or_streams(session: Session) -> None:
    out = with_server(session).ask("Map the landscape")
    assert out["turns"][0]["status"] == "completed"
    kept = [
        *session.graph().get_state_history(session.config),
        *session.checkpointer.list(session.config),
    ]
    for secret in (TOKEN, "key-of-a-test"):
        assert secret not in as_json(out)
        assert all(secret not in repr(snapshot) for snapshot in kept)
        assert all(secret.encode() not in pickle.dumps(snapshot.values) for snapshot in kept[:1])


def test_a_server_that_repeats_them_in_a_runs_error_gets_them_into_no_turn(
    session: Session,
) -> None:
    session.simulator.scripts.add(RunScript("failed", message=f"MCP refused Bearer {TOKEN}"))
    out = with_server(session).ask("Map the landscape")
    assert out["turns"][0]["status"] == "failed"
    assert "MCP refused" in out["turns"][0]["error"]
    assert TOKEN not in as_json(out)


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_one_client_alone_makes_both_kinds_of_calls(session: Session, kind: Mode) -> None:
    graph = create_research_graph(client=client_of(kind, session.simulator)).compile()
    assert invoke(session.mode, graph, {"question": "Who?"}, {})["answer"]
