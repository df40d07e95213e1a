"""Environments for clients that cannot stand beside this package, made once, in `build/real-clients`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2] / "build" / "real-clients"
_SECONDS = 600.0


class NotAvailable(Exception):
    """A registry, or a tool of this machine, does not give what a client needs."""


def run(
    command: Sequence[str | Path], where: Path, extra: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command that sees nothing of this checkout, and return what it printed."""
    kept = {
        k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PARALLEL_", "PYTEST"))
    }
    return subprocess.run(
        list(map(str, command)),
        cwd=where,
        env={**kept, **(extra or {})},
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )


def python_environment(name: str, *requirements: str) -> Path:
    """The interpreter of an environment with these packages. Raises NotAvailable."""
    folder = ROOT / name
    python = folder / "venv" / "bin" / "python"
    done = folder / "requirements.txt"
    wanted = "\n".join(requirements)
    if done.exists() and done.read_text() == wanted:
        return python
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _check(run([sys.executable, "-m", "venv", folder / "venv"], folder))
    pip: list[str | Path] = [
        python,
        "-m",
        "pip",
        "--disable-pip-version-check",
        "install",
        "--quiet",
    ]
    _check(run([*pip, *requirements], folder))
    done.write_text(wanted)
    return python


def node_environment(name: str, *packages: str) -> Path:
    """A folder in which node finds these packages. Raises NotAvailable."""
    folder = ROOT / name
    if not shutil.which("npm"):
        raise NotAvailable("npm is not installed")
    if not (folder / "node_modules").exists():
        folder.mkdir(parents=True, exist_ok=True)
        _check(run(["npm", "install", "--no-audit", "--no-fund", *packages], folder))
    return folder


def source_of(python: Path, requirement: str) -> Path:
    """The unpacked source distribution of a package. Raises NotAvailable."""
    folder = python.parents[2] / "source"
    if not folder.exists():
        folder.mkdir()
        pip: list[str | Path] = [
            python,
            "-m",
            "pip",
            "--disable-pip-version-check",
            "download",
            "--quiet",
            "--no-deps",
        ]
        _check(run([*pip, "--no-binary", ":all:", requirement], folder))
        with tarfile.open(next(folder.glob("*.tar.gz"))) as archive:
            archive.extractall(folder, filter="data")
    return next(path for path in folder.iterdir() if path.is_dir())


def version_of(python: Path, package: str) -> str:
    """The installed version of a package."""
    code = f"from importlib.metadata import version; print(version({package!r}))"
    return run([python, "-c", code], python.parent).stdout.strip()


def _check(done: subprocess.CompletedProcess[str]) -> None:
    if done.returncode:
        raise NotAvailable((done.stderr or done.stdout).strip()[-500:])
