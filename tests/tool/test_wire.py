"""Every shape of answer × first turn and follow-up × with and without MCP servers × sync and async."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import jsonschema
import pytest
from pydantic import BaseModel

from langchain_parallel.models import McpServer, SourcePolicy, TaskAdvancedSettings
from langchain_parallel.options import RequestOptions

from .helpers import Account, How, ask, strings

FIRST = "Which companies run driverless taxis?"
FOLLOW_UP = "Which of them is the largest?"
SERVER = McpServer(
    url="https://mcp.example/sse", name="crm", headers={"Authorization": "Bearer t0p"}
)


class Rival(BaseModel):
    name: str
    size: Literal["small", "large"]


class Report(BaseModel):
    summary: str
    rivals: list[Rival]
    year: int | None = None


CLOSED = {"additionalProperties": False}
REPORT = {
    **Report.model_json_schema(),
    **CLOSED,
    "$defs": {"Rival": {**Rival.model_json_schema(), **CLOSED}},
}
JSON_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "verdict": {"type": "string"},
        "score": {"type": "integer"},
        "details": {
            "type": "object",
            "properties": {"since": {"type": "string"}},
            "required": ["since"],
        },
    },
    "required": ["verdict", "score", "details"],
}


@dataclass(frozen=True)
class Shape:
    given: Any
    sent: dict[str, Any]
    is_text: bool = False

    def fits(self, output: dict[str, Any]) -> None:
        assert output["type"] == ("text" if self.is_text else "json")
        if self.is_text:
            assert isinstance(output["content"], str)
        else:
            schema = self.sent.get("json_schema") or output["output_schema"]
            jsonschema.validate(output["content"], schema)


SHAPES = {
    "pydantic": Shape(Report, {"type": "json", "json_schema": REPORT}),
    "json": Shape(JSON_SCHEMA, {"type": "json", "json_schema": JSON_SCHEMA}),
    "text": Shape("Two lines.", {"type": "text", "description": "Two lines."}, is_text=True),
    "auto": Shape("auto", {"type": "auto"}),
}


@pytest.mark.parametrize("with_mcp", [False, True], ids=["plain", "mcp"])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
async def test_schema_context_servers_and_betas_reach_the_api_on_both_turns(
    account: Account, shape: Shape, with_mcp: bool, how: How
) -> None:
    tool = account.tool(
        output_schema=shape.given,
        processor="base",
        request=RequestOptions(mcp_servers=[SERVER] if with_mcp else ()),
    )
    first = (await ask(tool, how, input=FIRST)).artifact
    interaction_id = first["interaction_id"]
    second = (
        await ask(tool, how, input=FOLLOW_UP, previous_interaction_id=interaction_id)
    ).artifact

    assert [sent["input"] for sent in account.sent] == [FIRST, FOLLOW_UP]
    assert [s.get("previous_interaction_id") for s in account.sent] == [None, interaction_id]
    for sent, request, artifact in zip(
        account.sent, account.wire.paid, (first, second), strict=True
    ):
        assert sent["task_spec"]["output_schema"] == shape.sent
        assert sent["processor"] == "base"
        assert sent["enable_events"] is True
        betas = request.headers["parallel-beta"].split(",")
        assert "events-sse-2025-07-24" in betas
        assert ("mcp-server-2025-07-17" in betas) == with_mcp
        assert sent.get("mcp_servers") == ([MCP_SENT] if with_mcp else None)
        assert bool(artifact["output"]["mcp_tool_calls"]) == with_mcp
        shape.fits(artifact["output"])
    assert account.billed == 2


MCP_SENT = {
    "type": "url",
    "url": "https://mcp.example/sse",
    "name": "crm",
    "headers": {"Authorization": "Bearer t0p"},
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
async def test_a_follow_up_answers_from_what_the_first_turn_found(
    account: Account, shape: Shape, how: How
) -> None:
    tool = account.tool(output_schema=shape.given)
    first = await ask(tool, how, input=FIRST)
    found = next(strings(first.artifact["output"]["content"])).splitlines()[0]
    follow_up = await ask(
        tool, how, input=FOLLOW_UP, previous_interaction_id=first.artifact["interaction_id"]
    )
    assert found in follow_up.text
    unrelated = await ask(tool, how, input=FOLLOW_UP)
    assert found not in unrelated.text


async def test_the_content_tells_the_model_how_to_follow_up(account: Account, how: How) -> None:
    """What it reads at the end of one answer is what it has to pass to the next call."""
    tool = account.tool()
    first = await ask(tool, how, input=FIRST)
    line = next(s for s in first.text.splitlines() if s.startswith("interaction_id: "))
    second = await ask(tool, how, input=FOLLOW_UP, previous_interaction_id=line.split()[1])
    assert second.status == "success"
    assert account.sent[1]["previous_interaction_id"] == first.artifact["interaction_id"]


async def test_whatever_else_is_configured_goes_with_every_run(account: Account, how: How) -> None:
    tool = account.tool(
        request=RequestOptions(
            source_policy=SourcePolicy(
                include_domains=["example.com"], after_date=date(2025, 1, 31)
            ),
            advanced_settings=TaskAdvancedSettings(location="de"),
            memory_scope_key="team-1",
            metadata={"project": "atlas", "urgent": True},
        )
    )
    await ask(tool, how, input=FIRST)
    (sent,) = account.sent
    assert sent["source_policy"] == {"include_domains": ["example.com"], "after_date": "2025-01-31"}
    assert sent["advanced_settings"] == {"location": "de"}
    assert sent["memory_scope_key"] == "team-1"
    assert sent["metadata"].items() >= {"project": "atlas", "urgent": True}.items()
    assert "task_spec" not in sent
