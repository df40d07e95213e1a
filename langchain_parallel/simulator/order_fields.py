"""A `Fault`, a `RunScript` or a `Listing` from JSON, for the command line and the control calls alike."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

T = TypeVar("T")


def from_fields(kind: Callable[..., T], given: Any) -> T:
    """Build one from its fields. Raises ValueError, which names the field that is wrong."""
    fields = signature(kind).parameters
    needed = [name for name, field in fields.items() if field.default is field.empty]
    if not isinstance(given, dict) or given.keys() - fields.keys() or set(needed) - given.keys():
        required = f" (needed: {', '.join(needed)})" if needed else ""
        raise ValueError(f"give an object with some of {', '.join(fields)}{required}")
    try:
        kind(**given)  # its own checks say more than a type does
        checked: T = TypeAdapter(cast(Any, kind)).validate_python(given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ValueError(f"{where}: {first['msg']}") from None
    except TypeError as error:
        raise ValueError(str(error)) from None
    return checked
