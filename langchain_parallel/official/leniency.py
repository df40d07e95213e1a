"""What is common to the official classes: a key is needed when they are made; unknown arguments cost nothing.

The official package ignores an argument that it does not know without a word, such as a misspelt schema, and
bills the run. Here such a program runs, too, and is warned.
"""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

from pydantic import BaseModel, ValidationError, model_validator

from .._graph.discreet_door import DiscreetDoor
from ..errors import MissingKey, ParallelError
from ..models.refusal import Discreet, without_input
from .failures import NoKey


class Lenient(Discreet):
    """A class of the official package: unknown arguments are left out, with a warning that names them."""

    _known_elsewhere: ClassVar[frozenset[str]] = frozenset()
    """Names of arguments that another validator takes."""

    @model_validator(mode="before")
    @classmethod
    def _leave_out_unknown(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        unknown = sorted(
            str(name) for name in given if name not in _names(cls) | cls._known_elsewhere
        )
        if not unknown:
            return given
        warnings.warn(
            f"{cls.__name__} has no argument {', '.join(unknown)[:200]}; it is left out.",
            stacklevel=4,
        )
        return {name: value for name, value in given.items() if name not in unknown}


class Keyed(DiscreetDoor, Lenient):
    """One that needs a key: an error when it is made without one is a `ValueError`, too."""

    @classmethod
    def _refusal(cls, error: ValidationError | ParallelError) -> Exception:
        return as_refusal(error)


def as_refusal(error: ValidationError | ParallelError) -> Exception:
    """The error of a constructor, without what it was given, and without the frames that hold it."""
    if isinstance(error, MissingKey) and not isinstance(error, NoKey):
        return NoKey(error.message, hint=error.hint)
    return without_input(error)


def _names(model: type[BaseModel]) -> set[str]:
    """All names under which a field of a model can be given."""
    fields = model.model_fields
    return {*fields, *(field.alias for field in fields.values() if field.alias)}
