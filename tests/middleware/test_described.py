"""What shape an answer has, as the agent's model says it for one question."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .harness import SAID, Account, Model, branch, calls, follow_up, record, start, texts

SHAPE = {
    "type": "object",
    "properties": {"leader": {"type": "string"}},
    "required": ["leader"],
    "additionalProperties": False,
}


def ask(account: Account, *turns: Any, **options: Any) -> dict[str, Any]:
    agent = account.agent(Model(*map(calls, turns)), model_may_describe_output=True, **options)
    return account.invoke(agent, SAID)


def test_each_question_may_have_a_shape_of_its_own(account: Account) -> None:
    state = ask(
        account,
        start("Who leads?", output_schema=json.dumps(SHAPE)),
        follow_up("r1", "In Asia?", output_schema="One name."),
        follow_up("r1", "In Europe?", output_schema="null"),
    )
    assert set(record(state, "r1")["content"]) == {"leader"}
    assert isinstance(record(state, "r1.2")["content"], str)
    assert "output_schema" not in record(state, "r1")  # planning only
    assert account.billed == 3


def test_branches_share_the_shape_of_their_call(account: Account) -> None:
    name, args = branch("r1", "A?", "B?")
    state = ask(account, start("Who?"), (name, {**args, "output_schema": json.dumps(SHAPE)}))
    assert [set(record(state, handle)["content"]) for handle in ("r1.2", "r1.3")] == [
        {"leader"},
        {"leader"},
    ]


@pytest.mark.parametrize(
    "shape", ['{"type": "array"}', '{"type": ', json.dumps({**SHAPE, "properties": {}})]
)
def test_a_shape_that_the_api_would_refuse_is_told_and_not_sent(
    account: Account, shape: str
) -> None:
    state = ask(account, start("Who?", output_schema=shape))
    assert "output_schema" in texts(state)[0]
    assert "Nothing was sent" in texts(state)[0]
    assert account.billed == 0
    assert not account.simulator.runs()


def test_it_is_offered_only_where_that_is_allowed(account: Account) -> None:
    for allowed in (False, True):
        tools = account.middleware(model_may_describe_output=allowed).tools
        offering = [tool.name for tool in tools if "output_schema" in tool.args]
        paid = ["start_research", "follow_up", "branch"]
        assert offering == (paid if allowed else [])
