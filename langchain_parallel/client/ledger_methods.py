"""What spends through a ledger, and what looks into one; blocking."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

from .._core.ledger import submission
from .._core.ledger.chunk_submission import submit_many
from .._core.ledger.keys import ledger_key
from .._core.ledger.lookup import Lookup
from .._core.limits import MAX_RUNS
from ..errors import ParallelError
from ..models import Submission, TaskRunInput
from .many_requests import check_chunk_size, check_many, pending_many
from .run_reports import report_submission, report_submissions
from .sync_driver import Driver


class LedgerMethods(Driver):
    """Methods of a client: each request once, whatever happens."""

    def submit(
        self,
        ledger_id: str,
        request: TaskRunInput,
        attempt: int = 0,
        *,
        position: str = "",
        identity: str | None = None,
        lookup: Lookup = "once",
    ) -> Submission:
        """Find the run in the ledger, or start it there: exactly once. Paid if it is not there yet.

        Args:
            ledger_id: A task group (`create_group`) that keeps the runs of one research session.
            request: What is asked.
            attempt: Raise it to ask the very same thing anew.
            position: The point of the session at which it is asked, such as the number of turns so far.
            identity: Whose credentials the MCP servers are given, such as a user's id: up to 512 characters,
                hashed and never sent. Without it the credentials count, so that a rotated token is another
                user's, and asks for another run.
            lookup: How to look into the ledger before sending. `once`: one lookup. `until_settled`: keep
                looking for the policy's settling time, because another process may just have sent the same.
                `none`: no lookup, for a position that no request can have used.

        Raises:
            InvalidRequest: Nothing was sent.
            LedgerNotFound: There is no such ledger; nothing was sent.
            SubmissionUnknown: The run may have been started; submit again and it is found.
            ApiError: The server refused; nothing was started.
        """
        [checked] = self._settings.check(request)
        key = ledger_key(checked, position=position, attempt=attempt, identity=identity)
        pending = self._settings.pending(ledger_id, checked, key, identity)
        # Between the lookup and the send no other thread or task of this process may send the same (R5).
        flow = report_submission(submission.submit(pending, lookup), checked)
        return self._drive(flow, locks=[pending.name])

    def submit_many(
        self,
        ledger_id: str,
        requests: Sequence[TaskRunInput],
        attempt: int = 0,
        *,
        positions: Sequence[str] | None = None,
        identity: str | None = None,
        lookup: Lookup = "once",
        chunk_size: int = MAX_RUNS,
        on_progress: Callable[[int], Any] | None = None,
    ) -> list[Submission | ParallelError]:
        """Find the runs in the ledger, or start them there: each exactly once, up to 1,000 in one request.
        Paid for those that are not there yet.

        What ends one request's way is its value, so that the others are not lost with it: after a refusal of
        some (422) the others are sent, and what stops all (credit, quota, a server that is down) is the value
        of those that were not sent. Called again with the same, it sends what is missing.

        Args:
            ledger_id: A task group (`create_group`) that keeps the runs.
            requests: What is asked.
            attempt: Raise it to ask the very same things anew.
            positions: What tells requests apart that ask the same, such as the id of each row; up to 500
                characters each, never sent.
            identity: As for `submit`.
            lookup: As for `submit`; `until_settled` where another process may just have sent the same.
            chunk_size: How many go in one request to the API, up to 1,000.
            on_progress: Called after each request to the API with the number of requests whose outcome is
                known.

        Returns:
            For each request, in the order given, its submission, or the error of its own.

        Raises:
            InvalidRequest: One of them cannot be sent, or two have one key; nothing was sent.
            LedgerNotFound: There is no such ledger; nothing was sent.
            ParallelError: The ledger cannot be read; nothing was sent.
        """
        checked = check_many(self._settings, requests)
        pendings = pending_many(
            self._settings,
            ledger_id,
            checked,
            positions=positions,
            attempt=attempt,
            identity=identity,
        )
        flow = submit_many(pendings, lookup, on_progress, check_chunk_size(chunk_size))
        flow = report_submissions(flow, checked)
        return self._drive(flow, locks=[pending.name for pending in pendings])

    def find(
        self,
        ledger_id: str,
        request: TaskRunInput,
        attempt: int = 0,
        *,
        position: str = "",
        identity: str | None = None,
        lookup: Literal["once", "until_settled"] = "once",
    ) -> Submission | None:
        """The run that `submit` would adopt, or None: the same lookup, without a send. Free.

        Raises:
            LedgerNotFound: There is no such ledger.
        """
        key = ledger_key(request, position=position, attempt=attempt, identity=identity)
        pending = self._settings.pending(ledger_id, request, key, identity)
        return self._drive(submission.find(pending, lookup), locks=[pending.name])
