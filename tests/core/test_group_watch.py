"""What the watch of a group makes of its stream."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from langchain_parallel._core.effects import NoResponse, OpenStream, StreamEnded
from langchain_parallel._core.group_watch import GroupWatch
from langchain_parallel._core.retry import RetryPolicy

from .helpers import Script, answer

HEAD = answer(200, content_type="text/event-stream")
POLICY = RetryPolicy(initial_delay=1.0, max_delay=4.0)


def state(run_id: str, status: str, event_id: str) -> bytes:
    run = {"run_id": run_id, "status": status}
    event = {"type": "task_run.state", "event_id": event_id, "run": run}
    return f"data: {json.dumps(event)}\n\n".encode()


def follow(*outcomes: Any) -> tuple[GroupWatch, Script]:
    """A watch that was handed these outcomes."""
    watch, script = GroupWatch("tgrp_1", POLICY), Script(*outcomes)
    with suppress(IndexError):  # there are no more of them
        script.run(watch.follow())
    return watch, script


def cursors(script: Script) -> list[str | None]:
    opened = [effect for effect in script.effects if isinstance(effect, OpenStream)]
    return [effect.request.query.get("last_event_id") for effect in opened]


def test_ends_are_news_once_and_stay_known() -> None:
    chunk = state("a", "running", "1") + state("b", "completed", "2") + state("c", "failed", "3")
    watch, _ = follow(HEAD, chunk)
    assert {name: event.run.status for name, event in watch.take_news().items()} == {
        "b": "completed",
        "c": "failed",
    }
    assert watch.take_news() == {}
    assert set(watch.ends) == {"b", "c"}


def test_a_run_that_waits_for_a_person_is_news_and_no_end() -> None:
    watch, _ = follow(HEAD, state("a", "action_required", "1"))
    assert set(watch.take_news()) == {"a"}
    assert watch.ends == {}


def test_a_stream_that_breaks_is_read_on_where_it_broke() -> None:
    _, script = follow(HEAD, state("a", "completed", "7"), NoResponse(sent=True), HEAD)
    assert cursors(script) == [None, "7"]


def test_pauses_grow_while_there_is_no_news() -> None:
    _, script = follow(*[HEAD, StreamEnded()] * 5)
    pauses = [pause.seconds + pause.jitter for pause in script.sleeps]
    assert pauses == [2.0, 4.0, 4.0, 4.0, 4.0]


def test_a_server_that_cannot_read_on_from_there_is_asked_from_the_start() -> None:
    _, script = follow(HEAD, state("a", "completed", "7"), StreamEnded(), answer(422), HEAD)
    assert cursors(script) == [None, "7", None]


def test_heartbeats_alone_do_not_keep_a_stream_open() -> None:
    class Slow(Script):
        def _outcome(self, effect: Any) -> object:
            self.time += 10.0
            return super()._outcome(effect)

    script = Slow(HEAD, *[b": still there\n\n"] * 20)
    with suppress(IndexError, AssertionError):
        script.run(GroupWatch("tgrp_1", POLICY).follow())
    assert script.sleeps


def test_a_refusal_ends_it() -> None:
    script = Script(answer(404))
    script.run(GroupWatch("tgrp_1", POLICY).follow())
    assert script.outcomes == []
