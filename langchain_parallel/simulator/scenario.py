"""Scripted answers, for demos and tests that must say the same thing every time.

A scenario is a JSON object::

    {
      "name": "what it is for",
      "turns": [
        {
          "match": "text the input contains"   or   {"regex": "…"},
          "processor": "pro",                  optional: only on this processor
          "content": {…} or "…",               the answer; a string answers text and auto requests
          "basis": {"field": {"confidence": "low", "reasoning": "…", "citations": […]}},
          "progress": [{"type": "plan", "message": "…"}],
          "seconds": 20,                       scaled by the simulator's latency scale
          "status": "completed",               or failed, cancelled, action_required
          "error": "message of a failed run",
          "warnings": ["…"]
        }
      ]
    }

Everything but `match` is optional, and what is left out is generated. Turns are tried in order;
the first whose `match` is found in the input (case is ignored) answers. In any string,
`{{turns.0.companies.0.name}}` inserts what the first earlier turn of the interaction found (turns
are counted from the oldest), `{{last.…}}` the same of the turn just before, `{{question}}` this
run's input, `{{count}}` the number of earlier turns. What is not there reads
"(nothing found earlier)", so that lost context shows. Where a request brings its own output schema,
scripted fields are used as far as they obey it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

__all__ = ["Scenario", "ScriptedTurn", "fill"]

_HOLE = re.compile(r"\{\{\s*([\w.\-]+)\s*\}\}")
_LOST = "(nothing found earlier)"


@dataclass(frozen=True)
class ScriptedTurn:
    """One scripted answer; see the module's text for the fields."""

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
class Scenario:
    """A named list of scripted answers."""

    name: str
    turns: tuple[ScriptedTurn, ...]

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> Scenario:
        """Build one from its JSON form. Raises ValueError."""
        if not isinstance(raw, Mapping):
            raise ValueError("a scenario is a JSON object")
        turns = tuple(ScriptedTurn.parse(turn) for turn in raw.get("turns", ()))
        return cls(str(raw.get("name", "unnamed")), turns)

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
        """The scripted answer to this input, if any."""
        return next((t for t in self.turns if t.matches(text, processor)), None)


def fill(value: Any, question: str, earlier: Sequence[Any]) -> Any:
    """`value` with its holes filled from the contents of earlier turns, oldest first."""
    if isinstance(value, str):
        return _HOLE.sub(lambda hole: _look_up(hole[1], question, earlier), value)
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
