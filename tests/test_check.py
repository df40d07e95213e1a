"""`langchain-parallel check` says which assumptions hold."""

from __future__ import annotations

import io

import pytest

from langchain_parallel.cli import main
from langchain_parallel.simulator import Fault, RunningServer, RunScript


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
    assert output.count("holds") == 8
    assert len(api.simulator.runs()) == 3


def test_a_wrong_assumption_is_shown(
    api: RunningServer, capsys: pytest.CaptureFixture[str]
) -> None:
    api.simulator.faults.add(
        Fault("status_before", path="*/tgrp_000*", status=403, times=None),
    )
    assert main(["check", "--yes"]) == 1
    assert "DOES NOT HOLD  an unknown group is a 404: Forbidden" in capsys.readouterr().out


def test_it_asks_before_it_spends(
    api: RunningServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for answer in ("n\n", "\n", ""):  # the last: no terminal
        monkeypatch.setattr("sys.stdin", io.StringIO(answer))
        assert main(["check"]) == 2
        assert "3 runs, which cost $0.015. Continue?" in capsys.readouterr().out
    assert api.simulator.runs() == []
