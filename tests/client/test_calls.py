"""Every call of the Task and Task Group API, in process and over a socket, by both clients."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from langchain_parallel.models import (
    AutoSchema,
    McpServer,
    SourcePolicy,
    TaskAdvancedSettings,
    TaskGroupStatusEvent,
    TaskRunEvent,
    TaskSpec,
    TextSchema,
)

from .both import Both, World, ask


class Answer(BaseModel):
    name: str
    founded: int


def test_a_run_from_start_to_answer(anywhere: Both) -> None:
    run = anywhere.create(ask("Who made it?", metadata={"a": "b", "n": 1}))
    assert (run.status, run.active, run.processor, run.metadata) == (
        "queued",
        True,
        "lite",
        {"a": "b", "n": 1},
    )
    result = anywhere.result(run.run_id, timeout=120)
    assert result.run.status == "completed"
    assert result.run.interaction_id == run.interaction_id
    assert "simulated" in str(result.output.content)
    assert result.output.basis
    assert anywhere.retrieve(run.run_id).status == "completed"
    asked = anywhere.retrieve_input(run.run_id)
    assert (asked.input, asked.processor) == ("Who made it?", "lite")


def test_the_events_of_a_run(anywhere: Both) -> None:
    run = anywhere.create(ask("Who?", "pro", enable_events=True))  # it lasts until it is watched
    events = list(anywhere.events(run.run_id))
    kinds = {event.type for event in events}
    assert {"task_run.state", "task_run.progress_stats", "task_run.progress_msg.plan"} <= kinds
    assert isinstance(events[-1], TaskRunEvent)
    assert events[-1].run.status == "completed"
    assert events[-1].output is not None
    meters = [e.progress_meter for e in events if e.type == "task_run.progress_stats"]
    assert meters == sorted(meters)


def test_a_group_and_its_runs(anywhere: Both) -> None:
    group = anywhere.create_group({"team": "blue", "size": 3})
    assert (group.status.num_task_runs, group.metadata) == (0, {"team": "blue", "size": 3})
    started = anywhere.add_runs(group.taskgroup_id, [ask("one"), ask("two", "base")])
    assert len(set(started.run_ids)) == 2
    events = list(anywhere.group_events(group.taskgroup_id))
    ended = {e.run.run_id for e in events if isinstance(e, TaskRunEvent)}
    assert ended == set(started.run_ids)
    assert any(isinstance(e, TaskGroupStatusEvent) for e in events)
    status = anywhere.retrieve_group(group.taskgroup_id).status
    assert (status.task_run_status_counts, status.is_active) == ({"completed": 2}, False)
    listed = anywhere.list_runs(group.taskgroup_id, include_input=True, include_output=True)
    assert [e.run.run_id for e in listed] == list(started.run_ids)
    assert [e.input.input for e in listed] == ["one", "two"]
    assert all(e.output for e in listed)
    assert anywhere.list_runs(group.taskgroup_id, last_event_id=listed[0].event_id) == [
        listed[1].model_copy(update={"input": None, "output": None})
    ]
    assert anywhere.list_runs(group.taskgroup_id, status="failed") == []


def test_the_same_submission_twice_is_one_run(anywhere: Both) -> None:
    ledger_id = anywhere.create_group().taskgroup_id
    first = anywhere.submit(ledger_id, ask(), position="0")
    again = anywhere.submit(ledger_id, ask(), position="0")
    anew = anywhere.submit(ledger_id, ask(), 1, position="0")
    later = anywhere.submit(ledger_id, ask(), position="1")
    assert (first.adopted, again.adopted, anew.adopted, later.adopted) == (
        False,
        True,
        False,
        False,
    )
    assert first.run.run_id == again.run.run_id
    assert len({s.run.run_id for s in (first, anew, later)}) == 3
    assert first.run.interaction_id
    assert anywhere.retrieve_group(ledger_id).status.num_task_runs == 3


@pytest.mark.grid
@pytest.mark.parametrize(
    "spec",
    [
        None,
        TaskSpec(output_schema=Answer),
        TaskSpec(output_schema=Answer.model_json_schema()),
        TaskSpec(output_schema=TextSchema(description="one line")),
        TaskSpec(output_schema="one line"),
        TaskSpec(output_schema=AutoSchema()),
    ],
    ids=["none", "class", "schema", "text", "words", "auto"],
)
@pytest.mark.parametrize("follow_up", [False, True])
def test_each_kind_of_spec_gets_its_kind_of_answer(
    anywhere: Both, spec: TaskSpec | None, follow_up: bool
) -> None:
    previous = anywhere.create(ask("first")).interaction_id if follow_up else None
    run = anywhere.create(ask("Who?", task_spec=spec, previous_interaction_id=previous))
    output = anywhere.result(run.run_id, timeout=300).output
    shape = getattr(spec, "output_schema", AutoSchema()).type
    assert output.type == ("text" if shape == "text" else "json")
    assert isinstance(output.content, str if shape == "text" else dict)
    if shape == "json":
        assert isinstance(anywhere.result(run.run_id).parse(Answer).founded, int)


def test_every_optional_field_is_accepted(world: World) -> None:
    run = world.api.create(
        ask(
            source_policy=SourcePolicy(include_domains=["example.com", ".gov"]),
            mcp_servers=[McpServer(url="https://mcp.example", name="m", headers={"A": "s3cret"})],
            advanced_settings=TaskAdvancedSettings(location="de"),
            memory_scope_key="team",
            enable_events=True,
        )
    )
    [entry] = world.sim.requests
    assert set(entry.headers["parallel-beta"].split(",")) == {
        "events-sse-2025-07-24",
        "field-basis-2025-11-25",
        "mcp-server-2025-07-17",
    }
    stored: Any = world.api.retrieve_input(run.run_id)
    assert stored.source_policy == {"include_domains": ["example.com", ".gov"]}
    assert "s3cret" not in repr(stored)
