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
from typing import Literal

from ...errors import InvalidRequest, ParallelError
from ...models import Submission, TaskGroupRunResponse, TaskRun, TaskRunInput
from .. import operations, responses, wire
from ..effects import Flow, Outcome, Request, now, send, sleep
from ..retry import Next, RetryPolicy, after
from .cache import LedgerMemory
from .keys import METADATA_KEY, ledger_key
from .lookup import (
    Case,
    Lookup,
    about_ledger,
    in_doubt_since,
    look,
    look_in_doubt,
    lookup_before_send,
    settle,
    unknown,
)


def submit(
    ledger_id: str,
    run: TaskRunInput,
    policy: RetryPolicy,
    *,
    position: str = "",
    attempt: int = 0,
    lookup: Lookup = "once",
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
        lookup: How to look before the first send.
        cursor: Where in the ledger's list to begin, from an earlier submission of the session.
        memory: What is kept between submissions.

    Raises:
        InvalidRequest: The metadata holds the ledger's own key; nothing was sent.
        LedgerNotFound: There is no such ledger; nothing was sent.
        SubmissionUnknown: Whether the run was started could not be found out; submit again later.
        ApiError: The server refused the request; nothing was started.
    """
    key = ledger_key(run, position=position, attempt=attempt)
    case = Case(ledger_id, key, policy, memory or LedgerMemory(), cursor)
    request = wire.add_runs(ledger_id, [_keyed(run, key)])
    since = yield from in_doubt_since(case, lookup)
    found = yield from lookup_before_send(case, lookup, since)
    sends, doubtful = 0, since is not None
    while found is None:
        sends += 1
        case.sent(math.inf)
        outcome = yield from send(request)
        answer = _accepted(request, outcome)
        if answer is not None:
            return (yield from _started(case, answer, sent_again=doubtful))
        found = yield from _after(case, request, outcome, sends, since)
        if after(request, outcome) is Next.UNKNOWN:
            doubtful, since = True, (yield from now())
    case.settled()
    # Found after a second send in doubt, it may be either of two.
    return found.model_copy(update={"sent_again": True}) if doubtful and sends > 1 else found


def find(
    ledger_id: str,
    run: TaskRunInput,
    policy: RetryPolicy,
    *,
    position: str = "",
    attempt: int = 0,
    lookup: Literal["once", "until_settled"] = "once",
    memory: LedgerMemory | None = None,
) -> Flow[Submission | None]:
    """The run that `submit` would adopt, if there is one. Costs nothing."""
    key = ledger_key(run, position=position, attempt=attempt)
    case = Case(ledger_id, key, policy, memory or LedgerMemory(), None)
    return (yield from look_in_doubt(case, (yield from in_doubt_since(case, lookup))))


def _keyed(run: TaskRunInput, key: str) -> TaskRunInput:
    if METADATA_KEY in run.metadata:
        raise InvalidRequest(
            [f"The metadata key {METADATA_KEY!r} is the ledger's own; leave it out."]
        )
    return run.model_copy(update={"metadata": {**run.metadata, METADATA_KEY: key}})


# --- sending -------------------------------------------------------------------------------------


def _accepted(request: Request, outcome: Outcome) -> TaskGroupRunResponse | None:
    """The answer that names the one run started, where it does so in the documented way."""
    if after(request, outcome) is not Next.DONE:
        return None
    try:
        answer = responses.decode(TaskGroupRunResponse, request, outcome)
    except ParallelError:
        return None  # accepted, it seems, but unreadable: the ledger knows
    return answer if len(answer.run_ids) == 1 else None


def _after(
    case: Case, request: Request, outcome: Outcome, sends: int, since: float | None
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
        found = yield from settle(case, (yield from now()))
        if found is not None:
            return found
    if turn is Next.REFUSED:
        error = about_ledger(responses.failure(request, outcome), case.ledger_id)
        raise error if since is None else _still_in_doubt(error)
    pause = case.policy.pause(sends, outcome)
    if turn is Next.DONE or (pause is None and turn is Next.UNKNOWN):
        raise unknown(case)
    if pause is None:
        error = responses.failure(request, outcome)
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


def _started(case: Case, answer: TaskGroupRunResponse, *, sent_again: bool) -> Flow[Submission]:
    """The run just started, as it stands; if that cannot be read now, then by its id alone.

    The answer to a group holds no interaction id; the run does.
    """
    run_id, cursor = answer.run_ids[0], answer.run_cursor or None
    run = TaskRun(run_id=run_id, status="queued")
    # Before anything else is waited for: who is cancelled while reading must not forget it.
    case.memory.note(case.ledger_id, case.key, run, cursor, alone=not sent_again)
    case.settled()
    with suppress(ParallelError):
        run = yield from operations.retrieve(run_id, case.policy)
    case.memory.note(case.ledger_id, case.key, run, cursor, alone=not sent_again)
    case.memory.met(run)
    mine = Submission(
        run=run,
        ledger_id=case.ledger_id,
        key=case.key,
        adopted=False,
        sent_again=sent_again,
        cursor=cursor,
    )
    return (yield from _beside_twins(case, mine)) if sent_again else mine


def _beside_twins(case: Case, mine: Submission) -> Flow[Submission]:
    """After a second send in doubt: the oldest run under the key, the others told. A list that cannot be read
    now changes nothing; `find` tells later.
    """
    try:
        twin = yield from look(case, whole=True)
    except ParallelError:
        return mine
    if twin is None:
        return mine
    if twin.run.run_id == mine.run.run_id:
        return mine.model_copy(update={"duplicates": twin.duplicates})
    duplicates = tuple(dict.fromkeys((*twin.duplicates, mine.run.run_id)))
    return twin.model_copy(update={"duplicates": duplicates, "sent_again": True})
