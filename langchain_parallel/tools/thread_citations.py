"""The citations of a tool's answers, numbered through their conversation.

Rule: what was numbered before is in the messages: each answer's artifact has its sources under `citations`.
Calls of one message do not see each other's answers, so each has the range of its place in that message;
calls that ask the same have one. The research middleware plans a range for each of its runs before the tools
of a message run, above all that the messages have; the tools find those in the state, and begin above. Where
the messages with the sources were cut, a summary may still name a number of theirs, so no new number is below
one that a text names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from ..text.own_marks import marked_numbers
from ..text.source_numbers import number_of, position_of

UNPLANNED = 1_000
"""The first range of runs that nobody planned before the tools of their message ran. No thread has as many
answers.
"""
_MOST = 10**9
"""A greater number in a text is none of a source."""


def number_citations(
    citations: Sequence[Mapping[str, Any]],
    messages: Sequence[Any],
    nth_call: int = 0,
    beside: Sequence[Any] = (),
    state: Any = None,
) -> list[dict[str, Any]]:
    """The citations of an answer with the numbers that they have in the conversation.

    Args:
        citations: Of one answer, with `url`.
        messages: The conversation before the answer.
        nth_call: The place of its call among the calls of its message.
        beside: The tools of the agent, among them perhaps those of the research middleware.
        state: The agent's.
    """
    by_url = numbers_by_url(messages)
    asked = (getattr(tool, "numbers_by_url", None) for tool in beside)
    for numbers in (ask(state) for ask in asked if callable(ask)):
        by_url = {**numbers, **by_url}
    position = nth_call + max(_first_position(beside, state), next_range(messages))
    return [
        {**source, "number": by_url.get(source["url"]) or number_of(position, nth)}
        for nth, source in enumerate(citations, start=1)
    ]


def numbers_by_url(messages: Sequence[Any]) -> dict[str, int]:
    """The number of each address that the tools' answers in a conversation have cited."""
    by_url: dict[str, int] = {}
    for number, source in numbered_sources(messages).items():
        by_url.setdefault(source["url"], number)
    return by_url


def next_range(messages: Sequence[Any]) -> int:
    """The first range above all that the answers in a conversation have."""
    known = max(numbered_sources(messages), default=0)
    highest = known or max(_numbers_in_texts(messages), default=0)
    return position_of(highest) + 1 if highest else 0


def numbered_sources(messages: Sequence[Any]) -> dict[int, dict[str, Any]]:
    """Every source of the tools' answers in a conversation, by its number."""
    found: dict[int, dict[str, Any]] = {}
    for message in messages:
        artifact = message.artifact if isinstance(message, ToolMessage) else None
        sources = artifact.get("citations") if isinstance(artifact, Mapping) else None
        for source in sources if isinstance(sources, list) else ():
            if _is_numbered(source):
                found.setdefault(source["number"], source)
    return found


def _is_numbered(source: object) -> bool:
    """Whether this is a source with a number: another tool's artifact may have anything there."""
    if not isinstance(source, Mapping) or not isinstance(source.get("url"), str):
        return False
    number = source.get("number")
    return isinstance(number, int) and not isinstance(number, bool) and 0 < number < _MOST


def _numbers_in_texts(messages: Sequence[Any]) -> Iterator[int]:
    """The numbers that texts name. What other tools say is long, and cites nothing of ours."""
    for message in messages:
        if isinstance(message, BaseMessage) and isinstance(message, AIMessage | HumanMessage):
            for _, number in marked_numbers(message.text):
                is_one = isinstance(number, int) and 0 < number < _MOST
                if is_one and position_of(int(number)) < UNPLANNED:
                    yield int(number)


def _first_position(tools: Iterable[Any], state: Any) -> int:
    """The first position beside these tools: above the ranges of the middleware's runs."""
    asked = (getattr(tool, "next_range", None) for tool in tools)
    return max((ask(state) for ask in asked if callable(ask)), default=0)


def nth_call(message: Any, tool_call_id: str | None) -> int:
    """The place of a call in its message; of several that ask the same, that of the first."""
    calls = getattr(message, "tool_calls", None) or ()
    own = next((call for call in calls if call.get("id") == tool_call_id), None)
    if own is None:
        return 0
    asked = (own.get("name"), own.get("args"))
    return next(n for n, call in enumerate(calls) if (call.get("name"), call.get("args")) == asked)
