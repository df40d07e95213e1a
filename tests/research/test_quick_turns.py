"""Quick turns: questions that the Chat API answers at once, on the tree of a session.

What they may cost is what the account's bill says. Unless a test says otherwise, each invocation is another
process: other graph and client objects, on the same checkpoints.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore
from langgraph.types import Command
from pydantic import ValidationError

from langchain_parallel import InteractionTree, ParallelTaskTool, SessionReport
from langchain_parallel.errors import (
    AuthenticationFailed,
    CreditExhausted,
    InvalidRequest,
    ParallelError,
    RateLimited,
    Unprocessable,
)
from langchain_parallel.models import McpServer, SourcePolicy, TaskRunInput
from langchain_parallel.options import Limits, Quota, RequestOptions
from langchain_parallel.research import by_evidence, quick_when
from langchain_parallel.simulator import Fault

from .harness import Mode, Session, blocking_client, invoke, script

CHAT = "*/chat/completions"
QUICK: dict[str, Any] = {"processor": "chat:lite"}
PRICE = 0.005


def bill(session: Session) -> list[str]:
    """What the account is billed for, or will be: runs first, then quick questions."""
    billing = session.simulator.billing
    lines = [*billing.billed_runs(), *billing.reserved_runs()]
    return sorted((line.processor for line in lines), key=lambda name: name.startswith("chat:"))


def asked(session: Session) -> int:
    """How often a quick question has reached the account, answered or not."""
    return sum(entry.path.endswith("/chat/completions") for entry in session.simulator.requests)


# --- one tree --------------------------------------------------------------------------------------


def test_task_chat_task_and_a_branch_are_one_tree(session: Session) -> None:
    root = session.ask("Map the landscape")["interaction_id"]
    quick = session.ask("Which of these are in Europe?", **QUICK)
    assert quick["answer"]
    deep = session.ask("How did they get there?")["interaction_id"]
    out = session.ask("And in Asia?", continue_from=root, **QUICK)

    _, second, third, fourth = out["turns"]
    assert [turn["status"] for turn in out["turns"]] == ["completed"] * 4
    assert second["parent_interaction_id"] == root
    assert third["parent_interaction_id"] == second["interaction_id"]
    assert fourth["parent_interaction_id"] == root
    assert (second["run_id"], fourth["run_id"]) == ("", "")
    assert bill(session) == ["pro", "core-fast", "chat:lite", "chat:lite"]
    assert out["spent_usd"] == pytest.approx(session.simulator.billing.total_usd)

    tree = InteractionTree.of(out)
    assert [node.processor for node in tree.path(deep)] == ["pro", "chat:lite", "core-fast"]
    assert [len(node.children) for node in tree] == [2, 1, 0, 0]
    assert "chat:lite" in tree.text()
    assert "chat#58;#8203;lite" in tree.mermaid()
    assert "chat:lite" in tree.html()
    report = SessionReport.of(out)
    assert report.totals.runs == report.totals.answered == 4
    assert report.totals.cost_unknown == report.totals.seconds_unknown == 0
    assert report.totals.cost_usd == pytest.approx(out["spent_usd"])
    assert "none, a quick turn" in report.to_markdown("audit")


def test_an_answer_of_a_quick_turn_has_the_shape_that_was_asked_for(mode: Mode) -> None:
    shape = {
        "type": "object",
        "properties": {"size": {"type": "string"}},
        "required": ["size"],
        "additionalProperties": False,
    }
    session = Session(mode, options={"output_schema": shape, **QUICK})
    turn = session.ask("How large is it?")["turns"][0]
    assert set(turn["content"]) == {"size"}
    assert turn["confidence"].keys() == {"size"}
    assert turn["citations"][0]["fields"] == ["size"]


@pytest.mark.parametrize(
    ("said", "content", "warning"),
    [
        ('```json\n{"size": "4"}\n```', {"size": "4"}, ""),
        ('{"size": ' + "[" * 100_000 + "]" * 100_000 + "}", None, "levels deep"),
        ("no object", "no object", ""),
        (None, "", "holds no text"),
    ],
)
def test_whatever_a_quick_answer_holds_is_kept_and_told(
    mode: Mode, said: Any, content: Any, warning: str
) -> None:
    shape = {"type": "object", "properties": {"size": {"type": "string"}}}
    session = Session(mode, options={"output_schema": shape, **QUICK})
    body = {"choices": [{"message": {"content": said}}], "interaction_id": "intr_1"}
    session.simulator.faults.add(Fault("wrong_shape", path=CHAT, body=body))
    turn = session.ask("How large is it?")["turns"][0]
    assert turn["status"] == "completed"
    assert content is None or turn["content"] == content
    assert warning in " ".join(turn["warnings"])
    assert bool(warning) is bool(turn["warnings"])


@pytest.mark.parametrize("keeps", [True, False])
def test_excerpts_are_kept_only_if_that_is_asked_for(mode: Mode, keeps: bool) -> None:
    options = {"keep_excerpts": keeps} if keeps else {}
    session = Session(mode, options={**options, **QUICK})
    turn = session.ask("How large is it?")["turns"][0]
    assert all(("excerpts" in source) == keeps for source in turn["citations"])
    assert turn["citations"]


def test_a_description_of_the_answer_in_words_goes_before_the_question(mode: Mode) -> None:
    session = Session(mode, options={"output_schema": "One sentence.", **QUICK})
    answer = session.ask("How large is it?")["answer"]
    assert "One sentence." in answer


def test_an_answer_without_an_interaction_says_that_nothing_can_build_on_it(mode: Mode) -> None:
    session = Session(mode)
    session.ask("Map the landscape")
    body = {"choices": [{"message": {"role": "assistant", "content": "Yes."}}]}
    session.simulator.faults.add(Fault("wrong_shape", path=CHAT, body=body))
    out = session.ask("Is it large?", processor="chat:speed")
    assert out["answer"] == "Yes."
    assert "no later question can build" in out["turns"][1]["warnings"][0]
    assert out["interaction_id"] == out["turns"][0]["interaction_id"]


@settings(max_examples=6, deadline=None)
@given(
    kinds=st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=1, max_size=6),
    forgets=st.booleans(),
)
def test_in_any_order_of_task_and_quick_turns_each_hangs_below_what_it_continues(
    kinds: list[tuple[bool, int]], forgets: bool
) -> None:
    session = Session("sync", store=InMemoryStore() if forgets else None)
    ids: list[str] = []
    parents: list[str | None] = []
    for nth, (is_quick, back) in enumerate(kinds):
        parent = ids[back % len(ids)] if ids else None
        more: dict[str, Any] = {"continue_from": parent} if parent else {}
        processor = "chat:base" if is_quick else "lite"
        ids.append(session.ask(f"Question {nth}", processor=processor, **more)["interaction_id"])
        parents.append(parent)
    tree = InteractionTree.of(session.state())
    by_id = {node.interaction_id: node for node in tree}
    found = [by_id[one].parent for one in ids]
    assert [node and node.interaction_id for node in found] == parents
    assert bill(session).count("chat:base") == sum(is_quick for is_quick, _ in kinds)
    assert len(bill(session)) == len(kinds)


# --- choosing and judging --------------------------------------------------------------------------


def test_a_policy_asks_short_questions_about_what_there_is_as_quick_turns(mode: Mode) -> None:
    policy = quick_when(lambda question, state: question.endswith("there?"), otherwise=_always_base)
    session = Session(mode, options={"processor": policy})
    for question in ("Is it there?", "How many are there?", "How did that come?"):
        session.ask(question)
    assert bill(session) == ["base", "base", "chat:lite"]


def test_a_policy_knows_a_question_that_came_as_a_message(mode: Mode) -> None:
    policy = quick_when(lambda question, state: question.endswith("there?"), otherwise=_always_base)
    session = Session(mode, options={"processor": policy})
    session.ask("Map the landscape")
    given = {"messages": [("user", "How many are there?")]}
    out = invoke(mode, session.graph(), given, session.config)
    assert out["turns"][1]["processor"] == "chat:lite"
    assert out["messages"][-1].response_metadata["cost_usd"] == PRICE


def _always_base(state: Any, parent: str | None) -> str:
    return "base"


def test_what_an_evaluation_asks_is_no_quick_turn_by_policy(mode: Mode) -> None:
    policy = quick_when(lambda question, state: True, quick="chat:speed", otherwise=_always_base)
    options = {
        "processor": policy,
        "evaluate": by_evidence(),
        "limits": Limits(max_runs_per_question=2),
    }
    session = Session(mode, options=options)
    session.ask("Map the landscape")
    out = session.ask("How many are there?")
    assert bill(session) == ["base", "base", "chat:speed"]  # `speed` has no evidence
    assert out["turns"][2]["parent_interaction_id"] == out["turns"][1]["interaction_id"]
    assert out["turns"][1]["unsupported_fields"] == ["output"]


def test_a_policy_of_quick_turns_wants_their_processors() -> None:
    with pytest.raises(InvalidRequest, match="chat:speed, chat:lite, chat:base, chat:core"):
        quick_when(lambda question, state: True, quick="lite")
    for wrong in ({"is_quick": "short"}, {"is_quick": len, "otherwise": "core"}):
        with pytest.raises(InvalidRequest, match="give a function"):
            quick_when(**wrong)


def test_branches_may_be_quick_and_deep_at_the_same_time(mode: Mode) -> None:
    fork = {
        "action": "branch",
        "questions": [{"question": "Left?", **QUICK}, {"question": "Right?", "processor": "base"}],
    }
    options = {"evaluate": script(fork), "limits": Limits(max_runs_per_question=3)}
    session = Session(mode, options=options)
    out = session.ask("Map the landscape")
    assert sorted(bill(session)) == ["base", "chat:lite", "pro"]
    assert [turn["status"] for turn in out["turns"]] == ["completed"] * 3
    assert out["interaction_id"] == out["turns"][2]["interaction_id"]
    assert len(InteractionTree.of(out).roots[0].children) == 2


# --- what it may cost ------------------------------------------------------------------------------


def test_a_person_approves_a_quick_turn_that_a_limit_does_not_leave_room_for(mode: Mode) -> None:
    session = Session(mode, options={"limits": Limits(max_cost_usd=0.1)})
    session.ask("Map the landscape")
    out = session.ask("Which are in Europe?", **QUICK)
    request = out["__interrupt__"][0].value
    assert request["cost_usd"] == PRICE
    assert asked(session) == 0
    out = invoke(mode, session.graph(), Command(resume={"type": "approve"}), session.config)
    assert out["turns"][1]["status"] == "completed"
    assert bill(session) == ["pro", "chat:lite"]


def test_a_person_may_make_a_quick_turn_of_a_deep_one(mode: Mode) -> None:
    session = Session(mode, options={"limits": Limits(approve_above="base")})
    out = session.ask("Map the landscape")
    edit = {"name": "research", "args": {"processor": "chat:base"}}
    answer: Any = Command(resume={"type": "edit", "edited_action": edit})
    out = invoke(mode, session.graph(), answer, session.config)
    assert (out["turns"][0]["processor"], bill(session)) == ("chat:base", ["chat:base"])


def test_where_a_door_stops_at_its_limits_no_quick_turn_passes_them(mode: Mode) -> None:
    limits = Limits(max_runs=1, on_exceed="stop")
    session = Session(mode, options={"limits": limits, **QUICK})
    session.ask("Map the landscape")
    assert session.ask("Which are in Europe?")["verdict"]["action"] == "stop"
    assert asked(session) == 1


def test_quick_turns_of_other_forks_count_for_the_limits(mode: Mode) -> None:
    limits = Limits(max_runs=3, on_exceed="stop")
    session = Session(mode, options={"limits": limits})
    session.ask("Map the landscape")
    at = session.graph().get_state(session.config).config
    for question in ("Europe?", "Asia?", "Africa?", "America?"):
        session.ask(question, config=at, **QUICK)
    assert bill(session) == ["pro", "chat:lite", "chat:lite"]
    told = session.state()["turns"]
    assert {turn["asked_by"] for turn in told} == {"caller", "elsewhere"}


def test_a_quota_counts_quick_turns(mode: Mode) -> None:
    limits = Limits(quotas=[Quota(max_cost_usd=0.008, per="all")], on_exceed="stop")
    session = Session(mode, options={"limits": limits, **QUICK})
    session.ask("Europe?")
    out = session.ask("Asia?")
    assert "$0.005 is used" in out["verdict"]["reason"]
    assert bill(session) == ["chat:lite"]


def test_a_refused_question_gives_its_place_in_a_quota_back(mode: Mode) -> None:
    limits = Limits(quotas=[Quota(max_cost_usd=0.008, per="all")], on_exceed="stop")
    session = Session(mode, options={"limits": limits, **QUICK})
    session.simulator.faults.add(Fault("status_before", path=CHAT, status=422))
    with pytest.raises(Unprocessable):
        session.ask("Europe?")
    assert session.ask("Asia?")["turns"][0]["status"] == "completed"


# --- paid once -------------------------------------------------------------------------------------


def test_replays_and_forks_find_the_recorded_answer(mode: Mode) -> None:
    for store in (None, InMemoryStore()):
        session = Session(mode, store=store)
        session.ask("Map the landscape")
        out = session.ask("Which are in Europe?", **QUICK)
        paid = len(bill(session))
        graph = session.graph()
        history = list(graph.get_state_history(session.config))
        for snapshot in [one for one in history if one.next][:4]:
            again = invoke(mode, session.graph(), None, snapshot.config)
            for turn in again["turns"]:
                [same] = [t for t in out["turns"] if t["position"] == turn["position"]]
                assert turn["content"] == same["content"]
        assert len(bill(session)) == paid == 2


def test_asked_again_later_it_is_a_new_question(session: Session) -> None:
    session.ask("Map the landscape")
    session.ask("Which are in Europe?", **QUICK)
    session.ask("Which are in Europe?", **QUICK)
    assert bill(session) == ["pro", "chat:lite", "chat:lite"]


class Forgets(InMemorySaver):
    """Fails at one write of a node's result, as a process does that is killed there."""

    fails = False

    def put_writes(self, config: Any, writes: Any, *args: Any, **kwargs: Any) -> None:
        if self.fails and any(name == "turns" for name, _ in writes):
            raise OSError("disk full")
        super().put_writes(config, writes, *args, **kwargs)


def test_between_answer_and_checkpoint_nothing_is_lost(mode: Mode) -> None:
    session = Session(mode, checkpointer=Forgets())
    session.ask("Map the landscape")
    session.checkpointer.fails = True
    with pytest.raises(OSError, match="disk full"):
        session.ask("Which are in Europe?", **QUICK)
    session.checkpointer.fails = False
    out = session.ask()
    assert out["turns"][1]["status"] == "completed"
    assert bill(session) == ["pro", "chat:lite"]


# --- a lost answer ---------------------------------------------------------------------------------

LOST = {
    "dropped": Fault("drop_after", path=CHAT),
    "never sent on": Fault("drop_before", path=CHAT),
    "a 500 after it": Fault("status_after", path=CHAT, status=500),
    "a 503 before it": Fault("status_before", path=CHAT, status=503),
    "cut short": Fault("truncated_body", path=CHAT, after_bytes=20),
    "no JSON": Fault("malformed_json", path=CHAT),
}


@pytest.mark.grid
@pytest.mark.parametrize("how", LOST)
def test_a_lost_answer_is_said_and_never_asked_again_by_itself(mode: Mode, how: str) -> None:
    follow_up = {"action": "follow_up", "question": "Verify that."}
    session = Session(mode, options={"limits": Limits(max_runs_per_question=3)})
    session.ask("Map the landscape")
    session.simulator.faults.add(LOST[how])
    session.options["evaluate"] = script(follow_up)
    out = session.ask("Which are in Europe?", **QUICK)

    lost = out["turns"][1]
    assert (lost["status"], lost["content"], lost["cost_usd"]) == ("lost", None, None)
    assert "$0.005 may have been paid" in lost["error"]
    assert "lost" in InteractionTree.of(out).text()
    [request] = out["__interrupt__"]
    assert "may have been paid" in request.value["reasons"][0]
    head = out["turns"][0]["interaction_id"]
    assert session.state()["interaction_id"] == head
    paid = len(bill(session))

    session.options["evaluate"] = script()
    for snapshot in list(session.graph().get_state_history(session.config))[:4]:
        session.ask(config=snapshot.config)
    assert len(bill(session)) == paid
    assert asked(session) == 1

    out = session.ask("Which are in Europe?", **QUICK)  # the caller decides
    assert out["turns"][-1]["status"] == "completed"
    assert out["turns"][-1]["parent_interaction_id"] == head
    assert asked(session) == 2
    report = SessionReport.of(out)
    assert report.totals.cost_unknown == 1


def test_a_person_decides_whether_a_lost_question_is_asked_again(mode: Mode) -> None:
    again = {"action": "follow_up", "question": "Which are in Europe?", **QUICK}
    session = Session(mode, options={"limits": Limits(max_runs_per_question=3)})
    session.ask("Map the landscape")
    session.simulator.faults.add(Fault("drop_after", path=CHAT))
    session.options["evaluate"] = script(again)
    session.ask("Which are in Europe?", **QUICK)
    session.options["evaluate"] = script()
    out = invoke(mode, session.graph(), Command(resume={"type": "approve"}), session.config)
    assert [turn["status"] for turn in out["turns"]] == ["completed", "lost", "completed"]
    assert bill(session) == ["pro", "chat:lite", "chat:lite"]


def test_a_lost_answer_counts_at_its_list_price(mode: Mode) -> None:
    limits = Limits(max_cost_usd=0.008, on_exceed="stop")
    session = Session(mode, options={"limits": limits, **QUICK})
    session.simulator.faults.add(Fault("drop_after", path=CHAT))
    session.ask("Which are in Europe?")
    assert session.ask("Which are in Europe?")["verdict"]["action"] == "stop"
    assert asked(session) == 1


def test_of_branches_a_lost_one_leaves_the_others(mode: Mode) -> None:
    fork = {
        "action": "branch",
        "questions": [{"question": "Left?", **QUICK}, {"question": "Right?", "processor": "base"}],
    }
    options = {"evaluate": script(fork), "limits": Limits(max_runs_per_question=3)}
    session = Session(mode, options=options)
    session.simulator.faults.add(Fault("drop_after", path=CHAT))
    out = session.ask("Map the landscape")
    assert [turn["status"] for turn in out["turns"]] == ["completed", "lost", "completed"]
    assert out["verdict"]["action"] in ("accept", "stop")


REFUSED: dict[str, tuple[Any, type[ParallelError]]] = {
    "429": (Fault("rate_limit", path=CHAT, times=None, seconds=0.01), RateLimited),
    "402": (Fault("payment_required", path=CHAT), CreditExhausted),
    "401": (Fault("status_before", path=CHAT, status=401), AuthenticationFailed),
    "422": (Fault("status_before", path=CHAT, status=422), Unprocessable),
}


@pytest.mark.grid
@pytest.mark.parametrize("how", REFUSED)
def test_what_was_refused_costs_nothing_and_is_asked_when_the_thread_is_resumed(
    mode: Mode, how: str
) -> None:
    fault, error = REFUSED[how]
    session = Session(mode)
    session.ask("Map the landscape")
    session.simulator.faults.add(fault)
    with pytest.raises(error) as caught:
        session.ask("Which are in Europe?", **QUICK)
    assert caught.value.billed is False
    session.simulator.faults.clear()
    out = session.ask()
    assert out["turns"][1]["status"] == "completed"
    assert bill(session) == ["pro", "chat:lite"]


def test_without_credit_a_session_with_limits_asks_a_person(mode: Mode) -> None:
    session = Session(mode, options={"limits": Limits(max_cost_usd=5), **QUICK})
    session.simulator.faults.add(Fault("payment_required", path=CHAT))
    out = session.ask("Which are in Europe?")
    assert "not enough credit" in out["__interrupt__"][0].value["reasons"][0]
    out = invoke(mode, session.graph(), Command(resume={"type": "approve"}), session.config)
    assert out["turns"][0]["status"] == "completed"


# --- what a quick turn cannot do -------------------------------------------------------------------

NOT_TAKEN: dict[str, RequestOptions] = {
    "source_policy": RequestOptions(source_policy=SourcePolicy(include_domains=["example.org"])),
    "mcp_servers": RequestOptions(mcp_servers=[McpServer(url="https://mcp.example", name="own")]),
    "memory_scope_key": RequestOptions(memory_scope_key="team"),
    "extra_body": RequestOptions(extra_body={"novel": 1}),
}


@pytest.mark.grid
@pytest.mark.parametrize("option", NOT_TAKEN)
def test_what_the_chat_api_does_not_take_is_refused_by_name(mode: Mode, option: str) -> None:
    session = Session(mode, options={"request": NOT_TAKEN[option], "processor": "lite"})
    with pytest.raises(InvalidRequest, match=f"{option} means nothing to the Chat API"):
        session.ask("Which are in Europe?", **QUICK)
    assert bill(session) == []


def test_only_a_session_asks_quick_questions() -> None:
    client = blocking_client(Session("sync").simulator)
    with pytest.raises(ValidationError, match="only the research graph and the middleware"):
        ParallelTaskTool(processor="chat:lite", client=client)
    with pytest.raises(InvalidRequest, match="is for quick turns"):
        client.create(TaskRunInput(input="?", processor="chat:lite"))


def test_an_unknown_model_is_refused_with_those_there_are(session: Session) -> None:
    with pytest.raises(InvalidRequest, match="chat:speed, chat:lite, chat:base, chat:core"):
        session.ask("Which are in Europe?", processor="chat:large")


def test_a_session_that_parks_answers_a_quick_turn_at_once(mode: Mode) -> None:
    session = Session(mode, options={"wait": "park"})
    assert "__interrupt__" in session.ask("Map the landscape")
    session.simulator.clock.sleep(3600)
    invoke(mode, session.graph(), Command(resume="wake up"), session.config)
    out = session.ask("Which are in Europe?", **QUICK)
    assert [turn["status"] for turn in out["turns"]] == ["completed", "completed"]
