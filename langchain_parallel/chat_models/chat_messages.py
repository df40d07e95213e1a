"""LangChain's messages as those of the Chat API, and its answers as messages with citations.

Rule: the text of an answer is the message's `content`; its evidence is in `response_metadata`, because it is
kept nowhere else. Where LangChain asks for standard blocks (`content_blocks`, `output_version="v1"`), the
citations are annotations of the text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    SystemMessage,
)
from langchain_core.messages.block_translators import register_translator
from langchain_core.messages.content import Citation, ContentBlock, TextContentBlock

from .._core.urls import is_http
from ..errors import InvalidRequest
from ..models import ChatAnswer

PROVIDER = "parallel"
"""LangChain's `model_provider` of these messages."""
_ROLES: Mapping[type[BaseMessage], str] = {
    SystemMessage: "system",
    HumanMessage: "user",
    AIMessage: "assistant",
}


# --- what is sent ---------------------------------------------------------------------------------


def as_chat(messages: Sequence[BaseMessage], *, is_continued: bool) -> list[dict[str, str]]:
    """Messages as the API takes them: all of them, or of a turn that continues an interaction the new ones.

    New is what comes after the model's last answer, with all system messages: that an interaction keeps the
    instructions of its earlier turns is not documented.

    Raises:
        InvalidRequest: One holds what Chat does not read; or none is new.
    """
    own = [i for i, message in enumerate(messages) if isinstance(message, AIMessage)]
    first = own[-1] + 1 if own and is_continued else 0
    if messages and first == len(messages):
        raise InvalidRequest(
            [
                "The last message is an answer: there is no new turn to continue the interaction with."
            ]
        )
    problems: list[str] = []
    sent = [
        _as_chat(f"messages[{i}]", message, problems)
        for i, message in enumerate(messages)
        if i >= first or isinstance(message, SystemMessage)
    ]
    if problems:
        raise InvalidRequest(problems)
    return sent


def _as_chat(where: str, message: BaseMessage, problems: list[str]) -> dict[str, str]:
    role = next((role for kind, role in _ROLES.items() if isinstance(message, kind)), message.type)
    if isinstance(message, ChatMessage):
        role = message.role
    if getattr(message, "tool_calls", None):
        problems.append(
            f"{where} calls tools, which Chat does not know; leave it out, or put its text into a message "
            "without the calls."
        )
    told = {"role": role, "content": "".join(_texts(where, message, problems))}
    return {**told, "name": message.name} if message.name else told


def _texts(where: str, message: BaseMessage, problems: list[str]) -> Iterator[str]:
    for part in [message.content] if isinstance(message.content, str) else message.content:
        if isinstance(part, str):
            yield part
        elif isinstance(part.get("text"), str) and part.get("type", "text") == "text":
            yield part["text"]
        elif not isinstance(
            message, AIMessage
        ):  # of an answer, its reasoning and the like are left out
            kind = part.get("type", "a block without a type")
            problems.append(
                f"{where} holds {kind!s:.40}; Chat reads text, and no picture, sound or file."
            )


def last_interaction_id(messages: Iterable[BaseMessage]) -> str | None:
    """The interaction of the last answer in a history, to continue from; None if no answer names one."""
    named = [
        message.response_metadata.get("interaction_id")
        for message in messages
        if isinstance(message, AIMessage)
    ]
    return next((each for each in reversed(named) if isinstance(each, str)), None)


# --- what is answered -----------------------------------------------------------------------------


def as_metadata(answer: ChatAnswer) -> dict[str, Any]:
    """What is known of an answer beside its text, as plain JSON."""
    known = {
        "model_provider": PROVIDER,
        "model_name": answer.model,
        "interaction_id": answer.interaction_id,
        "basis": [entry.model_dump(mode="json", exclude_none=True) for entry in answer.basis],
        "cost_usd": answer.cost_usd,
        "cost_note": answer.cost_note,
        "created": answer.created,
        "warnings": [str(warning) for warning in answer.warnings],
    }
    return {name: value for name, value in known.items() if value not in (None, "", [])}


def as_message(answer: ChatAnswer) -> AIMessage:
    """An answer as a message."""
    return AIMessage(content=answer.content, response_metadata=as_metadata(answer))


def as_chunk(text: str, answer: ChatAnswer | None) -> AIMessageChunk:
    """A piece of an answer that streams; the last one has what is known of the whole."""
    if answer is None:
        return AIMessageChunk(content=text, response_metadata={"model_provider": PROVIDER})
    return AIMessageChunk(
        content=text, response_metadata=as_metadata(answer), chunk_position="last"
    )


def citations(basis: Iterable[Any]) -> list[Citation]:
    """The sources of an answer, field by field, as annotations. Their titles and excerpts are web text."""
    return [
        _citation(entry, cited)
        for entry in basis
        if isinstance(entry, Mapping)
        for cited in entry.get("citations") or ()
        if isinstance(cited, Mapping)
    ]


def _citation(entry: Mapping[str, Any], cited: Mapping[str, Any]) -> Citation:
    known = {
        "url": url if is_http(url := str(cited.get("url", ""))) else None,
        "title": cited.get("title"),
        "cited_text": next(iter(cited.get("excerpts") or ()), None),
    }
    of = {name: entry[name] for name in ("field", "confidence") if entry.get(name)}
    filled = {name: value for name, value in known.items() if value}
    return cast(Citation, {"type": "citation", **filled, "extras": of})


def _blocks(message: AIMessage) -> list[ContentBlock]:
    """The text as one block, with its citations."""
    if not isinstance(message.content, str):
        raise NotImplementedError  # then LangChain reads the blocks that there are
    basis = message.response_metadata.get("basis")
    block: dict[str, Any] = {"type": "text", "text": message.content}
    if isinstance(basis, list) and (cited := citations(basis)):
        block["annotations"] = cited
    if isinstance(message, AIMessageChunk):
        block["index"] = 0  # by which LangChain puts the pieces together
    return [cast(TextContentBlock, block)] if len(block["text"]) or "annotations" in block else []


register_translator(PROVIDER, _blocks, _blocks)
