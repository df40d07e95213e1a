"""Scripted answers, for demos and tests that need the same text every time.

A scenario is a JSON object::

    {
      "name": "what it is for",
      "turns": [
        {
          "match": "text the input contains"   or   {"regex": "…"}   or the request (below),
          "processor": "pro",                  optional: only on this processor
          "id": "a",                           what "after" of another turn calls it
          "content": {…} or "…",               the answer; a string fits text and auto requests
          "basis": {"field": {"confidence": "low", "reasoning": "…", "citations": […]}},
          "progress": [{"type": "plan", "message": "…"}],
          "seconds": 20,                       scaled by the simulator's latency scale
          "status": "completed",               or failed, cancelled, action_required
          "error": "message of a failed run",  or the whole error
          "warnings": ["…"],                   or whole warnings
          "output": {…},                       the whole output, sent as it is
          "events": [{"share": 0.4, "event": {…}}]   what the run's stream tells, and when (0 to 1)
        }
      ],
      "answers": [                             what a search, an extraction or a memory finds
        {"path": "/v1/search", "request": {…}, "answer": {…}}
      ],
      "strict": true,                          refuse what no turn and no answer matches
      "interactions": [                        made elsewhere; a run can continue from them
        {"id": "event_1", "input": "what the monitor asks", "output": {…} or "…"}
      ]
    }

Everything but `match`, and `id` and `output` of an interaction, is optional; the simulator generates the
rest. The first turn whose `match` is found in the input answers; upper and lower case are the same. A request
is matched as a whole by::

    {"input": "…" or {…}, "output_schema": …, "after": "a"}

that is, this input and this output schema (none, unless given), continuing from the turn or the interaction
of this id (a first question, unless given). `***` in it stands for any text. Turns that match the same
request answer one after the other, and the last of them from then on. A string can have placeholders, but
not in an `output`:

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
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from .http_messages import JsonObject
from .order_fields import from_fields
from .same_request import is_same

_PLACEHOLDER = re.compile(r"\{\{\s*([\w.\-]+)\s*\}\}")
_LOST = "(nothing found earlier)"


@dataclass(frozen=True)
class WholeRequest:
    """What a request must be, as a whole: its input, its output schema, and what it continues from."""

    input: str | Mapping[str, Any]
    output_schema: Any = None
    after: str | None = None

    def has_input(self, request: JsonObject) -> bool:
        return is_same(self.input, request["input"])

    def has_schema(self, request: JsonObject) -> bool:
        spec = request.get("task_spec") or {}
        return is_same(_schema(self.output_schema), _schema(spec.get("output_schema")))

    def continues(self, ids: Collection[str]) -> bool:
        return self.after in ids if ids else self.after is None


@dataclass(frozen=True)
class ScriptedTurn:
    """One scripted answer; the module's docstring explains the fields."""

    pattern: re.Pattern[str] | None = None
    whole: WholeRequest | None = None
    id: str | None = None
    processor: str | None = None
    content: Any = None
    basis: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    progress: tuple[Mapping[str, str], ...] = ()
    seconds: float | None = None
    status: str = "completed"
    error: str | Mapping[str, Any] | None = None
    warnings: tuple[Any, ...] = ()
    output: Mapping[str, Any] | None = None
    events: tuple[Mapping[str, Any], ...] = ()

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> ScriptedTurn:
        """Build one from its JSON form. Raises ValueError for an unknown key or a wrong `match`."""
        known = {*cls.__dataclass_fields__, "match"} - {"pattern", "whole"}
        if unknown := sorted(set(raw) - known):
            raise ValueError(f"scenario turn: unknown {', '.join(unknown)}; known: {sorted(known)}")
        values = {k: v for k, v in raw.items() if k != "match"}
        for name in ("progress", "warnings", "events"):
            values[name] = tuple(values.get(name, ()))
        match = raw.get("match")
        if isinstance(match, Mapping) and "input" in match:
            try:
                return cls(whole=from_fields(WholeRequest, match), **values)
            except ValueError as error:
                raise ValueError(f"scenario turn: 'match': {error}") from None
        source = re.escape(match) if isinstance(match, str) else (match or {}).get("regex")
        if source is None:
            raise ValueError(
                'scenario turn: \'match\' must be a string, {"regex": …} or {"input": …, …}'
            )
        try:
            return cls(pattern=re.compile(source, re.IGNORECASE), **values)
        except re.error as error:
            raise ValueError(
                f"scenario turn: {source!r} is no regular expression: {error}"
            ) from None

    def matches(self, request: JsonObject, text: str, continued: Collection[str]) -> bool:
        """Whether it answers this request, whose input is `text`, and which continues what has these ids."""
        if self.processor not in (None, request["processor"]):
            return False
        if self.pattern is not None:
            return bool(self.pattern.search(text))
        whole = self.whole
        return whole is not None and all(
            (whole.has_input(request), whole.has_schema(request), whole.continues(continued))
        )


@dataclass(frozen=True)
class Elsewhere:
    """What was asked and answered elsewhere, such as an event of a monitor. `output`: a task's, or text."""

    id: str
    output: Mapping[str, Any] | str
    input: str = ""


@dataclass(frozen=True)
class ScriptedAnswer:
    """What a call that is answered at once gets for a body."""

    path: str
    request: Mapping[str, Any]
    answer: Mapping[str, Any]


@dataclass(frozen=True)
class Scenario:
    """A named list of scripted answers, and of interactions that were made elsewhere."""

    name: str
    turns: tuple[ScriptedTurn, ...]
    interactions: tuple[Elsewhere, ...] = ()
    answers: tuple[ScriptedAnswer, ...] = ()
    strict: bool = False

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
        try:
            answers = tuple(from_fields(ScriptedAnswer, each) for each in raw.get("answers", ()))
        except ValueError as error:
            raise ValueError(f"scenario answer: {error}") from None
        strict = raw.get("strict", False) is True
        return cls(str(raw.get("name", "unnamed")), turns, made, answers, strict)

    @classmethod
    def load(cls, path: str | Path) -> Scenario:
        """Read one from a JSON file. Raises OSError or ValueError."""
        return cls.parse(json.loads(Path(path).read_text(encoding="utf-8")))

    @classmethod
    def builtin(cls, name: str = "announcement") -> Scenario:
        """Read one that ships with the package. Raises OSError for an unknown name."""
        file = resources.files(__package__) / "scenarios" / f"{name}.json"
        return cls.parse(json.loads(file.read_text(encoding="utf-8")))

    def turns_for(
        self, request: JsonObject, text: str, continued: Collection[str]
    ) -> list[ScriptedTurn]:
        """The turns that match this request, in order."""
        return [turn for turn in self.turns if turn.matches(request, text, continued)]

    def answers_for(self, path: str, request: JsonObject) -> list[ScriptedAnswer]:
        """The answers to this body of a call that is answered at once."""
        return [a for a in self.answers if a.path == path and is_same(a.request, request)]

    def refuse(self, what: str) -> str:
        """How to say that it does not have something."""
        return f"not in the recording {self.name}: {what}; record again"

    def refusal(self, request: JsonObject, continued: Collection[str]) -> str:
        """What to say of a request that no turn matches: in what it differs from the nearest one."""
        asked = [t for t in self.turns if t.whole is not None and t.whole.has_input(request)]
        on_it = [t for t in asked if t.processor in (None, request["processor"])]
        if not asked:
            why = "no such question, or no answer to it"
        elif not on_it:
            why = f"there, the processor is {asked[0].processor}"
        elif not any(t.whole is not None and t.whole.has_schema(request) for t in on_it):
            why = "there, the output schema is another"
        else:
            why = "there, it continues from something else"
        question = json.dumps(request["input"], ensure_ascii=False)
        return self.refuse(f"{why} (question {question:.200}, processor {request['processor']})")


def _schema(value: Any) -> Any:
    """An output schema; none is the one that the API chooses itself."""
    return {"type": "auto"} if value is None else value


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
