"""`research`, `batch` and `report` in a shell: an answer, and one bill whatever is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from langchain_parallel.cli import main
from langchain_parallel.simulator import RunningServer, RunScript, Simulator, serve

QUESTION = "Who makes cargo bikes?"
ASKED = ["batch", "companies.csv", "--question", "Who runs {company}?", "--columns", "ceo", "--yes"]


@pytest.fixture
def account(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, request: pytest.FixtureRequest
) -> RunningServer:
    server: RunningServer = request.getfixturevalue("fast_account")
    monkeypatch.setenv("PARALLEL_API_KEY", "simulated")
    monkeypatch.setenv("PARALLEL_BASE_URL", server.url)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "companies.csv").write_text("company\nAirbus\nEmbraer\n")
    return server


@pytest.fixture
def fast_account() -> object:
    with serve(Simulator(latency_scale=0.0005)) as server:
        yield server


def session_of(told: str) -> str:
    return next(line for line in told.splitlines() if line.startswith("session ")).split()[1]


def test_a_session_is_asked_asked_on_and_reported(
    account: RunningServer, capsys: pytest.CaptureFixture[str]
) -> None:
    account.simulator.scripts.add(RunScript(seconds=2.0, times=1))
    assert main(["research", QUESTION]) == 0
    first = capsys.readouterr()
    assert "Sources:" in first.out
    assert "Planning" in first.err
    session = session_of(first.err)
    assert main(["research", "--quiet", "--session", session, "In Europe?", "--json"]) == 0
    second = capsys.readouterr()
    assert json.loads(second.out)["question"] == "In Europe?"
    assert "2 turns, $0.035" in second.err
    assert "Planning" not in second.err
    parents = [run["interaction_id"] for run in account.simulator.runs()]
    assert parents[0] != parents[1]
    assert main(["report", session]) == 0
    assert "In Europe?" in capsys.readouterr().out
    assert main(["report", session, "--format", "json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["turns"]) == 2


def test_the_same_question_again_is_given_for_nothing(
    account: RunningServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["research", QUESTION]) == main(["research", QUESTION]) == 0
    assert len(account.simulator.runs()) == 1
    assert capsys.readouterr().out.count("Sources:") == 2


def test_a_failed_run_is_exit_code_1(
    account: RunningServer, capsys: pytest.CaptureFixture[str]
) -> None:
    account.simulator.scripts.add(RunScript(outcome="failed", times=None))
    assert main(["research", QUESTION]) == 1
    assert "$0.00" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["research", "batch"])
def test_killed_after_it_has_paid_the_same_command_goes_on(
    command: str, account: RunningServer, capsys: pytest.CaptureFixture[str]
) -> None:
    account.simulator.scripts.add(RunScript(seconds=4.0, times=None))
    arguments = ["research", QUESTION] if command == "research" else ASKED
    program = [sys.executable, "-m", "langchain_parallel", *arguments]
    process = subprocess.Popen(program, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    runs = 1 if command == "research" else 2
    until = time.monotonic() + 60
    while len(account.simulator.runs()) < runs and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(account.simulator.runs()) == runs
    assert main(arguments) == 0
    assert len(account.simulator.runs()) == runs


def test_a_batch_tells_its_price_writes_its_rows_and_goes_on(
    account: RunningServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*ASKED, "--dry-run"]) == 0
    assert "2 rows with core: $0.05" in capsys.readouterr().out
    assert not account.simulator.runs()
    assert main(ASKED) == 0
    written = (tmp_path / "companies.answers.csv").read_text()
    assert written.startswith("company,ceo,ceo_confidence,ceo_sources")
    assert main(ASKED) == 0
    assert "2 are paid for already" in capsys.readouterr().out
    assert len(account.simulator.runs()) == 2
    assert main([*ASKED, "--new"]) == 0
    assert len(account.simulator.runs()) == 4


def test_nothing_is_sent_without_a_yes(
    account: RunningServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = iter(["no", "y"])
    monkeypatch.setattr("builtins.input", lambda _: next(said))
    assert main(ASKED[:-1]) == 2
    assert not account.simulator.runs()
    assert main(ASKED[:-1]) == 0
    assert len(account.simulator.runs()) == 2


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["research", "x", "--continue-from", "intr_1"], "needs --session"),
        (["research", "x", "--session", "ses_none"], "no such session"),
        (["research", " "], "empty"),
        (["report", "ses_none"], "There are no sessions in"),
        (["batch", "none.csv", "--question", "x"], "There is no file 'none.csv'"),
        (["batch", "companies.csv", "--question", "{firm}?"], "There is no column firm"),
        (["batch", "companies.csv", "--question", "x", "--schema", "companies.csv"], "JSON schema"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(
    arguments: list[str],
    reason: str,
    account: RunningServer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(arguments) == 2
    assert reason in capsys.readouterr().err
    assert not account.simulator.runs()


def test_a_thread_of_ones_own_graph_is_reported(
    account: RunningServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "shell_graph.py").write_text(
        "from langgraph.checkpoint.memory import InMemorySaver\n"
        "from langchain_parallel import create_research_graph\n"
        "graph = create_research_graph().compile(checkpointer=InMemorySaver())\n"
        "graph.invoke({'question': 'Who leads?'}, {'configurable': {'thread_id': 't'}})\n"
        "async def later(): return graph\n"
    )
    for name in ("graph", "later"):
        assert main(["report", "--graph", f"shell_graph:{name}", "t"]) == 0
        assert "Who leads?" in capsys.readouterr().out
    assert main(["report", "--graph", "shell_graph:graph", "another"]) == 2
