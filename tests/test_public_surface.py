"""What a package shows is what it declares, and the two clients show the same."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, get_type_hints

import pytest

import langchain_parallel
from langchain_parallel import AsyncParallelClient, ParallelClient

INSIDE = {
    f"langchain_parallel.{name}"
    for name in ("cli", "mcp_server", "text", "research.human_review", "research.steps")
}
"""Packages that other packages use, and users need not know."""


def public_packages() -> Iterator[str]:
    for found in pkgutil.walk_packages(langchain_parallel.__path__, "langchain_parallel."):
        if found.ispkg and "._" not in found.name:
            yield found.name


@pytest.mark.parametrize("name", list(public_packages()))
def test_a_package_shows_what_it_declares(name: str) -> None:
    package = importlib.import_module(name)
    visible = {
        name
        for name in dir(package)
        if not name.startswith("_")
        and not isinstance(getattr(package, name), ModuleType)
        and name != "annotations"  # from __future__
    }
    assert visible == set(package.__all__)


@pytest.mark.parametrize(
    "name", [name for name in ("langchain_parallel", *public_packages()) if name not in INSIDE]
)
def test_every_public_name_is_on_the_reference_page(name: str) -> None:
    page = (Path(__file__).parents[1] / "docs" / "reference" / "names.md").read_text(
        encoding="utf-8"
    )
    section = page.partition(f"## `{name}`\n")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == set(
        importlib.import_module(name).__all__
    )


# --- the top level, whose names are imported when they are used -----------------------------------


def in_a_new_process(code: str) -> str:
    """What some lines print in an interpreter that has imported nothing of ours yet."""
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


def typed_names(module: ModuleType = langchain_parallel) -> Iterator[str]:
    """The names that type checkers and editors see, and that are imported when they are first used."""
    [block] = [
        node
        for node in ast.parse(inspect.getsource(module)).body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "typing.TYPE_CHECKING"
    ]
    for node in block.body:
        if isinstance(node, ast.ImportFrom):
            yield from (alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.AnnAssign):
            yield ast.unparse(node.target)


def test_the_top_level_declares_types_and_imports_the_same_names() -> None:
    declared = langchain_parallel.__all__
    assert declared == sorted(declared)
    assert sorted(typed_names()) == declared
    for name in declared:
        assert getattr(langchain_parallel, name) is not None


def test_the_top_level_shows_what_it_declares() -> None:
    shown = in_a_new_process(
        "import langchain_parallel as top\n"
        "from types import ModuleType\n"
        "names = [n for n in dir(top) if not n.startswith('_')]\n"
        "print(*(n for n in names if not isinstance(getattr(top, n), ModuleType)))"
    )
    assert shown.split() == [name for name in langchain_parallel.__all__ if name != "__version__"]


HEAVY = (
    *("anyio", "asyncio", "httpx", "jsonschema", "langchain", "langchain_core", "langgraph"),
    *("langgraph_sdk", "langsmith", "mcp", "numpy", "psycopg", "pydantic", "requests", "sqlite3"),
    *("starlette", "uvicorn"),
)
"""What takes long to import."""


@pytest.mark.parametrize(
    ("module", "loaded"),
    [
        ("langchain_parallel", ""),
        ("langchain_parallel.models", "pydantic"),
        ("langchain_parallel.client", "anyio asyncio httpx pydantic"),
        ("langchain_parallel.simulator", "asyncio httpx jsonschema pydantic"),
    ],
)
def test_an_import_loads_nothing_heavy_that_it_does_not_need(module: str, loaded: str) -> None:
    code = f"import sys, {module}; print(*(n for n in {HEAVY} if n in sys.modules))"
    assert in_a_new_process(code) == loaded


def test_building_a_graph_imports_nothing_that_only_an_answer_needs() -> None:
    later = (
        *("langchain_core.language_models.chat_models", "langchain_parallel._quantities"),
        *("langchain_parallel.batch", "langchain_parallel.checks.checked_answer"),
        *("langchain_parallel.findings.session_findings", "langchain_parallel.middleware"),
        *("langchain_parallel.parked.sweeper", "langchain_parallel.parked.threads"),
        *("langchain_parallel.research.evaluation.model_evaluator", "langchain_parallel.sessions"),
    )
    code = (
        "import sys, importlib.util\n"
        "from langchain_parallel import create_research_graph\n"
        "create_research_graph(api_key='key')\n"
        f"print(*(name for name in {later} if name in sys.modules))\n"
        f"print(*(name for name in {later} if not importlib.util.find_spec(name)))"
    )
    assert in_a_new_process(code) == ""


def test_what_reads_an_answer_is_imported_before_one_is_paid_for() -> None:
    """For then no file handle may be left."""
    assert (
        in_a_new_process(
            "import sys\n"
            "from langchain_parallel import ParallelClient, create_research_graph\n"
            "from langchain_parallel.simulator import ManualClock, Simulator, SimulatorTransport\n"
            "simulator = Simulator(ManualClock())\n"
            "how = {'transport': SimulatorTransport(simulator), 'clock': simulator.clock}\n"
            "graph = create_research_graph(checks=True, client=ParallelClient('key', **how)).compile()\n"
            "before = None\n"
            "for update in graph.stream({'question': 'Who?'}, stream_mode='updates'):\n"
            "    if 'plan' in update:\n"
            "        before = {*sys.modules}\n"
            "ours = {name for name in {*sys.modules} - before if name.startswith('langchain_parallel')}\n"
            "print(*ours - {'langchain_parallel.simulator.' + n for n in ('basis', 'content')})"
        )
        == ""
    )


LAZY = ("checks", "findings", "parked", "research", "research.evaluation", "scorers")
"""Packages of which some names are imported when they are first used."""


@pytest.mark.parametrize("package", LAZY)
def test_a_lazy_name_is_where_its_package_says(package: str) -> None:
    module = importlib.import_module(f"langchain_parallel.{package}")
    declared = [*typed_names(module)]
    assert declared
    assert sorted(declared) == sorted(module._MODULES)
    assert {*module.__all__} <= {*dir(module)}
    assert all(getattr(module, name) is not None for name in module.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        module.nothing  # noqa: B018


def test_the_first_call_of_a_client_imports_nothing_for_its_connection() -> None:
    """For then no file handle may be left."""
    assert (
        in_a_new_process(
            "import sys\n"
            "from langchain_parallel import ParallelClient\n"
            "from langchain_parallel.models import TaskRunInput\n"
            "from langchain_parallel.simulator import Simulator, serve\n"
            "with serve(Simulator(latency_scale=0.001)) as server:\n"
            "    with ParallelClient('key', server.url) as client:\n"
            "        before = {*sys.modules}\n"
            "        client.wait(client.create(TaskRunInput(input='Who?', processor='lite')).run_id)\n"
            "        print({*sys.modules} - before)"
        )
        == "set()"
    )


def test_a_missing_extra_is_named_and_costs_no_other_name() -> None:
    said = in_a_new_process(
        "import sys\n"
        "sys.modules['langchain'] = None  # as if it were not installed\n"
        "import langchain_parallel as top\n"
        "print('ParallelResearchMiddleware' in dir(top), top.ParallelTaskTool.__name__)\n"
        "try:\n"
        "    from langchain_parallel import ParallelResearchMiddleware\n"
        "except ImportError as error:\n"
        "    print(error)"
    )
    names, error = said.splitlines()
    assert names == "False ParallelTaskTool"
    assert error.endswith("the package 'langchain': pip install 'langchain-parallel[agents]'")


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'ParallelTaskTol'"):
        langchain_parallel.ParallelTaskTol  # type: ignore[attr-defined]  # noqa: B018


CONTEXT = {"__enter__": "__aenter__", "__exit__": "__aexit__"}


def methods(client: type) -> dict[str, Any]:
    """What a client shows, under the blocking client's names."""
    names = {theirs: ours for ours, theirs in CONTEXT.items()}
    return {
        names.get(name, name): value
        for name, value in inspect.getmembers(client)
        if callable(value) and (not name.startswith("_") or name in (*CONTEXT, *names, "__init__"))
    }


BLOCKING, ASYNCHRONOUS = methods(ParallelClient), methods(AsyncParallelClient)


def test_the_two_clients_have_the_same_methods() -> None:
    assert set(BLOCKING) == set(ASYNCHRONOUS)
    assert len(BLOCKING) >= 16


@pytest.mark.parametrize("name", BLOCKING)
def test_a_method_takes_the_same_in_both(name: str) -> None:
    ours, theirs = (inspect.signature(m[name]).parameters for m in (BLOCKING, ASYNCHRONOUS))
    assert list(ours) == list(theirs)
    for parameter in ours:
        one, other = ours[parameter], theirs[parameter]
        assert (one.kind, one.default) == (other.kind, other.default)
        if parameter not in ("http_client", "transport"):
            assert one.annotation == other.annotation


@pytest.mark.parametrize("name", BLOCKING)
def test_a_method_returns_the_same_in_both(name: str) -> None:
    ours, theirs = (get_type_hints(m[name]).get("return") for m in (BLOCKING, ASYNCHRONOUS))
    blocking, awaited = BLOCKING[name], ASYNCHRONOUS[name]
    assert not inspect.iscoroutinefunction(blocking)
    if getattr(ours, "__origin__", None) is Iterator:
        assert getattr(theirs, "__origin__", None) is AsyncIterator
        assert ours.__args__ == theirs.__args__  # type: ignore[union-attr]  # both are generic
        assert not issubclass(type(theirs), Awaitable)
        return
    assert ours == theirs
    assert inspect.iscoroutinefunction(awaited) is (name != "__init__")


@pytest.mark.parametrize("name", [name for name in BLOCKING if not name.startswith("__")])
def test_a_method_is_described_once_and_the_other_client_refers_to_it(name: str) -> None:
    blocking, awaited = inspect.getdoc(BLOCKING[name]), inspect.getdoc(ASYNCHRONOUS[name])
    assert blocking
    refers = re.fullmatch(rf"As `ParallelClient\.{name}`; (awaited|asynchronous)\.", awaited or "")
    assert refers or (name == "close" and awaited == blocking)


def test_every_public_class_and_function_is_described() -> None:
    for name in langchain_parallel.__all__:
        value = getattr(langchain_parallel, name)
        if isinstance(value, type) or inspect.isfunction(value):
            assert inspect.getdoc(value), name
