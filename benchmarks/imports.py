"""How long does it take to import the package, to make its objects, and to render a large result?

    python -m benchmarks.imports [--small] [--rounds 9]

Each import runs in a process of its own, in turn with the others, after a round that is not counted. Time is
that of the processor, which other processes change least, without what Python takes to start. The control
of an import is what its users import in any case.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from langchain_parallel import (
    AsyncParallelClient,
    ParallelClient,
    ParallelResearchMiddleware,
    ParallelTaskTool,
    create_research_graph,
)
from langchain_parallel.models import TaskRunResult
from langchain_parallel.text.result import render

from .figures import Row, option_parser, save, show, table

BARE = "pass"
IMPORTS = {
    "import langchain_parallel": BARE,
    "import langgraph.graph, langchain_parallel": "import langgraph.graph",
    "import langchain_parallel.client": "import asyncio, httpx; from pydantic import BaseModel",
    "from langchain_parallel import ParallelTaskTool": "import langgraph.prebuilt",
    "from langchain_parallel import create_research_graph": "import langgraph.graph",
    "from langchain_parallel import ParallelResearchMiddleware": "import langchain.agents",
}
"""By import: its control."""
OBJECTS: dict[str, Callable[[], Any]] = {
    "ParallelClient": lambda: ParallelClient("key"),
    "AsyncParallelClient": lambda: AsyncParallelClient("key"),
    "ParallelTaskTool": lambda: ParallelTaskTool(api_key="key"),
    "create_research_graph": lambda: create_research_graph(api_key="key"),
    "ParallelResearchMiddleware": lambda: ParallelResearchMiddleware(api_key="key"),
}
FIELDS, CITATIONS = 124, 610
"""Of the large result."""


def import_cpu(statement: str) -> tuple[float, int]:
    """The milliseconds of processor time that a process with this statement takes, and its modules."""
    code = f"import sys; {statement}; print(len(sys.modules))"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout as output:
        modules = int(output.read())
    _, process.returncode, used = os.wait4(process.pid, 0)
    return (used.ru_utime + used.ru_stime) * 1e3, modules


def import_rows(rounds: int, imports: dict[str, str] = IMPORTS) -> list[Row]:
    """Each import beside its control: medians of milliseconds, and modules that are loaded."""
    statements = list(dict.fromkeys([BARE, *imports, *imports.values()]))
    seen = [{one: import_cpu(one) for one in statements} for _ in range(rounds + 1)][1:]
    took = {one: median(figures[one][0] for figures in seen) for one in statements}
    loaded = {one: seen[-1][one][1] for one in statements}
    return [
        {
            "import": one,
            "ms": round(took[one] - took[BARE], 1),
            "modules": loaded[one] - loaded[BARE],
            "control": "" if control == BARE else control,
            "control ms": round(took[control] - took[BARE], 1),
            "control modules": loaded[control] - loaded[BARE],
        }
        for one, control in imports.items()
    ]


def cpu_ms(work: Callable[[], Any], times: int) -> list[float]:
    """The milliseconds of processor time that each of several calls takes."""
    took = []
    for _ in range(times):
        begun = time.process_time()
        work()
        took.append((time.process_time() - begun) * 1e3)
    return took


def object_rows(times: int) -> list[Row]:
    """What it takes to make each object: the first one of a process, and later ones."""
    made = {name: cpu_ms(make, times + 1) for name, make in OBJECTS.items()}
    return [
        {"object": name, "first ms": round(took[0], 2), "later ms": round(median(took[1:]), 2)}
        for name, took in made.items()
    ]


def large_result(fields: int = FIELDS, citations: int = CITATIONS) -> TaskRunResult:
    """A result that renders to about four times the tool's limit, with an answer that fits into it."""
    sources = [
        {
            "url": f"https://site-{n % 97}.example/reports/2026/chapter/page-{n}",
            "title": f"Report number {n} of a company",
            "excerpts": ["An excerpt of some length. " * 5],
        }
        for n in range(citations)
    ]
    names = [f"field_{n}_of_the_company" for n in range(fields)]
    shared = -(-citations // fields)
    evidence = [
        {
            "field": name,
            "reasoning": "Because of this and that. " * 6,
            "confidence": ("high", "medium", "low")[n % 3],
            "citations": [sources[(n * shared + k) % citations] for k in range(shared)],
        }
        for n, name in enumerate(names)
    ]
    run = {"run_id": "trun_1", "interaction_id": "trun_1", "status": "completed"}
    output = {"type": "json", "content": dict.fromkeys(names, "A sentence of some length. " * 4)}
    return TaskRunResult.model_validate({"run": run, "output": {**output, "basis": evidence}})


def render_rows(times: int) -> list[Row]:
    """What it takes to render the large result."""
    result = large_result()
    text = render(result)
    took = median(cpu_ms(lambda: render(result), times))
    return [
        {
            "fields": FIELDS,
            "citations": CITATIONS,
            "characters": len(text),
            "whole": len(render(result, max_chars=None)),
            "ms": round(took, 2),
        }
    ]


def main() -> None:
    """Measure, print and save."""
    parser = option_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="times that each import runs")
    options = parser.parse_args()
    rounds = 1 if options.small else options.rounds
    objects, rendered = object_rows(10 * rounds), render_rows(10 * rounds)
    imports = import_rows(rounds)
    for rows in (imports, objects, rendered):
        show(table(rows))
        show()
    if not options.small:
        save("imports", {"imports": imports, "objects": objects, "render": rendered})


if __name__ == "__main__":
    main()
