"""Quick turns: from the answer of the Chat API to a turn of the session."""

from __future__ import annotations

from .._core.calls import Calls
from .._graph.ownership import seal_turn
from .._graph.paid_chat import PaidChat, QuickAnswer, lost_answer
from .._graph.seals import Seals
from ..processors import price_usd
from ..text.untrusted import ERROR_CHARS, harmless
from .state import Turn
from .turns import NO_INTERACTION, ended_turn, keep_some


def answered_turn(turn: Turn, outcome: QuickAnswer, ledger_id: str, seals: Seals) -> Turn:
    """A planned quick turn with its answer, or as one whose answer is lost."""
    ended = ended_turn({**turn, "key": outcome.key, "run_id": "", "interaction_id": None})
    answer = outcome.answer
    if answer is None:
        ended["status"], ended["cost_usd"] = "lost", None
        ended["error"] = harmless(lost_answer(outcome), ERROR_CHARS)
        return seal_turn(seals, ended, ledger_id)
    ended["status"], ended["error"] = "completed", None
    ended["cost_usd"] = price_usd(turn["processor"])
    ended["interaction_id"] = answer["interaction_id"]
    ended["content"], ended["confidence"] = answer["content"], answer["confidence"]
    ended["unsupported_fields"] = answer["unsupported_fields"]
    ended["citations"] = answer["citations"]
    ended["warnings"] = [*turn["warnings"], *keep_some(answer["warnings"])]
    if "checks" in answer:
        ended["checks"] = answer["checks"]
    if not answer["interaction_id"]:
        ended["warnings"].append(NO_INTERACTION)
    ended["started_at"], ended["ended_at"] = answer["started_at"], answer["ended_at"]
    return seal_turn(seals, ended, ledger_id)


def find_turn(chat: PaidChat, turn: Turn, ledger_id: str) -> Calls[Turn | None]:
    """The turn with what came of it, if it was sent before. Free."""
    outcome = yield from chat.look(ledger_id)
    if outcome is None:
        return None
    return answered_turn(turn, outcome, ledger_id, chat.door.clients.seals)


def lost_turns(turns: list[Turn]) -> list[Turn]:
    """Those whose answers are lost."""
    return [turn for turn in turns if turn["status"] == "lost"]
