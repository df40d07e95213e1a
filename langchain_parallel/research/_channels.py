"""Channels of what a caller, a person or another node writes: what no step could use, or no database would
store, is refused before it is in the state.

LangGraph stores what a graph is given before the first node runs, so no node could refuse it in time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.messages import HumanMessage
from langgraph.channels.binop import BinaryOperatorAggregate
from langgraph.channels.ephemeral_value import EphemeralValue
from langgraph.channels.last_value import LastValue
from langgraph.graph.message import add_messages
from typing_extensions import Self

from .._core.kinds import kind_of
from .._core.payloads import unstorable
from .._session_options import check_session_limits
from ..errors import InvalidRequest
from .turn_codec import TurnPacker

_WAY_OUT = (
    "Nothing was sent. LangGraph keeps what a `Command` has written: if this came with one, "
    "`graph.update_state(config, {})` discards it."
)


def check_storable(name: str, value: object) -> None:
    """Refuse what no checkpointer stores.

    Raises:
        InvalidRequest: There is such a value.
    """
    if problems := unstorable(value):
        raise InvalidRequest(
            [f"`{name}` cannot be stored or sent: {'; '.join(problems)}."], hint=_WAY_OUT
        )


class CheckedValue(LastValue[Any]):
    """Keeps what it was given last, also of several nodes in one step: a person may send a thread to a node
    that is due anyway.
    """

    def check(self, value: Any) -> None:
        """Raise InvalidRequest for what may not be in the state."""
        check_storable(self.key, value)

    def update(self, values: Sequence[Any]) -> bool:
        """Write the channel. Raises InvalidRequest."""
        for value in values:
            self.check(value)
        return super().update(values[-1:])


class CheckedOnce(EphemeralValue[Any]):
    """Keeps what it was given for one step."""

    def update(self, values: Sequence[Any]) -> bool:
        """Write the channel. Raises InvalidRequest."""
        check_storable(self.key, list(values))
        return super().update(values)


class CheckedEnd(CheckedOnce):
    """Keeps what the end of a question has left until the next step: of several nodes, what came last."""

    def update(self, values: Sequence[Any]) -> bool:
        """Write the channel. Raises InvalidRequest."""
        return super().update(values[-1:])


class CheckedPending(CheckedValue):
    """The turn on its way."""

    def check(self, value: Any) -> None:
        """Raise InvalidRequest for what is no turn."""
        super().check(value)
        if value is not None:
            check_turns([value], *PLANNED)

    def update(self, values: Sequence[Any]) -> bool:
        """Write the channel; a turn that has been started comes before one that has not."""
        return super().update(sorted(values, key=_has_run))


class CheckedLimits(CheckedValue):
    """A session's limits."""

    def check(self, value: Any) -> None:
        """Raise InvalidRequest for what are no limits."""
        if value is not None:
            check_session_limits(value, may_have_seal=True)


class MergedTurns(BinaryOperatorAggregate[Any]):
    """The turns of a session, merged by a reducer. A checkpoint has large ones packed (`turn_codec.py`)."""

    def __init__(self, typ: Any, operator: Callable[[Any, Any], Any]) -> None:
        super().__init__(typ, operator)
        self._packer = TurnPacker()

    def update(self, values: Sequence[Any]) -> bool:
        """Write the channel. Raises InvalidRequest for what are no turns."""
        for value in values:
            self._packer.forget(value)
        return super().update(values)

    def checkpoint(self) -> Any:
        """The turns as they are stored."""
        return self._packer.pack(self.value)

    def from_checkpoint(self, checkpoint: Any) -> Self:
        """A channel with what was stored, also by an earlier version."""
        made = super().from_checkpoint(checkpoint)
        made.value = made._packer.unpack(made.value)
        return made


class CheckedVerdict(CheckedValue):
    """What becomes of the answer."""

    def update(self, values: Sequence[Any]) -> bool:
        """Write the channel. Raises InvalidRequest for what is no verdict."""
        return super().update([_checked_verdict(value) for value in values])


def merge_messages(left: Any, right: Any) -> Any:
    """The messages of a thread: LangGraph's `add_messages`.

    Raises:
        InvalidRequest: These are no messages, or no checkpointer stores the text of a human one.
    """
    try:
        merged: Any = add_messages(left, right)
    except (ValueError, TypeError, LookupError, AttributeError, NotImplementedError) as error:
        raise InvalidRequest(
            [f"`messages` holds what is no message ({type(error).__name__})."],
            hint='Give messages of LangChain, or `{"role": "user", "content": "…"}`. Nothing was sent.',
        ) from None
    known = set(map(id, left)) if isinstance(left, list) else set()
    for message in merged:
        if id(message) not in known and isinstance(message, HumanMessage):
            check_storable("messages", message.content)
    return merged


PLANNED = (
    *("key", "position", "round", "question", "asked_by", "processor", "parent_interaction_id"),
    *("interaction_id", "run_id", "status", "cost_usd"),
)
"""What a turn needs to be started."""


def check_turns(turns: object, *names: str) -> None:
    """Refuse what is written in the place of turns.

    Raises:
        InvalidRequest: These are no turns with these keys, or no checkpointer stores them.
    """
    if turns is None:
        return
    if not isinstance(turns, list):
        raise InvalidRequest([f"Turns are a list of objects, not {kind_of(turns)}."])
    for turn in turns:
        lacks = [name for name in names if not isinstance(turn, dict) or name not in turn]
        if lacks:
            raise InvalidRequest(
                [f"A turn in the state lacks {', '.join(lacks)}."],
                hint=f"Write turns as the graph has made them. {_WAY_OUT}",
            )
    check_storable("turns", turns)


def check_readable(turns: object) -> None:
    """Refuse to go on with a thread whose checkpoint has turns in a form that this version does not know.

    Raises:
        InvalidRequest: There is one.
    """
    if turns and not (isinstance(turns, list) and all(isinstance(turn, dict) for turn in turns)):
        raise InvalidRequest(
            ["The thread's checkpoint holds a turn that cannot be read."],
            hint="Nothing was sent. A newer version of this package has written it, or another program. "
            '`graph.update_state(config, {"turns": Overwrite([…])})` replaces all turns.',
        )


def _has_run(turn: object) -> bool:
    return isinstance(turn, dict) and bool(turn.get("run_id"))


def _checked_verdict(value: Any) -> Any:
    from .evaluation.verdicts import check_verdict

    return check_verdict(value)
