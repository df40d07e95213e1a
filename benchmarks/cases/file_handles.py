"""How many of many calls are answered in a process with few file handles?"""

from __future__ import annotations

from benchmarks.harness import Case, Goal, Official

from . import by_hand, throughput
from .throughput import CLIENT, FLOOR, GRAPH, PACKAGE, TOOL

CASE = Case(
    name="file_handles",
    title="Few file handles",
    text="""\
Runs of 2 seconds, all started at once in a process that may open 256 file handles (what a Mac
gives unless told otherwise), or 1,024 (a usual Linux). Every run that was started is paid for,
whether or not its answer arrives.""",
    ways={
        FLOOR: by_hand.runs,
        CLIENT: throughput.submit_and_wait,
        TOOL: throughput.tool,
        GRAPH: throughput.graph,
        PACKAGE: Official("tool"),
    },
    settings=(
        {"n": 300, "handles": 256, "seconds": 2.0},
        {"n": 3_000, "handles": 1_024, "seconds": 2.0, "ways": (FLOOR, TOOL)},
        {"n": 3_000, "handles": 1_024, "seconds": 2.0, "ways": (CLIENT, GRAPH), "full": True},
    ),
    tiny={"n": 3, "handles": 256, "seconds": 0.01},
    columns={
        "answered": "answered",
        "billed": "billed",
        "wall": "s",
        "cpu": "CPU s",
        "most_open": "most connections at once",
    },
    bars="answered",
    controls=(FLOOR, PACKAGE),
    goals=(
        Goal(
            "256 handles, 300 calls of the tool: answered",
            lambda t: t.median(TOOL, "answered", n=300),
            300,
            at_least=True,
        ),
        Goal(
            "1,024 handles, 3,000 calls of the tool: answered",
            lambda t: t.median(TOOL, "answered", n=3_000),
            3_000,
            at_least=True,
        ),
    ),
    rounds=1,
    limit=90.0,
    budget=45.0,
)
