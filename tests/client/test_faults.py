"""Each fault at each call: the class of the error, its text, and what it cost."""

from __future__ import annotations

from typing import Any

import pytest

from langchain_parallel import errors
from langchain_parallel.simulator import Fault, RunningServer, RunScript

from .both import Both, World, ask

FREE_CALLS = ["retrieve", "retrieve_input", "result", "create_group", "retrieve_group", "list_runs"]
PAID_CALLS = ["create", "add_runs"]

REFUSALS: list[tuple[dict[str, Any], type[errors.ParallelError], str, str]] = [
    (
        {"kind": "status_before", "status": 400},
        errors.UnexpectedStatus,
        "does not document",
        "base_url",
    ),
    (
        {"kind": "status_before", "status": 401},
        errors.AuthenticationFailed,
        "not accepted",
        "PARALLEL_API_KEY",
    ),
    ({"kind": "payment_required"}, errors.CreditExhausted, "not enough credit", "Add credit"),
    (
        {"kind": "status_before", "status": 403},
        errors.Forbidden,
        "may not use",
        "ask Parallel",
    ),
    ({"kind": "status_before", "status": 404}, errors.NotFound, "There is no", "Check "),
    (
        {"kind": "status_before", "status": 418},
        errors.UnexpectedStatus,
        "does not document",
        "up to date",
    ),
    (
        {"kind": "status_before", "status": 422},
        errors.Unprocessable,
        "invalid",
        "Correct what it names",
    ),
    ({"kind": "rate_limit", "seconds": 7}, errors.RateLimited, "wait 7 s", "Wait a little"),
    (
        {"kind": "rate_limit", "seconds": 7, "as_date": True},
        errors.RateLimited,
        "Too many",
        "Wait a little",
    ),
    ({"kind": "refuse"}, errors.ResponseLost, "could not be reached", "Check the network"),
]
UNKNOWNS: list[tuple[dict[str, Any], type[errors.ParallelError], str]] = [
    ({"kind": "status_before", "status": 408}, errors.RequestTimedOut, "gave up waiting"),
    ({"kind": "status_before", "status": 500}, errors.ServerFault, "The server failed"),
    ({"kind": "status_before", "status": 599}, errors.ServerFault, "The server failed"),
    ({"kind": "status_after", "status": 503}, errors.ServerFault, "The server failed"),
    ({"kind": "drop_before"}, errors.ResponseLost, "No response arrived"),
    ({"kind": "drop_after"}, errors.ResponseLost, "No response arrived"),
    ({"kind": "drop_after", "reset": True}, errors.ResponseLost, "ReadError"),
    ({"kind": "truncated_body"}, errors.ResponseLost, "No response arrived"),
    ({"kind": "hang", "seconds": 900}, errors.ResponseLost, "ReadTimeout"),
    ({"kind": "malformed_json"}, errors.MalformedResponse, "Invalid JSON"),
    ({"kind": "wrong_shape"}, errors.MalformedResponse, "Field required"),
    ({"kind": "wrong_shape", "body": []}, errors.MalformedResponse, "Input should be an object"),
]
STARTS_NOTHING = {"status_before", "drop_before"}


def name(fault: Any) -> str:
    return "-".join(map(str, fault.values())) if isinstance(fault, dict) else ""


def call(api: Both, method: str, run_id: str, group_id: str) -> Any:
    """One call, with a run and a group that exist."""
    if method in ("retrieve_group", "list_runs"):
        return getattr(api, method)(group_id)
    if method == "add_runs":
        return api.add_runs(group_id, [ask("new")])
    if method == "create_group":
        return api.create_group()
    return getattr(api, method)(ask("new") if method == "create" else run_id)


def ready(world: World, fault: dict[str, Any], times: int | None) -> tuple[str, str]:
    """A run that has ended, in a group; then the fault."""
    world.sim.scripts.add(RunScript(seconds=1))
    group_id = world.api.create_group().taskgroup_id
    [run_id] = world.api.add_runs(group_id, [ask()]).run_ids
    world.clock.advance(10)
    world.sim.faults.add(Fault(**fault, times=times))
    return run_id, group_id


@pytest.mark.grid
@pytest.mark.parametrize("method", [*FREE_CALLS, *PAID_CALLS])
@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda row: name(row[0]))
def test_a_refusal_is_reported_and_costs_nothing(
    world: World, method: str, refusal: tuple[dict[str, Any], Any, str, str]
) -> None:
    fault, error, happened, todo = refusal
    ids = ready(world, fault, times=None)
    told = world.raises(error, call, world.api, method, *ids)
    assert happened in told.message
    assert todo in told.hint
    assert world.started == 1
    assert told.billed is (None if method in FREE_CALLS and method != "create_group" else False)


@pytest.mark.parametrize("method", PAID_CALLS)
@pytest.mark.parametrize(("fault", "error", "happened"), UNKNOWNS, ids=name)
def test_a_paid_call_of_unknown_outcome_is_sent_once_and_says_so(
    world: World, method: str, fault: dict[str, Any], error: Any, happened: str
) -> None:
    ids = ready(world, fault, times=None)
    before = len(world.sim.requests)
    told = world.raises(error, call, world.api, method, *ids)
    assert len(world.sim.requests) == before + 1
    assert told.billed is None
    assert happened in told.message
    assert "may have been started and billed" in told.hint
    assert ("list_runs" in told.hint) is (method == "add_runs")
    assert world.started == (1 if fault["kind"] in STARTS_NOTHING else 2)


@pytest.mark.grid
@pytest.mark.parametrize("method", [call for call in FREE_CALLS if call != "result"])
@pytest.mark.parametrize(("fault", "error"), [row[:2] for row in UNKNOWNS], ids=name)
def test_a_free_call_is_repeated_until_it_is_given_up(
    world: World, method: str, fault: dict[str, Any], error: Any
) -> None:
    ids = ready(world, fault, times=None)
    if method == "list_runs" and fault["kind"] == "malformed_json":
        error = errors.ResponseLost  # a stream that breaks off
    told = world.raises(error, call, world.api, method, *ids)
    repeated = len([e for e in world.sim.requests if e.fault])
    assert repeated == (1 if error is errors.MalformedResponse and method != "list_runs" else 5)
    assert world.started == 1
    assert told.billed in (False, None)


@pytest.mark.grid
@pytest.mark.parametrize("method", FREE_CALLS)
@pytest.mark.parametrize("fault", [f for f, *_ in UNKNOWNS if "body" not in f], ids=name)
def test_a_free_call_gets_over_trouble(world: World, method: str, fault: dict[str, Any]) -> None:
    if fault["kind"] in ("malformed_json", "wrong_shape") and method != "list_runs":
        return
    ids = ready(world, fault, times=4)
    assert call(world.api, method, *ids) is not None
    assert world.started == 1


@pytest.mark.parametrize("method", PAID_CALLS)
@pytest.mark.parametrize("kind", ["refuse", "rate_limit"])
def test_a_paid_call_that_started_nothing_is_repeated(world: World, method: str, kind: Any) -> None:
    ids = ready(world, {"kind": kind, "seconds": 20}, times=3)
    began = world.clock.monotonic()
    call(world.api, method, *ids)
    assert world.started == 2
    assert kind == "refuse" or world.clock.monotonic() - began >= 60


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault("drop_before"), errors.ResponseLost),
        (Fault("drop_before", reset=True), errors.ResponseLost),
        (Fault("drop_after"), errors.ResponseLost),
        (Fault("refuse"), errors.ResponseLost),
        (Fault("status_after", status=502), errors.ServerFault),
        (Fault("truncated_body"), errors.ResponseLost),
        (Fault("malformed_json"), errors.MalformedResponse),
    ],
    ids=lambda value: getattr(value, "kind", None),
)
def test_on_a_socket_a_create_is_never_repeated_once_a_byte_may_have_left(
    socket_api: Both,
    simulator_server: RunningServer,
    fault: Fault,
    error: type[errors.ParallelError],
) -> None:
    """`refuse` too: on a socket the connection stood, and was reset."""
    simulator_server.simulator.faults.add(fault)
    with pytest.raises(error) as caught:
        socket_api.create(ask())
    assert caught.value.billed is None
    assert len(simulator_server.simulator.requests) == 1


def test_on_a_socket_without_a_listener_nothing_is_billed(
    socket_api: Both, simulator_server: RunningServer
) -> None:
    with simulator_server.unreachable(), pytest.raises(errors.ResponseLost) as caught:
        socket_api.create(ask())
    assert (caught.value.sent, caught.value.billed) == (False, False)
    assert simulator_server.simulator.requests == []
    assert socket_api.create(ask()).active


def test_a_422_of_the_server_names_the_fields(world: World) -> None:
    error = world.raises(
        errors.Unprocessable, world.api.create, ask(previous_interaction_id="intr_0")
    )
    assert error.fields == ("body.previous_interaction_id: unknown interaction",)
    assert "fields: “body.previous_interaction_id: unknown interaction" in str(error)
    assert error.ref_id in str(error)


def test_a_402_of_the_server_is_reported_and_free() -> None:
    world = World("blocking", credit_usd=0.004)
    error = world.raises(errors.CreditExhausted, world.api.create, ask())
    assert error.billed is False
    assert world.started == 0
    world.api.done()
