"""What a run answers: text or JSON that obeys the request and draws on the turns before it.

Rule: every answer says that it is simulated, and every answer to a follow-up quotes each earlier
question and finding it was given. Context that got lost on the way therefore shows in the answer.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from .answers import JsonObject
from .basis import Realism, basis_for, names, quoted
from .conforms import conforms
from .instances import Maker, Path
from .runs import Run
from .scenario import fill
from .seeded import hex_id

__all__ = ["AUTO_SCHEMA", "finding_of", "write_output"]

AUTO_SCHEMA: JsonObject = {
    "type": "object",
    "properties": {
        "summary": {"type": "string"},
        "key_findings": {"type": "array", "items": {"type": "string"}, "minItems": 3},
        "open_questions": {"type": "array", "items": {"type": "string"}, "maxItems": 1},
    },
    "required": ["summary", "key_findings", "open_questions"],
}
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


def write_output(run: Run, realism: Realism, seed: int) -> JsonObject:
    """The whole `output` of a completed run. Ancestors must have theirs already."""
    spec = _output_spec(run.request)
    if spec["type"] == "text":
        output: JsonObject = {"type": "text", "content": _text(run, seed)}
    elif spec["type"] == "json":
        content = _json(run, spec["json_schema"], seed)
        output = {"type": "json", "content": content}
    else:
        content, schema = _auto(run, seed)
        output = {"type": "json", "content": content, "output_schema": schema}
    output["basis"] = basis_for(run, output["content"], realism, seed)
    if servers := run.request.get("mcp_servers"):
        output["mcp_tool_calls"] = [_tool_call(run, server) for server in servers]
    return output


def _output_spec(request: JsonObject) -> JsonObject:
    """The output schema as an envelope; none means auto, a bare string means text."""
    spec = (request.get("task_spec") or {}).get("output_schema")
    if spec is None:
        return {"type": "auto"}
    if isinstance(spec, str):
        return {"type": "text", "description": spec}
    return {"type": "json" if "json_schema" in spec else "text", **spec}


def finding_of(run: Run, by: float) -> str:
    """One line of what a run had found by that time, for its descendants to quote."""
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
    """The run's own finding: one per question and context, so that a quote can be traced."""
    mark = hex_id("finding", seed, run.text, *(r.text for r in run.line()), length=8)
    return f"[simulated] Finding {mark} on {quoted(run.text, 70)}."


def _context(run: Run) -> str:
    """What the answer builds on, or nothing on a first turn."""
    line = run.line()
    if not line:
        return ""
    turns = [
        f"Turn {i} asked {quoted(r.text)} and found: {finding_of(r, run.ends)}"
        for i, r in enumerate(line, 1)
    ]
    return f"Builds on {len(line)} earlier turn(s). " + " ".join(turns)


def _scripted(run: Run) -> Any:
    """The scripted content with earlier findings filled in, or None."""
    if run.turn is None or run.turn.content is None:
        return None
    return fill(run.turn.content, run.text, _earlier_contents(run))


def _earlier_contents(run: Run) -> list[Any]:
    """What each earlier turn answered, oldest first; None where it had nothing by then."""
    outputs = [r.output_by(run.ends) for r in run.line()]
    return [output["content"] if output else None for output in outputs]


def _text(run: Run, seed: int) -> str:
    scripted = _scripted(run)
    if isinstance(scripted, str):
        return scripted
    body = "No source was read; a real run would answer the question here."
    if scripted is not None:
        body = json.dumps(scripted, indent=1, ensure_ascii=False)
    return "\n\n".join(part for part in (_headline(run, seed), body, _context(run)) if part)


def _auto(run: Run, seed: int) -> tuple[JsonObject, JsonObject]:
    """Content in a shape of our choice, and that shape's schema."""
    scripted = _scripted(run)
    if isinstance(scripted, dict):
        return scripted, {"type": "object", "properties": {n: {} for n in scripted}}
    schema = json.loads(json.dumps(AUTO_SCHEMA))
    content = _json(run, schema, seed)
    content["summary"] = scripted or f"{_headline(run, seed)} {_context(run)}".strip()
    if line := run.line():
        schema["properties"]["builds_on"] = _BUILDS_ON
        content["builds_on"] = [
            {"turn": i, "question": r.text[:200], "finding": finding_of(r, run.ends)}
            for i, r in enumerate(line, 1)
        ]
    for name, value in _asked_again(run).items():
        schema["properties"][name] = {"type": "string"}
        content[name] = value
    return content, schema


def _asked_again(run: Run) -> dict[str, str]:
    """Fields of earlier answers that this question names: each looked at again."""
    found = {}
    for content in _earlier_contents(run):
        for name, value in content.items() if isinstance(content, dict) else ():
            if names(run.text, name) and name not in AUTO_SCHEMA["properties"]:
                before = (_first_string(value) or json.dumps(value))[:200]
                found[name] = f"[simulated] {name}, looked at again; before it was: {before}"
    return found


@dataclass
class _Prose:
    """Writes the strings of one JSON answer: the first at length, the others short."""

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
    key = hex_id("content", seed, run.text, *(r.text for r in run.line()))
    made = Maker(schema, key, _Prose(run, seed)).make()
    content: JsonObject = made if isinstance(made, dict) else {"output": made}
    scripted = _scripted(run)
    for name, value in scripted.items() if isinstance(scripted, dict) else ():
        changed = {**content, name: value}
        if name in schema.get("properties", {}) and conforms(changed, schema, schema):
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
