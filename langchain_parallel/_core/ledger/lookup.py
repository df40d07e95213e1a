"""Looking up a request in its ledger: is a run there under its key, and how long is that uncertain?

Rule: a lookup is free and settles everything. A send whose outcome this process never saw, or that a killed
process may have made, stays uncertain until the settling time has passed since then.

That no run is there is believed only where the list can be trusted (`ledger_list.py`), and no listed run
lacks what tells it from ours.
"""

from __future__ import annotations

import json
import math
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, cast

from ...errors import LedgerNotFound, NotFound, ParallelError, SubmissionUnknown
from ...models import Metadata, Submission, TaskRun, TaskRunEvent, TaskRunInput
from .. import operations
from ..effects import Flow, Sleep, now, sleep
from ..retry import RetryPolicy
from .cache import KnownRun, LedgerCache, LedgerIndex
from .identity import MARK_KEY
from .keys import METADATA_KEY
from .ledger_list import read_ledger

Lookup: TypeAlias = Literal["once", "until_settled", "none"]
"""How to look into the ledger before sending. `once`: one lookup. `until_settled`: keep looking for the
settling time, because another process may just have sent the same. `none`: no lookup, for a position that no
request can have used."""


SLOW_LOOK = "its list takes too long to read"


@dataclass
class PendingSubmission:
    """One request to one ledger, on its way."""

    ledger_id: str
    key: str
    request: TaskRunInput
    policy: RetryPolicy
    cache: LedgerCache
    mark: str | None = None
    """Whose credentials it has (`identity.py`)."""
    looked_at: float = -math.inf
    """When the last lookup began, by the monotonic clock."""
    further: Metadata = field(default_factory=dict)
    """What its run is marked with beside its key."""

    @property
    def metadata(self) -> Metadata:
        """The metadata of its run."""
        mark = {} if self.mark is None else {MARK_KEY: self.mark}
        return {**self.request.metadata, **self.further, METADATA_KEY: self.key, **mark}

    @property
    def name(self) -> str:
        """The name of the lock under which it is looked up and sent (one at a time in a process)."""
        return f"{self.ledger_id} {self.key}"

    @property
    def sent_at(self) -> float | None:
        """When it was last sent with an outcome that is still unknown; `inf` while the send is in flight."""
        return self.cache.unsettled.get((self.ledger_id, self.key))

    def mark_sent(self, time: float) -> None:
        """Note a send of unknown outcome."""
        self.cache.unsettled[self.ledger_id, self.key] = time

    def mark_settled(self) -> None:
        """Note that the outcome of every send is known."""
        self.cache.unsettled.pop((self.ledger_id, self.key), None)


def uncertain_since(pending: PendingSubmission, lookup: Lookup) -> Flow[float | None]:
    """Since when it is uncertain whether the request was sent; None where it is not."""
    # `until_settled` begins anew each time: another process may have sent since the last time. The time is
    # unknown where the caller that sent it was cancelled before the response came.
    if lookup == "until_settled" or pending.sent_at == math.inf:
        pending.mark_sent((yield from now()))
    return pending.sent_at


def look_up_before_send(
    pending: PendingSubmission, lookup: Lookup, since: float | None
) -> Flow[Submission | None]:
    """The run to adopt, if there is one; `since`: see `uncertain_since`."""
    started = pending.cache.started_run(pending.ledger_id, pending.key)
    if started is not None and not started.may_have_duplicate:
        return (yield from _adopt(pending, [started], listed_now=False))
    if since is not None or started is not None:
        return (yield from look_up_with_started(pending, since))
    return None if lookup == "none" else (yield from look_up_once(pending))


def look_up_once(pending: PendingSubmission, *, whole: bool = False) -> Flow[Submission | None]:
    """As `look_up`, until the list can be trusted: a run of another caller may be counted a moment before it
    is listed.
    """
    try:
        return (yield from look_up(pending, whole=whole))
    except SubmissionUnknown:
        return (yield from look_up_until_settled(pending, (yield from now())))


def look_up_with_started(
    pending: PendingSubmission, since: float | None
) -> Flow[Submission | None]:
    """The run under the key, with the one that this client started even if the list does not show it yet."""
    started = pending.cache.started_run(pending.ledger_id, pending.key)
    try:
        if since is None:
            found = yield from look_up(pending, whole=True)
        else:
            found = yield from look_up_until_settled(pending, since)
    except ParallelError:
        if started is None:
            raise
        found = None  # an unreadable list is no reason to withhold a run that is known
    if started is None:
        return found
    if found is None:
        return (yield from _adopt_unlisted(pending, started))
    ids = (found.run.run_id, *found.duplicates)
    if started.run.run_id in ids:
        return found
    if is_unread(started.run) and not (yield from _is_there(pending, started.run)):
        pending.cache.forget_run(pending.ledger_id, pending.key)  # it is no run of this ledger
        return found
    return found.model_copy(update={"duplicates": (*ids[1:], started.run.run_id)})


def is_unread(run: TaskRun) -> bool:
    """Whether all that is known of a run is that an acceptance has named it: a run that was read says its
    interaction.
    """
    return run.interaction_id is None


def is_ours(pending: PendingSubmission, run: TaskRun) -> bool:
    """Whether a run that was read is this request's."""
    return bool((run.metadata or {}).get(METADATA_KEY, pending.key) == pending.key)


def is_proven(pending: PendingSubmission, run: TaskRun, *, may_have_duplicate: bool) -> bool:
    """Whether a run that was never read says itself that it is this request's; if so, it is remembered."""
    if (run.metadata or {}).get(METADATA_KEY) != pending.key:
        return False
    note_read(pending, run, may_have_duplicate=may_have_duplicate)
    return True


def note_read(pending: PendingSubmission, run: TaskRun, *, may_have_duplicate: bool) -> None:
    """Remember a run of this request as it was read."""
    known = KnownRun(run, may_have_duplicate)
    pending.cache.remember_run(pending.ledger_id, pending.key, known)
    pending.cache.remember_interaction(run)


def _is_there(pending: PendingSubmission, run: TaskRun) -> Flow[bool]:
    """Whether there is a run under an id that this client remembers, and it is this request's."""
    try:
        return is_ours(pending, (yield from operations.retrieve(run.run_id, pending.policy)))
    except NotFound:
        return False
    except ParallelError:
        return True  # its id will do


def _adopt_unlisted(pending: PendingSubmission, started: KnownRun) -> Flow[Submission]:
    """Adopt the run that this client started and no list shows.

    Raises:
        SubmissionUnknown: Its id leads nowhere, and neither does the ledger.
    """
    if not (yield from _is_there(pending, started.run)):
        time = yield from now()
        pending.mark_sent(time)
        pending.cache.forget_run(pending.ledger_id, pending.key)
        found = yield from look_up_until_settled(pending, time)
        if found is None:
            pending.mark_sent(time)
            raise submission_unknown(pending)
        return found
    return (yield from _adopt(pending, [started], listed_now=False))


def look_up_until_settled(pending: PendingSubmission, since: float) -> Flow[Submission | None]:
    """Look up again and again until the run shows up or the settling time is over.

    Raises:
        SubmissionUnknown: The ledger could not be read when that time was over, or could not answer.
        LedgerNotFound: There is none, and this process has sent nothing to it.
    """
    policy = pending.policy
    until = since + policy.settle_seconds
    attempt = 0
    while True:
        attempt += 1
        time = yield from now()
        failed: ParallelError | None = None
        try:
            found = yield from look_up(pending, whole=True)
        except ParallelError as error:
            failed = error
        else:
            if found is not None:
                return found
        if time >= until:
            is_gone = isinstance(failed, LedgerNotFound) and pending.sent_at is None
            if is_gone or isinstance(failed, SubmissionUnknown):
                raise cast(ParallelError, failed)
            if failed is not None:
                raise submission_unknown(pending) from failed
            pending.mark_settled()
            return None
        pause = policy.backoff.delay(attempt)
        yield from sleep(Sleep(min(pause, max(0.0, until - (yield from now())))))


def look_up(pending: PendingSubmission, *, whole: bool = False) -> Flow[Submission | None]:
    """The run under the key, if the ledger's list shows one.

    A lookup reads on from where the last one ended, and reads the whole list if that leaves runs out. `whole`
    reads it all at once, which uncertainty needs: a run that shows up late may be listed before others.

    Raises:
        SubmissionUnknown: The list shows no such run, and leaves out runs, or what tells them apart.
    """
    read = yield from read_ledger(pending.ledger_id, pending.cache, pending.policy, whole=whole)
    pending.looked_at = read.began_at
    found = read.index.oldest_first(pending.key)
    if found:
        listed_now = found[0].run.run_id in read.listed
        return (yield from _adopt(pending, found, listed_now=listed_now))
    doubt = read.doubt or _doubt(pending, read.index)
    if not doubt:
        return None
    if not whole:
        return (yield from look_up(pending, whole=True))
    raise submission_unknown(pending, doubt)


def _doubt(pending: PendingSubmission, index: LedgerIndex) -> str:
    """Which listed run may be the one under the key, though the list does not say so; empty if none is."""
    if not index.without_key:
        return ""
    started = pending.cache.started_ids(pending.ledger_id)
    for run_id, event in index.without_key.items():
        if run_id not in started and may_be(event, pending.request):
            return untold(run_id)
    return ""


def untold(run_id: str) -> str:
    """The doubt about a run that is listed without its metadata."""
    return f"its list does not say what run {run_id} was started for"


def may_be(event: TaskRunEvent, request: TaskRunInput) -> bool:
    """Whether a run that is listed without a key may have been started by this request."""
    asked = event.input
    if event.run.metadata or (asked and asked.metadata):
        return False  # metadata is repeated, and ours holds the key
    if event.run.processor not in ("", request.processor):
        return False
    return asked is None or _words(asked.input) == _words(request.input)


def _words(value: object) -> list[str]:
    """What is asked, without the blanks that a server may have removed."""
    return (value if isinstance(value, str) else json.dumps(value, sort_keys=True)).split()


def _adopt(
    pending: PendingSubmission, found: list[KnownRun], *, listed_now: bool
) -> Flow[Submission]:
    """Adopt the oldest of the runs found, in its current state."""
    oldest, *others = found
    run = oldest.run
    if run.active and not listed_now:
        with suppress(ParallelError):  # the run exists, so its last known state is good enough
            run = yield from operations.retrieve(run.run_id, pending.policy)
    pending.cache.remember_interaction(run)
    return Submission(
        run=run,
        ledger_id=pending.ledger_id,
        key=pending.key,
        adopted=True,
        duplicates=tuple(known.run.run_id for known in others),
    )


def submission_unknown(pending: PendingSubmission, why: str = "") -> SubmissionUnknown:
    """The error for a send whose outcome could not be found out."""
    reason = f": {why}" if why else ""
    return SubmissionUnknown(
        f"Whether a run was started in ledger {pending.ledger_id} could not be found out{reason}.",
        hint="Submit the same request to the same ledger again, or resume the thread: if the run is there, "
        "it is adopted and not paid for twice.",
        ledger_id=pending.ledger_id,
        key=pending.key,
        billed=None,
    )
