"""A paid run: request, ledger, one send, progress, duplicates, answer. Every door pays through here."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from .._core.calls import Calls
from ..errors import ActionRequired, ParallelError, RunCancelled, RunFailed
from ..models import Submission, TaskRun, TaskRunInput, TaskRunResult
from ..processors import PROCESSORS
from .clients import ClientPair

_LOG = logging.getLogger("langchain_parallel")


class Answered(NamedTuple):
    """An answer, and the other runs that were started for the same request: normally none."""

    result: TaskRunResult
    duplicates: tuple[str, ...] = ()
    paid: int = 1
    """How many runs cost money."""


def answer(
    clients: ClientPair,
    submission: Submission,
    request: TaskRunInput,
    position: str,
    wait: Callable[[TaskRun], Calls[TaskRunResult]],
) -> Calls[Answered]:
    """Wait for a run; if it was perhaps started twice, look for its twin once it has ended.

    Of twins the oldest that has an answer counts; all are told, in the log, too: both are paid for, and
    only a person can ask for the money back.
    """
    first = yield from _ended(wait, submission.run)
    if not (submission.sent_again or submission.duplicates):
        return Answered(_result(first))
    try:
        found = yield from clients.find(submission.ledger_id, request, position=position)
    except ParallelError as error:
        if isinstance(first, TaskRunResult):
            _LOG.warning("Perhaps started twice (ledger %s): %s", submission.ledger_id, error)
            return Answered(first)
        error.billed = None
        raise error.with_ids(submission.run.run_id, submission.run.interaction_id) from None
    if found is None:  # the list shows neither: what was answered counts
        return Answered(_result(first))
    ids = tuple(dict.fromkeys((found.run.run_id, *found.duplicates, submission.run.run_id)))
    outcomes: dict[str, _Ended] = {submission.run.run_id: first}
    for run_id in ids:
        if run_id not in outcomes:
            run = (
                TaskRun(run_id=run_id, status="queued") if run_id != found.run.run_id else found.run
            )
            outcomes[run_id] = yield from _ended(wait, run)
        if isinstance(outcomes[run_id], TaskRunResult):
            break
    result = _result(outcomes[run_id])
    others = tuple(other for other in ids if other != result.run.run_id)
    paid = len(ids) - sum(not isinstance(ended, TaskRunResult) for ended in outcomes.values())
    if others:
        _LOG.warning(
            "Started more than once (ledger %s): runs %s; %d are paid for.",
            submission.ledger_id,
            ", ".join(ids),
            paid,
        )
    return Answered(result, others, paid)


_Ended: TypeAlias = TaskRunResult | RunFailed | RunCancelled | ActionRequired


def _ended(wait: Callable[[TaskRun], Calls[TaskRunResult]], run: TaskRun) -> Calls[_Ended]:
    try:
        return (yield from wait(run))
    except (RunFailed, RunCancelled, ActionRequired) as error:
        return error


def _result(ended: _Ended) -> TaskRunResult:
    if isinstance(ended, TaskRunResult):
        return ended
    raise ended


def wait_seconds(processor: str, timeout: float | None) -> float:
    """How long to wait for a run: as told, or twice its processor's usual longest time and ten
    minutes more; four and a half hours for a processor nobody knows.
    """
    if timeout is not None:
        return timeout
    known = PROCESSORS.get(processor)
    return 2 * (known.seconds[1] if known else 7200.0) + 600.0
