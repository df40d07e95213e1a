"""How much of a model's context a result needs: estimates, and what a shorter form must not lack.

Tokens are estimated in two ways: four characters per token, and by words. Addresses need more tokens than
prose, which only the second one takes into account.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from langchain_parallel import ParallelTaskTool

from .report import FIELDS, LOW_FIELDS, always_answer, realistic_report
from .wire import Account

GOAL = 0.20


def by_characters(text: str) -> int:
    """Estimate tokens: one for four characters."""
    return math.ceil(len(text) / 4)


def by_words(text: str) -> int:
    """Estimate tokens: one for each 6 letters of a word, 3 digits of a number, or 2 other characters in a
    row, rounded up. Spaces are free.
    """
    pieces = re.findall(r"[^\W\d_]+|\d+|[^\w\s]+|_+|\n+", text)
    return sum(math.ceil(len(p) / (6 if p.isalpha() else 3 if p.isdigit() else 2)) for p in pieces)


def report_texts() -> tuple[str, str]:
    """The report as the API sends it (compact JSON), and as the tool gives it to a model."""
    account = Account(always_answer(realistic_report()))
    tool = ParallelTaskTool(processor="core", client=account.client())
    call = {"type": "tool_call", "id": "1", "name": tool.name, "args": {"input": "Which company?"}}
    message = tool.invoke(call)
    raw = json.loads(account.raw_result(message.artifact["run_id"]))
    return json.dumps(raw, ensure_ascii=False, separators=(",", ":")), str(message.content)


def missing_parts(content: str) -> dict[str, list[str]]:
    """The parts of the report that the content lacks: answers, addresses, low confidence."""
    report = realistic_report()
    answers = {name: _plain(value) for name, value in report["content"].items()}
    urls = [c["url"] for evidence in report["basis"].values() for c in evidence["citations"]]
    low = re.search(r"^Low confidence: (.*)$", content, re.MULTILINE)
    named = low[1].split(", ") if low else []
    return {
        "answers": [name for name in FIELDS if f"{name}: {answers[name]}" not in content],
        "urls": [url for url in urls if url not in content],
        "low confidence": [name for name in LOW_FIELDS if name not in named],
    }


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
