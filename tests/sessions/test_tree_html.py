"""The page: whatever the texts, no element, attribute or address that we did not put there."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html import escape
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given

from langchain_parallel.sessions import InteractionTree

from .hostile import HOSTILE, LONG, everywhere, turns
from .page_reader import Page
from .test_tree import branched, failed, turn

POLICY = re.compile(
    r"default-src 'none'; style-src 'sha256-[\w+/]{43}='; base-uri 'none'; form-action 'none'"
)


def check(tree: InteractionTree, title: str = "Research session") -> Page:
    source = tree.html(title)
    source.encode()  # no half characters: the page can be written to a file
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", source)
    page = Page(source)
    assert page.tags.count("details") == len(tree)
    assert all(re.fullmatch(r"(?i)https?://[^\s\\]+", link) for link in page.links), page.links
    return page


# --- safe ---


@pytest.mark.parametrize("text", [*HOSTILE, LONG])
def test_no_text_becomes_markup(text: str) -> None:
    check(InteractionTree.of(everywhere(text)), title=text)


@given(turns)
def test_any_texts_make_a_page_of_known_parts(given: Any) -> None:
    check(InteractionTree.of(given))


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        " javascript:alert(1)",
        "JaVaScRiPt:alert(1)//http://",
        "data:text/html,<script>alert(1)</script>",
        "vbscript:x",
        "file:///etc/passwd",
        "//example.com",
        "/path",
        "http:",
        "https:///path",
        "https://[broken",
        "http://exa mple.com",
        "https:\\\\example.com",
        "https://example.com/\u202egnp.exe",
        "\nhttps://example.com",
        "",
    ],
)
def test_an_address_that_is_not_of_the_web_is_no_link(url: str) -> None:
    source = {"number": 1, "url": url, "title": "A source", "fields": []}
    page = check(InteractionTree.of([turn("a", citations=[source])]))
    assert page.links == []
    assert "A source" in page.text


@pytest.mark.parametrize(
    "url", ["https://example.com/a?b=1&c='2'#d", "HTTP://user@b.example", "http://é.x/ü"]
)
def test_a_source_is_a_link_that_says_where_it_goes(url: str) -> None:
    source = {"number": 7, "url": url, "title": "My bank", "fields": []}
    tree = InteractionTree.of([turn("a", citations=[source])])
    page = check(tree)
    assert page.links == [url]
    assert f"My bank {url}" in page.text
    assert '<li value="7">' in tree.html()


def test_the_page_holds_no_script_and_its_policy_forbids_all_but_its_own_style() -> None:
    source = branched().html()
    assert not re.search(r"<script|javascript:|\son\w+=|\sstyle=|@import|url\(|<link|<img", source)
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', source)
    assert POLICY.fullmatch(policy)
    (style,) = re.findall(r"<style>(.*?)</style>", source, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in policy
    assert (
        source.index("Content-Security-Policy") < source.index("<title>") < source.index("<style>")
    )


def test_a_notebook_gets_the_page_in_a_sandbox_without_scripts() -> None:
    tree = InteractionTree.of(everywhere(HOSTILE[2]))
    bundle = tree._repr_mimebundle_(include=None, exclude=None)
    frames: list[dict[str, str | None]] = []

    class Frame(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            assert tag in ("details", "summary", "pre", "iframe")
            if tag == "iframe":
                frames.append(dict(attrs))

    Frame().feed(bundle["text/html"])
    (frame,) = frames
    assert frame["srcdoc"] == tree.html()
    assert frame["sandbox"] == "allow-popups allow-popups-to-escape-sandbox"
    assert set(frame) == {"title", "width", "height", "frameborder", "sandbox", "srcdoc"}
    assert bundle["text/plain"] == tree.text()
    assert f"<pre>{escape(tree.text())}</pre>" in bundle["text/html"]  # where frames are taken out
    assert bundle["text/markdown"] == f"```text\n{tree.text()}\n```"
    assert bundle["text/vnd.mermaid"] == tree.mermaid()


# --- readable ---


def test_a_turn_shows_all_that_is_known_of_it() -> None:
    page = check(
        InteractionTree.of(
            [
                turn("a"),
                turn(
                    "b",
                    "a",
                    asked_by="evaluation",
                    content={
                        "market_size": "4 bn",
                        "makers": [{"name": "X"}, {"name": "Y"}],
                        "none": None,
                    },
                    confidence={"market_size": "low", "makers.1": "high"},
                    unsupported_fields=["market_size"],
                    citations=[
                        {
                            "number": 3,
                            "url": "https://example.com",
                            "title": "T",
                            "fields": ["market_size"],
                        }
                    ],
                    warnings=["Slow."],
                    verdict={"action": "follow_up", "reason": "Too thin.", "decided_by": "person"},
                    started_at="2026-01-01T10:00:00Z",
                    ended_at="2026-01-01T11:02:05Z",
                ),
            ]
        )
    )
    text = " ".join(page.text.split())
    for part in (
        "Turn 2 · continues turn 1 · asked by evaluation",
        "What of b?",
        "Verdict by a person",
        "follow upToo thin.",
        "Slow.",
        "market_size low [3] unsupported4 bn",
        "none—",
        "nameEvidenceXY high",
        "1 high, 1 low",
        "1 h 2 min",
        "2026-01-01 10:00",
        "$0.025",
        "2 turns · 1 head · $0.05",
        "run-b",
    ):
        assert part in text
    assert page.links == ["https://example.com"]
    assert text.count("[3]") == 1


def test_objects_of_one_kind_stand_in_one_table() -> None:
    rows = [{"name": "X", "rank": 1}, {"name": "Y", "rank": 2}]
    page = check(InteractionTree.of([turn("a", content={"makers": rows})]))
    assert page.tags.count("table") == 2
    assert page.tags.count("thead") == 1
    assert (
        check(InteractionTree.of([turn("a", content={"makers": [*rows, "Z"]})])).tags.count("thead")
        == 0
    )


def test_an_answer_nested_too_deeply_is_shown_as_json_or_said_to_be() -> None:
    deep: Any = "end"
    for _ in range(50):
        deep = [{"x": deep}]
    assert '"end"' in check(InteractionTree.of([turn("a", content=deep)])).text
    for _ in range(100_000):
        deep = [deep]
    assert "nested too deeply" in check(InteractionTree.of([turn("a", content=deep)])).text
    deep = []
    deep.append(deep)
    assert "nested too deeply" in check(InteractionTree.of([turn("a", content=deep)])).text


def test_a_text_answer_is_shown_as_the_markdown_it_is() -> None:
    page = check(InteractionTree.of([turn("a", content="# Head\n\n- one\n  - two")]))
    assert "Head\n\none\n\ntwo" in page.text
    assert (page.tags.count("h4"), page.tags.count("ul")) == (1, 2)


def test_line_ends_and_indents_of_other_texts_stay() -> None:
    page = check(InteractionTree.of([turn("a", question="# Head\n\n- one\n  - two")]))
    assert "# Head\n\n- one\n  - two" in page.text


def test_the_newest_head_is_open_at_first_and_only_it() -> None:
    turns = [turn("a"), turn("b", "a"), failed("c", "b"), turn("d", "a"), turn("e", "a")]
    source = InteractionTree.of(turns).html()
    opened = re.findall(r"<details name=\"turn\"( open)?>", source)
    assert opened == ["", "", "", "", " open"]


def test_unknown_prices_are_shown_as_unknown() -> None:
    text = check(InteractionTree.of([turn("a"), turn("b", "a", cost_usd=None)])).text
    assert "$0.025 and 1 of unknown price" in text


def test_an_empty_session_is_a_page_too() -> None:
    assert "0 turns · 0 heads · $0.00" in check(InteractionTree.of([])).text


def test_the_answer_of_a_hundred_fields_keeps_them_all() -> None:
    content = {f"field_{n}": {"deep": [n, {"value": f"v{n}"}]} for n in range(100)}
    text = check(InteractionTree.of([turn("a", content=json.loads(json.dumps(content)))])).text
    assert all(f"v{n}" in text for n in range(100))
