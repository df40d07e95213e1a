"""Reading the list of a ledger's runs.

Rule: no order, page size or completeness of a group's list is documented. So what a list leaves out is not
there only if as many runs are listed as the group counts.

Rule: flows that want to look at the same time share one look. It serves all that asked before it began, and
so shows each what had been sent when it asked. Of a thousand at once, one or two read the list.
"""

from __future__ import annotations

import copy

from ...errors import LedgerNotFound, NotFound, ParallelError
from .. import operations, streams
from ..effects import Flow, end_turn, now, take_turn
from ..plain_text import count
from ..retry import RetryPolicy
from .cache import LedgerCache, LedgerIndex, LedgerReading, Look


def read_ledger(
    ledger_id: str, cache: LedgerCache, policy: RetryPolicy, *, whole: bool
) -> Flow[LedgerReading]:
    """Read on from where the last look ended; or with `whole`, all of it at once.

    Raises:
        LedgerNotFound: There is no such ledger.
    """
    asked = cache.next_number()
    has_turn = yield from take_turn(f"look into {ledger_id} {cache.name}")
    look = cache.looks.get(ledger_id)
    if look is None or look.number < asked or look.whole < whole or not has_turn:
        look = yield from _look(ledger_id, cache, policy, whole)
    if has_turn:
        yield from end_turn()
    if isinstance(look.outcome, ParallelError):
        raise copy.copy(look.outcome)
    return look.outcome


def _look(ledger_id: str, cache: LedgerCache, policy: RetryPolicy, whole: bool) -> Flow[Look]:
    number = cache.next_number()
    outcome: LedgerReading | ParallelError
    try:
        outcome = yield from _read(ledger_id, cache, policy, whole=whole)
    except ParallelError as error:
        outcome = error
    look = cache.looks[ledger_id] = Look(number, whole, outcome)
    return look


def _read(
    ledger_id: str, cache: LedgerCache, policy: RetryPolicy, *, whole: bool
) -> Flow[LedgerReading]:
    began_at = yield from now()
    try:  # counted before it is listed, for others may lengthen the list meanwhile
        group = yield from operations.retrieve_group(ledger_id, policy)
    except NotFound as error:
        raise as_ledger_error(error, ledger_id) from None
    index, listed = yield from list_ledger(ledger_id, cache, policy, whole=whole)
    counted, known = group.status.num_task_runs, len(index.ids | cache.started_ids(ledger_id))
    doubt = f"its list shows {known:,} of {count(counted, 'run')}" if counted > known else ""
    return LedgerReading(index, listed, doubt, began_at)


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
