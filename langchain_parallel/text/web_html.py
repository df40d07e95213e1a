"""Text of the web as HTML.

Rule: it becomes HTML through `safe`, `lines`, `web_html` and `web_link` alone. Markdown is shown as Markdown
where it can be read (`web_markdown.py`), else as it was typed.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from .own_marks import leads_elsewhere
from .untrusted import harmless
from .web_markdown import OUTSIDE, is_link, web_parser, web_tokens

_ATTRIBUTES = "".join(f' {name}="{value}"' for name, value in OUTSIDE.items())


def safe(text: object, max_chars: int | None = None) -> str:
    """Text on one line, fit for an element or a quoted attribute."""
    return escape(harmless(str(text), max_chars))


def lines(text: str) -> str:
    """Text with its line ends and indents, fit for an element."""
    found = [(line, len(line) - len(line.lstrip(" "))) for line in text.splitlines()]
    return "\n".join(" " * min(indent, 40) + safe(line) for line, indent in found)


def text_html(text: str) -> str:
    """A text as it was typed."""
    return f'<p class="text" dir="auto">{lines(text)}</p>'


def web_html(text: str, top: int = 4) -> str:
    """A Markdown text as elements.

    Args:
        text: Untrusted.
        top: The level of its highest heading.
    """
    tokens = web_tokens(text, top)
    parser = web_parser()
    if tokens is None or parser is None:
        return text_html(text)
    written = str(parser.renderer.render(tokens, parser.options, {}))
    # A text's own angle brackets are escaped by now.
    written = written.replace("<table>", '<div class="scroll"><table>')
    return f'<div class="md" dir="auto">{written.replace("</table>", "</table></div>")}</div>'


def bullets_html(items: Iterable[str], kind: str = "plain") -> str:
    """A list of what is HTML already; empty without items."""
    rows = "".join(f"<li>{item}</li>" for item in items)
    return f'<ul class="{kind}">{rows}</ul>' if rows else ""


def web_link(url: str, title: str) -> str:
    """A link that shows where it goes; text only, if that is no http(s) URL."""
    shown = f" <small>{safe(url, 140)}</small>"
    if not is_link(url):
        return safe(title or "No web address") + shown
    text, shown = safe(title or url), shown + escape(leads_elsewhere(title, url))
    return f'<a href="{escape(url)}"{_ATTRIBUTES}>{text}</a>{shown}'
