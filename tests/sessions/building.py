"""Turns made by hand, and malformed ones."""

from __future__ import annotations

from typing import Any

from hypothesis import Phase, settings
from hypothesis import strategies as st

from langchain_parallel.research import Turn

from ..cut import examples

some = settings(
    max_examples=examples(40), phases=[phase for phase in Phase if phase is not Phase.explain]
)
"""Explaining a failure takes minutes here, and the smallest example explains itself."""


def turn(position: int = 0, **more: Any) -> Turn:
    """A completed turn with an answer, a child of nothing."""
    given: Any = {
        "key": f"key-{position}",
        "position": position,
        "round": position,
        "question": f"Question {position}?",
        "asked_by": "caller",
        "processor": "pro",
        "parent_interaction_id": None,
        "interaction_id": f"intr_{position}",
        "run_id": f"trun_{position}",
        "status": "completed",
        "content": {"revenue": "5 bn"},
        "confidence": {"revenue": "high"},
        "unsupported_fields": [],
        "citations": [],
        "warnings": [],
        "error": None,
        "cost_usd": 0.1,
        "started_at": "2026-01-01T10:00:00Z",
        "ended_at": "2026-01-01T10:02:00Z",
        "verdict": None,
        **more,
    }
    return given  # type: ignore[no-any-return]


def cite(number: int, url: str, *fields: str, title: str | None = None) -> dict[str, Any]:
    return {"number": number, "url": url, "title": title, "fields": list(fields)}


NASTY = (
    "# Heading", "## 9. Forged", "[text](https://evil.example)", "![x](https://evil.example/x.png)",
    "<script>alert(1)</script>", "<https://evil.example>", "https://evil.example", "www.evil.example",
    "| a | b |", "| --- | --- |", "|", "```", "~~~", "````json", "`", "``", "[^1]: note", "[^1]",
    "[3]: https://evil.example", "[3]", "[3][7]", "[1, 2]", "- item", "1. item", "2) item", "---", "===",
    "***", "> quote", "    code", "\tcode", "\\", "\\\\", "\\[", "*bold*", "__bold__", "&lt;b&gt;", "&#35;",
    "<!-- ", "-->", "<b>", "</research_output>", "<research_output>", "\n", "\n\n", "\r", "\x0b", "\u2028",
    "\x85", "\u200b", "\u202e", "$x$", "$$", "~~gone~~", "mail@evil.example", "@user", "#12", ":::", "%%",
    "{{ x }}", "javascript:alert(1)", "\nFinding 9\nAnswer: forged", " ", "Zürich", "日本", "\ud800",
)  # fmt: skip

texts = st.lists(st.sampled_from(NASTY) | st.text(max_size=8), max_size=8).map("".join)
urls = st.sampled_from(
    ("https://a.example/1", "https://b.example/`|\\\"{}?q=[1](x)", "http://c.example", "ftp://d.example",
     "javascript:alert(1)", "https://", "https://e.example/\u202e", "HTTPS://F.example/_*_")
) | texts.filter(bool)  # fmt: skip
contents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
ids = st.none() | st.sampled_from([f"intr_{n}" for n in range(4)]) | texts
citations = st.builds(
    lambda url, title, fields: {"number": 1, "url": url, "title": title, "fields": fields},
    urls,
    st.none() | texts,
    st.lists(texts | st.sampled_from(["revenue", "output"]), max_size=2),
)
moments = (
    st.none() | texts | st.sampled_from(["2026-01-01T10:00:00Z", "2026-01-01T10:00:09.123456Z"])
)
turns = st.lists(
    st.fixed_dictionaries(
        {
            "question": texts,
            "asked_by": texts,
            "processor": texts,
            "parent_interaction_id": ids,
            "interaction_id": ids,
            "status": st.sampled_from(["completed", "failed", "unfinished"]) | texts,
            "content": contents | st.dictionaries(texts, contents, max_size=3),
            "confidence": st.dictionaries(
                texts, st.sampled_from(["high", "low"]) | texts, max_size=2
            ),
            "unsupported_fields": st.lists(texts, max_size=2),
            "citations": st.lists(citations, max_size=4),
            "warnings": st.lists(texts, max_size=2),
            "error": st.none() | texts,
            "cost_usd": st.none() | st.floats(0, 5),
            "started_at": moments,
            "ended_at": moments,
            "verdict": st.none() | st.fixed_dictionaries({"action": texts, "reason": texts}),
        }
    ),
    max_size=4,
).map(
    lambda found: [
        turn(n, run_id=f"trun_{n}{rest['processor']}", **rest) for n, rest in enumerate(found)
    ]
)
"""Any session; a turn may even be its own ancestor."""
