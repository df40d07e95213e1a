"""What is uncertain stays uncertain until a whole settling time has passed.

Cases of the sequences (`test_sequences.py`) that are worth a name of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from langchain_parallel.simulator import Fault, Request, Response, RunScript, Simulator
from langchain_parallel.simulator.http_messages import Cut, Step, Wait
from langchain_parallel.tools.tool_messages import error_for_model

from ..research.harness import Mode
from .kills import Kill, survive
from .table import LATE, NO_EVENTS
from .users import MODES, QUESTION, USERS, ClientUser, Clock, User

KINDS = pytest.mark.parametrize("kind", USERS, ids=lambda kind: kind.name)
BOTH = pytest.mark.parametrize("mode", MODES)


class Sluggish(Simulator):
    """Works at the first paid request for as long as the client waits, and its answer is lost."""

    sluggish = True

    def handle(self, request: Request) -> Response:
        paid = request.method == "POST" and request.path.endswith("/runs")
        if not (paid and self.sluggish):
            return super().handle(request)
        self.sluggish = False
        return Response(self._slowly(request))

    def _slowly(self, request: Request) -> Iterator[Step]:
        starts, ends = self.monotonic + 55, self.monotonic + 58
        yield Wait(starts)
        super().handle(request)
        yield Wait(ends)
        yield Cut()


@BOTH
@KINDS
def test_the_settling_time_begins_when_the_answer_is_lost_not_when_the_request_is_sent(
    kind: type[User], mode: Mode
) -> None:
    """The server may start the run at the last moment, and list it a little later still."""
    simulator = Sluggish(Clock())
    simulator.scripts.add(RunScript(late_commit=LATE, times=None))
    with closing(kind(mode, simulator)) as user:
        assert user.ask() is None
        assert len(user.runs(QUESTION)) == 1


@pytest.mark.grid
@BOTH
@KINDS
@pytest.mark.parametrize("elsewhere", [True, False])
@pytest.mark.parametrize("later", [0, 1])
def test_a_caller_cancelled_between_the_send_and_the_answer_finds_the_run(
    kind: type[User], mode: Mode, elsewhere: bool, later: int
) -> None:
    """Also while the started run is read for the first time."""
    survive(kind, mode, kills=[Kill(kind.sending + later, elsewhere=elsewhere)], late=LATE)


@pytest.mark.grid
@BOTH
@KINDS
@pytest.mark.parametrize("status", [402, 503])
def test_a_lookup_that_fails_after_a_kill_leaves_the_ledger_uncertain(
    kind: type[User], mode: Mode, status: int
) -> None:
    looks = 1 if kind is ClientUser else 0  # before it is sent
    trouble = Fault("status_before", "GET", "*/groups/*/runs", status=status, times=5, skip=looks)
    survive(kind, mode, kills=[Kill(kind.sending)], trouble=[trouble], late=LATE)


@BOTH
def test_a_lookup_that_fails_does_not_say_that_nothing_was_billed(mode: Mode) -> None:
    """Another process asked, long ago, and was lost. A model that is told to call again would ask a
    question of its own to the ledger, to be paid for beside the first.
    """
    simulator = Simulator(Clock())
    with closing(ClientUser(mode, simulator)) as user:
        user.lose()
        user.move()
        user.how["lookup"] = "once"
        simulator.faults.add(Fault("drop_before", "GET", "*/groups/*/runs", times=None))
        told = user.repeat()
        assert told is not None
        assert told.error is not None
        assert told.error.billed is not False
        assert "all again" not in error_for_model(told.error)


@BOTH
def test_an_error_while_waiting_names_the_interaction_of_a_run_this_client_started(
    mode: Mode,
) -> None:
    simulator = Simulator(Clock())
    simulator.faults.add(NO_EVENTS, Fault("drop_before", "GET", "*/result", times=None))
    with closing(ClientUser(mode, simulator)) as user:
        told = user.ask()
        assert told is not None
        assert told.error is not None
        assert told.error.run_id == user.runs(QUESTION)[0]["run_id"]
        assert told.error.interaction_id == user.runs(QUESTION)[0]["interaction_id"]
