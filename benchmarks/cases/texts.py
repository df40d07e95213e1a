"""How long do a large answer and a long session take to write, and how much does a model have to read?"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

from benchmarks.harness import Case, Goal
from benchmarks.standalone.job import Job

FIELDS, CITATIONS = 124, 610
"""Of the large result."""
RENDER, READER, AUDIT, HTML = "render", "to_markdown", "to_markdown('audit')", "to_html"
CONTENT = "the tool's content of a report"


def large_result(fields: int = FIELDS, citations: int = CITATIONS) -> Any:
    """A result that renders to about four times the tool's limit, with an answer that fits into it."""
    from langchain_parallel.models import TaskRunResult

    sources = [
        {
            "url": f"https://site-{n % 97}.example/reports/2026/chapter/page-{n}",
            "title": f"Report number {n} of a company",
            "excerpts": ["An excerpt of some length. " * 5],
        }
        for n in range(citations)
    ]
    names = [f"field_{n}_of_the_company" for n in range(fields)]
    shared = -(-citations // fields)
    evidence = [
        {
            "field": name,
            "reasoning": "Because of this and that. " * 6,
            "confidence": ("high", "medium", "low")[n % 3],
            "citations": [sources[(n * shared + k) % citations] for k in range(shared)],
        }
        for n, name in enumerate(names)
    ]
    run = {"run_id": "trun_1", "interaction_id": "trun_1", "status": "completed"}
    output = {"type": "json", "content": dict.fromkeys(names, "A sentence of some length. " * 4)}
    return TaskRunResult.model_validate({"run": run, "output": {**output, "basis": evidence}})


def long_session(turns: int) -> list[Any]:
    """Turns of which every fifth is the caller's, and all others continue the one before."""
    return [
        {
            "key": f"key-{n}",
            "position": n,
            "round": n,
            "question": f"Question {n}: how large is the market?",
            "asked_by": "evaluation" if n % 5 else "caller",
            "processor": "pro",
            "parent_interaction_id": f"intr_{n - 1}" if n else None,
            "interaction_id": f"intr_{n}",
            "run_id": f"trun_{n}",
            "status": "completed",
            "content": {"revenue": "5 bn"},
            "confidence": {"revenue": "high"},
            "unsupported_fields": [],
            "citations": [
                {
                    "number": k,
                    "url": f"https://a{n}.example/{k}",
                    "title": "T",
                    "fields": ["revenue"],
                }
                for k in range(1, 6)
            ],
            "warnings": [],
            "error": None,
            "cost_usd": 0.1,
            "started_at": "2026-01-01T10:00:00Z",
            "ended_at": "2026-01-01T10:02:00Z",
            "verdict": None,
        }
        for n in range(turns)
    ]


def _time(job: Job, write: Callable[[], str], times: int) -> None:
    took, text = [], ""
    for _ in range(times):
        begun = time.process_time()
        text = write()
        took.append((time.process_time() - begun) * 1e3)
    job.figures |= {"cpu_ms": median(took), "characters": len(text)}


def render_large(job: Job) -> None:
    """The large result within the tool's limit."""
    from langchain_parallel.text.result import render

    result = large_result()
    _time(job, lambda: render(result), 20)


def report(write: Callable[[Any], str]) -> Callable[[Job], None]:
    """A report of a long session, written in this way."""

    def way(job: Job) -> None:
        from langchain_parallel.sessions import SessionReport

        session = long_session(job.setting["turns"])
        _time(job, lambda: write(SessionReport.of(session)), 1)

    return way


def read_report(job: Job) -> None:
    """What a model gets of a report of 108 kB."""
    from benchmarks.tokens import by_words, report_texts

    raw, content = report_texts()
    job.figures |= {"characters": len(content), "raw_characters": len(raw)}
    job.figures["tokens_ratio"] = by_words(content) / by_words(raw)


CASE = Case(
    name="texts",
    title="Answers and reports as text",
    text="""\
`render` writes an answer of 124 fields with 610 citations within the tool's limit, all fields
whole. Reports are of sessions in which four of five turns continue the one before, with five
sources each. Milliseconds of CPU.""",
    ways={
        RENDER: render_large,
        READER: report(lambda made: made.to_markdown()),
        AUDIT: report(lambda made: made.to_markdown("audit")),
        HTML: report(lambda made: made.to_html()),
        CONTENT: read_report,
    },
    settings=(
        {"turns": 250, "ways": (READER, AUDIT, HTML)},
        {"turns": 1_000, "ways": (READER, AUDIT, HTML)},
        {"turns": 1, "ways": (RENDER, CONTENT)},
    ),
    tiny={"turns": 2},
    columns={
        "cpu_ms": "CPU ms",
        "characters": "characters",
        "raw_characters": "as the API sends it",
        "tokens_ratio": "tokens, estimated by words, relative to that",
    },
    bars="cpu_ms",
    goals=(
        Goal("an answer of 124 fields: CPU ms", lambda t: t.median(RENDER, "cpu_ms"), 5.0),
        Goal(
            "the audit report of 1,000 turns: CPU ms",
            lambda t: t.median(AUDIT, "cpu_ms", turns=1_000),
            2_000.0,
        ),
        Goal(
            "the audit report of 1,000 turns: time, relative to that of 250 (linear: 4)",
            lambda t: _times(t, AUDIT),
            5.0,
        ),
        Goal(
            "the tool's content of a report: tokens by words, relative to the API's JSON",
            lambda t: t.median(CONTENT, "tokens_ratio"),
            0.2,
        ),
    ),
    budget=25.0,
    has_server=False,
)


def _times(table: Any, way: str) -> float | None:
    few, many = (table.median(way, "cpu_ms", turns=turns) for turns in (250, 1_000))
    return many / few if few and many else None
