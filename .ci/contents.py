"""Check what sdist and wheel hold, and unpack what tests the wheel.

`contents.py DIST TREE` leaves the sdist's files in TREE, but not the package: tests that run there can import
it only from where the wheel was installed.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes
from pathlib import Path

PACKAGE = "langchain_parallel"


def only(folder: Path, pattern: str) -> Path:
    """The one file that matches."""
    found = sorted(folder.glob(pattern))
    assert len(found) == 1, f"{folder} holds {len(found)} files {pattern}, not one"
    return found[0]


def compare(what: str, held: set[str], expected: set[str], kind: str = "files") -> None:
    """Stop where something is missing or should not be there."""
    for name in sorted(expected - held):
        print(f"{what}: {name} is missing")
    for name in sorted(held - expected):
        print(f"{what}: {name} should not be in it")
    if held != expected:
        sys.exit(1)
    print(f"{what}: {len(held)} {kind}, as expected")


dist, tree = map(Path, sys.argv[1:])
listed = subprocess.run(["git", "ls-files"], check=True, capture_output=True, text=True)
kept = {name for name in listed.stdout.splitlines() if Path(name).exists()}

wheel = only(dist, "*.whl")
name_and_version = wheel.name.removesuffix("-py3-none-any.whl")
with zipfile.ZipFile(wheel) as opened:
    of_wheel = {name for name in opened.namelist() if not name.endswith("/")}
    largest = max(opened.infolist(), key=lambda member: member.file_size)
    metadata = message_from_bytes(opened.read(f"{name_and_version}.dist-info/METADATA"))
described = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"}
compare(
    wheel.name,
    of_wheel,
    {name for name in kept if name.startswith(f"{PACKAGE}/")}
    | {f"{name_and_version}.dist-info/{name}" for name in described},
)
assert f"{PACKAGE}/py.typed" in of_wheel, (
    "without py.typed no type checker believes the annotations"
)
print(f"{wheel.name}: {wheel.stat().st_size / 1024:.0f} kB, the largest file is {largest.filename}")

# What only develops the package is a dependency group, which no metadata has.
told = re.search(r"The extras are ([^;]+);", Path("README.md").read_text())
assert told, "README does not say which extras there are"
extras = set(re.findall(r"`([\w-]+)`", told[1]))
compare(
    f"{wheel.name}: what README names", set(metadata.get_all("Provides-Extra")), extras, "extras"
)

sdist = only(dist, "*.tar.gz")
with tarfile.open(sdist) as opened:
    shutil.rmtree(tree, ignore_errors=True)
    opened.extractall(tree.parent, filter="data")
(tree.parent / sdist.name.removesuffix(".tar.gz")).rename(tree)
of_sdist = {str(path.relative_to(tree)) for path in tree.rglob("*") if path.is_file()}
compare(sdist.name, of_sdist, kept | {"PKG-INFO"})
shutil.rmtree(tree / PACKAGE)
