"""Looking into a ledger: whether a run is there under a key, and since when that is in doubt.

Rule: looking is free, and settles everything. What was lost sight of, by this process or by one that was
killed, stays in doubt until a settling time has passed over it.
"""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, TypeAlias

from ...errors import ApiError, LedgerNotFound, NotFound, ParallelError, SubmissionUnknown
from ...models import Submission, TaskRunEvent
from .. import operations, streams
from ..effects import Flow, Sleep, now, sleep
from ..retry import RetryPolicy
from .cache import Index, Known, LedgerMemory

Lookup: TypeAlias = Literal["once", "until_settled", "none"]
"""How to look before sending: once; for the settling time, where another process may have sent a moment
ago (which goes for the whole ledger, and for whatever is submitted to it until that time is over); or not at
all, where the position is new and nobody can have asked there."""


@dataclass(frozen=True)
class Case:
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


def lookup_before_send(case: Case, lookup: Lookup, since: float | None) -> Flow[Submission | None]:
    started = case.memory.started(case.ledger_id, case.key)
    if started is not None and started.alone:
        return (yield from _adopted(case, [started], seen_now=False))
    if since is not None or started is not None:
        return (yield from look_in_doubt(case, since))
    if lookup == "none":
        return None
    try:
        return (yield from look(case))
    except ParallelError as error:
        if not isinstance(error, LedgerNotFound):
            error.billed = None  # whoever asked before may have paid
        raise


def look_in_doubt(case: Case, since: float | None) -> Flow[Submission | None]:
    """The runs under the key, with the one this client started though the list may not show it yet."""
    mine = case.memory.started(case.ledger_id, case.key)
    looking = look(case, whole=True) if since is None else settle(case, since)
    try:
        found = yield from looking
    except ParallelError:
        if mine is None:
            raise
        found = None  # a list that cannot be read hides no run that is known
    if mine is None:
        return found
    if found is None:
        return (yield from _adopted(case, [mine], seen_now=False))
    known = (found.run.run_id, *found.duplicates, mine.run.run_id)
    return found.model_copy(update={"duplicates": tuple(dict.fromkeys(known))[1:]})


def in_doubt_since(case: Case, lookup: Lookup) -> Flow[float | None]:
    """Since when it has been in doubt whether the run was sent; None where there is no doubt (any more)."""
    if case.sent_at is not None:
        if math.isinf(case.sent_at):  # whoever sent it was cancelled before the answer came
            case.sent((yield from now()))
        return case.sent_at
    if lookup == "until_settled":
        case.memory.doubt(case.ledger_id, (yield from now()))
    since = None if lookup == "none" else case.memory.doubted_since(case.ledger_id)
    if since is not None and (yield from now()) < since + case.policy.settling:
        return since
    return None


def settle(case: Case, since: float) -> Flow[Submission | None]:
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
            found = yield from look(case, whole=True)
        except ParallelError as error:
            trouble = error
        else:
            if found is not None:
                return found
        if time >= until:
            if trouble is not None:
                raise unknown(case) from trouble
            case.settled()
            return None
        yield from sleep(Sleep(min(pause, max(0.0, until - (yield from now())))))
        pause = min(2 * pause, policy.longest)


def look(case: Case, *, whole: bool = False) -> Flow[Submission | None]:
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


def _read_whole(case: Case) -> Flow[tuple[Index, list[TaskRunEvent]]]:
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


def _list(case: Case, cursor: str | None) -> Flow[list[TaskRunEvent]]:
    ledger_id, policy = case.ledger_id, case.policy
    try:
        listed = yield from streams.list_runs(ledger_id, policy, last_event_id=cursor)
        if any(event.run.metadata is None for event in listed):
            # Not every listing repeats a run's metadata; its input does.
            listed = yield from streams.list_runs(
                ledger_id, policy, last_event_id=cursor, include_input=True
            )
    except NotFound as error:
        raise about_ledger(error, ledger_id) from None
    return listed


def _adopted(case: Case, found: list[Known], *, seen_now: bool) -> Flow[Submission]:
    """The oldest of the runs found, as it stands now."""
    oldest, *others = found
    run = oldest.run
    if run.active and not seen_now:
        with suppress(ParallelError):  # it is there, however it stands now
            run = yield from operations.retrieve(run.run_id, case.policy)
    case.memory.met(run)
    return Submission(
        run=run,
        ledger_id=case.ledger_id,
        key=case.key,
        adopted=True,
        duplicates=tuple(known.run.run_id for known in others),
        cursor=oldest.cursor,
    )


def unknown(case: Case) -> SubmissionUnknown:
    return SubmissionUnknown(
        f"Whether a run was started in ledger {case.ledger_id} could not be found out.",
        hint="Submit the same request to the same ledger again: if the run is there, it is adopted and not "
        "paid for twice.",
        ledger_id=case.ledger_id,
        key=case.key,
        billed=None,
    )


def about_ledger(error: ParallelError, ledger_id: str) -> ParallelError:
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
