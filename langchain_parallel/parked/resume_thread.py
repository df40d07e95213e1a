"""Going on with one thread, by what it waits for and how it stands.

Rule: nothing goes on that somebody may be at just now, and no note goes whose thread may still park for it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from contextlib import suppress
from enum import Enum
from typing import NamedTuple

from .._core.calls import Calls
from ..errors import ThreadBusy
from .index import Note, at_once, delete_note, notes_of
from .threads import GraphThreads, Threads, ThreadStatus


class Outcome(str, Enum):
    """What came of waking a thread."""

    RESUMED = "resumed"
    """The thread went on."""
    NOT_PARKED = "not_parked"
    """It does not wait for this run, or no longer: it has gone on already."""
    ACTION_REQUIRED = "action_required"
    """The run waits for a person, so the thread stays parked. The API tells again when it has ended."""
    STILL_ACTIVE = "still_active"
    """The run has not ended, so the thread stays parked."""
    UNDER_WAY = "under_way"
    """The thread is not parked (yet), but somebody is at it."""
    UNKNOWN_RUN = "unknown_run"
    """This account has no such run."""
    UNKNOWN_THREAD = "unknown_thread"
    """The run belongs to no thread that can be found here."""


def go_on(
    threads: Threads, thread_id: str, ended: Collection[str], stranded_after: float | None = None
) -> Calls[Outcome]:
    """Let a thread go on that is parked for one of these runs, which have ended.

    Args:
        threads: Where it is.
        thread_id: The thread.
        ended: The runs.
        stranded_after: After so many seconds without a checkpoint, a thread that is parked for nothing
            but has something to do was left by a process that died, and goes on, too. None: never.
    """
    gone = yield from gone_on(threads, thread_id, ended, stranded_after)
    store = threads.store
    if store is not None and gone.seen is not None:
        noted = yield from at_once(*(notes_of(store, run_id) for run_id in ended))
        notes = [n for each in noted for n in each if n.thread_id == thread_id and gone.ends(n)]
        yield from at_once(*(delete_note(store, note) for note in notes))
    return gone.outcome


class Gone(NamedTuple):
    """What came of going on with a thread."""

    outcome: Outcome
    seen: bool | None = None
    """Whether it was seen to go on from these runs; None: it may still wait for them."""
    idle_seconds: float = math.inf
    """Since the last checkpoint of one that does not wait for them."""

    def ends(self, note: Note) -> bool:
        """Whether the thread needs its note no longer."""
        return self.seen or (self.seen is False and note.outlived(self.idle_seconds))


def gone_on(
    threads: Threads, thread_id: str, ended: Collection[str], stranded_after: float | None
) -> Calls[Gone]:
    """`go_on`, but for the notes."""

    def knocks(standing: ThreadStatus) -> list[str] | None:
        """The interrupts to resume; none for what was cut off; None to leave the thread alone."""
        ids = [id for id, runs in standing.waiting.items() if runs & set(ended)]
        stranded = stranded_after is not None and standing.idle_seconds >= stranded_after
        if standing.busy and not stranded:
            return None  # it would be done twice
        return ids if ids or (standing.under_way and stranded) else None

    try:
        before, after, went_on = yield from _knocked(threads, thread_id, knocks)
    except ThreadBusy:
        return Gone(Outcome.UNDER_WAY)
    if not (after or before).known:
        return Gone(Outcome.UNKNOWN_THREAD, False)
    if after is None and before.under_way:
        return Gone(Outcome.UNDER_WAY)
    if after is None:
        return Gone(Outcome.NOT_PARKED, False, before.idle_seconds)
    if any(waiting & set(ended) for waiting in after.waiting.values()):
        return Gone(Outcome.STILL_ACTIVE)  # the API told the thread otherwise than us
    outcome = Outcome.RESUMED if went_on else Outcome.NOT_PARKED
    return Gone(outcome, None if after.under_way else went_on, after.idle_seconds)


def _knocked(
    threads: Threads, thread_id: str, knocks: Callable[[ThreadStatus], list[str] | None]
) -> Calls[tuple[ThreadStatus, ThreadStatus | None, bool]]:
    """How the thread stood; how it stands then, if it was to go on; and whether it was we who went on."""
    if isinstance(threads, GraphThreads):
        with suppress(ThreadBusy):  # then only whoever has something to do there waits for the lock
            before, after = yield from threads.knock(thread_id, knocks)
            return before, after, after is not None
    before = yield from threads.standing(thread_id)
    ids = knocks(before)
    # Somebody is at one of a graph's: what is under way there was not left.
    if ids is None or (not ids and isinstance(threads, GraphThreads)):
        return before, None, False
    return before, *(yield from threads.go_on(thread_id, ids))
