"""Other agent frameworks, whose adapters of LangChain tools call ours."""

from __future__ import annotations

import json
from pathlib import Path

from langchain_parallel.simulator import RunningServer

from .environments import NotAvailable, python_environment, run, version_of
from .outcome import Outcome

_SCRIPT = Path(__file__).parent / "framework_programs.py"
_CHECKOUT = Path(__file__).parents[2]
_QUIET = {"CREWAI_DISABLE_TELEMETRY": "true", "OTEL_SDK_DISABLED": "true"}
_PACKAGES = {
    "pydantic-ai": ("pydantic-ai-slim",),
    "autogen": ("autogen-ext>=0.7", "autogen-core"),
    "smolagents": ("smolagents",),
    "adk": ("google-adk",),
    "crewai": ("crewai",),
    "llama-index": ("llama-index-core",),
}
"""By framework, what is installed beside this package; the first has the adapter."""


def check(server: RunningServer) -> list[Outcome]:
    """Each framework in an environment of its own. One that cannot be had is said to be left out."""
    return [_check(name, server) for name in _PACKAGES]


def _check(name: str, server: RunningServer) -> Outcome:
    packages = _PACKAGES[name]
    try:
        python = python_environment(f"framework-{name}", str(_CHECKOUT), *packages)
    except NotAvailable as error:
        return Outcome(f"{name}: left out ({error})", 0)
    folder = python.parents[2]
    script = folder / _SCRIPT.name
    script.write_text(_SCRIPT.read_text(encoding="utf-8"), encoding="utf-8")
    command: list[str | Path] = [python, script, name, server.url, server.control_token]
    done = run(command, folder, {**_QUIET, "HOME": str(folder)})
    package = packages[0].partition(">")[0]
    said = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    failed = [f"{one['name']}: {one['failed']}" for one in said if one["failed"]]
    if done.returncode:
        failed.append(done.stderr.strip()[-500:])
    return Outcome(f"{package} {version_of(python, package)}", len(said) - len(failed), failed)
