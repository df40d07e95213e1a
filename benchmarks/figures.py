"""Prints the figures of a benchmark as a table and saves them as JSON.

Rule: a file has no machine name, no path and no date, so that it can be committed and two runs compared.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, TypeAlias

Row: TypeAlias = dict[str, Any]

RESULTS = Path(__file__).parent / "results"
_PACKAGES = (
    *("langchain-parallel", "langgraph", "langgraph-checkpoint", "langgraph-checkpoint-sqlite"),
    *("langgraph-checkpoint-postgres", "langchain-core", "httpx", "httpcore"),
)


def option_parser(doc: str | None) -> argparse.ArgumentParser:
    """A parser with the options of every benchmark."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--small", action="store_true", help="a tiny run, which saves no figures")
    return parser


def show(text: str = "") -> None:
    """Print at once."""
    print(text, flush=True)  # noqa: T201 -- a benchmark is a command line


def table(rows: Sequence[Row]) -> str:
    """Align rows with the same keys in columns; numbers to the right, with a comma after thousands."""
    columns = list(rows[0])
    cells = [columns, *([_cell(row[column]) for column in columns] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    right = [isinstance(rows[0][column], int | float) for column in columns]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if is_right else cell.ljust(width)
            for cell, width, is_right in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in cells
    )


def _cell(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "–" if value is None else str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"


def save(name: str, figures: Row) -> None:
    """Write the figures of a full run and the installed versions to `results/<name>.json`."""
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps({"versions": versions(), **figures}, indent=1, ensure_ascii=False)
    (RESULTS / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def versions(packages: Iterable[str] = _PACKAGES) -> dict[str, str]:
    """The versions of Python and of the installed ones of these packages."""
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
