"""Answers to a paid request that do not say, or say wrongly, which run was started."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import pytest

from langchain_parallel import errors
from langchain_parallel.models import TaskRunInput
from langchain_parallel.simulator import (
    Fault,
    Listing,
    ManualClock,
    Request,
    Response,
    RunScript,
    Simulator,
    SimulatorTransport,
)
from langchain_parallel.simulator.http_messages import Chunk, json_response

from .both import KINDS, Both, Kind

POST: dict[str, Any] = {"method": "POST", "path": "*/groups/*/runs"}
NO_METADATA = Listing(metadata=False)


class Naming(Simulator):
    """Answers the next paid request with the id of another run, which exists."""

    instead = ""

    def handle(self, request: Request) -> Response:
        response = super().handle(request)
        is_paid = request.method == "POST" and request.path.endswith("/runs")
        if not (is_paid and self.instead):
            return response
        named, self.instead = self.instead, ""
        *_, body = response.steps
        assert isinstance(body, Chunk)
        return json_response(200, {**json.loads(body.data), "run_ids": [named]})


def request(question: str) -> TaskRunInput:
    return TaskRunInput(input=question, processor="lite")


Process: TypeAlias = Callable[[Simulator], Both]


@pytest.fixture(params=KINDS)
def process(request: pytest.FixtureRequest) -> Iterator[Process]:
    made: list[Both] = []
    kind: Kind = request.param

    def make(simulator: Simulator) -> Both:
        made.append(
            Both(kind, "key", transport=SimulatorTransport(simulator), clock=simulator.clock)
        )
        return made[-1]

    yield make
    for client in made:
        client.done()


@pytest.mark.parametrize("retry_after", [0.0, 500.0])
def test_a_429_after_acceptance_is_looked_into_until_the_run_that_is_counted_is_listed(
    process: Process, retry_after: float
) -> None:
    """Also where the pause that is asked for is longer than a client waits."""
    simulator = Simulator(ManualClock())
    simulator.scripts.add(RunScript(late_commit=20.0, late_count=0.0))
    simulator.faults.add(
        Fault("status_after", status=429, retry_after=retry_after, times=None, **POST)
    )
    client = process(simulator)
    submission = client.submit(client.create_group().taskgroup_id, request("Who leads?"))
    assert [submission.run.run_id] == [run["run_id"] for run in simulator.runs()]


def test_a_wrong_id_that_no_list_can_correct_is_unknown_and_found_later(process: Process) -> None:
    simulator = Simulator(ManualClock())
    client = process(simulator)
    ledger_id = client.create_group().taskgroup_id
    simulator.listing = NO_METADATA
    simulator.faults.add(Fault("wrong_id", **POST))
    with pytest.raises(errors.SubmissionUnknown, match="the server named run trun_0") as caught:
        client.submit(ledger_id, request("Who leads?"))
    assert caught.value.billed is None
    with pytest.raises(errors.SubmissionUnknown):  # still nothing is sent
        client.submit(ledger_id, request("Who leads?"))
    simulator.listing = Listing()
    assert client.submit(ledger_id, request("Who leads?")).adopted
    assert len(simulator.runs()) == 1


@pytest.mark.parametrize("reads_again", [True, False])
def test_the_id_of_another_question_s_run_is_never_taken_for_the_answer(
    process: Process, reads_again: bool
) -> None:
    simulator = Naming(ManualClock())
    client = process(simulator)
    ledger_id = client.create_group().taskgroup_id
    other = client.submit(ledger_id, request("Who follows?")).run.run_id
    simulator.listing, simulator.instead = NO_METADATA, other
    if not reads_again:
        simulator.faults.add(
            Fault("status_before", status=500, path=f"*/{other}", skip=1, times=None)
        )
    with pytest.raises(errors.SubmissionUnknown):
        client.submit(ledger_id, request("Who leads?"))
    simulator.listing = Listing()
    found = client.submit(ledger_id, request("Who leads?"))
    assert found.run.run_id == simulator.runs()[-1]["run_id"] != other
    assert len(simulator.runs()) == 2


def test_a_run_that_is_late_under_its_own_id_is_waited_for_where_no_list_can_tell(
    process: Process,
) -> None:
    simulator = Simulator(ManualClock())
    simulator.scripts.add(RunScript(late_run=20.0, seconds=30.0))
    simulator.listing = NO_METADATA
    client = process(simulator)
    submission = client.submit(client.create_group().taskgroup_id, request("Who leads?"))
    assert client.wait(submission.run.run_id).run.run_id == simulator.runs()[0]["run_id"]


def test_the_first_look_at_a_run_just_started_holds_a_call_for_seconds_only(
    process: Process,
) -> None:
    simulator = Simulator(ManualClock())
    simulator.faults.add(Fault("hang", seconds=100.0, method="GET", path="/v1/tasks/runs/*"))
    client = process(simulator)
    ledger_id = client.create_group().taskgroup_id
    before = simulator.clock.monotonic()
    submission = client.submit(ledger_id, request("Who leads?"))
    assert simulator.clock.monotonic() - before <= 6.0
    assert client.wait(submission.run.run_id).run.run_id == simulator.runs()[0]["run_id"]


def test_a_look_until_settled_begins_anew_for_another_process_may_have_sent_since(
    process: Process,
) -> None:
    simulator = Simulator(ManualClock())
    simulator.scripts.add(RunScript(late_commit=5.0))
    client, other = process(simulator), process(simulator)
    ledger_id = client.create_group().taskgroup_id
    unread = Fault("status_before", status=403, method="GET", path="*/groups/*/runs", times=None)
    simulator.faults.add(unread)
    with pytest.raises(errors.SubmissionUnknown):
        client.submit(ledger_id, request("Who leads?"), lookup="until_settled")
    simulator.faults.clear()
    started = other.submit(ledger_id, request("Who leads?"))
    found = client.submit(ledger_id, request("Who leads?"), lookup="until_settled")
    assert found.run.run_id == started.run.run_id
    assert len(simulator.runs()) == 1
