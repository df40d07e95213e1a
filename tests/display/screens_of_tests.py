"""Places where a person would look: a terminal and a notebook, which keep what they were shown."""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import pytest


class Terminal(io.StringIO):
    """A file that says it is a terminal."""

    def isatty(self) -> bool:
        return True

    @property
    def text(self) -> str:
        """What was written, as text: rich reads its own escape sequences."""
        from rich.text import Text

        return Text.from_ansi(self.getvalue()).plain


@dataclass
class Notebook:
    """IPython's displays, as `screens.py` uses them."""

    shown: list[str] = field(default_factory=list)
    displays: int = 0

    def HTML(self, text: str) -> str:  # noqa: N802  # its name in IPython
        return text

    def display(self, shown: str, *, display_id: bool) -> Notebook:
        assert display_id
        self.displays += 1
        self.shown.append(shown)
        return self

    def update(self, shown: str) -> None:
        self.shown.append(shown)


class _Shell:
    kernel = "a kernel"


def in_notebook(patch: pytest.MonkeyPatch) -> Notebook:
    """A notebook around the test."""
    notebook, ipython, display = Notebook(), ModuleType("IPython"), ModuleType("IPython.display")
    found: Any = {"get_ipython": _Shell}
    vars(ipython).update(found)
    vars(display).update(display=notebook.display, HTML=notebook.HTML)
    patch.setitem(sys.modules, "IPython", ipython)
    patch.setitem(sys.modules, "IPython.display", display)
    return notebook
