"""Research seen while it works: in a block, by every door, on a terminal, in a notebook, and nowhere else."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import pytest
from langchain.agents import create_agent

from langchain_parallel import (
    ParallelClient,
    ParallelResearchMiddleware,
    ParallelTaskTool,
    aresearch_table,
    create_research_graph,
    research_table,
    show_progress,
)
from langchain_parallel._graph.observers import OBSERVER, Update
from langchain_parallel.batch import stream_table
from langchain_parallel.display import screens, shown_block
from langchain_parallel.display.board import Board
from langchain_parallel.errors import ParallelError, RunFailed
from langchain_parallel.simulator import ManualClock, RunScript, Scenario, Simulator
from langchain_parallel.testing import ScriptedModel, call, simulated_client

from .screens_of_tests import Terminal, in_notebook

How = Literal["sync", "async"]
QUESTION = "Who makes bikes?"
HOSTILE = "\x1b[2J\x1b]0;owned\x07[bold red]x[/] <script>alert(1)</script>\u202e\nsecond line"


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def simulator() -> Simulator:
    return Simulator(ManualClock())


@pytest.fixture
def client(simulator: Simulator) -> ParallelClient:
    return simulated_client(simulator)


@pytest.fixture
def terminal() -> Terminal:
    return Terminal()


@contextmanager
def stderr_is(terminal: Terminal) -> Iterator[Terminal]:
    """Standard error is a terminal. (A fixture would be too early: pytest sets its own after it.)"""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", terminal)
        yield terminal


def invoke(how: How, door: Any, given: Any) -> Any:
    return door.invoke(given) if how == "sync" else asyncio.run(door.ainvoke(given))


# --- every door ------------------------------------------------------------------------------------


def by_tool(client: ParallelClient, how: How) -> None:
    invoke(how, ParallelTaskTool(client=client, processor="pro"), QUESTION)


def by_graph(client: ParallelClient, how: How) -> None:
    graph = create_research_graph(client=client, processor="pro").compile()
    invoke(how, graph, {"question": QUESTION})


def by_middleware(client: ParallelClient, how: How) -> None:
    model = ScriptedModel(
        call("start_research", question=QUESTION), call("check_research"), "Done."
    )
    middleware = ParallelResearchMiddleware(client=client, processor="pro")
    agent = create_agent(model, middleware=[middleware])
    invoke(how, agent, {"messages": [("user", "Go.")]})


def by_agent(client: ParallelClient, how: How) -> None:
    model = ScriptedModel(call("parallel_task", input=QUESTION), "Done.")
    agent = create_agent(model, tools=[ParallelTaskTool(client=client, processor="pro")])
    invoke(how, agent, {"messages": [("user", "Go.")]})


DOORS: list[Callable[[ParallelClient, How], None]] = [by_tool, by_graph, by_middleware, by_agent]


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
@pytest.mark.parametrize("how", ["sync", "async"])
def test_a_run_of_each_door_is_shown(
    client: ParallelClient, terminal: Terminal, door: Any, how: How
) -> None:
    with show_progress(file=terminal):
        door(client, how)
    for shown in (QUESTION, "pro", "completed", "Writing the answer", "$0.10", "1 run"):
        assert shown in terminal.text
    assert "sources read" in terminal.text


@pytest.mark.parametrize("how", ["sync", "async"])
def test_a_table_is_one_line_with_its_rows(
    client: ParallelClient, terminal: Terminal, how: How
) -> None:
    rows, question = [{"c": "x"}, {"c": "y"}, {"c": "z"}], "Who runs {c}?"
    with show_progress(file=terminal):
        if how == "sync":
            table = research_table(rows, question, client=client)
        else:
            table = asyncio.run(aresearch_table(rows, question, client=client))
    assert table.cost_usd == 0.03
    for shown in (question, "3 of 3 rows", "completed", "$0.03 so far", "3 runs"):
        assert shown in terminal.text


@pytest.mark.parametrize("how", ["sync", "async"])
def test_each_call_of_a_batch_is_shown(
    client: ParallelClient, terminal: Terminal, how: How
) -> None:
    tool = ParallelTaskTool(client=client, processor="base")
    with show_progress(file=terminal):
        if how == "sync":
            tool.batch(["Who leads A?", "Who leads B?"])
        else:
            asyncio.run(tool.abatch(["Who leads A?", "Who leads B?"]))
    for shown in ("Who leads A?", "Who leads B?", "2 runs · $0.02 so far"):
        assert shown in terminal.text


def test_a_quick_turn_is_shown(client: ParallelClient, terminal: Terminal) -> None:
    graph = create_research_graph(client=client, processor="chat:lite").compile()
    with show_progress(file=terminal):
        graph.invoke({"question": QUESTION})
    assert QUESTION in terminal.text
    assert "completed" in terminal.text


# --- a call by hand --------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["sync", "async"])
def test_progress_of_a_call_by_hand(client: ParallelClient, terminal: Terminal, how: How) -> None:
    tool = ParallelTaskTool(client=client, processor="pro")
    with stderr_is(terminal):
        tool.research(QUESTION)
        assert not terminal.getvalue()
        if how == "sync":
            tool.research(QUESTION, progress=True)
        else:
            asyncio.run(tool.aresearch(QUESTION, progress=True))
    assert QUESTION in terminal.text
    assert "$0.10 so far" in terminal.text


def test_progress_of_a_table(client: ParallelClient, terminal: Terminal) -> None:
    with stderr_is(terminal):
        research_table(["a", "b"], client=client)
        assert not terminal.getvalue()
        for row in stream_table(["a", "b"], client=client, progress=True):
            assert row.error is None
            assert OBSERVER.get() is None  # a generator leaves nothing in its caller's context
    assert "2 of 2 rows" in terminal.text


def test_a_table_that_is_never_read_opens_no_screen(client: ParallelClient) -> None:
    with stderr_is(Terminal()):
        rows = stream_table(["a"], client=client, progress=True)
        assert not shown_block._ON_SCREEN
        next(rows)
        assert shown_block._ON_SCREEN
        rows.close()
    assert not shown_block._ON_SCREEN


def test_calls_beside_each_other_share_one_screen(
    client: ParallelClient, terminal: Terminal
) -> None:
    tool = ParallelTaskTool(client=client, processor="pro")

    async def ask() -> None:
        asked = (tool.aresearch(f"Who leads {c}?", progress=True) for c in "AB")
        await asyncio.gather(*asked)

    with stderr_is(terminal):
        asyncio.run(ask())
    *_, first, second, total = terminal.text.rstrip().splitlines()
    assert {"Who leads A?", "Who leads B?"} == {first[1:13], second[1:13]}
    assert total.startswith("2 runs")


def test_an_inner_block_shows_its_runs_in_the_outer_one(
    client: ParallelClient, terminal: Terminal
) -> None:
    tool = ParallelTaskTool(client=client, processor="pro")
    with show_progress(file=terminal):
        with show_progress(file=terminal):
            tool.invoke("Inner?")
        tool.invoke("Outer?")
    assert "2 runs" in terminal.text
    assert OBSERVER.get() is None
    assert not shown_block._ON_SCREEN


# --- where nobody looks ----------------------------------------------------------------------------


def test_nothing_is_drawn_without_a_terminal(
    client: ParallelClient, capsys: pytest.CaptureFixture[str]
) -> None:
    with show_progress():
        assert OBSERVER.get() is None
        ParallelTaskTool(client=client).research(QUESTION, progress=True)
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "")


def test_nothing_is_drawn_before_a_run(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = in_notebook(monkeypatch)
    with show_progress(file=terminal), show_progress():
        pass
    assert (terminal.getvalue(), notebook.shown) == ("", [])


def test_there_may_be_no_standard_error(
    client: ParallelClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    with show_progress(force=True):
        ParallelTaskTool(client=client).invoke(QUESTION)


def test_by_force_the_last_table_is_written(
    client: ParallelClient, capsys: pytest.CaptureFixture[str]
) -> None:
    with show_progress(force=True):
        ParallelTaskTool(client=client).invoke(QUESTION)
    said = capsys.readouterr().err
    assert said.count(QUESTION) == 1
    assert "\x1b" not in said


def test_without_rich_lines_are_written(
    client: ParallelClient, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("rich", "rich.table", "rich.text", "rich.console", "rich.live"):
        monkeypatch.setitem(sys.modules, name, None)
    with show_progress(file=terminal):
        ParallelTaskTool(client=client, processor="pro").invoke(HOSTILE)
    first, *_, last, total = terminal.getvalue().splitlines()
    assert first.endswith("| pro | queued")
    assert "completed" in last
    assert total.startswith("1 run")
    assert "\x1b" not in terminal.getvalue()


# --- a notebook ------------------------------------------------------------------------------------


def test_a_notebook_has_one_output_that_is_replaced(
    client: ParallelClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = in_notebook(monkeypatch)
    with show_progress():
        ParallelTaskTool(client=client, processor="pro").invoke(QUESTION)
    assert notebook.displays == 1
    assert "queued" in notebook.shown[0]
    assert "completed" in notebook.shown[-1]
    assert "$0.10 so far" in notebook.shown[-1]


def test_hostile_text_is_text(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"match": {"regex": "."}, "progress": [{"type": "plan", "message": HOSTILE}]}
    scenario = Scenario.parse({"turns": [said]})
    client = simulated_client(Simulator(ManualClock(), scenario=scenario))
    notebook = in_notebook(monkeypatch)
    for block in (show_progress(), show_progress(file=terminal)):
        with block:
            ParallelTaskTool(client=client, processor="pro").invoke(HOSTILE)
    page = notebook.shown[-1]
    assert "<script" not in page
    assert page.count("&lt;script&gt;") == 2  # question and message
    assert "\x1b[2J" not in terminal.getvalue()
    assert "\x1b]0" not in terminal.getvalue()
    assert "\x07" not in terminal.getvalue()
    assert "\u202e" not in terminal.getvalue() + page
    assert "[bold red]x[/] <script>alert(1)</script> second line" in terminal.text  # no markup
    *_, last, _ = terminal.text.rstrip().splitlines()
    assert last.count("[bold red]x[/]") == 2


# --- what goes wrong -------------------------------------------------------------------------------


class Broken(Terminal):
    def write(self, _: str) -> int:
        raise OSError("no terminal any more")


@pytest.mark.parametrize("has_rich", [True, False])
def test_an_error_of_the_display_costs_no_answer(
    client: ParallelClient, monkeypatch: pytest.MonkeyPatch, has_rich: bool
) -> None:
    if not has_rich:
        monkeypatch.setitem(sys.modules, "rich.table", None)
    with show_progress(file=Broken()):
        answer = ParallelTaskTool(client=client).research(QUESTION)
    assert answer.text
    assert not shown_block._ON_SCREEN


def test_an_error_that_the_screen_cannot_be_found_costs_no_answer(
    client: ParallelClient, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("no screen")

    monkeypatch.setattr(shown_block, "find_screen", fails)
    with show_progress(file=terminal):
        assert ParallelTaskTool(client=client).research(QUESTION).text


def test_an_error_of_the_block_is_raised_and_the_table_is_drawn(
    simulator: Simulator, client: ParallelClient, terminal: Terminal
) -> None:
    simulator.scripts.add(RunScript("failed"))
    tool = ParallelTaskTool(client=client, processor="pro")
    with pytest.raises(RunFailed), show_progress(file=terminal):
        tool.research(QUESTION)
    assert "failed" in terminal.text
    assert OBSERVER.get() is None


def test_a_run_that_nobody_waits_for_any_longer_goes_on(
    client: ParallelClient, terminal: Terminal
) -> None:
    tool = ParallelTaskTool(client=client, processor="pro", timeout=1)
    with pytest.raises(ParallelError), show_progress(file=terminal):
        tool.research(QUESTION)
    assert "goes on" in terminal.text
    assert "1 run · $0.00 so far" in terminal.text


def test_no_thread_is_left(client: ParallelClient, terminal: Terminal) -> None:
    before = {*threading.enumerate()}
    with show_progress(file=terminal):
        ParallelTaskTool(client=client).invoke(QUESTION)
    assert [one for one in threading.enumerate() if one not in before and one.is_alive()] == []


def test_a_block_may_end_in_another_context(client: ParallelClient, terminal: Terminal) -> None:
    block = show_progress(file=terminal)
    contextvars.copy_context().run(block.__enter__)
    block.__exit__(None, None, None)
    assert not shown_block._ON_SCREEN
    gc.collect()


def test_other_threads_are_shown_in_a_copy_of_the_context(
    client: ParallelClient, terminal: Terminal
) -> None:
    tool = ParallelTaskTool(client=client, processor="pro")
    with show_progress(file=terminal):
        shown = contextvars.copy_context().run
        threads = [
            threading.Thread(target=shown, args=(tool.invoke, "Mine?")),
            threading.Thread(target=tool.invoke, args=("Another user's?",)),
        ]
        for thread in threads:
            thread.start()
            thread.join()
    assert "Mine?" in terminal.text
    assert "Another" not in terminal.text


# --- the board -------------------------------------------------------------------------------------


def test_of_many_runs_those_on_the_way_are_shown() -> None:
    board = Board(clock=lambda: 0.0)
    for nth in range(100):
        board.take(Update(key=str(nth), question=f"Q{nth}", processor="base"))
        if nth < 90:
            ended = Update(key=str(nth), status="completed", cost_usd=0.01, has_ended=True)
            board.take(ended)
    shown = [line[0] for line in board.lines()]
    assert shown == [f"Q{nth}" for nth in range(85, 100)]
    assert board.total() == "100 runs, 10 on the way · 85 not shown · $0.90 so far"


def test_an_unknown_cost_is_said() -> None:
    board = Board(clock=lambda: 0.0)
    board.take(Update(key="a", question="A", processor="new"))
    board.take(Update(key="a", status="completed", has_ended=True))
    assert board.lines()[0][-1] == "unknown"
    assert board.total() == "1 run · at least $0.00 so far"


def test_a_run_that_is_waited_for_again_counts_once() -> None:
    board = Board(clock=lambda: 0.0)
    for _ in range(2):
        board.take(Update(key="a", question="A", processor="base"))
        board.take(Update(key="a", status="completed", cost_usd=0.01, has_ended=True))
    assert board.total() == "1 run · $0.01 so far"
    assert not board.take(Update(key="b", status="running"))


def test_the_time_of_a_run_that_has_ended_stands_still() -> None:
    now = [0.0]
    board = Board(clock=lambda: now[0])
    board.take(Update(key="a", question="A", processor="base"))
    now[0] = 75.0
    assert board.lines()[0][3] == "75 s"
    board.take(Update(key="a", status="completed", has_ended=True))
    now[0] = 1000.0
    assert board.lines()[0][3] == "75 s"
    assert screens.find_screen(board, None, force=False) is None
