"""How long a wait goes on, and what it takes for news of its run. Time passes where the script says so."""

from __future__ import annotations

import json
from typing import Any

import pytest

from langchain_parallel import errors
from langchain_parallel._core import run_wait
from langchain_parallel._core.effects import OpenStream, Request, StreamEnded
from langchain_parallel._core.retry import RetryPolicy
from langchain_parallel._graph.paid_run import wait_seconds
from langchain_parallel.models import TaskRunResult

from .helpers import Script, answer

HEAD = answer(200, content_type="text/event-stream")
HEARTBEAT = b": still there\n\n"
NOT_YET = answer(408)
ANSWER = {"type": "text", "content": "mine", "basis": []}
POLICY = RetryPolicy(initial_delay=1.0, max_delay=1.0)


class After:
    """An outcome that takes some seconds."""

    def __init__(self, seconds: float, outcome: object) -> None:
        self.seconds, self.outcome = seconds, outcome


class Timed(Script):
    """A script whose outcomes may take time; the last one is repeated."""

    def _outcome(self, effect: Any) -> object:
        if len(self.outcomes) == 1:
            self.outcomes *= 2
        outcome = super()._outcome(effect)
        if isinstance(outcome, After):
            self.time += outcome.seconds
            return outcome.outcome
        return outcome

    @property
    def streams(self) -> int:
        return sum(isinstance(effect, OpenStream) for effect in self.effects)


def run(run_id: str = "trun_1", status: str = "running") -> dict[str, Any]:
    return {"run_id": run_id, "interaction_id": "intr_1", "status": status}


def event(run_id: str = "trun_1", status: str = "running", **more: Any) -> bytes:
    said = {"type": "task_run.state", "event_id": None, "run": run(run_id, status), **more}
    return f"data: {json.dumps(said)}\n\n".encode()


def progress(nth: int) -> bytes:
    said = {"type": "task_run.progress_msg.plan", "message": f"step {nth}", "timestamp": None}
    return f"data: {json.dumps(said)}\n\n".encode()


RESULT = answer(200, json.dumps({"run": run(status="completed"), "output": ANSWER}))


def wait(script: Script, timeout: float = 3_600.0, **options: Any) -> TaskRunResult:
    return script.run(run_wait.wait("trun_1", timeout, POLICY, **options))


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled", "action_required"])
def test_another_runs_event_is_not_taken_for_this_runs(status: str) -> None:
    theirs = event("trun_2", status, output={**ANSWER, "content": "theirs"})
    mine = event("trun_1", "completed", output=ANSWER)
    script = Script(HEAD, theirs + mine)
    result = wait(script)
    assert (result.run.run_id, result.output.content) == ("trun_1", "mine")
    assert [said.run.run_id for said in script.emitted] == ["trun_1"]


def test_a_stream_that_brings_only_heartbeats_is_given_up_after_15_seconds() -> None:
    script = Timed(HEAD, *[After(7.0, HEARTBEAT)] * 2, After(1.0, HEARTBEAT), RESULT)
    assert wait(script).run.status == "completed"
    assert script.time == 15.0


def test_a_stream_that_has_begun_may_be_silent_for_60_seconds() -> None:
    script = Timed(HEAD, event(), After(59.0, HEARTBEAT), After(1.0, HEARTBEAT), RESULT)
    assert wait(script).run.status == "completed"
    assert script.time == 60.0


def test_a_stream_is_left_after_600_seconds_though_it_brings_news() -> None:
    script = Timed(HEAD, *(After(50.0, progress(nth)) for nth in range(12)), RESULT)
    assert wait(script).run.status == "completed"
    assert script.time == 600.0


def test_after_two_streams_without_news_it_only_polls_for_five_minutes() -> None:
    """A poll lasts a minute where nothing else brings the answer."""
    polls = [outcome for _ in range(5) for outcome in (After(60.0, NOT_YET), status())]
    silent = (HEAD, StreamEnded(), NOT_YET)
    script = Timed(*silent, *silent[:2], *polls, HEAD, event("trun_1", "completed", output=ANSWER))
    at_once = RetryPolicy(initial_delay=0.0, max_delay=0.0)
    assert script.run(run_wait.wait("trun_1", 3_600.0, at_once)).run.status == "completed"
    assert script.streams == 3
    waits = [request.path for request in script.sent if request.path.endswith("/result")]
    assert len(waits) == 1 + 5
    assert script.time == 300.0


def status() -> object:
    return answer(200, json.dumps(run()))


@pytest.mark.parametrize(("left", "seconds"), [(600.0, 60.0), (60.0, 60.0), (20.0, 20.0)])
def test_a_poll_lasts_a_minute_or_what_is_left(left: float, seconds: float) -> None:
    script = Script(RESULT)
    wait(script, left, follow=False)
    [poll] = script.sent
    assert poll.query == {"timeout": f"{seconds:.0f}"}
    assert poll.timeout <= left + 5.0


@pytest.mark.parametrize(
    ("processor", "timeout", "seconds"),
    [("pro", None, 2 * 600.0 + 600.0), ("core9x", None, 15_000.0), ("pro", 7.0, 7.0)],
)
def test_a_door_waits_twice_the_usual_longest_time_and_ten_minutes(
    processor: str, timeout: float | None, seconds: float
) -> None:
    assert wait_seconds(processor, timeout) == seconds


@pytest.mark.parametrize("max_attempts", [1, 5])
def test_an_unreadable_answer_is_borne_twice_as_often_as_a_request_is_sent(
    max_attempts: int,
) -> None:
    script = Timed(answer(200, "<html>"))
    policy = RetryPolicy(max_attempts=max_attempts)
    with pytest.raises(errors.MalformedResponse):
        script.run(run_wait.wait("trun_1", 3_600.0, policy, follow=False))
    assert len(script.sent) == 2 * max_attempts


def test_a_run_that_nobody_knows_is_asked_after_for_the_settling_time() -> None:
    script = Timed(answer(404))
    policy = RetryPolicy(initial_delay=2.0, max_delay=2.0, settle_seconds=10.0)
    with pytest.raises(errors.NotFound):
        script.run(run_wait.wait("trun_1", 3_600.0, policy, follow=False))
    assert 10.0 < script.time <= 12.0


def test_an_api_that_is_down_is_asked_until_the_deadline_and_no_longer() -> None:
    script = Timed(answer(503))
    with pytest.raises(errors.ApiError):
        wait(script, 100.0, follow=False)
    assert script.time == 100.0
    assert all(isinstance(request, Request) for request in script.sent)


def test_pauses_grow_and_begin_anew_after_news() -> None:
    late = After(60.0, NOT_YET)
    script = Timed(answer(503), answer(503), late, status(), answer(503), RESULT)
    policy = RetryPolicy(initial_delay=2.0, max_delay=100.0)
    script.run(run_wait.wait("trun_1", 3_600.0, policy, follow=False))
    assert [pause.seconds for pause in script.sleeps] == [1.0, 2.0, 1.0, 1.0]


def test_polls_that_are_cut_short_come_slower_and_slower() -> None:
    script = Timed(NOT_YET, status(), NOT_YET, status(), After(30.0, NOT_YET), status(), RESULT)
    policy = RetryPolicy(initial_delay=2.0, max_delay=100.0)
    script.run(run_wait.wait("trun_1", 3_600.0, policy, follow=False))
    assert [pause.seconds for pause in script.sleeps] == [2.0, 4.0, 1.0]


def test_unreadable_answers_are_counted_anew_after_news() -> None:
    odd = answer(200, "<html>")
    script = Timed(odd, After(60.0, NOT_YET), status(), odd, RESULT)
    policy = RetryPolicy(max_attempts=1)
    assert script.run(run_wait.wait("trun_1", 3_600.0, policy, follow=False)).run.run_id == "trun_1"


@pytest.mark.parametrize(
    ("left", "seconds"), [(2.0, None), (2.1, 1.05), (40.0, 20.0), (3_600.0, 60.0)]
)
def test_a_stream_is_opened_only_while_there_is_time_to_read_it(
    left: float, seconds: float | None
) -> None:
    script = Timed(*([HEAD, StreamEnded()] if seconds else []), RESULT)
    wait(script, left)
    opened = [one.request.timeout for one in script.effects if isinstance(one, OpenStream)]
    assert opened == ([pytest.approx(seconds)] if seconds else [])


def test_the_longest_pause_that_a_server_may_ask_for_bounds_the_wait_for_a_run() -> None:
    script = Timed(answer(503, retry_after="500"), answer(429, retry_after="7"), RESULT)
    wait(script, follow=False)
    assert [pause.seconds for pause in script.sleeps] == [120.0, 7.0]


@pytest.mark.parametrize("status", ["failed", "cancelled", "action_required"])
def test_an_event_that_says_there_will_be_no_answer_ends_the_wait(status: str) -> None:
    with pytest.raises((errors.RunFailed, errors.RunCancelled, errors.ActionRequired)) as caught:
        wait(Script(HEAD, event("trun_1", status)))
    assert (caught.value.run_id, caught.value.interaction_id) == ("trun_1", "intr_1")


def test_a_poll_near_the_deadline_lasts_what_is_left_then() -> None:
    script = Timed(After(60.0, NOT_YET), status(), RESULT)
    policy = RetryPolicy(initial_delay=0.0, max_delay=0.0)
    script.run(run_wait.wait("trun_1", 90.0, policy, follow=False))
    polls = [one.query["timeout"] for one in script.sent if one.path.endswith("/result")]
    assert polls == ["60", "30"]


@pytest.mark.parametrize(("took", "pause"), [(29.0, 2.0), (30.0, 1.0)])
def test_a_poll_that_lasts_half_as_long_as_asked_was_not_cut_short(
    took: float, pause: float
) -> None:
    script = Timed(After(took, NOT_YET), status(), RESULT)
    policy = RetryPolicy(initial_delay=2.0, max_delay=100.0)
    script.run(run_wait.wait("trun_1", 3_600.0, policy, follow=False))
    assert [one.seconds for one in script.sleeps] == [pause]


def test_news_on_a_stream_lets_two_more_come_without() -> None:
    none = (HEAD, StreamEnded(), NOT_YET)
    script = Timed(*none, HEAD, progress(1), StreamEnded(), NOT_YET, *none, *none, RESULT)
    assert wait(script).run.status == "completed"
    assert script.streams == 4


def test_a_failed_run_is_told_from_an_unknown_one_by_its_status() -> None:
    failed = answer(200, json.dumps(run(status="failed")))
    with pytest.raises(errors.RunFailed):
        wait(Script(answer(404), failed), follow=False)
    policy = RetryPolicy(initial_delay=2.0, max_delay=2.0, settle_seconds=3.0)
    known = (answer(404), status()) * 9  # it is there, so this goes on however long
    script = Timed(*known, RESULT)
    script.run(run_wait.wait("trun_1", 3_600.0, policy, follow=False))
    assert script.time > 3 * policy.settle_seconds - 2.0
    script = Timed(answer(404), answer(403))  # the key may not read it, which no waiting mends
    with pytest.raises(errors.ApiError) as caught:
        script.run(run_wait.wait("trun_1", 3_600.0, policy, follow=False))
    assert caught.value.status == 403
