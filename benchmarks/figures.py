"""What every benchmark does with its figures: print them as a table, keep them as JSON.

Rule: no name of a machine, no path and no date goes into a file, so that two runs can be compared and
the file committed.
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


def parser(doc: str | None) -> argparse.ArgumentParser:
    """The options all benchmarks have."""
    made = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument(
        "--small", action="store_true", help="a tiny form; prints, and keeps no figures"
    )
    return made


def say(text: str = "") -> None:
    """Print, at once."""
    print(text, flush=True)  # noqa: T201 -- a benchmark is a command line


def table(rows: Sequence[Row]) -> str:
    """Rows of the same keys as aligned columns; numbers to the right, with thousands marked."""
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


def keep(name: str, figures: Row) -> None:
    """Write a full run's figures to `results/<name>.json`, with the versions they were measured with."""
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps({"versions": versions(), **figures}, indent=1, ensure_ascii=False)
    (RESULTS / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def versions(packages: Iterable[str] = _PACKAGES) -> dict[str, str]:
    """Python's and the packages' versions, as far as they are installed."""
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
