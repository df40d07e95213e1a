"""When the answers of a group are read, and how: in bulk, one by one, and in trouble."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import pytest

from langchain_parallel import errors
from langchain_parallel._core.effects import Flow, NoResponse, Response
from langchain_parallel._core.group_results import Ended, GroupResults
from langchain_parallel._core.retry import RetryPolicy
from langchain_parallel.models import TaskRun, TaskRunResult

from .group_server import GROUP, GroupServer

POLICY = RetryPolicy(max_attempts=2, initial_delay=1.0, max_delay=4.0)


class Reader:
    """The runs of a server's group, as one reads their answers."""

    def __init__(self, server: GroupServer, size: int | None = None, **options: Any) -> None:
        self.server = server
        count = len(server.ends) if size is None else size
        self.group = GroupResults(GROUP, POLICY, count, server.time, **options)
        self.taken: dict[str, Ended] = {}
        """By run id, in the order in which they came."""
        self.times: dict[str, float] = {}

    def take(self, ticket: Any, ended: Ended) -> Flow[None]:
        assert ticket not in self.taken
        self.taken[ticket], self.times[ticket] = ended, self.server.time
        yield from ()

    def await_all(self, run_ids: Iterable[str] = (), **fields: Any) -> Reader:
        """Await these runs, which are their own tickets; all, unless any is named."""
        for run_id in run_ids or self.server.ends:
            self.group.await_run(
                TaskRun(run_id=run_id, **{"status": "queued", **fields}), ticket=run_id
            )
        return self

    def collect(self, until: float = 10_000.0) -> Reader:
        self.server.run(self.group.collect(until, self.take))
        return self

    @property
    def answered(self) -> set[str]:
        return {name for name, ended in self.taken.items() if isinstance(ended, TaskRunResult)}


def many(number: int, time: float, first: int = 0) -> dict[str, float]:
    """Runs that end then."""
    return {f"r{nth:03}": time for nth in range(first, first + number)}


# --- when ----------------------------------------------------------------------------------------


def test_when_all_have_ended_the_list_is_read_at_once() -> None:
    server = GroupServer(**many(20, 40.0))
    reader = Reader(server).await_all().collect()
    assert reader.answered == set(server.ends)
    assert set(reader.times.values()) == {40.0}
    assert server.log == [(0.0, "events"), (31.0, "events"), (40.0, "answers")]
    assert server.time == 40.0


def test_an_end_is_noted_though_the_stream_says_nothing_after_it() -> None:
    """Others of the group are on their way, so the stream stays open."""
    server = GroupServer(a=40.0, b=math.inf)
    reader = Reader(server).await_all(["a"]).collect()
    assert reader.times == {"a": 40.0}
    assert server.asked("result a") == [40.0]


def test_what_had_ended_before_is_read_at_once() -> None:
    reader = Reader(GroupServer(a=0.0)).await_all(status="completed").collect()
    assert reader.times == {"a": 0.0}
    assert reader.server.log == [(0.0, "result a")]


@pytest.mark.parametrize(
    ("ended", "at", "hurries", "read_at"),
    [
        (10, 40.0, False, 40.25),
        (9, 40.0, False, 50.0),
        (9, 1.0, False, 2.0),
        (9, 8.0, False, 10.0),
        (9, 400.0, False, 460.0),
        (9, 400.0, True, 415.0),
        (5, 40.0, True, 50.0),
        (4, 40.0, True, 41.0),
        (4, 40.0, False, 50.0),
    ],
)
def test_answers_of_some_are_read_soon_and_not_often(
    ended: int, at: float, hurries: bool, read_at: float
) -> None:
    server = GroupServer(**many(ended, 100.0 + at), **many(20 - ended, math.inf, first=ended))
    server.time = 100.0
    reader = Reader(server, hurries=hurries).await_all().collect(until=600.0)
    assert set(reader.times.values()) == {100.0 + read_at}
    assert len(reader.answered) == ended
    alone = [name for _, name in server.log if name.startswith("result")]
    assert (len(alone), len(server.asked("answers"))) == ((4, 0) if ended == 4 else (0, 1))


@pytest.mark.parametrize(("size", "is_alone"), [(400, False), (499, False), (500, True)])
def test_of_a_large_group_more_answers_are_asked_for_one_by_one(size: int, is_alone: bool) -> None:
    reader = Reader(GroupServer(**many(5, 40.0)), size).await_all().collect()
    assert bool(reader.server.asked("answers")) is not is_alone
    assert len(reader.answered) == 5


def test_between_two_readings_there_is_a_part_of_the_time_that_has_passed() -> None:
    ends = {**many(15, 40.0), **many(8, 41.0, 15), **many(7, math.inf, 23)}
    reader = Reader(GroupServer(**ends)).await_all().collect(until=60.0)
    assert sorted(set(reader.times.values())) == [40.25, 50.5]


def test_the_first_answers_that_are_not_read_yet_say_when_to_read() -> None:
    ends = {**many(5, 40.0), **many(4, 45.0, 5), **many(11, math.inf, 9)}
    reader = Reader(GroupServer(**ends)).await_all().collect(until=70.0)
    assert set(reader.times.values()) == {50.0}


def test_one_that_begins_anew_reads_the_first_answers_soon() -> None:
    server = GroupServer(**many(20, 1_000.0), **many(20, math.inf, 20))
    reader = Reader(server).await_all()
    server.time = 1_000.0
    reader.group.restart(server.time)
    reader.collect(until=1_010.0)
    assert set(reader.times.values()) == {1_000.25}


def test_it_ends_when_its_time_is_over_and_after_each_reading_the_caller_is_asked() -> None:
    server, read = GroupServer(a=40.0, b=45.0, c=math.inf), list[float]()
    reader = Reader(server).await_all()

    def after_read() -> Flow[None]:
        read.append(server.time)
        yield from ()

    server.run(reader.group.collect(55.0, reader.take, after_read))
    assert (server.time, read) == (55.0, [45.0])
    assert reader.answered == {"a", "b"}
    server.run(reader.group.collect(55.0, reader.take))
    assert server.time == 55.0
    [(run, ticket)] = reader.group.give_up()
    assert (run.run_id, run.status, run.interaction_id, ticket) == ("c", "running", None, "c")
    assert not reader.group.waiting


def test_who_gives_up_is_told_the_interaction_of_a_run() -> None:
    reader = Reader(GroupServer(a=math.inf)).await_all(interaction_id="ia")
    [(run, _)] = reader.group.give_up()
    assert run.interaction_id == "ia"
    assert list(reader.group.give_up()) == []


# --- hints ---------------------------------------------------------------------------------------


def test_without_news_the_list_is_looked_at_each_minute() -> None:
    server = GroupServer(**many(20, 130.0))
    server.is_told = False
    reader = Reader(server).await_all().collect()
    assert server.asked("list") == [59.75, 119.75, 179.75]
    assert set(reader.times.values()) == {179.75}


def test_news_are_as_good_as_a_look() -> None:
    server = GroupServer(**many(5, 50.0), **many(15, math.inf, 5))
    Reader(server).await_all().collect(until=120.0)
    assert server.asked("list") == []
    assert server.asked("answers") == [62.5]


def test_what_a_look_finds_is_read_as_what_events_tell() -> None:
    server = GroupServer(**many(5, 50.0), **many(15, math.inf, 5))
    server.is_told = False
    Reader(server).await_all().collect(until=80.0)
    assert server.asked("list") == [59.75]
    assert server.asked("answers") == [59.75 * 1.25]


@pytest.mark.parametrize(
    ("seconds", "silence"), [(2.0, 5.0), (20.0, 20.0), (30.5, 30.0), (100.0, 30.0)]
)
def test_a_stream_is_silent_no_longer_than_it_is_followed(seconds: float, silence: float) -> None:
    server = GroupServer(a=math.inf)
    server.time = 100.0
    Reader(server).await_all().collect(until=100.0 + seconds)
    assert server.opened[0].timeout == silence
    assert server.time == 100.0 + seconds


def test_where_the_stream_is_refused_the_list_is_looked_at_and_less_often_the_longer_it_takes() -> (
    None
):
    server = GroupServer(a=3_000.0)
    server.trouble["events"] = [Response(404)] * 999
    reader = Reader(server).await_all().collect()
    assert server.asked("list")[:7] == [0.25, 0.5, 0.75, 1.0, 1.25, 1.5625, 1.953125]
    assert len(server.asked("list")) < 100
    assert 3_000.0 <= reader.times["a"] < 3_060.0


def test_a_refused_stream_is_tried_again_and_followed_then() -> None:
    server = GroupServer(a=3.0)
    server.trouble["events"] = [Response(404)]
    reader = Reader(server).await_all().collect()
    assert (server.asked("events"), server.asked("list")) == ([0.0, 0.25], [0.25])
    assert reader.times == {"a": 3.0}


def test_where_the_stream_is_refused_it_is_read_as_soon_as_elsewhere() -> None:
    server = GroupServer(a=4.0, **many(9, math.inf))
    server.trouble["events"] = [Response(404)] * 999
    reader = Reader(server).await_all().collect(until=5.1)
    found = next(time for time in server.asked("list") if time >= 4.0)
    assert server.time == 5.1
    assert reader.taken == {}
    reader.collect(until=10.0)
    assert reader.times == {"a": found * 1.25}


def test_a_look_that_fails_is_made_again_and_the_wait_goes_on() -> None:
    server = GroupServer(**many(20, 50.0))
    server.is_told, server.trouble["list"] = False, [Response(503)] * 2
    reader = Reader(server).await_all().collect()
    assert server.asked("list") == [59.75, 60.25, 119.75]
    assert len(reader.answered) == 20


def test_a_run_that_lists_leave_out_is_asked_for_alone() -> None:
    server = GroupServer(a=50.0, b=math.inf, c=math.inf)
    server.is_told, server.hides = False, {"a", "b"}
    reader = Reader(server).await_all().collect(until=150.0)
    assert server.asked("run a") == server.asked("run b") == [119.75]
    assert reader.answered == {"a"}


def test_a_run_that_is_not_known_is_the_error_of_its_row() -> None:
    server = GroupServer(a=math.inf)
    server.is_told = False
    reader = Reader(server).await_all(["lost"], interaction_id="i").collect()
    lost = reader.taken["lost"]
    assert isinstance(lost, errors.NotFound)
    assert (lost.run_id, lost.interaction_id, lost.billed) == ("lost", "i", None)
    assert "knows it no longer" in lost.hint
    assert reader.times == {"lost": 119.75}
    assert server.asked("result lost") == []


# --- reading -------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("what", ["answers", "list", "result r000", "run r000"])
def test_a_refused_key_ends_the_wait(what: str, status: int) -> None:
    server = GroupServer(**many(5 if what == "answers" else 1, 40.0))
    if what in ("list", "run r000"):
        server.is_told, server.hides = False, {"r000"}
    server.trouble[what] = [Response(status)]
    reader = Reader(server).await_all()
    with pytest.raises((errors.AuthenticationFailed, errors.Forbidden)):
        reader.collect()
    assert reader.taken == {}
    assert reader.group.waiting


@pytest.mark.parametrize("trouble", [Response(429), Response(503), NoResponse(sent=True)], ids=str)
def test_an_answer_that_is_not_given_now_is_asked_for_again_after_a_while(trouble: Any) -> None:
    server = GroupServer(a=40.0)
    server.trouble["result a"] = [trouble] * 4
    reader = Reader(server).await_all().collect()
    first, later = 40.5, 40.5 * 1.25
    assert server.asked("result a") == [40.0, first, later, later + 0.5, (later + 0.5) * 1.25]
    assert reader.answered == {"a"}


def test_while_one_is_put_off_the_others_are_followed_and_it_is_not_asked_for_at_once() -> None:
    server = GroupServer(a=40.0, b=45.0, **many(10, math.inf))
    server.trouble["result a"] = [Response(503)] * 2
    Reader(server, hurries=True).await_all().collect(until=60.0)
    assert server.asked("result a") == [41.0, 41.5, 41.5 * 1.25]
    assert server.asked("result b") == [41.5 * 1.25]


def test_it_sleeps_no_longer_than_its_time() -> None:
    server = GroupServer(a=40.0)
    server.trouble["result a"] = [Response(503)] * 2
    Reader(server).await_all().collect(until=42.0)
    assert server.time == 42.0


def test_a_list_that_fails_leaves_each_to_be_asked_for_alone() -> None:
    server = GroupServer(**many(5, 40.0))
    server.trouble["answers"] = [Response(400)]
    reader = Reader(server).await_all().collect()
    assert len(reader.answered) == 5
    assert server.asked("result r004") == [40.0]


def test_an_answer_that_cannot_be_read_twice_is_the_error_of_its_row() -> None:
    for times in (1, 2):
        server = GroupServer(a=40.0)
        server.trouble["result a"] = [{"run": {"run_id": "a", "status": "completed"}}] * times
        reader = Reader(server).await_all(interaction_id="i").collect()
        ended = reader.taken["a"]
        assert isinstance(ended, errors.MalformedResponse if times == 2 else TaskRunResult)
        if isinstance(ended, errors.MalformedResponse):
            assert (ended.run_id, ended.interaction_id) == ("a", "ia")
        assert server.asked("result a") == [40.0, 50.0]


def test_a_run_that_failed_has_its_error_without_a_further_request() -> None:
    server = GroupServer(a=40.0, b=40.0)
    server.statuses["a"] = "failed"
    reader = Reader(server).await_all().collect()
    failed = reader.taken["a"]
    assert isinstance(failed, errors.RunFailed)
    assert (failed.run_id, failed.interaction_id) == ("a", "ia")
    assert reader.answered == {"b"}
    assert server.asked("result a") == []


def test_of_many_a_run_that_failed_has_its_error_from_the_list() -> None:
    server = GroupServer(**many(20, 40.0))
    server.statuses["r003"] = "failed"
    reader = Reader(server).await_all().collect()
    assert isinstance(reader.taken["r003"], errors.RunFailed)
    assert len(reader.answered) == 19
    assert server.log[-1] == (40.0, "answers")


def test_an_event_that_comes_too_early_ends_no_run() -> None:
    """It says `completed`, the run itself says that it goes on."""
    server = GroupServer(a=40.0)
    server.trouble["result a"] = [Response(408)] * POLICY.max_attempts
    reader = Reader(server).await_all().collect(until=45.0)
    assert reader.taken == {}
    assert list(reader.group.waiting) == ["a"]
    assert not reader.group.ended


@pytest.mark.parametrize(
    ("status", "kind"),
    [("failed", errors.RunFailed), ("completed", errors.NotFound), ("running", None)],
)
def test_where_no_answer_is_there_the_run_says_why(status: str, kind: Any) -> None:
    server = GroupServer(a=0.0)
    server.is_told = False
    server.trouble["result a"] = [Response(404)]
    server.trouble["run a"] = [{"run_id": "a", "status": status}]
    reader = Reader(server).await_all(status="completed").collect(until=41.0)
    assert [type(ended) for ended in reader.taken.values()] == ([kind] if kind else [])
    assert ("a" in reader.group.waiting) is (kind is None)


def test_answers_are_asked_for_in_the_order_of_their_ends() -> None:
    server = GroupServer(b=40.0, c=40.1, a=40.2, z=math.inf, y=math.inf)
    reader = Reader(server).await_all().collect(until=60.0)
    assert list(reader.taken) == ["b", "c", "a"]
    reader = Reader(GroupServer(b=0.0, a=0.0)).await_all(status="completed").collect()
    assert list(reader.taken) == ["a", "b"]


# --- the list of answers -------------------------------------------------------------------------


def page(server: GroupServer, run_ids: Iterable[str], *, with_answers: bool = True) -> list[bytes]:
    """What a list shows, where it does not show all."""
    return [server.event(run_id, run_id, with_answer=with_answers) for run_id in run_ids]


def later(server: GroupServer, *pages: Iterable[str], with_answers: bool = True) -> None:
    """Have the lists of answers be these, one after the other."""
    server.time = 40.0
    server.trouble["answers"] = [page(server, one, with_answers=with_answers) for one in pages]
    server.time = 0.0


def test_a_list_in_parts_is_read_on() -> None:
    server = GroupServer(**many(20, 40.0))
    names = list(server.ends)
    later(server, names[:8], names[8:16], names[16:])
    reader = Reader(server).await_all().collect()
    assert [name for _, name in server.log[2:]] == ["answers"] * 3
    assert list(reader.taken) == names
    assert reader.answered == set(names)


def test_a_list_that_shows_no_other_runs_is_not_read_on() -> None:
    server = GroupServer(**many(20, 40.0))
    names = list(server.ends)
    later(server, names[:16], names[:16], names[16:])
    reader = Reader(server).await_all().collect()
    assert len(server.asked("answers")) == 2
    assert server.asked("result r019") == [40.0]
    assert reader.answered == set(names)


def test_a_run_that_ended_and_is_listed_without_its_answer_is_asked_for_alone() -> None:
    server = GroupServer(**many(6, 40.0))
    later(server, list(server.ends), with_answers=False)
    reader = Reader(server).await_all().collect()
    assert len(reader.answered) == 6
    assert server.asked("result r005") == [40.0]


@pytest.mark.parametrize("with_answers", [True, False])
def test_what_a_list_shows_to_have_ended_is_read_with_the_others(with_answers: bool) -> None:
    """The events have not said so yet."""
    server = GroupServer(**many(10, 40.0), **many(10, 49.0, 10))
    if not with_answers:
        server.time = 49.0
        server.trouble["answers"] = [page(server, list(server.ends), with_answers=False)]
    reader = Reader(server).await_all(list(many(10, 0.0)))
    reader.await_all(["r012"])
    server.time = 49.0
    reader.group.ended |= set(many(10, 0.0))
    server.run(reader.group.read(reader.take))
    assert set(reader.taken) == {*many(10, 0.0), "r012"}


def test_runs_of_others_that_a_list_shows_are_passed_over() -> None:
    server = GroupServer(**many(30, 40.0))
    reader = Reader(server).await_all(list(many(10, 0.0))).collect()
    assert reader.answered == set(many(10, 0.0))


@pytest.mark.parametrize(("shown", "times"), [(20, [40.0, 40.0, 40.5]), (21, [40.0, 40.5])])
def test_a_list_that_goes_on_with_runs_of_nobody_is_not_read_for_ever(
    shown: int, times: list[float]
) -> None:
    """With pauses, and twice in vain at the most (`max_attempts`), once it has more than the group."""
    server = GroupServer(**many(20, 40.0), **many(200, 40.0, 100))
    strangers = list(many(200, 0.0, 100))
    pages = [
        strangers[:shown],
        strangers[shown : shown + 1],
        *([one] for one in strangers[shown + 1 :]),
    ]
    later(server, *pages)
    reader = Reader(server, size=20).await_all(list(many(20, 0.0))).collect()
    assert server.asked("answers") == times
    assert reader.answered == set(many(20, 0.0))


def test_a_list_that_is_longer_than_the_group_is_read_on_while_it_brings_answers() -> None:
    server = GroupServer(**many(6, 40.0), **many(7, 40.0, 100))
    later(server, list(many(7, 40.0, 100)), *([name] for name in many(6, 40.0)))
    reader = Reader(server, size=2).await_all(list(many(6, 40.0))).collect()
    assert server.asked("answers") == [40.0, *[40.5] * 6]
    assert reader.answered == set(many(6, 40.0))


def test_a_list_may_write_ids_with_escapes() -> None:
    """Then whose they are is known once they are parsed."""
    server = GroupServer(**many(20, 40.0), **many(2, 40.0, 100))
    names = list(many(20, 40.0))
    later(server, ["r100", *names[:8]], [*names[:16], "r101"], names[16:])
    plain, escaped = b'"run_id": "r', b'"run_id": "\\u0072'
    server.trouble["answers"] = [
        [chunk.replace(plain, escaped) for chunk in chunks] for chunks in server.trouble["answers"]
    ]
    reader = Reader(server).await_all(names).collect()
    assert server.asked("answers") == [40.0] * 3
    assert list(reader.taken) == names
    assert not any(name.startswith("result") for _, name in server.log)


def test_a_run_that_failed_has_no_answer_though_the_list_shows_one() -> None:
    server = GroupServer(**many(5, 40.0))
    later(server, list(server.ends))
    [chunks] = server.trouble["answers"]
    chunks[2] = chunks[2].replace(b"completed", b"failed")
    reader = Reader(server).await_all().collect()
    assert isinstance(reader.taken["r002"], errors.RunFailed)
    assert len(reader.answered) == 4


def test_a_list_that_is_longer_than_a_response_may_be_is_read_in_parts() -> None:
    server = GroupServer(**many(20, 40.0))
    names = list(server.ends)
    later(server, names[:8], names[8:])
    server.trouble["answers"][0].append(NoResponse(sent=True, limit=1_000))
    reader = Reader(server).await_all().collect()
    assert server.asked("answers") == [40.0, 40.0]
    assert list(reader.taken) == names
