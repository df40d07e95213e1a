"""Looking up a request in its ledger: is a run there under its key, and how long is that uncertain?

Rule: a lookup is free and settles everything. A send whose outcome this process never saw, or that a killed
process may have made, stays uncertain until the settling time has passed since then.

No order, page size or completeness of a group's list is documented. So that no run is there is believed only
where as many runs are listed as the group counts, and none of them lacks what tells it from ours.
"""

from __future__ import annotations

import json
import math
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast

from ...errors import LedgerNotFound, NotFound, ParallelError, SubmissionUnknown
from ...models import Metadata, Submission, TaskRunEvent, TaskRunInput
from .. import operations, streams
from ..effects import Flow, Sleep, now, sleep
from ..plain_text import count
from ..retry import RetryPolicy
from .cache import KnownRun, LedgerCache, LedgerIndex
from .identity import MARK_KEY
from .keys import METADATA_KEY

Lookup: TypeAlias = Literal["once", "until_settled", "none"]
"""How to look into the ledger before sending. `once`: one lookup. `until_settled`: keep looking for the
settling time, because another process may just have sent the same. `none`: no lookup, for a position that no
request can have used."""


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

    @property
    def metadata(self) -> Metadata:
        """The metadata of its run."""
        mark = {} if self.mark is None else {MARK_KEY: self.mark}
        return {**self.request.metadata, METADATA_KEY: self.key, **mark}

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
    if lookup == "none":
        return None
    try:
        return (yield from look_up(pending))
    except SubmissionUnknown:  # a run of another caller may be counted a moment before it is listed
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
    ids = (found.run.run_id, *found.duplicates, started.run.run_id)
    return found.model_copy(update={"duplicates": tuple(dict.fromkeys(ids))[1:]})


def _adopt_unlisted(pending: PendingSubmission, started: KnownRun) -> Flow[Submission]:
    """Adopt the run that this client started and no list shows.

    Raises:
        SubmissionUnknown: Its id leads nowhere, and neither does the ledger.
    """
    try:
        yield from operations.retrieve(started.run.run_id, pending.policy)
    except NotFound:
        time = yield from now()
        pending.mark_sent(time)
        pending.cache.forget_run(pending.ledger_id, pending.key)
        found = yield from look_up_until_settled(pending, time)
        if found is None:
            pending.mark_sent(time)
            raise submission_unknown(pending) from None
        return found
    except ParallelError:
        pass  # its id will do
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
    ledger_id, cache = pending.ledger_id, pending.cache
    pending.looked_at = yield from now()
    counted = yield from _count(pending)  # before the list, which others may lengthen meanwhile
    index = None if whole else cache.index(ledger_id)
    listed = yield from _list_runs(pending, index.cursor if index else None, read_on=whole)
    index = index or cache.restart_index(ledger_id)
    index.add(listed)
    found = index.oldest_first(pending.key)
    if found:
        listed_now = any(event.run.run_id == found[0].run.run_id for event in listed)
        return (yield from _adopt(pending, found, listed_now=listed_now))
    doubt = _doubt(pending, index, counted)
    if not doubt:
        return None
    if not whole:
        return (yield from look_up(pending, whole=True))
    raise submission_unknown(pending, doubt)


def _count(pending: PendingSubmission) -> Flow[int]:
    """How many runs the ledger has, by its own count."""
    try:
        group = yield from operations.retrieve_group(pending.ledger_id, pending.policy)
    except NotFound as error:
        raise as_ledger_error(error, pending.ledger_id) from None
    return group.status.num_task_runs


def _doubt(pending: PendingSubmission, index: LedgerIndex, counted: int) -> str:
    """Why a list without a run under the key does not prove that there is none; empty if it does."""
    started = pending.cache.started_ids(pending.ledger_id)
    known = len(index.ids | started)
    if counted > known:
        return f"its list shows {known:,} of {count(counted, 'run')}"
    for run_id, event in index.without_key.items():
        if run_id not in started and _may_be(event, pending.request):
            return f"its list does not say what run {run_id} was started for"
    return ""


def _may_be(event: TaskRunEvent, request: TaskRunInput) -> bool:
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


def _list_runs(
    pending: PendingSubmission, cursor: str | None, *, read_on: bool
) -> Flow[list[TaskRunEvent]]:
    ledger_id, policy = pending.ledger_id, pending.policy
    try:
        listed = yield from streams.list_runs(
            ledger_id, policy, last_event_id=cursor, read_on=read_on
        )
        if not all(event.run.metadata for event in listed):
            # Not every listing repeats a run's metadata; its input does.
            listed = yield from streams.list_runs(
                ledger_id, policy, last_event_id=cursor, read_on=read_on, include_input=True
            )
    except NotFound as error:
        raise as_ledger_error(error, ledger_id) from None
    return listed


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


def as_ledger_error(error: ParallelError, ledger_id: str) -> ParallelError:
    """The same error; a 404 on the ledger's own path means that the ledger is gone."""
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
