"""Turns for tests of findings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from langchain_parallel.research import Turn
from langchain_parallel.research.state import AskedBy
from langchain_parallel.research.turns import new_turn


def turn(
    position: int,
    content: Any,
    confidence: Mapping[str, str] | None = None,
    cites: Mapping[str, Iterable[str]] | None = None,
    *,
    asked_by: AskedBy | None = None,
    parent: int | None = None,
    beside: int | None = None,
    question: str | None = None,
    **fields: Any,
) -> Turn:
    """A completed turn. The first is a caller's, later ones are the evaluation's, each after the one before.

    Args:
        position: Its place in the session.
        content: Its answer.
        confidence: By field.
        cites: The fields by url.
        asked_by: Who asked.
        parent: The position of the turn that it continues.
        beside: The position of the first of its round.
        question: What it asks.
        fields: Any other of a turn.
    """
    before = position - 1 if parent is None else parent
    made = new_turn(
        question=question or f"Question {position}?",
        processor="base",
        parent_interaction_id=None if position == 0 else f"int_{before}",
        position=position,
        asked_by=asked_by or ("caller" if position == 0 else "evaluation"),
    )
    citations = [
        {"number": number, "url": url, "title": None, "fields": list(named)}
        for number, (url, named) in enumerate((cites or {}).items(), start=1)
    ]
    rest = {
        "round": position if beside is None else beside,
        "run_id": f"run_{position}",
        "key": f"key_{position}",
        "interaction_id": f"int_{position}",
        "status": "completed",
        "content": content,
        "confidence": dict(confidence or {}),
        "citations": citations,
    }
    return cast(Turn, {**made, **rest, **fields})
