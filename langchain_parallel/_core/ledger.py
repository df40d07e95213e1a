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

An answer of 2xx that cannot be read is sent no second time: something was accepted. A caller that was
cancelled after sending leaves a note (`unsettled`), so that its next look lasts the settling time too.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass, field

from ..errors import InvalidRequest, LedgerNotFound, NotFound, ParallelError, SubmissionUnknown
from ..models import Submission, TaskGroupRunResponse, TaskRun, TaskRunInput
from . import answers, flows, streams, wire
from .effects import Flow, Outcome, Request, Sleep, now, send, sleep
from .keys import METADATA_KEY, ledger_key
from .retry import Next, RetryPolicy, after


@dataclass(frozen=True)
class _Case:
    """One request in one ledger."""

    ledger_id: str
    key: str
    policy: RetryPolicy
    unsettled: MutableMapping[str, float] = field(default_factory=dict)

    @property
    def sent_at(self) -> float | None:
        """When this was last sent with an outcome that is still unknown."""
        return self.unsettled.get(f"{self.ledger_id} {self.key}")

    def sent(self, time: float) -> None:
        self.unsettled[f"{self.ledger_id} {self.key}"] = time

    def settled(self) -> None:
        self.unsettled.pop(f"{self.ledger_id} {self.key}", None)


def submit(
    ledger_id: str,
    run: TaskRunInput,
    policy: RetryPolicy,
    *,
    position: str = "",
    attempt: int = 0,
    unsettled: MutableMapping[str, float] | None = None,
) -> Flow[Submission]:
    """Find the run in the ledger, or start it there.

    Args:
        ledger_id: The task group.
        run: What is asked.
        policy: How patiently.
        position: The point of the session.
        attempt: Raised to ask the very same thing anew.
        unsettled: What was sent with an outcome nobody saw; kept by the caller between submissions.

    Raises:
        InvalidRequest: The metadata holds the ledger's own key; nothing was sent.
        LedgerNotFound: There is no such ledger; nothing was sent.
        SubmissionUnknown: Whether the run was started could not be found out; submit again later.
        ApiError: The server refused the request; nothing was started.
    """
    key = ledger_key(run, position=position, attempt=attempt)
    case = _Case(ledger_id, key, policy, {} if unsettled is None else unsettled)
    request = wire.add_runs(ledger_id, [_keyed(run, key)])
    since = case.sent_at
    found = yield from (look(case) if since is None else _settle(case, since))
    sends = 0
    while found is None:
        sends += 1
        case.sent((yield from now()))
        outcome = yield from send(request)
        started = _accepted(request, outcome)
        if started is not None:
            case.settled()
            return (yield from _started(case, started))
        found = yield from _after(case, request, outcome, sends)
    case.settled()
    return found


def _keyed(run: TaskRunInput, key: str) -> TaskRunInput:
    if METADATA_KEY in run.metadata:
        raise InvalidRequest(
            [f"The metadata key {METADATA_KEY!r} is the ledger's own; leave it out."]
        )
    return run.model_copy(update={"metadata": {**run.metadata, METADATA_KEY: key}})


def _accepted(request: Request, outcome: Outcome) -> str | None:
    """The id of the run that was started, where the answer says so in the documented way."""
    if after(request, outcome) is not Next.DONE:
        return None
    try:
        answer = answers.decode(TaskGroupRunResponse, request, outcome)
    except ParallelError:
        return None  # accepted, it seems, but unreadable: the ledger knows
    return answer.run_ids[0] if len(answer.run_ids) == 1 else None


def _after(case: _Case, request: Request, outcome: Outcome, sends: int) -> Flow[Submission | None]:
    """What follows an outcome that is no acceptance: the run if it is there, None to send again.

    Raises where the server refused, or nothing more may be tried.
    """
    turn = after(request, outcome)
    if turn in (Next.REFUSED, Next.AGAIN):
        case.settled()
    else:
        found = yield from _settle(case, case.sent_at)
        if found is not None:
            return found
    if turn is Next.REFUSED:
        raise _about_ledger(answers.failure(request, outcome), case.ledger_id)
    pause = case.policy.pause(sends, outcome)
    if turn is Next.DONE or (pause is None and turn is Next.UNKNOWN):
        raise _unknown(case)
    if pause is None:
        raise answers.failure(request, outcome)
    yield from sleep(pause)
    return None


def _settle(case: _Case, since: float | None) -> Flow[Submission | None]:
    """Look again and again until the run shows up or the settling time is over.

    Raises:
        SubmissionUnknown: The ledger could not be read when that time was over.
    """
    policy = case.policy
    until = (since if since is not None else (yield from now())) + policy.settling
    pause = policy.first
    while True:
        time = yield from now()
        trouble: ParallelError | None = None
        try:
            found = yield from look(case)
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


def look(case: _Case) -> Flow[Submission | None]:
    """The run under the key, if the ledger holds one. Of several, the oldest counts."""
    ledger_id, policy = case.ledger_id, case.policy
    try:
        listed = yield from streams.list_runs(ledger_id, policy)
        if any(event.run.metadata is None for event in listed):
            # Not every listing repeats a run's metadata; its input does.
            listed = yield from streams.list_runs(ledger_id, policy, include_input=True)
    except NotFound as error:
        raise _about_ledger(error, ledger_id) from None
    runs = [event.run for event in listed if _key_of(event.run, event.input) == case.key]
    if not runs:
        return None
    # Without its Z, a time with a fraction of a second sorts after the one without.
    oldest, *others = sorted(runs, key=lambda run: (run.created_at or "").rstrip("Z"))
    return Submission(
        run=oldest,
        ledger_id=ledger_id,
        key=case.key,
        adopted=True,
        duplicates=tuple(r.run_id for r in others),
    )


def _key_of(run: TaskRun, asked: object) -> object:
    metadata = run.metadata or getattr(asked, "metadata", None) or {}
    return metadata.get(METADATA_KEY)


def _started(case: _Case, run_id: str) -> Flow[Submission]:
    """The run just started. The answer to a group holds no interaction id; the run does.

    A run that cannot be read right now is started all the same: it is handed back as far as it is known.
    """
    try:
        run = yield from flows.retrieve(run_id, case.policy)
    except ParallelError:
        run = TaskRun(run_id=run_id, status="queued", taskgroup_id=case.ledger_id)
    return Submission(run=run, ledger_id=case.ledger_id, key=case.key, adopted=False)


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
