"""A property test: under any bounded sequence of faults a request is paid for exactly once."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from langchain_parallel import ParallelClient, errors
from langchain_parallel._core.retry import RetryPolicy
from langchain_parallel.models import TaskRunInput
from langchain_parallel.simulator import (
    Fault,
    ManualClock,
    RunScript,
    Simulator,
    SimulatorTransport,
)

from ..cut import examples

POLICY = RetryPolicy(settle_seconds=15.0)
ASKED = TaskRunInput(input="Who?", processor="lite")

KINDS: dict[str, dict[str, Any]] = {
    "refuse": {},
    "drop_before": {},
    "drop_after": {},
    "status_before": {"status": 503},
    "status_after": {"status": 500},
    "rate_limit": {"seconds": 3},
    "payment_required": {},
    "truncated_body": {},
    "malformed_json": {},
    "wrong_shape": {},
    "hang": {"seconds": 200, "processed": True},
    "slow_head": {"seconds": 8},
    "slow_body": {"seconds": 8},
    "sse_cut": {"after_events": 0},
    "sse_error": {},
    "unknown_fields": {},
    "unknown_status": {},
}

faults = st.builds(
    lambda kind, where, skip, reset: Fault(
        kind, method=where[0], path=where[1], skip=skip, reset=reset, **KINDS[kind]
    ),
    st.sampled_from(sorted(KINDS)),
    # the look, the send, the reading of the started run
    st.sampled_from(
        [("GET", "*/groups/*/runs"), ("POST", "*/groups/*/runs"), ("GET", "*/tasks/runs/*")]
    ),
    st.integers(0, 3),
    st.booleans(),
)


@settings(max_examples=examples(250))
@given(st.lists(faults, max_size=12), st.floats(0, 12))
def test_any_trouble_ends_in_one_run_or_in_none_or_is_healed_by_submitting_again(
    trouble: list[Fault], late: float
) -> None:
    world = Simulator(ManualClock())
    transport = SimulatorTransport(world)
    client = ParallelClient("key", transport=transport, clock=world.clock, retry_policy=POLICY)
    ledger_id = client.create_group().taskgroup_id
    world.scripts.add(RunScript(late_commit=late, times=None, seconds=10_000))
    world.faults.add(*trouble)
    run_id, error = attempt(client, ledger_id)
    if error is not None and error.billed is None:
        world.faults.clear()
        # Another process: it knows nothing of the first.
        other = ParallelClient("key", transport=transport, clock=world.clock, retry_policy=POLICY)
        run_id, error = attempt(other, ledger_id)
        assert error is None
    assert [run["run_id"] for run in world.runs()] == ([run_id] if run_id else [])
    assert len(world.billing.reserved_runs()) == len(world.runs())
    assert error is None or error.billed is False


def attempt(
    client: ParallelClient, ledger_id: str
) -> tuple[str | None, errors.ParallelError | None]:
    try:
        return client.submit(ledger_id, ASKED).run.run_id, None
    except errors.ParallelError as error:
        return None, error
