"""A run that shows up later than the settling time may be paid for twice; then both are reported.

The older one counts, because every later lookup finds it first. What graph and tool make of it is tested with
them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from langchain_parallel import errors
from langchain_parallel._core.retry import RetryPolicy
from langchain_parallel.models import TaskRunInput
from langchain_parallel.simulator import Fault, Request, Response, RunScript, Simulator
from langchain_parallel.simulator.http_messages import Cut

from ..research.harness import Mode
from .users import MODES, PROCESSOR, QUESTION, USERS, ClientUser, Clock, User

LATE = 4 * RetryPolicy().settle_seconds
ASKED = TaskRunInput(input=QUESTION, processor=PROCESSOR)
POST: dict[str, Any] = {"method": "POST", "path": "*/groups/*/runs"}
LOST = Fault("drop_after", **POST)


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> Mode:
    value: Mode = request.param
    return value


@pytest.fixture
def simulator() -> Simulator:
    """The first answer is lost, and its run is not listed before long."""
    made = Simulator(Clock())
    made.faults.add(LOST)
    made.scripts.add(RunScript(late_commit=LATE, seconds=2 * LATE))
    made.scripts.add(RunScript(seconds=2 * LATE))
    return made


@pytest.fixture
def client(mode: Mode, simulator: Simulator) -> Iterator[ClientUser]:
    with closing(ClientUser(mode, simulator)) as user:
        yield user


def both(user: User) -> tuple[str, str]:
    """The ids of the two runs for the question, the older first."""
    older, younger = user.runs(QUESTION)
    return older["run_id"], younger["run_id"]


@pytest.mark.parametrize("kind", USERS, ids=lambda kind: kind.name)
def test_two_runs_and_no_more_are_started_and_there_is_an_answer(
    kind: type[User], mode: Mode, simulator: Simulator
) -> None:
    with closing(kind(mode, simulator)) as user:
        assert user.ask() is None
        assert user.answered[QUESTION][0] in both(user)


def test_find_tells_both_ids_once_both_are_listed(client: ClientUser) -> None:
    assert client.ask() is None
    assert client.submission is not None
    assert client.submission.sent_again
    found = client.api.find(client.ledger_id, ASKED)
    assert (found.run.run_id, found.duplicates) == (both(client)[0], both(client)[1:])


@pytest.mark.parametrize("elsewhere", [True, False])
def test_submitting_again_adopts_the_older_and_reports_the_other(
    client: ClientUser, elsewhere: bool
) -> None:
    assert client.ask() is None
    if elsewhere:
        client.move()
    again = client.api.submit(client.ledger_id, ASKED)
    assert (again.run.run_id, again.duplicates) == (both(client)[0], both(client)[1:])
    assert again.adopted


def test_a_list_that_cannot_be_read_hides_no_run_that_is_known(client: ClientUser) -> None:
    """What was sent twice is looked for each time, but it is known without that."""
    assert client.ask() is None
    client.simulator.faults.add(Fault("drop_before", "GET", "*/groups/*/runs", times=None))
    assert client.api.submit(client.ledger_id, ASKED).run.run_id in both(client)


class Blind(Simulator):
    """Shows no list any more once there are two runs, until it is told to see."""

    sees = False

    def handle(self, request: Request) -> Response:
        lists = request.method == "GET" and request.path.endswith("/runs")
        if lists and len(self.runs()) == 2 and not self.sees:
            return Response(iter([Cut()]))
        return super().handle(request)


@pytest.mark.parametrize("kind", USERS, ids=lambda kind: kind.name)
def test_a_duplicate_that_cannot_be_looked_up_leads_to_no_third_run(
    kind: type[User], mode: Mode
) -> None:
    simulator = Blind(Clock())
    simulator.faults.add(LOST)
    simulator.scripts.add(RunScript(late_commit=LATE, seconds=2 * LATE))
    with closing(kind(mode, simulator)) as user:
        told = user.ask()
        if told is not None:  # an answer is there; to keep it back is allowed, to disown it is not
            # The graph has its answer, and cannot look for its next question.
            assert told.run_id in both(user) or kind.name == "graph"
            assert told.error is not None
            assert told.error.billed is not False
            simulator.sees = True
            assert user.resume() is None
        assert len(user.runs(QUESTION)) == 2


def test_of_three_both_duplicates_are_reported(client: ClientUser) -> None:
    client.simulator.scripts.clear()
    client.simulator.scripts.add(RunScript(late_commit=LATE, seconds=2 * LATE, times=3))
    client.simulator.faults.add(LOST)
    assert client.ask() is None
    oldest, *others = (run["run_id"] for run in client.runs(QUESTION))
    found = client.api.find(client.ledger_id, ASKED)
    assert (found.run.run_id, found.duplicates) == (oldest, tuple(others))
    assert len(others) == 2


@pytest.mark.parametrize(
    "second",
    [
        Fault("payment_required", **POST),
        Fault("status_before", status=403, **POST),
        Fault("rate_limit", seconds=9000, **POST),
        Fault("refuse", times=None, **POST),
    ],
    ids=lambda fault: fault.kind,
)
def test_a_refused_second_send_does_not_settle_an_uncertain_first(
    client: ClientUser, second: Fault
) -> None:
    """Otherwise a model or a person would add credit and ask again while the first run is under way."""
    client.simulator.faults.add(second)
    told = client.ask()
    assert told is not None
    assert isinstance(told.error, errors.ParallelError)
    assert len(client.runs(QUESTION)) == 1
    assert told.error.billed is None
    client.simulator.faults.clear()
    client.simulator.clock.sleep(LATE - RetryPolicy().settle_seconds)
    assert client.resume() is None
    assert len(client.runs(QUESTION)) == 1


@pytest.mark.parametrize("kind", ["malformed_json", "wrong_shape"])
def test_what_was_accepted_but_cannot_be_read_is_not_sent_again(
    client: ClientUser, kind: Any
) -> None:
    """However long its run takes to show up: that something was started is certain here."""
    client.simulator.faults.clear()
    client.simulator.faults.add(Fault(kind, **POST))
    told = client.ask()
    assert told is not None
    assert isinstance(told.error, errors.SubmissionUnknown)
    client.simulator.clock.sleep(LATE - RetryPolicy().settle_seconds)
    assert client.resume() is None
    assert len(client.runs(QUESTION)) == 1
