"""The tree of sessions that the graph really had, on the simulator."""

from __future__ import annotations

import json

import pytest

from langchain_parallel.sessions import InteractionTree
from langchain_parallel.simulator import RunScript

from ..research.harness import Mode, Session
from . import test_tree_html, test_tree_mermaid, test_tree_text


@pytest.fixture(params=["sync", "async"])
def session(request: pytest.FixtureRequest) -> Session:
    mode: Mode = request.param
    return Session(mode)


def test_a_branched_session_is_shown_as_it_went(session: Session) -> None:
    first = session.ask("Map the landscape")["interaction_id"]
    for question in ("What about the risks?", "What about prices?", "What about people?"):
        out = session.ask(question, continue_from=first)
    session.simulator.scripts.add(RunScript(outcome="failed"))
    out = session.ask("And in Europe?")
    tree = InteractionTree.of(out)
    (root,) = tree.roots
    assert [node.question for node in tree] == [turn["question"] for turn in out["turns"]]
    assert [child.question for child in root.children][1] == "What about prices?"
    assert [node.number for node in tree.heads] == [2, 3, 4]
    assert tree.total_cost_usd == out["spent_usd"] > 0
    assert [node.number for node in tree.path(out["interaction_id"])] == [1, 4]
    assert root.verdict is not None
    assert root.verdict.decided_by == "evaluation"
    assert list(tree)[-1].status == "failed"
    assert tree.text() == InteractionTree.of(session.state()).text()


def test_every_view_of_a_real_session_obeys_its_rules(session: Session) -> None:
    session.ask('Map <the> "landscape"]')
    out = session.ask("What about the risks?")
    tree = InteractionTree.of(out)
    test_tree_text.check(tree, 100)
    test_tree_mermaid.check(tree)
    page = test_tree_html.check(tree)
    assert "simulated" in page.text
    assert 'Map <the> "landscape"]' in page.text
    cited = {source["url"] for turn in out["turns"] for source in turn["citations"]}
    assert set(page.links) == cited != set()


def test_a_tree_of_a_session_that_went_through_json_is_the_same(session: Session) -> None:
    out = session.ask("Map the landscape")
    again = InteractionTree.of(json.loads(json.dumps(out["turns"])))
    assert again.html() == InteractionTree.of(out).html()
