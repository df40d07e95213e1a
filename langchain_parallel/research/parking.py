"""Parked research: while a run goes on, its thread waits in an interrupt; no process, no connection.

Rule: whatever resumes the thread is a knock on the door, no news. The run is read from the API each time;
if it is still active, the thread parks again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from langchain_core.runnables import RunnableConfig
from typing_extensions import TypedDict

from .._calls import Calls
from .._langgraph import ask_person, checkpointer_of
from .._parked_index import note_parked
from ..models import TaskRun
from ..processors import expected_seconds
from ..rendering import harmless
from .researcher import Researcher
from .state import Pending

_WARNING_CHARS = 300


class RunNews(TypedDict):
    """How a run stood when its thread parked."""

    status: str
    """`action_required`: somebody has to do something on Parallel's side."""
    warnings: list[str]
    """What the API says of it; untrusted."""


class ParkedRun(RunNews):
    """A run that is waited for."""

    run_id: str
    interaction_id: str | None
    question: str
    processor: str
    expected_seconds: list[float] | None
    """The usual shortest and longest time, in seconds; None for an unknown processor."""


class Parked(TypedDict):
    """What the interrupt of a parked thread says. Resume it with anything."""

    kind: Literal["parked"]
    runs: list[ParkedRun]


def parks(researcher: Researcher, config: RunnableConfig) -> bool:
    """Whether to park rather than to stay attached; that takes a checkpointer."""
    return researcher.park and checkpointer_of(config) is not None


def park(
    researcher: Researcher, runs: Sequence[Pending], ledger_id: str, config: RunnableConfig
) -> Calls[None]:
    """Return once none of these runs is active; until then the thread waits in an interrupt."""
    left: list[ParkedRun] = []
    for run in runs:
        now = yield from researcher.clients.retrieve(run["run_id"])
        left += [_parked(run, news_of(now))] if waits(now) else []
    if left:  # for those who look for parked threads
        yield from note_parked(config, [run["run_id"] for run in left], ledger_id or None)
    while left:  # returns at once for each time that somebody has knocked, then interrupts
        ask_person(config, Parked(kind="parked", runs=left), {})


def waits(run: TaskRun) -> bool:
    """Whether there is something to park for: it goes on, or waits for a person on Parallel's side."""
    return run.active or run.status == "action_required"


def news_of(run: TaskRun) -> RunNews:
    """How a run stands."""
    warnings = [harmless(w.message, _WARNING_CHARS) for w in run.warnings or () if w.message]
    return RunNews(status=harmless(run.status, 40), warnings=warnings)


def _parked(run: Pending, news: RunNews) -> ParkedRun:
    seconds = expected_seconds(run["processor"])
    return ParkedRun(
        run_id=run["run_id"],
        interaction_id=run.get("interaction_id"),
        question=run["question"],
        processor=run["processor"],
        expected_seconds=None if seconds is None else list(seconds),
        **news,
    )
