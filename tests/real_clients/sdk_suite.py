"""The official SDK's own tests of tasks and groups, which it keeps for a mock of the API.

They ask for ids that nobody has made and send placeholders ("bar" for the properties of a schema). With ids
and values in their place that there are, all of them pass. Left as they are, each call is answered or refused
in a form that the SDK knows.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from xml.etree import ElementTree as ET

import httpx

from langchain_parallel.simulator import RunningServer

from .environments import python_environment, run, source_of
from .outcome import Outcome

_VERSIONS = ("1.3.7", "0.5.1")
"""Today's, and the one that the official LangChain package asks for."""
_FILES = (
    *("test_task_run.py", "test_task_group.py"),
    *("beta/test_task_run.py", "beta/test_task_group.py", "beta/test_memory.py"),
)
_TOOLS = ("pytest", "pytest-asyncio", "pytest-xdist", "respx", "dirty-equals", "time-machine")
_REFUSALS = ("UnprocessableEntityError", "NotFoundError")
_BARS = ("additionalProperties", "properties", "required", "type")
_PLACEHOLDER_SCHEMA = re.compile(r"\s*".join(f'"{name}": "bar",' for name in _BARS))
_SCHEMA = '"properties": {"a": {"type": "string"}}, "required": ["a"], "type": "object",'


def check(server: RunningServer) -> list[Outcome]:
    """Run the tests of both versions twice: with values that there are, and as they are."""
    found = []
    for version in _VERSIONS:
        python = python_environment(f"sdk-{version}", f"parallel-web[aiohttp]=={version}", *_TOOLS)
        source = source_of(python, f"parallel-web=={version}")
        name = f"parallel-web {version}, its own tests"
        valid = _copy(source, "valid", _values(server))
        passed, failures = _run(python, valid, server)
        found.append(Outcome(f"{name}, valid bodies", passed, failures))
        passed, failures = _run(python, _copy(source, "as-they-are", {}), server)
        others = [each for each in failures if not any(name in each for name in _REFUSALS)]
        refused = len(failures) - len(others)
        found.append(Outcome(f"{name}, placeholders ({refused} refused)", passed, others))
    return found


def _values(server: RunningServer) -> dict[str, str]:
    """What stands for each placeholder."""
    with httpx.Client(base_url=server.url, headers={"x-api-key": "simulated"}) as http:
        group = http.post("/v1/tasks/groups", json={}).json()["taskgroup_id"]
        inputs = {"inputs": [{"input": "q", "processor": "lite"}]}
        run_id = http.post(f"/v1/tasks/groups/{group}/runs", json=inputs).json()["run_ids"][0]
        interaction_id = http.get(f"/v1/tasks/runs/{run_id}").json()["interaction_id"]
    return {
        r'"run_id"': f'"{run_id}"',
        r'"taskgroup_id"': f'"{group}"',
        r'"last_event_id"': '"1"',
        r'"previous_interaction_id"(?!:)': f'"{interaction_id}"',  # the value, not the key
        r'"free": \["string"\]': '"free": ["pubmed"]',
        r'"pay_per_use": \["string"\]': '"pay_per_use": ["carbonarc"]',
        _PLACEHOLDER_SCHEMA.pattern: _SCHEMA,
    }


def _copy(source: Path, name: str, values: dict[str, str]) -> Path:
    """The tests of tasks and groups in a folder of their own, with these values for placeholders."""
    folder = source.parent.parent / name
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "tests" / "api_resources" / "beta").mkdir(parents=True)
    for file in ("__init__.py", "conftest.py", "utils.py"):
        shutil.copy(source / "tests" / file, folder / "tests" / file)
    for package in ("", "beta"):
        (folder / "tests" / "api_resources" / package / "__init__.py").touch()
    for file in _FILES:
        if (path := source / "tests" / "api_resources" / file).exists():
            text = path.read_text()
            for placeholder, value in values.items():
                text = re.sub(placeholder, value, text)
            (folder / "tests" / "api_resources" / file).write_text(text)
    (folder / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\n")
    return folder


def _run(python: Path, folder: Path, server: RunningServer) -> tuple[int, list[str]]:
    """How many tests passed, and of each other one its name and its error."""
    report = folder / "report.xml"
    options = ["-q", "-n", "2", "-p", "no:cacheprovider", "-W", "ignore", f"--junitxml={report}"]
    done = run(
        [python, "-m", "pytest", *options, "tests"], folder, {"TEST_API_BASE_URL": server.url}
    )
    if not report.exists():
        return 0, [(done.stdout + done.stderr)[-1000:]]
    cases = list(ET.parse(report).iter("testcase"))
    failures = [
        f"{case.get('name')}: {fault.get('message', '')[:200]}"
        for case in cases
        for fault in [*case.findall("failure"), *case.findall("error")]
    ]
    skipped = sum(case.find("skipped") is not None for case in cases)
    return len(cases) - len(failures) - skipped, failures
