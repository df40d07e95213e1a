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

The key says what is asked and at which point of the session. It leaves out what does not change the
research: secrets, metadata, webhook and whether progress is recorded.
"""

from __future__ import annotations

import hashlib
import json

from ..errors import LedgerNotFound, NotFound, ParallelError, SubmissionUnknown
from ..models import Submission, TaskGroupRunResponse, TaskRun, TaskRunInput
from . import flows, wire
from .effects import Flow, Outcome, Request, now, send, sleep
from .retry import Next, RetryPolicy, after

METADATA_KEY = "ledger_key"
"""Where a run carries its key. The API allows keys of 16 characters."""

_ASKED = {
    "input",
    "processor",
    "task_spec",
    "previous_interaction_id",
    "source_policy",
    "mcp_servers",
    "advanced_settings",
    "memory_scope_key",
}


def ledger_key(run: TaskRunInput, *, position: str = "", attempt: int = 0) -> str:
    """The key of a request: a hash of what is asked, where in the session, and which attempt.

    Args:
        run: What is asked. Of an MCP server only its name, address (without query) and tools count.
        position: The point of the session, such as the number of turns it has had.
        attempt: Raised by a caller who wants the very same thing anew.
    """
    asked = {name: value for name, value in wire.payload(run).items() if name in _ASKED}
    asked["mcp_servers"] = [
        [
            server.name,
            server.url.partition("?")[0].rpartition("@")[2],
            list(server.allowed_tools or ()),
        ]
        for server in run.mcp_servers
    ]
    canonical = json.dumps([asked, position, attempt], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:40]


def submit(
    ledger_id: str,
    run: TaskRunInput,
    policy: RetryPolicy,
    *,
    position: str = "",
    attempt: int = 0,
) -> Flow[Submission]:
    """Find the run in the ledger, or start it there.

    Raises:
        LedgerNotFound: There is no such ledger; nothing was sent.
        SubmissionUnknown: Whether the run was started could not be found out; submit again later.
        ApiError: The server refused the request; nothing was started.
    """
    key = ledger_key(run, position=position, attempt=attempt)
    found = yield from look(ledger_id, key, policy)
    if found is not None:
        return found
    request = wire.add_runs(ledger_id, [_keyed(run, key)])
    for sent in range(1, policy.attempts + 1):
        outcome = yield from send(request)
        started = _accepted(request, outcome)
        if started is not None:
            return (yield from _started(ledger_id, key, started, policy))
        found, pause = yield from _after(ledger_id, key, request, outcome, sent, policy)
        if found is not None:
            return found
        yield from sleep(pause, jitter=flows.JITTER)
    raise AssertionError("the last attempt returns or raises")  # pragma: no cover


def _keyed(run: TaskRunInput, key: str) -> TaskRunInput:
    return run.model_copy(update={"metadata": {**run.metadata, METADATA_KEY: key}})


def _accepted(request: Request, outcome: Outcome) -> str | None:
    """The id of the run that was started, where the answer says so in the documented way."""
    if after(request, outcome) is not Next.DONE:
        return None
    try:
        answer = wire.decode(TaskGroupRunResponse, request, outcome)
    except ParallelError:
        return None  # accepted, it seems, but unreadable: the ledger knows
    return answer.run_ids[0] if len(answer.run_ids) == 1 else None


def _after(
    ledger_id: str, key: str, request: Request, outcome: Outcome, sent: int, policy: RetryPolicy
) -> Flow[tuple[Submission | None, float]]:
    """What follows an outcome that is no acceptance: the run if it is there, else the pause before
    the next send. Raises where the server refused, or nothing more may be tried."""
    turn = after(request, outcome)
    if turn is Next.REFUSED:
        raise _about_ledger(wire.failure(request, outcome), ledger_id)
    if turn is not Next.AGAIN:
        found = yield from _settle(ledger_id, key, policy)
        if found is not None:
            return found, 0.0
    pause = policy.pause(sent, outcome)
    if pause is not None:
        return None, pause
    if turn is Next.AGAIN:
        raise wire.failure(request, outcome)
    raise _unknown(ledger_id, key, sent)


def _settle(ledger_id: str, key: str, policy: RetryPolicy) -> Flow[Submission | None]:
    """Look again and again until the run shows up or the settling time is over."""
    started = yield from now()
    pause = policy.first
    while True:
        try:
            found = yield from look(ledger_id, key, policy)
        except ParallelError as error:
            raise _unknown(ledger_id, key, 1) from error
        left = started + policy.settling - (yield from now())
        if found is not None or left <= 0:
            return found
        yield from sleep(min(pause, left))
        pause *= 2


def look(ledger_id: str, key: str, policy: RetryPolicy) -> Flow[Submission | None]:
    """The run under `key`, if the ledger holds one. Of several, the oldest counts."""
    try:
        listed = yield from flows.list_runs(ledger_id, policy)
        if any(event.run.metadata is None for event in listed):
            # Not every listing repeats a run's metadata; its input does.
            listed = yield from flows.list_runs(ledger_id, policy, include_input=True)
    except NotFound as error:
        raise _about_ledger(error, ledger_id) from None
    runs = [event.run for event in listed if _key_of(event.run, event.input) == key]
    if not runs:
        return None
    oldest, *others = sorted(runs, key=lambda run: run.created_at or "")
    return Submission(
        run=oldest,
        ledger_id=ledger_id,
        key=key,
        adopted=True,
        duplicates=tuple(r.run_id for r in others),
    )


def _key_of(run: TaskRun, asked: object) -> object:
    metadata = run.metadata or getattr(asked, "metadata", None) or {}
    return metadata.get(METADATA_KEY)


def _started(ledger_id: str, key: str, run_id: str, policy: RetryPolicy) -> Flow[Submission]:
    """The run just started. The answer to a group holds no interaction id; the run does."""
    try:
        run = yield from flows.retrieve(run_id, policy)
    except ParallelError as error:
        error.billed = None
        error.hint = (
            "The run was started and goes on: submit the same request to the same ledger again to adopt it, "
            "or wait for its run_id."
        )
        raise error.concerning(run_id, None)
    return Submission(run=run, ledger_id=ledger_id, key=key, adopted=False)


def _unknown(ledger_id: str, key: str, sent: int) -> SubmissionUnknown:
    return SubmissionUnknown(
        f"Whether a run was started in ledger {ledger_id} could not be found out (sent {sent} time(s)).",
        hint="Submit the same request to the same ledger again: if the run is there, it is adopted and not "
        "paid for twice.",
        ledger_id=ledger_id,
        key=key,
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
