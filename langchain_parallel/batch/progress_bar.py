"""A bar that shows how many rows have ended, by whichever library is installed.

Rule: it is for a person at a terminal. So it goes to stderr, for stdout may be a program's output; and where
there is no terminal nothing is drawn.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Protocol

from ..errors import InvalidRequest

_TITLE = "Research"


class Bar(Protocol):
    """A bar."""

    def update(self, done: int) -> None:
        """Show that so many rows have ended."""

    def close(self) -> None:
        """End it."""


def open_bar(wanted: bool, total: int | None) -> Bar:
    """A bar, if it is wanted.

    Raises:
        InvalidRequest: It is, and neither rich nor tqdm is installed.
    """
    if not wanted:
        return _Hidden()
    for name, bar in (("rich", _Rich), ("tqdm.auto", _Tqdm)):
        try:
            return bar(import_module(name), total)
        except ModuleNotFoundError:
            continue
    raise InvalidRequest(["progress_bar needs rich or tqdm: `pip install rich`."])


class _Hidden:
    def update(self, done: int) -> None:
        """Show nothing."""

    def close(self) -> None:
        """Nothing to end."""


class _Rich:
    def __init__(self, rich: Any, total: int | None) -> None:
        progress: Any = import_module(f"{rich.__name__}.progress")
        console = import_module(f"{rich.__name__}.console").Console(stderr=True)
        self._progress = progress.Progress(
            *progress.Progress.get_default_columns(),
            progress.MofNCompleteColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._progress.start()
        self._task = self._progress.add_task(_TITLE, total=total)

    def update(self, done: int) -> None:
        self._progress.update(self._task, completed=done)

    def close(self) -> None:
        self._progress.stop()


class _Tqdm:
    def __init__(self, tqdm: Any, total: int | None) -> None:
        self._bar = tqdm.tqdm(total=total, desc=_TITLE, disable=None)

    def update(self, done: int) -> None:
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        self._bar.close()
