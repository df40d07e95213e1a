"""The tree as one page to open and click.

Rule: the page contains no script and loads nothing; its Content-Security-Policy forbids both, so injected
text stays inert. Texts of the web become HTML through `safe` and `lines` alone, links through `_link`. Turns
open and close by HTML's own `details`, so that keyboards and screen readers work.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from html import escape
from importlib import resources
from string import Template
from typing import Any

from .._core.plain_text import count
from .._core.urls import host
from ..text.format import duration, usd
from ..text.own_marks import leads_elsewhere
from ..text.untrusted import harmless
from .answer_html import Answer, lines, safe, word
from .tree_nodes import Node, kind_of, total_cost_usd
from .tree_text import lanes, state_of, title_of, warning_mark

_ROW_CHARS = 160
_LANES = 6
_KINDS = {"│": "pass", " ": "blank", "├": "tee", "└": "elbow"}
_IFRAME = (
    '<iframe title="Interaction tree" width="100%" height="560" frameborder="0" '
    'sandbox="allow-popups allow-popups-to-escape-sandbox" srcdoc="{}"></iframe>'
)


def html_page(nodes: Sequence[Node], title: str) -> str:
    """The whole page, with its style inside."""
    style = _file("page.css")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    heads = [node for node in nodes if node.is_head]
    newest = max(heads, key=lambda node: node.number, default=None)
    return Template(_file("page.html")).substitute(
        policy=f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
        style=style,
        title=safe(title),
        summary=_summary(nodes, len(heads)),
        rows="".join(_row(*row, opened=row[0] is newest) for row in lanes(nodes)),
    )


def iframe(page: str) -> str:
    """A page for a notebook: without scripts, and its links open outside of it."""
    return _IFRAME.format(escape(page))


@cache
def _file(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _summary(nodes: Sequence[Node], heads: int) -> str:
    unknown = sum(node.cost_usd is None for node in nodes)
    price = usd(total_cost_usd(nodes)) + (f" and {unknown} of unknown price" if unknown else "")
    return f"{count(len(nodes), 'turn')} · {count(heads, 'head')} · {price}"


# --- the tree ------------------------------------------------------------------------------------


def _row(node: Node, before: str, mark: str, *, opened: bool) -> str:
    cost, processor = usd(node.cost_usd, "?"), escape(harmless(node.processor or "?", 30))
    facts = f"<span>{processor}</span><span>{cost}</span><span>{_state(node)}{warning_mark(node)}</span>"
    question = escape(title_of(node, _ROW_CHARS))
    return (
        f'<li><details name="turn"{" open" if opened else ""}><summary>{_draw(node, before, mark)}'
        f'<span class="what"><span class="q" dir="auto">{question}</span>'
        f'<span class="facts">{facts}</span></span></summary>{_panel(node)}</details></li>\n'
    )


def _draw(node: Node, before: str, mark: str) -> str:
    """The lines that join the turns, and the turn's number on them."""
    cut = '<i class="cut">…</i>' if len(before) > _LANES else ""
    cells = "".join(f'<i class="{_KINDS[lane]}"></i>' for lane in before[-_LANES:])
    ways = ("up" if mark == "↓" else "", "down" if node.children else "")
    kind = "head" if node.is_head else kind_of(node)
    own = f'<i class="{" ".join(filter(None, (kind, *ways)))}"><b>{node.number}</b></i>'
    return f'<span class="lanes">{cut}{cells}{own}</span>'


def _state(node: Node) -> str:
    """The lowest confidence in its colour; else how the run ended."""
    text, low = state_of(node), node.lowest_confidence
    if node.answer is not None and low is not None:
        return word(low) + escape(text.removeprefix(harmless(low, 20)))
    return f'<b class="{"bad" if kind_of(node) == "failed" else "word"}">{escape(text)}</b>'


# --- a turn --------------------------------------------------------------------------------------


def _panel(node: Node) -> str:
    question = f'<h2 dir="auto">{lines(node.question) or "(no question)"}</h2>'
    meta = f'<p class="kicker">{_origin(node)}</p>{question}<dl class="meta">{_pairs(_meta(node))}</dl>'
    answer = Answer(node).html() if node.answer is not None else ""
    known = (node.interaction_id, node.parent_interaction_id, node.run_id)
    named = zip(
        ("interaction", "continues", "run"), (safe(id or "none") for id in known), strict=True
    )
    ids = f'<h3>Ids</h3><dl class="ids">{_pairs(named)}</dl>'
    return f"<article>{meta}{_verdict(node)}{_remarks(node)}{answer}{_sources(node)}{ids}</article>"


def _origin(node: Node) -> str:
    if node.parent:
        where = f"{'branches from' if node.is_branch else 'continues'} turn {node.parent.number}"
    else:
        where = f"continues {safe(node.continues)}" if node.continues else "begins the research"
    return f"Turn {node.number} · {where} · asked by {safe(node.asked_by)}"


def _meta(node: Node) -> Iterator[tuple[str, str]]:
    yield "Processor", safe(node.processor or "?")
    yield "Cost", usd(node.cost_usd)
    yield "Status", safe(node.status or "unknown")
    if node.confidence:
        counts = node.confidence_counts.items()
        yield "Confidence", ", ".join(f"{n} {word(level)}" for level, n in counts)
    if node.seconds is not None:
        yield "Took", duration(node.seconds)
    if node.started_at:
        yield "Started", safe(node.started_at[:16].replace("T", " "))


def _pairs(pairs: Iterator[tuple[str, str]]) -> str:
    return "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in pairs)


def _remarks(node: Node) -> str:
    remarks = [*filter(None, [node.error]), *node.warnings]
    if not remarks:
        return ""
    items = "".join(f'<li class="text">{lines(remark)}</li>' for remark in remarks)
    return f'<h3>Remarks</h3><ul class="remarks">{items}</ul>'


def _verdict(node: Node) -> str:
    if node.verdict is None:
        return ""
    action = safe(node.verdict.action.replace("_", " "))
    reason = f'<span class="text" dir="auto">{lines(node.verdict.reason)}</span>'
    judge = "a person" if node.verdict.decided_by == "person" else "the evaluation"
    said = f'<p class="said"><b>{action}</b>{reason}</p>'
    return f"<h3>Verdict by {judge}</h3>{said}"


def _sources(node: Node) -> str:
    if not node.citations:
        return ""
    items = "".join(_source(source, at) for at, source in enumerate(node.citations, start=1))
    return f'<h3>Sources</h3><ol class="sources">{items}</ol>'


def _source(source: Mapping[str, Any], at: int) -> str:
    number, url = source.get("number"), str(source.get("url") or "")
    number = number if isinstance(number, int) and abs(number) < 1e6 else at
    link = _link(url, str(source.get("title") or ""))
    return f'<li value="{number}">{link}</li>'


def _link(url: str, title: str) -> str:
    """A link that shows where it goes; text only, if that is no http(s) URL."""
    shown = f"<small>{escape(harmless(url, 140))}</small>"
    if not host(url) or harmless(url) != url:
        return safe(title or "No web address") + shown
    text, shown = safe(title or url), shown + escape(leads_elsewhere(title, url))
    return f'<a href="{escape(url)}" target="_blank" rel="noopener noreferrer nofollow">{text}</a>{shown}'
