"""Run a research session of two turns, then kill a worker in the third and resume the session.

    langchain-parallel demo            against the simulator that ships with the package; free
    langchain-parallel demo --live     against the real API, with PARALLEL_API_KEY set; costs money

Needs the extra `demo`: SQLite checkpoints, and what the simulator needs.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from .._core.plain_text import count
from ..client import ParallelClient
from ..errors import ParallelError
from ..processors import price_usd
from ..research import ResearchOutput, Turn, create_research_graph
from ..sessions import InteractionTree
from ..simulator import Fault, RunningServer, Scenario, Simulator, serve
from ..simulator.__main__ import amount
from ..text.format import usd
from ..text.result import answer_text, weak_points
from ..text.untrusted import harmless
from .command_line import command_parser
from .terminal import complain, say

PROCESSOR, FOLLOW_UP = "pro", "core"
FIRST = "Map the competitive landscape of autonomous vehicle companies"
SECOND = (
    "Do a side-by-side comparison of the top two competitors on their technology, product strategy, "
    "main suppliers, and major risks"
)
THIRD = "Which of those risks could change the ranking within the next two years?"
THREAD = "demo"
_SHOWN_CHARS = 3_000


def main(arguments: list[str]) -> int:
    """Run the demo. The exit code is 0 if the killed worker's run was found and not paid for again."""
    parser = command_parser("demo", __doc__)
    parser.add_argument("--live", action="store_true", help="use the real API; this costs money")
    parser.add_argument("--kill", action="store_true", help="with --live: also run the third turn")
    parser.add_argument(
        "--latency-scale",
        type=amount,
        default=0.02,
        help="factor on the duration of simulated runs",
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
            return _run_simulated(server, database)


# --- the session ---------------------------------------------------------------------------------


def _builder() -> Any:
    return create_research_graph(processor=(PROCESSOR, FOLLOW_UP))


def _state(database: Path) -> Mapping[str, Any]:
    """What the session's last checkpoint has."""
    with SqliteSaver.from_conn_string(str(database)) as checkpointer:
        graph = _builder().compile(checkpointer=checkpointer)
        values: Mapping[str, Any] = graph.get_state({"configurable": {"thread_id": THREAD}}).values
        return values


def _answer(question: str | None, database: Path) -> ResearchOutput:
    """Ask on the demo's thread, or resume it if `question` is None. Prints progress; returns the session."""
    return asyncio.run(_stream_answer(question, database))


async def _stream_answer(question: str | None, database: Path) -> ResearchOutput:
    """Awaited, because an interrupt (Ctrl-C) would wait for a blocking step of LangGraph to end."""
    config: Any = {"configurable": {"thread_id": THREAD}}
    given = None if question is None else {"question": question}
    output: Any = {}
    async with AsyncSqliteSaver.from_conn_string(str(database)) as checkpointer:
        graph: Any = _builder().compile(checkpointer=checkpointer)
        stream = graph.astream(given, config, stream_mode=["custom", "values"], durability="sync")
        async for mode, chunk in stream:
            if mode == "custom":
                _show_progress(chunk)
            else:
                output = chunk
    return output  # type: ignore[no-any-return]


def _show_progress(step: Mapping[str, Any]) -> None:
    if "progress" in step and step["progress"] is not None:
        sources = count(step["sources_read"] or 0, "source")
        say(f"  {step['progress']:5.1f} %  {sources} read")
    elif step.get("message"):
        say(f"           {harmless(step['kind'], 40)}: {harmless(step['message'], 300)}")


def _ask(question: str, database: Path) -> ResearchOutput:
    say(f"\n── {question}")
    session = _answer(question, database)
    _show_turn(session["turns"][-1])
    return session


def _show_turn(turn: Turn) -> None:
    answer = answer_text(turn, weak_points(turn), _SHOWN_CHARS)
    say(textwrap.indent(str(answer), "  "))
    if answer.left_out:
        say(f"  and {', '.join(answer.left_out)}")


def _summary(session: ResearchOutput) -> None:
    say("\n── The session")
    say(InteractionTree.of(session).text())
    say(f"  spent: {usd(session['spent_usd'])} in {count(len(session['turns']), 'run')}")


def _killed_turn(database: Path, has_started: Callable[[], bool], pause: float) -> ResearchOutput:
    """Ask in a worker, kill it `pause` seconds after its run has started, and resume the session."""
    say(f"\n── {THIRD}")
    command = [sys.executable, "-m", "langchain_parallel", "demo", "--worker", str(database)]
    worker = subprocess.Popen(command)
    try:
        deadline = time.monotonic() + 60
        while not has_started():
            if time.monotonic() > deadline:
                raise SystemExit("The worker did not start its run in time.")
            time.sleep(0.02)
        time.sleep(pause)
    finally:
        worker.kill()
        worker.wait()
    say("  The worker was killed (SIGKILL). The API continues its run.")
    session = _answer(None, database)
    _show_turn(session["turns"][-1])
    _summary(session)
    return session


# --- simulated ------------------------------------------------------------------------------------


@contextmanager
def _simulator(latency_scale: float) -> Iterator[RunningServer]:
    scenario = Scenario.builtin("announcement")
    with serve(Simulator(latency_scale=latency_scale, scenario=scenario)) as server:
        os.environ["PARALLEL_BASE_URL"] = server.url
        os.environ["PARALLEL_API_KEY"] = "simulated"
        yield server


def _run_simulated(server: RunningServer, database: Path) -> int:
    say(
        f"The simulator answers at {server.url}. Nothing below is a real finding; nothing costs money."
    )
    _ask(FIRST, database)
    _summary(_ask(SECOND, database))
    before = _runcount(server)
    # The worst moment for a crash: the API has started the paid run, and the worker does not know it yet.
    server.simulator.faults.add(Fault("hang", method="POST", path="*/runs", seconds=60.0))
    session = _killed_turn(database, lambda: _runcount(server) > before, pause=0.0)
    return _check_bill(server, session, _runcount(server) - before)


def _runcount(server: RunningServer) -> int:
    billing = server.simulator.billing
    return len(billing.billed_runs()) + len(billing.reserved_runs())


def _check_bill(server: RunningServer, session: ResearchOutput, third: int) -> int:
    total = server.simulator.billing.total_usd
    expected = sum(price_usd(turn["processor"]) or 0.0 for turn in session["turns"])
    right = third == 1 and len(session["turns"]) == 3 and abs(total - expected) < 1e-9
    say(f"\n  Runs billed for the third question: {third}. The API's bill: {usd(total)}.")
    say(
        "  The run of the killed worker was found in the ledger and used."
        if right
        else "  THIS IS WRONG: expected one run, and the sum of the three prices."
    )
    return 0 if right else 1


# --- live -----------------------------------------------------------------------------------------


def _live(database: Path, *, kill: bool) -> int:
    cost = sum(price_usd(processor) or 0.0 for processor in (PROCESSOR, FOLLOW_UP))
    say(f"Two runs on the real API, for about {usd(cost)}.")
    try:
        return _ask_live(database, kill=kill)
    except (ParallelError, KeyboardInterrupt):
        if ledger_id := _state(database).get("ledger_id"):
            complain(
                f"The runs that were started go on, and cost their price. `client.list_runs({ledger_id!r})` "
                "lists them, and `client.result(run_id)` has an answer."
            )
        raise


def _ask_live(database: Path, *, kill: bool) -> int:
    _ask(FIRST, database)
    _summary(_ask(SECOND, database))
    if not kill:
        return 0
    session = _killed_turn(database, lambda: bool(_state(database).get("pending")), pause=2.0)
    with ParallelClient() as client:
        runs = len(client.list_runs(session["ledger_id"]))
    say(f"\n  Runs in the session's ledger: {runs}.")
    return 0 if runs == 3 else 1
