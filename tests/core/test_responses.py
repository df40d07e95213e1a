from __future__ import annotations

import json
from typing import Any

import pytest

from langchain_parallel import errors
from langchain_parallel._core import responses, wire
from langchain_parallel._core.effects import NoResponse, Request
from langchain_parallel._core.redaction import redact, secrets_of
from langchain_parallel.models import McpServer, TaskRun, TaskRunInput, Webhook

from .helpers import FREE, PAID, answer

STATUS = [
    (
        301,
        errors.UnexpectedStatus,
        "status that the API does not document",
        "Check `base_url`",
        False,
    ),
    (
        400,
        errors.UnexpectedStatus,
        "status that the API does not document",
        "Check `base_url`",
        False,
    ),
    (401, errors.AuthenticationFailed, "API key was not accepted", "Check PARALLEL_API_KEY", False),
    (402, errors.CreditExhausted, "has not enough credit", "Add credit or wait", False),
    (403, errors.Forbidden, "may not use this processor", "Choose another processor", False),
    (404, errors.NotFound, "nothing under this id", "Check the id", False),
    (408, errors.RequestTimedOut, "gave up waiting", "list_runs` shows them", None),
    (409, errors.UnexpectedStatus, "does not document", "list_runs` shows them", None),
    (418, errors.UnexpectedStatus, "does not document", "up to date", False),
    (422, errors.Unprocessable, "found the request invalid", "nothing was started", False),
    (429, errors.RateLimited, "Too many requests", "nothing was started", False),
    (500, errors.ServerFault, "The server failed", "do not repeat it blindly", None),
    (503, errors.ServerFault, "The server failed", "do not repeat it blindly", None),
    (599, errors.ServerFault, "The server failed", "do not repeat it blindly", None),
]


@pytest.mark.parametrize(("status", "kind", "happened", "todo", "billed"), STATUS)
def test_each_status_has_its_class_what_happened_and_what_to_do(
    status: int, kind: type[errors.ApiError], happened: str, todo: str, billed: bool | None
) -> None:
    body = {"type": "error", "error": {"ref_id": "ref-1", "message": "It said so.", "detail": None}}
    error = responses.failure(PAID, answer(status, json.dumps(body)))
    assert type(error) is kind
    assert isinstance(error, errors.ApiError)
    assert happened in error.message
    assert todo in error.hint
    assert f"HTTP {status} on POST {PAID.path}" in error.message
    assert error.message.endswith("the server says: “It said so”; ref_id ref-1.")
    assert (error.status, error.ref_id, error.server_message) == (status, "ref-1", "It said so.")
    assert error.billed is billed
    asked_after = responses.failure(FREE, answer(status))
    assert (
        asked_after.billed is None
    )  # an earlier request may have started what this one asks after
    assert "nothing was started" not in asked_after.hint
    assert responses.failure(wire.create_group({}), answer(status)).billed is False


def test_the_error_of_a_run_names_it() -> None:
    error = responses.failure(FREE, answer(503), run_id="trun_9")
    assert str(error).endswith("[run_id=trun_9]")
    assert error.billed is None


FIELDS = [
    ({"errors": [{"loc": ["body", "input"], "msg": "field required", "type": "x"}]}, "body.input"),
    ({"fields": [{"field": "input", "msg": "field required"}]}, "input"),
    ([{"loc": ["body", "input"], "msg": "field required", "input": "s3cret"}], "body.input"),
]


@pytest.mark.parametrize(("detail", "where"), FIELDS)
@pytest.mark.parametrize("shape", ["enveloped", "bare"])
def test_a_422_names_the_fields_in_every_documented_shape(
    detail: Any, where: str, shape: str
) -> None:
    inner = {"message": "bad", "detail": detail}
    body = {"type": "error", "error": inner} if shape == "enveloped" else {"detail": detail}
    error = responses.failure(PAID, answer(422, json.dumps(body)))
    assert isinstance(error, errors.Unprocessable)
    assert error.fields == (f"{where}: field required",)
    assert f"fields: “{where}: field required”" in error.message
    assert "s3cret" not in str(error)


def test_a_422_whose_detail_is_an_object_names_its_keys() -> None:
    body = {"error": {"message": "bad", "detail": {"processor": "no such thing"}}}
    error = responses.failure(PAID, answer(422, json.dumps(body)))
    assert isinstance(error, errors.Unprocessable)
    assert error.fields == ("processor",)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("<html>\n  <b>Bad   gateway</b>", "the server says: “<html> <b>Bad gateway</b>”"),
        ('{"detail": "Not allowed"}', "the server says: “Not allowed”"),
        ('{"error": "plain"}', "the server says: “plain”"),
        ('{"error": {"message": {"a": 1}, "ref_id": 7}}', "the server says: “{'a': 1}”; ref_id 7"),
        ("[" * 100_000, "the server says: “[[["),
        ("[]", None),
        ("", None),
        ("null", None),
    ],
)
def test_no_body_breaks_an_error(body: str, said: str | None) -> None:
    error = responses.failure(FREE, answer(502, body))
    assert type(error) is errors.ServerFault
    assert (said or "HTTP 502") in error.message
    assert said is not None or "says" not in error.message
    assert "\n" not in error.message


def test_a_rate_limit_says_how_long() -> None:
    error = responses.failure(FREE, answer(429, retry_after="30"))
    assert isinstance(error, errors.RateLimited)
    assert error.retry_after == 30
    assert "it asks to wait 30 s" in error.message


@pytest.mark.parametrize("path", [wire.RUNS, wire.GROUPS])
def test_a_404_without_an_id_is_about_the_address(path: str) -> None:
    error = responses.failure(Request("POST", path, paid=True), answer(404))
    assert str(error).endswith("Check `base_url`.")


@pytest.mark.parametrize(
    ("request_", "outcome", "kind", "text", "billed"),
    [
        (
            PAID,
            NoResponse(True, "ReadError"),
            errors.ResponseLost,
            "No response arrived to POST",
            None,
        ),
        (
            PAID,
            NoResponse(False, "ConnectError"),
            errors.ResponseLost,
            "could not be reached for POST",
            False,
        ),
        (FREE, NoResponse(True), errors.ResponseLost, "No response arrived to GET", None),
        (
            FREE,
            NoResponse(True, "html", malformed=True),
            errors.MalformedResponse,
            "is not what the API",
            None,
        ),
    ],
)
def test_a_lost_answer_says_whether_anything_was_sent(
    request_: Request, outcome: NoResponse, kind: type, text: str, billed: bool | None
) -> None:
    error = responses.failure(request_, outcome)
    assert type(error) is kind
    assert text in error.message
    assert error.billed is billed


@pytest.mark.parametrize(
    "body", ["{", "[]", "null", '{"run_id": 5}', "[" * 10_000, '{"status": "x"}']
)
def test_a_body_of_another_shape_is_broken(body: str) -> None:
    with pytest.raises(errors.MalformedResponse, match="is not a TaskRun") as free:
        responses.decode(TaskRun, FREE, answer(200, body))
    assert free.value.billed is None
    with pytest.raises(errors.MalformedResponse, match="may have been started and billed") as paid:
        responses.decode(TaskRun, PAID, answer(200, body))
    assert paid.value.billed is None


SECRET = TaskRunInput(
    input="x",
    processor="lite",
    mcp_servers=[
        McpServer(
            url="https://me:p4ss@mcp.example/sse?token=q1w2e3r4&user=bob",
            name="m",
            headers={"Authorization": "Bearer tok", "X-Long-Key": "0123456789"},
        )
    ],
    webhook=Webhook(url="https://hooks.example/services/T0/B0"),
)


@pytest.mark.parametrize(
    "secret",
    ["Bearer tok", "tok", "0123456789", "q1w2e3r4", "p4ss", "me:p4ss", "token=q1w2e3r4&user=bob",
     "https://hooks.example/services/T0/B0", "https://me:p4ss@mcp.example/sse?token=q1w2e3r4&user=bob"],
)  # fmt: skip
def test_a_secret_that_a_server_repeats_is_redacted(secret: str) -> None:
    body = {"error": {"message": f"denied for {secret}!", "ref_id": secret, "detail": [
        {"loc": ["mcp_servers", secret], "msg": f"got '{secret}'"}]}}  # fmt: skip
    for request in (wire.create(SECRET), wire.add_runs("tgrp_1", [SECRET])):
        error = responses.failure(request, answer(422, json.dumps(body)))
        assert isinstance(error, errors.Unprocessable)
        shown = f"{error} {error!r} {error.__dict__}"
        assert secret not in shown.replace("token", "")
        assert "denied for …!" in error.server_message


def test_redaction_leaves_other_words_alone() -> None:
    text = "The token tokens of 'tok' took: Bearer"
    assert redact(text, secrets_of([SECRET])) == "The token tokens of '…' took: Bearer"
