"""Every notebook runs from top to bottom, and has the outputs that its cells make."""

from __future__ import annotations

import json
import re

import pytest

from .executed_notebooks import ROOT, notebooks, with_outputs_of_cells

SIMULATED = "notebooks/10_testing.ipynb"
"""The one that a key is no use to."""


@pytest.mark.parametrize("name", notebooks())
def test_every_cell_runs_and_shows_what_is_stored(name: str) -> None:
    text = (ROOT / name).read_text()
    assert with_outputs_of_cells(text) == text, f"run: make outputs ARGS={name}"


@pytest.mark.parametrize("name", notebooks())
def test_one_cell_switches_to_a_key(name: str) -> None:
    cells = json.loads((ROOT / name).read_text())["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    switches = [nth for nth, source in enumerate(code) if "PARALLEL_API_KEY" in source]
    assert switches == ([] if name == SIMULATED else [0])


@pytest.mark.parametrize("name", notebooks())
def test_every_link_leads_somewhere(name: str) -> None:
    cells = json.loads((ROOT / name).read_text())["cells"]
    text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    links = re.findall(r"\]\((?!https?:)([^)#]*)", text)
    assert links
    assert [link for link in links if not (ROOT / name).parent.joinpath(link).exists()] == []
