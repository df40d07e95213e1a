"""One table of rules: each can be broken, is named with its date, and stands on the page about requests."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from langchain_parallel.models import (
    DataSources,
    ExtractAdvancedSettings,
    ExtractRequest,
    FetchPolicy,
    JsonSchema,
    McpServer,
    SearchAdvancedSettings,
    SearchRequest,
    SourcePolicy,
    TaskAdvancedSettings,
    TaskRunInput,
    TaskSpec,
    TextSchema,
    Webhook,
)
from langchain_parallel.rules import RULES, broken_rules

from .asking import answering, ask

PAGE = Path(__file__).parents[2] / "docs/guides/requests.md"
TEXT = {"type": "string"}


def schema(properties: Any, **more: Any) -> TaskRunInput:
    """Asks for these properties, in the way that no rule is against."""
    whole = {"type": "object", "properties": properties, "additionalProperties": False}
    return answering(JsonSchema(json_schema={**whole, "required": [*properties], **more}))


def servers(*names: str, **more: Any) -> list[McpServer]:
    return [McpServer(url="https://m.example", name=name, **more) for name in names]


def connectors(processor: str = "base", **lists: Any) -> TaskRunInput:
    settings = TaskAdvancedSettings(data_sources=DataSources(**lists))
    return ask(processor=processor, advanced_settings=settings)


def policy(**fields: Any) -> TaskRunInput:
    return ask(source_policy=SourcePolicy(**fields))


def search(*queries: str, mode: str | None = None, **settings: Any) -> SearchRequest:
    chosen = SearchAdvancedSettings(**settings) if settings else None
    return SearchRequest(search_queries=queries or ["q"], mode=mode, advanced_settings=chosen)


DEEP: dict[str, Any] = TEXT
for _ in range(6):
    DEEP = {
        "type": "object",
        "properties": {"a": DEEP},
        "required": ["a"],
        "additionalProperties": False,
    }

PAGE_URL = "https://a.example"
BREAKS: dict[str, list[TaskRunInput | SearchRequest | ExtractRequest]] = {
    "input-size": [ask("x" * 25_001)],
    "spec-size": [ask(task_spec=TaskSpec(output_schema=TextSchema(description="x" * 15_001)))],
    "deep-input": [ask("x" * 15_001, "pro")],
    "schema-root": [answering({"type": "array", "items": TEXT})],
    "schema-properties": [schema({}), schema({f"p{i}": TEXT for i in range(101)})],
    "schema-depth": [answering(DEEP)],
    "schema-null": [schema({"a": {"type": "null"}}), schema({"a": {"items": {"type": ["null"]}}})],
    "schema-keyword": [schema({"a": {**TEXT, "format": "date"}})],
    "schema-enums": [schema({"a": {"enum": list(range(300))}, "b": {"enum": list(range(201))}})],
    "schema-enum": [schema({"a": {"enum": [f"{i:031}" for i in range(251)]}})],
    "schema-names": [schema({f"{i:0300}": TEXT for i in range(90)})],
    "schema-basis": [
        schema({name: TEXT})
        for name in (
            *("citations", "confidence", "evidence", "reasoning", "source", "sources"),
            "source_urls",
        )
    ],
    "schema-required": [schema({"a": TEXT}, required=[])],
    "schema-closed": [schema({"a": TEXT}, additionalProperties=True)],
    "metadata-key": [ask(metadata={"k" * 17: 1})],
    "metadata-value": [ask(metadata={"k": "v" * 513})],
    "memory-key": [ask(memory_scope_key=key) for key in ("", "a b", "ä", "x" * 129, "a\n")],
    "webhook-events": [
        ask(webhook=Webhook(url="https://h.example", event_types=given))
        for given in ((), ("task_run.status", "task_run.new"))
    ],
    "domain-count": [
        policy(exclude_domains=["a.com"] * 201),
        search(source_policy=SourcePolicy(exclude_domains=["a.com"] * 201)),
    ],
    "domain": [policy(include_domains=[wrong]) for wrong in ("https://a.com", "*.org", "a.com:8")],
    "domain-excludes": [policy(include_domains=["a.com"], exclude_domains=["b.com"])],
    "after-date": [policy(after_date="2026-01-01")],
    "location": [
        *(
            ask(advanced_settings=TaskAdvancedSettings(location=place))
            for place in ("uk", "Germany")
        ),
        search(location="uk"),
    ],
    "mcp-count": [ask(processor="base", mcp_servers=servers(*map(str, range(11))))],
    "mcp-names": [
        ask(processor="base", mcp_servers=servers("a", "a")),
        ask(processor="base", mcp_servers=servers("pubmed")),
        ask(processor="base", mcp_servers=servers("carbonarc")),
    ],
    "mcp-calls": [ask(processor=name, mcp_servers=servers("a")) for name in ("lite", "core")],
    "mcp-plain-http": [
        ask(
            processor="base",
            mcp_servers=[McpServer(url="http://m.example", name="a", headers={"a": "b"})],
        )
    ],
    "connector": [connectors(free=["carbonarc"]), connectors(pay_per_use=["pubmed", "carbonarc"])],
    "connector-processor": [connectors("core-fast", free=["pubmed"])],
    "processor-fast": [ask(processor="core-fast")],
    "search-queries": [
        search(*"abcdef"),
        ExtractRequest(urls=[PAGE_URL], search_queries=["q"] * 6),
    ],
    "search-query": [search("q", "q" * 201)],
    "search-objective": [
        SearchRequest(search_queries=["q"], objective="o" * 5001),
        ExtractRequest(urls=[PAGE_URL], objective="o" * 5001),
    ],
    "search-mode": [search(mode="slow")],
    "search-results": [search(max_results=21)],
    "search-turbo": [
        search(mode="turbo", source_policy=SourcePolicy(include_domains=["a.com/b"])),
        search(mode="turbo", source_policy=SourcePolicy(exclude_domains=["a.com/b"])),
    ],
    "session-id": [SearchRequest(search_queries=["q"], session_id="s" * 1001)],
    "fetch-age": [
        search(fetch_policy=FetchPolicy(max_age_seconds=599)),
        ExtractRequest(
            urls=[PAGE_URL],
            advanced_settings=ExtractAdvancedSettings(
                fetch_policy=FetchPolicy(max_age_seconds=599)
            ),
        ),
    ],
    "extract-urls": [ExtractRequest(urls=[PAGE_URL] * 21)],
}
MEMORY = {"memory-query", "memory-limit", "memory-kind", "memory-id"}
ELSEWHERE = {"group-size", "chat-model", "chat-ignored", *MEMORY}
"""Of several requests, of a chat, and of a memory (`tests/client/test_memory.py`)."""
BESIDE = {"processor-fast", "input-size", "schema-names", "schema-closed", "spec-size"}
"""What a request that breaks another rule may break, too."""


@pytest.mark.parametrize("rule", BREAKS)
def test_each_rule_is_found_alone_and_named_with_its_date(rule: str) -> None:
    for request in BREAKS[rule]:
        found = broken_rules(request)
        assert rule in {one.rule.name for one in found}
        assert {one.rule.name for one in found} - BESIDE <= {rule}
        [one] = [f for f in found if f.rule.name == rule]
        known = RULES[rule]
        assert str(one).endswith(f" Rule {rule} ({known.date}, {known.source}).")


def test_a_request_as_the_documentation_wants_it_breaks_none() -> None:
    assert (
        broken_rules(
            schema({"a": {"type": ["string", "null"]}, "b": {"anyOf": [TEXT, {"type": "null"}]}})
        )
        == ()
    )
    assert broken_rules(ask(advanced_settings=TaskAdvancedSettings(location="GB"))) == ()
    assert broken_rules(connectors(free=["pubmed"], pay_per_use=["carbonarc"])) == ()
    assert broken_rules(connectors()) == ()
    hook = Webhook(url="https://h.example", event_types=["task_run.status"])
    assert broken_rules(ask(webhook=hook)) == ()
    assert broken_rules(ask(memory_scope_key="a-Z_9")) == ()
    dated = SourcePolicy(include_domains=["a.com/b"], after_date=date(2026, 1, 1))
    aged = FetchPolicy(max_age_seconds=600)
    whole = search(
        *(["q" * 200] * 5), source_policy=dated, max_results=20, fetch_policy=aged, location="de"
    )
    plain = search(
        mode="turbo", location="us", source_policy=SourcePolicy(include_domains=["a.com"])
    )
    assert broken_rules(whole) == broken_rules(plain) == ()
    assert broken_rules(ExtractRequest(urls=[PAGE_URL] * 20, objective="o" * 5000)) == ()
    assert broken_rules(SearchRequest(search_queries=["q"], session_id="s" * 1000)) == ()


def told(request: TaskRunInput) -> dict[str, str]:
    return {one.rule.name: one.text for one in broken_rules(request)}


def test_only_who_uses_connectors_needs_a_processor_that_takes_them() -> None:
    assert [*told(connectors("core-fast"))] == ["processor-fast"]


def test_a_finding_names_what_is_wrong() -> None:
    twice = ask(processor="base", mcp_servers=servers("a", "a", "b"))
    assert told(twice)["mcp-names"] == "An MCP server has the name of another one: 'a'."
    data = TaskAdvancedSettings(data_sources=DataSources(free=["new"]))
    both = ask(processor="base", mcp_servers=servers("new", "b"), advanced_settings=data)
    assert told(both)["mcp-names"] == "An MCP server has the name of a data connector: 'new'."
    hook = Webhook(url="https://h.example", event_types=["task_run.status", "task_run.new"])
    assert "event_types holds 'task_run.new'" in told(ask(webhook=hook))["webhook-events"]
    for place, meant in (("UK", True), ("Germany", False)):
        text = told(ask(advanced_settings=TaskAdvancedSettings(location=place)))["location"]
        assert text.endswith(" Write 'gb'.") is meant


COUNTRIES = (
    "ar au at be br ca cl cn dk fi fr de gr hk in id it jp my mx nl nz no ph pl pt ru sa za kr es se ch tw "
    "tr gb us"
)
"""Of the API's documentation on searches."""


@pytest.mark.parametrize("place", COUNTRIES.split())
def test_these_countries_are_known(place: str) -> None:
    assert broken_rules(ask(advanced_settings=TaskAdvancedSettings(location=place))) == ()


def test_these_connectors_are_known() -> None:
    free = ["pubmed", "clinical_trials", "chembl", "biorxiv", "npi_registry", "cms_coverage"]
    assert broken_rules(connectors(free=free, pay_per_use=["carbonarc"])) == ()


def test_every_rule_can_be_broken() -> None:
    assert {*BREAKS, *ELSEWHERE} == set(RULES)


def test_no_finding_repeats_an_address() -> None:
    server = McpServer(url="http://s3cret.example", name="a", headers={"a": "s3cret"})
    found = broken_rules(
        ask(mcp_servers=[server] * 11, webhook=Webhook(url="https://s3cret", event_types=[]))
    )
    assert found
    assert "s3cret" not in str([str(one) for one in found])


def test_every_rule_stands_on_the_page_about_requests() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    told = {row.split("`")[1]: row for row in rows}
    for name, rule in RULES.items():
        shown = "`RequestWarning`" if rule.shown == "warning" else "`broken_rules`"
        source = f"[{rule.date}]({rule.source})" if "://" in rule.source else rule.date
        assert told[name] == f"| `{name}` | {rule.says} | {source} | {shown} |"
