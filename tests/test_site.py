"""The documentation site: each page has its place and keeps its links. `make site` builds it, strictly."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def build() -> ModuleType:
    path = ROOT / "docs/site/build.py"
    spec = importlib.util.spec_from_file_location("docs_site_build", path)
    assert spec
    assert spec.loader
    module = sys.modules["docs_site_build"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_page_is_in_the_navigation_and_nothing_else(build: ModuleType) -> None:
    assert sorted(build._places(build.navigation([]))) == sorted(build.sources().values())


def test_every_public_module_has_a_page_with_its_names(build: ModuleType) -> None:
    names = build.public_names()
    assert "ParallelTaskTool" in names["langchain_parallel"]
    module = "langchain_parallel.testing"
    assert f"::: {module}.simulated_client" in build.module_page(module, names[module])


def test_links_lead_to_the_same_from_a_pages_place_on_the_site(
    build: ModuleType, tmp_path: Path
) -> None:
    layout = build.Layout(tmp_path)
    text = (
        "[a](docs/guides/graph.md#state) [b](CHANGELOG.md) ![c](docs/images/session.svg) [d](https://x.org) "
        "[e](#below) [`f`](docs/agents/scripted.py)\n"
        "```python\n[g](docs/guides/graph.md)\n```\n[h](docs/index.md)"
    )
    assert layout.with_links(text, ROOT / "README.md", "index.md") == (
        "[a](guides/graph.md#state) [b](project/changelog.md) ![c](images/session.svg) [d](https://x.org) "
        "[e](#below) [`f`](files/docs/agents/scripted.py)\n"
        "```python\n[g](docs/guides/graph.md)\n```\n[h](start.md)"
    )
    assert (tmp_path / "images/session.svg").exists()
    page = ROOT / "docs/guides/graph.md"
    back = layout.with_links("[s](../../SECURITY.md#x)", page, "guides/graph.md")
    assert back == "[s](../project/security.md#x)"
    up = layout.with_links(
        "[g](../guides/graph.md)", ROOT / "docs/explain/rules.md", "explain/rules.md"
    )
    assert up == "[g](../guides/graph.md)"


def test_a_notebooks_tree_is_a_drawing_and_its_answer_markdown(build: ModuleType) -> None:
    framed = {"text/html": "<iframe>", "text/markdown": "*x*", "text/plain": "x"}
    drawn = {**framed, "text/vnd.mermaid": "graph TD;"}
    outputs = [{"data": framed}, {"data": drawn}, {"text": "printed"}]
    cells = [{"cell_type": "code", "outputs": outputs}, {"cell_type": "markdown"}]
    answer, tree, printed = build.as_markdown({"cells": cells})["cells"][0]["outputs"]
    assert answer["data"] == {"text/markdown": "*x*", "text/plain": "x"}
    assert tree["data"]["text/markdown"] == "```mermaid\ngraph TD;\n```"
    assert printed == {"text": "printed"}


def test_models_get_a_list_of_the_pages(build: ModuleType, tmp_path: Path) -> None:
    layout = build.Layout(tmp_path)
    for source, place in layout.places.items():
        if source.suffix == ".md":
            layout._put(place, source.read_text())
        else:
            layout._put(place, "# A notebook\n")
    listed = build.index_for_models(layout)
    assert all(listed.count(f"]({place}): ") == 1 for place in layout.places.values())
    assert "[The tool](guides/tool.md): `ParallelTaskTool` is web research" in listed
