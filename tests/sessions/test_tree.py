"""The tree's shape: every turn is in it once, at its place, whatever the turns look like."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_parallel.errors import InvalidRequest
from langchain_parallel.sessions import InteractionTree, RecordedVerdict

Turns = list[Any]


def turn(name: str, parent: str | None = None, **more: Any) -> Any:
    """An answered turn whose interaction is called `name`; no optional key is there."""
    return {
        "run_id": f"run-{name}",
        "interaction_id": name,
        "parent_interaction_id": parent,
        "question": f"What of {name}?",
        "processor": "core",
        "status": "completed",
        "content": f"Answer {name}",
        "cost_usd": 0.025,
        **more,
    }


def failed(name: str, parent: str | None, **more: Any) -> Any:
    return turn(name, parent, **{"status": "failed", "content": None, "cost_usd": 0.0, **more})


def branched() -> InteractionTree:
    """a has b, c and d; c has e; below d is only a turn that failed."""
    turns = [turn("a"), turn("b", "a"), turn("c", "a"), turn("d", "a"), turn("e", "c")]
    return InteractionTree.of([*turns, failed("f", "d", interaction_id=None)])


def chain(length: int) -> InteractionTree:
    return InteractionTree.of([turn(str(n), str(n - 1) if n else None) for n in range(length)])


def names(nodes: Any) -> list[str]:
    return [node.run_id.removeprefix("run-") for node in nodes]


# --- shape ---


def test_a_turn_hangs_below_the_one_it_continued() -> None:
    tree = branched()
    assert names(tree) == ["a", "b", "c", "e", "d", "f"]
    (root,) = tree.roots
    assert names(root.children) == ["b", "c", "d"]
    assert root.parent is None
    assert all(child.parent is root and child.is_branch for child in root.children)
    assert [node.number for node in tree] == [1, 2, 3, 5, 4, 6]


def test_a_turn_without_an_interaction_is_a_leaf_below_its_parent() -> None:
    d, f = list(branched())[-2:]
    assert (f.parent, f.children, f.is_branch) == (d, (), False)


def test_heads_are_the_answers_below_which_there_is_no_other() -> None:
    assert names(branched().heads) == ["b", "e", "d"]  # below d only a failure


def test_an_answer_below_a_failure_takes_the_head_from_above_it() -> None:
    tree = InteractionTree.of([turn("a"), failed("b", "a"), turn("c", "b")])
    assert names(tree.heads) == ["c"]


def test_the_order_is_that_of_the_positions_not_of_the_list() -> None:
    turns = [turn("a", position=0), turn("b", "a", position=1), turn("c", "a", position=2)]
    assert names(InteractionTree.of(turns[::-1])) == ["a", "b", "c"]


def test_a_parent_that_the_session_does_not_hold_makes_a_root_that_continues_it() -> None:
    tree = InteractionTree.of([turn("a", "elsewhere"), turn("b", "a"), turn("c")])
    assert [(root.interaction_id, root.continues) for root in tree.roots] == [
        ("a", "elsewhere"),
        ("c", None),
    ]
    assert tree.roots[0].children[0].continues is None


@pytest.mark.parametrize(
    ("turns", "roots"),
    [
        ([turn("a", "a")], ["a"]),
        ([turn("a", "b"), turn("b", "a")], ["a"]),
        ([turn("x", "c"), turn("a", "c"), turn("b", "a"), turn("c", "b")], ["a"]),
        ([turn("r"), turn("a", "b"), turn("b", "a"), turn("y", "b")], ["r", "a"]),
    ],
)
def test_a_circle_is_cut_open_at_its_oldest_turn(turns: Turns, roots: list[str]) -> None:
    tree = InteractionTree.of(turns)
    assert names(tree.roots) == roots
    assert sorted(names(tree)) == sorted(t["interaction_id"] for t in turns)


def test_an_interaction_that_is_there_twice_keeps_its_children_at_the_first() -> None:
    twins = [turn("a"), turn("a", run_id="run-twin"), turn("b", "a")]
    tree = InteractionTree.of(twins)
    assert names(tree.roots) == ["a", "twin"]
    assert names(tree.roots[0].children) == ["b"]
    assert names(tree.path("a")) == ["a"]


def test_a_run_that_is_there_twice_counts_and_costs_once_as_the_later() -> None:
    tree = InteractionTree.of([turn("a", status="unfinished"), turn("b", "a"), turn("a")])
    assert names(tree) == ["a", "b"]
    assert tree.roots[0].status == "completed"
    assert tree.total_cost_usd == 0.05


def test_turns_whose_runs_were_never_started_are_distinguished_by_their_keys() -> None:
    refused = [
        failed("b", "a", run_id="", key=key, interaction_id=None) for key in ("k1", "k2", "k2")
    ]
    assert len(InteractionTree.of([turn("a"), *refused])) == 3


@given(
    st.lists(
        st.builds(turn, st.sampled_from("abcdef"), st.sampled_from([None, *"abcdefg"])).flatmap(
            lambda t: st.integers().map(lambda run: {**t, "run_id": f"run-{run}"})
        ),
        unique_by=lambda t: t["run_id"],
    )
)
def test_any_turns_make_a_tree_that_holds_each_once(turns: Turns) -> None:
    tree = InteractionTree.of(turns)
    assert sorted(names(tree)) == sorted(t["run_id"].removeprefix("run-") for t in turns)
    seen = set()
    for node in tree:
        assert node.parent is None or node.parent in seen
        assert all(child.parent is node for child in node.children)
        seen.add(node)
    assert {node for node in tree if node.parent is None} == set(tree.roots)
    assert len(tree.text().splitlines()) == max(1, len(tree))


# --- what a node says ---


def test_a_node_says_what_its_turn_says() -> None:
    verdict = {"action": "follow_up", "reason": "thin", "decided_by": "person"}
    confidence = {"size": "high", "share": "low", "growth": "high", "risk": "odd", "x": "medium"}
    citation = {"number": 1, "url": "https://example.com", "title": None, "fields": ["size"]}
    (node,) = InteractionTree.of(
        [
            turn(
                "a",
                "z",
                asked_by="person",
                content={"size": 1},
                confidence=confidence,
                unsupported_fields=["share"],
                citations=[citation],
                verdict=verdict,
                started_at="2026-01-01T10:00:00Z",
                ended_at="2026-01-01T10:02:05.5Z",
            )
        ]
    )
    assert (node.question, node.asked_by, node.processor) == ("What of a?", "person", "core")
    assert (node.answer, node.cost_usd, node.status) == ({"size": 1}, 0.025, "completed")
    assert (node.interaction_id, node.run_id, node.continues) == ("a", "run-a", "z")
    assert node.verdict == RecordedVerdict("follow_up", "thin", "person")
    assert node.citations == (citation,)
    assert node.unsupported_fields == ("share",)
    assert node.lowest_confidence == "low"
    assert list(node.confidence_counts.items()) == [
        ("high", 2),
        ("medium", 1),
        ("odd", 1),
        ("low", 1),
    ]
    assert node.seconds == 125.5


@pytest.mark.parametrize(
    ("words", "lowest"),
    [
        ({}, None),
        ({"a": "high"}, "high"),
        ({"a": "high", "b": "medium"}, "medium"),
        ({"a": "medium", "b": "strange"}, "strange"),  # not known to be good
        ({"a": "strange", "b": "very-low"}, "very-low"),
    ],
)
def test_the_lowest_confidence_is_the_weakest_word(words: Any, lowest: str | None) -> None:
    (node,) = InteractionTree.of([turn("a", confidence=words)])
    assert node.lowest_confidence == lowest


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (None, "2026-01-01T10:00:00Z"),
        ("yesterday", "today"),
    ],
)
def test_a_time_that_is_no_time_has_no_duration(start: Any, end: Any) -> None:
    (node,) = InteractionTree.of([turn("a", started_at=start, ended_at=end)])
    assert node.seconds is None


def test_a_time_without_a_zone_is_utc() -> None:
    times = {"started_at": "2026-01-01T10:00:00.25Z", "ended_at": "2026-01-01T10:00:01.5"}
    (node,) = InteractionTree.of([turn("a", **times)])
    assert node.seconds == 1.25


def test_a_verdict_is_the_evaluations_unless_a_person_decided() -> None:
    (node,) = InteractionTree.of([turn("a", verdict={"action": "accept"})])
    assert node.verdict == RecordedVerdict("accept", "", "evaluation")


def test_the_total_leaves_out_unknown_prices() -> None:
    tree = InteractionTree.of(
        [turn("a", cost_usd=0.1), turn("b", cost_usd=None), turn("c", cost_usd=0.2)]
    )
    assert tree.total_cost_usd == 0.3


WRONG: Any = [
    None,
    0,
    -1,
    10**400,
    float("nan"),
    "",
    "text",
    b"bytes",
    [],
    [None],
    {},
    {"a": [1]},
    object(),
]
KEYS = [
    *turn("a"),
    "confidence",
    "unsupported_fields",
    "citations",
    "warnings",
    "verdict",
    "position",
    "error",
]
KEYS += ["started_at", "ended_at", "asked_by"]


@pytest.mark.parametrize("key", KEYS)
def test_a_turn_with_a_wrong_or_missing_value_is_shown_all_the_same(key: str) -> None:
    for wrong in WRONG:
        views(InteractionTree.of([turn("a", **{key: wrong}), turn("b", "a")]))
    missing = turn("a")
    missing.pop(key, None)
    views(InteractionTree.of([missing, turn("b", "a")]))
    empty: Any = {}
    views(InteractionTree.of([empty]))


def views(tree: InteractionTree) -> list[str]:
    """Every view and number of a tree."""
    numbers = str([(node.seconds, node.confidence_counts) for node in tree])
    return [tree.text(), tree.mermaid(), tree.html(), str(tree.total_cost_usd), repr(tree), numbers]


def test_turns_that_are_only_planned_are_open_nodes() -> None:
    planned = [turn("", "a", key="", run_id="", status="planned", content=None) for _ in range(2)]
    tree = InteractionTree.of([turn("a"), *planned])
    assert [node.status for node in tree] == ["completed", "planned", "planned"]
    assert names(tree.heads) == ["a"]
    assert "planned" in views(tree)[0]


# --- paths ---


def test_a_path_leads_from_the_root_to_the_turn() -> None:
    assert names(branched().path("e")) == ["a", "c", "e"]
    assert names(branched().path("a")) == ["a"]


def test_a_path_to_an_unknown_interaction_is_refused_with_those_there_are() -> None:
    with pytest.raises(InvalidRequest) as refused:
        branched().path("nowhere")
    assert "'nowhere'" in str(refused.value)
    assert "a, b, c, e, d" in str(refused.value)


def test_the_refusal_of_a_path_stays_short_and_clean() -> None:
    many = InteractionTree.of([turn(f"{n}\x1b[2J\n") for n in range(500)])
    with pytest.raises(InvalidRequest, match=r"and \d{3} more") as refused:
        many.path("x\n\x1b" * 1000)
    assert len(str(refused.value)) < 1000
    assert str(refused.value).isprintable()
    with pytest.raises(InvalidRequest, match="no interaction at all"):
        InteractionTree.of([]).path("a")


# --- what it is made of ---


def test_a_state_an_output_and_a_list_of_turns_make_the_same_tree() -> None:
    turns: Any = [turn("a"), turn("b", "a")]
    texts = {InteractionTree.of(given).text() for given in (turns, tuple(turns), iter(turns))}
    assert texts == {InteractionTree.of({"turns": turns, "spent_usd": 0.05}).text()}


@pytest.mark.parametrize("empty", [{}, [], {"turns": []}, {"turns": None}])
def test_a_session_without_turns_is_an_empty_tree(empty: Any) -> None:
    tree = InteractionTree.of(empty)
    assert (len(tree), tree.roots, tree.heads, tree.total_cost_usd) == (0, (), (), 0)
    assert tree.text() == "(no turns)"


@pytest.mark.parametrize("wrong", [None, 7, "turns", turn("a"), [turn("a"), "b"], {"turns": "a"}])
def test_what_holds_no_turns_is_refused_with_what_to_give(wrong: Any) -> None:
    with pytest.raises(InvalidRequest, match="get_state"):
        InteractionTree.of(wrong)


def test_a_snapshot_is_refused_with_what_to_give() -> None:
    from langgraph.types import StateSnapshot

    snapshot: Any = StateSnapshot({}, (), {}, None, None, None, (), ())
    with pytest.raises(InvalidRequest, match="values"):
        InteractionTree.of(snapshot)


def test_a_tree_does_not_change() -> None:
    turns: Any = [turn("a", confidence={"x": "high"}, unsupported_fields=["x"])]
    tree = InteractionTree.of(turns)
    before = tree.text()
    turns[0]["confidence"]["x"] = "low"
    turns[0]["unsupported_fields"].append("y")
    turns.append(turn("b", "a"))
    assert tree.text() == before
    assert tree.roots[0].unsupported_fields == ("x",)
    with pytest.raises(FrozenInstanceError):
        tree.roots = ()  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        tree.roots[0].question = ""  # type: ignore[misc]


def test_making_a_tree_changes_no_turn() -> None:
    turns: Any = [turn("a", content={"x": [1]}), turn("b", "a", confidence={"x": "low"})]
    before = copy.deepcopy(turns)
    views(InteractionTree.of(turns))
    assert turns == before


def test_a_tree_can_be_copied_and_pickled() -> None:
    for twin in (copy.deepcopy(chain(2000)), pickle.loads(pickle.dumps(chain(2000)))):
        assert twin.text() == chain(2000).text()


def test_two_thousand_turns_deep_is_no_matter() -> None:
    tree = chain(2000)
    assert len(tree.path("1999")) == 2000
    assert names(tree.heads) == ["1999"]
    assert all(len(view) < 10_000_000 for view in views(tree))
    assert repr(tree.heads[0]).count("question=") == 1


def test_two_thousand_branchings_deep_is_no_matter() -> None:
    turns = [turn("0")]
    for n in range(1, 1000):
        turns += [turn(str(n), str(n - 1)), turn(f"side-{n}", str(n - 1))]
    tree = InteractionTree.of(turns)
    assert len(tree.heads) == 1000
    assert all(len(view) < 10_000_000 for view in views(tree))


def test_a_circle_of_two_thousand_is_no_matter() -> None:
    turns = [turn(str(n), str((n + 1) % 2000)) for n in range(2000)]
    assert names(InteractionTree.of(turns).roots) == ["0"]
