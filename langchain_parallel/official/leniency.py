"""What is common to the official classes: a key is needed when they are made; unknown arguments cost nothing.

The official package ignores an argument that it does not know without a word, such as a misspelt schema, and
bills the run. Here such a program runs, too, and is warned.
"""

from __future__ import annotations

import warnings
from typing import Any

from pydantic import BaseModel, model_validator

from ..errors import MissingKey
from ..models.refusal import Discreet
from .failures import NoKey


class Lenient(Discreet):
    """A class of the official package: unknown arguments are left out, with a warning that names them."""

    @model_validator(mode="before")
    @classmethod
    def _leave_out_unknown(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        unknown = sorted(str(name) for name in given if name not in _names(cls))
        if not unknown:
            return given
        warnings.warn(
            f"{cls.__name__} has no argument {', '.join(unknown)[:200]}; it is left out.",
            stacklevel=4,
        )
        return {name: value for name, value in given.items() if name not in unknown}


class Keyed(Lenient):
    """One that needs a key: an error when it is made without one is a `ValueError`, too."""

    def __init__(self, /, **given: Any) -> None:
        try:
            super().__init__(**given)
        except MissingKey as error:
            missing = NoKey(error.message, hint=error.hint)
        else:
            return
        del given, self
        raise missing

    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]  # as in `Discreet`


def _names(model: type[BaseModel]) -> set[str]:
    """All names under which a field of a model can be given."""
    fields = model.model_fields
    return {*fields, *(field.alias for field in fields.values() if field.alias)}
