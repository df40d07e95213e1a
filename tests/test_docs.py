"""Every ```python block of README.md and docs/ runs, in order, each document in one namespace.

`<!-- skip: next "the reason" -->` above a block leaves it out; a skip without a reason is refused.
"""

from __future__ import annotations

import re
import sys
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from unittest import SkipTest

import pytest
from sybil import Document
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser

ROOT = Path(__file__).parents[1]
PAGES = "README.md", "CONTRIBUTING.md", "SECURITY.md"
DOCUMENTS = [*(ROOT / name for name in PAGES), *sorted((ROOT / "docs").rglob("*.md"))]


def documents() -> list[str]:
    return [str(path.relative_to(ROOT)) for path in DOCUMENTS]


@pytest.mark.parametrize("name", documents())
@pytest.mark.usefixtures("simulated_api")
def test_every_block_runs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    document = Document.parse(str(ROOT / name), PythonCodeBlockParser(), SkipParser())
    # A module of its own, so that classes defined in a block can be found by their name.
    module = ModuleType("document")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    document.namespace = vars(module)
    for example in document.examples():
        with suppress(SkipTest):  # a skip with a reason
            example.evaluate()


@pytest.mark.parametrize("name", documents())
def test_every_skip_has_its_reason(name: str) -> None:
    skips = [line for line in (ROOT / name).read_text().splitlines() if "<!-- skip:" in line]
    assert [line for line in skips if '"' not in line] == []


def anchors(path: Path) -> set[str]:
    """Of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", documents())
def test_every_link_within_leads_somewhere(name: str) -> None:
    text = re.sub(r"```.*?```", "", (ROOT / name).read_text(), flags=re.DOTALL)
    for link in re.findall(r"\]\((?!https?:)([^)]*)\)", text):
        target, _, anchor = link.partition("#")
        path = (ROOT / name).parent / target if target else ROOT / name
        assert path.exists(), link
        assert not anchor or anchor in anchors(path), link
