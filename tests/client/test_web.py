"""Search and Extract: typed answers, paid for once unless a caller wants a lost one sent again."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from langchain_parallel import errors
from langchain_parallel._core.retry import RetryPolicy
from langchain_parallel.errors import InvalidRequest, RequestWarning
from langchain_parallel.models import (
    ExtractAdvancedSettings,
    ExtractResponse,
    FullContentSettings,
    SearchAdvancedSettings,
    SearchResponse,
    SourcePolicy,
)
from langchain_parallel.simulator import Fault, RunningServer
from langchain_parallel.web_prices import billed_search_usd, extract_usd, search_usd

from .both import QUICK, Both, World

SEARCH, EXTRACT = "/v1/search", "/v1/extract"
PAGE = "https://a.example/x"


def bodies(world: World, path: str = SEARCH) -> list[Any]:
    return [entry.body for entry in world.sim.requests if entry.path == path]


def billed(world: World) -> list[float]:
    return [line.usd for line in world.sim.billing.billed_answers()]


def test_a_search_is_typed_and_billed_once(world: World) -> None:
    found = world.api.search("fast trains", objective="Which is the fastest?", mode="fast")
    assert isinstance(found, SearchResponse)
    assert found.search_id.startswith("search_")
    assert len(found.results) == 10
    assert found.results[0].excerpts[0].startswith("[simulated")
    assert not found.sent_again
    assert billed(world) == [0.001]
    assert bodies(world) == [
        {
            "search_queries": ["fast trains"],
            "objective": "Which is the fastest?",
            "mode": "fast",
        }
    ]


def test_an_extraction_is_typed_and_a_page_that_fails_is_an_error_of_its_own(world: World) -> None:
    settings = ExtractAdvancedSettings(full_content=FullContentSettings(max_chars_per_result=50))
    read = world.api.extract([PAGE, "https://b.invalid"], advanced_settings=settings)
    assert isinstance(read, ExtractResponse)
    assert [(page.url, len(page.full_content or "")) for page in read.results] == [(PAGE, 50)]
    assert [(e.url, e.error_type) for e in read.errors] == [("https://b.invalid", "fetch_error")]
    assert billed(world) == [0.001]
    assert bodies(world, EXTRACT)[0] == {
        "urls": [PAGE, "https://b.invalid"],
        "advanced_settings": {"full_content": {"max_chars_per_result": 50}},
    }


def test_settings_are_sent_as_they_are_as_a_model_or_as_a_dictionary(world: World) -> None:
    policy = SourcePolicy(include_domains=["docs.example/3"], after_date=date(2026, 1, 1))
    model = SearchAdvancedSettings(source_policy=policy, max_results=3, extra_body={"new": 1})
    plain = {
        "source_policy": {"include_domains": ["docs.example/3"], "after_date": "2026-01-01"},
        "max_results": 3,
        "extra_body": {"new": 1},
    }
    for settings in (model, plain):
        with pytest.raises(errors.Unprocessable, match="new"):
            world.api.search("q", advanced_settings=settings, extra_body={"also_new": [True]})
    one, other = bodies(world)
    assert one == other
    assert one["also_new"] == [True]
    assert one["advanced_settings"]["new"] == 1
    assert one["advanced_settings"]["source_policy"] == plain["source_policy"]


def test_calls_of_one_job_share_a_session(world: World) -> None:
    first = world.api.search("q")
    again = world.api.search(["r", "s"], session_id=first.session_id, client_model="a-model")
    read = world.api.extract(PAGE, session_id=first.session_id, search_queries="r")
    assert first.session_id
    assert first.session_id == again.session_id == read.session_id


# --- what is not sent ------------------------------------------------------------------------------

REFUSED: list[tuple[str, Any, dict[str, Any], str]] = [
    ("search", [], {}, "search_queries is empty; give from 1 to 5"),
    ("search", "", {}, "A search query is empty"),
    ("search", ["a", " "], {}, "A search query is empty"),
    ("search", "q", {"advanced_settings": {"max_result": 3}}, "max_result"),
    ("search", "q", {"advanced_settings": {"max_results": 0}}, "max_results is 0; give a whole"),
    ("search", "q", {"advanced_settings": 5}, "advanced_settings"),
    ("search", "q", {"max_chars_total": -1}, "max_chars_total is -1; give a whole number"),
    ("search", 5, {}, "search_queries"),
    ("search", "q", {"mode": 5}, "mode"),
    ("search", "q", {"objective": "\ud800"}, "Half a character"),
    ("search", "q", {"extra_body": {"mode": "new"}}, "knows that name"),
    ("search", "q", {"extra_body": {"x": float("nan")}}, "NaN"),
    ("search", "q", {"extra_body": {"token": "**********"}}, "was dumped"),
    ("search", "q", {"max_chars_total": True}, "max_chars_total"),
    ("search", "q", {"advanced_settings": {"max_results": "3"}}, "max_results"),
    ("search", "q", {"resend_lost": "no"}, "resend_lost is a str; give True or False"),
    ("extract", PAGE, {"resend_lost": 1}, "resend_lost is an int; give True or False"),
    ("search", "q", {"timeout": -1}, "timeout is -1"),
    ("search", "q", {"timeout": 0}, "timeout is 0; give seconds, above 0"),
    (
        "search",
        "q",
        {"advanced_settings": {"source_policy": {"include_domains": [" "]}}},
        "A domain of the source policy is empty",
    ),
    (
        "search",
        "q",
        {"advanced_settings": {"fetch_policy": {"timeout_seconds": 0}}},
        "timeout_seconds is 0; give seconds",
    ),
    ("extract", [], {}, "urls is empty; give from 1 to 20"),
    ("extract", [" "], {}, "A URL is empty"),
    ("extract", PAGE, {"search_queries": [""]}, "A search query is empty"),
    (
        "extract",
        PAGE,
        {"advanced_settings": {"full_content": {"max_chars_per_result": 0}}},
        "max_chars_per_result is 0",
    ),
]


@pytest.mark.grid
@pytest.mark.parametrize(("call", "what", "options", "words"), REFUSED, ids=str)
def test_what_no_api_could_take_is_refused_before_anything_is_sent(
    world: World, call: str, what: Any, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidRequest, match=words) as caught:
        getattr(world.api, call)(what, **options)
    assert "Nothing was sent" in str(caught.value)
    assert world.sim.requests == []


def test_the_least_that_can_be_asked_for_is_sent(world: World) -> None:
    least = {"max_results": 1, "fetch_policy": {"timeout_seconds": 0.5, "max_age_seconds": 600}}
    found = world.api.search("q", max_chars_total=1, advanced_settings=least, timeout=1e300)
    assert [page.excerpts for page in found.results] == [("[",)]


def test_what_breaks_a_documented_rule_is_warned_of_and_sent_and_refused_if_strict(
    world: World,
) -> None:
    settings = {"max_results": 30}
    with pytest.warns(RequestWarning, match="gives at most 20") as caught:
        found = world.api.search("q", advanced_settings=settings)
    assert "langchain_parallel" not in caught[0].filename
    assert "max_results" in str(found.warnings)
    strict = world.client(strict=True)
    with pytest.raises(InvalidRequest, match="Rule search-results"):
        strict.search("q", advanced_settings=settings)
    strict.done()
    assert len(bodies(world)) == 1


# --- money -----------------------------------------------------------------------------------------


@pytest.mark.grid
@pytest.mark.parametrize("call", ["search", "extract"])
@pytest.mark.parametrize(
    "fault",
    [
        Fault("rate_limit"),
        Fault("status_before", status=503),
        Fault("status_before", status=500),
        Fault("status_before", status=408),
        Fault("refuse"),
    ],
    ids=lambda fault: f"{fault.kind} {fault.status}",
)
def test_a_refusal_is_free_and_repeated(world: World, call: str, fault: Fault) -> None:
    world.sim.faults.add(fault)
    answer = getattr(world.api, call)(PAGE)
    assert answer.results
    assert not answer.sent_again
    assert len(billed(world)) == 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [(503, errors.ServerFault), (401, errors.AuthenticationFailed), (403, errors.Forbidden)],
)
def test_a_refusal_that_stays_costs_nothing_and_says_so(
    world: World, status: int, kind: type[errors.ApiError]
) -> None:
    world.sim.faults.add(Fault("status_before", status=status, times=None))
    error = world.raises(kind, world.api.search, "q")
    assert error.billed is False
    assert billed(world) == []
    assert "processor" not in error.hint


def test_without_credit_nothing_is_billed(world: World) -> None:
    world.sim.credit_usd = 0.0
    error = world.raises(errors.CreditExhausted, world.api.search, "q")
    assert error.billed is False
    assert "processor" not in error.hint


LOST = [
    Fault("drop_after"),
    Fault("truncated_body", after_bytes=10),
    Fault("hang", seconds=90),
]


@pytest.mark.parametrize("fault", LOST, ids=lambda fault: fault.kind)
@pytest.mark.parametrize("call", ["search", "extract"])
def test_a_lost_answer_is_not_asked_for_again_and_the_error_says_what_it_may_cost(
    world: World, call: str, fault: Fault
) -> None:
    world.sim.faults.add(fault)
    error = world.raises(errors.ResponseLost, getattr(world.api, call), PAGE, timeout=20)
    assert error.billed is None
    assert "may have been billed" in error.hint
    assert "as much once more" in error.hint
    assert len(world.sim.requests) == len(billed(world)) == 1


@pytest.mark.parametrize("fault", LOST, ids=lambda fault: fault.kind)
def test_a_lost_answer_is_asked_for_again_where_the_caller_takes_the_risk(
    world: World, fault: Fault
) -> None:
    world.sim.faults.add(fault)
    found = world.api.search("q", resend_lost=True, timeout=20)
    assert found.results
    assert found.sent_again
    assert billed(world) == [0.005, 0.005]


def test_what_was_lost_once_stays_so_whatever_comes_after(world: World) -> None:
    world.sim.faults.add(Fault("drop_after"), Fault("status_before"), Fault("refuse"))
    assert world.api.search("q", resend_lost=True).sent_again
    assert billed(world) == [0.005, 0.005]


def test_a_refusal_after_a_lost_answer_does_not_say_that_nothing_was_billed(world: World) -> None:
    world.sim.faults.add(Fault("drop_after"), Fault("status_before", status=403))
    error = world.raises(errors.Forbidden, world.api.search, "q", resend_lost=True)
    assert error.billed is None
    assert "may have been billed" in error.hint


def test_an_answer_that_cannot_be_read_may_be_billed_and_is_not_asked_for_again(
    world: World,
) -> None:
    for fault in (Fault("malformed_json"), Fault("wrong_shape", body={"ok": True})):
        world.sim.faults.add(fault)
        error = world.raises(errors.MalformedResponse, world.api.search, "q", resend_lost=True)
        assert error.billed is None
    assert len(billed(world)) == 2
    small = world.client(max_response_bytes=500)
    error = world.raises(errors.ResponseTooLarge, small.search, "q", resend_lost=True)
    small.done()
    assert error.billed is None
    assert len(billed(world)) == 3


def test_another_server_than_the_api_is_named(world: World) -> None:
    world.sim.faults.add(Fault("status_before", status=404))
    error = world.raises(errors.NotFound, world.api.search, "q")
    assert "base_url" in error.hint


def test_a_retry_is_as_patient_as_the_policy(world: World) -> None:
    world.sim.faults.add(Fault("status_before", times=None))
    once = world.client(retry_policy=RetryPolicy(max_attempts=2))
    world.raises(errors.ServerFault, once.extract, PAGE)
    once.done()
    assert len(world.sim.requests) == 2


def test_over_a_socket_it_is_the_same(socket_api: Both, simulator_server: RunningServer) -> None:
    simulator = simulator_server.simulator
    simulator.faults.add(Fault("status_before"), Fault("drop_after"))
    with pytest.raises(errors.ResponseLost):
        socket_api.search("q", mode="turbo")
    assert socket_api.search("q", mode="turbo").results
    assert [line.usd for line in simulator.billing.billed_answers()] == [0.001, 0.001]
    assert QUICK.max_attempts == 5


# --- odd answers -----------------------------------------------------------------------------------

ODD: list[tuple[Any, dict[str, Any]]] = [
    ({"search_id": "s"}, {"results": ()}),
    ({"results": None, "search_id": "s"}, {"results": ()}),
    ({"results": []}, {"search_id": "", "session_id": None}),
    ({"results": {}, "usage": "much", "session_id": "x"}, {"results": (), "usage": ()}),
    ({"results": [], "warnings": ["careful"]}, {}),
    ({"results": [], "search_id": 7}, {"search_id": "7"}),
    ({"results": [], "search_id": ["x"]}, {"search_id": ""}),
    ({"results": [], "sent_again": True}, {"sent_again": False}),
]


@pytest.mark.parametrize(("body", "fields"), ODD, ids=str)
def test_an_answer_that_lacks_or_misspells_fields_is_read(
    world: World, body: Any, fields: dict[str, Any]
) -> None:
    world.sim.faults.add(Fault("wrong_shape", body=body))
    found = world.api.search("q")
    assert {name: getattr(found, name) for name in fields} == fields


def test_a_page_of_another_shape_costs_no_other_page_and_is_told(world: World) -> None:
    pages: list[Any] = [
        {"url": PAGE, "title": 5, "excerpts": "one text", "rank": 1},
        {"url": PAGE, "excerpts": [{"text": "x"}], "publish_date": {"year": 2026}},
        "https://b.example",
        17,
        {"title": "no address"},
        {"url": PAGE, "excerpts": ["\x00", None]},
    ]
    world.sim.faults.add(Fault("wrong_shape", body={"search_id": "s", "results": pages}))
    found = world.api.search("q")
    first, second, third, fourth, fifth = found.results
    assert (first.title, first.excerpts, first.model_extra) == ("5", ("one text",), {"rank": 1})
    assert json.loads(second.excerpts[0]) == {"text": "x"}
    assert third.url == "https://b.example"
    assert (fourth.url, fourth.title) == ("", "no address")
    assert fifth.excerpts == ("\N{REPLACEMENT CHARACTER}",)
    told = " ".join(map(str, found.warnings or ()))
    assert "another shape than documented" in told
    assert "results.3" in told


def test_what_is_unknown_is_kept_and_null_counts_as_left_out(world: World) -> None:
    body = {"extract_id": "e", "results": [], "errors": [{"url": PAGE, "error_type": None}], "n": 1}
    world.sim.faults.add(Fault("wrong_shape", body=body))
    read = world.api.extract(PAGE)
    assert read.model_extra == {"n": 1}
    assert read.errors[0].error_type == ""


def test_a_secret_that_an_answer_repeats_is_removed_and_told(world: World) -> None:
    secret = "tok-3f9a27c1e8b04d"
    page = {"url": PAGE, "title": f"see {secret}", "excerpts": []}
    world.sim.faults.add(Fault("wrong_shape", body={"search_id": "s", "results": [page]}))
    fetch = {"fetch_policy": {"extra_body": {"site_token": secret}}}
    found = world.api.search("q", advanced_settings=fetch)
    assert secret not in found.model_dump_json()
    assert "was replaced" in str(found.warnings)


# --- prices ----------------------------------------------------------------------------------------


@pytest.mark.grid
@pytest.mark.parametrize("mode", ["turbo", "fast", "basic", "advanced", None])
@pytest.mark.parametrize("results", [None, 5, 17])
def test_the_price_is_what_the_simulator_bills(mode: str | None, results: int | None) -> None:
    world = World("blocking")
    settings = {"max_results": results} if results else None
    found = world.api.search("q", mode=mode, advanced_settings=settings)
    assert billed(world) == [search_usd(mode, results)] == [billed_search_usd(mode, found)]
    without_usage = found.model_copy(update={"usage": None})
    assert billed_search_usd(mode, without_usage) == billed(world)[0]
    world.api.done()


def test_an_unknown_mode_has_no_price_and_each_page_has_one() -> None:
    assert search_usd("new") is None
    assert billed_search_usd("new", SearchResponse(search_id="s")) is None
    assert extract_usd(20) == 0.02
