"""What draws a board: a live table by rich, lines where rich is not installed, HTML in a notebook.

Rule: it draws nothing before the first run. Text is drawn as text: rich reads no markup in it, and HTML is
escaped.
"""

from __future__ import annotations

import html
import sys
import threading
import time
from contextlib import suppress
from importlib import import_module
from typing import Any, Protocol, TextIO

from .board import COLUMNS, Board

_REDRAWS_PER_SECOND = 4
_RIGHT = {"Time", "Sources", "Cost"}
_CELL = "text-align:left;padding:.15em .6em"


class Screen(Protocol):
    """Draws a board."""

    def draw(self, key: str) -> None:
        """Draw it after news of the run or table with this key."""

    def close(self) -> None:
        """Draw it for the last time."""


def find_screen(board: Board, file: TextIO | None, force: bool) -> Screen | None:
    """The screen where a person looks; None if there is none."""
    if file is None and (display := _notebook_display()) is not None:
        return NotebookScreen(board, display)
    out: TextIO | None = sys.stderr if file is None else file
    if out is None or not (force or out.isatty()):
        return None
    try:
        return RichScreen(board, out)
    except ModuleNotFoundError:
        return LineScreen(board, out)


def _notebook_display() -> Any:
    """IPython's module of displays in a notebook's kernel; None elsewhere, also in IPython's terminal."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return import_module("IPython.display") if hasattr(shell, "kernel") else None


class RichScreen:
    """A table that is drawn again and again; without a terminal, once at the end.

    Its clock is a thread of ours: that of rich is not waited for, and prints its errors.
    """

    def __init__(self, board: Board, out: TextIO) -> None:
        self._board = board
        self._table = import_module("rich.table").Table
        self._text = import_module("rich.text").Text
        self._is_terminal = out.isatty()
        console = import_module("rich.console").Console(
            file=out, force_terminal=self._is_terminal, force_jupyter=False
        )
        self._live: Any = import_module("rich.live").Live(
            console=console, get_renderable=self._render, auto_refresh=False
        )
        self._clock: threading.Thread | None = None
        self._end = threading.Event()

    def draw(self, key: str) -> None:  # the clock draws it
        """Begin to draw."""
        if self._clock is None:
            self._clock = threading.Thread(target=self._tick, daemon=True, name="show-progress")
            self._live.start(refresh=self._is_terminal)
            self._clock.start()

    def close(self) -> None:
        """Draw it for the last time."""
        if self._clock is None:
            return
        self._end.set()
        if self._clock.is_alive():
            self._clock.join()
        self._live.stop()

    def _tick(self) -> None:
        with suppress(Exception):  # a terminal that is gone is not drawn on again
            while not self._end.wait(1 / _REDRAWS_PER_SECOND):
                self._live.refresh()

    def _render(self) -> Any:
        total = self._text(self._board.total())
        table = self._table(box=None, caption=total, caption_justify="left", expand=True)
        for name in COLUMNS:
            is_long = name in ("Question", "Last message")
            justify = "right" if name in _RIGHT else "left"
            table.add_column(
                name,
                ratio=1 if is_long else None,
                justify=justify,
                no_wrap=True,
                overflow="ellipsis",
            )
        for line in self._board.lines():
            table.add_row(*map(self._text, line))
        return table


class LineScreen:
    """A line for each begin, message and end."""

    def __init__(self, board: Board, out: TextIO) -> None:
        self._board, self._out = board, out
        self._last: dict[str, tuple[str, ...]] = {}

    def draw(self, key: str) -> None:
        """Write what is new."""
        cells = dict(zip(COLUMNS, self._board.line(key), strict=True))
        news = (cells["Status"], cells["Last message"], cells["Cost"])
        if self._last.get(key) != news:
            self._last[key] = news
            shown = ["Question", "Processor", "Status", "Last message", "Cost"]
            self._write(" | ".join(cells[name] for name in shown if cells[name]))

    def close(self) -> None:
        """Draw it for the last time."""
        if self._last:
            self._write(self._board.total())

    def _write(self, line: str) -> None:
        encoding = getattr(self._out, "encoding", None) or "utf-8"
        self._out.write(line.encode(encoding, "replace").decode(encoding) + "\n")
        self._out.flush()


class NotebookScreen:
    """One output of a cell, which is replaced; it needs no thread, so the time stands still between news."""

    def __init__(self, board: Board, display: Any) -> None:
        self._board, self._display = board, display
        self._handle: Any = None
        self._drawn = 0.0

    def draw(self, key: str) -> None:  # all of it is replaced
        """Draw it, a few times a second at the most."""
        now = time.monotonic()
        if self._handle is None:
            self._handle = self._display.display(self._render(), display_id=True)
        elif now - self._drawn < 1 / _REDRAWS_PER_SECOND:
            return
        else:
            self._handle.update(self._render())
        self._drawn = now

    def close(self) -> None:
        """Draw it for the last time."""
        if self._handle is not None:
            self._handle.update(self._render())

    def _render(self) -> Any:
        head = _row("th", COLUMNS)
        body = "".join(_row("td", line) for line in self._board.lines())
        total = html.escape(self._board.total())
        return self._display.HTML(
            f"<table><thead>{head}</thead><tbody>{body}</tbody></table><p>{total}</p>"
        )


def _row(tag: str, cells: tuple[str, ...]) -> str:
    shown = (f'<{tag} style="{_CELL}">{html.escape(cell)}</{tag}>' for cell in cells)
    return f"<tr>{''.join(shown)}</tr>"
