"""Users that are lost in the middle of a request, on a simulator that decides when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass

from langchain_parallel.simulator import Fault, Request, Response, RunScript, Simulator

from ..research.harness import Mode
from .matrix import clean
from .users import Clock, Told, User


@dataclass(frozen=True)
class Kill:
    """The user is lost at a request of the whole story, before it is processed or after.

    `elsewhere`: what comes next happens in another process; else in the same one, as after a
    cancelled task or an interrupted cell of a notebook.
    """

    request: int
    processed: bool = True
    elsewhere: bool = True


class Killed(BaseException):
    """Stands for the end of a process, where time must stand still; tests/crash kills for real."""


class Deadly(Simulator):
    """Kills the user that makes certain requests."""

    def __init__(self, kills: Sequence[Kill]) -> None:
        super().__init__(Clock())
        self._kills = {kill.request: kill for kill in kills}
        self.seen = 0
        self.elsewhere = False
        """What the last kill said."""

    def handle(self, request: Request) -> Response:
        self.seen += 1
        kill = self._kills.get(self.seen)
        answer = super().handle(request) if kill is None or kill.processed else None
        if kill is None and answer is not None:
            return answer
        self.elsewhere = kill is not None and kill.elsewhere
        return self.lose()

    def lose(self) -> Response:
        """What becomes of the one who asks."""
        raise Killed


def survive(
    kind: type[User],
    mode: Mode,
    *,
    kills: Sequence[Kill] = (),
    trouble: Sequence[Fault] = (),
    late: float = 0.0,
    again: bool = False,
) -> None:
    """Let a user continue until there is an answer, and see what was paid on the way.

    `again`: after a kill the same is asked again, where it would usually be resumed.
    """
    simulator = Deadly(kills)
    simulator.scripts.add(RunScript(late_commit=late, times=None))
    simulator.faults.add(*trouble)
    tries = 1 + len(kills) + sum(fault.times or 0 for fault in trouble)
    with closing(kind(mode, simulator)) as user:
        step: Callable[[], Told | None] = user.ask
        while tries and (told := _try(user, simulator, step)) is not None:
            tries -= 1  # each time something must have been in the way
            assert _never_twice(user), f"paid for twice: {user.paid()}"
            step = user.repeat if again and told == KILLED else user.resume
        assert tries, "there is nothing left in the way, and yet no answer"
        assert user.paid() == Counter(user.questions)
        for question in user.questions:
            assert user.answered[question][0] in [run["run_id"] for run in user.runs(question)]


KILLED = Told("", None, None, None)


def _try(user: User, simulator: Deadly, step: Callable[[], Told | None]) -> Told | None:
    try:
        told = step()
    except Killed:
        user.killed()
        if simulator.elsewhere:
            user.move()
        return KILLED
    if told is not None:
        clean(told)
    return told


def _never_twice(user: User) -> bool:
    return all(count == 1 for count in user.paid().values())
