"""When the answers of a group are read: as runs end, as far as events and lists tell it."""

from __future__ import annotations

import math

import pytest

from langchain_parallel import errors
from langchain_parallel._core.effects import Flow, Response

from .group_server import GroupServer, Reader, many

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
        (9, 1.0, False, 1.25),
        (4, 1.0, False, 2.0),
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
