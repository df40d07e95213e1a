"""A batch as a chain of task groups, found again from the id of its first one.

Rule: the chain is on the server, in what is written down before it is paid for: each run of a group names the
group that the batch goes on in. So a batch id alone leads to all of its runs, in whatever order the rows come
again, and no process has to keep anything else. A group that no run names is empty, and was free.

    tgrp_1 (the batch id)      tgrp_2                     tgrp_3
    up to 1,000 runs     ──→   up to 1,000 runs     ──→   the tail: the next chunk goes there

Chunks of rows that come slowly are small, and go to the tail together until it has a full one: the last of
them names the next group.

One process at a time sends for a batch; where another does, too, the list that is read after a chunk shows
it. One that goes on with a batch cannot know whether the last one had just sent a chunk to the tail. So it
sends nothing before the settling time since it began is over, and reads the tail until then, and the group
before it, of whose chunk it may have seen the first runs only.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from ...errors import ParallelError, SubmissionUnknown
from ...models import Submission, TaskRun
from ...models.results import FINAL_STATUSES
from ...processors import price_usd
from .. import operations
from ..effects import Flow, Sleep, now, sleep
from ..retry import RetryPolicy
from .cache import LedgerCache
from .chunk import Chunk, Outcome
from .keys import NEXT_GROUP
from .ledger_list import read_ledger
from .lookup import untold


class KnownRow(NamedTuple):
    """Where the run of a row is."""

    group_id: str
    run_id: str
    duplicates: tuple[str, ...]
    is_charged: bool
    """Whether it counts in what the batch costs; a run that has failed does not."""


@dataclass
class BatchChain:
    """The groups of one batch, and the runs that earlier processes have started in them."""

    batch_id: str
    tail: str
    """Where the next chunk goes."""
    settled_at: float
    """When it is certain which runs earlier processes have started, by the monotonic clock."""
    known: dict[str, KnownRow] = field(default_factory=dict)
    """By the key of the row."""
    sizes: dict[str, int] = field(default_factory=dict)
    """The runs of each group."""
    usd: float = 0.0
    """What the runs of earlier processes have cost, or may yet."""
    doubts: dict[str, str] = field(default_factory=dict)
    """By group: why its list may leave out runs."""
    is_settled: bool = False
    last_sent_to: str | None = None
    """The last group whose runs name another: more of the chunk that they came with may show up there."""
    following: str | None = None
    """A group that was made for the chunk after the next."""

    def advance(self, outcomes: Iterable[Outcome]) -> None:
        """Go on in the following group, if a run of the chunk just sent names it. One that was found need not
        do so: another process may have sent it.
        """
        if self.following is None:
            return
        for outcome in outcomes:
            if isinstance(outcome, Submission) and (
                not outcome.adopted
                or (outcome.run.metadata or {}).get(NEXT_GROUP) == self.following
            ):
                self.tail, self.following = self.following, None
                return


def begin(metadata: dict[str, str], policy: RetryPolicy) -> Flow[BatchChain]:
    """A new batch. Free."""
    group = yield from operations.create_group(metadata, policy)
    return empty(group.taskgroup_id)


def empty(batch_id: str) -> BatchChain:
    """A batch for which nothing was sent."""
    return BatchChain(batch_id, batch_id, 0.0, is_settled=True)


def reopen(batch_id: str, policy: RetryPolicy) -> Flow[BatchChain]:
    """A batch as earlier processes have left it. Free.

    Raises:
        LedgerNotFound: There is no such group.
    """
    began = yield from now()
    chain = BatchChain(batch_id, batch_id, began + policy.settle_seconds)
    yield from _walk(chain, [batch_id], policy)
    return chain


def _walk(chain: BatchChain, groups: Iterable[str], policy: RetryPolicy) -> Flow[None]:
    """Read these groups and all that they lead to."""
    to_read, read = list(groups), set[str]()
    while to_read:
        group_id = to_read.pop(0)
        if group_id in read:
            continue
        read.add(group_id)
        following = yield from _read(chain, group_id, policy)
        to_read += following
        if following:
            chain.last_sent_to = group_id
        else:
            chain.tail = group_id


def _read(chain: BatchChain, group_id: str, policy: RetryPolicy) -> Flow[list[str]]:
    """Note the runs of a group, and return the groups that they name."""
    cache = LedgerCache()  # read once: nothing of it is worth keeping
    reading = yield from read_ledger(group_id, cache, policy, whole=True)
    index, following = reading.index, dict[str, None]()
    unnamed = [untold(run_id) for run_id in index.without_key][:1]
    doubt = reading.doubt or "".join(unnamed)
    chain.doubts.pop(group_id, None)
    if doubt:
        chain.doubts[group_id] = doubt
    chain.sizes[group_id] = len(index.ids)
    for key in index.runs:
        oldest, *others = (known.run for known in index.oldest_first(key))
        duplicates = tuple(run.run_id for run in others)
        if key not in chain.known:
            chain.usd += sum(map(_usd, (oldest, *others)))
            chain.known[key] = KnownRow(group_id, oldest.run_id, duplicates, _is_charged(oldest))
        if isinstance(named := (oldest.metadata or {}).get(NEXT_GROUP), str):
            following[named] = None
    return list(following)


def _is_charged(run: TaskRun) -> bool:
    return run.status not in FINAL_STATUSES or run.status == "completed"


def _usd(run: TaskRun) -> float:
    return (price_usd(run.processor) or 0.0) if _is_charged(run) else 0.0


def settle(chain: BatchChain, policy: RetryPolicy) -> Flow[None]:
    """Find out all that earlier processes have sent, before this one sends anything.

    Raises:
        SubmissionUnknown: A list could not be read, or leaves out runs.
    """
    attempt = 0
    while not chain.is_settled:
        attempt += 1
        time = yield from now()
        failed: ParallelError | None = None
        try:
            yield from _walk(chain, [*chain.doubts, chain.last_sent_to or chain.tail], policy)
        except ParallelError as error:
            failed = error
        if time < chain.settled_at:
            left = chain.settled_at - (yield from now())
            yield from sleep(Sleep(max(0.0, min(policy.backoff.delay(attempt), left))))
            continue
        if failed is not None or chain.doubts:
            why = "".join(f": {doubt}" for doubt in list(chain.doubts.values())[:1])
            raise SubmissionUnknown(
                f"What was started for batch {chain.batch_id} could not be found out{why}.",
                hint="Nothing was sent now. Go on with the same batch_id later.",
                ledger_id=chain.batch_id,
                key="",
                billed=None,
            ) from failed
        chain.is_settled = True


def make_room(chain: BatchChain, policy: RetryPolicy, *, is_last: bool) -> Flow[dict[str, str]]:
    """Where the batch goes on after the next chunk, as metadata for its runs; nothing after the last one of
    its group.
    """
    if not is_last and chain.following is None:
        group = yield from operations.create_group({"batch_id": chain.batch_id}, policy)
        chain.following = group.taskgroup_id
    return {} if chain.following is None else {NEXT_GROUP: chain.following}


def is_contended(chain: BatchChain, chunk: Chunk) -> bool:
    """Whether another process sends for the batch, too, by the list that was read after a chunk was sent: it
    has more runs than were there and than the chunk has started.
    """
    index = chunk.cache.index(chunk.ledger_id)
    if index is None:
        return False
    own = {row.pending.key for row in chunk.rows}
    others = sum(len(runs) for key, runs in index.runs.items() if key not in own)
    return others > chain.sizes.get(chunk.ledger_id, 0) or any(
        isinstance(row.outcome, Submission)
        and row.outcome.duplicates
        and not (row.outcome.adopted or row.sent_again)
        for row in chunk.rows
    )
