"""`langchain-parallel batch`: what is paid for stands in a file, or can still be put into one."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from langchain_parallel.cli import main
from langchain_parallel.simulator import RunningServer, Scenario

ASKED = ("--question", "Who runs {company}?", "--processor", "lite", "--yes")


@pytest.fixture
def account(simulated_api: str, simulator_server: RunningServer) -> RunningServer:
    """In an empty folder with two rows, as the command finds it."""
    assert simulated_api == simulator_server.url
    Path("rows.csv").write_text("company\nAirbus\nSaab\n", encoding="utf-8")
    return simulator_server


def runs(account: RunningServer) -> int:
    return len(account.simulator.all_runs())


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("answers.xlsx", "no known ending"),
        ("none/answers.csv", "No such file or directory"),
        (".csv.d", "no known ending"),
        ("rows.csv", "holds the rows"),
        ("folder.csv", "Is a directory"),
    ],
)
def test_a_file_that_cannot_be_written_costs_nothing(
    account: RunningServer, output: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("folder.csv").mkdir()
    before = runs(account)
    assert main(["batch", "rows.csv", *ASKED, "--output", output]) == 2
    assert said in capsys.readouterr().err
    assert runs(account) == before
    assert Path("rows.csv").read_text(encoding="utf-8").startswith("company\n")


def test_lines_of_json_under_their_other_ending_are_answered_in_one(account: RunningServer) -> None:
    Path("rows.ndjson").write_text('{"company": "Airbus"}\n', encoding="utf-8")
    assert main(["batch", "rows.ndjson", *ASKED]) == 0
    [line] = Path("rows.answers.ndjson").read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["row"] == {"company": "Airbus"}


def test_answers_whose_columns_the_api_chose_are_all_written(account: RunningServer) -> None:
    """Without a schema, each row may have columns of its own."""
    account.simulator.scenario = Scenario.builtin("examples")
    assert main(["batch", "rows.csv", *ASKED]) == 0
    with Path("rows.answers.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        own = {"company", "run_id", "interaction_id", "error"}
        assert any(row[name] for name in row if name not in own), row


def test_an_id_is_kept_until_another_is_written(
    account: RunningServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A full disk takes no id away: the next call would pay again."""
    assert main(["batch", "rows.csv", *ASKED]) == 0
    kept, paid = Path("rows.answers.csv.batch"), runs(account)
    first = kept.read_text(encoding="utf-8")

    def full(path: Path, *_: object, **__: object) -> int:
        path.open("w").close()
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_text", full)
        assert main(["batch", "rows.csv", *ASKED]) == 0
        assert main(["batch", "rows.csv", *ASKED, "--new"]) == 1
    assert kept.read_text(encoding="utf-8") == first
    assert runs(account) == paid
    capsys.readouterr()
    assert main(["batch", "rows.csv", *ASKED, "--new"]) == 0
    assert f"--batch-id {first}" in capsys.readouterr().err
    assert kept.read_text(encoding="utf-8") != first
    assert runs(account) == 2 * paid


def test_columns_are_named_once(account: RunningServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["batch", "rows.csv", *ASKED, "--columns", "ceo,,town, ceo"]) == 0
    assert main(["batch", "rows.csv", *ASKED, "--columns", ","]) == 2
    assert "names no column" in capsys.readouterr().err


def test_a_limit_says_what_to_do_at_a_terminal(
    account: RunningServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["batch", "rows.csv", *ASKED, "--max-cost-usd", "0.001"]) == 1
    said = capsys.readouterr().err
    assert "Raise the limit" in said
    assert "`approve`" not in said


def test_of_two_calls_that_begin_at_once_one_pays(
    account: RunningServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second is begun while the first waits for its person to say yes."""
    first = ["batch", "rows.csv", *ASKED[:-1]]

    def say_yes(_: str) -> bool:
        assert main(["batch", "rows.csv", *ASKED]) == 0
        return True

    monkeypatch.setattr("langchain_parallel.cli.batch.confirm", say_yes)
    before = runs(account)
    assert main(first) == 2
    assert "of another call. The same command goes on with it." in capsys.readouterr().err
    assert runs(account) == before + 2
    assert main(["batch", "rows.csv", *ASKED]) == 0
    assert runs(account) == before + 2
