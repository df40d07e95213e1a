"""JSON of the API as values that every checkpointer and store takes, and as models.

Rule: an answer is paid for, so nothing in it makes it unreadable or unstorable. What cannot be stored is
replaced, as text where that loses nothing; evidence of another shape than documented is left out. Each change
is a warning of the run, by which it reaches the turn, the report, the model and the person.
"""

from __future__ import annotations

import copy
import json
import math
import re
import sys
from collections import defaultdict
from collections.abc import Mapping
from functools import reduce
from operator import getitem
from typing import Any, TypeAlias, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from ..models import ExtractResponse, SearchResponse, TaskRun, TaskRunEvent, TaskRunResult
from .json_text import MAX_DEPTH, OddNumber, Repeating, TooDeep, parse, write_json
from .plain_text import one_line
from .wire import is_id

__all__ = ["fit", "parse", "read", "remarks", "storable"]

ModelT = TypeVar("ModelT", bound=BaseModel)

_INT64 = 2**63
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_SUSPECT = re.compile(r"\\u0000|[\ud800-\udfff]|\d{19}")
_APART = frozenset({"run_id", "status", "metadata", "input"})
"""What tells runs apart, and so decides over money: it is never mended."""
_NEEDED: Mapping[type[BaseModel], frozenset[str]] = {
    TaskRun: _APART,
    TaskRunEvent: _APART,
    TaskRunResult: _APART - {"metadata"},
    SearchResponse: frozenset(),
    ExtractResponse: frozenset(),
}
"""By the models of what is paid for. A result is asked for by its run's id, and needs no metadata."""
_NAMED = 5
"""How many places a warning names."""

NUMBERS = "Kept as text, being beyond 64 bits or no finite number"
CHARACTERS = "Half a character or NUL was replaced by \N{REPLACEMENT CHARACTER} in"
REPEATED = "Given more than once, of which the last is kept"
LEVELS = f"Kept as JSON text, being more than {MAX_DEPTH} levels deep"
_REFUSED = {
    NUMBERS: "a number beyond 64 bits, or no finite one",
    CHARACTERS: "half a character (a lone surrogate) or NUL",
    LEVELS: f"more than {MAX_DEPTH} levels",
}
_LEFT_OUT = "Left out, being of another shape than documented"
_BARE = "Read as the answer itself, being of another shape than documented"
_AS_TEXT = "Read as text, being of another shape than documented"

Changes: TypeAlias = "defaultdict[str, list[str]]"
"""What was changed, and the paths where."""


def storable(value: Any) -> tuple[Any, Changes]:
    """JSON values as every checkpointer and store takes them, and what was changed for that. It may be the
    same value.
    """
    changes: Changes = defaultdict(list)
    return value if _is_storable(value) else _storable(value, (), changes), changes


def _is_storable(value: Any) -> bool:
    """Whether it is certain that there is nothing to change. So it is with nearly all values, and to look is
    a tenth of the work of making them anew.
    """
    texts: list[str] = []
    level = [value]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for one in level:
            kind = type(one)
            if kind is str:
                texts.append(one)
            elif kind is dict:
                texts += one
                below += one.values()
            elif kind is list:
                below += one
            elif kind is int:
                if not -_INT64 <= one < _INT64:
                    return False
            elif not (one is None or kind is bool or (kind is float and math.isfinite(one))):
                return False
        if not below:
            return _is_text(texts)
        level = below
    return False


def _is_text(texts: list[Any]) -> bool:
    try:
        text = "".join(texts)
    except TypeError:  # a name is none
        return False
    return (text.isascii() and "\0" not in text) or not _UNSTORABLE.search(text)


def unstorable(value: Any) -> list[str]:
    """Why a checkpointer would refuse a caller's value, or change it; empty where none does."""
    if _is_storable(value):
        return []
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
    except ValueError:  # no finite number, or it holds itself
        changes = storable(value)[1] if "circular" not in str(sys.exc_info()[1]) else {}
        return _refusals(changes) or ["it holds itself"]
    except (TypeError, RecursionError) as error:
        return ["it is nested too deeply" if isinstance(error, RecursionError) else str(error)]
    return _refusals(storable(value)[1]) if _SUSPECT.search(text) else []


def _refusals(changes: Mapping[str, list[str]]) -> list[str]:
    return [f"{_REFUSED.get(kind, kind)}: {paths[0]}" for kind, paths in changes.items()]


def _storable(value: Any, path: tuple[object, ...], changes: Changes) -> Any:
    if isinstance(value, dict | list) and len(path) >= MAX_DEPTH:
        changes[LEVELS].append(_name(path))
        return _text(write_json(value), path, changes)
    if isinstance(value, TooDeep):
        changes[LEVELS].append(_name(path))
        return _text(str(value), path, changes)
    if isinstance(value, dict):
        if isinstance(value, Repeating):
            changes[REPEATED] += [_name((*path, name)) for name in value.names]
        made: dict[Any, Any] = {}
        for key, v in value.items():
            name = _text(key, path, changes)
            while name in made:  # two names that differed only in what cannot be stored
                name += "\N{REPLACEMENT CHARACTER}"
            made[name] = _storable(v, (*path, name), changes)
        return made
    if isinstance(value, list):
        return [_storable(v, (*path, index), changes) for index, v in enumerate(value)]
    if _is_odd_number(value):
        changes[NUMBERS].append(_name(path))
        return str(value) if isinstance(value, OddNumber) else json.dumps(value)
    return _text(value, path, changes)


def _is_odd_number(value: object) -> bool:
    if isinstance(value, int):
        return not -_INT64 <= value < _INT64
    return isinstance(value, OddNumber) or (isinstance(value, float) and not math.isfinite(value))


def _text(text: Any, path: tuple[object, ...], changes: Changes) -> Any:
    if not isinstance(text, str) or not _UNSTORABLE.search(text):
        return text
    changes[CHARACTERS].append(_name(path))
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def _name(path: tuple[object, ...]) -> str:
    return one_line(".".join(map(str, path)), 100) or "the whole"


def remarks(changes: Changes) -> list[str]:
    """A sentence for each kind of change."""
    return [
        f"{kind}: {', '.join(paths[:_NAMED])}"
        + (f", and {len(paths) - _NAMED:,} more." if len(paths) > _NAMED else ".")
        for kind, paths in changes.items()
    ]


def read(model: type[ModelT], value: Any) -> ModelT:
    """The model in a value of `parse`, without the evidence that does not fit.

    Raises:
        ValidationError: What does not fit is no evidence, or a run's id is none to ask for it by.
    """
    value, changes = storable(value)
    made, value = _fit(model, value, changes, _NEEDED.get(model))
    if model not in _NEEDED:
        return made
    if not issubclass(model, TaskRun | TaskRunEvent | TaskRunResult):
        return model.model_validate(_with_remarks(value, changes)) if changes else made
    run = value if model is TaskRun else value["run"]
    if not is_id(str(run["run_id"])):
        loc = ("run_id",) if run is value else ("run", "run_id")
        no_id = PydanticCustomError("no_id", "Input should be an id")
        fault = InitErrorDetails(type=no_id, loc=loc, input=None)
        raise ValidationError.from_exception_data(model.__name__, [fault])
    named = run.get("interaction_id")
    if isinstance(named, str) and not named.strip():
        run = {**run, "interaction_id": None}
        changes[_LEFT_OUT].append("interaction_id")
    if not changes:
        return made
    run = _with_remarks(run, changes)
    return model.model_validate(run if model is TaskRun else {**value, "run": run})


def _with_remarks(warned: Mapping[str, Any], changes: Changes) -> dict[str, Any]:
    """The value with a warning for each kind of change."""
    remarked = ({"message": remark} for remark in remarks(changes))
    return {**warned, "warnings": [*(warned.get("warnings") or ()), *remarked]}


def fit(model: type[ModelT], value: Any) -> tuple[ModelT, Changes]:
    """The model in a value, without what does not fit in it, and what was changed for that."""
    value, changes = storable(value)
    return _fit(model, value, changes, frozenset())[0], changes


def _fit(
    model: type[ModelT], value: Any, changes: Changes, needed: frozenset[str] | None
) -> tuple[ModelT, Any]:
    """The model, and the value that it was made of: a copy, where something had to be mended."""
    copied = False
    while True:
        try:
            return model.model_validate(value), value
        except ValidationError as error:
            value, copied = value if copied else copy.deepcopy(value), True
            # From the end, so that an index that is left out moves none of those to come.
            faults = reversed(error.errors(include_url=False))
            if needed is None or not all(_mend(value, f, changes, needed) for f in faults):
                raise


def _mend(value: Any, fault: ErrorDetails, changes: Changes, needed: frozenset[str]) -> bool:
    """Make a value fit by reading it as text or leaving it out; False where it may not be missing."""
    path = fault["loc"]
    if not path or needed.intersection(path[:2]):
        return False
    *way, last = path
    parent: Any = reduce(getitem, way, value)
    if fault["type"] == "missing":
        if way != ["output"]:
            return False
        content = parent.setdefault("content", None)
        parent.setdefault("type", "text" if isinstance(content, str) else "json")
    else:
        found = parent[last]
        if path == ("output",):
            parent[last] = {"content": found, "type": "text" if isinstance(found, str) else "json"}
            changes[_BARE].append(_name(path))
            return True
        is_name = last == "type" or str(last).endswith("_id")
        if fault["type"] == "string_type" and found is not None and not is_name:
            parent[last] = json.dumps(found, ensure_ascii=False)
        elif fault["type"] == "tuple_type" and isinstance(found, str):
            parent[last] = [found]
        else:
            del parent[last]
            changes[_LEFT_OUT].append(_name(path))
            return True
    changes[_AS_TEXT].append(_name(path))
    return True
