"""Calls of the task tool that are sent together, and whose answers are read together.

Rule: LangChain makes the calls, each with its own config, callbacks and events, in its own order and number.
Here is only what they share: the batch, which is researched beside them (`batch/table_flow.py`). Each call
has a seat in it, with the request that it makes, and waits there for its answer. So a call never sends what
its batch may have sent.
"""

from __future__ import annotations

import asyncio
import copy
import math
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import aclosing, asynccontextmanager, closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from langchain_core.runnables import RunnableConfig

from .._core.calls import Call, Calls, adrive, drive
from .._core.listed_answers import Ended
from .._graph.paid_request import wait_seconds
from .._graph.paid_run import PaidAnswer, PaidRun
from .._locks.machine import open_machine_locks
from ..batch.batch_lock import (
    BatchLock,
    account_of,
    busy,
    lock_batch,
    lock_new_batch,
    tell_begin,
    warn_of_leaving,
)
from ..batch.questions import RowTicket, nth_position
from ..batch.row_reader import RowReader
from ..batch.spending import BatchSpending, check_limits
from ..batch.table_flow import TableFlow
from ..batch.ticket_queue import TicketQueue
from ..errors import InvalidRequest, LimitExceeded, ParallelError
from ..options import Limits
from ..processors import costs_more

SEAT = "__parallel_seat"
"""In `configurable` of a call; LangChain copies nothing of this form into metadata."""
_CHUNK = 1_000
_IN_FLIGHT = 10_000


@dataclass(eq=False)
class Seat:
    """A call's place in a batch."""

    run: PaidRun | None
    """None for a call that cannot be sent."""
    ended: Future[Ended] = field(default_factory=Future, repr=False)
    ticket: RowTicket | None = None

    @property
    def ledger_id(self) -> str:
        """The task group of its run; empty while there is none."""
        return "" if self.ticket is None else self.ticket.group_id

    def take(self, ended: Ended) -> None:
        """Hand on what became of the call."""
        if not self.ended.done():
            self.ended.set_result(ended)

    def answer(self) -> Calls[PaidAnswer]:
        """Wait for the answer.

        Raises:
            ParallelError: There is none.
        """

        async def wait() -> Ended:
            return await asyncio.shield(asyncio.wrap_future(self.ended))

        ended: Ended = yield Call(self.ended.result, wait)
        if isinstance(ended, ParallelError):
            raise ended
        others = () if self.ticket is None else self.ticket.duplicates
        return PaidAnswer(ended, others, 1 + len(others))


def seat_of(config: RunnableConfig) -> Seat | None:
    """The seat of the call with this config; None for a call by itself."""
    seat = config.get("configurable", {}).get(SEAT)
    return seat if isinstance(seat, Seat) else None


def give_seat(config: RunnableConfig, seat: Seat | None) -> RunnableConfig:
    """The config of a call with its seat."""
    if seat is None:
        return config
    return {**config, "configurable": {**config.get("configurable", {}), SEAT: seat}}


@dataclass(eq=False)
class CallBatch:
    """The calls of a batch that are sent together."""

    seats: Sequence[Seat]
    """Those with a run to send."""
    config: RunnableConfig
    batch_id: str | None
    on_begin: Callable[[str], Any] | None
    limits: Limits
    timeout: float | None
    most: int | None
    """How many runs may be on their way at the same time; None: all."""
    hurries: bool = False
    """Each answer is wanted as soon as it is there."""

    def __post_init__(self) -> None:
        self._by_ticket: dict[int, Seat] = {}
        self._locks: list[BatchLock] = []
        self._is_left = False
        self._is_sent: Future[None] = Future()
        """Done when the first calls have their runs, or none will. LangChain makes the calls only then: they
        take as long to begin as the runs, which need not wait for that."""
        self._is_kept = bool(self.batch_id or self.on_begin)
        """Whether the caller has the batch id, and can go on with it."""
        for number, seat in enumerate(self.seats):
            run = seat.run
            assert run is not None
            asked = len(str(run.request.input))
            seat.ticket = RowTicket(number, {}, "", run.request, run.key, size=asked)
            self._by_ticket[number] = seat

    # --- how it is researched --------------------------------------------------------------------

    @contextmanager
    def research(self) -> Iterator[None]:
        """Research the batch in a thread, while its calls wait for their answers."""
        drive(self._claim())
        thread = threading.Thread(target=self._research, daemon=True, name="parallel-batch")
        try:
            thread.start()
        except RuntimeError as error:
            self._end(error)
            raise
        try:
            self._is_sent.result()
            yield
        finally:
            self._leave()
            if all(seat.ended.done() for seat in self.seats):
                thread.join()

    @asynccontextmanager
    async def aresearch(self) -> AsyncIterator[None]:
        """Research the batch in a task, while its calls wait for their answers."""
        await adrive(self._claim())
        task = asyncio.create_task(self._aresearch())
        try:
            await asyncio.wrap_future(self._is_sent)
            yield
        finally:
            self._leave()
            task.cancel()
            try:
                with suppress(asyncio.CancelledError):
                    await task
            finally:
                self._end(_error_of_leaving(self.batch_id))  # the task may never have begun

    def _research(self) -> None:
        with suppress(Exception):  # each call that waits raises it
            try:
                with closing(self._clients.sync._iterate(self._flow().steps())) as steps:
                    for step in steps:
                        self._take(step)
                        if self._is_left:
                            break
            except BaseException as error:
                self._end(error)
                raise
            self._end(_error_of_leaving(self.batch_id))

    async def _aresearch(self) -> None:
        with suppress(Exception):
            try:
                async with aclosing(self._clients.async_._iterate(self._flow().steps())) as steps:
                    async for step in steps:
                        self._take(step)
            except BaseException as error:
                is_left = isinstance(error, asyncio.CancelledError)
                self._end(_error_of_leaving(self.batch_id) if is_left else error)
                raise
            self._end(_error_of_leaving(self.batch_id))

    @property
    def _clients(self) -> Any:
        run = self.seats[0].run
        assert run is not None
        return run.door.clients

    def _claim(self) -> Calls[None]:
        yield from open_machine_locks()
        if self.batch_id is None:
            return
        self._hold((yield from lock_batch(self.batch_id, self._account, self.config)))

    def _hold(self, lock: BatchLock | None) -> None:
        if lock is None:
            raise busy()
        self._locks.append(lock)

    @property
    def _account(self) -> str:
        return account_of(self._clients.sync)

    def _begin(self, batch_id: str) -> None:
        if not self._locks:
            self._hold(lock_new_batch(batch_id, self._account))
        self.batch_id = batch_id
        tell_begin(self.on_begin, batch_id)

    def _flow(self) -> TableFlow:
        runs = [seat.run for seat in self.seats if seat.run is not None]
        door, settings = runs[0].door, self._clients.sync._settings
        processors = dict.fromkeys(run.request.processor for run in runs)
        dearest = max(processors, key=lambda name: [costs_more(name, o) for o in processors])
        windows = 1 if self.most is None else math.ceil(len(runs) / self.most)
        seconds = max(wait_seconds(name, self.timeout) for name in processors)
        return TableFlow(
            queue=TicketQueue(
                RowReader(s.ticket for s in self.seats if s.ticket and not self._is_left)
            ),
            policy=settings.policy,
            spending=BatchSpending.of(dearest, self.limits, door.options),
            cache=settings.cache,
            mark=door.mark,
            batch_id=self.batch_id,
            in_order=False,
            hurries=self.hurries,
            # Half of what may be on its way, so that the other half goes on meanwhile.
            chunk_size=_CHUNK if self.most is None else min(_CHUNK, max(1, self.most // 2)),
            in_flight=min(_IN_FLIGHT, self.most or _IN_FLIGHT),
            seconds=seconds * windows,
            on_begin=self._begin,
        )

    def _leave(self) -> None:
        self._is_left = True
        is_all = all(seat.ended.done() for seat in self.seats)
        if not is_all and not self._is_kept and self.batch_id is not None:
            warn_of_leaving("A batch of calls", self.batch_id)

    def _take(self, step: Any) -> None:
        if isinstance(step, tuple):
            ticket, ended = step
            self._by_ticket[ticket.number].take(ended)
        if isinstance(step, tuple) or step.started or step.adopted:
            self._note_sent()

    def _note_sent(self) -> None:
        if not self._is_sent.done():
            self._is_sent.set_result(None)

    def _end(self, error: BaseException) -> None:
        """Tell the calls that still wait, and leave the batch."""
        self._note_sent()
        for seat in self.seats:
            if isinstance(error, ParallelError):
                seat.take(copy.copy(error))
            elif not seat.ended.done():
                seat.ended.set_exception(error)
        while self._locks:
            self._locks.pop().release()


def _error_of_leaving(batch_id: str | None) -> ParallelError:
    return ParallelError(
        "The batch was left before this call had its answer.",
        hint=f"What was started goes on: go on with batch_id={batch_id!r}.",
    )


# --- what is planned -------------------------------------------------------------------------------


def check_batch_limits(limits: Limits, seats: Sequence[Seat]) -> None:
    """Refuse, before anything is sent, what the limits of the tool do not allow a batch.

    Raises:
        InvalidRequest: One of them is for sessions only, or the calls have several processors.
        LimitExceeded: A run costs more than may be spent without asking.
    """
    check_limits(limits)
    processors = {seat.run.request.processor for seat in seats if seat.run}
    if limits != Limits() and len(processors) > 1:
        raise InvalidRequest(
            [
                f"A batch with limits has one processor; this one has {', '.join(sorted(processors))}."
            ]
        )
    for name in processors:
        if limits.approve_above is not None and costs_more(name, limits.approve_above):
            raise LimitExceeded(
                f"{name} costs more than {limits.approve_above}.",
                hint="Nothing was sent: nobody can be asked about a batch of calls.",
            )


class Positions:
    """The position of each request in its batch: the n-th that asks the same has the n-th."""

    def __init__(self) -> None:
        self._times: dict[str, int] = {}

    def of(self, asked: str) -> str:
        """The position of the next request with this key."""
        times = self._times[asked] = self._times.get(asked, 0) + 1
        return nth_position(times)


def refused_seat(error: ParallelError | None = None) -> Seat:
    """The seat of a call that sends nothing: it raises this, unless LangChain refuses its input first."""
    seat = Seat(None)
    seat.take(error or InvalidRequest(["The input of this call could not be read."]))
    return seat
