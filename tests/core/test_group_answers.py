"""How the answers of a group are read: in bulk, one by one, and in trouble."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import pytest

from langchain_parallel import errors
from langchain_parallel._core.effects import NoResponse, Response
from langchain_parallel.models import TaskRunResult

from .group_server import POLICY, GroupServer, Reader, many

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
