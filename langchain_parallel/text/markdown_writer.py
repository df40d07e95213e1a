"""The safe tokens of `web_markdown.py`, written as Markdown again: in forms that every renderer reads alike.

Rule: a text goes through `escape_inline`, a line's start through `escape_start`; code stands in a fence or
between marks that it does not contain. So what is read from the result is what was read from the source.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from .markdown import escape_inline, escape_start, link_target
from .web_markdown import web_tokens

if TYPE_CHECKING:
    from markdown_it.token import Token

_SIGNS = {"em": "*", "strong": "**", "s": "~~"}
_ALIGN = {"right": "---:", "center": ":---:"}
_TICKS = re.compile("`+")


def rewrite_markdown(text: str, top: int = 4) -> str | None:
    """Markdown of the web as Markdown that holds no more than texts, lists, tables, code and web links; None
    where it has to be shown as it was typed.

    Args:
        text: Untrusted.
        top: The level of its highest heading.
    """
    tokens = web_tokens(text, top)
    return None if tokens is None else "\n".join(_blocks(_Reader(tokens)))


class _Reader:
    """Tokens, taken one by one."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self._tokens = tokens
        self._at = 0

    def until(self, end: str) -> Iterator[Token]:
        """The tokens of this level up to the one that closes it, or to the last."""
        while self._at < len(self._tokens):
            token = self._tokens[self._at]
            self._at += 1
            if token.type == end:
                return
            yield token


# --- blocks ---------------------------------------------------------------------------------------


def _blocks(reader: _Reader, end: str = "") -> Iterator[str]:
    """The lines of the blocks up to the end, with an empty line between two blocks, unless they are those of
    a tight list.
    """
    tight = True
    for token in reader.until(end):
        if not tight and not token.hidden:
            yield ""
        tight = token.hidden
        yield from _block(token, reader)


def _block(token: Token, reader: _Reader) -> Iterator[str]:
    if token.type == "paragraph_open":
        yield from _paragraph(reader)
    elif token.type == "heading_open":
        (inline,) = reader.until("heading_close")
        yield f"{'#' * int(token.tag[1:])} {_line(inline)}".rstrip()
    elif token.type in ("fence", "code_block"):
        ticks = _longer(token.content, 3)
        yield from (ticks, *token.content.removesuffix("\n").split("\n"), ticks)
    elif token.type == "hr":
        yield "---"
    elif token.type == "blockquote_open":
        yield from (f"> {line}".rstrip() for line in _blocks(reader, "blockquote_close"))
    elif token.type in ("bullet_list_open", "ordered_list_open"):
        yield from _list(token, reader)
    elif token.type == "table_open":
        yield from _table(reader)


def _paragraph(reader: _Reader) -> Iterator[str]:
    (inline,) = reader.until("paragraph_close")
    lines = _inline(inline.children or ()).split("\n")
    shown = [escape_start(line.strip()) for line in lines if line.strip()]
    yield from (*(f"{line}\\" for line in shown[:-1]), *shown[-1:])


def _list(opened: Token, reader: _Reader) -> Iterator[str]:
    start, kind = int(opened.attrs.get("start", 1)), opened.type.removesuffix("_open")
    tight = True
    for nth, _ in enumerate(reader.until(f"{kind}_close")):
        mark = f"{start + nth}. " if kind == "ordered_list" else "- "
        lines = list(_blocks(reader, "list_item_close"))
        if nth and not tight:
            yield ""
        tight = "" not in lines
        yield f"{mark}{lines[0] if lines else ''}".rstrip()
        yield from (f"{' ' * len(mark)}{line}".rstrip() for line in lines[1:])


def _table(reader: _Reader) -> Iterator[str]:
    cells: list[str] = []
    aligned: list[str] = []
    for token in reader.until("table_close"):
        if token.type in ("th_open", "td_open"):
            aligned += [_ALIGN.get(str(token.attrs.get("class")), "---")] * (token.tag == "th")
        elif token.type == "inline":
            cells.append(_line(token, in_table=True))
        elif token.type == "tr_close":
            yield f"| {' | '.join(cells)} |"
            cells = []
        elif token.type == "thead_close":
            yield f"| {' | '.join(aligned)} |"


# --- inside a line --------------------------------------------------------------------------------


def _line(inline: Token, *, in_table: bool = False) -> str:
    text = _inline(inline.children or (), in_table=in_table)
    return " ".join(text.split("\n")).strip()


def _inline(children: Iterable[Token], *, in_table: bool = False) -> str:
    """Text with a newline for each hard break."""
    reader = _Reader(list(children))
    return "".join(_inline_parts(reader, "", in_table=in_table))


def _inline_parts(reader: _Reader, end: str, *, in_table: bool) -> Iterator[str]:
    for token in reader.until(end):
        kind = token.type.removesuffix("_open")
        if token.type == "text":
            yield escape_inline(token.content)
        elif token.type == "code_inline":
            yield _code(token.content, in_table=in_table)
        elif token.type in ("softbreak", "hardbreak"):
            yield " " if token.type == "softbreak" else "\n"
        elif kind in _SIGNS:
            inside = "".join(_inline_parts(reader, f"{kind}_close", in_table=in_table))
            yield f"{_SIGNS[kind]}{inside}{_SIGNS[kind]}" if inside.strip() else inside
        elif kind == "link":
            inside = "".join(_inline_parts(reader, "link_close", in_table=in_table))
            yield _link(str(token.attrs["href"]), inside)


def _link(url: str, inside: str) -> str:
    if not inside.strip() or inside.strip() == f"`{url}`":
        return f"<{link_target(url)}>"
    return f"[{inside.strip()}](<{link_target(url)}>)"


def _code(text: str, *, in_table: bool) -> str:
    ticks = _longer(text, 1)
    text = text.replace("|", "\\|") if in_table else text
    pad = " " if text.startswith("`") or text.endswith("`") or text != text.strip() else ""
    return f"{ticks}{pad}{text}{pad}{ticks}"


def _longer(text: str, least: int) -> str:
    """More backticks than stand together in the text."""
    longest = max((len(found[0]) for found in _TICKS.finditer(text)), default=0)
    return "`" * max(least, longest + 1)
