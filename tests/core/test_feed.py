from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_parallel._core.event_feed import EventFeed, event_from
from langchain_parallel.models import (
    ErrorEvent,
    TaskGroupStatusEvent,
    TaskRunEvent,
    TaskRunProgressMessageEvent,
    TaskRunProgressStatsEvent,
    UnknownEvent,
)

from .helpers import cut

RUN = {"run_id": "trun_1", "status": "running"}


def sse(*payloads: object) -> bytes:
    return b"".join(b"data: " + json.dumps(p).encode() + b"\n\n" for p in payloads)


def message(text: str) -> dict[str, str]:
    return {"type": "task_run.progress_msg.plan", "message": text}


MESSAGES = st.lists(st.sampled_from(["a", "b", "ä", "日本"]), min_size=1, max_size=6)


@given(MESSAGES, st.lists(st.integers(0, 400), max_size=6), st.lists(st.integers(0, 400)))
def test_however_often_it_reconnects_each_event_is_shown_once(
    texts: list[str], breaks: list[int], chunks: list[int]
) -> None:
    """Every connection replays from the start and breaks at any byte; the last one is whole."""
    data = sse(*map(message, texts))
    feed, shown = EventFeed(replays=True), []
    for end in [*(b % (len(data) + 1) for b in breaks), len(data)]:
        feed.connect()
        for piece in cut(data[:end], chunks):
            shown += [getattr(event, "message", None) for event in feed.feed(piece)]
    assert shown == texts
    assert feed.complete


def test_a_state_and_statistics_that_were_shown_before_are_no_news() -> None:
    run = {"run_id": "trun_1", "status": "running"}
    state = {"type": "task_run.state", "event_id": None, "run": run}
    stats = {"type": "task_run.progress_stats", "source_stats": {}, "progress_meter": 5.0}
    feed = EventFeed(replays=True)
    assert len(feed.feed(sse(state, message("a"), stats, message("a"), state))) == 4
    feed.connect()
    assert feed.feed(sse(state, message("a"), message("a"), stats, state)) == []
    changed = {**state, "run": {**run, "status": "completed"}}
    assert len(feed.feed(sse({**stats, "progress_meter": 9.0}, changed))) == 2


def test_a_feed_that_is_resumed_drops_nothing() -> None:
    feed = EventFeed(replays=False)
    assert len(feed.feed(sse(message("a"), message("a")))) == 2
    feed.connect()
    assert len(feed.feed(sse(message("a")))) == 1


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        ({"type": "task_run.state", "run": RUN}, TaskRunEvent),
        ({"type": "task_run.progress_stats", "progress_meter": 5}, TaskRunProgressStatsEvent),
        ({"type": "task_run.progress_stats", "source_stats": None}, TaskRunProgressStatsEvent),
        (message("x"), TaskRunProgressMessageEvent),
        ({"type": "task_run.progress_msg.tool"}, TaskRunProgressMessageEvent),
        (
            {"type": "task_run.progress_msg.of_tomorrow", "message": None},
            TaskRunProgressMessageEvent,
        ),
        ({"type": "task_group_status", "status": {}}, TaskGroupStatusEvent),
        ({"type": "error", "error": {"message": "x", "ref_id": 5}}, ErrorEvent),
        ({"type": "task_run.state", "run": 5}, UnknownEvent),
        ({"type": "telepathy", "strength": 11}, UnknownEvent),
    ],
)
def test_every_payload_becomes_an_event_of_its_kind(payload: dict[str, Any], kind: type) -> None:
    assert type(event_from(payload)) is kind


@pytest.mark.parametrize("payload", [None, 5, [], "x", {}, {"type": 5}])
def test_what_is_no_event_is_passed_over(payload: object) -> None:
    assert event_from(payload) is None


def test_an_unknown_event_keeps_its_fields() -> None:
    event = event_from({"type": "telepathy", "strength": 11})
    assert event is not None
    assert event.model_extra == {"strength": 11}


def test_an_unknown_status_still_reads() -> None:
    event = event_from({"type": "task_run.state", "run": {**RUN, "status": "dreaming", "x": 1}})
    assert isinstance(event, TaskRunEvent)
    assert event.run.active


@pytest.mark.parametrize(
    "broken",
    [b"data: {half\n\n", b"data: " + b'{"a":' * 100_000 + b"\n\n", b'data: {"type"', b"data: {}\n"],
)
def test_what_cannot_be_read_makes_a_connection_incomplete(broken: bytes) -> None:
    feed = EventFeed(replays=False)
    assert [e.type for e in feed.feed(sse({"type": "x"}) + broken)] == ["x"]
    assert not feed.complete
    feed.connect()
    assert feed.complete


@pytest.mark.parametrize("heartbeat", ["ping", "[DONE]", "null", ""])
def test_a_heartbeat_without_json_breaks_nothing(heartbeat: str) -> None:
    feed = EventFeed(replays=False)
    assert feed.feed(f"event: ping\ndata: {heartbeat}\n\n".encode()) == []
    assert feed.complete


def test_the_id_of_the_stream_serves_where_the_payload_has_none() -> None:
    feed = EventFeed(replays=False)
    chunk = b'id: 7\ndata: {"type": "task_run.state", "event_id": null, "run": %s}\n\n'
    [event] = feed.feed(chunk % json.dumps(RUN).encode())
    assert isinstance(event, TaskRunEvent)
    assert event.event_id == "7"


def test_an_id_of_its_own_comes_before_that_of_the_stream() -> None:
    feed = EventFeed(replays=False)
    state = {"type": "task_run.state", "event_id": "5", "run": RUN}
    [event] = feed.feed(b"id: 7\n" + sse(state))
    assert isinstance(event, TaskRunEvent)
    assert event.event_id == "5"
    [unknown] = EventFeed(replays=False).feed(sse({"type": "telepathy", "strength": 11}))
    assert unknown.model_extra == {"strength": 11}


@pytest.mark.parametrize("data", ["null", "5", "[]", '"x"', "{}"])
def test_what_is_no_event_begins_no_connection(data: str) -> None:
    feed = EventFeed(replays=True)
    assert feed.feed(f"id: 7\ndata: {data}\n\n".encode()) == []
    assert not feed.has_begun
    feed.feed(sse(message("a")))
    assert feed.has_begun
