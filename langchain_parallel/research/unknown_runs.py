"""Runs that a session's ledger has and the session does not know.

They were asked in another tab at the same time, by a call that a kill left no trace of, in a fork of the
thread, by a second send that showed up late, or by another session that shares the ledger.

Rule: such a run is noticed just before a request is sent, because the ledger has been read by then. Only
if there is one does this cost a request. It becomes a turn asked `elsewhere`, and counts as spent before
anything more is. Looking, counting and sending are one step where there are limits, so sessions that share a
ledger share its limits.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, cast

from .._core.calls import Calls
from .._core.ledger.identity import is_anothers
from .._core.ledger.keys import METADATA_KEY
from .._core.timestamps import elapsed_seconds, sort_key
from .._graph.ownership import seal_turn
from .._graph.paid_chat import PaidChat, QuickAnswer
from .._graph.paid_request import PaidRequest
from .._graph.paid_run import PaidRun
from .._graph.quick_index import QuickIndex, quick_id
from .._graph.run_config import RunConfig
from .._graph.runtime import came_through_server
from ..errors import LimitExceeded, QuotaExceeded
from ..models import RunInput, Submission, TaskRun
from ..processors import is_chat, price_usd
from .state import Turn
from .turns import new_turn, overtaken_turn
from .usage import CENTS, counted_usd

_NOT_SENT = ("refused", "planned", "declined")
_FOUND = "Found in the session's ledger: no turn of this session had asked for it."
_ANOTHERS = "(a question of another user)"
_QUICK = "(a quick question that was asked elsewhere)"
_WITHHELD = (
    "Found in the session's ledger: asked with other MCP credentials or for another identity. It counts as "
    "spent, and is not read here."
)
_TWIN = "The same request as run {}, which was started a second time: both are paid for."


class Known(NamedTuple):
    """What a session knows of its ledger."""

    run_ids: frozenset[str]
    keys: frozenset[str]
    """Of requests that are planned: their runs may be there already. And of quick turns, without runs."""
    duplicates: frozenset[tuple[str, str]] = frozenset()
    """Other runs of the session's requests: ids and keys."""
    includes: Callable[[TaskRun], bool] = lambda run: False
    """What else is known."""

    @classmethod
    def of(cls, turns: Iterable[Turn], planned: Iterable[str] = ()) -> Known:
        """From all turns, and the keys of those that have no run yet."""
        turns = list(turns)
        planned = [*planned, *(turn["key"] for turn in turns if is_chat(turn["processor"]))]
        others = {(id, turn["key"]) for turn in turns for id in turn.get("duplicates", ())}
        ids = {turn["run_id"] for turn in turns}
        return cls(frozenset(ids), frozenset(planned), frozenset(others))

    def lacks(self, run: TaskRun) -> bool:
        """Whether a run of the ledger is none of these."""
        is_ours = run.run_id in self.run_ids or _key(run) in self.keys
        is_ours = is_ours or (run.run_id, _key(run)) in self.duplicates
        return not is_ours and not self.includes(run)


class Submitted(NamedTuple):
    """What became of a request."""

    submission: Submission | QuickAnswer | None
    """None: it was not sent, because of the limits."""
    found: list[Turn]
    """The runs of the ledger that the session did not know, oldest first; and turns of which the state said
    less than the ledger does.
    """


def submit_knowing(
    run: PaidRun | PaidChat,
    ledger_id: str,
    *,
    turns: Sequence[Turn],
    known: Known | None,
    position: int,
    is_limited: bool,
    allows: Callable[[Sequence[Turn]], bool],
    may_exceed_quotas: bool = False,
    reads_started: bool = True,
    beside: Callable[[Submission], Calls[None]] | None = None,
) -> Calls[Submitted]:
    """Find the run in the ledger or start it there, unless what else the ledger has forbids it; the same for
    the answer of a quick turn.

    Args:
        run: What is asked.
        ledger_id: Where.
        turns: The session's.
        known: What the session knows. None, where its turns are not at hand: all that the ledger has is
            counted, and nothing is told.
        position: For the turns of runs that it does not know.
        is_limited: Whether sessions that share the ledger have to take turns.
        allows: Whether the run may be sent beside these turns of runs that were not known.
        may_exceed_quotas: See `PaidSubmission.submit`.
        reads_started: See there.
        beside: See there.
    """
    if isinstance(run, PaidChat):
        ask = _Asking(run, ledger_id, turns, known, position, is_limited, allows)
        answer = yield from run.submit(
            ledger_id, guard=ask.guard, may_exceed_quotas=may_exceed_quotas
        )
        return Submitted(answer, ask.found)
    # Before the lock: this may take the settling time, and the runs beside this one look up, too.
    if is_limited and (there := (yield from run.look(ledger_id))):
        return Submitted(there, [])
    lock = (yield from run.lock(f"limits {ledger_id}")) if is_limited else None
    try:
        quick = (yield from _quick_questions(run, ledger_id)) if is_limited else []
        check = _check(known, allows, quick)
        corrected = (yield from _correct_turns(run, ledger_id, turns, quick)) if is_limited else []
        found = corrected
        # Also where nothing was corrected: what cleared the plan may have been another state.
        if is_limited and not allows(corrected):
            return Submitted(None, corrected)
        while True:
            try:
                submission = yield from run.submit(
                    ledger_id,
                    is_limited=is_limited,
                    before_send=check,
                    may_exceed_quotas=may_exceed_quotas,
                    reads_started=reads_started,
                    beside=beside,
                )
                return Submitted(submission, found)
            except QuotaExceeded:
                raise
            except LimitExceeded:  # by `check`
                if known is None:
                    return Submitted(None, [])
            unknown = yield from find_unknown(run.door, ledger_id, known, turns, position)
            found = [*corrected, *unknown, *_quick_turns(quick, known, position)]
            if not allows(found):
                return Submitted(None, found)
    finally:
        if lock is not None:
            lock.release()


@dataclass
class _Asking:
    """Decides whether a quick question may be sent, and notes what else it has found.

    Others that are limited with it wait only until it is recorded, not for its answer.
    """

    chat: PaidChat
    ledger_id: str
    turns: Sequence[Turn]
    known: Known | None
    position: int
    is_limited: bool
    allows: Callable[[Sequence[Turn]], bool]
    found: list[Turn] = field(default_factory=list)

    def guard(self, claim: Callable[[], Calls[None]]) -> Calls[bool]:
        """Claim the question, if that is allowed."""
        name = f"limits {self.ledger_id}"
        lock = (yield from self.chat.lock(name)) if self.is_limited else None
        try:
            may = yield from self._look_around()
            if may:
                yield from claim()
            return may
        finally:
            if lock is not None:
                lock.release()

    def _look_around(self) -> Calls[bool]:
        chat, known, ledger_id = self.chat, self.known, self.ledger_id
        quick = yield from _quick_questions(chat, ledger_id)
        if not self.is_limited:
            self.found = [] if known is None else _quick_turns(quick, known, self.position)
            return True
        runs = yield from chat.ledger_runs(ledger_id)
        if known is None:
            return self.allows([_turn_of(one, None, 0, None) for one in (*runs, *quick)])
        self.found = yield from _correct_turns(chat, ledger_id, self.turns, quick)
        if not self.allows(self.found):
            return False
        unknown = yield from find_unknown(chat.door, ledger_id, known, self.turns, self.position)
        self.found = [*self.found, *unknown, *_quick_turns(quick, known, self.position)]
        return self.allows(self.found)


def _quick_questions(paid: PaidRequest, ledger_id: str) -> Calls[list[TaskRun]]:
    return (yield from QuickIndex(paid.door, paid.config, ledger_id).read())


def _quick_turns(listed: Iterable[TaskRun], known: Known, position: int) -> list[Turn]:
    """The turns of quick questions that were asked elsewhere: what each may have cost."""
    turns = [_turn_of(one, None, position, None) for one in listed if known.lacks(one)]
    return [{**turn, "question": _QUICK, "run_id": ""} for turn in turns]


def _correct_turns(
    run: PaidRequest, ledger_id: str, turns: Sequence[Turn], quick: Sequence[TaskRun]
) -> Calls[list[Turn]]:
    """The turns that say less of their runs than the ledger does. Only behind a server, where a caller can
    edit the state; there this costs a request.
    """
    if not turns or not came_through_server(run.config):
        return []
    runs = {one.run_id: one for one in (*(yield from run.ledger_runs(ledger_id)), *quick)}
    known = [(turn, [runs[id] for id in _ids(turn) if id in runs]) for turn in turns]
    return [right for turn, there in known if there and (right := _as_listed(turn, there)) != turn]


def _ids(turn: Turn) -> list[str]:
    return [turn["run_id"] or quick_id(turn["key"]), *turn.get("duplicates", ())]


def _as_listed(turn: Turn, runs: Sequence[TaskRun]) -> Turn:
    """The turn, with at least the cost and the time that the ledger tells: of its run, and the duplicates."""
    run, right = runs[0], cast(Turn, {**turn})
    processor = run.processor or turn["processor"]
    prices = [price_usd(one.processor) for one in runs if one.status != "failed"]
    if turn["status"] in _NOT_SENT:
        right["status"] = "unfinished" if run.active else run.status
    if counted_usd(turn) < (cost := sum(filter(None, prices))) - CENTS:
        right["processor"], right["cost_usd"] = processor, cost
    started, ended = run.created_at, None if run.active else run.modified_at
    seconds = elapsed_seconds(turn.get("started_at"), turn.get("ended_at"))
    if (seconds or 0.0) < (elapsed_seconds(started, ended) or 0.0):
        right["started_at"], right["ended_at"] = started, ended
    return right


def _check(
    known: Known | None, allows: Callable[[Sequence[Turn]], bool], quick: Sequence[TaskRun]
) -> Callable[[Sequence[TaskRun]], None]:
    """Called with the ledger's runs before a send: raises, once for each run that is to be counted first."""
    seen = set[str]()

    def check(listed: Sequence[TaskRun]) -> None:
        runs = [*listed, *quick]
        if known is None:
            if not allows([_turn_of(one, None, 0, None) for one in runs]):
                raise LimitExceeded("The ledger's runs leave no room for it.")
        elif new := {one.run_id for one in runs if known.lacks(one)} - seen:
            seen.update(new)
            raise LimitExceeded("There are runs that were not counted.")

    return check


def find_unknown(
    door: RunConfig, ledger_id: str, known: Known, turns: Sequence[Turn], position: int
) -> Calls[list[Turn]]:
    """The ledger's runs that are not known, as turns, oldest first. Only if there is one, a request."""
    runs = [run for run in door.clients.known_runs(ledger_id) if known.lacks(run)]
    if not runs:
        return []
    events = yield from door.clients.list_inputs(ledger_id)
    asked = {event.run.run_id: event.input for event in events}
    by_id = {run.run_id: run for run in (*runs, *(event.run for event in events))}
    by_key = {turn["key"]: turn for turn in turns if turn["key"]}
    found = list[Turn]()
    for run in sorted(by_id.values(), key=lambda run: sort_key(run.created_at)):
        if not known.lacks(run):
            continue
        if is_anothers(run, door.mark):
            found.append(_withheld(run, position))  # without a seal: its ids open nothing here
            continue
        twin = by_key.get(_key(run) or "")
        turn = _turn_of(run, asked.get(run.run_id), position, twin)
        found.append(seal_turn(door.clients.seals, turn, ledger_id))
    return found


def _turn_of(run: TaskRun, asked: RunInput | None, position: int, twin: Turn | None) -> Turn:
    question = asked.input if asked else ""
    turn = new_turn(
        question=question if isinstance(question, str) else json.dumps(question),
        processor=run.processor or (asked.processor if asked else ""),
        parent_interaction_id=asked.previous_interaction_id if asked else None,
        position=position,
        asked_by="elsewhere",
    )
    turn["run_id"], turn["interaction_id"] = run.run_id, run.interaction_id
    turn["key"] = _key(run) or ""
    ended = overtaken_turn(turn, run)
    ended["warnings"] = [_FOUND, *([_TWIN.format(twin["run_id"])] if twin else [])]
    return ended


def _withheld(run: TaskRun, position: int) -> Turn:
    """The turn of a run with another user's credentials: only what it costs, and the id it counts by."""
    told = run.model_copy(update={"interaction_id": None})
    turn = _turn_of(told, None, position, None)
    turn["question"], turn["warnings"] = _ANOTHERS, [_WITHHELD]
    return {**turn, "status": "withheld", "error": None}


def _key(run: TaskRun) -> str | None:
    key = (run.metadata or {}).get(METADATA_KEY)
    return key if isinstance(key, str) else None
