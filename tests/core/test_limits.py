from __future__ import annotations

import json
import warnings
from typing import Any

import pytest

from langchain_parallel._core import limits, request_rules, wire
from langchain_parallel.errors import InvalidRequest
from langchain_parallel.models import (
    McpServer,
    SourcePolicy,
    TaskRunInput,
    TaskSpec,
    TextSchema,
    Webhook,
)

from .asking import answering, ask, problem, problems, warned, warning


@pytest.mark.parametrize("empty", ["", "  \n\t", {}])
def test_an_empty_input_is_refused(empty: Any) -> None:
    assert problem(ask(empty)).startswith("The input is empty; give a question")


def test_input_up_to_the_limit_is_sent_and_one_more_is_counted() -> None:
    assert limits.check(ask("x" * 25_000)) == []
    assert warning(ask("x" * 25_001)) == (
        "Task spec and input hold 25,001 characters together, 1 over the 25,000 allowed; shorten the "
        "input or the schema's descriptions."
    )


def test_the_spec_counts_with_the_input() -> None:
    spec = TaskSpec(output_schema=TextSchema(description="x" * 20_000))
    size = len(json.dumps(wire.payload(ask(task_spec=spec))["task_spec"])) + 6_000
    together, alone = warned(ask("x" * 6_000, task_spec=spec))
    assert f"hold {size:,} characters together, {size - 25_000:,} over" in together
    assert f"The task spec holds {size - 6_000:,} characters; 15,000 are allowed" in alone


@pytest.mark.parametrize(("more", "found"), [(0, 0), (1, 1)])
def test_the_spec_counts_in_characters(more: int, found: int) -> None:
    around = len(json.dumps(wire.payload(answering(TextSchema(description="")))["task_spec"]))
    spec = TaskSpec(output_schema=TextSchema(description="ä" * (15_000 - around + more)))
    assert len(limits.check(ask(task_spec=spec))) == found


def test_what_cannot_be_written_breaks_no_rule_of_the_documentation() -> None:
    assert [*request_rules.broken_rules(ask({"q": float("nan")}))] == []
    deep: Any = "x" * 25_001
    for _ in range(2_000):
        deep = {"q": deep}
    copied = ask().model_copy(update={"input": deep})
    assert [*request_rules.broken_rules(copied)] == []
    with pytest.raises(InvalidRequest, match="levels deep: input"):
        limits.check(copied, strict=True)


def test_an_object_counts_as_its_json() -> None:
    size = len(json.dumps({"q": "ä" * 25_000}, ensure_ascii=False))
    assert f"hold {size:,} characters" in warning(ask({"q": "ä" * 25_000}))


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("pro-fats", "did you mean pro-fast"),
        ("ultra9x", "did you mean ultra8x or ultra4x or ultra2x?"),
        ("cora", "did you mean core"),
        ("qqqq", "known are lite, lite-fast, base,"),
    ],
)
def test_an_unknown_processor_is_refused_with_the_nearest_names(name: str, meant: str) -> None:
    text = problem(ask(processor=name))
    assert meant in text
    assert "pass `allow_unknown_processor=True`" in text


@pytest.mark.parametrize("new", ["zeta", "zeta-fast"])
def test_a_new_processor_can_be_forced(new: str) -> None:
    """Nothing is known of it, so it breaks no rule either."""
    assert limits.check(ask(processor=new), allow_unknown_processor=True) == []
    assert [*request_rules.broken_rules(ask(processor=new))] == []


@pytest.mark.parametrize(("processor", "remarks"), [("pro", 1), ("ultra8x-fast", 1), ("core2x", 0)])
def test_a_long_input_for_deep_research_draws_a_warning(processor: str, remarks: int) -> None:
    found = limits.check(ask("x" * 15_001, processor))
    assert len(found) == remarks
    assert all("holds 15,001 characters; for deep research" in remark.text for remark in found)
    assert limits.check(ask("x" * 15_000, processor)) == []
    assert len(limits.check(ask("x" * 25_000, processor))) == remarks
    [longer] = limits.check(ask("x" * 25_001, processor))
    assert longer.rule.name == "input-size"  # which says enough


def test_metadata_limits_are_counted() -> None:
    assert limits.check(ask(metadata={"k" * 16: "v" * 512, "n": 1.5, "b": True})) == []
    assert warned(ask(metadata={"k" * 17: "v" * 513})) == (
        f"Metadata key '{'k' * 17}' has 17 characters; 16 are allowed.",
        f"The metadata value of '{'k' * 17}' has 513 characters; 512 are allowed.",
    )
    metadata, [found] = limits.check_group_metadata({"k" * 17: 1})
    assert metadata == {"k" * 17: 1}
    assert "17 characters; 16 are allowed" in found.text
    with pytest.raises(InvalidRequest, match="17 characters; 16 are allowed"):
        limits.check_group_metadata({"k" * 17: 1}, strict=True)
    with pytest.raises(InvalidRequest, match="lone surrogate"):
        limits.check_group_metadata({"k": "half a \ud83d"})


def test_domains_count_together() -> None:
    half = [f"a{i}.com" for i in range(100)]
    policy = SourcePolicy(include_domains=half, exclude_domains=half)
    [ignored] = warned(ask(source_policy=policy))
    assert "the excluded ones are ignored" in ignored
    policy = SourcePolicy(include_domains=half, exclude_domains=[*half, ".gov"])
    assert "names 201 domains (included and excluded together); 200 are" in " ".join(
        warned(ask(source_policy=policy))
    )


@pytest.mark.parametrize(
    "wrong", ["https://example.com", "example.com:80", "a.com/?q=1", "a.com#b", "*.org", "a b.com"]
)
def test_what_is_no_domain_is_named(wrong: str) -> None:
    text = warning(ask(source_policy=SourcePolicy(exclude_domains=["example.com", ".gov", wrong])))
    assert text.startswith(f"{wrong!r} is no domain; write `example.com`")


@pytest.mark.parametrize("entry", ["docs.python.org/3", "example.com", ".co.uk", "a.b/c/d/"])
def test_a_domain_a_part_of_one_and_an_ending_are_sent(entry: str) -> None:
    run = ask(source_policy=SourcePolicy(include_domains=[entry]))
    assert warned(run) == ()
    assert wire.payload(run)["source_policy"] == {"include_domains": [entry]}


@pytest.mark.parametrize("empty", ["", " "])
def test_an_empty_domain_is_refused(empty: str) -> None:
    run = ask(source_policy=SourcePolicy(include_domains=[empty]))
    assert "A domain of the source policy is empty" in problem(run)
    with pytest.raises(InvalidRequest) as caught:
        limits.check(run, strict=True)
    assert len(caught.value.problems) == 1  # it breaks no rule, too


def test_mcp_servers_are_counted() -> None:
    servers = [McpServer(url="https://mcp.example", name=f"s{i}") for i in range(11)]
    assert limits.check(ask(mcp_servers=servers[:10])) == []
    assert warning(ask(mcp_servers=servers)) == "11 MCP servers are given; 10 are allowed."


@pytest.mark.parametrize(
    "url", ["mcp.example?key=s3cret", "ftp://s3cret", "https://", "https://[s3cret"]
)
def test_an_address_that_is_none_is_refused_without_being_repeated(url: str) -> None:
    texts = problems(ask(mcp_servers=[McpServer(url=url, name="files")], webhook=Webhook(url=url)))
    assert texts == (
        "The URL of MCP server 'files' is no http(s) address.",
        "The webhook's URL is no http(s) address.",
    )


@pytest.mark.parametrize(
    ("input", "text"),
    [
        ("half a \ud83d", "lone surrogate"),
        ({"q": "\ud83d"}, "lone surrogate"),
        ({"q": float("nan")}, "NaN or an infinity"),
        ({"q": [float("inf")]}, "NaN or an infinity"),
    ],
)
def test_what_json_cannot_hold_is_refused(input: Any, text: str) -> None:
    assert text in problem(ask(input))


def test_what_was_made_of_a_dump_is_refused() -> None:
    server = McpServer(url="https://mcp.example/s3cret", name="crm", headers={"a": "s3cret"})
    hook = Webhook(url="https://hooks.example/s3cret")
    asked = ask(mcp_servers=[server], webhook=hook, extra_body={"token": "s3cret"})
    assert limits.check(asked) == []
    assert problems(TaskRunInput.model_validate(asked.model_dump())) == (
        "MCP server 'crm' was dumped, and a dump holds no secrets: give its address and headers anew.",
        "The webhook was dumped, and a dump holds no secrets: give its address and headers anew.",
        "An extra_body was dumped, and a dump holds none of its texts: give it anew.",
    )


def test_metadata_that_was_changed_in_a_copy_is_refused() -> None:
    odd: Any = {"team": ["a"], "who": None, "share": 0.5}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydantic notices it, too
        texts = problems(ask().model_copy(update={"metadata": odd}))
    assert texts == (
        "The metadata value of 'team' is a list; give text, a number or a bool.",
        "The metadata value of 'who' is a NoneType; give text, a number or a bool.",
    )
    keys: Any = {7: "a", "b": True}
    with pytest.raises(InvalidRequest, match=r"The metadata key 7 is an int; give text\."):
        limits.check_group_metadata(keys)


def test_a_blank_interaction_id_is_refused() -> None:
    assert limits.check(ask(previous_interaction_id="intr_1")) == []
    assert "previous_interaction_id is empty; leave it out" in problem(
        ask(previous_interaction_id=" ")
    )


def test_all_faults_are_reported_at_once() -> None:
    run = ask("", "nope", metadata={"k" * 17: 1}, previous_interaction_id="")
    assert len(problems(run)) == 3
    with pytest.raises(InvalidRequest) as caught:
        limits.check(run, strict=True)
    assert len(caught.value.problems) == 4


def test_what_no_api_could_take_is_refused_also_where_it_breaks_no_rule() -> None:
    with pytest.raises(InvalidRequest, match=r"input is empty.* Nothing was sent\.$"):
        limits.check(ask(""), strict=True)


@pytest.mark.parametrize("wrong", ["Who?", {"input": "Who?"}, None, ask(), iter([ask()])])
def test_a_batch_is_a_list(wrong: object) -> None:
    with pytest.raises(InvalidRequest, match="give a list of TaskRunInput"):
        limits.check_batch(wrong)


@pytest.mark.parametrize(("size", "found"), [(1, 0), (1000, 0), (1001, 1)])
def test_a_batch_holds_from_one_to_a_thousand_runs(size: int, found: int) -> None:
    runs = [ask()] * size
    checked, broken = limits.check_batch(runs)
    assert (checked, [f.rule.name for f in broken]) == (runs, ["group-size"] * found)


@pytest.mark.parametrize(("size", "strict"), [(0, False), (0, True), (1001, True)])
def test_an_empty_batch_is_refused_and_a_long_one_if_asked(size: int, strict: bool) -> None:
    with pytest.raises(InvalidRequest, match=f"{size:,} runs are given; from 1 to 1,000"):
        limits.check_batch([ask()] * size, strict=strict)


@pytest.mark.parametrize("wrong", [-1, -0.001, float("nan"), None, "5", True])
def test_a_timeout_is_a_number_of_seconds(wrong: Any) -> None:
    with pytest.raises(InvalidRequest, match="give seconds, from 0 up"):
        limits.seconds(wrong)


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        (0, 0.0),
        (0.5, 0.5),
        (2**63 - 1025, 2.0**63 - 1024),
        (2**63, float("inf")),
        (10**400, float("inf")),
        (float("inf"), float("inf")),
    ],
)
def test_more_seconds_than_a_clock_can_count_are_for_ever(given: float, seconds: float) -> None:
    assert limits.seconds(given) == seconds


@pytest.mark.parametrize("wrong", ["", " ", "example.com/news", "https://a.com", "a b.com"])
def test_what_an_address_is_compared_with_is_a_domain(wrong: str) -> None:
    limits.check_domains(["example.com", ".gov"])
    with pytest.raises(InvalidRequest, match="is not a domain; write") as caught:
        limits.check_domains(["example.com", wrong])
    assert repr(wrong) in str(caught.value)


@pytest.mark.parametrize(
    ("url", "is_noticed"),
    [
        ("http://mcp.example", True),
        ("HTTP://10.0.0.7/x", True),
        ("http://127.evil.example", True),
        ("https://mcp.example", False),
        ("http://localhost:8000", False),
        ("http://127.0.0.1", False),
        ("http://[::1]:8000/", False),
    ],
)
def test_headers_of_an_mcp_server_over_http_draw_a_warning(url: str, is_noticed: bool) -> None:
    servers = [{"name": "crm", "url": url, "headers": {"authorization": "Bearer s3cret-token"}}]
    run = TaskRunInput.model_validate({"input": "q", "processor": "core", "mcp_servers": servers})
    found = limits.check(run)
    assert [("'crm'" in text and "http://" in text) for _, text in found] == [True] * is_noticed
    assert "s3cret" not in str(found)
    servers[0].pop("headers")
    run = TaskRunInput.model_validate({"input": "q", "processor": "core", "mcp_servers": servers})
    assert limits.check(run) == []
