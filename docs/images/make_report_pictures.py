"""Makes the pictures of report and tree: `python docs/images/make_report_pictures.py`. It needs Chromium.

On paper: `chromium --headless --print-to-pdf=report.pdf report.html`.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import Any

from langchain_parallel.checks import check_answer
from langchain_parallel.sessions import InteractionTree, SessionReport

HERE = Path(__file__).parent
PICTURES = (
    # name, page, width and height in pixels, dark
    ("report.png", "report.html", 1200, 1290, False),
    ("report-phone.png", "report.html", 390, 1180, True),
    ("interaction-tree.png", "tree.html", 1200, 640, False),
)


def turn(position: int, **more: Any) -> dict[str, Any]:
    """A completed turn that continues the one before it."""
    minute = 7 * position
    turn = {
        "key": f"key-{position}",
        "position": position,
        "round": position,
        "asked_by": "evaluation" if position else "caller",
        "processor": "core",
        "parent_interaction_id": f"intr_{position - 1}" if position else None,
        "interaction_id": f"intr_{position}",
        "run_id": f"trun_{position}",
        "status": "completed",
        "unsupported_fields": [],
        "warnings": [],
        "error": None,
        "cost_usd": 0.025,
        "started_at": f"2026-03-02T10:{minute:02}:00Z",
        "ended_at": f"2026-03-02T10:{minute + 4:02}:30Z",
        "verdict": None,
        **more,
    }
    return {**turn, "checks": check_answer(turn)}


def cite(number: int, url: str, title: str, fields: str, excerpt: str) -> dict[str, Any]:
    """A citation with one excerpt."""
    known = {"number": number, "url": url, "title": title}
    return {**known, "fields": fields.split(), "excerpts": [excerpt]}


def session() -> list[dict[str, Any]]:
    """A question and its follow-up, which finds what was missing and contradicts what was not."""
    first = turn(
        0,
        question="What is known of the cargo bike maker Lastenwerk?",
        content={
            "chief_executive": "Anna Berger",
            "employees": None,
            "revenue": "EUR 41 million (2024)",
            "sites": ["Leipzig", "Graz"],
            "models": [
                {"name": "Packesel", "price": "EUR 4,290", "load": "180 kg"},
                {"name": "Muli", "price": "EUR 5,190", "load": "210 kg"},
            ],
            "history": "Founded in 2011 as a workshop in Leipzig.\n\n- Sells through **140 shops**\n"
            "- Leases to parcel services since 2022",
        },
        confidence={
            "chief_executive": "high",
            "employees": "low",
            "revenue": "medium",
            "sites.0": "high",
            "sites.1": "medium",
            "models": "medium",
            "history": "high",
        },
        citations=[
            cite(
                1,
                "https://lastenwerk.example/about",
                "About us",
                "chief_executive sites.0 history",
                "Anna Berger has led us since 2019. Founded in 2011 in Leipzig, we sell through 140 shops, "
                "and have leased to parcel services since 2022.",
            ),
            cite(
                2,
                "https://news.example/lastenwerk",
                "Lastenwerk opens in Graz",
                "revenue sites.1",
                "In 2024 revenue was EUR 41 million. The second site is in Graz.",
            ),
            cite(
                3,
                "https://guide.example/cargo-bikes",
                "Cargo bikes: models and prices",
                "models",
                "Packesel: EUR 4,290, 180 kg. Muli: EUR 5,190, 200 kg.",
            ),
        ],
    )
    second = turn(
        1,
        question="How many employees does Lastenwerk have? What is its revenue?",
        content={
            "chief_executive": "unknown",
            "employees": "about 320",
            "revenue": "EUR 37 million (2024)",
        },
        confidence={"employees": "medium", "revenue": "low"},
        citations=[
            cite(
                1,
                "https://jobs.example/lastenwerk",
                "Working at Lastenwerk",
                "employees",
                "About 320 people work with us.",
            ),
            cite(
                2,
                "https://register.example/HRB1234",
                "Company register",
                "revenue",
                "Revenue in 2024: EUR 37 million",
            ),
        ],
    )
    return [first, second]


def tree() -> list[dict[str, Any]]:
    """The same with other questions on the first answer; one of them has failed."""
    asked = (
        (2, 0, "What do buyers complain about?", {"complaints": "brakes, weight"}, "medium"),
        (3, 2, "Which of these have been mended since?", {"mended": "brakes"}, "high"),
        (4, 0, "Who are its competitors in Europe?", {"competitors": ["Rabe", "Wim"]}, "high"),
        (5, 4, "And in Asia?", None, ""),
    )
    more = [
        turn(
            position,
            asked_by="caller",
            parent_interaction_id=f"intr_{before}",
            question=question,
            content=content,
            confidence=dict.fromkeys(content or {}, confidence),
            citations=[],
            status="completed" if content else "failed",
        )
        for position, before, question, content, confidence in asked
    ]
    return [*session(), *more]


def main() -> None:
    """Write the pictures beside this file."""
    pages = {
        "report.html": SessionReport.of(session()).to_html(),  # type: ignore[arg-type]
        # The first turn is opened, not the newest.
        "tree.html": InteractionTree.of(tree())  # type: ignore[arg-type]
        .html("Cargo bikes")
        .replace('<details name="turn" open', '<details name="turn"')
        .replace('<details name="turn"', '<details name="turn" open', 1),
    }
    with tempfile.TemporaryDirectory() as folder:
        for name, html in pages.items():
            (Path(folder) / name).write_text(html, encoding="utf-8")
        for name, page, width, height, dark in PICTURES:
            subprocess.run(
                [
                    *("chromium", "--headless", "--no-sandbox", "--hide-scrollbars"),
                    *(["--blink-settings=preferredColorScheme=0"] if dark else []),
                    f"--window-size={width},{height}",
                    f"--screenshot={HERE / name}",
                    (Path(folder) / page).as_uri(),
                ],
                check=True,
                capture_output=True,
            )


if __name__ == "__main__":
    main()
