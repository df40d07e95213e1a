"""Reads the JSON of a request's body, whatever is there instead.

Rule: what is read can be written again, and walked through by a function that calls itself.
"""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from .http_messages import Request
from .problems import Problem, invalid_request

MAX_DEPTH = 128
"""Levels of a body. The API documents no number, but every parser has one."""


def read_json(request: Request) -> Any:
    """The body of a request. Raises ApiError (422)."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not request.body:
        raise invalid_request([Problem((), "Field required", "missing")])
    if kind and not (kind.startswith("application/") and kind.endswith(("/json", "+json"))):
        raise invalid_request([Problem((), f"Content type {kind[:60]!r} is not JSON", "json_type")])
    try:
        return parse_json(request.body)
    except ValueError as error:
        raise invalid_request([Problem((), str(error), "json_invalid")]) from None


def parse_json(body: bytes) -> Any:
    """The value of JSON in UTF-8. Raises ValueError, in words that repeat nothing of it."""
    try:
        value = json.loads(body.decode(), parse_constant=_refuse, parse_float=_finite)
    except UnicodeDecodeError:
        raise ValueError("Body is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"Body is not JSON: {error.msg} at {error.pos}") from None
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    if _is_deeper(value, MAX_DEPTH):
        raise ValueError(_TOO_DEEP)
    return value


_TOO_DEEP = f"Body has more than {MAX_DEPTH} levels"


def _is_deeper(value: Any, most: int) -> bool:
    level = [value]
    for _ in range(most):
        level = [
            inner
            for outer in level
            if isinstance(outer, (dict, list))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return True


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"Body is not JSON: {name}")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("Body has a number that is too large")
    return number
