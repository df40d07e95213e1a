"""The mutation tests themselves: they tell a change that a test sees from one that none sees."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import langchain_parallel

from .explained import EXPLAINED
from .operators import mutants
from .targets import TARGETS

_MODULE = '''\
def is_of_age(age: int) -> bool:
    """Whether somebody may vote."""
    return age >= 18
'''
_TESTS = """\
from package.ages import is_of_age

def test_a_child_may_not_vote():
    assert is_of_age(40) and not is_of_age(7)
"""

_PROJECT = """\
[tool.pytest.ini_options]
addopts = ["--disable-plugin-autoload"]
"""


def test_a_change_that_a_test_sees_is_killed_and_one_that_none_sees_is_printed(
    tmp_path: Path,
) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "ages.py").write_text(_MODULE)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_ages.py").write_text(_TESTS)
    (tmp_path / "pyproject.toml").write_text(_PROJECT)
    command = [sys.executable, "-m", "tests.mutants", "ages.py"]
    command += ["--package", str(package), "--tests", "tests/test_ages.py"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert done.stdout.splitlines()[1].split() == ["ages.py", "3", "1", "0", "0", "2", "33.3", "%"]
    assert "  - return age >= 18\n  + return (age > 18)\n" in done.stdout
    assert "  - return age >= 18\n  + return age >= 19\n" in done.stdout
    assert "return None" not in done.stdout  # the one that is killed


def test_what_is_mutated_and_tested_and_what_is_explained_is_there() -> None:
    package = Path(langchain_parallel.__file__).parent
    for module in {module for module, _, _ in EXPLAINED}:
        there = {(one.before, one.after) for one in mutants((package / module).read_text())}
        assert {(b, a) for name, b, a in EXPLAINED if name == module} <= there
    for module, tests in TARGETS.items():
        assert (package / module).exists()
        assert [name for name in tests if not (Path(__file__).parents[2] / name).exists()] == []


@pytest.mark.parametrize(
    ("source", "changed"),
    [
        ("x = a < b", ["x = (a <= b)"]),
        ("x = a in (b, c)", ["x = (a not in (b, c))", "x = a in (c,)", "x = a in (b,)"]),
        ("x = a and b", ["x = (b)", "x = (a)"]),
        ("x = not a", ["x = (a)"]),
        ("x = a + b", ["x = (a - b)"]),
        ("x = f'{a}' + b", []),
        ("x = True", ["x = False"]),
        ("x = 'é', 0", ["x = 'é', 1"]),
        ("x = 0.0", ["x = 1.0"]),
        ("x = {a, b}", ["x = {b}", "x = {a}"]),
        ("x = a if b else c", ["x = a if (not (b)) else c"]),
        ("x = [a for a in b if a]", ["x = [a for a in b if (not (a))]"]),
        ("if a: b()", ["if (not (a)): b()", "if a: pass"]),
        ("def f(): return a", ["def f(): return None"]),
        ("def f(): return", ["def f(): pass"]),
        ("def f(): raise a", ["def f(): pass"]),
        ("for a in b: continue", ["for a in b: pass"]),
        ("a.b = c", ["pass"]),
        ("a += b", ["pass"]),
        ("del a[b]", ["pass"]),
        ("_LOG.info(a)", []),
        ("if TYPE_CHECKING: f()", []),
        ("x: Literal[1] = a", []),
        ("X: TypeAlias = a < b", []),
        ("@a(True)\ndef f(x: Literal[1]) -> Literal[2]: ...", []),
    ],
)
def test_each_operator_makes_these_changes(source: str, changed: list[str]) -> None:
    assert sorted(one.after for one in mutants(source)) == sorted(changed)
