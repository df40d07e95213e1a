"""Turns that a checkpointer writes once: what a session adds, and not all of its turns in every checkpoint.

Rule: it is asked for and never the default. LangGraph's `DeltaChannel` is beta, and a checkpoint with it
needs those before it: who deletes a thread's older checkpoints deletes turns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from langgraph.channels import DeltaChannel
from langgraph.channels.binop import BinaryOperatorAggregate
from langgraph.graph import StateGraph
from typing_extensions import Self

from ..errors import InvalidRequest
from .state import Turn, merge_turns
from .turn_codec import unpack_turns

GraphT = TypeVar("GraphT", bound=StateGraph[Any, Any, Any, Any])

_TURNS = "turns"
_WHOLE_EVERY = 200
"""Updates, of which a turn makes two. All turns written once more then cost about as much as the turns since;
more updates would take longer to read.
"""


def write_turns_once(graph: GraphT) -> GraphT:
    """Have a checkpointer write each turn of a session once, and not again in every later checkpoint.

    What a session writes is then linear in its turns, under the durabilities `sync` and `async`. Threads from
    before can go on with it, and those with it without it. The state that is read is the same.

    Args:
        graph: What `create_research_graph` returns, or your own uncompiled graph with `turns` in its state.

    Returns:
        The same graph; compile it with a checkpointer that keeps all checkpoints of a thread.

    Raises:
        InvalidRequest: There are no `turns` in its state, or it is compiled.
    """
    given: object = graph
    channels: dict[str, Any] = given.channels if isinstance(given, StateGraph) else {}
    turns = channels.get(_TURNS)
    if isinstance(turns, DeltaChannel) and turns.reducer is merge_all_turns:
        return graph
    if not (isinstance(turns, BinaryOperatorAggregate) and turns.operator is merge_turns):
        raise InvalidRequest(
            [f"{type(graph).__name__} is no uncompiled graph whose state has turns."],
            hint="Give what create_research_graph returns, before compile(), or a StateGraph with "
            "`turns: Annotated[list[Turn], merge_turns]` in its state.",
        )
    once = _TurnDeltas(merge_all_turns, list[Turn], snapshot_frequency=_WHOLE_EVERY)
    once.key = _TURNS
    channels[_TURNS] = once
    return graph


class _TurnDeltas(DeltaChannel[Any]):
    """It reads what a graph without it has written, too."""

    def from_checkpoint(self, checkpoint: Any) -> Self:
        """A channel with what was stored."""
        return super().from_checkpoint(unpack_turns(checkpoint))


def merge_all_turns(turns: list[Turn] | None, writes: Sequence[list[Turn] | None]) -> list[Turn]:
    """As `merge_turns`, for all that was written since: the reducer of a `DeltaChannel`."""
    merged = turns or []
    for new in writes:
        merged = merge_turns(merged, new)
    return merged
