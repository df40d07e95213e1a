"""Exactly-once submission.

Rule: a request has a key; its ledger, a task group on the server, is looked up for that key before anything
is sent. A run that is there is adopted. Only if there is none is the one paid request sent, and if its
outcome is unknown, the ledger is looked up again for a settling time before the request may be sent once
more.

    look up ── found ──────────────────────────→ adopted
      │ not found
      ▼
    send ── accepted ──────────────────────────→ started
      │ ├── refused ───────────────────────────→ the error; nothing was started
      │ ├── not sent, or 429: pause, send again
      │ └── unknown ─→ look up until settled ── found → adopted
      │                     │ not found
      └─────────────────────┘  until the attempts are used up: SubmissionUnknown

The client remembers what it started itself, because a list may show a new run only after a while. A 2xx
response that cannot be read is never followed by a second send: something was accepted. If a caller is
cancelled after sending, the send stays in `LedgerCache.unsettled`, so that the next lookup lasts the
settling time, too. After a second send of unknown outcome the ledger is looked up once more: two runs under
one key are reported, and the older is adopted.
"""

from __future__ import annotations

import math
from contextlib import suppress
from typing import Literal

from ...errors import InvalidRequest, ParallelError
from ...models import Submission, TaskGroupRunResponse, TaskRun, TaskRunInput
from .. import operations, responses, wire
from ..effects import Flow, Outcome, Request, now, send, sleep
from ..retry import RetryDecision, classify
from .cache import KnownRun
from .keys import METADATA_KEY
from .lookup import (
    Lookup,
    PendingSubmission,
    as_ledger_error,
    look_up,
    look_up_before_send,
    look_up_until_settled,
    look_up_with_started,
    submission_unknown,
    uncertain_since,
)


def submit(pending: PendingSubmission, lookup: Lookup = "once") -> Flow[Submission]:
    """Find the run in the ledger, or start it there.

    Raises:
        InvalidRequest: The metadata holds the ledger's own key; nothing was sent.
        LedgerNotFound: There is no such ledger; nothing was sent.
        SubmissionUnknown: Whether the run was started could not be found out; submit again later.
        ApiError: The server refused the request; nothing was started.
    """
    request = wire.add_runs(pending.ledger_id, [_with_key(pending.request, pending.key)])
    since = yield from uncertain_since(pending, lookup)
    found = yield from look_up_before_send(pending, lookup, since)
    sends, was_uncertain = 0, since is not None
    while found is None:
        sends += 1
        # Before the send: a caller that is cancelled during it must leave a trace.
        pending.mark_sent(math.inf)
        outcome = yield from send(request)
        accepted = _read_acceptance(request, outcome)
        if accepted is not None:
            return (yield from _take_started(pending, accepted, sent_again=was_uncertain))
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
    return (yield from look_up_with_started(pending, since))


def _with_key(run: TaskRunInput, key: str) -> TaskRunInput:
    if METADATA_KEY in run.metadata:
        raise InvalidRequest(
            [f"The metadata key {METADATA_KEY!r} is the ledger's own; leave it out."]
        )
    return run.model_copy(update={"metadata": {**run.metadata, METADATA_KEY: key}})


# --- sending -------------------------------------------------------------------------------------


def _read_acceptance(request: Request, outcome: Outcome) -> TaskGroupRunResponse | None:
    """The response that names the one run started, if it does so in the documented way."""
    if classify(request, outcome) is not RetryDecision.DONE:
        return None
    try:
        response = responses.decode(TaskGroupRunResponse, request, outcome)
    except ParallelError:
        return None  # accepted, but unreadable: only the ledger can tell which run it is
    return response if len(response.run_ids) == 1 else None


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
    if decision in (RetryDecision.REFUSED, RetryDecision.SEND_AGAIN):
        pending.mark_settled()
        if since is not None:
            pending.mark_sent(since)
    else:
        # The settling time starts now, not at the send: the server may have worked on it until now.
        time = yield from now()
        pending.mark_sent(time)
        found = yield from look_up_until_settled(pending, time)
        if found is not None:
            return found
    pause = pending.policy.delay_before_resend(sends, outcome)
    if decision is RetryDecision.DONE or (pause is None and decision is RetryDecision.UNKNOWN):
        raise submission_unknown(pending)
    if pause is None or decision is RetryDecision.REFUSED:
        error = as_ledger_error(responses.failure(request, outcome), pending.ledger_id)
        raise error if since is None else _still_uncertain(error)
    yield from sleep(pause)
    return None


def _still_uncertain(error: ParallelError) -> ParallelError:
    error.billed = None
    error.hint = (
        "An earlier send of the same request may have started a run: submit the same again to the same "
        f"ledger, and it is found. {error.hint}".strip()
    )
    return error


def _take_started(
    pending: PendingSubmission, accepted: TaskGroupRunResponse, *, sent_again: bool
) -> Flow[Submission]:
    """The run just started, in its current state; if that cannot be read now, only its id.

    The group's response holds no interaction id; the run does.
    """
    run_id, cursor = accepted.run_ids[0], accepted.run_cursor or None
    metadata = {**pending.request.metadata, METADATA_KEY: pending.key}
    run = TaskRun(
        run_id=run_id, status="queued", processor=pending.request.processor, metadata=metadata
    )

    def remember() -> None:
        known = KnownRun(run, cursor, may_have_duplicate=sent_again)
        pending.cache.remember_run(pending.ledger_id, pending.key, known)

    remember()  # before the next request: a caller cancelled during it must not lose the run
    pending.mark_settled()
    with suppress(ParallelError):
        run = yield from operations.retrieve(run_id, pending.policy)
    remember()
    pending.cache.remember_interaction(run)
    started = Submission(
        run=run,
        ledger_id=pending.ledger_id,
        key=pending.key,
        adopted=False,
        sent_again=sent_again,
        cursor=cursor,
    )
    return (yield from _resolve_duplicates(pending, started)) if sent_again else started


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
