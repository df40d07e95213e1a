"""The fault matrix: each trouble at each call of each user, once and for good; and some under each condition.

`python -m tests.faults.matrix` plays it all and prints what became of each cell; `test_matrix.py`
plays the same cells one by one.

Two things are checked in each. Money: never more than one run that costs anything for a question,
and exactly one in the end. And the way on: either the trouble is got over without a word (as it must
be where it comes once and is no refusal), or there is an error of ours that names the run, and the
plain resume of `users.py` brings the answer.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal

from langchain_parallel import errors
from langchain_parallel._core.ledger.keys import METADATA_KEY
from langchain_parallel.simulator import Fault, RunScript, Simulator

from ..conditions import PLAIN, Condition, conditions
from ..cut import representatives
from ..research.harness import Mode
from .table import (
    CALLS,
    ENDS,
    LATE,
    NO_EVENTS,
    Call,
    Row,
    endings,
    is_told,
    refuses_and_accepts,
    rows,
    senseless,
    shown_too_late,
)
from .users import (
    FOLLOW_UP,
    MODES,
    QUESTION,
    USERS,
    ClientUser,
    Clock,
    DeskUser,
    GraphUser,
    Told,
    User,
)

How = Literal["by itself", "after an error"]


WRONG_ID = f"trun_{0:032}"
"""What a `wrong_id` fault puts in place of every run's."""
CONDITIONS = [one for one in conditions(LATE) if not one.clock_shift]


@dataclass(frozen=True)
class Cell:
    """One trouble, once (`times` 1) or until it is lifted (None), at one call of one user."""

    user: type[User]
    mode: Mode
    row: Row
    call: Call
    times: int | None
    turn: str = "question"
    under: Condition = PLAIN

    def __str__(self) -> str:
        often = "once" if self.times else "for good"
        turn = "" if self.turn == "question" else f" of the {self.turn}"
        under = "" if self.under is PLAIN else f", {self.under}"
        return f"{self.user.name} {self.mode}: {self.row} at {self.call}{turn}, {often}{under}"


def never_makes(user: type[User], call: Call) -> bool:
    """The graph's state names the run by the time it is asked again, so nothing is looked for."""
    return user in (GraphUser, DeskUser) and call.name == "look again"


def cells(*, whole: bool = False) -> Iterator[Cell]:
    """Every cell that makes sense; unless `whole`, without those that another one stands for."""
    for user in USERS:
        for call, row in product(CALLS, rows()):
            if never_makes(user, call):
                continue
            for turn in ("question", "follow-up") if user is GraphUser else ("question",):
                if not (
                    senseless(row.kind, call, turn)
                    or (call.late and refuses_and_accepts(row))
                    or shown_too_late(row, call)
                ):
                    for mode, times in product(MODES, (1, None)):
                        cell = Cell(user, mode, row, call, times, turn)
                        if whole or not _stood_for(cell):
                            yield cell


def ending_cells(*, whole: bool = False) -> Iterator[Cell]:
    """Every way a run can go, where each user sees it."""
    for user, row, call, mode, times in product(USERS, endings(), ENDS, MODES, (1, None)):
        cell = Cell(user, mode, row, call, times)
        if whole or not _stood_for(cell):
            yield cell


def cells_under_conditions() -> list[Cell]:
    """Under each condition: each trouble, and each call of each user in both modes, once or for good."""
    found, every = [], [*cells()]
    for condition in CONDITIONS:
        these = [cell for cell in every if _goes_with(cell.row, cell.call, condition)]
        found += [replace(cell, under=condition) for cell in representatives(these, _shown)]
    return found


def _shown(cell: Cell) -> list[object]:
    user = cell.user.name
    return [cell.row.kind, (user, cell.call), (user, cell.mode, cell.turn), (user, cell.times)]


def _goes_with(row: Row, call: Call, condition: Condition) -> bool:
    """Whether trouble and condition are two things, and together no later than the settling time."""
    script, kinds = condition.script, {fault.kind for fault in condition.faults}
    is_late = script.late_commit or script.late_count or script.late_run or condition.faults
    both_late = is_late and (call.late or row.options.get("acts_after"))
    both_hide = script.late_commit and refuses_and_accepts(row)
    return row.kind not in kinds and not both_late and not both_hide


def _stood_for(cell: Cell) -> bool:
    """Whether other cells show the same, and this one only takes time.

    The details of a kind matter only to the client, and need not be tried in every way. What the
    client gets over by itself, graph and agent do not see: their own part begins with its errors. So
    with them not each combination of once or for good, blocking or asynchronous, question or
    follow-up is tried.
    """
    once, asynchronous = cell.times is not None, cell.mode == "async"
    if cell.row.detail:
        return cell.user is not ClientUser or once is asynchronous
    if cell.user is ClientUser:
        return False
    if cell.turn == "follow-up":
        return once or not asynchronous
    return once is asynchronous if cell.row.ending else once and asynchronous


# --- playing -------------------------------------------------------------------------------------


def play(cell: Cell) -> How:
    """Play a cell; raises AssertionError where it goes wrong."""
    simulator = Simulator(Clock())
    cell.under.begin(simulator)
    with closing(cell.user(cell.mode, simulator)) as user:
        user.called_by = cell.under.called_by
        if cell.call.looks_first:
            user.write_slowly()
        told = _trouble(cell, user)
        _not_twice(user)
        if told is not None:
            assert cell.times is None or is_told(cell.row, cell.call) or not cell.under.answers, (
                f"given up at once: {told.text}"
            )
            if told.run_id != WRONG_ID:  # which the API had given the run
                check(user, told, cell.call)
            _order(cell.under, simulator)
            if not cell.under.answers:
                simulator.listing = PLAIN.listing
            after = user.resume()
            assert after is None, f"the resume after {told.text!r} ends in {after}"
        _paid_once_and_answered(user)
        _felt(cell, simulator)
        return "by itself" if told is None else "after an error"


def _trouble(cell: Cell, user: User) -> Told | None:
    """Ask, with the trouble on the way."""
    call, simulator = cell.call, user.simulator
    if call.late:
        simulator.scripts.add(RunScript(late_commit=call.late, times=None))

    def begin() -> None:
        before = cell.user.until_read if call.name in ("retrieve", "retrieve again") else ()
        _order(cell.under, simulator, *before, *call.faults(cell.row, cell.times, cell.turn))

    if call.again:
        user.lose()
        begin()
        if call.again == "elsewhere":
            user.move()
        return user.repeat()
    if cell.turn == "follow-up":
        user.on_follow_up = begin
    else:
        begin()
    return user.ask()


def _order(condition: Condition, simulator: Simulator, *faults: Fault) -> None:
    """Have these faults; what is so at every request comes after them."""
    simulator.faults.clear()
    simulator.faults.add(*faults, *condition.faults)


def play_ending(cell: Cell) -> How:
    """Let the run end in some way, and do what its error asks for."""
    simulator = Simulator(Clock())
    simulator.scripts.add(RunScript(times=cell.times, **cell.row.options))
    if cell.call.name == "result":
        simulator.faults.add(NO_EVENTS)
    with closing(cell.user(cell.mode, simulator)) as user:
        told = user.ask()
        _not_twice(user)
        if told is None:
            _paid_once_and_answered(user)
            return "by itself"
        check(user, told, cell.call)
        simulator.scripts.clear()
        after = _go_on(cell, user, told)
        assert after is None, f"after {told.text!r} comes {after}"
        _paid_once_and_answered(user)
        return "after an error"


def _go_on(cell: Cell, user: User, told: Told) -> Told | None:
    """What the ending asks for: another run where this one is over and free, else the same one again."""
    over = ("failed", "cancelled")
    if cell.row.kind in over:
        return user.anew()
    assert told.run_id is not None
    user.simulator.settle(told.run_id)
    return user.resume()


def verdict(cell: Cell) -> str:
    """What became of a cell; where that was wrong, what."""
    try:
        return play_ending(cell) if cell.row.ending else play(cell)
    except AssertionError as error:
        return f"wrong: {error}"


# --- checking ------------------------------------------------------------------------------------


def _not_twice(user: User) -> None:
    paid = user.paid()
    assert not paid or max(paid.values()) == 1, f"paid for twice: {paid}"


def _paid_once_and_answered(user: User) -> None:
    paid = user.paid()
    assert paid == Counter(user.questions), f"paid for: {paid}"
    for question in user.questions:
        run_id, content = user.answered[question]
        assert run_id in [run["run_id"] for run in user.runs(question)], "the answer of another run"
        assert question in content, (
            "an answer to something else"
        )  # the simulator repeats the question
    if len(user.questions) > 1:
        assert _parent(user, FOLLOW_UP) == user.answered[QUESTION][0], "the context is lost"


def _parent(user: User, question: str) -> str:
    """The run that the one for this question continues."""
    run = user.runs(question)[-1]
    return user.simulator.context_of(run["interaction_id"])[-2].run_id


def check(user: User, told: Told, call: Call) -> None:
    """The error that a user gets is usable: it says what happened and what to do, and names the run."""
    clean(told)
    error = told.error
    runs = user.runs(user.at_hand)
    if not runs:
        # A look that fails does not know whether there was a run before; all else does.
        unsure = isinstance(error, errors.SubmissionUnknown) or call.name in ("look", "count")
        assert error is not None
        assert error.billed is False or (unsure and error.billed is None), error.billed
        return
    if isinstance(error, errors.SubmissionUnknown):
        _leads_back(user, error, call)
        return
    if call.name == "look again":
        assert error is not None  # another process, which could not look, does not know the run
        assert error.billed is not False, "it says that nothing was billed"
        return
    (run,) = runs
    run_id, interaction_id = run["run_id"], told.interaction_id
    assert told.run_id == run_id, f"run_id {told.run_id}"
    assert run_id in told.text, told.text
    is_shown = user.simulator.find_run(run_id).known <= user.simulator.monotonic
    if isinstance(
        user, DeskUser
    ):  # it parks, and may never have read the run; a call has its session
        assert interaction_id in (None, run["interaction_id"]), f"interaction_id {interaction_id}"
    elif is_shown:
        assert interaction_id == run["interaction_id"], f"interaction_id {interaction_id}"
        assert isinstance(user, ClientUser) or run["interaction_id"] in told.text, told.text
    free = run["status"] == "failed"
    assert error is None or (error.billed is False) == free, f"billed={error.billed}"


def clean(told: Told) -> None:
    """It is an error of ours, and says what happened and what to do."""
    if told.error is not None:
        assert type(told.error) is not errors.ParallelError, "an error without a name"
        assert told.error.message.endswith("."), told.error.message
        assert told.error.hint, told.text
    assert told.text


def _leads_back(user: User, error: errors.SubmissionUnknown, call: Call) -> None:
    """No error named the run's id; the ledger and the key find it."""
    known = call.name in ("retrieve", "events", "result", "retrieve again")
    assert not known, "the run was known"
    (run,) = user.runs(user.at_hand)
    assert error.ledger_id == run["taskgroup_id"]
    assert error.key == run["metadata"][METADATA_KEY]
    assert error.billed is None
    assert error.ledger_id in str(error)


def _felt(cell: Cell, simulator: Simulator) -> None:
    """The trouble really happened, where it was meant to; and all requests are in the table."""
    unknown = [e.path for e in simulator.requests if not any(c.makes(e) for c in CALLS)]
    assert not unknown, f"calls without a column: {unknown}"
    hit = [e for e in simulator.requests if e.fault == cell.row.kind and cell.call.makes(e)]
    assert hit or cell.under is not PLAIN, "the trouble never came up"
    assert cell.times is None or len(hit) <= 1 + len(cell.call.first), "it came up more than once"


# --- the command ---------------------------------------------------------------------------------


_SIGNS = {"by itself": ".", "after an error": "e", "wrong": "X"}


def main() -> int:
    """Play everything; print a table for each user, and the sums."""
    table: dict[tuple[str, str, str], dict[str, str]] = defaultdict(lambda: defaultdict(str))
    sums: Counter[tuple[str, str]] = Counter()
    for cell in (*cells(whole=True), *ending_cells(whole=True), *cells_under_conditions()):
        outcome, _, why = verdict(cell).partition(": ")
        if why:
            print(f"WRONG  {cell}: {why}")
        sums[cell.user.name, outcome] += 1
        line = table[cell.user.name, cell.turn, str(cell.row)]
        line[str(cell.call)] += _SIGNS[outcome]
    print("Each cell: sync once, sync for good, async once, async for good.")
    print("  .  got over by itself   e  an error, then the plain resume   X  wrong   -  senseless")
    head = "".join(f"{str(call)[-9:]:>10}" for call in CALLS)
    print(f"{'':<62}{head}")
    for (user, turn, row), line in table.items():
        signs = "".join(f"{line.get(str(call), '-'):>10}" for call in CALLS)
        print(f"{user:<7}{turn:<10}{row:<45}{signs}")
    for (user, outcome), count in sorted(sums.items()):
        print(f"{user:<7} {outcome:<15} {count:>5}")
    return any(outcome == "wrong" for _, outcome in sums)


if __name__ == "__main__":
    sys.exit(main())
