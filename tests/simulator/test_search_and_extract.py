"""Search and Extract: answers at once, in the documented shape, billed as they are given."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from langchain_parallel.simulator import Fault, ManualClock, Simulator

from .helpers import BASE, error, http_to

SEARCH, EXTRACT = "/v1/search", "/v1/extract"


def search(http: httpx.Client, *queries: str, **body: Any) -> dict[str, Any]:
    answer = http.post(SEARCH, json={"search_queries": queries or ["fast trains"], **body})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def extract(http: httpx.Client, *urls: str, **body: Any) -> dict[str, Any]:
    answer = http.post(EXTRACT, json={"urls": urls or ["https://a.example/x"], **body})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def made(**options: Any) -> Simulator:
    return Simulator(ManualClock(), **options)


def test_every_text_of_an_answer_says_that_it_is_simulated() -> None:
    with http_to(made()) as http:
        found = search(http)
        read = extract(http, "https://a.example", advanced_settings={"full_content": True})
    assert len(found["results"]) == 10
    for page in (*found["results"], *read["results"]):
        for text in (page["title"], page.get("full_content") or "[simulated", *page["excerpts"]):
            assert text.startswith("[simulated"), text
    assert found["search_id"].startswith("search_")
    assert read["extract_id"].startswith("extract_")


def test_the_same_request_gets_the_same_answer_and_another_id() -> None:
    with http_to(made()) as http:
        first, again = search(http), search(http)
    for name in ("search_id", "session_id"):
        assert first.pop(name) != again.pop(name)
    assert first == again


@pytest.mark.parametrize(
    ("body", "usd"),
    [
        ({}, 0.005),
        ({"mode": "basic"}, 0.005),
        ({"mode": "fast"}, 0.001),
        ({"mode": "turbo"}, 0.001),
        ({"advanced_settings": {"max_results": 3}}, 0.005),
        ({"advanced_settings": {"max_results": 15}}, 0.010),
        ({"mode": "fast", "advanced_settings": {"max_results": 40}}, 0.011),
    ],
    ids=str,
)
def test_a_search_costs_its_mode_and_each_result_beyond_ten(
    body: dict[str, Any], usd: float
) -> None:
    simulator = made()
    with http_to(simulator) as http:
        found = search(http, **body)
    [line] = simulator.billing.billed_answers()
    assert (line.kind, line.id, line.usd) == ("search", found["search_id"], usd)
    assert simulator.billing.total_usd == usd
    more = len(found["results"]) - 10
    named = {item["name"]: item["count"] for item in found["usage"]}
    assert named == {"sku_search": 1} | (
        {"sku_search_additional_results": more} if more > 0 else {}
    )


def test_more_than_twenty_results_are_cut_to_twenty_with_a_warning() -> None:
    with http_to(made()) as http:
        found = search(http, advanced_settings={"max_results": 40, "location": "xx"})
        assert search(http)["warnings"] is None
    assert len(found["results"]) == 20
    kinds = {warning["type"] for warning in found["warnings"]}
    assert kinds == {"input_validation_warning"}
    assert [word in str(found["warnings"]) for word in ("max_results is 40", "xx")] == [True, True]


def test_results_obey_the_sources_the_day_and_the_lengths_that_were_asked_for() -> None:
    policy = {"include_domains": ["docs.example/3"], "after_date": "2026-11-01"}
    settings = {
        "source_policy": policy,
        "max_results": 4,
        "excerpt_settings": {"max_chars_per_result": 100},
    }
    with http_to(made()) as http:
        found = search(http, advanced_settings=settings, max_chars_total=250, session_id="mine")
    assert found["session_id"] == "mine"
    for page in found["results"]:
        assert page["url"].startswith("https://docs.example/3/")
        assert page["publish_date"] >= "2026-11-01"
    lengths = [sum(map(len, page["excerpts"])) for page in found["results"]]
    assert lengths == [100, 100, 50, 0]


def test_a_page_that_cannot_be_read_is_an_error_of_its_own_and_costs_nothing() -> None:
    simulator = made()
    urls = (
        "https://nowhere.invalid/x",
        "https://a.example/status/404",
        "no-url",
        "https://b.example",
    )
    with http_to(simulator) as http:
        read = extract(http, *urls)
    assert [page["url"] for page in read["results"]] == ["https://b.example"]
    assert [(e["url"], e["error_type"], e["http_status_code"]) for e in read["errors"]] == [
        (urls[0], "fetch_error", None),
        (urls[1], "http_error", 404),
        (urls[2], "invalid_url", None),
    ]
    assert read["usage"] == [{"name": "sku_extract_excerpts", "count": 1}]
    assert simulator.billing.total_usd == 0.001


@pytest.mark.parametrize("code", ["4" * 5_000, "04", "٤٠٤", "600", "+404", ""])
def test_an_address_that_names_no_status_is_a_page(code: str) -> None:
    url = f"https://a.example/status/{code}"
    with http_to(made()) as http:
        assert [page["url"] for page in extract(http, url)["results"]] == [url]


def test_the_whole_text_of_a_page_comes_only_where_it_is_asked_for_and_as_long_as_that() -> None:
    with http_to(made()) as http:
        for full, length in ((False, None), (True, 3000), ({"max_chars_per_result": 90}, 90)):
            [page] = extract(http, advanced_settings={"full_content": full})["results"]
            assert (page["full_content"] and len(page["full_content"])) == length


LONG = "q" * 201
BAD: dict[str, tuple[str, Any, str]] = {
    "no query": (SEARCH, {"search_queries": []}, "search_queries"),
    "queries missing": (SEARCH, {"objective": "o"}, "search_queries"),
    "one text": (SEARCH, {"search_queries": "q"}, "search_queries"),
    "six queries": (SEARCH, {"search_queries": ["q"] * 6}, "search_queries"),
    "an empty query": (SEARCH, {"search_queries": [" "]}, "search_queries.0"),
    "a long query": (SEARCH, {"search_queries": ["q", LONG]}, "search_queries.1"),
    "a long objective": (SEARCH, {"search_queries": ["q"], "objective": "o" * 5001}, "objective"),
    "a mode": (SEARCH, {"search_queries": ["q"], "mode": "slow"}, "mode"),
    "a field": (SEARCH, {"search_queries": ["q"], "max_results": 3}, "max_results"),
    "a long session": (SEARCH, {"search_queries": ["q"], "session_id": "s" * 1001}, "session_id"),
    "no characters": (SEARCH, {"search_queries": ["q"], "max_chars_total": 0}, "max_chars_total"),
    "no results": (
        SEARCH,
        {"search_queries": ["q"], "advanced_settings": {"max_results": 0}},
        "advanced_settings.max_results",
    ),
    "a fresh page": (
        SEARCH,
        {
            "search_queries": ["q"],
            "advanced_settings": {"fetch_policy": {"max_age_seconds": 599}},
        },
        "advanced_settings.fetch_policy.max_age_seconds",
    ),
    "a domain": (
        SEARCH,
        {
            "search_queries": ["q"],
            "advanced_settings": {"source_policy": {"include_domains": ["https://a.example"]}},
        },
        "advanced_settings.source_policy.include_domains.0",
    ),
    "no URL": (EXTRACT, {"urls": []}, "urls"),
    "21 URLs": (EXTRACT, {"urls": ["https://a.example"] * 21}, "urls"),
    "the beta's field": (
        EXTRACT,
        {"urls": ["https://a.example"], "full_content": True},
        "full_content",
    ),
    "no object": (EXTRACT, ["https://a.example"], "body"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_malformed_body_is_a_422_that_names_the_field_and_costs_nothing(name: str) -> None:
    path, body, field = BAD[name]
    simulator = made()
    with http_to(simulator) as http:
        answer = http.post(path, json=body)
    assert answer.status_code == 422
    named = [".".join(map(str, e["loc"][1:])) for e in error(answer)["detail"]["errors"]]
    assert field in (*named, "body")
    assert field != "body" or named == [""]
    assert simulator.billing.total_usd == 0


def test_a_bearer_header_is_no_key_here() -> None:
    simulator = made()
    with http_to(simulator) as http:
        for path, body in (
            (SEARCH, {"search_queries": ["q"]}),
            (EXTRACT, {"urls": ["https://a.example"]}),
        ):
            answer = httpx.Client(transport=http._transport, base_url=BASE).post(
                path, json=body, headers={"authorization": "Bearer simulated"}
            )
            assert answer.status_code == 401
    assert simulator.billing.total_usd == 0


def test_credit_and_quota_bound_them_each_kind_for_itself() -> None:
    simulator = made(credit_usd=0.006, quota_per_minute=1)
    with http_to(simulator) as http:
        search(http)
        refused = http.post(SEARCH, json={"search_queries": ["q"]})
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) <= 60
        extract(http)
        simulator.clock.sleep(61)
        assert http.post(SEARCH, json={"search_queries": ["q"]}).status_code == 402
    assert simulator.billing.total_usd == 0.006


def test_an_answer_that_was_lost_is_billed_and_a_refusal_is_not() -> None:
    simulator = made()
    body = {"search_queries": ["q"]}
    with http_to(simulator) as http:
        simulator.faults.add(Fault("status_before", path=SEARCH), Fault("rate_limit", path=SEARCH))
        assert [http.post(SEARCH, json=body).status_code for _ in range(2)] == [503, 429]
        assert simulator.billing.billed_answers() == []
        simulator.faults.add(Fault("drop_after", path=SEARCH))
        with pytest.raises(httpx.RemoteProtocolError):
            http.post(SEARCH, json=body)
    assert [line.usd for line in simulator.billing.billed_answers()] == [0.005]
    simulator.reset()
    assert simulator.billing.total_usd == 0


def test_an_answer_takes_as_long_as_its_mode() -> None:
    simulator = made(latency_scale=2.0)
    with http_to(simulator, timeout=None) as http:
        for mode, seconds in (("turbo", 0.4), ("advanced", 6.0)):
            before = simulator.clock.monotonic()
            search(http, mode=mode)
            assert simulator.clock.monotonic() - before == pytest.approx(seconds)


def test_the_control_calls_show_what_was_billed() -> None:
    simulator = made()
    with http_to(simulator) as http:
        found = search(http)
        bill = json.loads(http.get("/_simulator/billing").text)
    assert bill["answers"] == [{"kind": "search", "id": found["search_id"], "usd": 0.005}]
