"""The tree as one page to open and click.

Rule: texts of the web become HTML through `text/web_html.py` alone. Turns open and close by HTML's own
`details`, so that keyboards and screen readers work.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from .._core.plain_text import count
from .._core.timestamps import unix_seconds, utc_minute
from ..evidence import Evidence
from ..text.answer_html import answer_html, sources_html, word
from ..text.format import duration, usd
from ..text.untrusted import harmless
from ..text.web_html import lines, safe
from .page import page
from .tree_nodes import Node, kind_of, total_cost_usd
from .tree_text import lanes, state_of, title_of, warning_mark

_ROW_CHARS = 160
_LANES = 6
_KINDS = {"│": "pass", " ": "blank", "├": "tee", "└": "elbow"}
_LEGEND = (
    '<p class="legend"><i class="dot head"></i> head: research can go on here '
    '<i class="dot failed"></i> no answer<br>'
    "Answers come from the web and from models, and are not verified.</p>"
)
_IFRAME = (
    '<iframe title="Interaction tree" width="100%" height="560" frameborder="0" '
    'sandbox="allow-popups allow-popups-to-escape-sandbox" srcdoc="{}"></iframe>'
)


def html_page(nodes: Sequence[Node], title: str) -> str:
    """The whole page, with its style inside."""
    heads = [node for node in nodes if node.is_head]
    newest = max(heads, key=lambda node: node.number, default=None)
    rows = "".join(_row(*row, opened=row[0] is newest) for row in lanes(nodes))
    body = (
        f'<main><header><h1 dir="auto">{safe(title)}</h1>'
        f'<p class="sum">{_summary(nodes, len(heads))}</p></header><ol class="tree">{rows}</ol>'
        f"{_LEGEND}</main><aside>Choose a turn to read its answer.</aside>"
    )
    return page(title, body, "tree.css")


def notebook_html(content: str, about: str, text: str) -> str:
    """A page for a notebook: without scripts, and its links open outside of it. Where it may not be shown, as
    in notebooks that are not trusted and on code hosts, what it is about and the text stay.
    """
    # Its lines are clean; their columns are made of blanks.
    as_text = f"<details><summary>{safe(about)}</summary><pre>{escape(text)}</pre></details>"
    return as_text + _IFRAME.format(escape(content))


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
    answer = f"<h3>Answer</h3>{answer_html(_evidence(node))}" if node.answer is not None else ""
    known = (node.interaction_id, node.parent_interaction_id, node.run_id)
    named = zip(
        ("interaction", "continues", "run"), (safe(id or "none") for id in known), strict=True
    )
    ids = f'<h3>Ids</h3><dl class="ids">{_pairs(named)}</dl>'
    below = f"{answer}{sources_html(node.citations)}{ids}"
    return f"<article>{meta}{_verdict(node)}{_remarks(node)}{below}</article>"


def _evidence(node: Node) -> Evidence:
    return Evidence(
        content=node.answer,
        confidence=dict(node.confidence),
        unsupported_fields=list(node.unsupported_fields),
        citations=[dict(citation) for citation in node.citations],
    )


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
        yield "Started", safe(_minute(node.started_at))


def _minute(timestamp: str) -> str:
    """The minute in UTC; what is no timestamp, as it came."""
    seconds = unix_seconds(timestamp)
    return timestamp[:25] if seconds is None else f"{utc_minute(seconds)} UTC"


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
