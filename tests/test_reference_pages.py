"""The pages of the reference that are made from the code (`make outputs`)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import langchain_parallel
from langchain_parallel._locks.machine import FOLDER

from . import reference_pages
from .reference_pages import ENVIRONMENT, ROOT, entries, pages

PACKAGE = Path(langchain_parallel.__path__[0])
_READ = re.compile(r"os\.environ(?:\.get\(|\[)([\w\"']+)")
_DOCUMENTED = re.compile(r"^\| `([^`]+)` \|(.*)\|$", re.MULTILINE)


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    return {path.stem: text for path, text in pages().items()}


def test_a_page_is_as_the_code_says(made: dict[str, str]) -> None:
    stale = [name for name, text in made.items() if _written(name) != text]
    assert stale == [], "run `make outputs`"


def _written(name: str) -> str:
    path = ROOT / "docs/reference" / f"{name}.md"
    return path.read_text() if path.exists() else ""


def test_every_option_key_and_argument_is_explained(made: dict[str, str]) -> None:
    made = {**made, "options": made["options"].partition("## What they do")[2]}
    rows = {name: _DOCUMENTED.findall(text) for name, text in made.items()}
    assert all(len(found) > 10 for found in rows.values()), rows.keys()
    unsaid = [(page, row[0]) for page, found in rows.items() for row in found if not _last(row[1])]
    assert unsaid == []


def _last(cells: str) -> str:
    return re.split(r"(?<!\\)\|", cells)[-1].strip()


def test_every_variable_that_the_package_reads_is_explained() -> None:
    files = [path for path in PACKAGE.rglob("*.py") if "simulator" not in path.parts]
    named = {name for path in files for name in _READ.findall(path.read_text())}
    read = {FOLDER if name == "FOLDER" else name.strip("'\"") for name in named}
    assert {"PARALLEL_API_KEY", "PARALLEL_LOCK_DIR"} <= read
    assert read <= set(ENVIRONMENT)


def test_an_option_is_found_wherever_a_door_declares_it() -> None:
    by_name = {one.name: one for one in entries(reference_pages.DOORS["tool"])}
    assert by_name["output_schema"].default == "None"
    assert by_name["processor"].default == '("core", "base")'
    graph = {one.name: one for one in entries(reference_pages.DOORS["graph"])}
    assert graph["keep_excerpts"] == (
        "keep_excerpts",
        "bool",
        "False",
        "Keep the citations' excerpts in the state. Checkpoints grow by several times.",
    )
