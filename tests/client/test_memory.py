"""Memory: what was filed is found again, on request, for nothing; and no run needs it."""

from __future__ import annotations

import inspect
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from langchain_parallel import errors
from langchain_parallel.errors import InvalidRequest, RequestWarning
from langchain_parallel.models import (
    FindAllMemoryResult,
    MemoryRetrieveResponse,
    MonitorMemoryResult,
    TaskMemoryResult,
    UnknownMemoryResult,
)
from langchain_parallel.simulator import Fault

from .both import Both, World, ask

PATH = "/v1beta/memory/"


class Memory:
    """`client.memory` of either client, called as if it were the blocking one."""

    def __init__(self, api: Both) -> None:
        self._api = api

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._api.client.memory, name)

        def call(*args: Any, **options: Any) -> Any:
            value = method(*args, **options)
            return self._api._run(value) if inspect.isawaitable(value) else value

        return call


@pytest.fixture
def memory(world: World) -> Memory:
    return Memory(world.api)


def asked(world: World, call: str) -> list[Any]:
    return [entry.body for entry in world.sim.requests if entry.path == PATH + call]


def completed(world: World, question: str, key: str | None = None) -> str:
    """A run that has completed."""
    run_id: str = world.api.create(ask(question, memory_scope_key=key)).run_id
    world.clock.advance(200)
    return run_id


def test_what_has_completed_is_found_under_its_key_the_newest_first(
    world: World, memory: Memory
) -> None:
    boats = [completed(world, f"Who makes boats? {n}", "boats") for n in range(2)]
    own = completed(world, "Who makes cars?")
    world.api.create(ask("Who makes sails?", memory_scope_key="boats"))  # still on its way
    found = memory.retrieve(memory_scope_key="boats")
    assert [type(each) for each in found] == [TaskMemoryResult] * 2
    assert [each.id for each in found] == boats[::-1]
    assert found[0].input_excerpt == "Who makes boats? 1"
    assert found[0].output_excerpt.startswith("[simulated]")
    assert found[0].updated_at == world.sim.runs()[1]["modified_at"]
    assert [each.id for each in memory.retrieve()] == [own]
    assert memory.retrieve("elephants", memory_scope_key="boats") == ()
    assert memory.retrieve("x" * 500) == ()
    assert [each.id for each in memory.retrieve(" ")] == [own]  # as without a query
    assert len(world.sim.billing.billed_runs()) == 3
    assert asked(world, "retrieve")[0] == {"memory_scope_key": "boats"}


def test_a_query_ranks_and_each_field_is_sent_as_documented(world: World, memory: Memory) -> None:
    sails, ropes = (completed(world, f"Who makes {what} of hemp?") for what in ("sails", "ropes"))
    assert [each.id for each in memory.retrieve("hemp sails")] == [sails, ropes]
    assert [each.id for each in memory.retrieve("hemp", limit=1)] == [ropes]
    now = datetime.fromtimestamp(world.clock.now(), timezone.utc)
    assert memory.retrieve(since=now) == ()
    assert len(memory.retrieve(since=now - timedelta(hours=1), kind="task")) == 2
    assert memory.retrieve(kind="monitor", since="2026-01-01T00:00:00Z", limit=25) == ()
    assert asked(world, "retrieve")[-1] == {
        "kind": "monitor",
        "since": "2026-01-01T00:00:00Z",
        "limit": 25,
    }
    assert asked(world, "retrieve")[2] == {"since": now.isoformat()}


def test_what_is_removed_from_a_memory_stays_a_run(world: World, memory: Memory) -> None:
    runs = [completed(world, f"q{n}", "k") for n in range(3)]
    other = completed(world, "q")
    assert memory.evict("task", runs[0], memory_scope_key="k") is None
    assert [each.id for each in memory.retrieve(memory_scope_key="k")] == runs[:0:-1]
    assert memory.clear(memory_scope_key="k") is None
    assert memory.retrieve(memory_scope_key="k") == ()
    assert [each.id for each in memory.retrieve()] == [other]
    assert [world.api.result(run_id).run.run_id for run_id in runs] == runs
    assert asked(world, "evict") == [{"kind": "task", "id": runs[0], "memory_scope_key": "k"}]
    assert asked(world, "clear") == [{"memory_scope_key": "k"}]
    later = completed(world, "later", "k")
    assert [each.id for each in memory.retrieve(memory_scope_key="k")] == [later]


def test_a_completed_run_whose_id_was_lost_is_one_of_those(world: World, memory: Memory) -> None:
    world.sim.faults.add(Fault("drop_after", method="POST", path="*/runs"))
    error = world.raises(
        errors.ResponseLost, world.api.create, ask("Who sails?", memory_scope_key="boats")
    )
    assert error.billed is None
    assert memory.retrieve(memory_scope_key="boats") == ()
    world.clock.advance(200)
    [found] = memory.retrieve(memory_scope_key="boats")
    assert found.input_excerpt == "Who sails?"
    assert world.api.result(found.id).output.content
    assert world.started == 1


@pytest.mark.parametrize("fault", ["drop_after", "refuse", "rate_limit"])
@pytest.mark.parametrize("call", ["retrieve", "evict", "clear"])
def test_each_call_is_free_and_sent_again(
    world: World, memory: Memory, call: str, fault: Any
) -> None:
    run_id = completed(world, "q")
    world.sim.faults.add(Fault(fault, path=f"{PATH}*"))
    done = getattr(memory, call)(*(["task", run_id] if call == "evict" else []))
    assert done is None or [each.id for each in done] == [run_id]
    assert len(world.sim.billing.billed_runs()) == 1


def test_an_account_without_memory_is_told_so(world: World, memory: Memory) -> None:
    world.sim.faults.add(Fault("status_before", path=f"{PATH}*", status=404, times=None))
    for call in (memory.retrieve, memory.clear):
        error = world.raises(errors.NotFound, call)
        assert "no memory" in error.message
        assert "switched on gradually" in error.hint
        assert error.billed is False


BREAKS: dict[str, tuple[str, tuple[Any, ...], dict[str, Any]]] = {
    "memory-key": ("retrieve", (), {"memory_scope_key": "not a key"}),
    "memory-query": ("retrieve", ("x" * 501,), {}),
    "memory-limit": ("retrieve", (), {"limit": 26}),
    "memory-kind": ("retrieve", (), {"kind": "search"}),
    "memory-id": ("evict", ("task", "x" * 129), {}),
}


@pytest.mark.parametrize("rule", BREAKS)
def test_what_breaks_a_rule_is_warned_about_and_refused_if_strict(
    world: World, memory: Memory, rule: str
) -> None:
    call, args, options = BREAKS[rule]
    with pytest.warns(RequestWarning, match=rf"Rule {rule} \(2026-08-19"):
        error = world.raises(errors.Unprocessable, lambda: getattr(memory, call)(*args, **options))
    assert error.fields
    strict = world.client(strict=True)
    with pytest.raises(InvalidRequest, match=f"Rule {rule}"):
        getattr(Memory(strict), call)(*args, **options)
    strict.done()
    assert len(asked(world, call)) == 1


@pytest.mark.parametrize(
    ("call", "options", "said"),
    [
        ("retrieve", {"limit": 0}, "limit is 0; give a whole number"),
        ("retrieve", {"limit": True}, "limit is True"),
        ("retrieve", {"limit": "3"}, "limit is '3'"),
        ("retrieve", {"since": datetime(2026, 1, 1)}, "since has no time zone"),  # noqa: DTZ001
        ("retrieve", {"memory_scope_key": " "}, "memory_scope_key is empty"),
        ("retrieve", {"query": 7}, "query is an int; give text"),
        ("retrieve", {"query": "half \ud800"}, "Half a character"),
        ("evict", {"kind": "task", "id": ""}, "id is empty"),
        ("evict", {"kind": "task", "id": None}, "id is missing"),
        ("evict", {"kind": None, "id": "trun_1"}, "kind is missing"),
        ("clear", {"memory_scope_key": 7}, "memory_scope_key is an int"),
    ],
)
def test_what_cannot_be_sent_is_refused_by_name(
    world: World, memory: Memory, call: str, options: Any, said: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        getattr(memory, call)(**options)
    assert said in str(caught.value)
    assert world.sim.requests == []


def test_results_of_every_kind_are_read_also_with_less_and_more_than_documented() -> None:
    found = MemoryRetrieveResponse.model_validate(
        {
            "results": [
                {"kind": "task", "id": "trun_1", "new": 1},
                {"kind": "monitor", "id": "m", "matched_events": [{"event_id": "event_1"}]},
                {"kind": "findall", "id": "f", "matched_count": 3},
                {"kind": "telepathy", "id": 7, "input_excerpt": None},
            ]
        }
    ).results
    kinds = (TaskMemoryResult, MonitorMemoryResult, FindAllMemoryResult, UnknownMemoryResult)
    assert tuple(map(type, found)) == kinds
    assert isinstance(found[1], MonitorMemoryResult)
    assert found[1].matched_events[0].event_id == "event_1"


@pytest.mark.parametrize(
    "odd",
    [
        7,
        "text",
        {"kind": "task"},
        {"kind": ["task"], "id": "trun_0"},
        {"kind": "task", "id": {"of": "what"}},
    ],
    ids=str,
)
def test_an_entry_that_cannot_be_read_costs_no_other_one(odd: Any) -> None:
    found = MemoryRetrieveResponse.model_validate({"results": [odd, {"kind": "task", "id": "t"}]})
    assert found.results[-1] == TaskMemoryResult(id="t")
    assert not [one for one in found.results[:-1] if isinstance(one, TaskMemoryResult)]


def test_an_entry_of_another_shape_than_its_kinds_is_an_unknown_one() -> None:
    odd = {"kind": "monitor", "id": "m", "matched_events": [7]}
    (found,) = MemoryRetrieveResponse.model_validate({"results": [odd]}).results
    assert (type(found), found.id) == (UnknownMemoryResult, "m")


@pytest.mark.parametrize("body", [{}, {"error": {"message": "overloaded"}}, {"results": None}])
def test_an_answer_without_results_does_not_pass_for_an_empty_memory(
    world: World, memory: Memory, body: Any
) -> None:
    world.sim.faults.add(Fault("wrong_shape", body=body))
    world.raises(errors.MalformedResponse, memory.retrieve)
