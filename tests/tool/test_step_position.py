"""The position of a step, from checkpoints that are written down here one by one."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple

from langchain_parallel._core.calls import drive
from langchain_parallel._graph.step_position import step_position

Written = tuple[str, str | None]
"""What a checkpoint was written for, and the one before it."""
SESSION: dict[str, Written] = {
    "1": ("input", None),
    "2": ("loop", "1"),
    "3": ("loop", "2"),
    "4": ("input", "3"),
    "5": ("loop", "4"),
    "6": ("update", "5"),
    "7": ("loop", "6"),
}
"""By id: two inputs; a person edited the state after a step of the second."""


class Kept(BaseCheckpointSaver[str]):
    """Has these checkpoints; the latest, whichever is asked for, of a place that has only that."""

    def __init__(self, checkpoints: dict[str, Written], *, latest_only: bool = False) -> None:
        super().__init__()
        self.checkpoints, self.latest_only = checkpoints, latest_only
        self.reads = 0
        self.late = 0
        """How many reads come before the checkpoints are there."""

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        self.reads += 1
        at = config["configurable"]["checkpoint_id"]
        at = max(self.checkpoints) if self.latest_only else at
        if self.reads <= self.late or at not in self.checkpoints:
            return None
        source, before = self.checkpoints[at]
        parent: Any = {"configurable": {"checkpoint_id": before}} if before else None
        checkpoint: Any = {"id": at}
        return CheckpointTuple(config, checkpoint, {"source": source}, parent)  # type: ignore[typeddict-item]


def position(
    saver: Kept,
    thread: str,
    began: str | dict[str, str] = "7",
    namespace: str = "ask:task",
    durability: str = "sync",
) -> str | None:
    """Where a step is that began from a checkpoint, or from one for each graph around it."""
    began = {"": began} if isinstance(began, str) else began
    return drive(step_position(config_of(saver, thread, began, namespace, durability)))


def config_of(
    saver: Kept,
    thread: str,
    began: dict[str, str],
    namespace: str = "ask:task",
    durability: str = "sync",
) -> Any:
    """The config that LangGraph gives the step."""
    return {
        "metadata": {"langgraph_path": ("__pregel_pull", "ask")},
        "configurable": {
            "thread_id": thread,
            "checkpoint_ns": namespace,
            "checkpoint_map": began,
            "__pregel_checkpointer": saver,
            "__pregel_durability": durability,
        },
    }


def test_a_position_is_the_same_in_the_next_version() -> None:
    """Another one would have a thread that is resumed after an upgrade pay again."""
    kept = Kept(SESSION)
    assert {at: position(kept, "a.thread", at) for at in "1347"} == {
        "1": "8bfc81f6393e7e6c5551e1676dba996c",
        "3": "a96d7aa4dc8fcf6f3317eb5751219e19",
        "4": "8321f4638fbd5a4a247e966540254658",
        "7": "197430912d9ec0d6c0c0d244865bf6f4",
    }
    inner = {"": "4", "research:task": "7"}
    found = position(kept, "a.thread", inner, "research:task|ask:task")
    assert found == "1c4ae116414e8daa02157d169565e8af"
    pruned = Kept({"7": SESSION["7"]})
    assert position(pruned, "a.pruned.thread") == "a4151bebfa01544ecef817316c368b07"


@pytest.mark.parametrize("missing", ["checkpointer", "path", "metadata", "namespace", "checkpoint"])
def test_a_position_is_unknown_where_a_part_of_it_is(missing: str) -> None:
    config = config_of(Kept(SESSION), "a.thread", {"": "7"})
    assert drive(step_position(config)) is not None
    given = config["configurable"]
    if missing in ("path", "metadata"):
        config["metadata"] = {} if missing == "path" else None
    elif missing == "namespace":
        given["checkpoint_ns"] = ""
    else:
        del given["__pregel_checkpointer" if missing == "checkpointer" else "checkpoint_map"]
    assert drive(step_position(config)) is None


def test_an_edit_and_a_fork_are_no_steps() -> None:
    kept = Kept(SESSION)
    assert position(kept, "an.edited.thread", "5") == position(kept, "an.edited.thread", "6")


def test_the_second_of_two_steps_of_a_subgraph_in_a_subgraph_is_another() -> None:
    kept, namespace = Kept(SESSION), "outer:task|middle:task|ask:task"
    first, second, other = (
        {"": "4", "outer:task": middle, "outer:task|middle:task": inner}
        for middle, inner in (("5", "2"), ("7", "2"), ("7", "3"))
    )
    found = [position(kept, "a.nest", began, namespace) for began in (first, second, other)]
    assert None not in found
    assert len(set(found)) == 3


@pytest.mark.parametrize(
    ("namespace", "began"),
    [
        ("flow:task|look_up:task|ask:task", {"flow:task": "4", "flow:task|look_up:task": "5"}),
        ("flow:task|look_up:task|ask:task", {"flow:task": "5"}),
        ("outer:task|ask:task", {}),
        ("outer:task|inner:task|ask:task", {"outer:task|inner:task": "5"}),
    ],
    ids=["a subgraph of a task", "a checkpoint less", "none", "none of the outer one"],
)
def test_where_a_graph_around_it_is_not_known_there_is_no_position(
    namespace: str, began: dict[str, str]
) -> None:
    assert position(Kept(SESSION), "a.task", {"": "4", **began}, namespace) is None


def test_the_second_call_of_a_subgraph_in_one_step_is_another() -> None:
    kept = Kept(SESSION)
    first = position(kept, "a.step", {"": "4", "outer:task": "5"}, "outer:task|ask:task")
    again = position(kept, "a.step", {"": "4", "outer:task|1": "5"}, "outer:task|1|ask:task")
    assert None not in (first, again)
    assert first != again


@pytest.mark.parametrize("latest_only", [False, True], ids=["pruned", "the latest only"])
def test_where_what_came_before_is_not_kept_the_first_that_is_kept_stands_for_it(
    latest_only: bool,
) -> None:
    kept = Kept({at: SESSION[at] for at in "67"}, latest_only=latest_only)
    thread = f"a.thread.{latest_only}"
    here = position(kept, thread)
    assert here is not None
    reads = kept.reads
    assert position(kept, thread) == here
    assert kept.reads == reads + 1, "it looks again for what it has not found"
    if not latest_only:
        assert position(kept, thread, "6") not in (here, None)
    assert position(Kept(SESSION), f"{thread}.whole") != here


def test_a_checkpoint_that_nobody_has_stands_for_itself() -> None:
    """With `durability="sync"` it is there; if the checkpointer shows it late, its id is no other's."""
    found = {position(Kept({}), "an.empty.thread", at) for at in "123"}
    assert None not in found
    assert len(found) == 3


def test_a_checkpoint_that_is_being_written_is_waited_for() -> None:
    late = Kept(SESSION)
    late.late = 2
    there = position(Kept(SESSION), "a.thread.in.time")
    assert position(late, "a.thread.written.late", durability="async") == there


def test_the_latest_thousand_checkpoints_are_remembered() -> None:
    kept = Kept(SESSION)

    def reads(thread: str, at: str) -> int:
        before = kept.reads
        position(kept, thread, at)
        return kept.reads - before

    assert reads("first", "2") == 2  # it and the input before it are remembered
    for number in range(998):
        position(kept, f"other.{number}", "1")
    assert reads("first", "2") == 1
    position(kept, "one.more", "1")
    assert reads("first", "2") == 1
    position(kept, "two.more", "1")
    assert reads("first", "2") == 2
