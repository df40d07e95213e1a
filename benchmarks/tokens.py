"""What does a result cost a model's context, against its raw JSON?

    python -m benchmarks.tokens [--small] [--encoding o200k_base]

A realistic report (20 fields, 3 citations each, 2 excerpts of 600 characters and more each) as the API sends
it, and as the tool's content. No tokenizer is used unless `--encoding` names one of `tiktoken`, which fetches
its vocabulary from the network: the figures are two estimates, four characters to a token, and by words.
Addresses take more tokens than prose; only the second sees that.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any

from langchain_parallel import ParallelTaskTool

from .figures import Row, keep, parser, say, table
from .report import FIELDS, LOW_FIELDS, always, realistic
from .wire import Account

GOAL = 0.20


def by_characters(text: str) -> int:
    """Four characters to a token."""
    return math.ceil(len(text) / 4)


def by_words(text: str) -> int:
    """A word costs a token for each 6 letters begun, a number one for each 3 digits, other characters one
    for each 2 in a row; a blank before a word is free.
    """
    pieces = re.findall(r"[^\W\d_]+|\d+|[^\w\s]+|_+|\n+", text)
    return sum(math.ceil(len(p) / (6 if p.isalpha() else 3 if p.isdigit() else 2)) for p in pieces)


def texts() -> tuple[str, str]:
    """The report as the API sends it, as compact JSON; and as the tool gives it to a model."""
    account = Account(always(realistic()))
    tool = ParallelTaskTool(processor="core", client=account.blocking_client())
    call = {"type": "tool_call", "id": "1", "name": tool.name, "args": {"input": "Which company?"}}
    message = tool.invoke(call)
    raw = json.loads(account.raw_result(message.artifact["run_id"]))
    return json.dumps(raw, ensure_ascii=False, separators=(",", ":")), str(message.content)


def missing(content: str) -> dict[str, list[str]]:
    """What of the report a model cannot read in the content: answers, addresses, low confidence."""
    report = realistic()
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
    """The content against the raw JSON, by each way of counting."""
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
    import tiktoken

    encoding = tiktoken.get_encoding(name)
    return lambda text: len(encoding.encode(text))


def main() -> None:
    """Measure, print, keep."""
    made = parser(__doc__)
    made.add_argument("--encoding", help="also count with this encoding of tiktoken")
    options = made.parse_args()
    counts = dict(COUNTS)
    if options.encoding:
        counts[f"tokens, {options.encoding}"] = _encoding(options.encoding)
    raw, content = texts()
    found, lost = rows(raw, content, counts), missing(content)
    say(table(found))
    say(f"\nthe goal is a ratio of at most {GOAL:.2f}; left out of the content:")
    for what, names in lost.items():
        say(f"  {what}: {', '.join(names) or 'nothing'}")
    if not options.small:
        keep("tokens", {"goal": GOAL, "rows": found, "missing": lost})


if __name__ == "__main__":
    main()
