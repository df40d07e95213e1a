"""Texts that try to be more than text."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from .test_tree import turn

HOSTILE = [
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "</script></style></title></textarea></iframe><svg/onload=alert(1)>",
    "\"><a href='javascript:alert(1)' onclick=alert(1)>",
    '"]\nclick n1 href "javascript:alert(1)"\n%%{init: {"securityLevel": "loose"}}%%',
    '"]:::head\n  n1 --> n2;subgraph end',
    "`**bold**` $$\\href{https://evil.example}{x}$$ fa:fa-ban #quot; &quot; &lt;b&gt; @{ shape: x }",
    "\x1b[2J\x1b]0;title\x07\x9b31m\b\r\x00\x85",
    "a\nb\r\nc\u2028d\u2029e\x0bf\x0cg",
    "\u202eright to left\u2066\u200b\u00ad\ufeff\U000e0041 \ud800",
    "$policy ${style} {} {0} %s %(x)s",
    "]]> <!-- --> <?php ?> <![CDATA[",
    "日本語 עברית عربي हिन्दी 👩‍👩‍👧‍👦 e\u0301\u0301\u0301",
]
LONG = "long </details> " * 6_500  # 100 kB

texts = st.one_of(
    st.sampled_from([*HOSTILE, LONG]),
    st.text(st.characters()),  # surrogates and control characters too
    st.text("<>&\"'`[](){}%#;:\\/-=$ \n\t\x1b\u202eaclick"),
)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=8,
)
citations = st.fixed_dictionaries(
    {},
    optional={
        "number": st.one_of(st.integers(), texts),
        "url": st.one_of(
            texts,
            st.sampled_from(["https://", "http://a/"]).flatmap(lambda s: texts.map(s.__add__)),
        ),
        "title": st.one_of(st.none(), texts),
        "fields": st.lists(texts, max_size=2),
    },
)
verdicts = st.fixed_dictionaries(
    {}, optional={"action": texts, "reason": texts, "decided_by": texts}
)
turns = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            **dict.fromkeys(("question", "asked_by", "processor", "status", "error"), texts),
            **dict.fromkeys(("run_id", "started_at", "ended_at"), texts),
            **dict.fromkeys(
                ("interaction_id", "parent_interaction_id"), st.sampled_from("abc") | texts
            ),
            "content": values,
            "confidence": st.dictionaries(
                texts, st.sampled_from(["high", "medium", "low"]) | texts, max_size=2
            ),
            "unsupported_fields": st.lists(texts, max_size=2),
            "citations": st.lists(citations, max_size=2),
            "warnings": st.lists(texts, max_size=2),
            "cost_usd": st.none() | st.floats(),
            "verdict": st.none() | verdicts,
        },
    ),
    max_size=4,
)


def everywhere(text: str) -> list[Any]:
    """Three turns with this text wherever a text can be."""
    more: dict[str, Any] = {
        "question": text,
        "asked_by": text,
        "processor": text,
        "content": {text: text, "list": [text, {text: [text]}], "rows": [{text: text}, {text: 1}]},
        "confidence": {text: text, "list": text},
        "unsupported_fields": [text],
        "citations": [{"number": text, "url": text, "title": text, "fields": [text]}],
        "warnings": [text],
        "error": text,
        "started_at": text,
        "ended_at": text,
        "verdict": {"action": text, "reason": text, "decided_by": text},
    }
    first = turn(text, "elsewhere " + text, run_id="1" + text, **more)
    link = [{"number": 1, "url": "https://example.com/" + text, "title": text, "fields": []}]
    second = turn("b", text, run_id="2" + text, **{**more, "content": text, "citations": link})
    return [first, second, turn("c", text, **{**more, "status": text, "content": None})]
