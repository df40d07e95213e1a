"""Options of another type than theirs: refused by name, before anything is made of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from ..errors import InvalidRequest

T = TypeVar("T")

_MOST = 2**63
"""More no checkpoint holds."""

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


def check_words(given: Mapping[str, str], allowed: Mapping[str, Sequence[str]]) -> None:
    """Check options that must be one of a few words.

    Raises:
        InvalidRequest: One of them is none of its words.
    """
    problems = [
        f"{name} is {value!r}; {' or '.join(map(repr, allowed[name]))} is allowed."
        for name, value in given.items()
        if value not in allowed[name]
    ]
    if problems:
        raise InvalidRequest(problems)


def check_whole(name: str, value: object, least: int) -> int:
    """An option that must be a whole number.

    Raises:
        InvalidRequest: It is none, or less than `least`.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InvalidRequest([f"{name} is {value!r}; give a whole number, from {least:,} up."])
    return value


def number_problems(given: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with options that must be numbers from 0 up."""
    for name, value in given.items():
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not 0 <= value < _MOST:
            yield f"{name} must be a number from 0 up."


def kind_of(value: object) -> str:
    """The type of a value with its article: `an int`, `a dict`."""
    name = "str" if isinstance(value, str) else type(value).__name__  # of ours, too
    return f"{'an' if name[0] in 'AEIOaeio' else 'a'} {name}"


def _word(kind: type) -> str:
    return _WORDS.get(kind) or f"{kind.__name__}(...)"
