"""How a call waits for its answer: in its process, or parked."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from .._core.calls import Calls
from .._graph.paid_run import PaidAnswer, PaidRun
from ..errors import ParallelError
from ..models import Submission
from ..parked.interrupts import is_parking, is_woken, park
from ..text.untrusted import compact_json
from .call_site import CallSite


def wait_or_park(
    run: PaidRun, submission: Submission, ledger_id: str, site: CallSite, wait: str
) -> Calls[PaidAnswer]:
    """The answer. Where the tool parks, the thread waits in an interrupt until the run has ended."""
    if not is_parking(wait, site.config):
        return (yield from run.answer(submission))
    if is_woken(site.config):
        # The run has ended, so that the request for the answer is nearly always the only one.
        with suppress(ParallelError):
            woken = replace(run, fetch_seconds=1.0)
            return (yield from woken.answer(submission, has_ended=True))
    asked = run.request.input
    turn = {
        "run_id": submission.run.run_id,
        "interaction_id": submission.run.interaction_id,
        "question": asked if isinstance(asked, str) else compact_json(asked),
        "processor": run.as_sent(submission).request.processor,
    }
    yield from park(run.door, [turn], ledger_id, site.config, raises=False)
    return (yield from run.answer(submission, has_ended=True))
