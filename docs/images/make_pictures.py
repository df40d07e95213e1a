"""Makes the pictures of report, tree and notebook: `python docs/images/make_pictures.py`. It needs Chromium.

On paper: `chromium --headless --print-to-pdf=report.pdf report.html`.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
from nbconvert import HTMLExporter

from langchain_parallel.checks import check_answer
from langchain_parallel.sessions import InteractionTree, SessionReport

HERE = Path(__file__).parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
MOST_BYTES = 150_000


class Picture(NamedTuple):
    """A page as a browser shows it."""

    name: str
    page: str
    width: int
    """In pixels, as the height."""
    height: int
    is_dark: bool = False


PICTURES = (
    Picture("report.png", "report.html", 1200, 1290),
    Picture("report-phone.png", "report.html", 390, 1180, is_dark=True),
    Picture("audit.png", "audit.html", 1200, 815),
    Picture("interaction-tree.png", "tree.html", 1200, 540),
    Picture("interaction-tree-dark.png", "tree.html", 1200, 540, is_dark=True),
    Picture("notebook.png", "notebook.html", 1200, 590),
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
            cost_usd=0.025 if content else 0.0,
        )
        for position, before, question, content, confidence in asked
    ]
    return [*session(), *more]


def notebook() -> str:
    """The quickstart's first answer, as Jupyter shows it."""
    quickstart = nbformat.read(HERE.parents[1] / "notebooks/01_quickstart.ipynb", as_version=4)
    first = next(at for at, cell in enumerate(quickstart.cells) if cell.get("outputs"))
    quickstart.cells = quickstart.cells[first - 1 : first + 1]
    page, _ = HTMLExporter().from_notebook_node(quickstart)
    return str(page)


def pages() -> dict[str, str]:
    """The pages by name, as HTML."""
    report = SessionReport.of(session())  # type: ignore[arg-type]
    opened = '<details name="turn"'  # the first turn is opened, not the newest
    drawn = InteractionTree.of(tree()).html("Cargo bikes")  # type: ignore[arg-type]
    drawn = drawn.replace(f"{opened} open", opened).replace(opened, f"{opened} open", 1)
    return {
        "report.html": report.to_html(),
        "audit.html": report.to_html("audit"),
        "tree.html": drawn,
        "notebook.html": notebook(),
    }


def main() -> None:
    """Write the pictures beside this file."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        sys.exit(f"No browser found. Install Chromium; one of these must be on PATH: {BROWSERS}")
    with tempfile.TemporaryDirectory() as folder:
        for name, html in pages().items():
            (Path(folder) / name).write_text(html, encoding="utf-8")
        for picture in PICTURES:
            target = HERE / picture.name
            subprocess.run(
                [
                    *(browser, "--headless", "--no-sandbox", "--hide-scrollbars"),
                    *(["--blink-settings=preferredColorScheme=0"] if picture.is_dark else []),
                    f"--window-size={picture.width},{picture.height}",
                    f"--screenshot={target}",
                    (Path(folder) / picture.page).as_uri(),
                ],
                check=True,
                capture_output=True,
                timeout=60,
            )
            if target.stat().st_size > MOST_BYTES:
                sys.exit(f"{target} is larger than {MOST_BYTES} bytes")


if __name__ == "__main__":
    main()
