"""Writing to a terminal.

Rule: commands write through `say` alone. A terminal obeys escape sequences, and a server or a page of the web
may have written a part of any text.
"""

from __future__ import annotations

import sys

from .._core.plain_text import clean


def say(text: object = "") -> None:
    """Write lines to the standard output, at once, without control characters."""
    print(clean(str(text)), flush=True)


def complain(text: object) -> None:
    """The same to the standard error output."""
    print(clean(str(text)), file=sys.stderr, flush=True)


def confirm(what: str) -> bool:
    """Whether a person says yes to this; without a terminal, nobody does."""
    try:
        return input(f"{clean(what)} Continue? [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        say()
        return False
