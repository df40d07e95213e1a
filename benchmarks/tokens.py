"""How much of a model's context does a result need, compared with its raw JSON?

    python -m benchmarks.tokens [--small] [--encoding o200k_base]

It compares a realistic report (20 fields with 3 citations each, each citation with 2 excerpts of 600 or more
characters) as the API sends it and as the tool gives it to a model. The token counts are two estimates: four
characters per token, and by words. Addresses need more tokens than prose, which only the second estimate
takes into account. `--encoding` also counts with `tiktoken`, which downloads its vocabulary.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any

from langchain_parallel import ParallelTaskTool

from .figures import Row, option_parser, save, show, table
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


def rows(raw: str, content: str, counts: dict[str, Callable[[str], int]]) -> list[Row]:
    """Compare the content with the raw JSON, in each count."""
    return [
        {
            "counted by": name,
            "raw JSON": count(raw),
            "content": count(content),
            "ratio": round(count(content) / count(raw), 4),
        }
        for name, count in counts.items()
    ]


COUNTS: dict[str, Callable[[str], int]] = {
    "characters": len,
    "tokens, estimated as characters / 4": by_characters,
    "tokens, estimated by words": by_words,
}


def _encoding(name: str) -> Callable[[str], int]:
    import tiktoken  # type: ignore[import-not-found,unused-ignore]  # not among our dependencies

    encoding = tiktoken.get_encoding(name)
    return lambda text: len(encoding.encode(text))


def main() -> None:
    """Measure, print and save."""
    parser = option_parser(__doc__)
    parser.add_argument("--encoding", help="also count with this encoding of tiktoken")
    options = parser.parse_args()
    counts = dict(COUNTS)
    if options.encoding:
        counts[f"tokens, {options.encoding}"] = _encoding(options.encoding)
    raw, content = report_texts()
    found, lost = rows(raw, content, counts), missing_parts(content)
    show(table(found))
    show(f"\nThe goal is a ratio of at most {GOAL:.2f}. The content lacks:")
    for what, names in lost.items():
        show(f"  {what}: {', '.join(names) or 'nothing'}")
    if not options.small:
        save("tokens", {"goal": GOAL, "rows": found, "missing": lost})


if __name__ == "__main__":
    main()
