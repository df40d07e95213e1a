"""Options of another type than theirs: refused by name, before anything is made of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from ..errors import InvalidRequest

T = TypeVar("T")

_WORDS = {str: "text", bool: "True or False", int: "a whole number"}


def check_kinds(given: Mapping[str, tuple[object, type | tuple[type, ...]]]) -> None:
    """Check options of one type each (or of one of several), where they are given.

    Raises:
        InvalidRequest: One is of another; it would be noticed only when it is first used. Its value is not
            repeated.
    """
    problems = [
        f"{name} is {kind_of(value)}; give {_word(kind if isinstance(kind, type) else kind[0])}."
        for name, (value, kind) in given.items()
        if not isinstance(value, kind) and value is not None
    ]
    if problems:
        raise InvalidRequest(problems)


def as_list(name: str, given: Iterable[T] | object) -> list[T]:
    """An option that is a list.

    Raises:
        InvalidRequest: It is text, or no list of anything.
    """
    if isinstance(given, str):
        raise InvalidRequest([f"{name} is text; give a list, such as [{given!r:.80}]."], hint="")
    if not isinstance(given, Iterable) or isinstance(given, bytes | Mapping):
        raise InvalidRequest([f"{name} is {kind_of(given)}; give a list."], hint="")
    return list(given)


def kind_of(value: object) -> str:
    """The type of a value with its article: `an int`, `a dict`."""
    name = "str" if isinstance(value, str) else type(value).__name__  # of ours, too
    return f"{'an' if name[0] in 'AEIOaeio' else 'a'} {name}"


def _word(kind: type) -> str:
    return _WORDS.get(kind) or f"{kind.__name__}(...)"
