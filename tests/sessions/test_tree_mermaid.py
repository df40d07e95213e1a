"""The tree as a flowchart: every line is one of six kinds, and labels hold no syntax."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
from hypothesis import given

from langchain_parallel.sessions import InteractionTree

from .hostile import HOSTILE, LONG, everywhere, turns
from .test_tree import branched, failed, turn

# A label: its number, then words and blanks, characters by number, and the one line break we write.
WORD = r"(?:[^\W_]| |#\d+;)"
GRAMMAR = [
    rf'  n\d+\["\d+ {WORD}*<br/>{WORD}*"\]:::(?:root|followup|branch|open|failed)',
    r"  n\d+ --> n\d+",
    r"  class n\d+ head",
    r"  classDef (?:root|followup|branch|open|failed|head) [\w:#,\- ]+",
]
LINE = re.compile("|".join(GRAMMAR))


def check(tree: InteractionTree) -> list[str]:
    first, *lines = tree.mermaid().removesuffix("\n").split("\n")
    assert first == "flowchart TD"
    assert [line for line in lines if not LINE.fullmatch(line)] == []
    assert sum("[" in line for line in lines) == len(tree)
    assert sum("-->" in line for line in lines) == len(tree) - len(tree.roots)
    return lines


def label(line: str) -> str:
    """A label as Mermaid shows it, without the blanks of no width."""
    text = re.sub(r"#(\d+);", r"&#\1;", line.split('"')[1])
    return html.unescape(text).replace("\u200b", "")


def test_turns_are_boxes_and_arrows_lead_to_what_continued_them() -> None:
    lines = check(branched())
    assert label(lines[0]) == "1 · What of a?<br/>core · $0.025 · completed"
    assert [line.strip() for line in lines if "-->" in line] == [
        "n1 --> n2",
        "n1 --> n3",
        "n3 --> n5",
        "n1 --> n4",
        "n4 --> n6",
    ]


def test_each_kind_of_turn_has_its_style() -> None:
    tree = InteractionTree.of(
        [
            turn("a"),
            turn("b", "a"),
            turn("c", "b"),
            turn("d", "b"),
            failed("e", "d"),
            turn("f", "e", status="unfinished", content=None),
            failed("g", "f", run_id="", key="g", interaction_id=None, status="refused"),
        ]
    )
    lines = check(tree)
    kinds = [line.rpartition(":")[2] for line in lines if "[" in line]
    assert kinds == ["root", "followup", "branch", "branch", "failed", "open", "failed"]
    assert [line for line in lines if line.endswith(" head")] == [
        "  class n3 head",
        "  class n4 head",
    ]


@pytest.mark.parametrize("text", [*HOSTILE, LONG])
def test_no_text_leaves_its_label(text: str) -> None:
    tree = InteractionTree.of(everywhere(text))
    check(tree)
    assert len(tree.mermaid()) < 8_000


@given(turns)
def test_any_texts_make_lines_of_the_grammar(given: Any) -> None:
    check(InteractionTree.of(given))


def test_what_mermaid_looks_for_in_a_finished_label_is_broken_up() -> None:
    tree = InteractionTree.of([turn("a", question="$$x$$ fa:fa-ban \\n")])
    shown = html.unescape(re.sub(r"#(\d+);", r"&#\1;", tree.mermaid()))
    assert not re.search(r"\$\$|fa:fa|\\n", shown)
    assert "$$x$$ fa:fa-ban \\n" in label(check(tree)[0])


def test_a_readable_question_stays_readable() -> None:
    tree = InteractionTree.of([turn("a", question="Où est le marché à 50 % ? 日本")])
    assert "Où est le marché à 50 % ? 日本" in label(check(tree)[0])
