"""What stands in the log: ids, prices and times; of a webhook that was rejected, how to mend that."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

import pytest

from langchain_parallel import _telemetry
from langchain_parallel._telemetry import TelemetryEvent, tell
from langchain_parallel.models import McpServer, TaskRunInput
from langchain_parallel.observability import log_questions
from langchain_parallel.simulator import ManualClock, Simulator
from langchain_parallel.testing import simulated_client
from langchain_parallel.webhooks import QueueOptions

from ..webhooks.deliveries import body_of, delivery, headers
from ..webhooks.test_endpoint import PATH, Hooked

QUESTION = "Who bought the company in confidence?"
TOKEN = "token-of-a-server-4711"


def research(**fields: Any) -> None:
    client = simulated_client(Simulator(ManualClock()))
    ledger = client.create_group().taskgroup_id
    request = TaskRunInput(input=QUESTION, processor="core", **fields)
    client.wait(client.submit(ledger, request).run.run_id)


def ours(info: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in info.records if record.name == "langchain_parallel"]


def test_records_have_a_sentence_and_fields(info: pytest.LogCaptureFixture) -> None:
    research(metadata={"thread_id": "bikes"})
    first, last = (vars(record) for record in ours(info))
    assert first["levelno"] == logging.INFO
    assert first["parallel_event"] == "submitted"
    assert first["parallel_thread_id"] == last["parallel_thread_id"] == "bikes"
    assert last["parallel_cost_usd"] == 0.025
    assert f"Run {first['parallel_run_id']} was submitted (" in ours(info)[0].getMessage()


def test_no_log_shows_a_question_or_a_secret(info: pytest.LogCaptureFixture) -> None:
    server = McpServer(url="https://m.example", name="m", headers={"X-Token": TOKEN})
    research(mcp_servers=[server])
    shown = str([vars(record) for record in info.records])
    assert QUESTION not in shown
    assert TOKEN not in shown


def test_a_question_is_shown_where_that_is_asked_for(info: pytest.LogCaptureFixture) -> None:
    log_questions()
    research()
    assert QUESTION in ours(info)[0].getMessage()
    log_questions(False)
    _telemetry.LISTENING.told.clear()
    research()
    assert QUESTION not in str([vars(record) for record in ours(info)[2:]])


def test_a_value_cannot_begin_a_line_of_its_own(info: pytest.LogCaptureFixture) -> None:
    tell(TelemetryEvent("asked", {"thread_id": "a\nERROR \x1b[31mforged", "kind": "x" * 5_000}))
    [record] = ours(info)
    assert record.getMessage().isprintable()
    assert len(record.getMessage()) < 1_000


def test_a_listener_that_fails_costs_no_run(info: pytest.LogCaptureFixture) -> None:
    def fail(event: TelemetryEvent) -> None:
        raise ZeroDivisionError

    _telemetry.LISTENING.listeners = (fail,)
    research()
    said = [record.getMessage() for record in ours(info)]
    assert said[1::2] == [
        "The event submitted could not be measured: ZeroDivisionError",
        "The event completed could not be measured: ZeroDivisionError",
    ]


def test_where_nobody_listens_nothing_is_remembered(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "langchain_parallel")
    research()
    assert not _telemetry.LISTENING.told
    assert not ours(caplog)


def test_only_so_many_runs_are_remembered() -> None:
    _telemetry.LISTENING.listeners = (lambda event: None,)
    for number in range(100_050):
        tell(TelemetryEvent("submitted", {}, once=str(number)))
    assert len(_telemetry.LISTENING.told) == 100_000
    assert "100049" in _telemetry.LISTENING.told


def rejected(kind: str) -> tuple[bytes, dict[str, str]]:
    body = body_of("trun_1")
    if kind == "signature":
        return body, headers(body, b"another-secret-of-32-bytes-or-so.", timestamp=int(time.time()))
    if kind == "timestamp":
        return body, headers(body, timestamp=1_000_000_000)
    return body, {}


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("signature", "Webhook: signature (status 401). The signature is by none of the secrets."),
        ("timestamp", "Webhook: timestamp (status 401). The timestamp is too far from now: "),
        ("malformed", "Webhook: malformed (status 400). "),
    ],
)
def test_a_rejected_webhook_is_one_line_that_says_how_to_mend_it(
    kind: str, said: str, info: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        body, sent = rejected(kind)
        async with Hooked().http() as http:
            for _ in range(3):
                await http.post(PATH, content=body, headers=sent)

    asyncio.run(main())
    [record] = ours(info)
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith(said)
    assert " To mend it: " in record.getMessage()


async def test_a_full_queue_is_said(info: pytest.LogCaptureFixture) -> None:
    hooked = Hooked(queue=QueueOptions(size=1, concurrency=1))
    async with hooked.http() as http:
        sent = []
        for number in range(3):
            body, signed = delivery(f"trun_{number}", f"whevent_{number}")
            sent.append(http.post(PATH, content=body, headers=signed))
        statuses = [each.status_code for each in await asyncio.gather(*sent)]
    assert statuses == [202, 202, 503]
    [warned] = [record for record in ours(info) if record.levelno == logging.WARNING][:1]
    assert warned.getMessage().startswith("Webhook: full (status 503, run_id trun_2). To mend it: ")
