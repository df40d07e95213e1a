"""The files around the package agree with each other."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from importlib import import_module
from importlib.metadata import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # langchain-core brings it, without its types
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import langchain_parallel

# Python 3.10 has what pytest brings along.
tomllib = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")

ROOT = Path(__file__).parents[1]
GITHUB = ROOT / ".github"
SCHEMAS = {
    "workflows/*.yml": "vendor.github-workflows",
    "ISSUE_TEMPLATE/config.yml": "vendor.github-issue-config",
    "ISSUE_TEMPLATE/[!c]*.yml": "vendor.github-issue-forms",
    "dependabot.yml": "vendor.dependabot",
}


def requirements(name: str) -> list[Requirement]:
    return [Requirement(line) for line in (ROOT / name).read_text().splitlines()]


def asked_for() -> list[Requirement]:
    """What the package, its extras and the groups of its developers ask for."""
    texts = metadata("langchain-parallel").get_all("Requires-Dist") or []
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    texts += [one for group in groups.values() for one in group if isinstance(one, str)]
    return [asked for text in texts if (asked := Requirement(text)).name != "langchain-parallel"]


@pytest.mark.parametrize("name", ["constraints.txt", "constraints-oldest.txt"])
def test_constraints_pin_one_version_and_say_no_address(name: str) -> None:
    for pinned in requirements(name):
        (one,) = pinned.specifier
        assert (one.operator, pinned.url, pinned.extras) == ("==", None, set())


def test_constraints_pin_all_that_is_asked_for_in_a_version_that_fits() -> None:
    pinned: dict[str, list[Requirement]] = {}
    for one in requirements("constraints.txt"):
        pinned.setdefault(canonicalize_name(one.name), []).append(one)
    for asked in asked_for():
        for found in pinned[canonicalize_name(asked.name)]:
            (version,) = (one.version for one in found.specifier)
            assert asked.specifier.contains(version, prereleases=True), f"{asked} is {found}"


@pytest.mark.parametrize(("pattern", "schema"), SCHEMAS.items())
def test_what_github_reads_is_as_github_reads_it(pattern: str, schema: str) -> None:
    pytest.importorskip("check_jsonschema", reason="check-jsonschema is not installed")
    files = [str(path) for path in GITHUB.glob(pattern)]
    assert files
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema]
    done = subprocess.run([*command, *files], check=False, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stdout.decode()


def test_actions_are_pinned_by_commit_and_jobs_get_no_right_they_do_not_need() -> None:
    for path in GITHUB.glob("workflows/*.yml"):
        workflow: dict[Any, Any] = yaml.safe_load(path.read_text())
        assert workflow["permissions"] == {"contents": "read"}
        for job in workflow["jobs"].values():
            assert job["timeout-minutes"]
            for step in job["steps"]:
                assert re.fullmatch(
                    r"[\w-]+/[\w.-]+@[0-9a-f]{40}", step.get("uses", "a/b@" + "0" * 40)
                )


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "benchmarks/README.md"])
def test_every_make_target_that_a_page_names_is_there(name: str) -> None:
    targets = set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text()))
    named = re.findall(r"(?:`|\$ )make ((?:[a-z-]+ ?)+)", (ROOT / name).read_text())
    assert {target for line in named for target in line.split()} <= targets


def test_every_file_that_contributing_names_is_there() -> None:
    names = re.findall(r"`([\w./-]+(?:\.\w+|/))`", (ROOT / "CONTRIBUTING.md").read_text())
    package = Path(langchain_parallel.__file__).parent
    folders = ROOT, package, package.parent
    assert [name for name in names if not any((at / name).exists() for at in folders)] == []


def test_every_page_is_in_the_index() -> None:
    docs = ROOT / "docs"
    pages = {str(path.relative_to(docs)) for path in docs.rglob("*.md")} - {"index.md"}
    assert pages
    index = (docs / "index.md").read_text()
    assert [page for page in sorted(pages) if f"({page}" not in index] == []


def modules() -> list[Path]:
    package = ROOT / "langchain_parallel"
    return list(package.rglob("*.py")) or list(Path(langchain_parallel.__path__[0]).rglob("*.py"))


def test_a_file_of_the_package_has_a_name_of_its_own() -> None:
    names = Counter(path.name for path in modules() if not path.name.startswith("__"))
    assert names
    assert [name for name, count in names.items() if count > 1] == []


PARTICIPLE = re.compile(
    r"_*([a-z]+ed|told|sent|spent|known|kept|made|found|given|held|left|gone|shown|written|drawn|taken)"
)
NO_PARTICIPLES = {"feed", "parsed"}
"""A verb; and the word for it in the clients of Parallel and OpenAI."""


def test_a_function_is_named_by_more_than_a_participle() -> None:
    """That says neither what it does, nor what it reads, nor whether it asks."""
    functions = [
        (path.name, node.name)
        for path in modules()
        if "simulator" not in path.parts
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert functions
    bare = [one for one in functions if PARTICIPLE.fullmatch(one[1])]
    assert [one for one in bare if one[1] not in NO_PARTICIPLES] == []
