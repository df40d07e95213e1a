"""A recipe runs for a reader who has no key, and prints what its page shows."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from .shown_outputs import ROOT, documents, run_blocks, with_outputs

RECIPES = [name for name in documents() if name.startswith("docs/recipes/")]


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_does_without_a_key(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PARALLEL_API_KEY", raising=False)
    monkeypatch.delenv("PARALLEL_BASE_URL", raising=False)
    text = (ROOT / name).read_text()
    printed = list(
        run_blocks(name, lambda key, module: monkeypatch.setitem(sys.modules, key, module))
    )
    assert with_outputs(text, printed) == text


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_says_what_it_costs_and_how_to_change_it(name: str) -> None:
    text = (ROOT / name).read_text()
    assert "## What it costs" in text
    assert "## How to change it" in text


def test_each_recipe_is_a_recipe_of_the_index() -> None:
    section = (ROOT / "docs/index.md").read_text().partition("## Recipes")[2].partition("\n## ")[0]
    assert [name for name in RECIPES if f"({name.removeprefix('docs/')})" not in section] == []
