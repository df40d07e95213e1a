"""The answers of a group's runs: one stream says which have ended, and its list brings them in bulk.

Rule: an answer is read soon, and not often. The list is read when half of what is awaited has ended, or none
was read for a while; and when all has ended. So a thousand runs that take seconds cost a handful of requests.
Of runs so short, the answers themselves take as long to read: it begins with a quarter, so that few are left
when the last run ends. And it is put off where all will have ended in a moment, for that waits for a reading
that has begun.
Where answers are handed on one by one (`hurries`), those of a few runs are read a second after the first of
them has ended. The stream is only a hint: the list is looked at now and then without it.

Trouble ends no wait: an answer that cannot be read in the list is asked for alone, and is that row's error.
A run that the list leaves out for long is asked for alone, too, and may turn out to be unknown.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

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
from .effects import (
    Effect,
    Flow,
    NoResponse,
    OpenStream,
    ReadChunk,
    Sleep,
    leave_beside,
    now,
    send,
    sleep,
    take_beside,
)
from .group_watch import SILENT_SECONDS, GroupWatch
from .listed_answers import Ended, ListedAnswers, Take
from .retry import RetryPolicy
from .run_status import raise_unfinished
from .unlisted_runs import UnlistedRuns

_ALONE = 4
"""Answers that are asked for one by one rather than with the whole list."""
_SHARE = 100
"""So is one part in so many of the group, or less: a list brings all of its answers again."""
_GATHERING = 1.0
"""Seconds in which others may join the first of a few answers."""
_BRISK, _BRISK_PAUSE = 4.0, 0.32
"""Seconds from the beginning in which a quarter of what is awaited is enough, after a pause of so many."""
_NEARLY = 0.1
"""Seconds, about what a reading takes whatever it brings: if all will have ended by then, it is put off."""
_EARLY = 0.05
"""Seconds by which a reading may be early, rather than cut off an event that is being waited for."""
_SHORTEST, _LONGEST, _HURRIED = 0.25, 60.0, 15.0
"""Seconds between two readings of the list; more the longer the runs take, and less where it hurries."""
_HEAD = 5.0
"""Seconds, at the least, for the head of a stream to arrive."""
_PATIENCE = 1.0
"""Seconds, at the least, for which an answer waits until half of what is awaited has ended."""
_LOOK = 60.0
"""Seconds without news after which the list is looked at."""
_PASSING = (RateLimited, ResponseLost, ServerFault)
"""Trouble that waiting mends."""


class _Following:
    """The steps of following the events, one by one."""

    def __init__(self, steps: Flow[None], silence: float) -> None:
        self.steps = steps
        self.silence = silence
        """Seconds after which a silent stream is opened anew."""
        self.effect: Effect | None = next(steps)
        """What is to be done next; None where the server refuses the stream."""

    def advance(self, outcome: object) -> None:
        """Go on with what came of it."""
        try:
            self.effect = self.steps.send(outcome)
        except StopIteration:
            self.effect = None


@dataclass(eq=False)
class GroupResults:
    """The runs of one group whose answers are awaited."""

    group_id: str
    policy: RetryPolicy
    size: int
    """The runs of the group, awaited or not."""
    began: float
    hurries: bool = False
    """Whether each answer is wanted by itself, and not all of them together."""
    waiting: dict[str, Any] = field(default_factory=dict)
    """By run id: its ticket."""
    ended: set[str] = field(default_factory=set)
    """Those of them that have ended, and are yet to be read."""
    last_read: float = field(init=False)
    first_unread: float = -math.inf
    """When the first of them was noted."""
    last_look: float = field(init=False)
    _read_at: float = field(init=False)
    """When the last reading began."""
    _following: _Following | None = None
    """The events, while they are followed."""
    _is_beside: bool = False
    """Whether they are followed beside what else is asked for."""
    _is_put_off: bool = False
    """The server did not give all of them when they were read last: it is not asked again at once."""
    _unreadable: set[str] = field(default_factory=set)
    """Runs of which an answer came that could not be read."""
    _interactions: dict[str, str] = field(default_factory=dict)
    """By run id, of those that are awaited: its interaction, where it is known."""

    def __post_init__(self) -> None:
        self.watch = GroupWatch(self.group_id, self.policy)
        self.unlisted = UnlistedRuns(self.policy)
        self.restart(self.began)

    def await_run(self, run: TaskRun, ticket: Any) -> None:
        """Wait for a run."""
        self.waiting[run.run_id] = ticket
        if run.interaction_id:
            self._interactions[run.run_id] = run.interaction_id
        if not run.active:
            self.ended.add(run.run_id)

    def restart(self, time: float) -> None:
        """Begin anew with runs that are started now, for all that were awaited have been read."""
        self.began = time
        self.last_read = self.last_look = time - _SHORTEST
        self._read_at = time

    def collect(
        self, until: float, take: Take, after_read: Callable[[], Flow[None]] | None = None
    ) -> Flow[None]:
        """Read answers as runs end, until all have been read or the time is over."""
        self._is_beside = yield from take_beside()
        yield from self._collect(until, take, after_read)
        self._end_following()
        yield from leave_beside()

    def _collect(
        self, until: float, take: Take, after_read: Callable[[], Flow[None]] | None
    ) -> Flow[None]:
        while self.waiting and (time := (yield from now())) < until:
            due = self._due(time)
            if time >= due - self._early:
                yield from self.read(take)
                if after_read is not None:
                    yield from after_read()
            elif len(self.ended) == len(self.waiting):  # put off; there is nothing to follow
                yield from sleep(Sleep(min(until, due) - time))
            elif time >= self.last_look + _LOOK:
                yield from self.look()
            else:
                yield from self._follow(min(until, self.last_look + _LOOK))

    def give_up(self) -> Iterator[tuple[TaskRun, Any]]:
        """Await no run any longer; each that was, as far as it is known, with its ticket."""
        for run_id in list(self.waiting):
            interaction_id = self._interactions.get(run_id)
            run = TaskRun(run_id=run_id, interaction_id=interaction_id, status="running")
            yield run, self._release(run_id)

    # --- when ------------------------------------------------------------------------------------

    def _pause(self, time: float) -> float:
        """Seconds between two readings: a part of what had passed at this time."""
        longest = _HURRIED if self.hurries else _LONGEST
        return min(longest, max(_SHORTEST, (time - self.began) / 4))

    def _due(self, time: float) -> float:
        """When to read what has ended; infinite while nothing has."""
        if not self.ended:
            return math.inf
        pause = self._pause(max(self.last_read, self.first_unread))  # when the last news came
        after_pause = self.last_read + pause
        if len(self.ended) == len(self.waiting):
            return after_pause if self._is_put_off else time
        if self.hurries and len(self.ended) <= self._few and not self._is_put_off:
            return self.first_unread + _GATHERING
        is_brisk = time < self.began + _BRISK
        is_much = (4 if is_brisk else 2) * len(self.ended) >= len(self.waiting)
        if not is_much:
            return max(after_pause, self.first_unread + max(_PATIENCE, pause))
        after_pause = self.last_read + (_BRISK_PAUSE if is_brisk else pause)
        due = max(after_pause, self.first_unread + _SHORTEST)
        left = len(self.waiting) - len(self.ended)
        passed = max(_SHORTEST, time - self._read_at)  # what has ended in less says nothing
        is_nearly_all = left * passed < _NEARLY * len(self.ended)
        return due + 2 * _NEARLY if is_nearly_all else due

    @property
    def _early(self) -> float:
        """Seconds by which a reading may be early."""
        return _EARLY if self._is_beside else 0.0

    @property
    def _few(self) -> int:
        """Answers that are better asked for one by one."""
        return max(_ALONE, self.size // _SHARE)

    # --- hints -----------------------------------------------------------------------------------

    def _follow(self, until: float) -> Flow[None]:
        """Follow the group's events until something is due."""
        time = yield from now()
        due = self._due(time)
        ends = min(until, due)
        following = self._begin_following(max(_HEAD, min(SILENT_SECONDS, ends - time)))
        while time < min(until, due - self._early):
            effect: Any = following.effect
            if effect is None:  # the server refuses the stream
                self._end_following()
                yield from sleep(Sleep(min(self._pause(time), ends - time)))
                yield from self.look()
                return
            if isinstance(effect, Sleep):
                effect = Sleep(min(effect.seconds, ends - time))
            elif isinstance(effect, ReadChunk):
                effect = ReadChunk(ends - time, beside=self._is_beside)
            elif isinstance(effect, OpenStream):
                effect = OpenStream(effect.request, beside=self._is_beside)
            outcome: Any = yield effect
            time = yield from now()
            if isinstance(effect, ReadChunk) and isinstance(outcome, NoResponse) and time >= ends:
                self._end_following()
                return  # the reading was cut short, and is begun anew
            following.advance(outcome)
            self._note(time)
            due = self._due(time)
            ends = min(until, due)
        if not self._is_beside:
            self._end_following()

    def _begin_following(self, silence: float) -> _Following:
        """The events as they are followed, or followed anew."""
        if self._following is None or self._following.silence < silence / 2:
            self._end_following()
            self._following = _Following(self.watch.follow(silence), silence)
        return self._following

    def _end_following(self) -> None:
        if self._following is not None:
            self._following.steps.close()
            self._following = None

    def _note(self, time: float) -> None:
        if not self.ended:
            self.first_unread = time
        news = self.watch.take_news().keys() & self.waiting.keys()
        if news:
            self.ended |= news
            self.last_look = time

    def look(self) -> Flow[None]:
        """Look which runs have ended, whatever the events say."""
        self.last_look = time = yield from now()
        listed: list[TaskRunEvent] = []
        try:
            listed = yield from streams.list_runs(self.group_id, self.policy)
        except (AuthenticationFailed, Forbidden):
            raise
        except ParallelError:
            pass  # of what it would show it has left out all
        if not self.ended:
            self.first_unread = time
        ended = {event.run.run_id for event in listed if not event.run.active}
        self.ended |= ended & self.waiting.keys()
        shown = {event.run.run_id for event in listed}
        self.unlisted.note(self.waiting.keys() - self.ended - shown, time)
        self.ended.update((yield from self.unlisted.ask(time)))

    # --- reading ---------------------------------------------------------------------------------

    def read(self, take: Take) -> Flow[None]:
        """Read the answers of the runs that have ended."""
        self._read_at = yield from now()
        if len(self.ended) > self._few:
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
        """Read the list on for as long as it shows other runs. Once these are more than the group has, and
        bring no answer that is awaited, with pauses, and not for ever.
        """
        listed, before, in_vain = ListedAnswers(self, take), -1, 0
        known, asked = max(self.size, len(self.waiting)), {"include_output": True}
        while listed.count > before and self.ended & self.waiting.keys():
            if in_vain >= self.policy.max_attempts:
                return
            if in_vain:
                yield from sleep(self.policy.jittered_delay(in_vain))
            before, awaited = listed.count, len(self.waiting)
            yield from streams.read_list(self.group_id, self.policy, listed, asked, read_on=False)
            is_in_vain = listed.count > known and len(self.waiting) == awaited
            in_vain = in_vain + 1 if is_in_vain else 0

    def _read_one(self, run_id: str, take: Take) -> Flow[None]:
        event = self.watch.ends.get(run_id)
        try:
            if (unknown := self.unlisted.unknown.pop(run_id, None)) is not None:
                raise unknown
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
            interaction_id = self._interactions.get(run_id)
            ended = error.with_ids(run_id, event.run.interaction_id if event else interaction_id)
        self.ended.discard(run_id)
        if ended is not None:
            yield from take(self._release(run_id), ended)

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
        return self._release(run.run_id), ended

    def _release(self, run_id: str) -> Any:
        """The ticket of a run that is awaited no longer."""
        self._interactions.pop(run_id, None)
        return self.waiting.pop(run_id)


def _without_answer(run: TaskRun) -> ParallelError | None:
    """Why a run has no answer; None if it has one, or may yet."""
    try:
        raise_unfinished(run)
    except ParallelError as error:
        error.__traceback__ = None
        return error
    return None
