"""How long does it take to import the package, and to make its objects?"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from statistics import median

from benchmarks.harness import Case, Goal
from benchmarks.standalone.job import Job

TOP, BELOW_TOP = "langgraph.graph, langchain_parallel", "langgraph.graph"
IMPORTS = {
    "nothing": "pass",
    "langchain_parallel": "import langchain_parallel",
    BELOW_TOP: "import langgraph.graph",
    TOP: "import langgraph.graph, langchain_parallel",
    "httpx, pydantic": "import asyncio, httpx; from pydantic import BaseModel",
    "langchain_parallel.client": "import langchain_parallel.client",
    "create_research_graph": "from langchain_parallel import create_research_graph",
    "langgraph.prebuilt": "import langgraph.prebuilt",
    "ParallelTaskTool": "from langchain_parallel import ParallelTaskTool",
    "langchain.agents": "import langchain.agents",
    "ParallelResearchMiddleware": "from langchain_parallel import ParallelResearchMiddleware",
}
OBJECTS = {
    "making a client": "ParallelClient('key')",
    "making an asynchronous client": "AsyncParallelClient('key')",
    "making a tool": "ParallelTaskTool(api_key='key')",
    "making a graph": "create_research_graph(api_key='key')",
    "making a middleware": "ParallelResearchMiddleware(api_key='key')",
}


def importing(statement: str, job: Job) -> None:
    """A process that does this and ends: seconds of CPU in all, and the modules that are loaded. Its modules
    have been compiled before, as pip does when it installs them.
    """
    code = f"import sys; {statement}; print(len(sys.modules))"
    _run(code)
    job.figures["modules"], job.figures["cpu_ms"] = _run(code)


def _run(code: str) -> tuple[int, float]:
    """What a process prints, and its milliseconds of CPU."""
    from os import environ, wait4

    kept = {k: v for k, v in environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=kept)
    assert process.stdout is not None
    with process.stdout as output:
        printed = int(output.read())
    _, process.returncode, used = wait4(process.pid, 0)
    return printed, (used.ru_utime + used.ru_stime) * 1e3


def making(expression: str, job: Job) -> None:
    """An object: the first of the process, and the median of later ones."""
    import langchain_parallel

    make = compile(expression, "benchmark", "eval")
    names = {name: getattr(langchain_parallel, name) for name in make.co_names}
    took = []
    for _ in range(1 + int(job.setting["times"])):
        begun = time.process_time()
        eval(make, names)
        took.append((time.process_time() - begun) * 1e3)
    job.figures["first_ms"] = took[0]
    job.figures["cpu_ms"] = median(took[1:])


def _goal(name: str) -> Goal:
    """Each object is to be made within 5 ms of CPU."""
    return Goal(
        f"{name}, the first of a process: CPU ms", lambda t: t.median(name, "first_ms"), 5.0
    )


_WAYS: dict[str, Callable[[Job], object]] = {
    **{name: partial(importing, statement) for name, statement in IMPORTS.items()},
    **{name: partial(making, expression) for name, expression in OBJECTS.items()},
}

CASE = Case(
    name="imports",
    title="Importing and making",
    text="""\
Each import runs in a process of its own, with all that it takes to start Python (*nothing*);
above each of ours stands what its users import in any case. All modules are compiled already, as
after an installation. CPU time, because other processes change it least. Of objects, the time of
a later one of the same process, and that of the first.""",
    ways=_WAYS,
    settings=({"times": 20},),
    tiny={"times": 1, "ways": ("nothing", "langchain_parallel", "making a client")},
    columns={"cpu_ms": "CPU ms", "first_ms": "first, CPU ms", "modules": "modules"},
    bars="cpu_ms",
    controls=("nothing", BELOW_TOP, "httpx, pydantic", "langgraph.prebuilt", "langchain.agents"),
    goals=(
        Goal(
            "`import langgraph.graph, langchain_parallel`: CPU time, relative to `langgraph.graph` alone",
            lambda t: t.ratio(TOP, BELOW_TOP, "cpu_ms"),
            1.1,
        ),
        *map(_goal, OBJECTS),
    ),
    rounds=7,
    budget=65.0,
    has_server=False,
)
