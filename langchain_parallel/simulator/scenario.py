"""Scripted answers, for demos and tests that need the same text every time.

A scenario is a JSON object::

    {
      "name": "what it is for",
      "turns": [
        {
          "match": "text the input contains"   or   {"regex": "…"},
          "processor": "pro",                  optional: only on this processor
          "content": {…} or "…",               the answer; a string fits text and auto requests
          "basis": {"field": {"confidence": "low", "reasoning": "…", "citations": […]}},
          "progress": [{"type": "plan", "message": "…"}],
          "seconds": 20,                       scaled by the simulator's latency scale
          "status": "completed",               or failed, cancelled, action_required
          "error": "message of a failed run",
          "warnings": ["…"]
        }
      ],
      "interactions": [                        made elsewhere; a run can continue from them
        {"id": "event_1", "input": "what the monitor asks", "output": {…} or "…"}
      ]
    }

Everything but `match`, `id` and `output` is optional; the simulator generates the rest. The first turn
whose `match` is found in the input answers; upper and lower case are the same. A string can have
placeholders:

    {{turns.0.companies.0.name}}   a value from the answer to the first turn of the interaction
    {{last.…}}                     the same from the previous turn
    {{question}}                   this run's input
    {{count}}                      the number of earlier turns

A placeholder without a value becomes "(nothing found earlier)", so that lost context shows. If a request
has its own output schema, the scripted fields that fit the schema are used.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from .order_fields import from_fields

_PLACEHOLDER = re.compile(r"\{\{\s*([\w.\-]+)\s*\}\}")
_LOST = "(nothing found earlier)"


@dataclass(frozen=True)
class ScriptedTurn:
    """One scripted answer; the module's docstring explains the fields."""

    pattern: re.Pattern[str]
    processor: str | None = None
    content: Any = None
    basis: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    progress: tuple[Mapping[str, str], ...] = ()
    seconds: float | None = None
    status: str = "completed"
    error: str | None = None
    warnings: tuple[str, ...] = ()

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> ScriptedTurn:
        """Build one from its JSON form. Raises ValueError for an unknown key or a wrong `match`."""
        known = {*cls.__dataclass_fields__, "match"} - {"pattern"}
        if unknown := sorted(set(raw) - known):
            raise ValueError(f"scenario turn: unknown {', '.join(unknown)}; known: {sorted(known)}")
        match = raw.get("match")
        source = re.escape(match) if isinstance(match, str) else (match or {}).get("regex")
        if source is None:
            raise ValueError("scenario turn: 'match' must be a string or {\"regex\": …}")
        values = {k: v for k, v in raw.items() if k != "match"}
        for name in ("progress", "warnings"):
            values[name] = tuple(values.get(name, ()))
        try:
            return cls(pattern=re.compile(source, re.IGNORECASE), **values)
        except re.error as error:
            raise ValueError(
                f"scenario turn: {source!r} is no regular expression: {error}"
            ) from None

    def matches(self, text: str, processor: str) -> bool:
        return bool(self.pattern.search(text)) and self.processor in (None, processor)


@dataclass(frozen=True)
class Elsewhere:
    """What was asked and answered elsewhere, such as an event of a monitor. `output`: a task's, or text."""

    id: str
    output: Mapping[str, Any] | str
    input: str = ""


@dataclass(frozen=True)
class Scenario:
    """A named list of scripted answers, and of interactions that were made elsewhere."""

    name: str
    turns: tuple[ScriptedTurn, ...]
    interactions: tuple[Elsewhere, ...] = ()

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> Scenario:
        """Build one from its JSON form. Raises ValueError."""
        if not isinstance(raw, Mapping):
            raise ValueError("a scenario is a JSON object")
        turns = tuple(ScriptedTurn.parse(turn) for turn in raw.get("turns", ()))
        try:
            made = tuple(from_fields(Elsewhere, each) for each in raw.get("interactions", ()))
        except ValueError as error:
            raise ValueError(f"scenario interaction: {error}") from None
        return cls(str(raw.get("name", "unnamed")), turns, made)

    @classmethod
    def load(cls, path: str | Path) -> Scenario:
        """Read one from a JSON file. Raises OSError or ValueError."""
        return cls.parse(json.loads(Path(path).read_text(encoding="utf-8")))

    @classmethod
    def builtin(cls, name: str = "announcement") -> Scenario:
        """Read one that ships with the package. Raises OSError for an unknown name."""
        file = resources.files(__package__) / "scenarios" / f"{name}.json"
        return cls.parse(json.loads(file.read_text(encoding="utf-8")))

    def turn_for(self, text: str, processor: str) -> ScriptedTurn | None:
        """The first turn that matches this input, if any."""
        return next((t for t in self.turns if t.matches(text, processor)), None)


def fill(value: Any, question: str, earlier: Sequence[Any]) -> Any:
    """Replace the placeholders in `value` by the contents of earlier turns, oldest first."""
    if isinstance(value, str):
        return _PLACEHOLDER.sub(lambda found: _look_up(found[1], question, earlier), value)
    if isinstance(value, Mapping):
        return {k: fill(v, question, earlier) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [fill(v, question, earlier) for v in value]
    return value


def _look_up(path: str, question: str, earlier: Sequence[Any]) -> str:
    found: Any = {
        "question": question,
        "count": len(earlier),
        "turns": list(earlier),
        "last": earlier[-1] if earlier else None,
    }
    for part in path.split("."):
        if isinstance(found, Mapping):
            found = found.get(part)
        elif isinstance(found, list) and part.isdigit() and int(part) < len(found):
            found = found[int(part)]
        else:
            return _LOST
    return _LOST if found is None else str(found)
