"""A block of code whose research is shown, without a change of the calls in it.

Rule: of one process, one display is on the screen. A block that begins while another is open, in it or in
another task, shows its runs there; the last one that ends closes it.
"""

from __future__ import annotations

import logging
import threading
from contextvars import Token
from typing import TextIO

from typing_extensions import Self

from .._graph.observers import OBSERVER, Observer, Update
from .board import Board
from .screens import Screen, find_screen

_LOG = logging.getLogger("langchain_parallel")


class _Display:
    """A board on a screen, and how many blocks show their runs on it."""

    def __init__(self, board: Board, screen: Screen) -> None:
        self._board, self._screen = board, screen
        self._lock = threading.Lock()
        self._is_closed = False
        self.blocks = 0

    def take(self, update: Update) -> None:
        with self._lock:  # so that it is never opened again once it is closed
            if not self._is_closed and self._board.take(update):
                self._screen.draw(update.key)

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            self._screen.close()


_ON_SCREEN: dict[int | None, _Display] = {}
"""By the file that is written to; None: wherever a person looks."""
_LOCK = threading.Lock()


class ProgressDisplay:
    """What `show_progress` returns: `with` it, research is shown, in blocking and in awaited code."""

    def __init__(self, *, force: bool = False, file: TextIO | None = None) -> None:
        self._force, self._file = force, file
        self._display: _Display | None = None
        self._token: Token[Observer | None] | None = None

    def __enter__(self) -> Self:
        """Show the runs of this block."""
        if self.open() is not None:
            self._token = OBSERVER.set(self.open())
        return self

    def __exit__(self, *_: object) -> None:
        """Draw for the last time."""
        if self._token is not None:
            try:
                OBSERVER.reset(self._token)
            except ValueError:  # a generator that ends in another context, which has its own
                _LOG.debug("A display of progress was left in another context.")
            self._token = None
        self.close()

    def open(self) -> Observer | None:
        """Find the screen, for code that hands on updates by itself; None if nobody looks."""
        if self._display is None:
            try:
                self._display = self._join()
            except Exception:  # noqa: BLE001  # whatever it is, the research goes on
                _LOG.debug("A display of progress failed.", exc_info=True)
        return None if self._display is None else self._display.take

    def close(self) -> None:
        """Leave the screen that `open` has found."""
        display, self._display = self._display, None
        if display is None:
            return
        try:
            self._leave(display)
        except Exception:  # noqa: BLE001  # whatever it is, the research goes on
            _LOG.debug("A display of progress failed.", exc_info=True)

    @property
    def _place(self) -> int | None:
        return None if self._file is None else id(self._file)

    def _join(self) -> _Display | None:
        with _LOCK:
            display = _ON_SCREEN.get(self._place)
            if display is None:
                board = Board()
                screen = find_screen(board, self._file, self._force)
                if screen is None:
                    return None
                display = _ON_SCREEN[self._place] = _Display(board, screen)
            display.blocks += 1
            return display

    def _leave(self, display: _Display) -> None:
        with _LOCK:
            display.blocks -= 1
            if display.blocks:
                return
            del _ON_SCREEN[self._place]
        display.close()


def show_progress(*, force: bool = False, file: TextIO | None = None) -> ProgressDisplay:
    """Show the research of a block while it works: question, time, sources read, last message, cost so far.

    ```python
    with show_progress():
        agent.invoke(...)
    ```

    It shows the runs of tools, graphs and middleware, and the tables, that the block calls, blocking or
    awaited: as a live table on a terminal (extra: progress; without it, as lines), as one output in a
    notebook, and not at all elsewhere. Calls need no change. A thread that a program starts by itself is
    shown if it runs in a copy of the context (`contextvars.copy_context().run`).

    Args:
        force: Without a terminal, write the last table.
        file: Where to write; unless given, the notebook's cell, or standard error.
    """
    return ProgressDisplay(force=force, file=file)
