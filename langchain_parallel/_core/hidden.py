"""Secrets that a variable may hold.

Rule: a secret is in a local variable, a parameter or a closure only as one of these. Their `repr` shows
nothing; what reports errors with local variables (Sentry, `traceback`, rich) shows them by their `repr`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from pydantic import SecretStr

from ..models.hidden_text import HiddenText

__all__ = ["HiddenBytes", "HiddenText", "as_secret", "as_secrets", "hidden"]

T = TypeVar("T")


class HiddenBytes(bytes):
    """Secret bytes. What is made of them is plain."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "b'…'"


def hidden(given: T | str) -> T | HiddenText:
    """A text that may hold a secret, such as an address with a login; anything else as it is."""
    return HiddenText(given) if isinstance(given, str) else given


def hide(value: Any) -> Any:
    """A JSON value, each of whose texts may hold a secret."""
    if isinstance(value, dict):
        return {name: hide(inner) for name, inner in value.items()}
    return [hide(inner) for inner in value] if isinstance(value, list) else hidden(value)


def as_secret(given: T | str) -> T | SecretStr:
    """A text as a `SecretStr`; anything else as it is. Each function that is given a key begins with this."""
    return SecretStr(HiddenText(given)) if isinstance(given, str) else given


def as_secrets(given: str | SecretStr | Sequence[str | SecretStr]) -> tuple[SecretStr, ...]:
    """One secret or several, as `as_secret`; bytes count as text."""
    several = given if _holds_several(given) else (given,)
    return tuple(as_secret(_as_text(one)) for one in several)  # type: ignore[union-attr]  # see above


def _holds_several(given: object) -> bool:
    return isinstance(given, Iterable) and not isinstance(given, str | bytes | SecretStr)


def _as_text(given: Any) -> Any:
    return HiddenText(given.decode(errors="replace")) if isinstance(given, bytes) else given
