"""A request that is not what the API documents gets a documented answer, starts nothing and costs nothing.

Rule: every call of the API is here; valid bodies are changed at every level.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_parallel.simulator import ManualClock, RunningServer, Simulator
from langchain_parallel.simulator.endpoints import CALLS, Call
from langchain_parallel.simulator.json_bodies import MAX_DEPTH

from .helpers import CHAT, GROUPS, KEY, RUNS, add_runs, create, http_to, manual, new_group

MEMORY = "/v1beta/memory"
LISTED = {
    call.path
    for call in CALLS
    if "memory" in call.path or ("groups" in call.path and not call.path.endswith("{run_id}"))
} | {CHAT}
"""Calls whose 422 is documented as a list."""

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "rows": {"type": "array", "items": {"$ref": "#/$defs/row"}},
        "kind": {"enum": ["a", "b"]},
        "maybe": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
    },
    "required": ["name"],
    "$defs": {"row": {"type": "object", "properties": {"n": {"type": "number"}}}},
}
RUN: dict[str, Any] = {
    "input": {"country": "Nowhere"},
    "processor": "pro",
    "task_spec": {
        "output_schema": {"type": "json", "json_schema": SCHEMA},
        "input_schema": {"type": "text", "description": "a country"},
    },
    "metadata": {"k": "v", "n": 1, "b": True},
    "source_policy": {"include_domains": ["a.example"], "after_date": "2025-06-15"},
    "advanced_settings": {"location": "us", "data_sources": {"free": ["pubmed"]}},
    "mcp_servers": [
        {"type": "url", "url": "https://m.example", "name": "n", "headers": {"A": "b"}}
    ],
    "webhook": {"url": "https://hook.example", "event_types": ["task_run.status"]},
    "enable_events": True,
    "memory_scope_key": "scope",
    "previous_interaction_id": None,
}
WEB: dict[str, Any] = {
    "objective": "Which trains are the fastest?",
    "search_queries": ["fast trains", "record"],
    "max_chars_total": 5000,
    "session_id": "session",
    "client_model": "a-model",
}
FETCH = {"max_age_seconds": 600, "timeout_seconds": 1.5, "disable_cache_fallback": True}
BODIES: dict[str, Any] = {
    "/v1/tasks/runs": RUN,
    "/v1/tasks/groups": {"metadata": {"k": "v"}},
    "/v1/tasks/groups/{taskgroup_id}/runs": {
        "default_task_spec": {"output_schema": "a line"},
        "inputs": [RUN, {"input": "q", "processor": "lite"}],
    },
    "/v1/search": {
        **WEB,
        "mode": "fast",
        "advanced_settings": {
            "source_policy": {"include_domains": ["a.example"], "after_date": "2025-06-15"},
            "fetch_policy": FETCH,
            "excerpt_settings": {"max_chars_per_result": 500},
            "location": "us",
            "max_results": 12,
        },
    },
    "/v1/extract": {
        **WEB,
        "urls": ["https://a.example", "https://b.invalid"],
        "advanced_settings": {
            "fetch_policy": FETCH,
            "excerpt_settings": {"max_chars_per_result": 500},
            "full_content": {"max_chars_per_result": 500},
        },
    },
    f"{MEMORY}/retrieve": {
        "query": "boats",
        "limit": 3,
        "kind": "task",
        "since": "2026-07-15T17:30:00Z",
        "memory_scope_key": "scope",
    },
    f"{MEMORY}/evict": {"kind": "task", "id": "trun_1", "memory_scope_key": "scope"},
    f"{MEMORY}/clear": {"memory_scope_key": "scope"},
    CHAT: {
        "model": "base",
        "messages": [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": "who", "name": "n"},
        ],
        "stream": False,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "s", "description": "d", "schema": SCHEMA, "strict": True},
        },
        "previous_interaction_id": None,
        "temperature": 0.5,
        "tools": [{"type": "function"}],
    },
}
ODD: list[Any] = [
    *(None, True, False, 0, -1, 1.5, 10**30, "", " ", "x", "\ud800", "\x00", "é" * 300, [], {}),
    *([None], {"": None}, [[]], {"type": 5}, {"$ref": "#"}, ["x"] * 1001),
]


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value inside a value."""
    yield at
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, part in inner:
        yield from places(part, (*at, key))


def with_change(body: Any, at: tuple[Any, ...], change: Any) -> Any:
    """A copy of a body with another value there, or without it (`...`)."""
    if not at:
        return None if change is ... else change
    body = copy.deepcopy(body)
    parent = body
    for step in at[:-1]:
        parent = parent[step]
    if change is ...:
        del parent[at[-1]]
    else:
        parent[at[-1]] = change
    return body


def check_refusal(call: Call, answer: httpx.Response, status: int = 422) -> None:
    assert answer.status_code == status, answer.text[:500]
    body = json.loads(answer.content.decode())
    if status == 422 and call.path in LISTED:
        assert list(body) == ["detail"]
        problems = body["detail"]
    else:
        assert body["type"] == "error"
        assert body["error"]["ref_id"]
        assert body["error"]["message"]
        problems = body["error"]["detail"]["errors"] if status == 422 else []
    assert problems or status != 422
    for problem in problems:
        assert set(problem) == {"loc", "msg", "type"}
        assert problem["msg"]
        assert all(isinstance(step, (str, int)) for step in problem["loc"])


def is_sound(simulator: Simulator, http: httpx.Client, call: Call, answer: httpx.Response) -> bool:
    """Check the answer to a POST: a refusal that started nothing, or what can be read to its end."""
    if answer.status_code >= 300:
        check_refusal(call, answer)
        assert simulator.runs() == []
        assert simulator.billing.reserved_usd == simulator.billing.total_usd == 0
        return False
    manual(simulator).advance(100_000)
    for run in simulator.runs():
        url = f"{RUNS}/{run['run_id']}"
        for tail in ("", "/input", "/result", "/events"):
            assert http.get(url + tail).status_code == 200
    assert all(delivery.json for delivery in simulator.due_webhooks())
    return True


POSTS = [call for call in CALLS if call.body is not None]


@pytest.fixture
def group(simulator_http: httpx.Client) -> str:
    return new_group(simulator_http)


def address(call: Call, **ids: str) -> str:
    given = {"taskgroup_id": "tgrp_x", "run_id": "trun_x", **ids}
    return call.path.format(**{name: quote(value, safe="") for name, value in given.items()})


def test_every_call_that_takes_a_body_has_a_valid_one() -> None:
    assert {call.path for call in POSTS} == set(BODIES)
    simulator = Simulator(ManualClock())
    with http_to(simulator, timeout=None) as http:
        group = new_group(http)
        for call in POSTS:
            answer = http.post(address(call, taskgroup_id=group), json=BODIES[call.path])
            assert answer.status_code in (200, 202, 204), answer.text
            assert is_sound(simulator, http, call, answer)


@given(st.data())
def test_any_value_anywhere_in_a_body_is_refused_or_answered_to_the_end(
    data: st.DataObject,
) -> None:
    call = data.draw(st.sampled_from(POSTS))
    body = BODIES[call.path]
    for _ in range(data.draw(st.integers(1, 2))):
        at = data.draw(st.sampled_from(list(places(body))))
        body = with_change(body, at, data.draw(st.sampled_from([*ODD, ...])))
    simulator = Simulator(ManualClock())
    with http_to(simulator, timeout=None) as http:
        url = address(call, taskgroup_id=new_group(http))
        content = json.dumps(body).encode()
        answer = http.post(url, content=content, headers={"content-type": "application/json"})
        is_sound(simulator, http, call, answer)


@pytest.mark.parametrize("odd", ["\ud800", "\x00", "\u202e", "\U0001f600"])
def test_an_odd_character_is_a_question_like_any_other(odd: str) -> None:
    simulator = Simulator(ManualClock())
    with http_to(simulator) as http:
        content = json.dumps({"input": odd, "processor": "lite", "metadata": {odd: odd}}).encode()
        headers = {"content-type": "application/json"}
        assert is_sound(
            simulator, http, POSTS[0], http.post(RUNS, content=content, headers=headers)
        )


WRONG: list[tuple[str, Any]] = [
    ("", ...), ("", None), ("", []), ("", "x"), ("", 5), ("", [RUN]),
    *((name, 5) for name in RUN if name != "previous_interaction_id"),
    *((name, [5]) for name in RUN),
    ("input", ...), ("processor", ...), ("processor", None), ("input", None),
    ("metadata.k", None), ("metadata.k", {}), ("source_policy.include_domains", "a.example"),
    ("source_policy.include_domains.0", 5), ("source_policy.after_date", "2025-13-01"),
    ("source_policy.after_date", "20250615"), ("task_spec.output_schema", ...),
    ("task_spec.output_schema", None), ("task_spec.output_schema.type", "xml"),
    ("task_spec.output_schema.json_schema", ...), ("task_spec.output_schema.json_schema", "x"),
    ("task_spec.output_schema.json_schema.properties", []),
    ("task_spec.output_schema.json_schema.properties.name", 5),
    ("task_spec.input_schema", 5), ("task_spec.input_schema.type", "auto"),
    ("mcp_servers", {}), ("mcp_servers.0", "n"), ("mcp_servers.0.url", ...),
    ("mcp_servers.0.name", 5), ("mcp_servers.0.type", "stdio"), ("mcp_servers.0.headers", "A: b"),
    ("mcp_servers.0.headers.A", 5), ("mcp_servers.0.allowed_tools", "read"),
    ("webhook", "https://hook.example"), ("webhook.url", ...), ("webhook.url", 5),
    ("webhook.event_types", "task_run.status"), ("webhook.event_types.0", "task_run.started"),
    ("advanced_settings.location", 5), ("advanced_settings.data_sources", ["pubmed"]),
    ("advanced_settings.data_sources.free", "pubmed"), ("enable_events", "true"),
    ("previous_interaction_id", "intr_nobody"), ("memory_scope_key", ""),
]  # fmt: skip


@pytest.mark.parametrize(("where", "change"), WRONG)
def test_a_wrong_type_at_each_level_is_422(where: str, change: Any) -> None:
    at = tuple(int(step) if step.isdigit() else step for step in where.split(".") if step)
    simulator = Simulator(ManualClock())
    with http_to(simulator) as http:
        single, batch = POSTS[0], POSTS[2]
        body = with_change(RUN, at, change)
        check_refusal(single, http.post(RUNS, json=body))
        url = f"{GROUPS}/{new_group(http)}/runs"
        answer = http.post(url, json={"inputs": [{"input": "q", "processor": "lite"}, body]})
        check_refusal(batch, answer)
        if body is not None:
            assert {tuple(p["loc"][:3]) for p in answer.json()["detail"]} == {("body", "inputs", 1)}
    assert simulator.runs() == []
    assert simulator.billing.reserved_usd == 0


DEEP = b'{"input": ' * MAX_DEPTH + b"1" + b"}" * MAX_DEPTH
TEXTS = [
    *(b"", b"{", b"}", b"null", b"[1]", b'"x"', b"\xff\xfe", b'{"input": "\xff"}', b"\xef\xbb\xbf{}"),
    *(b"NaN", b'{"input": NaN}', b'{"metadata": {"k": 1e999}}', b'{"metadata": {"k": -Infinity}}'),
    *(b"[" * 100_000, DEEP, b'{"input": {"a":' * 50_000, b"9" * 5000, b"input=q&processor=lite"),
    *("{}".encode("utf-16"), b'{"input": "q", "processor": "lite"} {}', b'{"metadata": ' + b"9" * 5000),
    b'{"input": "' + b"x" * 3_000_000 + b'", "processor": "lite"}',
]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: repr(text[:20]))
def test_a_body_that_is_no_json_object_is_422(
    simulator: Simulator, simulator_http: httpx.Client, group: str, text: bytes
) -> None:
    for call in POSTS:
        url = address(call, taskgroup_id=group)
        headers = {"content-type": "application/json"}
        answer = simulator_http.post(url, content=text, headers=headers)
        assert call.body is not None
        needs_fields = any(field.is_required() for field in call.body.model_fields.values())
        if len(text) < 1_000_000 or needs_fields:
            check_refusal(call, answer)
    assert simulator.runs() == []


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "json", "a/b/c", ";"]
)
def test_another_content_type_is_422(
    simulator: Simulator, simulator_http: httpx.Client, group: str, kind: str
) -> None:
    for call in POSTS:
        url, content = address(call, taskgroup_id=group), json.dumps(BODIES[call.path])
        answer = simulator_http.post(url, content=content, headers={"content-type": kind})
        if kind == ";":  # none at all
            assert answer.status_code in (200, 202, 204)
            continue
        check_refusal(call, answer)
        assert simulator.runs() == []


ODD_IDS = [
    "x",
    "trun-1",
    "ä",
    "%",
    "%2f",
    "a b",
    "'",
    "\x00",
    "[",
    "{}",
    "\n",
    "x" * 3000,
    "0",
]


@pytest.mark.parametrize("odd", ODD_IDS)
def test_an_odd_id_is_404(simulator_http: httpx.Client, group: str, odd: str) -> None:
    run_id = create(simulator_http)["run_id"]
    for call in CALLS:
        if "{" not in call.path:
            continue
        ids = {"taskgroup_id": group, "run_id": run_id}
        for name in [n for n in ids if f"{{{n}}}" in call.path]:
            url = address(call, **{**ids, name: odd})
            body = BODIES.get(call.path)
            answer = simulator_http.request(call.method, url, json=body)
            check_refusal(call, answer, 404)


@pytest.mark.parametrize(
    ("path", "query"),
    [
        *((f"{RUNS}/{{run}}/result", f"timeout={v}") for v in ("", "x", "1.5", "nan", "1e400", "9" * 5000)),
        *(("{group}/events", f"timeout={v}") for v in ("", "x", "nan", "inf", "1e400")),
        *(("{group}/events", f"last_event_id={v}") for v in ("x", "-1", "99", "%00", "²", "٣")),
        *(("{group}/runs", f"last_event_id={v}") for v in ("x", "-1", "99", "0", "²")),
        *(("{group}/runs", f"status={v}") for v in ("", "done", "%ff")),
        *(("{group}/runs", f"include_{v}") for v in ("input=", "input=maybe", "output=2")),
    ],
)  # fmt: skip
def test_an_odd_query_is_422(
    simulator_http: httpx.Client, group: str, path: str, query: str
) -> None:
    [run_id] = add_runs(simulator_http, group, "q")["run_ids"]
    url = path.format(run=run_id, group=f"{GROUPS}/{group}")
    [call] = [
        c for c in CALLS if c.method == "GET" and c.pattern.fullmatch(url) and "beta" not in c.path
    ]
    check_refusal(call, simulator_http.get(f"{url}?{query}"))


@pytest.mark.parametrize("query", ["timeout=-5", "timeout=0", "unknown=1", "timeout=1&timeout=0"])
def test_a_short_wait_is_408(simulator_http: httpx.Client, query: str) -> None:
    run_id = create(simulator_http)["run_id"]
    status = 200 if "unknown" in query else 408
    assert simulator_http.get(f"{RUNS}/{run_id}/result?{query}").status_code == status


def test_a_wait_of_any_length_ends_with_the_run(simulator_http: httpx.Client) -> None:
    run_id = create(simulator_http)["run_id"]
    assert simulator_http.get(f"{RUNS}/{run_id}/result?timeout={'9' * 400}").status_code == 200


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"])
def test_another_method_is_405(simulator_http: httpx.Client, method: str) -> None:
    for call in CALLS:
        check_refusal(call, simulator_http.request(method, address(call)), 405)


def test_no_malformed_request_ends_the_connection(simulator_server: RunningServer) -> None:
    targets = [
        "//[",
        "/v1/tasks/runs/%ff",
        "/v1/tasks/runs?%",
        "*",
        "/v1/tasks/runs/x/result?timeout=",
    ]
    with httpx.Client(base_url=simulator_server.url, headers=KEY) as http:
        for text in TEXTS:
            headers = {"content-type": "application/json"}
            check_refusal(POSTS[0], http.post(RUNS, content=text, headers=headers))
        for target in targets:
            request = http.build_request("GET", "/")
            request.extensions = {**request.extensions, "target": target.encode()}
            assert http.send(request).status_code in (404, 405, 422)
        ports = set()
        bodies: list[Any] = [5, [], None, {"processor": 5}, {"input": "q", "processor": "lite"}]
        for body in bodies:
            with http.stream("POST", RUNS, json=body) as answer:
                answer.read()
                ports.add(answer.extensions["network_stream"].get_extra_info("client_addr"))
    assert len(ports) == 1
    assert len(simulator_server.simulator.runs()) == 1
