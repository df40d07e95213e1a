"""Measure, and write docs/explain/benchmarks.md.

    python -m benchmarks [NAME …] [--full] [--page]

Without names, all cases are measured, in ten minutes or less on an idle machine. `--full` has no limit of
time: five rounds of everything. `--page` measures nothing, and makes the page anew from `results/`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from typing import Any, cast

from . import cases, page
from .harness import measure, save
from .standalone import job


def show(line: str) -> None:
    """Print at once."""
    print(line, flush=True)  # noqa: T201 -- a benchmark is a command line


def main(arguments: Sequence[str]) -> int:
    """Returns 1 if a case could not be measured."""
    if arguments[:1] == ["--work"]:  # what a measurement's process is started with
        name, way, given = arguments[1:]
        ways = cast("dict[str, Callable[[Any], object]]", cases.case(name).ways)
        job.run(ways, way, json.loads(given))
        return 0
    parser = argparse.ArgumentParser(
        "python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", help=", ".join(cases.NAMES))
    parser.add_argument("--full", action="store_true", help="five rounds of everything")
    parser.add_argument("--page", action="store_true", help="measure nothing")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(cases.NAMES):
        parser.error(f"there is no case {', '.join(sorted(unknown))}")
    failed = []
    for name in () if options.page else options.names or cases.NAMES:
        try:
            save(measure(cases.case(name), full=options.full, report=show))
        except Exception as error:  # noqa: BLE001 -- the others are measured nevertheless
            failed.append(name)
            show(f"{name} could not be measured: {type(error).__name__}: {error}")
    for path in page.write():
        show(f"wrote {path}")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
