"""The tree in a terminal: one line a turn, as wide as was asked, and nothing a terminal obeys."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_parallel.sessions import InteractionTree

from .hostile import HOSTILE, LONG, everywhere, turns
from .test_tree import branched, chain, failed, turn


def columns(line: str) -> int:
    """What a terminal needs for a line, by Unicode's own tables."""
    marks = ("Mn", "Me", "Cf")
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in line)
    return wide + sum(unicodedata.category(char) not in marks for char in line)


def check(tree: InteractionTree, width: int) -> list[str]:
    lines = tree.text(width).split("\n")
    assert len(lines) == max(1, len(tree))
    assert all(columns(line) <= width for line in lines)
    assert all(
        unicodedata.category(char) not in ("Cc", "Cs", "Zl", "Zp") for char in "".join(lines)
    )
    return lines


def test_branches_are_indented_and_follow_ups_are_not() -> None:
    lines = check(branched(), 120)
    assert [line.split("  core ")[0].rstrip() for line in lines] == [
        "● What of a?",
        "├─● What of b?",
        "├─● What of c?",
        "│ ↓ What of e?",
        "└─● What of d?",
        "  ↓ What of f?",
    ]


def test_a_line_says_processor_cost_confidence_head_and_interaction() -> None:
    sure = {"size": "high", "share": "low"}
    tree = InteractionTree.of([turn("intr_1", confidence=sure), failed("intr_2", "intr_1")])
    first, second = check(tree, 100)
    assert " ".join(first.split()) == "● What of intr_1? core $0.025 low in 1/2 * intr_1"
    assert " ".join(second.split()) == "↓ What of intr_2? core $0.00 failed intr_2"


def test_a_price_that_is_not_known_is_a_question_mark() -> None:
    assert " ? " in InteractionTree.of([turn("a", cost_usd=None)]).text()


def test_a_root_says_what_it_continues() -> None:
    assert "(continues elsewhere) What" in InteractionTree.of([turn("a", "elsewhere")]).text()


def test_columns_stand_below_each_other() -> None:
    tree = InteractionTree.of(
        [turn("a"), turn("b", "a", question="日本語の質問", processor="ultra8x")]
    )
    first, second = check(tree, 100)
    assert columns(first[: first.index("core")]) == columns(second[: second.index("ultra8x")])


def test_ids_are_whole_or_left_out_throughout() -> None:
    long = "intr_" + "0" * 32
    tree = InteractionTree.of([turn(long, question="Who?"), turn("b", long)])
    assert all(line.endswith(("0" * 32, " b")) for line in check(tree, 120))
    assert not any("intr_0" in line or line.endswith(" b") for line in check(tree, 60))


def test_a_terminal_narrower_than_sixty_columns_gets_sixty() -> None:
    assert branched().text(1) == branched().text(60) == branched().text(-5)


@pytest.mark.parametrize("text", [*HOSTILE, LONG])
@pytest.mark.parametrize("width", [60, 80, 300])
def test_no_text_breaks_a_line(text: str, width: int) -> None:
    check(InteractionTree.of(everywhere(text)), width)


@given(turns, st.integers(60, 200))
def test_any_texts_make_one_line_a_turn(given: Any, width: int) -> None:
    check(InteractionTree.of(given), width)


def test_deep_branches_leave_room_for_the_question() -> None:
    many = [turn("0")]
    for n in range(1, 100):
        many += [turn(str(n), str(n - 1)), turn(f"side{n}", str(n - 1))]
    lines = check(InteractionTree.of(many), 80)
    assert lines[-1].startswith("└─● What of side1?")
    assert any(line.startswith("… ") and "What of 99?" in line for line in lines)


def test_printing_shows_the_text_and_repr_a_summary() -> None:
    assert str(chain(3)) == chain(3).text()
    assert repr(branched()) == "<InteractionTree: 6 turns, 3 heads, $0.125>"
