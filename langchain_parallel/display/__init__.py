"""Research seen while it works: `show_progress` for a terminal and a notebook."""

from .shown_block import ProgressDisplay, show_progress

__all__ = ["ProgressDisplay", "show_progress"]
