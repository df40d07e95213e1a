"""Print what differs between an OpenAPI document of the API and ours, but for what is meant.

make drift ARGS=path/to/openapi.json
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from .comparison import drift
from .exceptions import MEANT


def report(found: set[str], meant: dict[str, str]) -> list[str]:
    """The differences that nobody has explained, and the explanations that explain nothing any more."""
    used = {line: [each for each in meant if fnmatchcase(line, each)] for line in found}
    stale = meant.keys() - {each for patterns in used.values() for each in patterns}
    return [
        *sorted(line for line, patterns in used.items() if not patterns),
        *(f"explained, and no longer there: {pattern}" for pattern in sorted(stale)),
    ]


def main(arguments: Sequence[str]) -> int:
    """The exit code is 1 if there is anything to print, 2 if there is no document."""
    try:
        [path] = arguments
        lines = report(drift(json.loads(Path(path).read_text(encoding="utf-8"))), MEANT)
    except (OSError, ValueError) as error:  # the last is raised for what is no such document, too
        print(f"{__doc__}\n{error}", file=sys.stderr)
        return 2
    print(*lines, sep="\n", end="\n" if lines else "")
    return bool(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
