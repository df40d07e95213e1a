"""What the blocks of README and docs print, as the pages show it.

Rule: a fence ```` ```text title="Output" ```` below a block has what the block prints; a drawing is one in
```` ```mermaid ````. What differs from run to run (ids, times, ports) is masked in both.

`make outputs ARGS="README.md docs/guides/tool.md"` runs the pages against a simulator and writes what
their blocks print; without arguments, all pages that have blocks, and all notebooks.
"""

from __future__ import annotations

import io
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from types import ModuleType
from typing import NamedTuple
from unittest import SkipTest

from sybil import Document
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser

from langchain_parallel._telemetry import LISTENING
from langchain_parallel.simulator import Scenario, Simulator, serve

from .executed_notebooks import notebooks, with_outputs_of_cells
from .fixed_texts import DRAWING, mask

ROOT = Path(__file__).parents[1]
PAGES = "README.md", "CONTRIBUTING.md", "SECURITY.md"
DOCUMENTS = [*(ROOT / name for name in PAGES), *sorted((ROOT / "docs").rglob("*.md"))]

_SHOWN = re.compile(r'\n\n```(?:text title="Output"|mermaid)\n(.*?)```(?=\n)', re.DOTALL)
_SCRIPTED = {
    *(f"docs/guides/{name}.md" for name in ("batch", "graph", "middleware", "tool")),
    "docs/operate/parked.md",
}
"""Pages whose questions have readable answers; on the others the simulator makes them up."""


class Printed(NamedTuple):
    """A block, and what it printed."""

    end: int
    """Where its fence ends in the page's text."""
    output: str


def documents() -> list[str]:
    """The pages' paths below the project's root."""
    return [str(path.relative_to(ROOT)) for path in DOCUMENTS]


def run_blocks(name: str, enter: Callable[[str, ModuleType], object]) -> Iterator[Printed]:
    """Run a page's blocks in order, in one namespace. `enter(name, module)` makes that a module which is
    found by its name, as are the classes that are defined in it.
    """
    LISTENING.told.clear()  # a page stands for a process, and simulators give the same ids again
    document = Document.parse(str(ROOT / name), PythonCodeBlockParser(), SkipParser())
    module = ModuleType("document")
    enter(module.__name__, module)
    document.namespace = vars(module)
    for example in document.examples():
        printed = io.StringIO()
        with suppress(SkipTest), redirect_stdout(printed):  # a skip with a reason
            example.evaluate()
        if document.text.startswith("```python", example.start):
            yield Printed(example.end, mask(printed.getvalue()))


def shown_output(text: str, end: int) -> str | None:
    """What the page shows below the fence that ends there."""
    shown = _SHOWN.match(text, end)
    return shown[1] if shown else None


def with_outputs(text: str, printed: list[Printed]) -> str:
    """The page's text with all outputs as they were printed."""
    for block in reversed(printed):
        shown = _SHOWN.match(text, block.end)
        after = shown.end() if shown else block.end
        kind = "mermaid" if DRAWING.match(block.output) else 'text title="Output"'
        fence = f"\n\n```{kind}\n{block.output}```" if block.output else ""
        text = text[: block.end] + fence + text[after:]
    return text


def scenario_of(name: str) -> Scenario | None:
    """What the page's questions are answered from."""
    is_scripted = name in _SCRIPTED or name.startswith("docs/recipes/")
    return Scenario.builtin("examples") if is_scripted else None


@contextmanager
def _simulated(name: str) -> Iterator[None]:

    before = Path.cwd()
    account = Simulator(latency_scale=0.001, scenario=scenario_of(name))
    with serve(account) as server, tempfile.TemporaryDirectory() as folder:
        os.environ.update(PARALLEL_API_KEY="simulated", PARALLEL_BASE_URL=server.url)
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)


def main(names: list[str]) -> None:
    """Write the outputs of these pages and notebooks."""
    for name in names or [*documents(), *notebooks()]:
        page = ROOT / name
        if page.suffix == ".ipynb":
            page.write_text(with_outputs_of_cells(page.read_text()))
            continue
        with _simulated(name):
            printed = list(run_blocks(name, sys.modules.__setitem__))
        text = page.read_text()
        page.write_text(with_outputs(text, printed))


if __name__ == "__main__":
    main(sys.argv[1:])
