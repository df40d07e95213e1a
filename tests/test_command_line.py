"""`langchain-parallel`: every command, its help, and a sentence with an exit code for what goes wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import langchain_parallel
from langchain_parallel.cli import main
from langchain_parallel.simulator import Fault, RunningServer

COMMANDS = ("demo", "check", "sweep", "simulator")
ROOT = Path(__file__).parents[1]


def exit_code(*arguments: str) -> int | str | None:
    try:
        return main(arguments)
    except SystemExit as ended:
        return ended.code


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_the_script_the_module_and_the_function_are_one() -> None:
    assert 'langchain-parallel = "langchain_parallel.cli:main"' in (
        ROOT / "pyproject.toml"
    ).read_text(encoding="utf-8")
    made = run("-m", "langchain_parallel", "--version")
    assert made.stdout == f"langchain-parallel {langchain_parallel.__version__}\n"


@pytest.mark.parametrize("arguments", [(), ("--help",)])
def test_the_help_lists_every_command(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(*arguments) == 0
    words = capsys.readouterr().out.split()
    assert set(words) >= set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_its_own_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(command, "--help") == 0
    assert command in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["nonsense"], "invalid choice: 'nonsense'"),
        (["--nonsense"], "unrecognized arguments: --nonsense"),
        *((["--nonsense", command, "--graph", "x:y"], "--nonsense") for command in COMMANDS),
        (["demo", "--live"], "set PARALLEL_API_KEY"),
        (["demo", "--kill"], "--kill goes with --live"),
        (["check", "--yes"], "PARALLEL_API_KEY"),
        (["sweep"], "--graph"),
        (["simulator", "--port", "70000"], "'70000' is not a port"),
        (["simulator", "--latency-scale", "-1"], "'-1' is not a number from 0 up"),
        (["simulator", "--credit-usd", "nan"], "'nan' is not a number from 0 up"),
        (["simulator", "--scenario", "nonsense"], "'nonsense' is no scenario"),
        (["simulator", "--scenario", "nonsense.json"], "'nonsense.json' is no scenario"),
    ],
)
def test_wrong_usage_is_a_sentence_and_exit_code_2(
    arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(*arguments) == 2
    printed = capsys.readouterr()
    assert reason in printed.err
    assert "Traceback" not in printed.err
    assert printed.out == ""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "Expecting property name"),
        ("[]", "a scenario is a JSON object"),
        ('{"turns": [{"content": "x"}]}', "'match' must be"),
        ('{"turns": [{"match": {"regex": "("}}]}', "is no regular expression"),
    ],
)
def test_a_broken_scenario_is_named(
    text: str, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "broken.json"
    file.write_text(text)
    assert exit_code("simulator", "--scenario", str(file)) == 2
    assert reason in capsys.readouterr().err


def test_a_missing_extra_is_named_with_the_line_that_installs_it() -> None:
    code = (
        "import sys; sys.modules['langgraph.checkpoint.sqlite'] = None;"
        "from langchain_parallel.cli import main; sys.exit(main(['demo']))"
    )
    made = run("-c", code)
    assert made.returncode == 2
    assert made.stderr.endswith(
        "Install what this command needs: pip install 'langchain-parallel[demo]'\n"
    )
    assert "Traceback" not in made.stderr


@pytest.mark.usefixtures("simulated_api")
def test_an_error_of_the_api_is_a_sentence_and_exit_code_1(
    simulator_server: RunningServer, capsys: pytest.CaptureFixture[str]
) -> None:
    simulator_server.simulator.faults.add(Fault("status_before", status=403))
    assert exit_code("check", "--yes") == 1
    assert capsys.readouterr().err.startswith("langchain-parallel check: error: ")


@pytest.mark.usefixtures("simulated_api")
def test_an_interrupt_ends_a_command_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Interrupted:
        def readline(self) -> str:
            raise KeyboardInterrupt

    monkeypatch.setattr("sys.stdin", Interrupted())
    assert exit_code("check") == 130
    assert capsys.readouterr().err == "langchain-parallel check: error: interrupted\n"


def test_the_simulator_says_which_address_is_taken(
    simulator_server: RunningServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code("simulator", "--port", str(simulator_server.port)) == 1
    error = capsys.readouterr().err
    assert f"cannot listen on 127.0.0.1:{simulator_server.port}" in error


def test_the_demo_finds_the_run_of_the_killed_worker() -> None:
    made = run("-m", "langchain_parallel", "demo", "--latency-scale", "0.001")
    assert made.returncode == 0, made.stderr
    assert "  1 source read" in made.stdout
    assert "Runs billed for the third question: 1. The API's bill: $0.15." in made.stdout
    assert made.stdout.endswith("The run of the killed worker was found in the ledger and used.\n")
