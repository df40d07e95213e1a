"""Channels of what a caller gives: text that a database would refuse is refused before it is stored.

LangGraph stores what a graph is given before the first node runs, so no node could refuse it in time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langgraph.channels.ephemeral_value import EphemeralValue
from langgraph.channels.last_value import LastValue

from .._core.limits import check_text


class CheckedValue(LastValue[Any]):
    """Keeps what it was given last."""

    def update(self, values: Sequence[Any]) -> bool:
        """Write the channel. Raises InvalidRequest."""
        check_text(list(values))
        return super().update(values)


class CheckedOnce(EphemeralValue[Any]):
    """Keeps what it was given for one step."""

    def update(self, values: Sequence[Any]) -> bool:
        """Write the channel. Raises InvalidRequest."""
        check_text(list(values))
        return super().update(values)
