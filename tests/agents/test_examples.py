"""Every example in `docs/agents`: answers are cited, sessions not mixed up, and each run is paid once."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import pytest

from langchain_parallel.middleware import find_citations

from ..cut import exhaustive
from ..middleware.harness import Account
from . import examples
from .examples import OUTCOMES

LIVE_KEYS = ("LIVE_PARALLEL_API_KEY", "ANTHROPIC_API_KEY", "OPENAI_API_KEY")
_PACKAGES = {"ANTHROPIC_API_KEY": "langchain_anthropic", "OPENAI_API_KEY": "langchain_openai"}

every_example = pytest.mark.parametrize("name", OUTCOMES)


def answers_well(example: ModuleType, states: list[dict[str, Any]]) -> None:
    """Each answer cites findings of this agent, and nothing that is not there."""
    assert len(states) == len(example.QUESTIONS)
    for state in states:
        text = state["messages"][-1].text
        found = {name: find_citations(text, state, name) for name in examples.names_of(example)}
        assert all(one.sources for one in found.values())
        assert not any(one.unknown for one in found.values())
        for name, (sources, _) in found.items():
            for source in sources.values():
                run_id = state[f"parallel_{name}"][source["handle"]]["run_id"]
                assert source["run_id"] == run_id


@pytest.mark.grid
@every_example
def test_an_example_cites_its_sources_and_pays_each_run_once(
    name: str, account: Account, scripted: ModuleType
) -> None:
    example = examples.load(name)
    agent = examples.build(example, account, scripted)
    states = list(examples.answers(example, account, agent))
    answers_well(example, states)
    examples.came_to_what_it_should(name, example, states[-1], account)


@pytest.mark.grid
@every_example
def test_an_example_that_is_parked_and_resumed_ends_the_same(
    name: str, account: Account, scripted: ModuleType
) -> None:
    example = examples.load(name)
    agent = examples.build(example, account, scripted, wait="park")
    states = list(examples.answers(example, account, agent))
    answers_well(example, states)
    examples.came_to_what_it_should(name, example, states[-1], account)


@pytest.mark.grid
@every_example
def test_an_example_whose_paid_request_gets_no_answer_pays_once(
    name: str, account: Account, scripted: ModuleType
) -> None:
    example = examples.load(name)
    agent = examples.build(example, account, scripted)
    account.fault("drop_after", method="POST", path="*/runs", times=2)
    states = list(examples.answers(example, account, agent))
    answers_well(example, states)
    examples.came_to_what_it_should(name, example, states[-1], account)


@pytest.mark.grid
@every_example
def test_two_threads_of_an_example_do_not_share_a_session(
    name: str, account: Account, scripted: ModuleType
) -> None:
    """One middleware object, two users."""
    example = examples.load(name)
    twice = {agent: [*says, *says] for agent, says in example.SCRIPT.items()}
    agent = example.build(scripted.models(twice), **account.clients())
    first, second = (
        [
            account.invoke(
                agent, {"messages": [("user", q)]}, {"configurable": {"thread_id": user}}
            )
            for q in example.QUESTIONS
        ][-1]
        for user in ("ann", "bob")
    )
    runs = [{r["run_id"] for r in examples.records(example, s).values()} for s in (first, second)]
    assert not runs[0] & runs[1]
    assert account.billed == 2 * len(OUTCOMES[name].handles)
    assert len({run["taskgroup_id"] for run in account.runs}) == 2 * OUTCOMES[name].ledgers


# --- as programs ------------------------------------------------------------------------------------


def program(name: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(examples.FOLDER / f"{name}.py"), *arguments]
    keys = {*LIVE_KEYS, "PARALLEL_API_KEY", "MODEL", "SSL_CERT_FILE"}
    kept = {key: value for key, value in os.environ.items() if key not in keys}
    return subprocess.run(
        command, env={**kept, **environment}, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    "name", ["create_agent", *(exhaustive(name) for name in OUTCOMES if name != "create_agent")]
)
def test_an_example_runs_as_a_program(name: str) -> None:
    example = examples.load(name)
    done = program(name)
    assert done.returncode == 0, done.stderr
    for question in example.QUESTIONS:
        assert f"> {question}" in done.stdout
    for handle in OUTCOMES[name].handles:
        assert f"  {handle} completed" in done.stdout
    assert re.search(r"^  \[1(@\w+)?\] ", done.stdout, re.MULTILINE)
    assert "https://" in done.stdout


def test_a_real_model_without_keys_says_which_are_missing() -> None:
    done = program("create_agent", "--live")
    assert done.returncode == 2
    assert "PARALLEL_API_KEY, and ANTHROPIC_API_KEY or OPENAI_API_KEY" in done.stdout


def live_environment() -> dict[str, str]:
    """The keys for a real model and the real API; without them the test is skipped."""
    key, *models = LIVE_KEYS
    usable = [name for name in models if os.environ.get(name) and find_spec(_PACKAGES[name])]
    if not os.environ.get(key) or not usable:
        pytest.skip(
            f"costs money: set {key} and, with its LangChain package, {' or '.join(models)}"
        )
    return {"PARALLEL_API_KEY": os.environ[key], usable[0]: os.environ[usable[0]]}


@every_example
def test_an_example_runs_with_a_real_model(name: str) -> None:
    environment = live_environment()
    example = examples.load(name)
    done = program(name, "--live", **environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n> ") == len(example.QUESTIONS)
    assert " completed, " in done.stdout
