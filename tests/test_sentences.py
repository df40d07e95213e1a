"""Sentences with figures read right: no "1 runs", no None, no $0.1500000, no time without a zone."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import langchain_parallel
from langchain_parallel._core import limits as api_limits
from langchain_parallel._core.plain_text import count
from langchain_parallel._session_options import check_session_limits
from langchain_parallel.errors import InvalidRequest
from langchain_parallel.models import TaskRunInput
from langchain_parallel.options import Limits
from langchain_parallel.parked import SweepResult
from langchain_parallel.processors import PROCESSORS
from langchain_parallel.research.approval import above_price
from langchain_parallel.research.evaluation import by_evidence, check_verdict
from langchain_parallel.research.evaluation.prompt import session_text
from langchain_parallel.research.evaluation.verdicts import ask_verdict
from langchain_parallel.research.human_review.decision import parse_answer
from langchain_parallel.research.human_review.request import review_request, spend_request
from langchain_parallel.research.turns import new_turn
from langchain_parallel.research.usage import exceeded_limits
from langchain_parallel.sessions import InteractionTree, SessionReport
from langchain_parallel.text.format import duration, usd

from .research.judging import cite, session, turn
from .sentences import faults, sentences_of

dollars = st.one_of(
    st.sampled_from([0.0, 0.005, 0.1, 0.15, 0.175, 0.1 + 0.2, 1e-7, 0.1499999, 0.15000001, 2.4]),
    st.floats(0, 2_000, allow_nan=False),
)
processors = st.sampled_from([*PROCESSORS, "core9x", "quantum"])
costs = st.one_of(st.none(), st.sampled_from([0.0, 0.005, 0.1, 2.4]))


@st.composite
def turns(draw: st.DrawFn) -> list[Any]:
    made = []
    for position in range(draw(st.integers(1, 4))):
        status = draw(st.sampled_from(["completed", "failed", "cancelled"]))
        fields = draw(st.lists(st.sampled_from(["a", "b", "c"]), unique=True))
        made.append(
            turn(
                position,
                status=status,
                processor=draw(processors),
                content=dict.fromkeys(fields, 1) if status == "completed" else None,
                error=None if status == "completed" else "It went wrong.",
                confidence=dict.fromkeys(fields, draw(st.sampled_from(["high", "low"]))),
                unsupported_fields=fields[:1],
                citations=[cite(n, "a") for n in range(1, draw(st.integers(1, 3)))],
                warnings=draw(st.lists(st.just("Careful."), max_size=7)),
                interaction_id=draw(st.sampled_from([None, f"trun_{position}"])),
                parent_interaction_id=draw(st.sampled_from([None, "trun_0"])),
                cost_usd=draw(costs),
                started_at=draw(st.sampled_from([None, "2026-03-01T10:00:00Z"])),
            )
        )
    return made


@st.composite
def planned(draw: st.DrawFn) -> list[Any]:
    names = draw(st.lists(processors, min_size=1, max_size=3))
    return [
        new_turn(question=f"Q{n}?", processor=name, parent_interaction_id=None)
        for n, name in enumerate(names)
    ]


session_limits = st.fixed_dictionaries(
    {}, optional={"max_cost_usd": dollars, "max_runs": st.integers(0, 3), "max_seconds": dollars}
)


def clean(*texts: object) -> None:
    found = [fault for text in texts for fault in faults(str(text))]
    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        "1 sources read",
        "It would have 2 run.",
        "1 decision(s) came",
        "It cost None.",
        "The limit is inf.",
        "Not well supported: `none`",
        "It cost $0.1500000.",
        "It cost $0.1.",
        "It cost $0.150.",
        "At 2026-03-01T10:00:00 it ended.",
        "It ended as  .",
    ],
)
def test_a_sentence_that_reads_wrong_is_found(text: str) -> None:
    assert list(faults(text))


@pytest.mark.parametrize(
    "text",
    [
        "1 source read in 1 s; 21 runs, $1,200.00, $0.005, $0.10.",
        "At 2026-03-01T10:00:00.25Z it ended; pass `x=None`, or None.",
        "1 is enough.",
    ],
)
def test_a_sentence_that_reads_right_is_left_alone(text: str) -> None:
    assert not list(faults(text))


# --- over generated values -----------------------------------------------------------------------


@given(turns(), planned(), session_limits)
def test_what_passes_a_limit_reads_right_and_is_more_than_the_limit(
    ended: list[Any], more: list[Any], limits: Any
) -> None:
    for sentence in exceeded_limits(ended, more, limits):
        clean(sentence)
        figures = re.findall(r"\$?[\d,]+(?:\.\d+)?", sentence.partition("session to ")[2])
        if figures:
            total, limit = (float(f.strip("$.").replace(",", "")) for f in figures)
            assert total > limit


@given(turns(), planned(), session_limits, st.sampled_from([None, "core"]))
def test_what_a_person_is_asked_reads_right(
    ended: list[Any], more: list[Any], limits: Any, above: str | None
) -> None:
    objections = above_price([one["processor"] for one in more], above)
    objections += exceeded_limits(ended, more, limits)
    spend = spend_request(ended, more, objections, limits)
    verdict: Any = {"action": "review", "reason": "Thin."}
    proposal: Any = {"action": "follow_up", "question": "Why?"}
    review = review_request(ended, verdict, proposal, limits, planned=more, objections=objections)
    nothing = review_request(ended, verdict, {"action": "accept"}, limits, planned=[])
    clean(*(text for request in (spend, review, nothing) for text in sentences_of(request)))


@pytest.mark.parametrize("content", [{}, {"a": None}, [{}], " "])
def test_a_person_is_shown_that_an_answer_is_empty(content: Any) -> None:
    request = review_request(
        [turn(content=content)], {"action": "review"}, {"action": "accept"}, {}, planned=[]
    )
    assert request["found"][0]["answer"] == "(an empty answer)"
    clean(*sentences_of(request))


@given(turns())
def test_what_evaluators_say_and_read_is_right(ended: list[Any]) -> None:
    state = session(*ended)
    for wanted in (by_evidence(), by_evidence(min_citations=2, required=["a", "z"])):
        verdict = wanted(state, ended[-1])
        clean(verdict.get("reason", ""), verdict.get("question", ""))
    clean(session_text(state, 6_000).partition("\n")[2])


@given(turns())
def test_trees_and_reports_read_right(ended: list[Any]) -> None:
    state: Any = session(*ended)
    clean(repr(InteractionTree.of(state)))
    report = SessionReport.of(state)
    for document in (report.to_markdown(), report.to_markdown("audit")):
        clean(*(line for line in document.splitlines() if not line.startswith((">", "|"))))


@given(st.integers(0, 3), st.integers(0, 30))
def test_what_is_refused_reads_right(few: int, many: int) -> None:
    questions: list[Any] = [{"question": f"Q{n}?"} for n in range(many)]
    request: Any = {
        "action_requests": [{"name": "research", "args": {}, "description": ""}] * (few + 1),
        "review_configs": [{"allowed_decisions": ["approve", "edit", "reject"]}] * (few + 1),
    }
    tries = (
        lambda: check_verdict({"action": "branch", "questions": questions}),
        lambda: check_verdict({"action": "accept", **dict.fromkeys("abc"[:few], 1)}),
        lambda: parse_answer({"decisions": [{"type": "approve"}] * many}, request),
        lambda: parse_answer({"decisions": [{"type": "respond"}] * (few + 1)}, request),
        lambda: check_session_limits({"max_cost_usd": -few - 1, "colour": 1}),
        lambda: api_limits.check(TaskRunInput(input="x" * (25_000 + few), processor="cor")),
        lambda: Limits(max_runs=-1, max_runs_per_question=few - 1),
    )
    for attempt in tries:
        try:
            attempt()
        except InvalidRequest as error:
            clean(error)
    if many > 1:
        clean(ask_verdict(questions, "Thin.")["reason"])


@given(st.lists(st.integers(0, 3), min_size=6, max_size=6))
def test_what_a_sweep_found_reads_right(counts: list[int]) -> None:
    names = ("resumed", "already_resumed", "in_progress", "not_found", "action_required")
    found: dict[str, Any] = {n: ["t"] * k for n, k in zip(names, counts, strict=False)}
    clean(SweepResult(threads=sum(counts), skipped=counts[-1], **found))


@given(dollars, st.integers(0, 10_000_000))
def test_money_time_and_numbers_read_right(amount: float, number: int) -> None:
    clean(usd(amount), usd(None), duration(number), count(number, "run"))
    assert float(usd(amount).strip("$").replace(",", "")) == pytest.approx(amount, abs=5e-7)


# --- over the source -----------------------------------------------------------------------------

NOUNS = (
    "actions|branches|characters|citations|decisions|domains|errors|events|fields|findings|heads|"
    "interactions|items|lines|ones|pages|questions|retries|runs|seconds|sessions|sources|threads|"
    "times|tries|turns|warnings"
)
MORE_THAN_ONE: dict[str, str] = {
    "runs are given; from 1 to": "none, or more than 1,000",
    "questions, and": "20 are allowed, so there are more",
    "turns, asked at the same time": "said of two or more",
    "times": "said of two or more",
    "runs in one request": "1,000",
    "domains (included": "more than 200",
    "characters together": "more than 25,000",
    "characters": "a limit of ours or of the API, or more than it",
    "runs": "a constant of the check, above one, or said of two or more",
}
"""What may follow a number in an f-string, because the number is never one."""


def _f_strings() -> Iterator[tuple[str, str]]:
    package = Path(langchain_parallel.__file__).parent
    for path in sorted(package.rglob("*.py")):
        if "simulator" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                yield f"{path.relative_to(package)}:{node.lineno}", ast.unparse(node)


def test_no_number_stands_before_a_plural_unless_it_is_counted() -> None:
    for where, text in _f_strings():
        for found in re.finditer(rf"\}} ((?:{NOUNS})\b[^{{}}]*)", text):
            allowed = any(found[1].startswith(words) for words in MORE_THAN_ONE)
            assert allowed, f"{where} {text}: use `count`"
        assert not re.search(r"(?<!http)\((?:s|es)\)(?!\w)", text), f"{where} {text}"
