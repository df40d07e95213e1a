"""How waiting ends if a run gives no answer."""

from __future__ import annotations

from typing import Any

import pytest

from langchain_parallel import errors
from langchain_parallel.simulator import Fault

from ..outage import Outage
from .both import Both, World

HOURS = 3600.0


ENDINGS: list[tuple[Any, type[errors.RunError], str, bool | None]] = [
    ("failed", errors.RunFailed, "failed; the server says: “No luck”", False),
    ("cancelled", errors.RunCancelled, "was cancelled on the server's side", None),
    ("action_required", errors.ActionRequired, "waits for a person to act", None),
]


@pytest.mark.parametrize("call", ["wait", "result"])
@pytest.mark.parametrize("events", [True, False])
@pytest.mark.parametrize("ending", ENDINGS)
def test_each_ending_is_an_error_of_its_own(
    world: World,
    ending: tuple[Any, type[errors.RunError], str, bool | None],
    call: str,
    events: bool,
) -> None:
    outcome, kind, text, billed = ending
    if not events:
        world.sim.faults.add(Fault("status_before", path="*/events", status=404, times=None))
    run_id = world.start(
        outcome,
        processor="pro",
        seconds=200,
        message="No luck.",
        ref_id="ref-7",
        warnings=("Odd schema.",),
    )
    run = world.api.retrieve(run_id)
    error = world.raises(kind, getattr(world.api, call), run_id)
    assert text in error.message
    assert "warnings: “Odd schema.”" in error.message
    assert error.warnings == ("Odd schema.",)
    assert (error.run_id, error.interaction_id) == (run_id, run.interaction_id)
    assert (error.status, error.billed) == (outcome, billed)
    if outcome == "failed":
        assert (error.server_message, error.ref_id) == ("No luck.", "ref-7")
        assert "Failed runs are not billed" in error.hint
    assert world.sim.billing.total_usd == 0


def test_after_the_action_the_same_run_is_waited_for_again(world: World) -> None:
    run_id = world.start("action_required", seconds=30)
    world.raises(errors.ActionRequired, world.api.wait, run_id)
    world.sim.settle(run_id)
    assert world.api.wait(run_id).run.status == "completed"


def test_action_is_noticed_where_the_result_only_says_not_yet(world: World) -> None:
    """The API documents 408 for what has no result yet; the run's own status decides."""
    run_id = world.start("action_required", seconds=30)
    world.sim.faults.add(
        Fault("status_before", path="*/events", status=404, times=None),
        Fault("status_before", path="*/result", status=408, times=None),
    )
    world.raises(errors.ActionRequired, world.api.wait, run_id)
    assert world.clock.monotonic() < 300


def test_an_unknown_status_is_waited_for_or_reported(world: World) -> None:
    run_id = world.start(seconds=30, unknown_status="paused_for_review")
    error = world.raises(errors.RunError, world.api.wait, run_id)
    assert "ended as 'paused_for_review', a status this package does not know" in str(error)
    other = world.start(seconds=30)
    world.sim.faults.add(Fault("unknown_status", path="*/events", times=None))
    assert world.api.wait(other).output.content
    assert not any(path.endswith(f"{other}/result") for path in world.sent("GET"))


def test_waiting_survives_trouble_on_the_way(world: World) -> None:
    world.sim.faults.add(
        Fault("status_before", path="*/events", status=404, times=None),
        *(
            Fault(kind, path="*/result", status=502, seconds=5)
            for kind in ("status_before", "drop_before", "malformed_json",
                         "rate_limit", "truncated_body", "hang", "refuse")
        ),
    )  # fmt: skip
    assert world.api.wait(world.start(seconds=400)).run.status == "completed"


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault("status_before", method="GET", status=401, times=None), errors.AuthenticationFailed),
        (Fault("status_before", method="GET", status=403, times=None), errors.Forbidden),
        (Fault("payment_required", method="GET", times=None), errors.CreditExhausted),
        (Fault("malformed_json", path="*/result", times=None), errors.MalformedResponse),
    ],
    ids=lambda value: getattr(value, "kind", None),
)
def test_what_waiting_cannot_mend_ends_in_its_error_with_the_run_named(
    world: World, fault: Fault, kind: type[errors.ParallelError]
) -> None:
    run_id = world.start()
    world.sim.faults.add(Fault("status_before", path="*/events", status=404, times=None), fault)
    error = world.raises(kind, world.api.wait, run_id)
    assert error.run_id == run_id
    assert error.billed is None
    assert world.clock.monotonic() < 600


DOWN = {
    "503": (Fault("status_before", status=503, times=None), errors.ServerFault),
    "429": (Fault("rate_limit", seconds=500, times=None), errors.RateLimited),
    "409": (Fault("status_before", status=409, times=None), errors.UnexpectedStatus),
    "refused": (Fault("refuse", times=None), errors.ResponseLost),
    "dropped": (Fault("drop_before", times=None), errors.ResponseLost),
    "silent": (Fault("hang", seconds=9e9, times=None), errors.ResponseLost),
}


@pytest.mark.grid
@pytest.mark.parametrize("call", ["wait", "result"])
@pytest.mark.parametrize("seconds", [40.0, 200.0, 3000.0])
@pytest.mark.parametrize("down", DOWN)
def test_an_api_that_is_down_costs_time_and_never_the_answer(
    world: World, down: str, seconds: float, call: str
) -> None:
    transport = Outage(world.sim, DOWN[down][0], seconds)
    api = Both(world.kind, "key", transport=transport, clock=world.clock)
    run_id = world.start(seconds=5)
    assert getattr(api, call)(run_id, timeout=4000).run.run_id == run_id
    # The pauses stay short, and so few requests go to a server in trouble.
    assert seconds <= world.clock.monotonic() < seconds + 150
    assert len(world.sim.requests) < 20 + seconds / 5
    api.done()


@pytest.mark.grid
@pytest.mark.parametrize("call", ["wait", "result"])
@pytest.mark.parametrize("timeout", [0.0, 3.0, 100.0])
@pytest.mark.parametrize("down", DOWN)
def test_an_api_that_stays_down_ends_the_waiting_at_the_deadline_with_its_error(
    world: World, down: str, timeout: float, call: str
) -> None:
    fault, kind = DOWN[down]
    run_id = world.start(seconds=5)
    world.sim.faults.add(fault)
    error = world.raises(kind, getattr(world.api, call), run_id, timeout=timeout)
    assert (error.run_id, error.billed) == (run_id, None)
    assert timeout <= world.clock.monotonic() <= timeout + 8


@pytest.mark.parametrize("call", ["wait", "result"])
def test_a_run_that_the_api_does_not_know_yet_is_waited_for(world: World, call: str) -> None:
    fault = Fault("status_before", path="*/runs/trun*", status=404, times=None)
    api = Both(world.kind, "key", transport=Outage(world.sim, fault, 3.0), clock=world.clock)
    run_id = world.start(seconds=5)
    assert getattr(api, call)(run_id).run.run_id == run_id
    assert world.clock.monotonic() < 15
    api.done()


def test_an_unknown_run_is_not_found(world: World) -> None:
    for call in (world.api.wait, world.api.result, world.api.retrieve, world.api.retrieve_input):
        error = world.raises(errors.NotFound, call, "trun_nowhere")
        assert "Check the id" in str(error)
        assert error.run_id == "trun_nowhere"


def test_a_server_that_answers_at_once_is_not_asked_all_the_time(world: World) -> None:
    world.sim.faults.add(
        Fault("status_before", path="*/events", status=404, times=None),
        Fault("status_before", path="*/result", status=408, times=None),
    )
    run_id = world.start("stay_queued")
    world.raises(errors.StillRunning, world.api.wait, run_id, timeout=HOURS)
    assert len(world.sim.requests) < 600
