"""A secret text: of the models' addresses, and of everything above them (`_core/hidden.py`)."""

from __future__ import annotations


class HiddenText(str):
    """A secret text. What is made of it (a slice, an f-string) is plain."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'…'"
