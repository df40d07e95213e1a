"""What a run answers: text or JSON that obeys the request and builds on the earlier turns.

Rule: every answer says that it is simulated, and the answer to a follow-up quotes each earlier question and
finding. So lost context shows in the answer.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from .basis import EvidenceSettings, basis_for, count_turns, mentions, quote
from .deterministic_ids import hex_id
from .http_messages import JsonObject
from .scenario import fill
from .schema_check import is_valid
from .schema_examples import ExampleBuilder, Path
from .simulated_run import Run

AUTO_SCHEMA: JsonObject = {
    "type": "object",
    "properties": {
        "summary": {"type": "string"},
        "key_findings": {"type": "array", "items": {"type": "string"}, "minItems": 3},
        "open_questions": {"type": "array", "items": {"type": "string"}, "maxItems": 1},
    },
    "required": ["summary", "key_findings", "open_questions"],
}
_ONE_CALL = ("lite", "core")
"""Processors that call one tool at most."""
_BUILDS_ON: JsonObject = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "turn": {"type": "integer"},
            "question": {"type": "string"},
            "finding": {"type": "string"},
        },
    },
}


def write_output(run: Run, settings: EvidenceSettings, seed: int) -> JsonObject:
    """Write the `output` of a completed run. Its ancestors must have theirs already."""
    if run.turn and run.turn.output is not None:
        return {**run.turn.output, **run.scripted_output}
    spec = _output_spec(run.request)
    if spec["type"] == "text":
        output: JsonObject = {"type": "text", "content": _text(run, seed)}
    elif spec["type"] == "json":
        content = _json(run, spec["json_schema"], seed)
        output = {"type": "json", "content": content}
    else:
        content, schema = _auto(run, seed)
        output = {"type": "json", "content": content, "output_schema": schema}
    output["basis"] = basis_for(run, output["content"], settings, seed)
    if servers := run.request.get("mcp_servers"):
        most = 1 if run.processor in _ONE_CALL else None
        output["mcp_tool_calls"] = [_tool_call(run, server) for server in servers[:most]]
    return {**output, **run.scripted_output}


def _output_spec(request: JsonObject) -> JsonObject:
    """The output schema with its type. None means auto, a string means text."""
    spec = (request.get("task_spec") or {}).get("output_schema")
    if spec is None:
        return {"type": "auto"}
    if isinstance(spec, str):
        return {"type": "text", "description": spec}
    return {"type": "json" if "json_schema" in spec else "text", **spec}


def finding_of(run: Run, by: float) -> str:
    """One line of what a run had found by that time, for later turns to quote."""
    output = run.output_by(by)
    if output is None:
        return "(no findings)"
    found = _first_string(output["content"]) or json.dumps(output["content"])
    return found.split("\n", 1)[0][:160]


def _first_string(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return next((s for s in map(_first_string, parts) if s), None)


def _headline(run: Run, seed: int) -> str:
    """The run's own finding, unique for its question and context, so that a quote can be traced."""
    finding_id = hex_id("finding", seed, run.text, *(r.text for r in run.ancestors()), length=8)
    return f"[simulated] Finding {finding_id} on {quote(run.text, 70)}."


def _context(run: Run) -> str:
    """What the answer builds on; empty for a first turn."""
    earlier = run.ancestors()
    if not earlier:
        return ""
    turns = [
        f"Turn {i} asked {quote(r.text)} and found: {finding_of(r, run.ends)}"
        for i, r in enumerate(earlier, 1)
    ]
    return f"Builds on {count_turns(earlier)}. " + " ".join(turns)


def _script_content(run: Run) -> Any:
    """The scripted content with its placeholders filled in, or None."""
    if run.turn is None or run.turn.content is None:
        return None
    return fill(run.turn.content, run.text, _earlier_contents(run))


def _earlier_contents(run: Run) -> list[Any]:
    """What each earlier turn had answered by the end of this run (or None), oldest first."""
    outputs = [r.output_by(run.ends) for r in run.ancestors()]
    return [output["content"] if output else None for output in outputs]


def _text(run: Run, seed: int) -> str:
    scripted = _script_content(run)
    if isinstance(scripted, str):
        return scripted
    body = "No source was read; a real run would answer the question here."
    if scripted is not None:
        body = json.dumps(scripted, indent=1, ensure_ascii=False)
    return "\n\n".join(part for part in (_headline(run, seed), body, _context(run)) if part)


def _auto(run: Run, seed: int) -> tuple[JsonObject, JsonObject]:
    """Content in a shape that the simulator chooses, and the schema of that shape."""
    scripted = _script_content(run)
    if isinstance(scripted, dict):
        return scripted, {"type": "object", "properties": {n: {} for n in scripted}}
    schema = json.loads(json.dumps(AUTO_SCHEMA))
    content = _json(run, schema, seed)
    content["summary"] = scripted or f"{_headline(run, seed)} {_context(run)}".strip()
    if earlier := run.ancestors():
        schema["properties"]["builds_on"] = _BUILDS_ON
        content["builds_on"] = [
            {"turn": i, "question": r.text[:200], "finding": finding_of(r, run.ends)}
            for i, r in enumerate(earlier, 1)
        ]
    for name, value in _revisited_fields(run).items():
        schema["properties"][name] = {"type": "string"}
        content[name] = value
    return content, schema


def _revisited_fields(run: Run) -> dict[str, str]:
    """New values for the fields of earlier answers that this question mentions."""
    found = {}
    for content in _earlier_contents(run):
        for name, value in content.items() if isinstance(content, dict) else ():
            if mentions(run.text, name) and name not in AUTO_SCHEMA["properties"]:
                before = (_first_string(value) or json.dumps(value))[:200]
                found[name] = f"[simulated] {name}, looked at again; before it was: {before}"
    return found


@dataclass
class _Prose:
    """Writes the strings of one JSON answer. The first is long, the others are short."""

    run: Run
    seed: int
    first: bool = True

    def __call__(self, path: Path) -> str:
        name = ".".join(path) or "output"
        if not self.first:
            return f"[simulated] {name}: placeholder."
        self.first = False
        return f"{_headline(self.run, self.seed)} {_context(self.run)}".strip()


def _json(run: Run, schema: JsonObject, seed: int) -> JsonObject:
    key = hex_id("content", seed, run.text, *(r.text for r in run.ancestors()))
    made = ExampleBuilder(schema, key, _Prose(run, seed)).build()
    content: JsonObject = made if isinstance(made, dict) else {"output": made}
    scripted = _script_content(run)
    for name, value in scripted.items() if isinstance(scripted, dict) else ():
        changed = {**content, name: value}
        if name in schema.get("properties", {}) and is_valid(changed, schema, schema):
            content = changed
    return content


def _tool_call(run: Run, server: JsonObject) -> JsonObject:
    tools = server.get("allowed_tools") or ["search"]
    return {
        "tool_call_id": f"mcp_{hex_id(run.run_id, server['name'], length=16)}",
        "server_name": server["name"],
        "tool_name": tools[0],
        "arguments": json.dumps({"query": run.text[:100]}),
        "content": f"[simulated] No call was made to {server['name']}.",
    }
