"""Notebooks with what their cells print and show, as the files have it.

Rule: cells run in IPython's shell inside a running loop, as a kernel runs them, but in this process, in an
empty folder and without a key. What differs from run to run is masked as it is below the blocks of a page.
"""

from __future__ import annotations

import asyncio
import atexit
import io
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any

from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from .fixed_texts import fixed, mask

ROOT = Path(__file__).parents[1]


def notebooks() -> list[str]:
    """The notebooks' paths below the project's root."""
    return [str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("notebooks/*.ipynb"))]


def with_outputs_of_cells(text: str) -> str:
    """The notebook's file with all outputs as its cells make them."""
    notebook = json.loads(text)
    with _fresh_place():
        asyncio.run(_run(notebook["cells"]))
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


class _Hook(DisplayHook):
    """Keeps what a cell's last line evaluates to."""

    def start_displayhook(self) -> None:
        """Nothing is written."""

    finish_displayhook = write_output_prompt = start_displayhook

    def write_format_data(self, format_dict: Any, md_dict: Any = None) -> None:
        """Keep it."""
        self.shell.results.append(format_dict)  # type: ignore[union-attr]


class _Shell(InteractiveShell):
    displayhook_class = _Hook
    display_pub_class = CapturingDisplayPublisher
    kernel: None = None  # by which a display knows that it is in a notebook


async def _run(cells: list[dict[str, Any]]) -> None:
    settings = Config({"HistoryManager": {"enabled": False}})
    make: Any = _Shell  # IPython is hardly typed
    # The one that `display` and the package's own displays find.
    shell = make.instance(
        config=settings, ipython_dir=".ipython", user_module=ModuleType("notebook")
    )
    atexit.unregister(shell.atexit_operations)
    try:
        await _run_cells(cells, shell)
    finally:
        make.clear_instance()


async def _run_cells(cells: list[dict[str, Any]], shell: Any) -> None:
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    for nth, cell in enumerate(code, 1):
        results, shown, printed = list[Any](), shell.display_pub.outputs, io.StringIO()
        shell.results = results
        shown.clear()
        with redirect_stdout(printed):
            source = "".join(cell["source"])
            done = await shell.run_cell_async(source, transformed_cell=shell.transform_cell(source))
        done.raise_error()
        cell["execution_count"] = nth
        cell["outputs"] = [
            *_streams(printed.getvalue()),
            *(_output("display_data", data) for data in _last_shown(shown)),
            *({**_output("execute_result", data), "execution_count": nth} for data in results),
        ]


def _streams(text: str) -> Iterator[dict[str, Any]]:
    if text := mask(text):
        yield {"name": "stdout", "output_type": "stream", "text": text.splitlines(keepends=True)}


def _last_shown(shown: list[dict[str, Any]]) -> list[Any]:
    """What is shown in the end: an output takes the place of the one that it updates."""
    last: dict[Any, Any] = {}
    for nth, one in enumerate(shown):
        last[one.get("transient", {}).get("display_id", nth)] = one["data"]
    return [*last.values()]


def _output(kind: str, data: dict[str, str]) -> dict[str, Any]:
    lines = {of: fixed(text).splitlines(keepends=True) for of, text in sorted(data.items())}
    return {"data": lines, "metadata": {}, "output_type": kind}


@contextmanager
def _fresh_place() -> Iterator[None]:
    """An empty folder, and an environment without a key. Both are put back."""
    folder, environment, path = Path.cwd(), dict(os.environ), list(sys.path)
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        os.environ.pop("PARALLEL_API_KEY", None)
        sys.path.insert(0, place)  # as a kernel has its folder
        try:
            yield
        finally:
            os.chdir(folder)
            os.environ.clear()
            os.environ.update(environment)
            sys.path[:] = path
            for name in ("notebook", *(file.stem for file in Path(place).glob("*.py"))):
                sys.modules.pop(name, None)
