"""The answers of a group's runs: one stream says which have ended, and its list brings them in bulk.

Rule: an answer is read soon, and not often. A run that ends alone is read at once; where runs end all the
time, the list is read when half of what is awaited has ended, or none was read for a while; and when all has
ended. So a thousand runs that take seconds cost a handful of requests, and one that takes an hour keeps no
other's answer waiting. The stream is only a hint: the list is looked at now and then without it.

Trouble ends no wait: an answer that cannot be read in the list is asked for alone, and is that row's error.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ..errors import (
    AuthenticationFailed,
    Forbidden,
    MalformedResponse,
    NotFound,
    ParallelError,
    RateLimited,
    RequestTimedOut,
    ResponseLost,
    ServerFault,
)
from ..models import TaskRun, TaskRunEvent, TaskRunResult
from . import operations, responses, streams, wire
from .effects import Flow, Sleep, now, send, sleep
from .group_watch import GroupWatch
from .retry import RetryPolicy
from .run_status import raise_unfinished

Ended: TypeAlias = "TaskRunResult | ParallelError"
Take: TypeAlias = Callable[[Any, Ended], Flow[None]]
"""Takes a ticket, and the answer of its run or why there is none."""

_ALONE = 4
"""Answers that are asked for one by one rather than with the whole list."""
_SHARE = 20
"""So is one part in so many of the group, or less."""
_SHORTEST, _LONGEST = 1.0, 15.0
"""Seconds between two readings of the list; more the longer the runs take."""
_LOOK = 60.0
"""Seconds without news after which the list is looked at."""
_PASSING = (RateLimited, ResponseLost, ServerFault)
"""Trouble that waiting mends."""


@dataclass(eq=False)
class GroupResults:
    """The runs of one group whose answers are awaited."""

    group_id: str
    policy: RetryPolicy
    size: int
    """The runs of the group, awaited or not."""
    began: float
    waiting: dict[str, Any] = field(default_factory=dict)
    """By run id: its ticket."""
    ended: set[str] = field(default_factory=set)
    """Those of them that have ended, and are yet to be read."""
    last_read: float = 0.0
    first_unread: float = 0.0
    last_look: float = 0.0
    _is_put_off: bool = False
    """The server did not give all of them when they were read last: it is not asked again at once."""
    _unreadable: set[str] = field(default_factory=set)
    """Runs of which an answer came that could not be read."""

    def __post_init__(self) -> None:
        self.watch = GroupWatch(self.group_id, self.policy)
        self.last_read = self.last_look = self.began - _SHORTEST

    def await_run(self, run: TaskRun, ticket: Any) -> None:
        """Wait for a run."""
        self.waiting[run.run_id] = ticket
        if not run.active:
            self.ended.add(run.run_id)

    def collect(self, until: float, take: Take) -> Flow[None]:
        """Read answers as runs end, until all have been read or the time is over."""
        while self.waiting and (time := (yield from now())) < until:
            if self._is_due(time):
                yield from self.read(take)
            elif len(self.ended) == len(self.waiting):  # put off; there is nothing to follow
                due = self.last_read + self._pause(time)
                yield from sleep(Sleep(min(until, due) - time))
            elif time >= self.last_look + _LOOK:
                yield from self.look()
            else:
                yield from self._follow(min(until, self.last_look + _LOOK))

    # --- when ------------------------------------------------------------------------------------

    def _pause(self, time: float) -> float:
        """Seconds between two readings."""
        return min(_LONGEST, max(_SHORTEST, (time - self.began) / 4))

    def _is_due(self, time: float) -> bool:
        """Whether to read now what has ended."""
        pause = self._pause(time)
        if not self.ended or (self._is_put_off and time < self.last_read + pause):
            return False
        if len(self.ended) == len(self.waiting):
            return True
        is_much = 2 * len(self.ended) >= len(self.waiting)
        return time >= self.last_read + pause and (is_much or time >= self.first_unread + pause)

    # --- hints -----------------------------------------------------------------------------------

    def _follow(self, until: float) -> Flow[None]:
        """Follow the group's events until something is due."""
        time = yield from now()
        silence = until - time
        if self.ended:
            silence = min(
                silence, max(self.last_read, self.first_unread) + self._pause(time) - time
            )
        following, outcome = self.watch.follow(max(_SHORTEST / 2, min(30.0, silence))), None
        try:
            while not self._is_due(time) and time < until:
                try:
                    effect: Any = following.send(outcome)
                except StopIteration:  # the server refuses the stream
                    yield from sleep(Sleep(min(self._pause(time), until - time)))
                    yield from self.look()
                    return
                if isinstance(effect, Sleep):
                    effect = Sleep(min(effect.seconds, max(0.0, until - time)))
                outcome = yield effect
                time = yield from now()
                self._note(time)
        finally:
            following.close()

    def _note(self, time: float) -> None:
        news = self.watch.take_news().keys() & self.waiting.keys()
        if news and not self.ended:
            self.first_unread = time
        if news:
            self.ended |= news
            self.last_look = time

    def look(self) -> Flow[None]:
        """Look which runs have ended, whatever the events say."""
        self.last_look = time = yield from now()
        try:
            listed = yield from streams.list_runs(self.group_id, self.policy)
        except (AuthenticationFailed, Forbidden):
            raise
        except ParallelError:
            return
        had_none = not self.ended
        self.ended |= {event.run.run_id for event in listed if not event.run.active} & set(
            self.waiting
        )
        if had_none and self.ended:
            self.first_unread = time

    # --- reading ---------------------------------------------------------------------------------

    def read(self, take: Take) -> Flow[None]:
        """Read the answers of the runs that have ended."""
        if len(self.ended) > max(_ALONE, self.size // _SHARE):
            try:
                yield from self._read_list(take)
            except (AuthenticationFailed, Forbidden):
                raise
            except ParallelError:
                pass  # it may be about one of them
        for run_id in self._in_order_of_ends():
            yield from self._read_one(run_id, take)
        self.last_read = self.last_look = self.first_unread = yield from now()
        self._is_put_off = bool(self.ended & self.waiting.keys())

    def _in_order_of_ends(self) -> list[str]:
        left = self.ended & self.waiting.keys()
        told = [run_id for run_id in self.watch.ends if run_id in left]
        return [*told, *sorted(left.difference(told))]

    def _read_list(self, take: Take) -> Flow[None]:
        listed, before = _Answers(self, take), -1
        while listed.count > before and self.ended & self.waiting.keys():
            before = listed.count
            asked = {"include_output": True}
            yield from streams.read_list(self.group_id, self.policy, listed, asked, read_on=False)

    def _read_one(self, run_id: str, take: Take) -> Flow[None]:
        event = self.watch.ends.get(run_id)
        try:
            if event is None or event.run.status == "completed":
                ended = yield from self._result(run_id)
            else:
                ended = _without_answer(event.run)
        except (AuthenticationFailed, Forbidden):
            raise
        except _PASSING:
            return  # it is asked for again, for waiting is free
        except ParallelError as error:
            if isinstance(error, MalformedResponse) and run_id not in self._unreadable:
                self._unreadable.add(run_id)
                return  # it may have been spoiled on the way
            ended = error.with_ids(run_id, event.run.interaction_id if event else None)
        self.ended.discard(run_id)
        if ended is not None:
            yield from take(self.waiting.pop(run_id), ended)

    def _result(self, run_id: str) -> Flow[Ended | None]:
        """The answer of a run; None if it is active, after all."""
        request = wire.result(run_id, seconds=1.0)
        outcome = yield from operations.exchange(request, self.policy, perform=send)
        try:
            return responses.decode(TaskRunResult, request, outcome, run_id=run_id)
        except RequestTimedOut:
            return None
        except NotFound as error:
            run = yield from operations.retrieve(run_id, self.policy)
            return _without_answer(run) or (None if run.active else error)

    def take_listed(self, event: TaskRunEvent) -> tuple[Any, Ended] | None:
        """The ticket of a listed run, with its answer; None if it is not awaited, or there is none yet."""
        run = event.run
        if run.run_id not in self.waiting or run.active:
            return None
        ended: Ended | None = _without_answer(run)
        if ended is None and event.output is not None:
            ended = TaskRunResult(run=run, output=event.output)
        if ended is None:
            self.ended.add(run.run_id)
            return None
        self.ended.discard(run.run_id)
        return self.waiting.pop(run.run_id), ended


def _without_answer(run: TaskRun) -> ParallelError | None:
    """Why a run has no answer; None if it has one, or may yet."""
    try:
        raise_unfinished(run)
    except ParallelError as error:
        error.__traceback__ = None
        return error
    return None


class _Answers(streams.Listed):
    """A list whose answers are handed on as they come, so that no more than one is held."""

    passes_on = True

    def __init__(self, group: GroupResults, take: Take) -> None:
        super().__init__()
        self._group, self._take = group, take
        self._ids: set[str] = set()
        self._new: list[tuple[Any, Ended]] = []

    @property
    def count(self) -> int:
        return len(self._ids)  # a list may repeat a run

    def take(self, event: TaskRunEvent) -> None:
        self._ids.add(event.run.run_id)
        found = self._group.take_listed(event)
        if found is not None:
            self._new.append(found)

    def pass_on(self) -> Flow[None]:
        new, self._new = self._new, []
        for ticket, ended in new:
            yield from self._take(ticket, ended)
