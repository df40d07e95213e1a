"""What the web wrote, told apart from what this package writes: citation marks, labels, links.

Rule: on every door only this package writes `[3]`, begins a line with `Citations:` or `interaction_id:`, and
says where an address leads. Text of the web passes through `told_apart` (or `json_told_apart`) first; the
state keeps it as it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TypeAlias
from urllib.parse import quote

from .._core.urls import host
from .skeleton import skeleton

Number: TypeAlias = int | str
"""`3`; a sub-agent's is `3@c65c64`."""
RANGE = 100
"""`[3-5]` names three numbers; what would name more than this is only its two ends."""

FROM_THE_WEB = "(from the web) "
"""Stands before a line or a name of the web that begins like one of this package's."""

# A candidate for a mark: `_inside` decides. With a blank after the bracket it is none.
_MARK = re.compile(r"""[\[［【]([^\[\]［］【】"\r\n]{1,400})[\]］】]""")
_BRACKETS = re.compile(r"[\[\]［］【】]")
# Code and formulas. Other texts between such signs are only treated the same.
_CODE_OR_MARK = re.compile(
    rf"`{{1,3}}[^`]*`{{1,3}}|\${{1,2}}[^$\n]{{1,400}}\${{1,2}}|{_MARK.pattern}"
)
_BEFORE_PART = ("_", "[", "]")
_SEVERAL = re.compile(r"\d\W*[,;，；、‐-―−-]\W*\w")
_COMMA = re.compile(r"\s{0,9}[,;，；、]\s{0,9}")
_ONE = r"(?:([a-z][a-z_]{0,29})-)?(\d{1,10})(?:@([\w-]{1,6}))?"
_ITEM = re.compile(rf"{_ONE}(?:\s{{0,9}}[-‐-―−]\s{{0,9}}{_ONE})?(?:†.*)?")
_IN_JSON = re.compile(rf'"(?:[^"\\]|\\.?)*(?:"|$)|{_MARK.pattern}')

_BEFORE_SITE = (" | ", " - ", " – ", " — ")

# In a skeleton: the labels of `result`, of the middleware's pages and of a judging model's session.
_LABEL = re.compile(
    r"^[^a-z0-9\n:]{0,16}((?:citations|sources|low confidence|no citations|confidence|warning|"
    r"found before|better supported before|contradicts an earlier answer|"
    r"interaction[ _-]?id|run[ _-]?id|mcp tool error)[^a-z0-9\n:]{0,8}"
    r"(?: otherwise| \(cite as [^\n:]{0,40})?:|(?:earlier|last (?:\d{1,4} )?)turns?\b"
    r"|cut here\]|page \d{1,6} of|turn \d{1,6},)",
    re.MULTILINE,
)
_LINK = re.compile(r"\[([^\[\]\n]{1,300})\]\(\s{0,9}<?(https?://[^\s()<>]{1,2000})[^\n)]{0,300}\)")
# With a scheme, any host; without one, what ends like one: `Node.js` and `e.g.` name none.
_NAMED_HOST = re.compile(
    r"https?://(?:[^\s/@]{1,100}@)?([\w-]{1,63}(?:\.[\w-]{1,63}){1,6})"
    r"|(?<![\w.@/-])((?:[\w-]{1,63}\.){1,6}(?:com|org|net|gov|edu|mil|int|info|biz|io|ai|app|dev|bank))"
    r"(?![\w.-])"
)


def told_apart(text: str) -> str:
    """Text of the web, cleaned, without a mark, a label or a link that it could pass off as ours."""
    return _without_labels(without_marks(_LINK.sub(_with_target, text)))


def json_told_apart(line: str) -> str:
    """The same for JSON on one line, which stays the same JSON: a list of numbers is `[ 1,2]`."""
    line = _LINK.sub(_with_target, line)  # JSON has no round bracket but inside its texts
    return _IN_JSON.sub(lambda m: without_marks(m[0]) if m[0][0] == '"' else _with_blank(m), line)


def name_told_apart(name: str) -> str:
    """A field's name, which stands before a colon."""
    name = without_marks(name)
    return f"{FROM_THE_WEB}{name}" if _LABEL.match(skeleton(f"{name}:")) else name


def source_line(mark: str, url: str, title: str | None, *, shown: str = "") -> str:
    """A source: its mark, where it leads, its title.

    Args:
        mark: Ours.
        url: Where it leads; harmless, as the title is.
        title: What the web calls it.
        shown: In place of the url.
    """
    address = shown or url
    if without_marks(address) != address:  # percent-encoded, it still leads there
        address = _BRACKETS.sub(lambda bracket: quote(bracket[0]), address)
    told = (title or "") if shown else _without_site(title or "", url)
    line = f"{mark} {address} {without_marks(told)}".rstrip()
    return line + leads_elsewhere(title or "", url)


def _without_site(title: str, url: str) -> str:
    """A title without its site's name at the end, which the address says already: `Growth | Nature`."""
    for sign in _BEFORE_SITE:
        kept, _, name = title.rpartition(sign)
        if kept.strip() and _is_of_host("".join(name.lower().split()), host(url)):
            return kept.rstrip()
    return title


def _is_of_host(name: str, target: str) -> bool:
    """Whether this is a host, but for `www.`, or a label of it: `nature` of `www.nature.com`."""
    labels = target.split(".")[:-1]
    is_whole = name.removeprefix("www.") == target.removeprefix("www.") != ""
    return is_whole or (len(name) > 2 and name in labels)


# --- labels --------------------------------------------------------------------------------------


def _without_labels(text: str) -> str:
    plain, kept, end = skeleton(text), [], 0
    for label in _LABEL.finditer(plain):  # behind `| `, `- ` and `**`, which stay what they are
        kept += [text[end : label.start(1)], FROM_THE_WEB]
        end = label.start(1)
    return "".join([*kept, text[end:]])


# --- links ---------------------------------------------------------------------------------------


def leads_elsewhere(text: str, url: str) -> str:
    """A note on an address whose text names another host; empty where they agree, or it names none."""
    shown = skeleton(text[:500])
    if "." not in shown:  # most titles name no host
        return ""
    named = [found[1] or found[2] for found in _NAMED_HOST.finditer(shown)]
    if not named or not (target := host(url)):
        return ""
    return "" if any(_is_same_site(name, target) for name in named) else f" (leads to {target})"


def _is_same_site(name: str, target: str) -> bool:
    name, target = name.removeprefix("www."), target.removeprefix("www.")
    return name == target or target.endswith(f".{name}") or name.endswith(f".{target}")


def _with_target(link: re.Match[str]) -> str:
    return link[0] + leads_elsewhere(link[1], link[2])


# --- marks ---------------------------------------------------------------------------------------


def without_marks(text: str) -> str:
    """Text of the web without marks: `[2]` becomes `(2)`.

    Where the bracket may mean something else, a blank behind it keeps that meaning: in code and formulas, in
    `row[2]`, `[[2]]` and the link `[2](…)`, and where it holds several numbers, as an interval does. `[0]`
    stays: no source has that number.
    """
    if not _BRACKETS.search(text):  # nearly always
        return text
    return _CODE_OR_MARK.sub(_replace, text)


def marks(text: str) -> Iterator[tuple[tuple[int, int], list[tuple[str, Number]]]]:
    """Where the marks of a text are, and the numbers that each names, each with its middleware's prefix."""
    for mark in _MARK.finditer(text):
        if named := list(_inside(mark[1])):
            yield mark.span(), named


def marked_numbers(text: str) -> Iterator[tuple[str, Number]]:
    """The numbers that marks in a text name, each with its middleware's prefix."""
    for _, named in marks(text):
        yield from named


def bracket_changes(text: str) -> dict[int, str]:
    """What `without_marks` makes of the brackets of marks, by their positions. For text that is already
    known to be neither code nor formula.
    """
    changes: dict[int, str] = {}
    for mark in filter(_cites, _MARK.finditer(text)):
        start, end = mark.start(), mark.end() - 1
        if _means_something_else(mark):
            changes[start] = f"{text[start]} "
        else:
            changes |= {start: "(", end: ")"}
    return changes


def _replace(found: re.Match[str]) -> str:
    if found[0][0] in "`$":
        return _MARK.sub(_with_blank, found[0])
    if _means_something_else(found):
        return _with_blank(found)
    return f"({found[1]})" if _cites(found) else found[0]


def _means_something_else(mark: re.Match[str]) -> bool:
    """A link, a part of something, or an interval."""
    start, end = mark.span()
    before = mark.string[max(start - 1, 0) : start]
    is_link = mark.string[end : end + 1] == "("
    several = _SEVERAL.search(mark[1]) is not None
    return is_link or before.isalnum() or before in _BEFORE_PART or several


def _with_blank(mark: re.Match[str]) -> str:
    return f"{mark[0][0]} {mark[0][1:]}" if _cites(mark) else mark[0]


def _cites(mark: re.Match[str]) -> bool:
    return any(str(number).strip("0") for _, number in _inside(mark[1]))


def _inside(inside: str) -> Iterator[tuple[str, Number]]:
    """The numbers in a mark, each with its middleware's prefix; none if it is no mark."""
    items = [_ITEM.fullmatch(item) for item in _COMMA.split(inside)]
    if None in items:
        return
    prefix = ""
    for item in filter(None, items):
        name, first, ledger, _, last, last_ledger = item.groups()
        prefix, ledger = name or prefix, ledger or last_ledger
        for number in _range(int(first), int(last or first)):
            yield prefix, f"{number}@{ledger}" if ledger else number


def _range(first: int, last: int) -> list[int]:
    """3 to 5 is 3, 4 and 5; numbers that are no such range are only themselves."""
    if first <= last < first + RANGE:
        return list(range(first, last + 1))
    return [first, last]
