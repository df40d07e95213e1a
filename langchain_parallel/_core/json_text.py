"""JSON texts as values, whatever they hold that Python's JSON does not read.

Rule: an answer is paid for, so what can be read is read. What no store would take, or what was left out, is
told by the type of a value (`OddNumber`, `TooDeep`, `Repeating`); `payloads` makes a warning of it.
"""

from __future__ import annotations

import copy
import json
import math
import re
import uuid
from collections import Counter
from collections.abc import Iterator
from functools import partial
from json import JSONDecodeError
from typing import Any

MAX_DEPTH = 100
"""Levels. pydantic gives up at 255, orjson (on a LangGraph server) at 254, and a state adds some."""


class OddNumber(str):
    """A number as it was written, because no store would hold it."""

    __slots__ = ()


class TooDeep(str):
    """What stands below `MAX_DEPTH` levels, as it was written."""

    __slots__ = ()


class Repeating(dict[str, Any]):
    """An object that gives names more than once. The last value counts, as everywhere."""

    names: list[str]
    """Those names."""


def parse(data: bytes | str) -> Any:
    """The value of a JSON text. Takes time and memory in proportion to its length, however deep it is.

    Raises:
        JSONDecodeError: It is not JSON.
    """
    text = data.decode("utf-8-sig", "surrogateescape") if isinstance(data, bytes) else data
    try:
        return _DECODER.decode(text)
    except RecursionError:
        deep: dict[str, str] = {}
        text = _flatten(text, deep)
        return _decoder(
            parse_float=lambda real: TooDeep(deep[real]) if real in deep else _real(real)
        ).decode(text)


def write_json(value: Any) -> str:
    """A value as JSON text, whatever its depth."""
    try:
        return json.dumps(value)
    except RecursionError:
        return "".join(_signs(value))


def copy_json(value: Any) -> Any:
    """A copy as `deepcopy` makes it, in a tenth of the time; for what is mostly plain JSON."""
    kind = type(value)
    if kind is dict:
        return {name: copy_json(part) for name, part in value.items()}
    if kind is list:
        return [copy_json(part) for part in value]
    return value if kind in _CONSTANTS else copy.deepcopy(value)


_CONSTANTS = frozenset({str, int, float, bool, type(None)})


def _whole(text: str) -> int | OddNumber:
    # Python refuses to convert thousands of digits.
    return int(text) if len(text) <= 20 else OddNumber(text)


def _real(text: str) -> float | OddNumber:
    return number if math.isfinite(number := float(text)) else OddNumber(text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) == len(pairs):
        return made
    found = Repeating(made)
    found.names = [name for name, n in Counter(name for name, _ in pairs).items() if n > 1]
    return found


_SIGNS = re.compile(r'\\.|["\[\]{}]', re.DOTALL)
_END = {"[": "]", "{": "}"}


def _flatten(text: str, deep: dict[str, str]) -> str:
    """The text with a number in place of all that is too deep, and what each such number stands for.

    Raises:
        JSONDecodeError: Brackets do not match.
    """
    unique = f"1e{uuid.uuid4().int}"
    kept: list[str] = []
    ends: list[str] = []
    done, begin, is_quoted = 0, 0, False
    for found in _SIGNS.finditer(text):
        sign = found[0]
        if sign == '"':
            is_quoted = not is_quoted
        elif is_quoted or len(sign) > 1:
            continue
        elif sign in _END:
            if len(ends) == MAX_DEPTH:
                begin = found.start()
            ends.append(_END[sign])
        elif not ends or ends.pop() != sign:
            raise JSONDecodeError("Unexpected bracket", text, found.start())
        elif len(ends) == MAX_DEPTH:
            number = f"{unique}{len(deep)}"
            kept += [text[done:begin], number]
            deep[number] = text[begin : found.end()]
            done = found.end()
    if ends:
        raise JSONDecodeError("Missing bracket", text, len(text))
    return "".join([*kept, text[done:]])


class _Sign(str):
    """A part of JSON's own."""

    __slots__ = ()


def _signs(value: Any) -> Iterator[str]:
    left = [value]
    while left:
        part = left.pop()
        if isinstance(part, _Sign):
            yield part
        elif isinstance(part, dict):
            yield "{"
            left.append(_Sign("}"))
            for nth, (name, inner) in reversed([*enumerate(part.items())]):
                left += [inner, _Sign(", " * bool(nth) + json.dumps({name: None})[1:-5])]
        elif isinstance(part, list | tuple):
            yield "["
            left.append(_Sign("]"))
            for nth, inner in reversed([*enumerate(part)]):
                left += [inner, _Sign(", " * bool(nth))]
        else:
            yield json.dumps(part)


# Not `strict`: a line end inside a text is no JSON, and yet to be read.
_decoder = partial(
    json.JSONDecoder,
    parse_int=_whole,
    parse_constant=OddNumber,
    object_pairs_hook=_object,
    strict=False,
)
_DECODER = _decoder(parse_float=_real)
