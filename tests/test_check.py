"""`langchain-parallel check` says which assumptions hold."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from langchain_parallel import ParallelClient
from langchain_parallel.cli import check, main
from langchain_parallel.models import Submission, TaskRunInput
from langchain_parallel.simulator import Fault, RunningServer, RunScript
from langchain_parallel.testing import recorded_scenario
from tests.secrets_kit import KEY, leaks


@pytest.fixture
def api(simulator_server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> RunningServer:
    monkeypatch.setenv("PARALLEL_API_KEY", "simulated")
    monkeypatch.setenv("PARALLEL_BASE_URL", simulator_server.url)
    return simulator_server


def test_it_spends_what_it_announces_and_finds_the_run_whose_response_was_lost(
    api: RunningServer, capsys: pytest.CaptureFixture[str]
) -> None:
    api.simulator.scripts.add(RunScript(late_commit=0.3, times=None))
    assert main(["check", "--yes"]) == 0
    output = capsys.readouterr().out
    assert "DOES NOT HOLD" not in output
    assert output.count("holds") == 10
    assert "a group counts no fewer runs than it has accepted (3): 3 after" in output
    assert "What this check cannot find out:" in output
    assert len(api.simulator.runs()) == 3


def test_a_wrong_assumption_is_shown(
    api: RunningServer, capsys: pytest.CaptureFixture[str]
) -> None:
    api.simulator.faults.add(
        Fault("status_before", path="*/tgrp_000*", status=403, times=None),
    )
    assert main(["check", "--yes"]) == 1
    assert "DOES NOT HOLD  an unknown group is a 404: Forbidden" in capsys.readouterr().out


def test_what_an_error_cuts_short_keeps_what_was_found(
    api: RunningServer, capsys: pytest.CaptureFixture[str]
) -> None:
    api.simulator.faults.add(Fault("status_before", path="*/runs/trun_*", status=401, times=None))
    assert main(["check", "--yes"]) == 1
    output = capsys.readouterr().out
    assert output.count("holds") == 7
    assert "STOPPED  what comes after this was not checked: The API key was not" in output
    assert "What this check cannot find out:" in output


@pytest.mark.usefixtures("api")
def test_what_the_server_says_can_be_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PARALLEL_API_KEY", KEY)
    file = tmp_path / "check.jsonl"
    assert main(["check", "--yes", "--record", str(file)]) == 0
    assert f"{file} has what the server said" in capsys.readouterr().out
    assert leaks([file.read_text(encoding="utf-8")]) == []
    asked = [turn.whole and turn.whole.input for turn in recorded_scenario(file).turns]
    # The run whose response was lost is found, and its answer never read.
    assert [str(text)[-7:] for text in asked] == ["(first)", " Italy?"]


def test_it_asks_before_it_spends(
    api: RunningServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for answer in ("n\n", "\n", ""):  # the last: no terminal
        monkeypatch.setattr("sys.stdin", io.StringIO(answer))
        assert main(["check"]) == 2
        assert "3 runs, which cost $0.015. Continue?" in capsys.readouterr().out
    assert api.simulator.runs() == []


@pytest.mark.usefixtures("api")
def test_a_count_that_lags_behind_is_shown() -> None:
    ledger_id, _ = unlisted()
    finding = check._count(ParallelClient(), ledger_id, 1, settling=0.2)
    assert finding.holds is False
    assert finding.observed == "it counts none, or gives no count"


@pytest.mark.usefixtures("api")
def test_what_could_not_be_found_out_is_said_in_words() -> None:
    finding = check._cursor(ParallelClient(), *unlisted())
    assert finding.holds is None
    assert "not found out: the list did not show the run within 60 s" in finding.observed


def unlisted() -> tuple[str, Submission]:
    """A run that is in another group than the one that is read."""
    with ParallelClient() as client:
        groups = [client.create_group().taskgroup_id for _ in range(2)]
        return groups[0], client.submit(groups[1], TaskRunInput(input="Who?", processor="lite"))
