"""Errors come back as text that names the ids, or are raised if the caller wants that."""

from __future__ import annotations

import re
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.tools import ToolException
from langgraph.errors import GraphBubbleUp

from langchain_parallel import ParallelTaskTool, RequestOptions, errors
from langchain_parallel.simulator import Fault
from langchain_parallel.tools.tool_messages import error_for_model

from .helpers import START, Account, How, agent, answers, ask, calls, invoke

QUESTION = {"input": "Who leads?"}

ENDINGS: dict[str, tuple[dict[str, Any], type[errors.ParallelError], str]] = {
    "failed": (
        {"outcome": "failed", "message": "no sources", "ref_id": "ref-7"},
        errors.RunFailed,
        (
            "Run {run} failed; the server says: “no sources”; ref_id ref-7. Nothing was billed; ask again, "
            "or change the question. [interaction_id={interaction}]"
        ),
    ),
    "cancelled": (
        {"outcome": "cancelled"},
        errors.RunCancelled,
        (
            "Run {run} was cancelled on the server's side. Ask again if the answer is still wanted. "
            "[interaction_id={interaction}]"
        ),
    ),
    "action_required": (
        {"outcome": "action_required", "warnings": ("Authorise crm.",)},
        errors.ActionRequired,
        (
            "Run {run} waits for a person to act; warnings: “Authorise crm.”. A person "
            "has to do what the server asks for. Tell the user. Do not ask again before a person has "
            "checked: that could start and bill another run. "
            "[interaction_id={interaction}]"
        ),
    ),
    "stay_queued": (
        {"outcome": "stay_queued"},
        errors.StillRunning,
        (
            "Run {run} is still queued after T s of waiting. It may continue. Tell the user. Do not ask "
            "again before a person has checked: that could start and bill another run. "
            "[interaction_id={interaction}]"
        ),
    ),
}


@pytest.mark.parametrize("ending", ENDINGS)
async def test_a_run_without_an_answer_is_reported_with_its_ids_and_what_to_do(
    account: Account, ending: str, how: How
) -> None:
    script, _, words = ENDINGS[ending]
    account.script(**script)
    answer = await ask(account.tool(timeout=900), how, **QUESTION)
    (run,) = account.runs
    ids = {"run": run["run_id"], "interaction": run["interaction_id"]}
    assert answer.status == "error"
    assert re.sub(r"\d+ s of waiting", "T s of waiting", answer.text) == words.format(**ids)
    assert account.billed == 0


@pytest.mark.parametrize("ending", ENDINGS)
async def test_raised_it_is_a_tool_exception_caused_by_our_own_error(
    account: Account, ending: str, how: How
) -> None:
    script, kind, _ = ENDINGS[ending]
    account.script(**script)
    with pytest.raises(ToolException) as raised:
        await ask(account.tool(handle_tool_error=False), how, **QUESTION)
    cause = raised.value.__cause__
    assert type(cause) is kind
    assert cause.run_id == account.runs[0]["run_id"]
    assert cause.interaction_id == account.runs[0]["interaction_id"]
    assert cause.hint not in ("", None)
    assert cause.hint not in str(raised.value)  # meant for a program; the model gets its own


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault("payment_required", path="*/runs"), "not enough credit"),
        (
            Fault("status_before", path="*/runs", status=403, times=None),
            "may not use this processor",
        ),
        (Fault("status_before", path="*/groups", status=401), "API key was not accepted"),
    ],
    ids=["402", "403", "401"],
)
async def test_a_refusal_says_what_to_do_and_that_nothing_was_started(
    account: Account, fault: Fault, words: str, how: How
) -> None:
    account.simulator.faults.add(fault)
    answer = await ask(account.tool(), how, **QUESTION)
    assert answer.status == "error"
    assert words in answer.text
    assert account.runs == []


async def test_where_it_is_uncertain_whether_a_run_was_started_the_model_must_not_repeat_it(
    account: Account, how: How
) -> None:
    account.simulator.faults.add(Fault("status_after", path="*/runs", method="POST", times=1))
    account.simulator.faults.add(Fault("drop_before", path="*/runs", method="GET", times=None))
    answer = await ask(account.tool(), how, **QUESTION)
    assert answer.status == "error"
    assert "Do not ask again before a person has checked" in answer.text
    assert len(account.runs) == 1


async def test_an_unknown_interaction_is_refused_unpaid(account: Account, how: How) -> None:
    answer = await ask(account.tool(), how, **QUESTION, previous_interaction_id="intr_nobody")
    assert answer.status == "error"
    assert "previous_interaction_id: unknown interaction" in answer.text
    assert account.runs == []


async def test_one_failing_call_does_not_sink_its_siblings(account: Account, how: How) -> None:
    account.script(outcome="failed", contains="bad")
    says = calls({"input": "bad"}, QUESTION, {"question": "wrong name"}), "done"
    state = await invoke(agent(account.tool(), *says), START, how)
    assert [m.status for m in answers(state)] == ["error", "success", "error"]
    assert state["messages"][-1].text == "done"
    assert account.billed == 1


class Interrupting(BaseCallbackHandler):
    raise_error = True

    def on_custom_event(self, *_: Any, **__: Any) -> None:
        raise GraphBubbleUp


async def test_an_interrupt_passes_through(tool: ParallelTaskTool, how: How) -> None:
    with pytest.raises(GraphBubbleUp):
        await invoke(tool, QUESTION, how, {"callbacks": [Interrupting()]})


# --- arguments that do not fit -------------------------------------------------------------------

UNFIT: dict[str, tuple[dict[str, Any], str]] = {
    "missing": ({}, "input: Field required"),
    "unknown": ({**QUESTION, "depth": "S3CRET"}, "depth: Extra inputs are not permitted"),
    "no text": ({"input": ["S3CRET"]}, "input.str: Input should be a valid string"),
    "other processor": (
        {**QUESTION, "processor": "S3CRET"},
        "processor: Input should be 'lite' or 'pro'",
    ),
    "not an id": (
        {**QUESTION, "previous_interaction_id": {"id": "S3CRET"}},
        "previous_interaction_id: Input should be a valid string",
    ),
    "not a runtime": (
        {**QUESTION, "runtime": {"state": "S3CRET"}},
        "runtime: Input should be an instance of ToolRuntime",
    ),
    "empty": ({"input": " \n"}, "The input is empty"),
    "empty object": ({"input": {}}, "The input is empty"),
    "too long": ({"input": "x" * 25_001}, "hold 25,001 characters together, 1 over the 25,000"),
}


@pytest.mark.parametrize("unfit", UNFIT)
async def test_arguments_that_do_not_fit_are_reported_as_text_and_cost_nothing(
    account: Account, unfit: str, how: How
) -> None:
    arguments, words = UNFIT[unfit]
    strict = RequestOptions(strict=True)
    tool = account.tool(model_may_choose=("lite", "pro"), request=strict)
    answer = await ask(tool, how, **arguments)
    assert answer.status == "error"
    assert words in answer.text
    assert "S3CRET" not in answer.text
    assert "Nothing was s" in answer.text  # started, sent
    assert account.wire.paid == []


async def test_a_question_longer_than_documented_is_refused_by_the_api_and_costs_nothing(
    account: Account, how: How
) -> None:
    with pytest.warns(errors.RequestWarning, match="1 over the 25,000 allowed"):
        answer = await ask(account.tool(), how, input="x" * 25_001)
    assert answer.status == "error"
    assert "25001 characters" in answer.text
    assert account.simulator.runs() == []


# --- waiting -------------------------------------------------------------------------------------


async def test_without_a_timeout_a_run_of_two_hours_is_waited_for(
    account: Account, how: How
) -> None:
    account.script(seconds=7200.0)
    answer = await ask(account.tool(processor="ultra8x"), how, **QUESTION)
    assert answer.status == "success"
    assert account.simulator.monotonic >= 7200


async def test_a_timeout_is_kept_and_the_run_stays_reachable(account: Account, how: How) -> None:
    answer = await ask(account.tool(processor="ultra8x", timeout=60), how, **QUESTION)
    assert answer.status == "error"
    assert 60 <= account.simulator.monotonic < 75
    assert account.runs[0]["run_id"] in answer.text


@pytest.mark.parametrize("hint", ["Check the key.", "Call again; nothing was started.", ""])
def test_that_nothing_was_started_is_said_once(hint: str) -> None:
    text = error_for_model(errors.ParallelError("Refused.", hint=hint, billed=False))
    assert text.lower().count("nothing was started.") == 1


def test_nothing_is_said_to_be_free_that_may_not_be() -> None:
    assert "othing was" not in error_for_model(errors.ParallelError("Lost.", billed=None))
