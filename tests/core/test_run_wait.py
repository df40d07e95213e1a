"""How long a wait goes on, and what it takes for news of its run. Time passes where the script says so."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest

from langchain_parallel import errors
from langchain_parallel._core import run_wait
from langchain_parallel._core.effects import (
    NoResponse,
    OpenStream,
    ReadChunk,
    Request,
    Sleep,
    StreamEnded,
)
from langchain_parallel._core.ledger.cache import LedgerCache
from langchain_parallel._core.retry import RetryPolicy
from langchain_parallel._graph.paid_request import wait_seconds
from langchain_parallel.models import TaskRun, TaskRunResult

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
    script = Timed(NoResponse(sent=True), answer(503), late, status(), answer(503), RESULT)
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
    script.time = 1_000.0
    wait(script, left)
    opened = [one.request.timeout for one in script.effects if isinstance(one, OpenStream)]
    assert opened == ([pytest.approx(seconds)] if seconds else [])


def test_the_longest_pause_that_a_server_may_ask_for_bounds_the_wait_for_a_run() -> None:
    asked = answer(503, retry_after="500"), answer(429, retry_after="7"), answer(503)
    script = Timed(*asked, RESULT)
    wait(script, follow=False)
    assert [pause.seconds for pause in script.sleeps] == [120.0, 7.0, 0.5]


def test_a_pause_ends_at_the_deadline_at_the_latest() -> None:
    script = Timed(answer(503), After(1.5, answer(503)), RESULT)
    script.run(run_wait.wait("trun_1", 10.0, RetryPolicy(initial_delay=16.0), follow=False))
    assert script.sleeps == [Sleep(8.0, jitter=2.0), Sleep(0.5, jitter=0.0)]


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
    script.time = 1_000.0
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
    assert len(script.sent) == 2


AT_ONCE = RetryPolicy(initial_delay=0.0, max_delay=0.0, settle_seconds=10.0)
"""Without pauses, so that a script alone says what time it is."""
COMPLETED = answer(200, json.dumps(run(status="completed")))


def test_a_run_that_completes_at_the_deadline_gets_one_more_poll() -> None:
    late = After(10.0, answer(503))
    assert wait(Timed(late, COMPLETED, RESULT), 10.0, follow=False).output.content == "mine"
    with pytest.raises(errors.ApiError) as caught:
        wait(Timed(late, COMPLETED, answer(503), COMPLETED, RESULT), 10.0, follow=False)
    assert (caught.value.status, caught.value.interaction_id) == (503, "intr_1")


def test_a_completed_run_whose_result_does_not_come_is_said_to_be_completed() -> None:
    script = Timed(After(10.0, NOT_YET), COMPLETED, COMPLETED, NOT_YET, COMPLETED)
    with pytest.raises(errors.StillRunning) as caught:
        wait(script, 10.0, follow=False)
    assert caught.value.status == "completed"


def test_the_time_that_has_passed_counts_for_the_next_stream() -> None:
    """A stream may be silent for half of what is left, and none is opened in the last two seconds."""
    ends = (HEAD, StreamEnded())
    script = Timed(*ends, After(40.0, NOT_YET), *ends, After(59.0, NOT_YET), RESULT)
    script.run(run_wait.wait("trun_1", 100.0, AT_ONCE))
    opened = [one.request.timeout for one in script.effects if isinstance(one, OpenStream)]
    assert opened == [50.0, 30.0]


def test_a_stream_is_left_in_time_for_a_poll() -> None:
    script = Timed(HEAD, *(After(10.0, progress(nth)) for nth in range(5)), RESULT)
    wait(script, 100.0)
    assert [type(effect) for effect in script.effects[1:]] == [ReadChunk] * 5 + [Request]


@pytest.mark.parametrize(
    ("took", "seconds"), [(60.0, 30.0), (80.0, 15.0), (94.5, 1.0)], ids=["in time", "late", "over"]
)
def test_a_request_that_hangs_is_given_up_soon_after_the_deadline(
    took: float, seconds: float
) -> None:
    script = Timed(After(took, NOT_YET), status(), RESULT)
    with suppress(errors.StillRunning):
        script.run(run_wait.wait("trun_1", 90.0, AT_ONCE, follow=False))
    assert [request.timeout for request in script.sent[:2]] == [75.0, seconds]


def test_between_two_streams_a_poll_lasts_a_second() -> None:
    polls = [After(0.4, NOT_YET), HEAD, progress(1), StreamEnded(), After(0.5, NOT_YET)]
    script = Timed(HEAD, StreamEnded(), *polls, HEAD, StreamEnded(), RESULT)
    policy = RetryPolicy(initial_delay=2.0, max_delay=100.0)
    script.run(run_wait.wait("trun_1", 3_600.0, policy))
    assert [one.query for one in script.sent[:2]] == [{"timeout": "1"}] * 2
    assert [pause.seconds for pause in script.sleeps] == [2.0, 1.0]  # the first was cut short
    script = Timed(RESULT)
    wait(script, 0.2)
    assert script.sent[0].query == {"timeout": "1"}


def test_an_unknown_run_that_was_seen_meanwhile_is_asked_after_for_the_settling_time_anew() -> None:
    unknown = (answer(404), answer(404))
    script = Timed(*unknown, After(60.0, NOT_YET), status(), *unknown, RESULT)
    script.run(run_wait.wait("trun_1", 3_600.0, AT_ONCE, follow=False))
    script = Timed(
        *(After(60.0, NOT_YET), status()), *unknown, After(11.0, answer(404)), answer(404), RESULT
    )
    with pytest.raises(errors.NotFound) as caught:  # that it was seen earlier does not keep it
        script.run(run_wait.wait("trun_1", 3_600.0, AT_ONCE, follow=False))
    assert (caught.value.run_id, caught.value.interaction_id) == ("trun_1", "intr_1")


def test_a_completed_run_without_a_result_is_asked_after_for_the_settling_time() -> None:
    script = Timed(*[After(4.0, answer(404)), COMPLETED] * 4, RESULT)
    with pytest.raises(errors.NotFound):
        script.run(run_wait.wait("trun_1", 3_600.0, AT_ONCE, follow=False))


def test_an_error_names_the_run_and_the_interaction_that_is_known() -> None:
    cache = LedgerCache()
    cache.remember_interaction(TaskRun(run_id="trun_1", interaction_id="intr_7", status="queued"))
    for outcomes, interaction_id in (
        ([HEAD, StreamEnded()], "intr_7"),
        ([HEAD, event(), StreamEnded()], "intr_1"),
    ):
        with pytest.raises(errors.ApiError) as caught:
            wait(Script(*outcomes, answer(403)), cache=cache)
        assert (caught.value.run_id, caught.value.interaction_id) == ("trun_1", interaction_id)


def test_an_event_of_a_connection_that_broke_off_spoils_none_of_the_next() -> None:
    done = event("trun_1", "completed", output=ANSWER)
    script = Script(HEAD, done[:30], StreamEnded(), NOT_YET, HEAD, done)
    assert wait(script).output.content == "mine"


def test_news_on_a_stream_lets_pauses_begin_anew() -> None:
    down = (StreamEnded(), answer(503))
    script = Timed(HEAD, *down, HEAD, progress(1), *down, HEAD, StreamEnded(), RESULT)
    policy = RetryPolicy(initial_delay=2.0, max_delay=100.0)
    script.run(run_wait.wait("trun_1", 3_600.0, policy))
    assert [pause.seconds for pause in script.sleeps] == [1.0, 1.0]


@pytest.mark.parametrize(
    "said", [event("trun_1", "running", output=ANSWER), event("trun_1", "completed")]
)
def test_an_answer_is_that_of_a_run_that_has_ended(said: bytes) -> None:
    result = wait(Script(HEAD, said, StreamEnded(), RESULT))
    assert (result.run.status, result.output.content) == ("completed", "mine")


@pytest.mark.parametrize(
    ("seen", "known", "interaction_id"),
    [((), "active", None), ((event(),), "running", "intr_1")],
    ids=["nothing", "a state"],
)
def test_a_deadline_that_passes_says_how_long_it_was_and_what_is_known(
    seen: tuple[bytes, ...], known: str, interaction_id: str | None
) -> None:
    """Even if the status cannot be read then."""
    lost = NoResponse(sent=True)
    script = Timed(HEAD, *seen, StreamEnded(), After(9.0, NOT_YET), lost, After(2.0, NOT_YET), lost)
    script.time = 1_000.0
    with pytest.raises(errors.StillRunning, match=f"still {known} after 1[0-9] s") as caught:
        script.run(run_wait.wait("trun_1", 10.0, AT_ONCE))
    assert (caught.value.status, caught.value.interaction_id) == (known, interaction_id)
    assert 10.0 <= caught.value.waited <= 12.0


# --- a run that was never read -------------------------------------------------------------------


def is_mine(run: TaskRun) -> bool:
    return run.interaction_id == "intr_1"


def is_theirs(run: TaskRun) -> bool:
    return False


def test_the_first_event_says_whose_run_it_is_and_then_it_is_a_wait_like_any_other() -> None:
    script = Timed(HEAD, event(), event("trun_2"), StreamEnded(), RESULT)
    assert wait(script, proof=is_mine).output.content == "mine"
    assert [said.run.run_id for said in script.emitted] == ["trun_1"]


@pytest.mark.parametrize(
    ("outcomes", "proof"),
    [
        ((HEAD, event("trun_1", "completed", output=ANSWER)), is_theirs),
        ((HEAD, event("trun_2"), event()), is_mine),
        ((HEAD, progress(1), event()), is_mine),
        ((HEAD, StreamEnded()), is_mine),
        ((answer(404),), is_mine),
        ((NoResponse(True),), is_mine),
    ],
    ids=["another's", "another run's", "progress first", "none", "no stream", "lost"],
)
def test_where_it_does_not_nothing_of_the_run_is_handed_out(
    outcomes: tuple[object, ...], proof: Any
) -> None:
    script = Script(*outcomes)
    with pytest.raises(run_wait.NotProven):
        wait(script, proof=proof)
    assert script.emitted == []
    assert script.sent == []


def test_nor_is_a_run_waited_for_that_no_stream_can_show() -> None:
    script = Script()
    script.seats = [1.0]
    with pytest.raises(run_wait.NotProven):
        wait(script, proof=is_mine)
    with pytest.raises(run_wait.NotProven):
        wait(Script(), timeout=1.0, proof=is_mine)
