"""The sources of an agent's final answer: a list below its text, or LangChain's citation annotations.

Rule: they are for whoever reads the answer. The model is shown its own text without them, so that it does
not learn to write such lists itself, and a provider's cache still fits. Titles are the web's: in the list
they are escaped, and in a sub-agent's, which another model reads, they are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, TypeAlias

from langchain_core.messages import AIMessage
from langchain_core.messages.content import create_citation

from .._core.urls import is_http
from ..text.markdown import source_markdown
from ..text.own_marks import marks
from .agent_state import Research
from .citations import Source, sources
from .names import Names

Cite: TypeAlias = Literal["list", "annotations"]

_ADDED = "parallel_sources"
"""In a message's `response_metadata`, by middleware: what it had added to the text."""
_TITLE = "\n\nSources:\n\n"


def with_sources(
    message: AIMessage, research: Research, names: Names, cite: Cite | None
) -> AIMessage | None:
    """The message with the sources that it cites; None if there is nothing to add.

    Args:
        message: The model's last one.
        research: The records of the agent.
        names: The middleware's.
        cite: How.
    """
    added = message.response_metadata.get(_ADDED) or {}
    if cite is None or not message.id or message.tool_calls or names.name in added:
        return None
    cited = _cited_sources(str(message.text), research, names)
    if not cited:
        return None
    if cite == "list":
        content, what = _with_list(message.content, cited, names)
    else:
        content, what = _annotate(message.content, research, names), cite
    metadata = {**message.response_metadata, _ADDED: {**added, names.name: what}}
    return message.model_copy(update={"content": content, "response_metadata": metadata})


def without_sources(messages: Sequence[Any], names: Names) -> list[Any]:
    """The messages as the model wrote them."""
    return [_without(m, names) if isinstance(m, AIMessage) else m for m in messages]


def _cited_sources(text: str, research: Research, names: Names) -> list[Source]:
    known = sources({names.records: research}, names.name)
    numbers = dict.fromkeys(number for _, named in _marks(text, names) for number in named)
    return [known[number] for number in numbers if number in known]


def _marks(text: str, names: Names) -> Iterator[tuple[tuple[int, int], list[Any]]]:
    prefix = "" if names.is_default else names.name
    for span, named in marks(text):
        yield span, [number for name, number in named if name == prefix]


# --- a list --------------------------------------------------------------------------------------


def _with_list(content: Any, cited: list[Source], names: Names) -> tuple[Any, str]:
    lines = [_line(source, names) for source in sorted(cited, key=_order)]
    added = _TITLE + "\n".join(lines)
    if isinstance(content, str):
        return content + added, added
    return [*content, {"type": "text", "text": added}], added


def _line(source: Source, names: Names) -> str:
    is_of_sub_agent = "@" in str(source["number"])
    title = None if is_of_sub_agent else source["title"]
    return source_markdown(names.mark(source["number"]), source["url"], title)


def _order(source: Source) -> tuple[str, int]:
    number, _, ledger = str(source["number"]).partition("@")
    return ledger, int(number)


# --- annotations ---------------------------------------------------------------------------------


def _annotate(content: Any, research: Research, names: Names) -> list[Any]:
    known = sources({names.records: research}, names.name)
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    return [_annotate_block(block, known, names) for block in blocks]


def _annotate_block(block: Any, known: Mapping[Any, Source], names: Names) -> Any:
    if isinstance(block, str):
        block = {"type": "text", "text": block}
    if not isinstance(block, dict) or block.get("type") != "text":
        return block
    text = str(block.get("text") or "")
    annotations = [
        create_citation(
            url=source["url"] if is_http(source["url"]) else None,  # programs make links of it
            title=source["title"],
            start_index=start,
            end_index=end,
            number=source["number"],
            run_id=source["run_id"],
        )
        for (start, end), numbers in _marks(text, names)
        for source in (known[number] for number in numbers if number in known)
    ]
    if not annotations:
        return block
    return {**block, "annotations": [*(block.get("annotations") or ()), *annotations]}


# --- as the model wrote it -----------------------------------------------------------------------


def _without(message: AIMessage, names: Names) -> AIMessage:
    added = (message.response_metadata.get(_ADDED) or {}).get(names.name)
    if not isinstance(added, str):
        return message
    content: Any = message.content
    if isinstance(content, str):
        content = content.replace(added, "") if added.startswith(_TITLE) else content
    elif added == "annotations":
        content = [_plain_block(block) for block in content]
        if len(content) == 1 and set(content[0]) == {"type", "text"}:
            content = content[0]["text"]
    else:
        content = [block for block in content if block != {"type": "text", "text": added}]
    return message.model_copy(update={"content": content})


def _plain_block(block: Any) -> Any:
    if not isinstance(block, dict) or "annotations" not in block:
        return block
    theirs = [one for one in block["annotations"] if "run_id" not in (one.get("extras") or {})]
    plain = {name: value for name, value in block.items() if name != "annotations"}
    return {**plain, "annotations": theirs} if theirs else plain
