"""Rows of a batch that many processes research at once: each is started by one of them.

Rule: a call may send a row only within moments of having read its own name as the row's owner. A call that
finds a row claimed and not started writes its own name over the other's, and then looks for the run for the
whole settling time, which is longer than those moments and the time that a run takes to show in a list; and
reads its own name again before it sends. So of two calls that both think that a row is theirs, the later
owner always sees what the earlier one has sent.

    nobody's    claim it for a group of one's own ─→ is it mine? ─→ send
    released    its owner was refused by the API: as nobody's, in the same group
    another's   its run is written down ─→ adopt it
                it is not ─→ take over ─→ look until settled ─→ is it mine? ─→ send
                                              ↑ adopt         │ no: another has taken over, and may send
                                              └───────────────┘ (take over again if that one does not)

Where there are no claims, all rows of the batch are in one group, and every call looks there for the settling
time before it sends. That finds what a call that has ended has sent. Two that run at the same time would both
find nothing, and both pay.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from .._core.effects import Flow
from .._core.ledger import chunk as chunks
from .._core.ledger.chunk import Chunk, Outcome
from .._core.ledger.chunk_submission import submit_chunk, submit_many
from .._core.ledger.lookup import PendingSubmission
from .._core.limits import MAX_RUNS
from ..client import ParallelClient
from ..errors import StorageFailed
from ..models import Submission, TaskRun
from .row_claims import RowClaim, RowClaims

_RELEASED = ""
"""The owner of a row that was not started, and that no call is about to send."""
MakePending = Callable[[str, str], PendingSubmission]
"""A row, by its key, on its way to a task group."""


def find_or_start(
    client: ParallelClient, batch_id: str, keys: Sequence[str], pending: MakePending
) -> dict[str, Outcome]:
    """The run of each row, found in the batch's one group or started there.

    Raises:
        ParallelError: The group is not there, or cannot be read; nothing was sent.
    """
    rows = [pending(batch_id, key) for key in keys]
    flow = submit_many(rows, "until_settled")
    outcomes = client._drive(flow, locks=[row.name for row in rows])
    return dict(zip(keys, outcomes, strict=True))


@dataclass
class ClaimedRows:
    """The rows of one call, which other calls may have, too."""

    client: ParallelClient
    claims: RowClaims
    batch_id: str
    owner: str
    """The name of this call, which no other has."""
    pending: MakePending
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    """By key."""

    def find_or_start(self, keys: Sequence[str]) -> dict[str, Outcome]:
        """The run of each row, found or started.

        Raises:
            StorageFailed: The claims cannot be read or written.
            ParallelError: A task group could not be made or read.
        """
        for start in range(0, len(keys), MAX_RUNS):
            self._place(keys[start : start + MAX_RUNS])
        return self.outcomes

    def _place(self, keys: Sequence[str]) -> None:
        found, time = self.claims.find(self.batch_id, keys), self._now()
        if unclaimed := [key for key in keys if key not in found]:
            group = self.client.create_group({"batch_id": self.batch_id[:500]})
            time = self._now()  # the leave to send begins before the claim can be lost
            self.claims.claim(self.batch_id, unclaimed, group.taskgroup_id, self.owner)
            found = self.claims.find(self.batch_id, keys)
        if released := [key for key, claim in found.items() if claim.owner == _RELEASED]:
            time = self._now()
            self.claims.take_over(self.batch_id, dict.fromkeys(released, _RELEASED), self.owner)
            found = self.claims.find(self.batch_id, keys)
        own: dict[str, list[str]] = defaultdict(list)
        others: dict[str, list[str]] = defaultdict(list)
        for key, claim in found.items():
            if claim.run_id is not None:
                self.outcomes[key] = _run_of_claim(key, claim, claim.run_id)
            else:
                (own if claim.owner == self.owner else others)[claim.group_id].append(key)
        for group_id, mine in own.items():
            self._send(_Group(self, group_id, mine), since=None, checked=time)
        if not others:
            return
        theirs = {key: found[key].owner for group in others.values() for key in group}
        self.claims.take_over(self.batch_id, theirs, self.owner)
        time = self._now()
        for group_id, taken in others.items():
            self._send(_Group(self, group_id, taken), since=time)

    def _send(self, group: _Group, since: float | None, checked: float = 0.0) -> None:
        """Start what is missing. `since`: another call may have sent it until then; or else this call has
        read its own name at `checked`.
        """
        chunk = group.chunk
        while True:
            if since is not None:
                self.client._drive(_look(chunk, since))
                if not chunk.open_of():
                    break
                checked = self._now()
                if not group.is_ours():
                    since = self._now()
                    continue
            chunk.looked_at = checked
            self.client._drive(submit_chunk(chunk, "none"), confirm=group.is_ours)
            break
        outcomes = dict(zip(group.keys, chunk.outcomes(), strict=True))
        started = {k: one.run.run_id for k, one in outcomes.items() if isinstance(one, Submission)}
        self.claims.note_runs(self.batch_id, started)
        refused = [key for key, one in outcomes.items() if _is_refused(one)]
        if refused:  # the next call need not wait for what this one may have sent
            owners = dict.fromkeys(refused, self.owner)
            self.claims.take_over(self.batch_id, owners, _RELEASED)
        self.outcomes |= outcomes

    def _now(self) -> float:
        return self.client._settings.clock.monotonic()


class _Group:
    """Those rows of a call that go to one task group."""

    def __init__(self, rows: ClaimedRows, group_id: str, keys: Sequence[str]) -> None:
        self._rows, self.keys = rows, keys
        self.chunk = Chunk.of([rows.pending(group_id, key) for key in keys])
        self._waited_for: dict[str, str] = {}
        """By key: the owner for whom a settling time was waited since."""

    def is_ours(self) -> bool:
        """Whether all rows that are neither started nor given up may be sent by this call.

        The run that another call has written down of one is adopted. If another has taken one over, it is
        waited for; and if it has sent nothing in a settling time, the row is taken from it, and waited for
        again.
        """
        rows = self._rows
        left = [row.pending.key for row in self.chunk.open_of()]
        found = rows.claims.find(rows.batch_id, left)
        if len(found) < len(left):
            raise StorageFailed(
                "A claim of a row is gone, which this call had written.",
                hint="Keep the claims of a batch for as long as it is researched. Run the task again.",
                billed=None,
            )
        for row in self.chunk.open_of():
            claim = found[row.pending.key]
            if claim.run_id is not None:  # a list may not show it for long
                row.pending.mark_settled()
                row.outcome = _run_of_claim(row.pending.key, claim, claim.run_id)
        left = [row.pending.key for row in self.chunk.open_of()]
        lost = {key: found[key].owner for key in left if found[key].owner != rows.owner}
        waited = {key: owner for key, owner in lost.items() if self._waited_for.get(key) == owner}
        self._waited_for = lost
        if waited:
            rows.claims.take_over(rows.batch_id, waited, rows.owner)
        return not lost


def _is_refused(outcome: Outcome) -> bool:
    """Whether it is certain that a row was not started, by this call or one before it."""
    return not isinstance(outcome, Submission) and outcome.billed is False


def _run_of_claim(key: str, claim: RowClaim, run_id: str) -> Submission:
    """A run that another call has started and written down."""
    run = TaskRun(run_id=run_id, status="queued")
    return Submission(run=run, ledger_id=claim.group_id, key=key, adopted=True)


def _look(chunk: Chunk, since: float) -> Flow[None]:
    """Look for runs that other calls may have sent until `since`; those that are there are adopted."""
    for row in chunk.open_of():
        row.since = since
    yield from chunks.look_until_settled(chunk, since, adopted=True)
