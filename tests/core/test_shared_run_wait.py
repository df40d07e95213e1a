"""Waiting for a run without a connection of one's own: by the events of its group, or by looks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from langchain_parallel import errors
from langchain_parallel._core import run_wait
from langchain_parallel._core.effects import AwaitEnds, OpenStream
from langchain_parallel._core.ledger.cache import KnownRun, LedgerCache
from langchain_parallel._core.retry import RetryPolicy
from langchain_parallel.models import TaskRun, TaskRunEvent

from .helpers import Script, answer
from .test_run_wait import COMPLETED, RESULT, After, Timed, run, status, wait

LISTED = answer(200, json.dumps({**run(), "taskgroup_id": "tgrp_1"}))
"""The run, which says its group."""


def shared(*outcomes: Any, pause: float = 0.5, ends: Any = ()) -> Timed:
    """A script in which there is never a connection to wait with."""
    script = Timed(*outcomes, "the end", "the end")
    script.seats, script.ends, script.time = [pause] * 20, [*ends], 1_000.0
    return script


def paths(script: Script) -> list[str]:
    """What was asked for: `run` or `result`."""
    assert not any(isinstance(effect, OpenStream) for effect in script.effects)
    return ["result" if one.path.endswith("/result") else "run" for one in script.sent]


def end(status: str) -> dict[str, Any]:
    said = TaskRun(run_id="trun_1", interaction_id="intr_7", status=status)
    return {"trun_1": TaskRunEvent(run=said)}


@pytest.mark.parametrize("follow", [True, False])
def test_between_two_looks_a_tenth_of_the_time_passes_and_15_seconds_at_the_most(
    follow: bool,
) -> None:
    script = shared(After(99.0, status()), After(490.0, status()), COMPLETED, RESULT)
    assert wait(script, follow=follow).output.content == "mine"
    assert [pause.seconds for pause in script.sleeps] == [1.0, 10.0, 15.0]
    assert paths(script) == ["run", "run", "run", "result"]
    assert script.sent[-1].query == {"timeout": "1"}


def test_where_many_wait_like_this_each_looks_less_often() -> None:
    script = shared(COMPLETED, RESULT, pause=20.0)
    wait(script)
    assert [pause.seconds for pause in script.sleeps] == [20.0]


def test_the_deadline_ends_it_after_a_last_look() -> None:
    for seconds in (5.0, 0.5):
        script = shared(status(), pause=20.0)
        with pytest.raises(errors.StillRunning) as caught:
            wait(script, seconds)
        assert (script.time, caught.value.waited) == (1_000.0 + seconds, seconds)
    script = shared(LISTED, status(), ends=[{}])
    with pytest.raises(errors.StillRunning):
        wait(script, 30.0)
    assert script.awaited == [AwaitEnds("tgrp_1", frozenset(["trun_1"]), 29.0)]


def test_a_run_of_a_group_is_looked_at_each_minute_and_read_when_it_has_ended() -> None:
    script = shared(LISTED, LISTED, RESULT, ends=[{}, end("completed")])
    assert wait(script).output.content == "mine"
    assert [one.seconds for one in script.awaited] == [60.0, 60.0]
    assert script.groups == [None, "tgrp_1", "tgrp_1"]
    assert paths(script) == ["run", "run", "result"]
    assert [event.run.status for event in script.emitted] == ["completed"]


def test_a_group_that_the_client_knows_is_followed_at_once() -> None:
    cache = LedgerCache()
    cache.remember_run("tgrp_1", "key", KnownRun(TaskRun(run_id="trun_1", status="queued")))
    script = shared(RESULT, ends=[end("completed")])
    wait(script, cache=cache)
    assert script.groups == ["tgrp_1"]
    script = shared(answer(403), ends=[end("completed")])
    with pytest.raises(errors.Forbidden) as caught:
        wait(script, cache=cache)
    assert caught.value.interaction_id == "intr_7"  # which the event has said


@pytest.mark.parametrize(
    ("kind", "is_failed"), [("failed", True), ("failed", False), ("action_required", False)]
)
def test_before_an_end_without_an_answer_is_believed_the_run_is_looked_at(
    kind: str, is_failed: bool
) -> None:
    look = answer(200, json.dumps(run(status="failed"))) if is_failed else COMPLETED
    script = shared(LISTED, look, RESULT, ends=[end(kind)])
    if is_failed:
        with pytest.raises(errors.RunFailed):
            wait(script)
    else:
        assert wait(script).output.content == "mine"
    assert paths(script)[:2] == ["run", "run"]


def test_an_event_of_another_run_ends_no_wait() -> None:
    other = {"trun_2": end("completed")["trun_1"]}
    script = shared(LISTED, LISTED, RESULT, ends=[other, end("completed")])
    wait(script)
    assert paths(script) == ["run", "run", "result"]
    assert len(script.emitted) == 1


def test_where_no_events_can_be_shared_it_looks_now_and_then() -> None:
    script = shared(LISTED, COMPLETED, RESULT, ends=[None])
    wait(script)
    assert [pause.seconds for pause in script.sleeps] == [1.0, 1.0]


def test_a_group_whose_id_leads_elsewhere_is_not_followed() -> None:
    odd = answer(200, json.dumps({**run(), "taskgroup_id": "a/../b"}))
    script = shared(odd, COMPLETED, RESULT, ends=[{}])
    wait(script)
    assert script.groups == [None, None]
    assert script.awaited == []


def test_a_look_that_fails_is_made_again_with_pauses_that_grow_and_begin_anew_after_news() -> None:
    script = shared(answer(503), answer(503), status(), answer(503), COMPLETED, RESULT)
    policy = RetryPolicy(initial_delay=2.0, max_delay=100.0)
    script.run(run_wait.wait("trun_1", 3_600.0, policy))
    assert [pause.seconds for pause in script.sleeps] == [2.0, 1.0, 2.0, 2.0, 2.0, 2.0, 1.0, 2.0]


def test_a_refused_key_ends_it() -> None:
    with pytest.raises(errors.AuthenticationFailed):
        wait(shared(answer(401)))
