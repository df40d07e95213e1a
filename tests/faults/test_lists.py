"""A group's list as it may really be, and answers that are about another run, over a socket.

No order, page size or completeness of a list is documented; whatever they are, nothing is paid for twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from langchain_parallel import errors
from langchain_parallel._core.ledger.keys import METADATA_KEY
from langchain_parallel.models import TaskRunInput
from langchain_parallel.simulator import Fault, Listing, RunScript, Simulator, serve

from ..client.both import KINDS, QUICK, Both, Kind

POST: dict[str, Any] = {"method": "POST", "path": "*/groups/*/runs"}
LIST: dict[str, Any] = {"method": "GET", "path": "*/groups/*/runs"}
NEWEST, PAGES, BOTH = (
    Listing(newest_first=True),
    Listing(page=2),
    Listing(newest_first=True, page=2),
)
LISTINGS = [Listing(), NEWEST, PAGES, BOTH, Listing(page=1)]
AFTER = [
    Fault("drop_after", **POST),
    *(Fault("status_after", status=status, **POST) for status in (401, 402, 403, 422, 429, 500)),
    Fault("wrong_id", **POST),
    Fault("wrong_shape", body={"run_ids": [""]}, **POST),
    Fault("wrong_shape", body={"run_ids": [7]}, **POST),
]
"""The run was started, and the answer does not say so."""


class Wire:
    """An account behind a socket, a session in it, and any number of processes that go on with it."""

    def __init__(self, kind: Kind, stack: ExitStack) -> None:
        self.kind, self.stack = kind, stack
        self.sim = Simulator(latency_scale=0)
        self.url = stack.enter_context(serve(self.sim)).url
        self.api = self.process()
        self.ledger_id: str = self.api.create_group().taskgroup_id

    def process(self) -> Both:
        """A client that knows nothing of the others."""
        made = Both(self.kind, "key", self.url, retry_policy=QUICK)
        self.stack.callback(made.done)
        return made

    def turn(self, number: int, api: Both | None = None) -> Any:
        request = TaskRunInput(input=f"Question {number}?", processor="lite")
        return (api or self.api).submit(self.ledger_id, request, position=str(number))


@pytest.fixture(params=KINDS)
def wire(request: pytest.FixtureRequest) -> Iterator[Wire]:
    with ExitStack() as stack:
        yield Wire(request.param, stack)


@pytest.mark.grid
@pytest.mark.parametrize("listing", LISTINGS, ids=str)
@pytest.mark.parametrize("is_new", [True, False])
def test_a_replay_finds_its_run_whatever_the_order_and_the_pages(
    wire: Wire, listing: Listing, is_new: bool
) -> None:
    wire.sim.listing = listing
    first = wire.process()
    for number in range(6):
        wire.turn(number, first)
        wire.turn(0)  # another process, which has read the list so far
    api = wire.process() if is_new else wire.api
    assert all(wire.turn(number, api).adopted for number in range(6))
    assert len(wire.sim.runs()) == 6


@pytest.mark.grid
@pytest.mark.parametrize("listing", LISTINGS, ids=str)
@pytest.mark.parametrize("fault", AFTER, ids=lambda f: f"{f.kind} {f.status} {f.body}")
def test_what_was_started_is_found_whatever_the_server_says(
    wire: Wire, listing: Listing, fault: Fault
) -> None:
    for number in range(5):
        wire.turn(number)
    wire.sim.listing = listing
    wire.sim.faults.add(fault)
    found = wire.turn(5)
    assert len(wire.sim.runs()) == 6
    assert found.run.run_id == wire.sim.runs()[-1]["run_id"]
    assert found.duplicates == ()
    assert wire.api.wait(found.run.run_id).run.run_id == found.run.run_id


@pytest.mark.parametrize("status", [401, 403, 429])
def test_a_refusal_after_which_the_ledger_cannot_be_read_claims_nothing(
    wire: Wire, status: int
) -> None:
    wire.sim.faults.add(Fault("status_after", status=status, **POST))
    wire.sim.faults.add(Fault("status_before", status=401, skip=1, **LIST))
    with pytest.raises(errors.ApiError) as caught:
        wire.turn(0)
    assert caught.value.status == status
    assert caught.value.billed is None
    assert wire.turn(0).adopted
    assert len(wire.sim.runs()) == 1


def test_a_list_without_metadata_cannot_answer_and_nothing_is_sent(wire: Wire) -> None:
    wire.turn(0)
    wire.sim.listing = Listing(metadata=False)
    assert wire.turn(0).adopted
    elsewhere = wire.process()
    with pytest.raises(errors.SubmissionUnknown, match="does not say what run trun_") as caught:
        wire.turn(0, elsewhere)
    assert caught.value.billed is None
    assert not wire.turn(1, elsewhere).adopted  # another question, as the list's inputs show
    assert len(wire.sim.runs()) == 2


def test_a_list_without_metadata_makes_nothing_unknown_that_was_started_here(wire: Wire) -> None:
    wire.sim.listing = Listing(metadata=False)
    for number in range(3):
        wire.turn(number)  # whose look shows those before it
    known = wire.api.client._settings.cache.runs(wire.ledger_id)
    assert len(known) == 3
    assert all(METADATA_KEY in (run.metadata or {}) for run in known)


def test_a_list_that_leaves_runs_out_cannot_answer_and_nothing_is_sent(wire: Wire) -> None:
    for number in range(3):
        wire.turn(number)
    elsewhere = wire.process()
    wire.sim.listing = Listing(most=2)
    with pytest.raises(errors.SubmissionUnknown, match="its list shows 2 of 3 runs"):
        wire.turn(2, elsewhere)
    assert len(wire.sim.runs()) == 3
    wire.sim.listing = Listing()
    assert wire.turn(2, elsewhere).adopted


def test_heartbeats_without_json_are_no_broken_list(wire: Wire) -> None:
    wire.turn(0)
    wire.sim.faults.add(Fault("sse_data_heartbeats", times=None))
    assert wire.turn(0, wire.process()).adopted
    assert not wire.turn(1, wire.process()).adopted
    assert len(wire.sim.runs()) == 2


def test_the_result_of_another_run_is_no_answer(wire: Wire) -> None:
    wire.sim.scripts.add(RunScript(seconds=0.2))
    run_id = wire.turn(0).run.run_id
    wire.sim.faults.add(Fault("wrong_id", path=f"*/{run_id}/*", times=3))
    assert wire.api.wait(run_id).run.run_id == run_id


def test_a_group_whose_id_leads_elsewhere_is_refused_at_creation(wire: Wire) -> None:
    body: dict[str, Any] = {"taskgroup_id": "a/../b", "status": {}, "created_at": None}
    wire.sim.faults.add(Fault("wrong_shape", body=body, path="*/groups"))
    with pytest.raises(errors.MalformedResponse, match=r"'a/\.\./b', which is no id"):
        wire.api.create_group()
