"""A package that only an extra installs: where it is missing, every entrance says which extra to install."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from langchain_parallel._core.extras import EXTRAS

# Python 3.10 has what pytest brings along.
tomllib = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")

ROOT = Path(__file__).parents[1]
OF_USERS = {
    *(
        "agents",
        "simulator",
        "sqlite",
        "postgres",
        "webhooks",
        "mcp",
        "otel",
        "reports",
        "progress",
        "demo",
    ),
}

ENTRANCES = [
    # hidden modules, what is called, the extra
    ("langchain", "import langchain_parallel.middleware", "agents"),
    ("langchain", "from langchain_parallel import ParallelResearchMiddleware", "agents"),
    ("langchain", "from langchain_parallel.middleware import sources", "agents"),
    ("jsonschema", "import langchain_parallel.simulator", "simulator"),
    ("jsonschema", "import langchain_parallel.simulator.fixtures", "simulator"),
    ("jsonschema", "main(['simulator'])", "simulator"),
    ("jsonschema", "main(['demo'])", "demo"),
    ("langgraph.checkpoint.sqlite", "main(['demo'])", "demo"),
    ("starlette", "import langchain_parallel.webhooks as w; w.webhook_app(0, secrets=[])", "webhooks"),
    ("starlette", "from langchain_parallel.server.entry_points import app", "webhooks"),
    ("starlette", "import langchain_parallel.server.entry_points as e; e.make_app()", "webhooks"),
    ("mcp", "main(['mcp'])", "mcp"),
    ("opentelemetry", "import langchain_parallel.observability as o; o.instrument()", "otel"),
    ("langgraph.checkpoint.postgres", "main(['sweep', '--graph', 'graph_in_postgres:graph'])", "postgres"),
    ("langgraph.checkpoint.sqlite", "main(['sweep', '--graph', 'graph_in_sqlite:graph'])", "sqlite"),
]  # fmt: skip

WITHOUT_ANY = [
    "import langchain_parallel.webhooks, langchain_parallel.server, langchain_parallel.parked",
    "import langchain_parallel.sessions, langchain_parallel.tools, langchain_parallel.research",
    "import langchain_parallel.client, langchain_parallel.cli.check, langchain_parallel.cli.sweep",
    "from langchain_parallel.webhooks import receive",
    "from langchain_parallel.observability import log_questions; log_questions()",
    "from langchain_parallel import SessionReport; SessionReport().to_html()",
]
"""What needs no extra."""

CODE = """
import io, json, os, sys
from contextlib import redirect_stderr
import langchain_parallel, langgraph.graph, langchain_core.tools
from langchain_parallel.cli import main

for hidden, code in json.load(sys.stdin):
    read, write = os.pipe()
    child = os.fork()
    if not child:
        for name in [*sys.modules, *hidden]:
            if any(name == each or name.startswith(each + ".") for each in hidden):
                sys.modules[name] = None
        said = io.StringIO()
        try:
            with redirect_stderr(said):
                exec(code, {"main": main})
        except ImportError as error:
            print(error, file=said)
        os.write(write, said.getvalue().encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What each entrance says."""
    folder = tmp_path_factory.mktemp("graphs")
    for name, class_name in (("sqlite", "SqliteSaver"), ("postgres", "PostgresSaver")):
        line = f"from langgraph.checkpoint.{name} import {class_name}\n"
        (folder / f"graph_in_{name}.py").write_text(line)
    asked: list[Any] = [([hidden], code) for hidden, code, _ in ENTRANCES]
    asked += [(list(EXTRAS), code) for code in WITHOUT_ANY]
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


@needs_fork
@pytest.mark.parametrize("row", range(len(ENTRANCES)), ids=lambda row: " ".join(ENTRANCES[row]))
def test_every_entrance_says_which_extra_is_missing(row: int, said: list[str]) -> None:
    hidden, _, extra = ENTRANCES[row]
    assert f"pip install 'langchain-parallel[{extra}]'" in said[row]
    assert hidden in said[row]
    assert "Traceback" not in said[row]


@needs_fork
def test_all_else_needs_none(said: list[str]) -> None:
    assert said[len(ENTRANCES) :] == [""] * len(WITHOUT_ANY)


def test_every_extra_and_each_of_its_packages_is_known() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "optional-dependencies"
    ]
    assert set(extras) == OF_USERS
    assert {extra for _, _, extra in ENTRANCES} == OF_USERS - {
        "reports",
        "progress",
    }  # never demanded
    module = {
        "langgraph-checkpoint-sqlite": "langgraph.checkpoint.sqlite",
        "langgraph-checkpoint-postgres": "langgraph.checkpoint.postgres",
        "markdown-it-py": "markdown_it",
        "opentelemetry-api": "opentelemetry",
    }
    for extra in OF_USERS - {"demo"}:
        for package in (re.split(r"[<>=\[; ]", line)[0] for line in extras[extra]):
            if package not in ("h11", "langchain-parallel"):  # httpx needs it, too; another extra
                assert EXTRAS[module.get(package, package)] == extra
