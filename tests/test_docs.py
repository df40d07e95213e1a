"""Every ```python block of README.md and docs/ runs, in order, each document in one namespace.

`<!-- skip: next "the reason" -->` above a block leaves it out; a skip without a reason is refused.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from langchain_parallel.simulator import RunningServer

from .shown_outputs import ROOT, documents, run_blocks, scenario_of, with_outputs


@pytest.mark.parametrize("name", documents())
@pytest.mark.usefixtures("simulated_api")
def test_every_block_runs_and_prints_what_is_shown(
    name: str, simulator_server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator_server.simulator.scenario = scenario_of(name)
    text = (ROOT / name).read_text()
    printed = list(
        run_blocks(name, lambda key, module: monkeypatch.setitem(sys.modules, key, module))
    )
    assert with_outputs(text, printed) == text, f"run: make outputs ARGS={name}"


@pytest.mark.parametrize("name", documents())
def test_every_skip_has_its_reason(name: str) -> None:
    skips = [line for line in (ROOT / name).read_text().splitlines() if "<!-- skip:" in line]
    assert [line for line in skips if '"' not in line] == []


@pytest.mark.parametrize("name", [n for n in documents() if n.startswith("docs/")])
def test_a_page_says_who_needs_it_and_where_to_go_on(name: str) -> None:
    title, need, *_, end = (ROOT / name).read_text().rstrip().split("\n\n")
    assert title.startswith("# ")
    if name != "docs/index.md":  # the list of pages is both
        assert need.startswith("**You need this if** ")
        assert end.startswith("**Next**: ")
        assert "](" in end


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


def test_the_design_names_the_layers_in_their_order() -> None:
    page = (ROOT / "docs/explain/design.md").read_text()
    house = page.partition("## The house")[2].split("```")[1]
    text = (ROOT / "pyproject.toml").read_text().partition("\nlayers = [")[2].partition("\n]")[0]
    layers = [set(line.split(" | ")) for line in re.findall(r'"(.*)"', text)]
    unnamed = {"__main__", "_absent", "_lazy"}  # machinery of imports
    named = [
        [house.find(f"\n{name}") + 1 or house.find(f", {name}") + 1 for name in layer - unnamed]
        for layer in layers
    ]
    assert all(place for places in named for place in places), "a layer is not on the page"
    first = [min(places) for places in named if places]
    assert first == sorted(first)
