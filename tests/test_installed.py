"""What is tested is the wheel where the wheel is meant, and this checkout everywhere else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import langchain_parallel

ROOT = Path(__file__).parents[1]
WHEEL = bool(os.environ.get("WHEEL"))  # set by `make test WHEEL=1`
WHERE = "import langchain_parallel as package; print(package.__file__)"


def is_meant(file: str) -> bool:
    """Tell whether the package under test was imported from here."""
    if WHEEL:
        return Path(file).parents[1] == Path(
            str(distribution("langchain-parallel").locate_file(""))
        )
    return Path(file).parents[1] == ROOT


def test_the_tests_import_the_package_that_is_meant() -> None:
    assert is_meant(langchain_parallel.__file__)
    assert (ROOT / "langchain_parallel").exists() is not WHEEL


def test_a_process_that_a_test_starts_imports_the_same() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WHERE], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert is_meant(done.stdout.strip())


def test_a_wheel_was_installed_as_a_wheel() -> None:
    """Not as a link to a checkout, and not as the official package of the same name."""
    if WHEEL:
        installed = distribution("langchain-parallel")
        origin = json.loads(installed.read_text("direct_url.json") or "{}")
        assert origin["url"].endswith(".whl")
        assert "archive_info" in origin
