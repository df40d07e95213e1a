"""Reads a page of ours, and refuses what we do not write."""

from __future__ import annotations

import re
from html.parser import HTMLParser

ALLOWED = {
    "": "html head title style body main header aside article h3 small dt dd div tr td tbody thead "
    "summary wbr p ul h1 h2 h4 h5 h6 em strong s code pre blockquote section footer br hr sup nav",
    "lang": "html",
    "charset http-equiv content name": "meta",
    "name open": "details",
    "href target rel class": "a",
    "scope": "th",
    "value class": "li",
    "class dir": "h1 h2 h3 p span div blockquote",
    "class": "ol ul i b dl table div th td pre section sup",
    "start": "ol",
    "id": "h2 li sup",
}
"""By attributes, the elements that may have them."""
ATTRIBUTES = {
    (tag, name) for names, tags in ALLOWED.items() for tag in tags.split() for name in names.split()
}
TAGS = set(" ".join(ALLOWED.values()).split())
VOID = {"meta", "wbr", "br", "hr"}


class Page(HTMLParser):
    """Reads a page and refuses what is not allowed, or not closed."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.text = ""
        self.links: list[str] = []
        self.marks: list[str] = []
        self.tags: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS, tag
        assert {(tag, name) for name, _ in attrs} <= ATTRIBUTES, (tag, attrs)
        values = dict(attrs)
        assert re.fullmatch(r"[\w -]*", values.get("class") or ""), attrs
        assert re.fullmatch(r"-?\d*", values.get("value") or ""), attrs
        assert re.fullmatch(r"(?:[\w-]*[cst]\d+)?", values.get("id") or ""), attrs
        if tag == "a" and (href := values["href"] or "").startswith("#"):
            self.marks.append(href)
        elif tag == "a":
            self.links.append(href)
            assert values["rel"] == "noopener noreferrer nofollow"
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    def unknown_decl(self, data: str) -> None:
        raise AssertionError(data)

    def handle_pi(self, data: str) -> None:
        raise AssertionError(data)
