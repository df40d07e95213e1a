"""Refusing what a model is given, without repeating it.

Rule: pydantic's errors keep what they refuse (`errors()`, `json()`), and its frames hold all that was given.
Models that may be given a secret raise their errors through here.
"""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

E = TypeVar("E", bound=Exception)


def without_input(error: E) -> E | ValidationError:
    """The same refusal, without what was refused, and without the frames that hold it."""
    if isinstance(error, ValidationError):
        return ValidationError.from_exception_data(
            error.title, [_fault(fault) for fault in _faults(error)], hide_input=True
        )
    return error.with_traceback(None)


def _faults(error: ValidationError) -> list[Any]:
    return [*error.errors(include_input=False, include_url=False)]


def _fault(fault: Any) -> InitErrorDetails:
    type_, context = fault["type"], fault.get("ctx", {})
    text = fault["msg"].replace("{", "(").replace("}", ")")
    told = PydanticCustomError(type_, text, context)
    return InitErrorDetails(type=told, loc=fault["loc"], input=None)


class Discreet(BaseModel):
    """A model that may be given a secret."""

    def __init__(self, /, **given: Any) -> None:
        try:
            super().__init__(**given)
        except ValidationError as error:
            refused = without_input(error)
        else:
            return
        del given, self
        raise refused

    # The models inside one another are validated without a call of this.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]
