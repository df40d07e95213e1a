"""Many requests at once: each is started once, and each has its own outcome."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import httpx
import pytest

from langchain_parallel import errors
from langchain_parallel._core.ledger.keys import METADATA_KEY
from langchain_parallel.client import RetryPolicy
from langchain_parallel.models import Submission
from langchain_parallel.simulator import Fault, Listing, RunScript, SimulatorTransport

from .both import Both, World, ask

N = 25


def rows(number: int = N) -> list[Any]:
    return [ask(f"Question {nth}?") for nth in range(number)]


def ids(outcomes: list[Any]) -> list[str]:
    assert all(isinstance(one, Submission) for one in outcomes), outcomes
    return [one.run.run_id for one in outcomes]


def answers_its_question(world: World, outcomes: list[Any], asked: list[Any]) -> None:
    by_id = {run.run_id: run for run in world.sim.all_runs()}
    for outcome, request in zip(outcomes, asked, strict=True):
        if isinstance(outcome, Submission):
            assert by_id[outcome.run.run_id].request["input"] == request.input


def paid_once(world: World, number: int = N) -> None:
    keys = Counter(run.request["metadata"][METADATA_KEY] for run in world.sim.all_runs())
    assert len(keys) == number
    assert set(keys.values()) <= {1}


def paid_posts(world: World) -> int:
    return sum(path.endswith("/runs") for path in world.sent())


def test_a_chunk_is_one_request_and_an_outcome_each_in_order(world: World) -> None:
    ledger = world.api.create_group().taskgroup_id
    outcomes = world.api.submit_many(ledger, rows(), lookup="none")
    paid_once(world)
    answers_its_question(world, outcomes, rows())
    assert not any(one.adopted for one in outcomes)
    assert all(one.run.interaction_id for one in outcomes)
    assert [entry.method for entry in world.sim.requests] == ["POST", "POST", "GET"]


def test_again_nothing_is_sent(world: World) -> None:
    ledger = world.api.create_group().taskgroup_id
    first = world.api.submit_many(ledger, rows())
    again = Both(world.kind, "key", transport=SimulatorTransport(world.sim), clock=world.clock)
    second = again.submit_many(ledger, rows())
    assert ids(first) == ids(second)
    assert all(one.adopted for one in second)
    assert paid_posts(world) == 1
    again.done()


def test_only_what_is_missing_is_sent(world: World) -> None:
    ledger = world.api.create_group().taskgroup_id
    some = world.api.submit_many(ledger, rows()[5:9])
    outcomes = world.api.submit_many(ledger, rows())
    assert ids(outcomes)[5:9] == ids(some)
    assert [nth for nth, one in enumerate(outcomes) if one.adopted] == [5, 6, 7, 8]
    paid_once(world)


def test_a_run_of_a_single_submit_is_adopted(world: World) -> None:
    ledger = world.api.create_group().taskgroup_id
    one = world.api.submit(ledger, rows()[3])
    assert ids(world.api.submit_many(ledger, rows()))[3] == one.run.run_id
    assert world.api.submit(ledger, rows()[4]).adopted
    paid_once(world)


def test_more_than_a_thousand_go_in_chunks(world: World) -> None:
    ledger = world.api.create_group().taskgroup_id
    known: list[int] = []
    outcomes = world.api.submit_many(ledger, rows(1_001), on_progress=known.append)
    assert len(set(ids(outcomes))) == 1_001
    assert (paid_posts(world), known) == (2, [1_000, 1_001])


@pytest.mark.grid
@pytest.mark.parametrize(
    "listing",
    [
        Listing(newest_first=True),
        Listing(page=3),
        Listing(newest_first=True, page=7),
        Listing(most=10),
        Listing(metadata=False),
    ],
    ids=str,
)
def test_however_a_list_comes_each_row_has_its_own_run(world: World, listing: Listing) -> None:
    world.sim.listing = listing
    ledger = world.api.create_group().taskgroup_id
    outcomes = world.api.submit_many(ledger, rows())
    answers_its_question(world, outcomes, rows())
    ids(outcomes)
    paid_once(world)


UNKNOWN = [
    *(
        Fault(kind, method="POST", path="*/runs")
        for kind in ("drop_before", "drop_after", "status_before", "status_after", "truncated_body")
    ),
    Fault("slow_acceptance", method="POST", path="*/runs", seconds=70.0),
    Fault("status_after", method="POST", path="*/runs", acts_after=20.0),
    Fault("drop_after", method="POST", path="*/runs", acts_after=40.0),
    Fault("rate_limit", method="POST", path="*/runs", seconds=3.0),
    Fault("refuse", method="POST", path="*/runs"),
    Fault("malformed_json", method="POST", path="*/runs"),
    Fault("sse_cut", path="*/runs", after_events=3, times=2),
    Fault("status_before", method="GET", times=3),
]


@pytest.mark.grid
@pytest.mark.parametrize("fault", UNKNOWN, ids=lambda f: f"{f.kind} {f.method} {f.acts_after}")
def test_whatever_becomes_of_a_request_each_row_is_paid_once(world: World, fault: Fault) -> None:
    ledger = world.api.create_group().taskgroup_id
    world.sim.faults.add(fault)
    outcomes = world.api.submit_many(ledger, rows())
    ids(outcomes)
    answers_its_question(world, outcomes, rows())
    paid_once(world)


def test_an_acceptance_that_cannot_be_read_is_never_followed_by_another_send(world: World) -> None:
    ledger = world.api.create_group().taskgroup_id
    world.sim.faults.add(Fault("wrong_shape", method="POST", path="*/runs"))
    world.sim.listing = Listing(most=10)
    outcomes = world.api.submit_many(ledger, rows())
    lost = [one for one in outcomes if not isinstance(one, Submission)]
    assert {type(one) for one in lost} == {errors.SubmissionUnknown}
    assert (len(lost), paid_posts(world)) == (N - 10, 1)
    world.sim.listing = Listing()
    ids(world.api.submit_many(ledger, rows()))
    paid_once(world)


class Partial(SimulatorTransport):
    """A server that starts only the first few runs of each request, and says so."""

    def _exchange(self, request: httpx.Request, body: bytes) -> Any:
        if request.method == "POST" and request.url.path.endswith("/runs"):
            body = json.dumps({"inputs": json.loads(body)["inputs"][:10]}).encode()
        return super()._exchange(request, body)


def test_what_an_acceptance_leaves_out_is_sent_again(world: World) -> None:
    api = Both(world.kind, "key", transport=Partial(world.sim), clock=world.clock)
    ledger = api.create_group().taskgroup_id
    outcomes = api.submit_many(ledger, rows())
    ids(outcomes)
    answers_its_question(world, outcomes, rows())
    paid_once(world)
    api.done()


# --- refusals ------------------------------------------------------------------------------------


def refusable(*bad: int, number: int = N) -> list[Any]:
    return [
        ask(f"Question {nth}?", previous_interaction_id="intr_unknown" if nth in bad else None)
        for nth in range(number)
    ]


def test_a_row_that_the_server_names_is_left_out_and_the_others_are_started(world: World) -> None:
    ledger = world.api.create_group().taskgroup_id
    outcomes = world.api.submit_many(ledger, refusable(3, 17))
    for nth in (3, 17):
        error = outcomes.pop(nth - (nth == 17))
        assert type(error) is errors.Unprocessable
        assert len(error.fields) == 1
        assert f"inputs.{nth}." in error.fields[0]
        assert error.billed is False
    ids(outcomes)
    paid_once(world, N - 2)
    assert paid_posts(world) == 2


class Silent(SimulatorTransport):
    """A server that refuses a chunk without saying which row it means."""

    def _exchange(self, request: httpx.Request, body: bytes) -> Any:
        if b"intr_unknown" in body:
            body = b'{"inputs": []}' if b'"inputs":[' in body else body
            request.url = request.url.copy_with(path="/v1/tasks/runs")
        return super()._exchange(request, body)


@pytest.mark.parametrize("bad", [(0,), (24,), (3, 17), (5, 6, 7)], ids=str)
def test_a_row_that_no_server_names_is_found_by_halves(world: World, bad: tuple[int, ...]) -> None:
    api = Both(world.kind, "key", transport=Silent(world.sim), clock=world.clock)
    ledger = api.create_group().taskgroup_id
    outcomes = api.submit_many(ledger, refusable(*bad))
    found = [nth for nth, one in enumerate(outcomes) if type(one) is errors.Unprocessable]
    assert found == list(bad)
    paid_once(world, N - len(bad))
    api.done()


def test_a_fault_of_all_rows_is_not_looked_for_in_each(world: World) -> None:
    api = Both(world.kind, "key", transport=Silent(world.sim), clock=world.clock)
    ledger = api.create_group().taskgroup_id
    outcomes = api.submit_many(ledger, refusable(*range(500), number=500))
    assert {type(one) for one in outcomes} == {errors.Unprocessable}
    assert world.started == 0
    assert len(world.sent()) < 60
    api.done()


def test_bad_input_is_found_before_anything_is_sent(world: World) -> None:
    asked = [*rows(), ask(""), "no request"]
    error = world.raises(errors.InvalidRequest, world.api.submit_many, "tgrp_1", asked)
    assert [problem.partition(" ")[0].rstrip(":") for problem in error.problems] == [
        "requests[25]",
        "requests[26]",
    ]
    assert world.sim.requests == []


def test_two_rows_that_ask_the_same_need_positions(world: World) -> None:
    ledger = world.api.create_group().taskgroup_id
    twice = [ask("Who?"), ask("Who?")]
    world.raises(errors.InvalidRequest, world.api.submit_many, ledger, twice)
    told_apart = world.api.submit_many(ledger, twice, positions=["a", "b"])
    assert len(set(ids(told_apart))) == 2
    short = {"positions": ["a"]}
    world.raises(errors.InvalidRequest, world.api.submit_many, ledger, twice, **short)


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("payment_required", errors.CreditExhausted),
        ("status_before", errors.ServerFault),
        ("rate_limit", errors.RateLimited),
    ],
)
def test_what_stops_all_is_told_of_each_row_that_was_not_sent(
    world: World, kind: Any, error: type[errors.ApiError]
) -> None:
    ledger = world.api.create_group().taskgroup_id
    # The second chunk's, and all that follow.
    world.sim.faults.add(Fault(kind, method="POST", path="*/runs", skip=1, times=None))
    outcomes = world.api.submit_many(ledger, rows(25), chunk_size=10)
    ids(outcomes[:10])
    kinds = {type(one) for one in outcomes[10:20]}
    assert kinds == {errors.SubmissionUnknown if kind == "status_before" else error}
    assert {type(one) for one in outcomes[20:]} == {error}
    assert all("was not sent" in one.hint and one.billed is False for one in outcomes[20:])
    world.sim.faults.clear()
    ids(world.api.submit_many(ledger, rows(25)))
    paid_once(world)


def test_a_ledger_that_is_not_there_starts_nothing(world: World) -> None:
    world.raises(errors.LedgerNotFound, world.api.submit_many, "tgrp_none", rows())
    assert world.started == 0


def test_a_ledger_that_cannot_be_read_starts_nothing(world: World) -> None:
    ledger = world.api.create_group().taskgroup_id
    world.sim.faults.add(Fault("status_before", method="GET", times=None))
    world.raises(errors.ServerFault, world.api.submit_many, ledger, rows())
    assert world.started == 0


def test_runs_that_show_up_late_are_waited_for(world: World) -> None:
    ledger = world.api.create_group().taskgroup_id
    for _ in range(N):
        world.sim.scripts.add(RunScript(late_commit=20.0))
    ids(world.api.submit_many(ledger, rows(), lookup="until_settled"))
    paid_once(world)


def test_a_key_of_the_api_stands_in_no_error(world: World) -> None:
    secret = "key-of-a-customer-0123456789"
    transport = SimulatorTransport(world.sim)
    policy = RetryPolicy(max_attempts=1)
    api = Both(world.kind, secret, transport=transport, clock=world.clock, retry_policy=policy)
    ledger = api.create_group().taskgroup_id
    fault = Fault("wrong_shape", method="POST", path="*/runs", body={"run_ids": secret})
    world.sim.faults.add(fault)
    world.sim.listing = Listing(most=3)
    outcomes = api.submit_many(ledger, rows())
    assert secret not in repr([str(one) for one in outcomes])
    api.done()


@pytest.mark.parametrize("size", [0, 1_001, 2.5, True])
def test_a_chunk_has_a_size_that_the_api_takes(world: World, size: Any) -> None:
    ask_for = {"chunk_size": size}
    world.raises(errors.InvalidRequest, world.api.submit_many, "tgrp_1", rows(), **ask_for)
