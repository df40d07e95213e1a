"""Quick questions of an agent: their records, and finding what was sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableConfig

from .._core.calls import Calls
from .._graph.paid_chat import QuickAnswer
from ..errors import InvalidRequest
from ..processors import is_chat
from ..research.quick_turns import answered_turn
from .agent_config import AgentConfig
from .agent_state import AgentTurn, Research
from .citations import number_citations
from .parents import Parent


def quick_record(
    agent: AgentConfig,
    research: Research,
    record: AgentTurn,
    outcome: QuickAnswer,
    beside: Mapping[str, int],
) -> AgentTurn:
    """The record with what came of its question; `beside`: the numbers that other tools have given."""
    turn = answered_turn(record, outcome, record["ledger_id"], agent.clients.seals)
    done: AgentTurn = {**record, **turn}
    for name in ("cleared", "approved", "on_hold"):
        done.pop(name, None)  # type: ignore[misc]  # mypy does not follow the loop
    done["citations"] = number_citations(done, research, beside)
    return done


def find_quick(
    agent: AgentConfig, research: Research, record: AgentTurn, config: RunnableConfig
) -> Calls[Research]:
    """The record of the quick question that the record's call has sent, whatever it asked. Free."""
    outcome = yield from agent.chat(record, config).look(record["ledger_id"])
    if outcome is None:
        return {}
    # What was sent counts: a person may have changed the record's question since.
    is_edited = outcome.asked["question"] != record["question"]
    sent: AgentTurn = {**record, **outcome.asked}  # type: ignore[typeddict-item]
    sent["edited"] = record.get("edited", False) or is_edited
    return {record["handle"]: quick_record(agent, research, sent, outcome, {})}


def refuse_lost(
    agent: AgentConfig,
    state: Mapping[str, Any],
    question: str,
    processor: str,
    parent: Parent | None,
) -> None:
    """Refuse a quick question whose answer was lost, until a person has spoken: it may be paid for.

    Raises:
        InvalidRequest: It is one, and nobody has said anything since.
    """
    if not is_chat(processor):
        return
    asked = (question, parent.interaction_id if parent else None)
    for record in agent.research(state).values():
        same = record["question"], record["parent_interaction_id"]
        if record["status"] != "lost" or same != asked:
            continue
        if not _has_spoken_since(state, record["call"].rpartition("/")[0]):
            problem = (
                f"{record['handle']} asked the same, and its answer is lost: it may be paid for."
            )
            hint = "Nothing was started. Tell the user, and ask again only if they want that."
            raise InvalidRequest([problem], hint=hint)


def _has_spoken_since(state: Mapping[str, Any], message_id: str) -> bool:
    """Whether a person has written after a model's message; true where that message is gone."""
    has_spoken = True
    for message in state.get("messages") or ():
        if isinstance(message, AIMessage) and message.id == message_id:
            has_spoken = False
        elif isinstance(message, HumanMessage):
            has_spoken = True
    return has_spoken
