"""Exactly-once submission.

Rule: a run is asked for under a key; the ledger, a task group on the server, is looked into for that key
before anything is sent. What is there is adopted. Only when it is not there is the one paid request sent,
and when its outcome is unknown the ledger is looked into again, for a settling time, before it may be
sent once more.

    look ── found ──────────────────────────────→ adopted
      │ not found
      ▼
    send ── accepted ───────────────────────────→ started
      │ ├── refused ────────────────────────────→ the error; nothing was started
      │ ├── not sent, or 429: pause, send again
      │ └── unknown ─→ look until settled ─ found → adopted
      │                     │ not found
      └─────────────────────┘  until the attempts are used up: SubmissionUnknown

What this client started itself it remembers, for a list may show a new run only after a while.
An answer of 2xx that cannot be read is sent no second time: something was accepted. A caller that was
cancelled after sending leaves a note (`LedgerMemory.unsettled`), so that its next look lasts the settling
time too. After a second send in doubt the ledger is looked into once more: two runs under one key are
reported, and the older is adopted.
"""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, TypeAlias

from ..errors import (
    ApiError,
    InvalidRequest,
    LedgerNotFound,
    NotFound,
    ParallelError,
    SubmissionUnknown,
)
from ..models import Submission, TaskGroupRunResponse, TaskRun, TaskRunEvent, TaskRunInput
from . import answers, flows, streams, wire
from .effects import Flow, Outcome, Request, Sleep, now, send, sleep
from .keys import METADATA_KEY, ledger_key
from .memory import Index, Known, LedgerMemory
from .retry import Next, RetryPolicy, after

Look: TypeAlias = Literal["once", "settle", "skip"]
"""How to look before sending: once; for the settling time, where another process may have sent a moment
ago (which goes for the whole ledger, and for whatever is submitted to it until that time is over); or not at
all, where the position is new and nobody can have asked there."""


@dataclass(frozen=True)
class _Case:
    """One request in one ledger."""

    ledger_id: str
    key: str
    policy: RetryPolicy
    memory: LedgerMemory
    after: str | None
    """The cursor from which the ledger's list is read; what comes before it is older than the key."""

    @property
    def sent_at(self) -> float | None:
        """When this was last sent with an outcome that is still unknown."""
        return self.memory.unsettled.get((self.ledger_id, self.key))

    def sent(self, time: float) -> None:
        self.memory.unsettled[self.ledger_id, self.key] = time

    def settled(self) -> None:
        self.memory.unsettled.pop((self.ledger_id, self.key), None)


def submit(
    ledger_id: str,
    run: TaskRunInput,
    policy: RetryPolicy,
    *,
    position: str = "",
    attempt: int = 0,
    before: Look = "once",
    cursor: str | None = None,
    memory: LedgerMemory | None = None,
) -> Flow[Submission]:
    """Find the run in the ledger, or start it there.

    Args:
        ledger_id: The task group.
        run: What is asked.
        policy: How patiently.
        position: The point of the session.
        attempt: Raised to ask the very same thing anew.
        before: How to look before the first send.
        cursor: Where in the ledger's list to begin, from an earlier submission of the session.
        memory: What is kept between submissions.

    Raises:
        InvalidRequest: The metadata holds the ledger's own key; nothing was sent.
        LedgerNotFound: There is no such ledger; nothing was sent.
        SubmissionUnknown: Whether the run was started could not be found out; submit again later.
        ApiError: The server refused the request; nothing was started.
    """
    key = ledger_key(run, position=position, attempt=attempt)
    case = _Case(ledger_id, key, policy, memory or LedgerMemory(), cursor)
    request = wire.add_runs(ledger_id, [_keyed(run, key)])
    since = yield from _in_doubt_since(case, before)
    found = yield from _look_before(case, before, since)
    sends, doubtful = 0, since is not None
    while found is None:
        sends += 1
        case.sent(math.inf)
        outcome = yield from send(request)
        answer = _accepted(request, outcome)
        if answer is not None:
            return (yield from _started(case, answer, resent=doubtful))
        found = yield from _after(case, request, outcome, sends, since)
        if after(request, outcome) is Next.UNKNOWN:
            doubtful, since = True, (yield from now())
    case.settled()
    # Found after a second send in doubt, it may be either of two.
    return found.model_copy(update={"resent": True}) if doubtful and sends > 1 else found


def find(
    ledger_id: str,
    run: TaskRunInput,
    policy: RetryPolicy,
    *,
    position: str = "",
    attempt: int = 0,
    before: Literal["once", "settle"] = "once",
    memory: LedgerMemory | None = None,
) -> Flow[Submission | None]:
    """The run that `submit` would adopt, if there is one. Costs nothing."""
    key = ledger_key(run, position=position, attempt=attempt)
    case = _Case(ledger_id, key, policy, memory or LedgerMemory(), None)
    return (yield from _look_in_doubt(case, (yield from _in_doubt_since(case, before))))


def _keyed(run: TaskRunInput, key: str) -> TaskRunInput:
    if METADATA_KEY in run.metadata:
        raise InvalidRequest(
            [f"The metadata key {METADATA_KEY!r} is the ledger's own; leave it out."]
        )
    return run.model_copy(update={"metadata": {**run.metadata, METADATA_KEY: key}})


# --- looking -------------------------------------------------------------------------------------


def _look_before(case: _Case, before: Look, since: float | None) -> Flow[Submission | None]:
    started = case.memory.started(case.ledger_id, case.key)
    if started is not None and started.alone:
        return (yield from _adopted(case, [started], seen_now=False))
    if since is not None or started is not None:
        return (yield from _look_in_doubt(case, since))
    if before == "skip":
        return None
    try:
        return (yield from _look(case))
    except ParallelError as error:
        if not isinstance(error, LedgerNotFound):
            error.billed = None  # whoever asked before may have paid
        raise


def _look_in_doubt(case: _Case, since: float | None) -> Flow[Submission | None]:
    """The runs under the key, with the one this client started though the list may not show it yet."""
    looking = _look(case, whole=True) if since is None else _settle(case, since)
    found = yield from looking
    mine = case.memory.started(case.ledger_id, case.key)
    if mine is None:
        return found
    if found is None:
        return (yield from _adopted(case, [mine], seen_now=False))
    known = (found.run.run_id, *found.duplicates, mine.run.run_id)
    return found.model_copy(update={"duplicates": tuple(dict.fromkeys(known))[1:]})


def _in_doubt_since(case: _Case, before: Look) -> Flow[float | None]:
    """Since when it has been in doubt whether the run was sent; None where there is no doubt (any more)."""
    if case.sent_at is not None:
        if math.isinf(case.sent_at):  # whoever sent it was cancelled before the answer came
            case.sent((yield from now()))
        return case.sent_at
    if before == "settle":
        case.memory.doubt(case.ledger_id, (yield from now()))
    since = None if before == "skip" else case.memory.doubted_since(case.ledger_id)
    if since is not None and (yield from now()) < since + case.policy.settling:
        return since
    return None


def _settle(case: _Case, since: float) -> Flow[Submission | None]:
    """Look again and again until the run shows up or the settling time is over.

    Raises:
        SubmissionUnknown: The ledger could not be read when that time was over.
    """
    policy = case.policy
    until = since + policy.settling
    pause = policy.first
    while True:
        time = yield from now()
        trouble: ParallelError | None = None
        try:
            found = yield from _look(case, whole=True)
        except ParallelError as error:
            trouble = error
        else:
            if found is not None:
                return found
        if time >= until:
            if trouble is not None:
                raise _unknown(case) from trouble
            case.settled()
            return None
        yield from sleep(Sleep(min(pause, max(0.0, until - (yield from now())))))
        pause = min(2 * pause, policy.longest)


def _look(case: _Case, *, whole: bool = False) -> Flow[Submission | None]:
    """The run under the key, if the ledger holds one.

    A first look reads on from where the last one ended. In doubt the whole list is read: a run that
    shows up late may stand before others that showed up sooner.
    """
    index = case.memory.index(case.ledger_id)
    if whole or index is None or not index.covers(case.after):
        index, listed = yield from _read_whole(case)
    else:
        begun_at = index.cursor
        listed = yield from _list(case, begun_at)
        index.take(listed, begun_at)
    found = index.oldest_first(case.key)
    if not found:
        return None
    seen_now = any(event.run.run_id == found[0].run.run_id for event in listed)
    return (yield from _adopted(case, found, seen_now=seen_now))


def _read_whole(case: _Case) -> Flow[tuple[Index, list[TaskRunEvent]]]:
    """The list from the case's cursor on; from its start where the server does not know the cursor."""
    try:
        listed, start = (yield from _list(case, case.after)), case.after
    except ApiError:
        if case.after is None:
            raise
        listed, start = (yield from _list(case, None)), None
    index = case.memory.begin(case.ledger_id, start)
    index.passed.add(case.after)
    index.take(listed, start)
    return index, listed


def _list(case: _Case, cursor: str | None) -> Flow[list[TaskRunEvent]]:
    ledger_id, policy = case.ledger_id, case.policy
    try:
        listed = yield from streams.list_runs(ledger_id, policy, last_event_id=cursor)
        if any(event.run.metadata is None for event in listed):
            # Not every listing repeats a run's metadata; its input does.
            listed = yield from streams.list_runs(
                ledger_id, policy, last_event_id=cursor, include_input=True
            )
    except NotFound as error:
        raise _about_ledger(error, ledger_id) from None
    return listed


def _adopted(case: _Case, found: list[Known], *, seen_now: bool) -> Flow[Submission]:
    """The oldest of the runs found, as it stands now."""
    oldest, *others = found
    run = oldest.run
    if run.active and not seen_now:
        with suppress(ParallelError):  # it is there, however it stands now
            run = yield from flows.retrieve(run.run_id, case.policy)
    case.memory.met(run)
    return Submission(
        run=run,
        ledger_id=case.ledger_id,
        key=case.key,
        adopted=True,
        duplicates=tuple(known.run.run_id for known in others),
        cursor=oldest.cursor,
    )


# --- sending -------------------------------------------------------------------------------------


def _accepted(request: Request, outcome: Outcome) -> TaskGroupRunResponse | None:
    """The answer that names the one run started, where it does so in the documented way."""
    if after(request, outcome) is not Next.DONE:
        return None
    try:
        answer = answers.decode(TaskGroupRunResponse, request, outcome)
    except ParallelError:
        return None  # accepted, it seems, but unreadable: the ledger knows
    return answer if len(answer.run_ids) == 1 else None


def _after(
    case: _Case, request: Request, outcome: Outcome, sends: int, since: float | None
) -> Flow[Submission | None]:
    """What follows an outcome that is no acceptance: the run if it is there, None to send again.

    Raises where the server refused, or nothing more may be tried. `since`: when an earlier send was lost
    sight of, which a refusal of this one does not clear up.
    """
    turn = after(request, outcome)
    if turn in (Next.REFUSED, Next.AGAIN):
        case.settled()
        if since is not None:
            case.sent(since)
    else:
        # From now on: the server may have worked on it for as long as it was waited for.
        case.sent((yield from now()))
        found = yield from _settle(case, (yield from now()))
        if found is not None:
            return found
    if turn is Next.REFUSED:
        error = _about_ledger(answers.failure(request, outcome), case.ledger_id)
        raise error if since is None else _still_in_doubt(error)
    pause = case.policy.pause(sends, outcome)
    if turn is Next.DONE or (pause is None and turn is Next.UNKNOWN):
        raise _unknown(case)
    if pause is None:
        error = answers.failure(request, outcome)
        raise error if since is None else _still_in_doubt(error)
    yield from sleep(pause)
    return None


def _still_in_doubt(error: ParallelError) -> ParallelError:
    error.billed = None
    error.hint = (
        "An earlier send of the same request may have started a run: submit the same again to the same "
        f"ledger, and it is found. {error.hint}".strip()
    )
    return error


def _started(case: _Case, answer: TaskGroupRunResponse, *, resent: bool) -> Flow[Submission]:
    """The run just started, as it stands; if that cannot be read now, then by its id alone.

    The answer to a group holds no interaction id; the run does.
    """
    run_id, cursor = answer.run_ids[0], answer.run_cursor or None
    run = TaskRun(run_id=run_id, status="queued")
    # Before anything else is waited for: who is cancelled while reading must not forget it.
    case.memory.note(case.ledger_id, case.key, run, cursor, alone=not resent)
    case.settled()
    with suppress(ParallelError):
        run = yield from flows.retrieve(run_id, case.policy)
    case.memory.note(case.ledger_id, case.key, run, cursor, alone=not resent)
    case.memory.met(run)
    mine = Submission(
        run=run,
        ledger_id=case.ledger_id,
        key=case.key,
        adopted=False,
        resent=resent,
        cursor=cursor,
    )
    return (yield from _beside_twins(case, mine)) if resent else mine


def _beside_twins(case: _Case, mine: Submission) -> Flow[Submission]:
    """After a second send in doubt: the oldest run under the key, the others told. A list that cannot be read
    now changes nothing; `find` tells later.
    """
    try:
        twin = yield from _look(case, whole=True)
    except ParallelError:
        return mine
    if twin is None:
        return mine
    if twin.run.run_id == mine.run.run_id:
        return mine.model_copy(update={"duplicates": twin.duplicates})
    duplicates = tuple(dict.fromkeys((*twin.duplicates, mine.run.run_id)))
    return twin.model_copy(update={"duplicates": duplicates, "resent": True})


def _unknown(case: _Case) -> SubmissionUnknown:
    return SubmissionUnknown(
        f"Whether a run was started in ledger {case.ledger_id} could not be found out.",
        hint="Submit the same request to the same ledger again: if the run is there, it is adopted and not "
        "paid for twice.",
        ledger_id=case.ledger_id,
        key=case.key,
        billed=None,
    )


def _about_ledger(error: ParallelError, ledger_id: str) -> ParallelError:
    """A 404 on the ledger's own path means that the ledger is gone."""
    if not isinstance(error, NotFound):
        return error
    return LedgerNotFound(
        f"There is no ledger (task group) {ledger_id} for this API key.",
        hint="Check the id and the account of the key; a new ledger (`create_group`) would not know what "
        "this session has already paid for.",
        status=error.status,
        ref_id=error.ref_id,
        server_message=error.server_message,
    )
