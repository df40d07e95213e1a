"""Markdown of the web, read and made safe: the tokens that `web_html.py` and `markdown_writer.py` write.

Rule: what leaves this module holds no HTML, no image, no definition that a mark could point to, and no link
but http and https ones. What is markup of another kind becomes text; no words are lost. Where that cannot be
kept (nested too deeply, too long, the extra `reports` missing) there are no tokens, and the text is shown as
it was typed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from .._core.plain_text import clean
from .._core.urls import host
from .own_marks import bracket_changes, leads_elsewhere
from .untrusted import harmless

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

MOST_CHARS = 400_000
"""Characters. A longer text is shown as it was typed."""
OUTSIDE: dict[str, str | int | float] = {
    "target": "_blank",
    "rel": "noopener noreferrer nofollow",
}
"""The attributes of a link that leads out of a page."""
_NESTING = 24
_SPACE = re.compile(r"\s+")


def web_tokens(text: str, top: int = 3) -> list[Token] | None:
    """The tokens of a Markdown text, made safe; None where it has to be shown as it was typed.

    Args:
        text: Untrusted.
        top: The level that the highest of its headings gets.
    """
    parser = web_parser()
    if parser is None or len(text) > MOST_CHARS:
        return None
    try:
        tokens = parser.parse(clean(text))
    except (RecursionError, RuntimeError):  # of no known text
        return None
    if any(token.level >= _NESTING - 1 for token in tokens):
        return None  # the parser drops what is nested more deeply
    highest = min((int(t.tag[1:]) for t in tokens if t.type == "heading_open"), default=1)
    for token in tokens:
        _make_safe(token, top - highest)
    return tokens


@cache
def web_parser() -> MarkdownIt | None:
    """Reads Markdown without HTML and definitions; None where the extra `reports` is missing."""
    try:
        from markdown_it import MarkdownIt
    except ModuleNotFoundError:
        return None
    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": _NESTING, "xhtmlOut": False})
    parser.enable(["table", "strikethrough"])
    # `lheading`: a line of `---` below a text is meant as a rule more often than as its heading.
    parser.disable(["html_block", "html_inline", "reference", "lheading"])
    parser.validateLink = is_link  # type: ignore[method-assign]
    parser.normalizeLinkText = _as_it_is  # type: ignore[method-assign]
    return parser


def _as_it_is(link: str) -> str:
    return link


def is_link(url: str) -> bool:
    """Whether a url leads where it says, over http or https."""
    return bool(host(url)) and harmless(url) == url


def _make_safe(token: Token, deeper: int) -> None:
    if token.tag in ("h1", "h2", "h3", "h4", "h5", "h6"):
        token.tag = f"h{min(6, int(token.tag[1:]) + deeper)}"
    if token.type in ("fence", "code_block"):
        token.info, token.content = "", clean(token.content)
    for name in ("style", "class"):
        align = str(token.attrs.pop(name, "")).removeprefix("text-align:")
        if align in ("right", "center"):
            token.attrs["class"] = align
    if token.children is not None:
        token.children = list(_safe_children(token.children))


# --- inside a line --------------------------------------------------------------------------------


def _safe_children(children: Sequence[Token]) -> Iterator[Token]:
    parts = list(_without_images(children))
    for part in parts:
        if part.type in ("text", "code_inline"):
            part.content = _SPACE.sub(" ", clean(part.content))
    _change_brackets([part for part in parts if part.type == "text"])
    shown, url = "", ""
    for part in parts:
        shown += part.content if part.type in ("text", "code_inline") else ""
        if part.type == "link_open":
            shown, url = "", str(part.attrs["href"])
            part.attrs = {"href": url, **OUTSIDE}
        if url or not part.type.startswith("link_"):  # `[a]()` is a link to nowhere
            yield part
        if part.type == "link_close" and (note := leads_elsewhere(shown, url)):
            yield _token("text", content=note)


def _change_brackets(texts: Sequence[Token]) -> None:
    """No mark of this package's in a text, also where emphasis or an escape stands between its signs."""
    whole = "".join(text.content for text in texts)
    changes = bracket_changes(whole)
    at = 0
    for text in texts if changes else ():
        own = text.content
        text.content = "".join(changes.get(at + n, char) for n, char in enumerate(own))
        at += len(own)


def _without_images(tokens: Iterable[Token]) -> Iterator[Token]:
    """An image is a link to it; within a link, its text alone."""
    in_link = False
    for token in tokens:
        in_link = token.type == "link_open" or (in_link and token.type != "link_close")
        if token.type != "image":
            yield token
            continue
        alt = _SPACE.sub(" ", clean("".join(_texts(token)))).strip()
        shown = _token("text", content=f"(image: {alt})" if alt else "(image)")
        link = _token("link_open", "a", 1, attrs={"href": str(token.attrs["src"])})
        yield from (shown,) if in_link else (link, shown, _token("link_close", "a", -1))


def _texts(token: Token) -> Iterator[str]:
    for child in token.children or ():
        yield from (child.content,) if child.type != "image" else _texts(child)


def _token(kind: str, tag: str = "", nesting: int = 0, **more: Any) -> Token:
    from markdown_it.token import Token

    return Token(kind, tag, nesting, **more)  # type: ignore[arg-type]
