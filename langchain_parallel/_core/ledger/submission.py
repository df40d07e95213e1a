"""Exactly-once submission.

Rule: a request has a key; its ledger, a task group on the server, is looked up for that key before anything
is sent. A run that is there is adopted. Only if there is none is the one paid request sent, and if its
outcome is unknown, the ledger is looked up again for a settling time before the request may be sent once
more.

    look up ── found ──────────────────────────→ adopted
      │ not found
      ▼
    send ── accepted ──────────────────────────→ started
      │ ├── not sent: pause, send again
      │ ├── 429: pause, look up ── found ──────→ adopted
      │ │            │ not found: send again
      │ ├── refused: look up ── found ─────────→ adopted
      │ │            │ not found ──────────────→ the error; nothing was started
      │ └── unknown ─→ look up until settled ── found → adopted
      │                     │ not found
      └─────────────────────┘  until the attempts are used up: SubmissionUnknown

The client remembers what it started itself, because a list may show a new run only after a while. A 2xx
response that cannot be read is never followed by a second send: something was accepted. Nor is one that names
a run which is not there, or is another's: the ledger says which run it is. If a caller is
cancelled after sending, the send stays in `LedgerCache.unsettled`, so that the next lookup lasts the
settling time, too. After a second send of unknown outcome the ledger is looked up once more: two runs under
one key are reported, and the older is adopted.

A ledger that the caller has made is a look at that moment: it was empty, so there is nothing to look up.

What allows a send, the look and that no other process has taken over, holds for moments. If the process was
suspended since, or had to wait, the caller is asked again right before the request leaves; one that cannot
tell looks again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from typing import Literal

from ...errors import (
    LedgerNotFound,
    MalformedResponse,
    NotFound,
    ParallelError,
    SubmissionUnknown,
)
from ...models import Submission, TaskGroupRunResponse, TaskRun, TaskRunInput
from .. import operations, responses, wire
from ..effects import (
    Flow,
    NoResponse,
    Outcome,
    Request,
    confirm,
    enter_gate,
    leave_gate,
    now,
    send,
    sleep,
)
from ..retry import RetryDecision, RetryPolicy, classify
from .cache import KnownRun
from .identity import MARK_KEY
from .keys import METADATA_KEY, check_own_metadata
from .leave import Leave
from .ledger_list import as_ledger_error
from .lookup import (
    SLOW_LOOK,
    Lookup,
    PendingSubmission,
    is_ours,
    look_up,
    look_up_before_send,
    look_up_once,
    look_up_until_settled,
    look_up_with_started,
    note_read,
    submission_unknown,
    uncertain_since,
)


def submit(
    pending: PendingSubmission,
    lookup: Lookup = "once",
    before_send: Callable[[Sequence[TaskRun]], None] | None = None,
    was_empty_at: float | None = None,
    *,
    reads_started: bool = True,
) -> Flow[Submission]:
    """Find the run in the ledger, or start it there.

    `before_send` is called with the runs that the ledger has, just before the request is sent; what it raises
    ends the submission, and nothing was sent.

    `was_empty_at`: when the caller made the ledger, and nobody else knew of it, by the monotonic clock. For
    moments that counts as the look `once`. Without `reads_started`, a run just started is handed back as its
    acceptance names it: whoever waits for it has to make sure that it is this request's (`is_proven`).

    Raises:
        InvalidRequest: The metadata holds the ledger's own key; nothing was sent.
        LedgerNotFound: There is no such ledger; nothing was sent.
        SubmissionUnknown: Whether the run was started could not be found out; submit again later.
        ApiError: The server refused the request; nothing was started.
    """
    request = wire.add_runs(pending.ledger_id, [with_key(pending)])
    leave = Leave.of(math.inf if lookup == "none" else (yield from now()), pending.policy)
    since = yield from uncertain_since(pending, lookup)
    if lookup == "once" and was_empty_at is not None:
        made = Leave.of(was_empty_at, pending.policy)
        if leave.since <= made.ends_at:
            lookup, leave, pending.looked_at = "none", made, was_empty_at
    found = yield from look_up_before_send(pending, lookup, since)
    sends, was_uncertain = 0, since is not None
    if found is None and before_send is not None:
        before_send(pending.cache.runs(pending.ledger_id))
    while found is None:
        yield from enter_gate()
        if (yield from now()) > leave.ends_at:
            yield from leave_gate()  # to look may take long
            found = yield from _renew(pending, leave, since)
            continue
        sends += 1
        # Before the send: a caller that is cancelled during it must leave a trace.
        pending.mark_sent(math.inf)
        outcome = yield from send(replace(request, leaves_by=leave.ends_at))
        if isinstance(outcome, NoResponse) and outcome.too_late:
            sends -= 1
            _restore(pending, since)
            continue
        accepted = _read_acceptance(request, outcome)
        if accepted is not None:
            started = _note_started(pending, accepted, sent_again=was_uncertain)
            if was_uncertain or reads_started:
                started = yield from read_started(pending, started)
            return started
        found = yield from _handle_failure(pending, request, outcome, sends, since)
        if classify(request, outcome) is RetryDecision.UNKNOWN:
            was_uncertain, since = True, (yield from now())
    pending.mark_settled()
    # A run found after a second send of unknown outcome may come from either send.
    return found.model_copy(update={"sent_again": True}) if was_uncertain and sends > 1 else found


def find(
    pending: PendingSubmission, lookup: Literal["once", "until_settled"] = "once"
) -> Flow[Submission | None]:
    """The run that `submit` would adopt, if there is one. Costs nothing."""
    since = yield from uncertain_since(pending, lookup)
    found = yield from look_up_with_started(pending, since)
    if found is not None:
        pending.mark_settled()
    return found


def with_key(pending: PendingSubmission) -> TaskRunInput:
    """The request as it is sent: its metadata holds the key.

    Raises:
        InvalidRequest: A caller has put one there.
    """
    check_own_metadata(pending.request.metadata, METADATA_KEY, MARK_KEY)
    return pending.request.model_copy(update={"metadata": pending.metadata})


def _restore(pending: PendingSubmission, since: float | None) -> None:
    """Note that the last send started nothing; an earlier one, of `since`, may have."""
    pending.mark_settled()
    if since is not None:
        pending.mark_sent(since)


# --- leave to send -------------------------------------------------------------------------------


def _renew(
    pending: PendingSubmission, leave: Leave, since: float | None
) -> Flow[Submission | None]:
    """Get leave to send again: the caller says whether another process has taken over.

    If one has, it may just have sent: its run is looked for until that is settled. A caller that cannot tell
    looks, unless it did so a moment ago.

    Raises:
        SubmissionUnknown: Look after look takes so long that what it shows is out of date.
    """
    leave.renew((yield from now()))
    is_ours = yield from confirm()
    if is_ours is False:
        leave.revoke()
        time = yield from now()
        pending.mark_sent(time)
        return (yield from look_up_until_settled(pending, time))
    if is_ours or pending.looked_at + leave.moments > leave.since:
        return None
    found = yield from look_up_once(pending, whole=since is not None)
    leave.note_look(pending.looked_at, (yield from now()))
    if found is None and leave.slow_looks >= pending.policy.max_attempts:
        raise submission_unknown(pending, SLOW_LOOK)
    return found


# --- sending -------------------------------------------------------------------------------------


def _read_acceptance(request: Request, outcome: Outcome) -> TaskGroupRunResponse | None:
    """The response that names the one run started, if it does so in the documented way."""
    if classify(request, outcome) is not RetryDecision.DONE:
        return None
    try:
        response = responses.decode(TaskGroupRunResponse, request, outcome)
    except ParallelError:
        return None  # accepted, but unreadable: only the ledger can tell which run it is
    return response if len(response.run_ids) == 1 and wire.is_id(response.run_ids[0]) else None


def _handle_failure(
    pending: PendingSubmission,
    request: Request,
    outcome: Outcome,
    sends: int,
    since: float | None,
) -> Flow[Submission | None]:
    """Handle an outcome that is no acceptance: return the run if it is there, None to send again.

    Raises the error if the server refused or the attempts are used up. `since`: when an earlier send ended
    without a known outcome, which a refusal of this one does not clear up.
    """
    decision = classify(request, outcome)
    pause = pending.policy.delay_before_resend(sends, outcome)
    if decision in (RetryDecision.REFUSED, RetryDecision.SEND_AGAIN):
        if pause is not None and decision is RetryDecision.SEND_AGAIN:
            yield from sleep(pause)
        found = yield from _look_after_refusal(pending, request, outcome)
        if found is not None:
            return found
        _restore(pending, since)
    else:
        # The settling time starts now, not at the send: the server may have worked on it until now.
        time = yield from now()
        pending.mark_sent(time)
        found = yield from look_up_until_settled(pending, time)
        if found is not None:
            return found
    if decision is RetryDecision.DONE or (pause is None and decision is RetryDecision.UNKNOWN):
        raise submission_unknown(pending)
    if pause is None or decision is RetryDecision.REFUSED:
        error = as_ledger_error(responses.failure(request, outcome), pending.ledger_id)
        raise error if since is None else _still_uncertain(error)
    if decision is RetryDecision.UNKNOWN:
        yield from sleep(pause)
    return None


def _look_after_refusal(
    pending: PendingSubmission, request: Request, outcome: Outcome
) -> Flow[Submission | None]:
    """Whether a request that the server turned away has started a run after all. Raises if it cannot be seen.

    That it starts none is documented, but not of whatever stands between: a look is free.
    """
    if isinstance(outcome, NoResponse):  # no byte of it left
        return None
    time = yield from now()
    pending.mark_sent(time)
    try:
        try:
            return (yield from look_up(pending, whole=True))
        except (
            SubmissionUnknown
        ):  # a run may be counted a moment before it is listed: it may be this one
            return (yield from look_up_until_settled(pending, time))
    except LedgerNotFound:
        raise
    except ParallelError as failed:
        error = as_ledger_error(responses.failure(request, outcome), pending.ledger_id)
        raise _still_uncertain(error) from failed


def _still_uncertain(error: ParallelError) -> ParallelError:
    error.billed = None
    error.hint = (
        "A send of the same request may have started a run: submit the same again to the same "
        f"ledger, and it is found. {error.hint}".strip()
    )
    return error


def _note_started(
    pending: PendingSubmission, accepted: TaskGroupRunResponse, *, sent_again: bool
) -> Submission:
    """The run just started, as the acceptance names it."""
    run = TaskRun(
        run_id=accepted.run_ids[0],
        status="queued",
        processor=pending.request.processor,
        metadata=pending.metadata,
    )
    # Before the next request: a caller cancelled during it must not lose the run.
    known = KnownRun(run, may_have_duplicate=True)
    pending.cache.remember_run(pending.ledger_id, pending.key, known)
    pending.mark_settled()
    return Submission(
        run=run,
        ledger_id=pending.ledger_id,
        key=pending.key,
        adopted=False,
        sent_again=sent_again,
    )


def read_started(pending: PendingSubmission, started: Submission) -> Flow[Submission]:
    """The run that an acceptance names, in its current state; if that cannot be read now, only its id. Where
    it is not this request's, the run that the ledger has.

    The group's response holds no interaction id; the run does.

    Raises:
        SubmissionUnknown: Neither the id nor the ledger leads to this request's run.
    """
    named, sent_again = started.run, started.sent_again
    try:
        read = yield from _read_named(pending, named)
    except MalformedResponse:
        read = None
    is_clear = True
    if read is None or not is_ours(pending, read):
        is_clear = False
        time = yield from now()
        # Before the lookup: a caller cancelled during it must leave a trace, for the run is forgotten.
        pending.mark_sent(time)
        pending.cache.forget_run(pending.ledger_id, pending.key)
        failed = found = None
        try:
            found = yield from look_up_until_settled(pending, time)
        except ParallelError as error:
            failed = error
        if found is not None:
            pending.mark_settled()
            return found.model_copy(update={"adopted": False, "sent_again": sent_again})
        is_anothers, read = read is not None, named
        with suppress(MalformedResponse):
            read = yield from _read_named(pending, named)
        if read is None or not is_ours(pending, read) or (is_anothers and read is named):
            raise submission_unknown(pending, _NOT_THAT_ONE.format(named.run_id)) from failed
        pending.mark_settled()
    note_read(pending, read, may_have_duplicate=sent_again or not is_clear)
    started = started.model_copy(update={"run": read})
    return (yield from _resolve_duplicates(pending, started)) if sent_again else started


_STATE_SECONDS = 5.0
"""For the state of a run just started. Whoever waits for the run reads it again, and has a deadline."""
_NOT_THAT_ONE = "the server named run {}, which is not there or another's"


def _read_named(pending: PendingSubmission, named: TaskRun) -> Flow[TaskRun | None]:
    """The run under the id that an acceptance names; as it is named, if it cannot be read now; None if there
    is none.
    """
    request = wire.get(named.run_id, timeout=_STATE_SECONDS, total=_STATE_SECONDS)
    twice = _trying_twice(pending.policy)  # one lost answer must not make a wrong id pass
    try:
        return (yield from operations.fetch(request, TaskRun, twice, named.run_id))
    except MalformedResponse:
        raise
    except NotFound:
        return None
    except ParallelError:
        return named  # it was accepted; its id will do


@lru_cache(8)
def _trying_twice(policy: RetryPolicy) -> RetryPolicy:
    return replace(policy, max_attempts=2)


def _resolve_duplicates(pending: PendingSubmission, started: Submission) -> Flow[Submission]:
    """After a second send of unknown outcome: the oldest run under the key, with the others as duplicates.

    If the list cannot be read now, the result is the started run; a later `find` reports duplicates.
    """
    try:
        oldest = yield from look_up(pending, whole=True)
    except ParallelError:
        return started
    if oldest is None:
        return started
    if oldest.run.run_id == started.run.run_id:
        return started.model_copy(update={"duplicates": oldest.duplicates})
    duplicates = tuple(dict.fromkeys((*oldest.duplicates, started.run.run_id)))
    return oldest.model_copy(update={"duplicates": duplicates, "sent_again": True})
