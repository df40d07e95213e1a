"""The examples in `docs/agents`, and how tests drive them: with their own scripts, on a simulated account."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest
from langgraph.types import Command

from ..middleware.harness import Account, thread

FOLDER = Path(__file__).parents[2] / "docs" / "agents"


class Outcome(NamedTuple):
    """The result of an example: its runs by handle and parent, over all its middlewares."""

    handles: dict[str, str | None]
    ledgers: int


OUTCOMES = {
    "create_agent": Outcome({"r1": None, "r2": None, "r1.2": "r1"}, 1),
    "deep_agent": Outcome({"r1": None, "r1.2": "r1"}, 1),
    "deep_subagent": Outcome(
        {"market-1": None, "market-1.2": "market-1", "patents-1": None}, ledgers=2
    ),
    "state_graph": Outcome({"r1": None, "r1.2": "r1", "r1.3": "r1"}, 1),
    "supervisor": Outcome({"r1": None, "r1.2": "r1"}, 1),
}
DEEP = ("deep_agent", "deep_subagent")


def load(name: str) -> ModuleType:
    """An example; the test is skipped where `deepagents` is not installed and the example needs it."""
    if name in DEEP:
        needs_deepagents()
    spec = importlib.util.spec_from_file_location(f"example_{name}", FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its classes' annotations are looked up there
    spec.loader.exec_module(module)
    return module


def needs_deepagents() -> Any:
    """`deepagents`, or a skipped test: it wants a newer LangChain and Python than this package."""
    return pytest.importorskip(
        "deepagents", reason="deepagents cannot be imported", exc_type=ImportError
    )


def names_of(example: ModuleType) -> tuple[str, ...]:
    """The names of its middlewares."""
    return getattr(example, "NAMES", ("research",))


def records(example: ModuleType, state: dict[str, Any]) -> dict[str, Any]:
    """Its research by handle, over all its middlewares."""
    return {h: r for name in names_of(example) for h, r in state[f"parallel_{name}"].items()}


def build(example: ModuleType, account: Account, scripted: ModuleType, **options: Any) -> Any:
    """Its agent, with its script."""
    return example.build(scripted.models(example.SCRIPT), **account.clients(), **options)


def answers(example: ModuleType, account: Account, agent: Any) -> Iterator[dict[str, Any]]:
    """The state after each of the user's questions; a parked agent is resumed until it is done."""
    for question in example.QUESTIONS:
        said = {"messages": [("user", question)]}
        state = account.invoke(agent, said, thread())
        while interrupts := state.get("__interrupt__"):
            account.pass_time()
            woken: Any = Command(resume={interrupts[0].id: "look again"})
            state = account.invoke(agent, woken, thread())
        yield state


def came_to_what_it_should(
    name: str, example: ModuleType, state: dict[str, Any], account: Account
) -> None:
    """Each run is there, done and paid once; in its session, on the finding that it follows."""
    research, outcome = records(example, state), OUTCOMES[name]
    assert {h: r["parent_handle"] for h, r in research.items()} == outcome.handles
    assert {r["status"] for r in research.values()} == {"completed"}
    by_run = {run["run_id"]: run for run in account.runs}
    assert sorted(r["run_id"] for r in research.values()) == sorted(by_run)
    assert account.billed == len(by_run) == len(outcome.handles)
    for record in research.values():
        run = by_run[record["run_id"]]
        assert run["taskgroup_id"] == record["ledger_id"]
        parent = record["parent_handle"]
        before = research[parent]["interaction_id"] if parent else None
        assert record["parent_interaction_id"] == before
    assert len({run["taskgroup_id"] for run in account.runs}) == outcome.ledgers
