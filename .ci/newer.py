"""Print what is installed here in another version than a constraints file pins."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.requirements import Requirement

for line in Path(sys.argv[1]).read_text().splitlines():
    pinned = Requirement(line)
    if pinned.marker and not pinned.marker.evaluate():
        continue
    try:
        installed = version(pinned.name)
    except PackageNotFoundError:
        continue  # of an extra that this environment goes without
    if not pinned.specifier.contains(installed, prereleases=True):
        print(f"  {pinned.name} {str(pinned.specifier).removeprefix('==')} -> {installed}")
