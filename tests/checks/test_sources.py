"""The addresses of an answer's sources: what can be said of them offline."""

from __future__ import annotations

from typing import Any

import pytest

from langchain_parallel.checks import check_answer
from langchain_parallel.checks.source_problems import page_of
from langchain_parallel.errors import InvalidRequest
from langchain_parallel.models import SourcePolicy, TaskRun, TaskRunOutput, TaskRunResult

PAGE = "https://example.org/a/b"


def problems(*urls: Any, policy: Any = None) -> list[tuple[Any, ...]]:
    cited = [{"number": n, "url": url, "fields": []} for n, url in enumerate(urls, start=1)]
    found = check_answer({"content": "x", "citations": cited}, source_policy=policy)["sources"]
    return [(one["number"], one["problem"], one.get("same_as")) for one in found]


@pytest.mark.parametrize(
    "other",
    [
        "http://example.org/a/b",
        "https://www.example.org/a/b/",
        "https://EXAMPLE.org:443/a/b#part",
        "https://example.org/a/b?utm_source=x&gclid=1",
        "https://m.example.org/a/./b/index.html",
        "https://example.org/%61/b",
    ],
)
def test_a_page_cited_under_another_form_is_repeated(other: str) -> None:
    assert problems(PAGE, other) == [(2, "repeated", 1)]


@pytest.mark.parametrize(
    "other",
    [
        "https://example.org/a/B",
        "https://example.org/a",
        "https://example.org/a/b?id=2",
        "https://news.example.org/a/b",
        "https://example.org:8080/a/b",
    ],
)
def test_another_page_is_not(other: str) -> None:
    assert problems(PAGE, other) == []


def test_the_order_of_parameters_does_not_matter() -> None:
    assert page_of(f"{PAGE}?a=1&b=2") == page_of(f"{PAGE}?b=2&a=1")


@pytest.mark.parametrize(
    "url",
    ["", "example.org", "ftp://example.org/x", "https:///x", "https://[x", None, 7, "javascript:x"],
)
def test_what_no_browser_opens_is_no_address(url: Any) -> None:
    assert problems(url) == [(1, "no_address", None)]


def test_excluded_hosts_are_told_with_all_below_them() -> None:
    policy = {"exclude_domains": ["example.org/a", ".gov"]}
    urls = (
        PAGE,
        "https://www.example.org/a",
        "https://example.org/b",
        "https://x.gov",
        "https://x.gov.uk",
    )
    assert problems(*urls, policy=policy) == [
        (1, "excluded", None),
        (2, "excluded", None),
        (4, "excluded", None),
    ]


def test_with_included_sites_all_others_are_excluded() -> None:
    policy = SourcePolicy(include_domains=["example.org"], exclude_domains=["example.org"])
    assert problems(PAGE, "https://example.com", policy=policy) == [(2, "excluded", None)]


def test_a_result_tells_its_citations_without_an_address() -> None:
    basis = [{"field": "output", "reasoning": "", "citations": [{"url": ""}, {"url": PAGE}]}]
    output = TaskRunOutput.model_validate({"type": "text", "content": "x", "basis": basis})
    result = TaskRunResult(run=TaskRun(run_id="r", status="completed"), output=output)
    assert [one["problem"] for one in check_answer(result)["sources"]] == ["no_address"]
    plain = result.model_dump(mode="json")
    assert check_answer({**plain, "cost_usd": 0.1}) == check_answer(result)  # a tool's artifact


@pytest.mark.parametrize(
    ("answer", "policy"), [("text", None), ({}, None), ({"content": 1}, {"include_domains": 3})]
)
def test_what_is_no_answer_or_policy_is_refused(answer: Any, policy: Any) -> None:
    with pytest.raises(InvalidRequest):
        check_answer(answer, source_policy=policy)
