"""Parked: the agent's run ends in an interrupt until what a tool call waits for has ended.

Rule: whatever resumes it is a knock on the door, no news. The runs are read from the API each time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from langchain_core.runnables import RunnableConfig
from typing_extensions import TypedDict

from .._calls import Calls
from .._langgraph import ask_person, checkpointer_of
from .._parked_index import note_parked
from ..errors import ParallelError
from ..processors import expected_seconds
from ..research.parking import ParkedRun, RunNews, news_of, waits
from .setup import Setup
from .state import AgentTurn


class ParkedHandle(ParkedRun):
    """A run that is waited for, and the handle the model knows it by."""

    handle: str


class Parked(TypedDict):
    """What the interrupt of a parked tool call says, as that of the research graph does. Resume it with
    anything: the runs themselves are asked again.
    """

    kind: Literal["parked"]
    runs: list[ParkedHandle]


def parks(setup: Setup, config: RunnableConfig) -> bool:
    """Whether to park rather than to wait; that takes a checkpointer."""
    return setup.wait == "parked" and checkpointer_of(config) is not None


def park(setup: Setup, records: Sequence[AgentTurn], config: RunnableConfig) -> Calls[None]:
    """Return once none of the runs is active; until then each run of this step ends in an interrupt."""
    left: list[ParkedHandle] = []
    for record in records:
        news = yield from _news(setup, record)
        left += [_parked(record, news)] if news else []
    if left:  # for those who look for parked threads
        yield from note_parked(config, [run["run_id"] for run in left], records[0]["ledger_id"])
    while left:  # returns at once for each time it was resumed before, then interrupts
        ask_person(config, Parked(kind="parked", runs=left), {})


def _news(setup: Setup, record: AgentTurn) -> Calls[RunNews | None]:
    """How a run stands that there is something to park for."""
    try:
        run = yield from setup.clients.retrieve(record["run_id"])
    except ParallelError as error:  # whoever may not see it, or sees none, would wait for ever
        unseen = getattr(error, "status", None) in (401, 403, 404)
        return None if unseen else RunNews(status=record["status"], warnings=[])
    return news_of(run) if waits(run) else None


def _parked(record: AgentTurn, news: RunNews) -> ParkedHandle:
    seconds = expected_seconds(record["processor"])
    return ParkedHandle(
        run_id=record["run_id"],
        interaction_id=record["interaction_id"],
        handle=record["handle"],
        question=record["question"],
        processor=record["processor"],
        expected_seconds=None if seconds is None else list(seconds),
        **news,
    )
