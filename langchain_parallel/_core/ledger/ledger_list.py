"""Reading the list of a ledger's runs.

Rule: no order, page size or completeness of a group's list is documented. So what a list leaves out is not
there only if as many runs are listed as the group counts.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import LedgerNotFound, NotFound, ParallelError
from .. import operations, streams
from ..effects import Flow
from ..plain_text import count
from ..retry import RetryPolicy
from .cache import LedgerCache, LedgerIndex


@dataclass(frozen=True, slots=True)
class LedgerReading:
    """What one look into a ledger brought."""

    index: LedgerIndex
    """All that is known of the ledger."""
    listed: frozenset[str]
    """The runs that this look listed."""
    doubt: str
    """Why runs may be missing; empty if none can be."""


def read_ledger(
    ledger_id: str, cache: LedgerCache, policy: RetryPolicy, *, whole: bool
) -> Flow[LedgerReading]:
    """Read on from where the last look ended; or with `whole`, all of it at once.

    Raises:
        LedgerNotFound: There is no such ledger.
    """
    try:  # counted before it is listed, for others may lengthen the list meanwhile
        group = yield from operations.retrieve_group(ledger_id, policy)
    except NotFound as error:
        raise as_ledger_error(error, ledger_id) from None
    index, listed = yield from list_ledger(ledger_id, cache, policy, whole=whole)
    counted, known = group.status.num_task_runs, len(index.ids | cache.started_ids(ledger_id))
    doubt = f"its list shows {known:,} of {count(counted, 'run')}" if counted > known else ""
    return LedgerReading(index, listed, doubt)


def list_ledger(
    ledger_id: str, cache: LedgerCache, policy: RetryPolicy, *, whole: bool
) -> Flow[tuple[LedgerIndex, frozenset[str]]]:
    """The runs of a ledger by key, and which of them this look listed.

    Raises:
        LedgerNotFound: There is no such ledger.
    """
    index = None if whole else cache.index(ledger_id)
    cursor = index.cursor if index else None
    try:
        listed = yield from streams.list_runs(
            ledger_id, policy, last_event_id=cursor, read_on=whole
        )
        if not all(event.run.metadata for event in listed):
            # Not every listing repeats a run's metadata; its input does.
            listed = yield from streams.list_runs(
                ledger_id, policy, last_event_id=cursor, read_on=whole, include_input=True
            )
    except NotFound as error:
        raise as_ledger_error(error, ledger_id) from None
    index = index or cache.restart_index(ledger_id)
    index.add(listed)
    return index, frozenset(event.run.run_id for event in listed)


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
