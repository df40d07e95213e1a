"""A server that is still at work on a paid request when its client is lost is waited for.

It takes as long as it may: up to the timeout of the request. That is paid for once, whoever goes on, and
however soon; `tests/crash` does the same to real processes.
"""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest

from langchain_parallel.simulator import Fault

from ..research.harness import Mode
from .kills import Deadly, Kill, survive
from .users import MODES, USERS, User

POST: dict[str, Any] = {"method": "POST", "path": "*/groups/*/runs"}
AT_WORK = (5.0, 25.0, 55.0)
"""Seconds; a request's own timeout is 60."""


@pytest.mark.parametrize("kind", USERS, ids=lambda kind: kind.name)
def test_the_request_at_which_users_are_killed_is_the_paid_one(kind: type[User]) -> None:
    simulator = Deadly([])
    with closing(kind("sync", simulator)) as user:
        assert user.ask() is None
    made = [(entry.method, entry.path) for entry in simulator.requests]
    paid = [
        n for n, (method, path) in enumerate(made, 1) if (method, path[-4:]) == ("POST", "runs")
    ]
    assert paid[0] == kind.sending
    assert made[kind.sending][1].startswith("/v1/tasks/runs/")


@pytest.mark.grid
@pytest.mark.parametrize("kind", USERS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("seconds", AT_WORK)
@pytest.mark.parametrize("elsewhere", [True, False])
def test_killed_while_the_server_is_at_work(
    kind: type[User], mode: Mode, seconds: float, elsewhere: bool
) -> None:
    slowly = Fault("slow_acceptance", seconds=seconds, times=None, **POST)
    survive(kind, mode, kills=[Kill(kind.sending, elsewhere=elsewhere)], trouble=[slowly])


@pytest.mark.grid
@pytest.mark.parametrize("kind", USERS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("seconds", AT_WORK)
@pytest.mark.parametrize(
    "lost",
    [{"kind": "drop_after"}, {"kind": "status_after", "status": 504}],
    ids=lambda lost: lost["kind"],
)
def test_answered_while_the_server_is_at_work(
    kind: type[User], mode: Mode, seconds: float, lost: dict[str, Any]
) -> None:
    survive(kind, mode, trouble=[Fault(acts_after=seconds, **lost, **POST)])


@pytest.mark.grid
@pytest.mark.parametrize("kind", USERS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("retry_after", [0.0, 100.0])
def test_refused_after_acceptance_and_killed_then(
    kind: type[User], mode: Mode, retry_after: float
) -> None:
    refused = Fault("status_after", status=429, retry_after=retry_after, **POST)
    for later in (0, 1, 2):
        survive(kind, mode, kills=[Kill(kind.sending + later)], trouble=[refused])
