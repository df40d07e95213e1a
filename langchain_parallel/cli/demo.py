"""Run a research session of two turns, then kill a worker in the third and resume the session.

    langchain-parallel demo            against the simulator that ships with the package; free
    langchain-parallel demo --live     against the real API, with PARALLEL_API_KEY set; costs money

Needs the extra `demo`: SQLite checkpoints, and h11 for the simulator's server.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from langgraph.checkpoint.sqlite import SqliteSaver

from ..processors import price_usd
from ..research import ResearchOutput, Turn, create_research_graph
from ..sessions import InteractionTree
from ..simulator import Fault, RunningServer, Scenario, Simulator, serve
from .command_line import command_parser

PROCESSOR, FOLLOW_UP = "pro", "core-fast"
FIRST = "Map the competitive landscape of autonomous vehicle companies"
SECOND = (
    "Do a side-by-side comparison of the top two competitors on their technology, product strategy, "
    "main suppliers, and major risks"
)
THIRD = "Which of those risks could change the ranking within the next two years?"
THREAD = "demo"


def main(arguments: list[str]) -> int:
    """Run the demo. The exit code is 0 if the killed worker's run was found and not paid for again."""
    parser = command_parser("demo", __doc__)
    parser.add_argument("--live", action="store_true", help="use the real API; this costs money")
    parser.add_argument("--kill", action="store_true", help="with --live: also run the third turn")
    parser.add_argument(
        "--latency-scale", type=float, default=0.02, help="factor on the duration of simulated runs"
    )
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.worker:
        _answer(THIRD, options.worker)
        return 0
    if options.live and not os.environ.get("PARALLEL_API_KEY"):
        parser.error(
            "--live needs a key: set PARALLEL_API_KEY, or use the simulator without --live"
        )
    if options.kill and not options.live:
        parser.error("--kill goes with --live; the simulated demo always kills a worker")
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "checkpoints.sqlite"
        if options.live:
            return _live(database, kill=options.kill)
        with _simulator(options.latency_scale) as server:
            return _simulated(server, database)


# --- the session ---------------------------------------------------------------------------------


@contextmanager
def _graph(database: Path) -> Iterator[Any]:
    with SqliteSaver.from_conn_string(str(database)) as checkpointer:
        graph = create_research_graph(processor=(PROCESSOR, FOLLOW_UP))
        yield graph.compile(checkpointer=checkpointer)


def _answer(question: str | None, database: Path) -> ResearchOutput:
    """Ask on the demo's thread, or resume it if `question` is None. Prints progress; returns the session."""
    config: Any = {"configurable": {"thread_id": THREAD}}
    given = None if question is None else {"question": question}
    output: Any = {}
    with _graph(database) as graph:
        stream = graph.stream(given, config, stream_mode=["custom", "values"], durability="sync")
        for mode, chunk in stream:
            if mode == "custom":
                _show_progress(chunk)
            else:
                output = chunk
    return output  # type: ignore[no-any-return]


def _show_progress(step: Mapping[str, Any]) -> None:
    if "progress" in step and step["progress"] is not None:
        sources = _count(step["sources_read"] or 0, "source")
        print(f"  {step['progress']:5.1f} %  {sources} read", flush=True)
    elif step.get("message"):
        print(f"           {step['kind']}: {step['message']}", flush=True)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _ask(question: str, database: Path) -> ResearchOutput:
    print(f"\n── {question}", flush=True)
    session = _answer(question, database)
    _show_turn(session["turns"][-1])
    return session


def _show_turn(turn: Turn) -> None:
    content = turn["content"]
    fields = content if isinstance(content, dict) else {"answer": content}
    width = max((len(name) for name in fields), default=0)
    for name, value in fields.items():
        for index, item in enumerate(value if isinstance(value, list) else [value]):
            print(f"  {name if index == 0 else '':>{width}}  {_short(item)}")
    print("  sources:")
    for citation in turn["citations"][:6]:
        print(f"    [{citation['number']}] {citation['title'] or ''} {citation['url']}")
    more = len(turn["citations"]) - 6
    if more > 0:
        print(f"    and {more} more")
    if turn["unsupported_fields"]:
        print(f"  not well supported: {', '.join(turn['unsupported_fields'])}")


def _short(value: object, max_chars: int = 150) -> str:
    if isinstance(value, dict):
        value = "; ".join(f"{name}: {part}" for name, part in value.items())
    text = " ".join(str(value).split())
    return text if len(text) <= max_chars else text[: max_chars - 1] + "…"


def _summary(session: ResearchOutput) -> None:
    print("\n── The session")
    print(InteractionTree.of(session).text())
    print(f"  spent: ${session['spent_usd']:.3f} in {_count(len(session['turns']), 'run')}")


# --- simulated, with a kill ----------------------------------------------------------------------


@contextmanager
def _simulator(latency_scale: float) -> Iterator[RunningServer]:
    scenario = Scenario.builtin("announcement")
    with serve(Simulator(latency_scale=latency_scale, scenario=scenario)) as server:
        os.environ["PARALLEL_BASE_URL"] = server.url
        os.environ["PARALLEL_API_KEY"] = "simulated"
        yield server


def _simulated(server: RunningServer, database: Path) -> int:
    print(
        f"The simulator answers at {server.url}. Nothing below is a real finding; nothing costs money."
    )
    _ask(FIRST, database)
    session = _ask(SECOND, database)
    _summary(session)
    before = _runs(server)
    # The worst moment for a crash: the API has started the paid run, and the worker does not know it yet.
    server.simulator.faults.add(Fault("hang", method="POST", path="*/runs", seconds=60.0))
    print(f"\n── {THIRD}")
    worker = _start_worker(database)
    _wait_until(lambda: _runs(server) > before)
    _kill(worker)
    print(
        "  The worker was killed (SIGKILL) after the API had started its run, before the response arrived."
    )
    session = _answer(None, database)
    _show_turn(session["turns"][-1])
    _summary(session)
    return _check_bill(server, session, _runs(server) - before)


def _runs(server: RunningServer) -> int:
    billing = server.simulator.billing
    return len(billing.billed_runs()) + len(billing.reserved_runs())


def _check_bill(server: RunningServer, session: ResearchOutput, third: int) -> int:
    total = server.simulator.billing.total_usd
    expected = sum(price_usd(turn["processor"]) or 0.0 for turn in session["turns"])
    right = third == 1 and len(session["turns"]) == 3 and abs(total - expected) < 1e-9
    print(f"\n  Runs billed for the third question: {third}. The API's bill: ${total:.3f}.")
    print(
        "  The run of the killed worker was found in the ledger and used."
        if right
        else "  THIS IS WRONG: expected one run, and the sum of the three prices."
    )
    return 0 if right else 1


# --- live ----------------------------------------------------------------------------------------


def _live(database: Path, *, kill: bool) -> int:
    cost = price_usd(PROCESSOR), price_usd(FOLLOW_UP)
    print(f"Two runs on the real API, for about ${sum(c or 0 for c in cost):.3f}.")
    _ask(FIRST, database)
    session = _ask(SECOND, database)
    _summary(session)
    if not kill:
        return 0
    print(f"\n── {THIRD}")
    worker = _start_worker(database)
    _wait_until(lambda: _state(database).get("pending") is not None, seconds=60)
    time.sleep(2.0)
    _kill(worker)
    print("  The worker was killed (SIGKILL).")
    session = _answer(None, database)
    _show_turn(session["turns"][-1])
    _summary(session)
    ledger_runs = _ledger_size(session["ledger_id"])
    print(f"\n  Runs in the session's ledger: {ledger_runs}.")
    return 0 if ledger_runs == 3 else 1


def _state(database: Path) -> Mapping[str, Any]:
    with _graph(database) as graph:
        values: Mapping[str, Any] = graph.get_state({"configurable": {"thread_id": THREAD}}).values
        return values


def _ledger_size(ledger_id: str) -> int:
    from ..client import ParallelClient

    with ParallelClient() as client:
        return len(client.list_runs(ledger_id))


# --- processes -----------------------------------------------------------------------------------


def _start_worker(database: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "langchain_parallel", "demo", "--worker", str(database)]
    return subprocess.Popen(command)


def _kill(worker: subprocess.Popen[bytes]) -> None:
    worker.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
    worker.wait()


def _wait_until(condition: Callable[[], bool], *, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit("The worker did not start its run in time.")
        time.sleep(0.02)
