from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_parallel._core import operations
from langchain_parallel._core.effects import NoResponse, Outcome, Response, Sleep
from langchain_parallel._core.retry import RetryDecision, RetryPolicy, classify, retry_after
from langchain_parallel.client.client_settings import seconds
from langchain_parallel.errors import InvalidRequest

from .helpers import FREE, PAID, Script, answer

DATE = "Fri, 01 Aug 2025 10:00:00 GMT"
A_MINUTE_ON = "Fri, 01 Aug 2025 10:01:00 GMT"

TABLE: list[tuple[Outcome, RetryDecision, RetryDecision]] = [
    # outcome, costs nothing, can cost money
    (NoResponse(sent=False), RetryDecision.SEND_AGAIN, RetryDecision.SEND_AGAIN),
    (Response(429), RetryDecision.SEND_AGAIN, RetryDecision.SEND_AGAIN),
    *(
        (Response(code), RetryDecision.SEND_AGAIN, RetryDecision.UNKNOWN)
        for code in (408, 409, 425, 500, 502, 503, 504)
    ),
    (Response(599), RetryDecision.SEND_AGAIN, RetryDecision.UNKNOWN),
    (NoResponse(sent=True), RetryDecision.SEND_AGAIN, RetryDecision.UNKNOWN),
    (NoResponse(sent=False, advice="Mend it."), RetryDecision.REFUSED, RetryDecision.REFUSED),
    (NoResponse(sent=True, advice="Mend it."), RetryDecision.REFUSED, RetryDecision.UNKNOWN),
    (NoResponse(sent=True, malformed=True), RetryDecision.SEND_AGAIN, RetryDecision.UNKNOWN),
    (NoResponse(sent=True, limit=1), RetryDecision.REFUSED, RetryDecision.UNKNOWN),
    *((Response(code), RetryDecision.DONE, RetryDecision.DONE) for code in (200, 202, 204, 299)),
    *(
        (Response(code), RetryDecision.REFUSED, RetryDecision.REFUSED)
        for code in (300, 301, 307, 400, 401, 402, 403, 404, 410, 418, 422, 451)
    ),
]


@pytest.mark.parametrize(("outcome", "free", "paid"), TABLE, ids=str)
def test_the_table_says_what_may_be_sent_again(
    outcome: Outcome, free: RetryDecision, paid: RetryDecision
) -> None:
    assert classify(FREE, outcome) is free
    assert classify(PAID, outcome) is paid


@pytest.mark.parametrize(("outcome", "free", "paid"), TABLE, ids=str)
@pytest.mark.parametrize("resend_lost", [False, True])
def test_where_only_an_answer_costs_money_a_refusal_is_repeated_and_a_lost_answer_if_asked(
    outcome: Outcome, free: RetryDecision, paid: RetryDecision, resend_lost: bool
) -> None:
    request = replace(PAID, refusals_are_free=True, resend_lost=resend_lost)
    if isinstance(outcome, Response) or (resend_lost and not (outcome.limit or outcome.advice)):
        assert classify(request, outcome) is free
    else:
        assert classify(request, outcome) is paid


@pytest.mark.parametrize(
    "outcome", [row[0] for row in TABLE if row[2] is RetryDecision.UNKNOWN], ids=str
)
def test_a_paid_request_of_unknown_outcome_is_sent_once(outcome: Outcome) -> None:
    script = Script(outcome)
    assert script.run(operations.exchange(PAID, RetryPolicy())) == outcome
    assert len(script.sent) == 1


@pytest.mark.parametrize("outcome", [NoResponse(sent=False), Response(429)], ids=str)
def test_a_paid_request_that_started_nothing_is_sent_again(outcome: Outcome) -> None:
    script = Script(outcome, outcome, Response(202))
    assert script.run(operations.exchange(PAID, RetryPolicy())) == Response(202)
    assert len(script.sent) == 3


def test_attempts_are_used_up_and_the_last_outcome_is_handed_back() -> None:
    script = Script(*(Response(503) for _ in range(5)))
    assert script.run(operations.exchange(FREE, RetryPolicy(max_attempts=5))) == Response(503)
    assert len(script.sent) == 5
    assert len(script.sleeps) == 4


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 2.5 "}, 2.5),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": A_MINUTE_ON, "date": DATE}, 60.0),
        ({"retry-after": DATE, "date": A_MINUTE_ON}, 0.0),
        ({"retry-after": A_MINUTE_ON}, None),
        ({"retry-after": A_MINUTE_ON, "date": "yesterday"}, None),
        ({"retry-after": "Fri, 01 Aug 2025 10:00:00", "date": DATE}, 0.0),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "²"}, None),
        ({"retry-after": "1e3"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "5, 5"}, None),
        ({"retry-after": ""}, None),
        ({}, None),
    ],
    ids=str,
)
def test_the_pause_the_server_asks_for(headers: dict[str, str], seconds: float | None) -> None:
    if headers.get("retry-after", "").endswith("10:00:00"):  # without a zone it compares with none
        assert retry_after(Response(429, headers)) in (None, 0.0)
    else:
        assert retry_after(Response(429, headers)) == seconds


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_header_breaks_the_reading_of_the_pause(value: str, date: str) -> None:
    asked = retry_after(Response(429, {"retry-after": value, "date": date}))
    assert asked is None or asked >= 0


def test_a_lost_answer_asks_for_no_pause() -> None:
    assert retry_after(NoResponse(sent=True)) is None


@given(st.integers(1, 200), st.floats(0, 100))
def test_chance_never_cuts_short_what_the_server_asks_for(attempt: int, asked: float) -> None:
    pause = RetryPolicy(max_attempts=1000).delay_before_resend(
        attempt, answer(429, retry_after=f"{asked:.3f}")
    )
    assert pause is not None
    assert pause.seconds >= float(f"{asked:.3f}")
    assert pause.jitter >= 0


def test_pauses_double_up_to_the_longest() -> None:
    policy = RetryPolicy(max_attempts=10_000, initial_delay=1.0, max_delay=8.0)
    longest = [p.seconds + p.jitter for p in map(policy.jittered_delay, (1, 2, 3, 4, 5, 9_999))]
    assert longest == [1.0, 2.0, 4.0, 8.0, 8.0, 8.0]
    assert policy.jittered_delay(1) == Sleep(0.5, jitter=0.5)
    assert RetryPolicy().delay_before_resend(1, Response(503)) == Sleep(0.25, jitter=0.25)


def test_half_of_a_pause_is_random_and_within_its_bounds() -> None:
    """Clients that failed together must not come back together."""
    waited = [seconds(RetryPolicy(initial_delay=4.0).jittered_delay(1)) for _ in range(50)]
    assert all(2.0 <= one <= 4.0 for one in waited)
    assert len(set(waited)) > 40
    assert min(waited) < 3.0 < max(waited)


def test_a_lost_request_is_looked_for_longer_than_a_server_may_work_on_it_and_list_it_late() -> (
    None
):
    assert RetryPolicy().settle_seconds == 60 + 15
    assert RetryPolicy().max_retry_after == 120
    assert RetryPolicy().max_attempts == 5
    assert RetryPolicy().backoff.delay(99) == 30


def test_one_attempt_and_no_pause_at_all_are_a_policy() -> None:
    policy = RetryPolicy(1, 0, 0, 0, 0)
    assert policy.delay_before_resend(1, Response(503)) is None
    assert policy.backoff.delay(7) == 0


def test_a_server_that_asks_for_too_long_a_pause_is_not_waited_for() -> None:
    policy = RetryPolicy(max_retry_after=60)
    assert policy.delay_before_resend(1, answer(429, retry_after="60")) is not None
    assert policy.delay_before_resend(1, answer(429, retry_after="61")) is None
    assert policy.delay_before_resend(1, answer(429, retry_after="9" * 400)) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_attempts": 0},
        {"initial_delay": -1},
        {"settle_seconds": float("inf")},
        {"max_delay": float("nan")},
        {"max_retry_after": "a minute"},
    ],
)
def test_a_policy_that_cannot_work_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match="is no retry policy"):
        RetryPolicy(**wrong)
