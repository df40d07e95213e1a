"""The record of what a session has found: bounded, dated, and gone when its days are over."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from langgraph.store.memory import InMemoryStore

from langchain_parallel._core.calls import drive
from langchain_parallel._graph.earlier_sessions import recollections_of, told_of
from langchain_parallel._graph.recollections import (
    EndedQuestion,
    Recollection,
    Recollections,
    earlier_questions,
)
from langchain_parallel.errors import InvalidRequest
from langchain_parallel.options import Recall

from ..sessions.building import cite, turn

A_DAY = 86_400.0
ENDED = 1_767_261_720.0
"""2026-01-01T10:02:00Z, when the turn of `building` ended."""


class Expiring(InMemoryStore):
    """A store that deletes by itself: it keeps how it was told to put what."""

    supports_ttl = True

    def __init__(self) -> None:
        super().__init__()
        self.puts: list[dict[str, Any]] = []

    def put(self, *args: Any, **options: Any) -> None:
        self.puts.append(dict(options))


def keep(content: Any, *turns: Any, recall: Recall | None = None, **evidence: Any) -> Recollections:
    """A store with one answer in it."""
    kept = Recollections(InMemoryStore(), recall or Recall(per="all"), "")
    known: Any = {
        "content": content,
        "confidence": {},
        "unsupported_fields": [],
        "citations": [],
        **evidence,
    }
    ended = EndedQuestion("Who leads?", [], known, turns or [turn()])
    drive(kept.put(ended, {"thread": "t"}))
    return kept


def find(kept: Recollections, now: float = ENDED) -> list[Recollection]:
    return drive(kept.find("Who leads?", [], now))


def test_an_answer_of_20_000_characters_is_kept_as_it_is_and_a_longer_one_is_cut() -> None:
    (whole,) = find(keep("x" * 20_000))
    assert whole["answer"] == "x" * 20_000
    (cut,) = find(keep("x" * 20_001))
    assert len(cut["answer"]) == 20_000
    assert cut["answer"].endswith("here]")
    (exact,) = find(keep({"a": "x" * 19_992}))  # 20,000 as JSON
    assert isinstance(exact["answer"], dict)
    (text,) = find(keep({"a": "x" * 19_993}))
    assert isinstance(text["answer"], str)


def test_citations_and_fields_are_bounded() -> None:
    fields = [f"f{n}" for n in range(250)]
    cited = [cite(n, f"https://a.example/{n}", *fields) for n in range(60)]
    kept = keep(
        "x", confidence=dict.fromkeys(fields, "low"), unsupported_fields=fields, citations=cited
    )
    (known,) = find(kept)
    assert [one["number"] for one in known["citations"]] == [*range(50)]
    assert known["citations"][1] == cite(1, "https://a.example/1", *fields[:200])
    assert list(known["confidence"]) == known["unsupported_fields"] == fields[:200]


def test_long_questions_are_cut_and_still_told_apart() -> None:
    kept = Recollections(InMemoryStore(), Recall(per="all"), "")
    long = ["w" * 5_000 + end for end in ("a", "b")]
    for question in long:
        known: Any = {
            "content": question[-1],
            "confidence": {},
            "unsupported_fields": [],
            "citations": [],
        }
        drive(kept.put(EndedQuestion(question, [long[0]], known, [turn()]), {}))
    for question in long:
        (found,) = drive(kept.find(question, [long[0]], ENDED))
        assert found["answer"] == question[-1]
        assert len(found["question"]) == len(found["after"][0]) == 2_000


def test_what_it_cost_and_when_it_was_found() -> None:
    later = turn(1, cost_usd=0.005, ended_at="2026-01-01T11:00:00Z", run_id="trun_late")
    (known,) = find(keep("x", turn(cost_usd=0.1234567), later))
    assert (known["cost_usd"], known["runs"]) == (0.128457, 2)
    assert (known["found_at"], known["run_id"]) == ("2026-01-01T11:00:00Z", "trun_late")
    (unknown,) = find(keep("x", turn(cost_usd=None), turn(1, ended_at=None)))
    assert (unknown["cost_usd"], unknown["found_at"]) == (None, "2026-01-01T10:02:00Z")


def test_it_is_shown_until_its_days_are_over() -> None:
    kept = keep("x", recall=Recall(per="all", days=2))
    assert find(kept, ENDED + 2 * A_DAY)
    assert not find(kept, ENDED + 2 * A_DAY + 0.5)
    always = keep("x", recall=Recall(per="all", days=None))
    assert find(always, ENDED + 9_000 * A_DAY)[0]["age_seconds"] == 9_000 * A_DAY
    (unknown,) = find(keep("x", turn(ended_at=None)), ENDED)
    assert unknown["age_seconds"] == 0


def test_a_store_that_deletes_by_itself_is_told_when() -> None:
    for recall, told in ((Recall(per="all", days=2), {"ttl": 2_880}), (Recall(days=None), {})):
        store = Expiring()
        kept = Recollections(store, recall, "")
        known: Any = {"content": "x", "confidence": {}, "unsupported_fields": [], "citations": []}
        drive(kept.put(EndedQuestion("Who?", [], known, [turn()]), {}))
        assert store.puts == [{"index": ["asked"], **told}]


def test_at_most_three_are_shown() -> None:
    index: Any = {"dims": 1, "embed": lambda texts: [[1.0] for _ in texts]}
    kept = Recollections(InMemoryStore(index=index), Recall(per="all", least_score=1.0), "")
    for nth in range(5):
        known: Any = {"content": nth, "confidence": {}, "unsupported_fields": [], "citations": []}
        drive(kept.put(EndedQuestion(f"Who leads {nth}?", [], known, [turn()]), {"thread": "t"}))
    found = drive(kept.find("Who leads 4?", [], ENDED))
    assert len(found) == 3
    assert [one["is_same_question"] for one in found] == [True, False, False]
    assert len({one["question"] for one in found}) == 3
    assert not drive(kept.find("Who leads 4?", [], ENDED, beside="t"))


def test_five_questions_before_tell_a_follow_up_apart() -> None:
    def asked(nth: int) -> Any:
        parent = f"intr_{nth - 1}" if nth else None
        return turn(nth, question=f"Q{nth}", parent_interaction_id=parent)

    turns = [asked(nth) for nth in range(9)]
    assert earlier_questions(turns, "intr_7") == ["Q3", "Q4", "Q5", "Q6", "Q7"]


@pytest.mark.parametrize(
    ("seconds", "old"),
    [(0, "0 s"), (3_600, "1 h"), (2 * A_DAY - 60, "47 h 59 min"), (2 * A_DAY, "2 days")],
)
def test_its_age_is_told(seconds: float, old: str) -> None:
    (known,) = find(keep("x", unsupported_fields=["a"], confidence={"a": "low"}))
    assert told_of({**known, "age_seconds": seconds}) == (
        f"The same question was asked in an earlier session, {old} ago (2026-01-01), for $0.10, with fields "
        "of weak evidence. It had found:"
    )
    like: Recollection = {
        **known,
        "is_same_question": False,
        "cost_usd": None,
        "unsupported_fields": [],
        "found_at": "2026-01-01\n# x",
    }
    assert told_of(like).startswith("A question like it was asked in an earlier session, 0 s ago")
    assert told_of(like).endswith("(2026-01-01), for an unknown price. It had found:")


def test_outside_a_graph_there_is_no_store() -> None:
    door: Any = SimpleNamespace(options=SimpleNamespace(recall=Recall(per="all")))
    with pytest.raises(InvalidRequest, match="needs a store"):
        drive(recollections_of(door, {}))
