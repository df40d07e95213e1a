from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from langchain_parallel import errors
from langchain_parallel._core.effects import (
    Effect,
    EndTurn,
    EnterGate,
    LeaveGate,
    NoResponse,
    OpenStream,
    Request,
    Response,
    StreamEnded,
)
from langchain_parallel._core.ledger import submission as ledger
from langchain_parallel._core.ledger.cache import KnownRun, LedgerCache
from langchain_parallel._core.ledger.keys import METADATA_KEY, ledger_key
from langchain_parallel._core.ledger.lookup import Lookup, PendingSubmission, is_proven
from langchain_parallel._core.retry import RetryPolicy
from langchain_parallel.models import RunInput, Submission, TaskRun, TaskRunEvent, TaskRunInput

from .helpers import Script, answer

ASKED = TaskRunInput(input="Who?", processor="lite")
KEY = ledger_key(ASKED)
TOO_LATE = NoResponse(sent=False, too_late=True)
"""Between the look and the send the process was suspended, or had to wait for a connection."""
POLICY = RetryPolicy(max_attempts=3, initial_delay=1.0, settle_seconds=10.0)
STARTED = answer(200, '{"run_ids": ["trun_1"]}')
RUN = answer(200, json.dumps({"run_id": "trun_1", "interaction_id": "intr_1", "status": "queued"}))


def listing(
    *runs: tuple[str, str, str], key: str = KEY, whole: bool = False, count: int | None = None
) -> tuple[object, ...]:
    """The outcomes of a look that finds these (run id, created at, event id).

    They are the group's count, and its list. `whole`: a list with runs is read on.
    """
    events = [
        {
            "type": "task_run.state",
            "event_id": place,
            "run": {
                "run_id": name,
                "status": "running",
                "created_at": at,
                "metadata": {METADATA_KEY: key},
            },
        }
        for name, at, place in runs
    ]
    data = "".join(f"data: {json.dumps(e)}\n\n" for e in events).encode()
    number = counted(len(runs) if count is None else count)
    return (number, HEAD, data, StreamEnded(), *(END if runs and whole else ()))


def counted(runs: int) -> Response:
    return answer(200, json.dumps({"taskgroup_id": "tgrp_1", "status": {"num_task_runs": runs}}))


def run_of(key: str) -> Response:
    """A run under another id than the ledger's."""
    run = {"run_id": "trun_2", "status": "queued", "metadata": {METADATA_KEY: key}}
    return answer(200, json.dumps(run))


HEAD = answer(200, content_type="text/event-stream")
END = (HEAD, b"", StreamEnded())
NOTHING = listing()
FOUND = listing(("trun_1", "2025-01-01T00:00:00Z", "1"))
SHOWN = listing(("trun_1", "2025-01-01T00:00:00Z", "1"), whole=True)


def pending(
    asked: TaskRunInput = ASKED,
    ledger_id: str = "tgrp_1",
    cache: LedgerCache | None = None,
) -> PendingSubmission:
    key = ledger_key(asked)
    return PendingSubmission(ledger_id, key, asked, POLICY, cache or LedgerCache())


def submit(script: Script, lookup: Lookup = "once", **rest: Any) -> Submission:
    return script.run(ledger.submit(pending(**rest), lookup))


def find(script: Script, **rest: Any) -> Submission | None:
    return script.run(ledger.find(pending(**rest)))


def paid(script: Script) -> int:
    return sum(request.paid for request in script.sent)


def test_it_looks_up_before_it_sends_and_sends_once() -> None:
    script = Script(*NOTHING, STARTED, RUN)
    made = submit(script)
    assert isinstance(script.effects[1], OpenStream)
    assert (made.run.run_id, made.run.interaction_id, made.adopted) == ("trun_1", "intr_1", False)
    assert paid(script) == 1
    [body] = [json.loads(r.body or b"") for r in script.sent if r.paid]
    assert body["inputs"][0]["metadata"] == {METADATA_KEY: KEY}


def test_what_is_there_is_adopted_and_nothing_is_sent() -> None:
    script = Script(*FOUND)
    assert submit(script).adopted
    assert paid(script) == 0


def test_a_run_under_another_key_is_another_run() -> None:
    script = Script(*listing(("trun_0", "2025", "1"), key="other"), STARTED, RUN)
    assert not submit(script).adopted


@pytest.mark.parametrize(
    "unknown", [NoResponse(True), Response(500), Response(408), Response(409)], ids=str
)
def test_after_an_unknown_outcome_it_looks_up_again_and_adopts(unknown: object) -> None:
    script = Script(*NOTHING, unknown, *NOTHING, *NOTHING, *SHOWN)
    assert submit(script).adopted
    assert paid(script) == 1


def test_it_sends_again_only_after_the_settling_time() -> None:
    script = Script(*NOTHING, NoResponse(True), *NOTHING * 5, STARTED, RUN, *SHOWN)
    assert not submit(script).adopted
    first, second = (i for i, e in enumerate(script.effects) if isinstance(e, Request) and e.paid)
    pauses = [s.seconds for s in script.sleeps]
    assert sum(pauses) >= POLICY.settle_seconds
    assert [s for s in script.sleeps if s.jitter] == [POLICY.jittered_delay(1)]
    assert second - first > 5


def test_what_never_left_is_sent_again_without_looking() -> None:
    script = Script(*NOTHING, NoResponse(sent=False), STARTED, RUN)
    assert not submit(script).adopted
    assert paid(script) == 2


def test_what_was_turned_away_is_looked_for_and_sent_again() -> None:
    script = Script(*NOTHING, Response(429), *NOTHING, STARTED, RUN)
    assert not submit(script).adopted
    assert paid(script) == 2


@pytest.mark.parametrize("status", [401, 402, 403, 422, 429])
def test_what_was_turned_away_and_is_there_is_adopted(status: int) -> None:
    script = Script(*NOTHING, Response(status), *SHOWN)
    assert submit(script).adopted
    assert paid(script) == 1


@pytest.mark.parametrize("status", [400, 401, 402, 403, 422])
def test_a_refusal_is_final_and_free(status: int) -> None:
    cache = LedgerCache()
    script = Script(*NOTHING, Response(status), *NOTHING)
    with pytest.raises(errors.ApiError) as caught:
        submit(script, cache=cache)
    assert cache.unsettled == {}
    assert caught.value.billed is False
    assert paid(script) == 1
    assert script.sleeps == []


@pytest.mark.parametrize("status", [400, 401, 402, 403, 422])
def test_a_refusal_after_which_the_ledger_cannot_be_read_claims_nothing(status: int) -> None:
    cache = LedgerCache()
    script = Script(*NOTHING, Response(status), Response(401))
    with pytest.raises(errors.ApiError, match="A send of the same request may have") as caught:
        submit(script, cache=cache)
    assert (caught.value.status, caught.value.billed) == (status, None)
    assert cache.unsettled


@pytest.mark.parametrize(
    "body",
    [
        "{",
        "{}",
        '{"run_ids": []}',
        '{"run_ids": ["a", "b"]}',
        '{"run_ids": ["../a"]}',
        "<html>",
    ],
)
def test_an_acceptance_that_cannot_be_read_is_never_sent_again(body: str) -> None:
    script = Script(*NOTHING, answer(200, body), *NOTHING * 5)
    with pytest.raises(errors.SubmissionUnknown) as caught:
        submit(script)
    assert paid(script) == 1
    assert caught.value.billed is None
    assert (caught.value.ledger_id, caught.value.key) == ("tgrp_1", KEY)
    assert "Submit the same request to the same ledger again, or resume the thread" in str(
        caught.value
    )


def test_unknown_outcomes_end_in_submission_unknown() -> None:
    script = Script(*NOTHING, *(o for _ in range(3) for o in (NoResponse(True), *NOTHING * 5)))
    with pytest.raises(errors.SubmissionUnknown):
        submit(script)
    assert paid(script) == POLICY.max_attempts
    assert script.time >= 3 * POLICY.settle_seconds


def test_a_ledger_that_cannot_be_read_is_asked_until_settled() -> None:
    """If it gave up at once, the next submit could look too early and pay twice."""
    broken = [Response(401)] * 10
    script = Script(*NOTHING, NoResponse(True), *broken)
    with pytest.raises(errors.SubmissionUnknown) as caught:
        submit(script)
    assert script.time >= POLICY.settle_seconds
    assert isinstance(caught.value.__cause__, errors.AuthenticationFailed)


def test_a_lookup_that_fails_sends_nothing() -> None:
    for outcome, kind in (
        (Response(401), errors.AuthenticationFailed),
        (Response(403), errors.Forbidden),
    ):
        script = Script(outcome)
        with pytest.raises(kind):
            submit(script)
        assert paid(script) == 0


def test_a_lookup_answered_with_a_web_page_is_no_empty_ledger() -> None:
    page = (answer(200, content_type="text/html"),)
    script = Script(*NOTHING[:1], *page * POLICY.max_attempts)
    with pytest.raises(
        errors.MalformedResponse, match="text/html instead of an event stream"
    ) as caught:
        submit(script)
    assert paid(script) == 0
    assert caught.value.billed is None  # an earlier caller may have paid for it


@pytest.mark.parametrize(
    "cut",
    [
        (b"data: {", StreamEnded()),
        (b"data: {x\n\n", StreamEnded()),
        (b"", NoResponse(True)),
        (b'data: {"type": "error", "error": {}}\n\n',),
        (b'data: {"type": "task_run.state", "run": 5}\n\n',),
    ],
    ids=str,
)
def test_a_list_that_breaks_off_is_no_empty_ledger(cut: tuple[object, ...]) -> None:
    script = Script(*NOTHING[:2], *cut, *FOUND[1:])
    assert submit(script).adopted
    assert paid(script) == 0


def test_a_missing_ledger_has_an_error_of_its_own() -> None:
    script = Script(answer(404))
    with pytest.raises(errors.LedgerNotFound, match="no ledger \\(task group\\) tgrp_1") as caught:
        submit(script)
    assert "would not know what this session has already paid for" in caught.value.hint
    assert caught.value.billed is False
    script = Script(*NOTHING, answer(404), answer(404))
    with pytest.raises(errors.LedgerNotFound):
        submit(script)


def test_of_several_the_oldest_is_adopted_and_the_others_are_reported() -> None:
    script = Script(
        *listing(
            ("trun_3", "2025-01-01T00:00:01Z", "1"),
            ("trun_2", "2025-01-01T00:00:00.5Z", "2"),
            ("trun_1", "2025-01-01T00:00:00Z", "3"),
        )
    )
    made = submit(script)
    assert (made.run.run_id, made.duplicates) == ("trun_1", ("trun_2", "trun_3"))


def test_where_the_list_has_no_metadata_the_inputs_are_listed() -> None:
    number, head, data, ended = FOUND
    assert isinstance(data, bytes)
    bare = json.loads(data.removeprefix(b"data: "))
    bare["input"] = {"input": "Who?", "metadata": bare["run"].pop("metadata")}
    whole = f"data: {json.dumps(bare)}\n\n".encode()
    script = Script(number, head, whole, ended, head, whole, ended)
    assert submit(script).adopted
    queries = [e.request.query for e in script.effects if isinstance(e, OpenStream)]
    assert [q.get("include_input") for q in queries] == [None, "true"]


OTHER = answer(200, json.dumps({"run_id": "trun_2", "status": "queued"}))
ELSEWHERE = {"run_id": "trun_1", "status": "queued", "metadata": {METADATA_KEY: "another"}}
"""What a session has asked elsewhere."""


@pytest.mark.parametrize(
    "trouble",
    [Response(404), answer(200, "{"), OTHER, answer(200, json.dumps(ELSEWHERE))],
    ids=["not there", "unreadable", "another's", "another request's"],
)
def test_the_ledger_says_which_run_was_started_where_the_answer_leads_nowhere(
    trouble: object,
) -> None:
    cache = LedgerCache()
    ours = listing(("trun_7", "2025", "1"), whole=True)
    script = Script(*NOTHING, STARTED, trouble, *NOTHING, *ours)
    made = submit(script, cache=cache)
    assert (made.run.run_id, made.adopted, made.duplicates) == ("trun_7", False, ())
    assert submit(Script(*listing(("trun_7", "2025", "1"))), cache=cache).run.run_id == "trun_7"


@pytest.mark.parametrize("trouble", [Response(403), answer(200, "{")], ids=str)
def test_a_started_run_that_cannot_be_read_is_handed_back_all_the_same(trouble: object) -> None:
    script = Script(*NOTHING, STARTED, trouble, *NOTHING * 5, trouble)
    made = submit(script)
    assert (made.run.run_id, made.run.interaction_id, made.adopted) == ("trun_1", None, False)
    assert made.run.active


@pytest.mark.parametrize("again", [Response(404), answer(200, json.dumps(ELSEWHERE))], ids=str)
def test_a_run_that_neither_its_id_nor_the_ledger_shows_is_unknown(again: object) -> None:
    script = Script(*NOTHING, STARTED, Response(404), *NOTHING * 5, again)
    with pytest.raises(errors.SubmissionUnknown, match="named run trun_1, which is not there"):
        submit(script)
    assert paid(script) == 1


def test_a_run_that_its_id_shows_late_is_the_one_where_the_ledger_shows_none() -> None:
    late = answer(200, json.dumps({"run_id": "trun_1", "status": "queued", "interaction_id": "i"}))
    cache = LedgerCache()
    made = submit(Script(*NOTHING, STARTED, Response(404), *NOTHING * 5, late), cache=cache)
    assert (made.run.run_id, made.run.interaction_id) == ("trun_1", "i")
    known = cache.started_run("tgrp_1", KEY)
    assert known is not None
    assert known.may_have_duplicate  # the next look says so if the list shows another one


def test_the_ledgers_own_metadata_key_cannot_be_taken() -> None:
    forged = ASKED.model_copy(update={"metadata": {METADATA_KEY: "mine"}})
    with pytest.raises(errors.InvalidRequest, match="'ledger_key' is the ledger's own"):
        submit(Script(), asked=forged)


def test_a_caller_cancelled_after_sending_is_settled_before_the_next_send() -> None:
    """A look right after could come before the run shows up in the list."""
    cache = LedgerCache()
    script = Script(*NOTHING)
    flow = ledger.submit(pending(cache=cache))
    with pytest.raises(IndexError):  # the list of outcomes ends at the paid request
        script.run(flow)
    flow.close()
    assert paid(script) == 1
    again = Script(*NOTHING, *NOTHING, *SHOWN)
    assert submit(again, cache=cache).adopted
    assert paid(again) == 0
    assert cache.unsettled == {}


def test_after_a_second_uncertain_send_the_duplicate_is_reported_and_the_older_adopted() -> None:
    twins = listing(
        ("trun_1", "2025-01-01T00:00:09Z", "2"), ("trun_0", "2025-01-01T00:00:00Z", "1"), whole=True
    )
    script = Script(*NOTHING, NoResponse(True), *NOTHING * 5, STARTED, RUN, *twins)
    made = submit(script)
    assert made.run.run_id == "trun_0"
    assert made.duplicates == ("trun_1",)
    assert made.sent_again


def test_the_lookup_is_skipped_only_on_request() -> None:
    script = Script(STARTED, RUN)
    assert not submit(script, lookup="none").adopted
    assert paid(script) == 1


def submit_to_new(script: Script, made_at: float = 0.0, **rest: Any) -> Submission:
    return script.run(ledger.submit(pending(**rest), was_empty_at=made_at))


def test_a_ledger_made_a_moment_ago_is_not_looked_into() -> None:
    script = Script(STARTED, RUN)
    script.time = POLICY.settle_seconds / 30
    assert not submit_to_new(script).adopted
    [sent] = [request for request in script.sent if request.paid]
    assert sent.leaves_by == pytest.approx(POLICY.settle_seconds / 30)


def test_one_that_was_made_earlier_is() -> None:
    script = Script(*FOUND)
    script.time = POLICY.settle_seconds / 30 + 0.001
    assert submit_to_new(script).adopted
    assert paid(script) == 0


@pytest.mark.parametrize("lookup", ["until_settled", "none"])
def test_another_way_to_look_is_taken_as_it_was_asked_for(lookup: Lookup) -> None:
    script = Script(*(SHOWN if lookup == "until_settled" else (STARTED, RUN)))
    script.run(ledger.submit(pending(), lookup, was_empty_at=0.0))
    [*sent] = [request.leaves_by for request in script.sent if request.paid]
    assert sent == ([] if lookup == "until_settled" else [math.inf])


def test_a_doubt_is_settled_first_in_a_new_ledger_too() -> None:
    cache = LedgerCache()
    flow = ledger.submit(pending(cache=cache), was_empty_at=0.0)
    with pytest.raises(IndexError):  # the list of outcomes ends at the paid request
        Script().run(flow)
    flow.close()
    again = Script(*NOTHING, *SHOWN)
    assert submit_to_new(again, cache=cache).adopted
    assert paid(again) == 0


@pytest.mark.parametrize("is_there", [False, True])
def test_whoever_was_suspended_since_it_made_the_ledger_looks_into_it(is_there: bool) -> None:
    script = Script(TOO_LATE, *(FOUND if is_there else [*NOTHING, STARTED, RUN]))
    assert submit_to_new(script).adopted == is_there
    assert paid(script) == 1 + (not is_there)


def test_what_another_process_has_taken_over_in_a_new_ledger_is_looked_for_until_settled() -> None:
    script = Script(TOO_LATE, *NOTHING, *NOTHING, *SHOWN)
    script.confirms = [False]
    assert submit_to_new(script).adopted


def test_only_who_has_made_a_ledger_and_never_read_it_knows_that_it_is_empty() -> None:
    cache = LedgerCache()
    assert cache.made_at("tgrp_1", "here") is None
    cache.remember_made("tgrp_1", "here", 5.0)
    assert cache.made_at("tgrp_1", "here") == 5.0
    assert cache.made_at("tgrp_1", "a forked child") is None
    assert cache.made_at("tgrp_2", "here") is None
    find(Script(*NOTHING), cache=cache)
    assert cache.made_at("tgrp_1", "here") is None


def test_settling_first_waits_for_a_run_that_shows_up_late() -> None:
    script = Script(*NOTHING, *NOTHING, *NOTHING, *SHOWN)
    assert submit(script, lookup="until_settled").adopted
    assert paid(script) == 0
    script = Script(*NOTHING * 5, STARTED, RUN, *NOTHING)
    assert not submit(script, lookup="until_settled").adopted
    assert script.time >= POLICY.settle_seconds


@pytest.mark.parametrize("status", [400, 402])
def test_a_doubt_stays_where_a_later_send_is_refused(status: int) -> None:
    """That nothing came of the last send does not say what came of the one before."""
    cache = LedgerCache()
    refused = (Response(status), *NOTHING)
    with pytest.raises(errors.ApiError) as caught:
        submit(Script(*NOTHING, NoResponse(True), *NOTHING * 5, *refused), cache=cache)
    assert (caught.value.status, caught.value.billed) == (status, None)
    assert "A send of the same request may have started a run" in caught.value.hint
    again = Script(*SHOWN)
    assert submit(again, cache=cache).adopted
    assert again.sent[0].method == "GET"
    assert cache.unsettled == {}


def test_a_doubt_stays_where_a_later_send_comes_too_late() -> None:
    cache = LedgerCache()
    script = Script(*NOTHING, NoResponse(True), *NOTHING * 5, TOO_LATE)
    with pytest.raises(IndexError):  # the list of outcomes ends where it looks again
        submit(script, cache=cache)
    assert cache.unsettled.keys() == {("tgrp_1", KEY)}


def test_a_doubt_that_could_not_be_settled_stays_for_the_next_lookup() -> None:
    """Only the first one is told that another process may have sent it."""
    cache = LedgerCache()
    with pytest.raises(errors.SubmissionUnknown):
        submit(Script(*[Response(401)] * 20), lookup="until_settled", cache=cache)
    script = Script(*NOTHING * 5, STARTED, RUN, *NOTHING)
    submit(script, cache=cache)
    assert script.time >= POLICY.settle_seconds
    assert not cache.unsettled


@pytest.mark.parametrize("is_there", [False, True])
def test_whoever_was_suspended_before_the_send_looks_again(is_there: bool) -> None:
    script = Script(*NOTHING, TOO_LATE, *(FOUND if is_there else [*NOTHING, STARTED, RUN]))
    cache = LedgerCache()
    assert submit(script, cache=cache).adopted == is_there
    assert paid(script) == 1 + (not is_there)
    assert script.outcomes == []
    assert not cache.unsettled


def test_leave_of_the_quota_is_taken_before_a_send_and_given_back_where_a_look_comes_first() -> (
    None
):
    script = Script(*NOTHING, TOO_LATE, *NOTHING, STARTED, RUN)
    submit(script)
    gates = [effect for effect in script.gates if not isinstance(effect, EndTurn)]
    assert gates == [EnterGate(), EnterGate(), LeaveGate(), EnterGate()]


def test_a_caller_that_knows_itself_alone_sends_without_looking_again() -> None:
    script = Script(*NOTHING, TOO_LATE, STARTED, RUN)
    script.confirms = [True]
    assert not submit(script).adopted


def test_what_another_process_has_taken_over_is_looked_for_until_settled() -> None:
    script = Script(*NOTHING, TOO_LATE, *NOTHING, *NOTHING, *SHOWN)
    script.confirms = [False]
    assert submit(script).adopted
    assert paid(script) == 1
    script = Script(*NOTHING, TOO_LATE, *NOTHING * 5, *NOTHING * 5, STARTED, RUN, *SHOWN)
    script.confirms = [False, False, True]
    submit(script)
    assert script.time >= 100 + 2 * POLICY.settle_seconds


@pytest.mark.parametrize(("rounds", "part"), [(0, 1 / 30), (1, 1 / 15), (3, 4 / 15), (9, 1 / 3)])
def test_leave_to_send_lasts_longer_where_it_takes_long_to_send(rounds: int, part: float) -> None:
    """And never as long as whoever takes over looks for what was sent with it."""
    script = Script(*NOTHING, *[TOO_LATE] * rounds, STARTED, RUN)
    script.confirms = [True] * rounds
    submit(script)
    by = [e.leaves_by for e in script.effects if isinstance(e, Request) and e.paid]
    assert by[-1] == pytest.approx(100.0 * rounds + POLICY.settle_seconds * part)


@pytest.mark.parametrize(("settle_seconds", "looks"), [(10.0, 5), (0.5, 2)])
def test_leave_that_lasts_long_ends_when_another_process_takes_over(
    settle_seconds: float, looks: int
) -> None:
    """Also where it lasts longer than the look for what that process has sent."""
    script = Script(*NOTHING, *[TOO_LATE] * 6, *NOTHING * looks, STARTED, RUN)
    script.confirms = [*[True] * 5, False, True]
    asked = pending()
    asked.policy = replace(POLICY, settle_seconds=settle_seconds)
    script.run(ledger.submit(asked))
    assert not script.confirms


def cursors(script: Script) -> list[str | None]:
    return [
        e.request.query.get("last_event_id") for e in script.effects if isinstance(e, OpenStream)
    ]


def test_a_later_lookup_continues_from_the_last_one() -> None:
    cache = LedgerCache()
    others = listing(("trun_7", "2025", "7"), ("trun_8", "2025", "8"), key="other", whole=True)
    assert find(Script(*others), cache=cache) is None
    script = Script(*FOUND)
    assert submit(script, cache=cache).adopted
    assert cursors(script) == ["8"]


@pytest.mark.parametrize("whole", [False, True])
def test_a_look_that_leaves_runs_out_is_made_anew_and_then_proves_nothing(whole: bool) -> None:
    """The list may end with the oldest run, or after any number of them."""
    cache = LedgerCache()
    others = listing(("trun_7", "2025", "7"), ("trun_8", "2025", "8"), key="other", whole=True)
    assert find(Script(*others), cache=cache) is None
    nothing_new = listing(count=3)
    if whole:
        script = Script(*nothing_new, *SHOWN)
        assert submit(script, cache=cache).adopted
        assert cursors(script) == ["8", None, "1"]
        return
    two = listing(
        ("trun_7", "2025", "7"), ("trun_8", "2025", "8"), key="other", whole=True, count=3
    )
    script = Script(*nothing_new, *two * 6)
    with pytest.raises(errors.SubmissionUnknown, match="its list shows 2 of 3 runs"):
        submit(script, cache=cache)
    assert script.time >= POLICY.settle_seconds
    assert paid(script) == 0


def test_what_this_client_started_is_found_though_the_list_does_not_show_it() -> None:
    cache = LedgerCache()
    assert not submit(Script(*NOTHING, STARTED, RUN), cache=cache).adopted
    assert submit(Script(RUN), cache=cache).adopted


def test_an_own_run_that_is_not_listed_is_reported_beside_the_twin_that_is() -> None:
    cache = LedgerCache()
    run = TaskRun(run_id="trun_2", interaction_id="intr_2", status="queued")
    cache.remember_run("tgrp_1", KEY, KnownRun(run, may_have_duplicate=True))
    found = submit(Script(*SHOWN), cache=cache)
    assert (found.run.run_id, found.duplicates) == ("trun_1", ("trun_2",))
    found_too = find(Script(*SHOWN), cache=cache)
    assert found_too is not None
    assert (found_too.run.run_id, found_too.duplicates) == ("trun_1", ("trun_2",))


@pytest.mark.parametrize(
    ("read", "is_told"),
    [(run_of("theirs"), False), (Response(404), False), (run_of(KEY), True), (Response(403), True)],
    ids=["another's", "none", "ours", "unreadable"],
)
def test_an_own_run_that_was_never_read_is_a_twin_only_if_it_is_ours(
    read: Response, is_told: bool
) -> None:
    cache = LedgerCache()
    named = TaskRun(run_id="trun_2", status="queued")
    cache.remember_run("tgrp_1", KEY, KnownRun(named, may_have_duplicate=True))
    found = submit(Script(*SHOWN, read), cache=cache)
    assert (found.run.run_id, found.duplicates) == ("trun_1", ("trun_2",) if is_told else ())


def test_a_run_that_was_never_read_and_is_anothers_is_looked_for() -> None:
    cache = LedgerCache()
    named = TaskRun(run_id="trun_2", status="queued")
    cache.remember_run("tgrp_1", KEY, KnownRun(named, may_have_duplicate=True))
    found = submit(Script(*NOTHING, run_of("theirs"), *NOTHING, *SHOWN), cache=cache)
    assert (found.run.run_id, found.adopted) == ("trun_1", True)


def test_an_uncertain_list_is_read_from_where_the_session_began() -> None:
    cache = LedgerCache()
    late = listing(("trun_7", "2025", "7"), key="other")
    submit(Script(*late, STARTED, RUN), cache=cache)
    script = Script(*NOTHING, NoResponse(True), *SHOWN)
    asked = ASKED.model_copy(update={"input": "Else?"})
    with pytest.raises(IndexError):
        submit(script, asked=asked, cache=cache)
    assert cursors(script)[:2] == ["7", None]


def test_before_it_sends_it_says_which_runs_the_ledger_has() -> None:
    """Limits count them, those that no list shows yet included."""
    cache = LedgerCache()
    mine = TaskRun(run_id="trun_9", status="queued", metadata={METADATA_KEY: "mine"})
    cache.remember_run("tgrp_1", "mine", KnownRun(mine))
    cache.remember_run("tgrp_2", "mine", KnownRun(mine.model_copy(update={"run_id": "trun_2"})))
    others = listing(("trun_7", "2025", "7"), key="other")
    asked: list[list[str]] = []

    def before_send(runs: Sequence[TaskRun]) -> None:
        asked.append([run.run_id for run in runs])

    script = Script(*others, STARTED, RUN)
    script.run(ledger.submit(pending(cache=cache), "once", before_send))
    assert asked == [["trun_9", "trun_7"]]
    script = Script(*SHOWN)  # what is adopted costs nothing
    script.run(ledger.submit(pending(), "once", before_send))
    assert len(asked) == 1


def test_a_send_that_is_in_flight_is_waited_for() -> None:
    """Its caller was cancelled before the response came."""
    cache = LedgerCache()
    cache.unsettled["tgrp_1", KEY] = math.inf
    script = Script(*NOTHING * 5, STARTED, RUN, *NOTHING)
    assert submit(script, cache=cache).sent_again
    assert script.time == POLICY.settle_seconds


def test_a_run_of_an_id_that_leads_nowhere_leaves_a_doubt() -> None:
    cache = LedgerCache()
    lost = TaskRun(run_id="trun_2", status="queued")
    cache.remember_run("tgrp_1", KEY, KnownRun(lost, may_have_duplicate=True))
    script = Script(*NOTHING, Response(404), *NOTHING * 5)
    with pytest.raises(errors.SubmissionUnknown):
        submit(script, cache=cache)
    assert paid(script) == 0
    assert cache.unsettled.keys() == {("tgrp_1", KEY)}
    assert cache.started_run("tgrp_1", KEY) is None


def test_a_started_run_may_be_unlisted_where_its_twin_never_was() -> None:
    cache = LedgerCache()
    known = TaskRun(run_id="trun_2", status="queued")
    cache.remember_run("tgrp_1", KEY, KnownRun(known, may_have_duplicate=True))
    here = answer(200, json.dumps({"run_id": "trun_2", "status": "running"}))
    found = submit(Script(*NOTHING, here, here), cache=cache)
    assert (found.run.run_id, found.run.status, found.duplicates) == ("trun_2", "running", ())


def test_a_gone_ledger_to_which_nothing_was_sent_is_said_to_be_gone() -> None:
    cache = LedgerCache()
    with pytest.raises(errors.LedgerNotFound):
        submit(Script(Response(404)), cache=cache)
    cache.unsettled["tgrp_1", KEY] = 0.0
    with pytest.raises(errors.SubmissionUnknown):
        submit(Script(*[Response(404)] * 9), cache=cache)


def unlabelled(
    input: object, processor: str = "lite", *, whole: bool = False, **more: Any
) -> tuple[object, ...]:
    """A list of one run without a key, but perhaps with its input; it is read twice."""
    run = {"run_id": "trun_7", "status": "running", "processor": processor}
    event = {"type": "task_run.state", "event_id": "7", "run": run}
    if input is not None:
        event["input"] = {"input": input, "processor": processor, **more}
    data = f"data: {json.dumps(event)}\n\n".encode()
    one = (HEAD, data, StreamEnded(), *(END if whole else ()))
    return (counted(1), *one, *one)


def assert_kept_back(asked: TaskRunInput, input: object, processor: str = "lite") -> None:
    """Such a run may be the one that is asked for, so nothing is sent."""
    looks = (*unlabelled(input, processor), *unlabelled(input, processor, whole=True) * 6)
    with pytest.raises(errors.SubmissionUnknown, match="does not say what run trun_7 was started"):
        submit(Script(*looks), asked=asked)


@pytest.mark.parametrize(
    ("input", "processor", "ours"),
    [
        (None, "lite", True),
        ("Who?", "lite", True),
        ("  Who?\n", "lite", True),
        ("Who?", "", True),
        ("Else?", "lite", False),
        ("Who?", "pro", False),
    ],
)
def test_a_run_without_a_key_may_be_ours_if_it_asks_the_same(
    input: object, processor: str, ours: bool
) -> None:
    asked = ASKED.model_copy(update={"input": "Who?"})
    if ours:
        assert_kept_back(asked, input, processor)
    else:
        script = Script(*unlabelled(input, processor), STARTED, RUN)
        assert not submit(script, asked=asked).adopted


def test_the_fields_of_an_input_count_in_any_order() -> None:
    asked = ASKED.model_copy(update={"input": {"a": 1, "b": 2}})
    assert_kept_back(asked, {"b": 2, "a": 1})


def test_a_run_without_a_key_is_not_ours_if_it_has_other_metadata_or_another_request_started_it() -> (
    None
):
    script = Script(*unlabelled("Who?", metadata={"row": "7"}), STARTED, RUN)
    assert not submit(script).adopted
    cache = LedgerCache()
    cache.remember_run("tgrp_1", "other", KnownRun(TaskRun(run_id="trun_7", status="queued")))
    assert not submit(Script(*unlabelled(None), STARTED, RUN), cache=cache).adopted


def test_a_run_that_bears_another_callers_metadata_is_not_ours() -> None:
    run = {"run_id": "trun_7", "status": "running", "metadata": {"row": "7"}}
    event = {"type": "task_run.state", "event_id": "7", "run": run}
    data = f"data: {json.dumps(event)}\n\n".encode()
    script = Script(counted(1), HEAD, data, StreamEnded(), STARTED, RUN)
    assert not submit(script).adopted


def test_what_is_known_to_be_this_requests_run_is_adopted_without_a_look() -> None:
    cache = LedgerCache()
    cache.remember_run("tgrp_1", KEY, KnownRun(TaskRun(run_id="trun_1", status="queued")))
    script = Script(RUN)
    assert submit(script, cache=cache).adopted
    assert len(script.sent) == 1


def test_to_find_a_run_the_whole_list_is_read() -> None:
    cache = LedgerCache()
    others = listing(("trun_7", "2025", "7"), key="other", whole=True)
    assert find(Script(*others), cache=cache) is None
    script = Script(*SHOWN)
    assert find(script, cache=cache) is not None
    assert cursors(script) == [None, "1"]


def test_a_ledger_that_goes_away_meanwhile_is_said_to_be_gone() -> None:
    script = Script(*listing(count=1) * 2, *[Response(404)] * 9)
    with pytest.raises(errors.LedgerNotFound):
        submit(script)


def test_a_caller_cancelled_while_a_lost_id_is_looked_for_leaves_a_doubt() -> None:
    cache = LedgerCache()
    lost = TaskRun(run_id="trun_2", status="queued")
    cache.remember_run("tgrp_1", KEY, KnownRun(lost, may_have_duplicate=True))
    with pytest.raises(IndexError):  # the list of outcomes ends at the next look
        submit(Script(*NOTHING, Response(404)), cache=cache)
    assert cache.unsettled.keys() == {("tgrp_1", KEY)}


def test_a_ledger_whose_list_is_not_there_is_gone() -> None:
    with pytest.raises(errors.LedgerNotFound):
        submit(Script(counted(0), Response(404)))


def test_the_state_of_a_run_that_has_ended_is_not_read_again() -> None:
    cache = LedgerCache()
    ended = TaskRun(run_id="trun_1", status="completed", is_active=False)
    cache.remember_run("tgrp_1", KEY, KnownRun(ended))
    assert submit(Script(), cache=cache).run == ended


@pytest.mark.parametrize(
    ("outcomes", "sent_again"),
    [
        ((NoResponse(True), *SHOWN), False),
        ((TOO_LATE, *NOTHING, NoResponse(True), *SHOWN), False),
        ((NoResponse(True), *NOTHING * 5, NoResponse(True), *SHOWN), True),
        ((Response(429), *NOTHING, Response(429), *SHOWN), False),
    ],
    ids=["once", "once in time", "twice", "turned away"],
)
def test_a_run_that_is_found_may_come_from_either_of_two_sends(
    outcomes: tuple[object, ...], sent_again: bool
) -> None:
    found = submit(Script(*NOTHING, *outcomes))
    assert (found.adopted, found.sent_again) == (True, sent_again)


def test_what_came_too_late_was_no_send() -> None:
    unknown = (NoResponse(True), *NOTHING * 5)
    script = Script(*NOTHING, TOO_LATE, *NOTHING, *unknown * 3)
    with pytest.raises(errors.SubmissionUnknown):
        submit(script)
    assert paid(script) == 1 + POLICY.max_attempts


def test_what_is_found_settles_the_doubt() -> None:
    cache = LedgerCache()
    cache.unsettled["tgrp_1", KEY] = 0.0
    assert find(Script(*SHOWN), cache=cache) is not None
    assert cache.unsettled == {}


def test_before_a_request_is_sent_again_there_is_a_pause() -> None:
    for outcome in (NoResponse(False), Response(429)):
        looks = () if isinstance(outcome, NoResponse) else NOTHING
        script = Script(*NOTHING, outcome, *looks, STARTED, RUN)
        submit(script)
        assert script.sleeps == [POLICY.jittered_delay(1)]


def test_a_run_without_an_event_id_does_not_set_the_place_in_the_list_back() -> None:
    cache = LedgerCache()
    others = listing(("trun_7", "2025", "7"), ("trun_8", "2025", ""), key="other")
    submit(Script(*others, STARTED, RUN), cache=cache)
    script = Script(*FOUND)
    with pytest.raises(IndexError):
        submit(script, asked=ASKED.model_copy(update={"processor": "base"}), cache=cache)
    assert cursors(script)[0] == "7"


def test_what_was_read_before_is_not_read_again() -> None:
    cache = LedgerCache()
    submit(Script(*FOUND), cache=cache)
    script = Script(counted(1), HEAD, b"", StreamEnded(), RUN)
    assert submit(script, cache=cache).adopted
    assert cursors(script) == ["1"]


def test_the_run_that_the_ledger_has_in_place_of_a_lost_id_is_adopted() -> None:
    cache = LedgerCache()
    lost = TaskRun(run_id="trun_2", status="queued")
    cache.remember_run("tgrp_1", KEY, KnownRun(lost, may_have_duplicate=True))
    found = submit(Script(*NOTHING, Response(404), *SHOWN), cache=cache)
    assert (found.run.run_id, found.adopted) == ("trun_1", True)


def test_a_ledger_that_cannot_be_read_meanwhile_is_not_said_to_be_gone() -> None:
    script = Script(*listing(count=1) * 2, *[Response(401)] * 9)
    with pytest.raises(errors.SubmissionUnknown):
        submit(script)


def test_a_search_without_a_result_settles_the_doubt() -> None:
    cache = LedgerCache()
    assert Script(*NOTHING * 5).run(ledger.find(pending(cache=cache), "until_settled")) is None
    assert cache.unsettled == {}


def test_a_request_that_never_left_fails_as_such_once_its_attempts_are_used_up() -> None:
    script = Script(*NOTHING, *[NoResponse(False)] * 2, *NOTHING, NoResponse(False))
    with pytest.raises(errors.ResponseLost) as caught:
        submit(script)
    assert caught.value.billed is False
    assert paid(script) == POLICY.max_attempts


def test_a_doubt_ends_the_settling_time_after_the_lost_response() -> None:
    cache = LedgerCache()
    with pytest.raises(errors.SubmissionUnknown):
        submit(Script(*NOTHING, NoResponse(True), *[Response(401)] * 20), cache=cache)
    script = Script(*NOTHING, STARTED, RUN, *NOTHING)
    script.time = 50.0
    submit(script, cache=cache)
    assert script.time == 50.0


def test_a_ledger_that_is_gone_after_a_refusal_is_said_to_be_gone() -> None:
    with pytest.raises(errors.LedgerNotFound):
        submit(Script(*NOTHING, Response(400), Response(404)))


def test_a_caller_cancelled_after_the_acceptance_does_not_lose_the_run() -> None:
    cache = LedgerCache()
    with pytest.raises(IndexError):  # the list of outcomes ends where the run's state is read
        submit(Script(*NOTHING, STARTED), cache=cache)
    known = cache.started_run("tgrp_1", KEY)
    assert known is not None
    assert (known.run.run_id, known.may_have_duplicate) == ("trun_1", True)
    assert cache.unsettled == {}


def test_a_run_that_was_sent_twice_is_handed_back_though_its_twin_cannot_be_looked_for() -> None:
    cache = LedgerCache()
    script = Script(*NOTHING, NoResponse(True), *NOTHING * 5, STARTED, RUN, Response(401))
    made = submit(script, cache=cache)
    assert (made.run.run_id, made.sent_again, made.duplicates) == ("trun_1", True, ())
    known = cache.started_run("tgrp_1", KEY)
    assert known is not None
    assert known.may_have_duplicate


def test_what_was_adopted_is_remembered_with_its_interaction() -> None:
    cache = LedgerCache()
    assert not submit(Script(*NOTHING, STARTED, RUN), cache=cache).adopted
    assert cache.interaction_of("trun_1") == "intr_1"
    assert cache.has_started("trun_1")
    assert not cache.has_started("trun_2")
    other = LedgerCache()
    assert submit(Script(*FOUND[:2], RUN_LISTED, StreamEnded()), cache=other).adopted
    assert other.interaction_of("trun_1") == "intr_1"


RUN_LISTED = (
    b'data: {"type": "task_run.state", "event_id": "1", "run": {"run_id": "trun_1", "status": "running", '
    + f'"interaction_id": "intr_1", "metadata": {{"{METADATA_KEY}": "{KEY}"}}}}}}\n\n'.encode()
)


def test_a_run_that_its_id_shows_late_leaves_no_doubt_though_the_ledger_cannot_be_read() -> None:
    cache = LedgerCache()
    script = Script(*NOTHING, STARTED, Response(404), *[Response(401)] * 5, RUN)
    made = submit(script, cache=cache)
    assert (made.run.run_id, made.run.interaction_id) == ("trun_1", "intr_1")
    assert cache.unsettled == {}


def test_a_caller_cancelled_after_it_came_too_late_leaves_no_doubt() -> None:
    """Unless another process has taken over, which may have sent."""
    for says, doubt in (([], {}), ([False], {("tgrp_1", KEY): 100.0})):
        cache = LedgerCache()
        script = Script(*NOTHING, TOO_LATE)
        script.confirms = [*says]
        with pytest.raises(IndexError):  # the list of outcomes ends where it looks again
            submit(script, cache=cache)
        assert cache.unsettled == doubt


@pytest.mark.parametrize(
    "outcomes", [(Response(400),), (STARTED, Response(404))], ids=["a refusal", "a lost id"]
)
def test_a_caller_cancelled_while_it_makes_sure_leaves_a_doubt_of_that_time(
    outcomes: tuple[object, ...],
) -> None:
    cache = LedgerCache()
    script = Script(*NOTHING, *outcomes)
    script.time = 7.0
    with pytest.raises(IndexError):  # the list of outcomes ends where the ledger is looked into
        submit(script, cache=cache)
    assert cache.unsettled == {("tgrp_1", KEY): 7.0}
    assert cache.started_run("tgrp_1", KEY) is None


def test_after_a_refusal_the_whole_list_is_read() -> None:
    """A run that shows up late may be listed before others."""
    cache = LedgerCache()
    others = [("trun_7", "2025", "7"), ("trun_8", "2025", "8")]
    assert find(Script(*listing(*others, key="other", whole=True)), cache=cache) is None
    script = Script(*listing(count=2), Response(400), *SHOWN)
    assert submit(script, cache=cache).adopted
    assert cursors(script) == ["8", None, "1"]


def test_a_run_that_is_counted_after_a_refusal_and_listed_a_moment_later_is_adopted() -> None:
    script = Script(*NOTHING, Response(402), *listing(count=1), *SHOWN)
    assert submit(script).adopted
    assert paid(script) == 1


def test_a_run_that_was_anothers_is_ours_only_if_it_is_read_as_ours() -> None:
    """That it cannot be read the second time does not undo what was read the first time."""
    elsewhere = answer(200, json.dumps(ELSEWHERE))
    made = submit(Script(*NOTHING, STARTED, elsewhere, *NOTHING * 5, RUN))
    assert (made.run.run_id, made.run.interaction_id) == ("trun_1", "intr_1")
    script = Script(*NOTHING, STARTED, elsewhere, *NOTHING * 5, Response(403))
    with pytest.raises(errors.SubmissionUnknown, match="named run trun_1, which is not there"):
        submit(script)
    script = Script(*NOTHING, STARTED, Response(404), *NOTHING * 5, Response(403))
    assert submit(script).run.run_id == "trun_1"


def test_the_state_of_a_started_run_is_read_twice_at_the_most() -> None:
    made = submit(Script(*NOTHING, STARTED, Response(503), RUN))
    assert made.run.interaction_id == "intr_1"
    script = Script(*NOTHING, STARTED, Response(503), Response(503))
    assert submit(script).run.interaction_id is None


def test_for_a_twin_the_whole_list_is_read() -> None:
    other = ("trun_7", "2025", "7")
    looks = listing(other, key="other"), listing(other, key="other", whole=True)
    script = Script(*looks[0], NoResponse(True), *looks[1] * 5, STARTED, RUN, *SHOWN)
    assert submit(script).run.run_id == "trun_1"
    assert cursors(script)[-2:] == [None, "1"]


def test_requests_take_turns_only_under_one_key_of_one_ledger() -> None:
    other = ASKED.model_copy(update={"input": "Else?"})
    names = [pending().name, pending(ledger_id="tgrp_2").name, pending(asked=other).name]
    assert len(set(names)) == 3
    assert names[0] == pending().name


class SlowLists(Script):
    """Each list takes three seconds."""

    def _outcome(self, effect: Any) -> object:
        self.time += 3.0 if isinstance(effect, OpenStream) else 0.0
        return super()._outcome(effect)


def test_looks_go_on_without_a_pause_that_lasts_beyond_the_settling_time() -> None:
    script = SlowLists(*NOTHING * 4, STARTED, RUN, *NOTHING)
    script.confirms = [True]
    submit(script, lookup="until_settled")
    assert [pause.seconds for pause in script.sleeps] == [1.0, 2.0, 0.0]


@pytest.mark.parametrize("is_repeated", [False, True])
def test_every_listed_run_says_its_key_though_a_list_may_leave_out_metadata(
    is_repeated: bool,
) -> None:
    cache = LedgerCache("a client")
    metadata = {METADATA_KEY: KEY, "row": "7"}
    run = TaskRun(run_id="trun_1", status="queued", metadata=metadata if is_repeated else None)
    asked = RunInput(input="Who?", metadata=metadata)
    cache.restart_index("tgrp_1").add([TaskRunEvent(event_id="1", run=run, input=asked)])
    [known] = cache.runs("tgrp_1")
    assert known.metadata == (metadata if is_repeated else {METADATA_KEY: KEY})
    assert cache.name == "a client"


class Sluggish(Script):
    """Each count of the ledger's runs takes longer than what it shows may be relied on."""

    def _outcome(self, effect: Effect) -> object:
        if isinstance(effect, Request) and effect.method == "GET":
            self.time += POLICY.settle_seconds
        return super()._outcome(effect)


def test_a_ledger_that_always_takes_too_long_to_read_ends_the_attempt_and_nothing_is_sent() -> None:
    script = Sluggish(*NOTHING * 10)
    with pytest.raises(errors.SubmissionUnknown, match="takes too long to read"):
        submit(script)
    assert paid(script) == 0
    assert len(script.outcomes) == len(NOTHING * (10 - 1 - POLICY.max_attempts))


def test_a_run_that_the_last_of_these_looks_finds_is_adopted() -> None:
    script = Sluggish(*NOTHING * POLICY.max_attempts, *FOUND)
    assert submit(script).adopted
    assert script.outcomes == []


# --- a run that is handed back as its acceptance names it -----------------------------------------


def submit_unread(script: Script, cache: LedgerCache, **rest: Any) -> Submission:
    return script.run(ledger.submit(pending(cache=cache), reads_started=False, **rest))


def test_a_started_run_is_not_read_where_the_caller_follows_it() -> None:
    cache = LedgerCache()
    made = submit_unread(Script(*NOTHING, STARTED), cache)
    assert (made.run.run_id, made.run.interaction_id, made.adopted) == ("trun_1", None, False)
    known = cache.started_run("tgrp_1", KEY)
    assert known is not None
    assert known.may_have_duplicate  # so the ledger is looked into before it is taken for ours
    assert not cache.unsettled


def test_it_is_read_where_an_earlier_send_may_have_started_another() -> None:
    script = Script(*NOTHING, NoResponse(True), *NOTHING * 5, STARTED, RUN, *SHOWN)
    assert submit_unread(script, LedgerCache()).run.interaction_id == "intr_1"
    assert script.outcomes == []


def test_until_it_was_read_another_call_looks_for_it_in_the_ledger() -> None:
    cache = LedgerCache()
    submit_unread(Script(*NOTHING, STARTED), cache)
    again = Script(*SHOWN)
    assert submit(again, cache=cache).run.run_id == "trun_1"
    assert paid(again) == 0


@pytest.mark.parametrize("metadata", [None, {}, {METADATA_KEY: "theirs"}, {METADATA_KEY: KEY}])
def test_only_a_run_that_bears_the_key_is_proven(metadata: dict[str, str] | None) -> None:
    """Not one that bears none: this one was never read."""
    cache = LedgerCache()
    submit_unread(Script(*NOTHING, STARTED), cache)
    run = TaskRun(run_id="trun_1", interaction_id="intr_1", status="running", metadata=metadata)
    ours = metadata is not None and metadata.get(METADATA_KEY) == KEY
    assert is_proven(pending(cache=cache), run, may_have_duplicate=False) is ours
    assert cache.interaction_of("trun_1") == ("intr_1" if ours else None)
    known = cache.started_run("tgrp_1", KEY)
    assert known is not None
    assert known.may_have_duplicate is not ours


def test_a_run_that_is_read_later_is_the_ledgers_where_its_id_is_anothers() -> None:
    cache = LedgerCache()
    made = submit_unread(Script(*NOTHING, STARTED), cache)
    theirs = answer(
        200, json.dumps({"run_id": "trun_1", "status": "queued", "metadata": {METADATA_KEY: "x"}})
    )
    there = listing(("trun_7", "2025-01-01T00:00:00Z", "1"), whole=True)
    read = Script(theirs, *NOTHING, *there).run(ledger.read_started(pending(cache=cache), made))
    assert (read.run.run_id, read.adopted, read.duplicates) == ("trun_7", False, ())
    assert not cache.unsettled
