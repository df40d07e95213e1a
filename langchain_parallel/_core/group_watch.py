"""Following a task group: which of its runs have ended, read from one stream for all that wait.

Rule: the stream says when to look, and no more. It may break, leave out an end, or begin anew; whoever waits
for a run looks at the run itself now and then (`run_wait.py`), and before it believes an end without answer.
"""

from __future__ import annotations

from ..models import Event, TaskRunEvent
from ..models.results import FINAL_STATUSES
from . import streams, wire
from .effects import Flow, Response, now, open_stream, read_chunk, sleep
from .event_feed import EventFeed
from .retry import RetryDecision, RetryPolicy, classify

SILENT_SECONDS = 30.0
"""A stream that is silent for so long is opened anew, where it left off."""


class GroupWatch:
    """What the event stream of a group has said so far."""

    def __init__(self, group_id: str, policy: RetryPolicy) -> None:
        self.group_id = group_id
        self.ends: dict[str, TaskRunEvent] = {}
        """The last event of each run that has ended for good, by run id."""
        self._policy = policy
        self._news: dict[str, TaskRunEvent] = {}
        self._last_id: str | None = None

    def take_news(self) -> dict[str, TaskRunEvent]:
        """The runs that have ended, or wait for a person, since the last call."""
        news, self._news = self._news, {}
        return news

    def follow(self, silence: float = SILENT_SECONDS) -> Flow[None]:
        """Read the stream, and open it anew whenever it ends, or was silent for `silence` seconds. Ends only
        where the server refuses it.
        """
        feed, silent = EventFeed(replays=False), 0
        while True:
            query = {"last_event_id": self._last_id}
            request = wire.stream(
                wire.get(self.group_id, "events", root=wire.GROUPS, query=query, timeout=silence)
            )
            head = yield from open_stream(request)
            refused = streams.refusal(head)
            has_news = False
            if refused is None:
                has_news = yield from self._read(feed)
            elif self._last_id and isinstance(refused, Response) and refused.status == 422:
                self._last_id = None  # it cannot be read on from there
            elif classify(request, refused) is not RetryDecision.SEND_AGAIN:
                return
            silent = 0 if has_news else silent + 1
            yield from sleep(self._policy.jittered_delay(silent + 1))

    def _read(self, feed: EventFeed) -> Flow[bool]:
        """Read one connection, and return whether it brought anything."""
        feed.connect()
        has_news, last = False, (yield from now())
        while isinstance(chunk := (yield from read_chunk()), bytes):
            events, time = feed.feed(chunk), (yield from now())
            for event in events:
                self._note(event)
            has_news = has_news or bool(events)
            last = time if events else last
            if time >= last + streams.READ_SECONDS:  # heartbeats alone are silence
                break
        return has_news

    def _note(self, event: Event) -> None:
        self._last_id = getattr(event, "event_id", None) or self._last_id
        if isinstance(event, TaskRunEvent) and not event.run.active:
            self._news[event.run.run_id] = event
            if event.run.status in FINAL_STATUSES:
                self.ends[event.run.run_id] = event
