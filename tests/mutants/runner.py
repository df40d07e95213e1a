"""Runs tests against mutants: each in a process of its own, in a copy of the package and the tests.

Rule: the checkout is never changed. A mutant is killed if a test fails, if the tests cannot be collected, or
if they take several times as long as without it; it survives if all pass.

The processes are forked from one that has imported everything but the package and its tests, which takes
longer than most of the tests do.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import resource
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .operators import Mutant

_COPIED = (
    "tests",
    "docs",
    "benchmarks",
    "notebooks",
    "README.md",
    "CHANGELOG.md",
    "pyproject.toml",
)
"""What tests read, beside the package."""
_IMPORTED = (
    *(
        "pytest",
        "_pytest.python",
        "_pytest.assertion.rewrite",
        "pytest_asyncio",
        "pytest_randomly",
        "xdist",
    ),
    *(
        "_hypothesis_pytestplugin",
        "hypothesis",
        "hypothesis.strategies",
        "httpx",
        "h11",
        "pydantic",
    ),
    *(
        "langgraph.graph",
        "langgraph.prebuilt",
        "langgraph.checkpoint.sqlite.aio",
        "langchain.agents",
    ),
    *(
        "langchain_core.language_models",
        "starlette.applications",
        "psycopg",
        "jsonschema",
        "certifi",
    ),
)
_ARGS = (
    *("-x", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", "--no-header", "--tb=short"),
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),  # of plugins that are imported already
)
_MEMORY = 6 * 2**30
"""Bytes that one process may use: an endless loop may collect something."""
_LEAST_SECONDS, _TIMES_AS_LONG = 60.0, 8.0
"""When the tests of a mutant are given up."""


@dataclass(frozen=True)
class Tried:
    """A mutant, and whether a test saw it, which is so, too, where the tests took too long."""

    mutant: Mutant
    killed: bool
    in_time: bool


@dataclass
class _Process:
    pid: int
    tree: Path
    began: float
    mutant: Mutant


def preload() -> None:
    """Import what the tests need, for all processes that are forked from this one."""
    for name in _IMPORTED:
        with contextlib.suppress(ImportError):  # an older Python has not all of it
            importlib.import_module(name)


def copy_tree(root: Path, package: Path, into: Path) -> Path:
    """A copy of the package, with its tests and what they read."""
    ignore = shutil.ignore_patterns("__pycache__", "*.pyc")
    shutil.copytree(package, into / package.name, ignore=ignore)
    for name in _COPIED:
        if (root / name).is_dir():
            shutil.copytree(root / name, into / name, ignore=ignore)
        elif (root / name).exists():
            shutil.copy(root / name, into / name)
    return into


def run_tests(tree: Path, tests: Sequence[str]) -> tuple[bool, float]:
    """Whether these tests pass in a tree as it is, and after how many seconds."""
    began = time.monotonic()
    pid = _fork(tree, tests)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, time.monotonic() - began


def try_mutants(
    trees: Sequence[Path], module: str, tests: Sequence[str], mutants: Iterable[Mutant]
) -> Iterator[Tried]:
    """Run the tests against each mutant of a module, in as many processes as there are trees.

    Raises:
        RuntimeError: The tests fail without any change.
    """
    original = (trees[0] / module).read_text()
    passed, usual = run_tests(trees[0], tests)
    if not passed:
        raise RuntimeError(f"The tests of {module} fail without any change: {' '.join(tests)}")
    limit = max(_LEAST_SECONDS, _TIMES_AS_LONG * usual)
    free, running, left = list(trees), list[_Process](), iter(mutants)
    while True:
        while free and (mutant := next(left, None)) is not None:
            tree = free.pop()
            _write(tree / module, mutant.source)
            running.append(_Process(_fork(tree, tests), tree, time.monotonic(), mutant))
        if not running:
            return
        time.sleep(0.01)
        for process in list(running):
            in_time = time.monotonic() - process.began < limit
            code = _poll(process, in_time)
            if code is not None:
                running.remove(process)
                _write(process.tree / module, original)
                free.append(process.tree)
                yield Tried(process.mutant, code != 0, in_time)


def _write(path: Path, source: str) -> None:
    path.write_text(source)
    # Python knows a changed module by its size and the second in which it was written.
    for compiled in path.parent.glob(f"__pycache__/{path.stem}.*.pyc"):
        compiled.unlink()


def _poll(process: _Process, in_time: bool) -> int | None:
    """The exit code of the tests, which are ended when their time is over; None while they run."""
    pid, status = os.waitpid(process.pid, os.WNOHANG)
    if pid == 0 and in_time:
        return None
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # with what the tests have started
    if pid == 0:
        _, status = os.waitpid(process.pid, 0)
    return os.waitstatus_to_exitcode(status)


def _fork(tree: Path, tests: Sequence[str]) -> int:
    pid = os.fork()
    if pid:
        with contextlib.suppress(OSError):  # whoever is first
            os.setpgid(pid, pid)
        return pid
    code = 1
    try:
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        code = _pytest_in(tree, tests)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        raise
    finally:
        os._exit(code)


def _pytest_in(tree: Path, tests: Sequence[str]) -> int:
    pytest = importlib.import_module("pytest")
    os.chdir(tree)
    with (tree / "tests.log").open("w") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    os.environ["PYTHONPATH"] = str(tree)  # of the processes that tests start
    sys.path[:] = [str(tree), *(entry for entry in sys.path if entry not in ("", str(Path.cwd())))]
    for name in [*sys.modules]:  # those of the checkout
        if name.partition(".")[0] in ("tests", "langchain_parallel"):
            del sys.modules[name]
    return int(pytest.main([*_ARGS, *tests]))
