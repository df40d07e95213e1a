"""A session as a chat: the last human message is the question, and one cited message the answer."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, RemoveMessage
from langgraph.types import Command
from markdown_it import MarkdownIt

from langchain_parallel.errors import Forbidden, InvalidRequest
from langchain_parallel.options import Limits, RequestOptions
from langchain_parallel.simulator import Fault, RunScript
from langchain_parallel.text.result import DEFAULT_MAX_CHARS

from ..cut import exhaustive
from .harness import Mode, Session, invoke, script

PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
CITED: dict[str, Any] = {
    "content": {"maker": "Riese [2] makes them"},
    "basis": [
        {
            "field": "maker",
            "reasoning": "It says so.",
            "confidence": "high",
            "citations": [{"url": "https://a.example/x", "title": "Makers *now*"}],
        }
    ],
}


@pytest.fixture(params=["sync", exhaustive("async")])
def mode(request: pytest.FixtureRequest) -> Mode:
    return request.param  # type: ignore[no-any-return]


def say(session: Session, *messages: Any, **more: Any) -> Any:
    given = {"messages": list(messages), **more}
    return invoke(session.mode, session.graph(), given, session.config)


def asked(session: Session) -> list[str]:
    return [turn["question"] for turn in session.state()["turns"]]


def test_the_last_human_message_is_the_question_and_no_other_is_sent(session: Session) -> None:
    blocks = [{"type": "text", "text": "Who makes "}, PICTURE, {"type": "text", "text": "bikes?"}]
    before = ({"role": "user", "content": "My secret is 42."}, AIMessage("Noted."))
    say(session, *before, {"role": "user", "content": blocks})
    assert asked(session) == ["Who makes bikes?"]
    sent = [str(one.body) for one in session.simulator.requests if one.method == "POST"]
    assert sent
    assert not any("secret" in body or "Noted" in body for body in sent)


def test_the_answer_is_one_message_with_numbered_linked_sources(session: Session) -> None:
    session.simulator.scripts.add(RunScript(output=CITED))
    out = say(session, HumanMessage("Who?", id="m1"))
    _, answer = out["messages"]
    assert isinstance(answer, AIMessage)
    assert "- **maker**: Riese (2) makes them [1]" in answer.text
    assert r"- [1] Makers \*now\* — <https://a.example/x>" in answer.text
    (turn,) = out["turns"]
    assert answer.response_metadata == {
        "interaction_id": out["interaction_id"],
        "run_ids": [turn["run_id"]],
        "cost_usd": 0.1,
        "action": "accept",
    }
    assert out["answer"] == CITED["content"]


def test_a_second_message_on_the_thread_follows_up(session: Session) -> None:
    first = say(session, HumanMessage("Who makes bikes?"))
    second = say(session, HumanMessage("And in Europe?"))
    assert second["turns"][1]["parent_interaction_id"] == first["interaction_id"]
    assert [message.type for message in second["messages"]] == ["human", "ai"] * 2
    assert len(session.runs) == 2


def test_sources_keep_their_numbers_in_a_chat(session: Session) -> None:
    other = {"url": "https://b.example/y", "title": "Other"}
    basis = {**CITED["basis"][0]}
    more = {**CITED, "basis": [{**basis, "citations": [other, *basis["citations"]]}]}
    session.simulator.scripts.add(RunScript(output=CITED))
    session.simulator.scripts.add(RunScript(output=more))
    say(session, HumanMessage("Who?"))
    text = say(session, HumanMessage("Who else?"))["messages"][-1].text
    assert "makes them [2][1]" in text
    assert "- [2] Other — <https://b.example/y>" in text


def test_a_question_comes_before_messages(session: Session) -> None:
    out = say(session, HumanMessage("Hello?", id="m1"), question="Who makes bikes?")
    assert asked(session) == ["Who makes bikes?"]
    assert [message.type for message in out["messages"]] == ["human", "ai"]
    say(session, HumanMessage("Hello?", id="m1"))  # it was answered with that question
    assert len(session.runs) == 1


def test_a_question_in_a_chat_has_an_answer_of_its_own(session: Session) -> None:
    said = say(session, HumanMessage("Who?"))["messages"]
    out = session.ask("And why?")
    assert out["messages"][:2] == said
    assert out["messages"][2].response_metadata["run_ids"] == [out["turns"][1]["run_id"]]


def test_the_same_message_twice_while_its_run_is_on_its_way_is_one_run(mode: Mode) -> None:
    session = Session(mode, options={"wait": "park"})
    for id in ("m1", "m2"):
        say(session, HumanMessage("Who?", id=id))
    clock: Any = session.simulator.clock
    clock.advance(3_600.0)
    out = invoke(mode, session.graph(), Command(resume="wake up"), session.config)
    assert [message.type for message in out["messages"]] == ["human", "human", "ai"]
    say(session, *out["messages"])
    assert len(session.runs) == 1


@pytest.mark.parametrize(
    "content", ["", "  ", [PICTURE], []], ids=["empty", "blank", "image", "none"]
)
def test_a_message_without_text_is_refused_in_words_and_unpaid(
    session: Session, content: Any
) -> None:
    out = say(session, HumanMessage(content))
    assert "no text" in out["messages"][-1].text
    assert out["messages"][-1].response_metadata["run_ids"] == []
    assert session.runs == []
    assert say(session, HumanMessage("Who?"))["messages"][-1].response_metadata["run_ids"]
    assert len(session.runs) == 1


def test_a_message_that_the_api_would_not_take_is_refused_in_words(session: Session) -> None:
    session.options["request"] = RequestOptions(strict=True)
    out = say(session, HumanMessage("x" * 20_000))
    assert "Nothing was researched" in out["messages"][-1].text
    assert "15" in out["messages"][-1].text
    assert session.runs == []


def test_what_is_no_message_is_refused_before_it_is_in_the_state(session: Session) -> None:
    with pytest.raises(InvalidRequest, match="what is no message"):
        say(session, {"colour": "red"})
    with pytest.raises(InvalidRequest, match="cannot be stored"):
        say(session, HumanMessage("half \ud800"))
    assert session.runs == []


def test_messages_that_were_answered_are_not_asked_again(session: Session) -> None:
    out = say(session, {"role": "user", "content": "Who?", "id": "m1"})
    again = say(session, *out["messages"])
    assert again["messages"] == out["messages"]
    assert len(session.runs) == 1


def test_a_message_that_was_edited_is_asked_and_once(session: Session) -> None:
    say(session, HumanMessage("Who?", id="m1"))
    out = say(session, HumanMessage("Why?", id="m1"))
    out = say(session, HumanMessage("Why?", id="m1"))
    assert asked(session) == ["Who?", "Why?"]
    assert [message.type for message in out["messages"]] == ["human", "ai", "ai"]
    assert out["messages"][-1].response_metadata["run_ids"] == [out["turns"][1]["run_id"]]
    assert len(session.runs) == 2


def test_an_answer_that_was_taken_out_of_the_chat_is_given_again(session: Session) -> None:
    out = say(session, HumanMessage("Who?", id="m1"))
    again = say(session, RemoveMessage(id=out["messages"][-1].id))
    assert again["messages"] == out["messages"]
    assert len(session.runs) == 1


def test_a_message_that_comes_again_while_a_person_reviews_goes_on_with_that(
    session: Session,
) -> None:
    session.options["evaluate"] = script({"action": "review", "reason": "look"})
    for _ in range(2):
        say(session, HumanMessage("Who?", id="m1"))
        (waiting,) = session.graph().get_state(session.config).interrupts
        assert waiting.value["kind"] == "review"
    yes: Any = Command(resume={"decisions": [{"type": "approve"}]})
    out = invoke(session.mode, session.graph(), yes, session.config)
    assert [message.type for message in out["messages"]] == ["human", "ai"]
    assert len(session.runs) == 1


def test_a_message_that_comes_again_after_a_kill_before_it_was_judged_goes_on(
    session: Session,
) -> None:
    def dies(state: Any, turn: Any) -> Any:
        raise RuntimeError("died")

    session.options["evaluate"] = dies
    with pytest.raises(RuntimeError, match="died"):
        say(session, HumanMessage("Who?", id="m1"))
    session.options["evaluate"] = script()
    out = say(session, HumanMessage("Who?", id="m1"))
    assert [message.type for message in out["messages"]] == ["human", "ai"]
    assert len(session.runs) == 1


def test_a_message_that_is_asked_again_from_a_fork_before_it_has_its_run(session: Session) -> None:
    """As chat interfaces do that regenerate an answer, or send an edited message again."""
    say(session, HumanMessage("Who?"))
    say(session, HumanMessage("Why?"))
    history = list(session.graph().get_state_history(session.config))
    start = next(one for one in history if one.next == ("__start__",))
    again = invoke(session.mode, session.graph(), None, start.config)
    given = {"messages": [HumanMessage("Why?")]}
    anew = invoke(session.mode, session.graph(), given, start.parent_config)
    assert [turn["run_id"] for turn in anew["turns"]] == [t["run_id"] for t in again["turns"]]
    assert len(session.runs) == 2
    given = {"messages": [HumanMessage("How?")]}
    edited = invoke(session.mode, session.graph(), given, start.parent_config)
    assert edited["answer"] != again["answer"]
    assert len(session.runs) == 3


def test_without_a_checkpointer_the_whole_chat_is_given_each_time(mode: Mode) -> None:
    session = Session(mode, checkpointer=None)
    out = say(session, HumanMessage("Who?"))
    out = say(session, *out["messages"], HumanMessage("And why?"))
    assert [message.type for message in out["messages"]] == ["human", "ai"] * 2
    assert len(session.runs) == 2


def test_a_replay_adds_no_second_answer(session: Session) -> None:
    first = say(session, HumanMessage("Who?"))
    history = list(session.graph().get_state_history(session.config))
    for snapshot in history:
        if snapshot.next and snapshot.next != ("__start__",):
            again = invoke(session.mode, session.graph(), None, snapshot.config)
            assert again["messages"] == first["messages"]
    assert len(session.runs) == 1


def test_a_session_that_is_resumed_answers_its_message_once(session: Session) -> None:
    session.simulator.faults.add(
        Fault("status_before", method="GET", path="*/trun_*", status=403, times=None)
    )
    with pytest.raises(Forbidden):
        say(session, HumanMessage("Who?", id="m1"))
    session.simulator.faults.clear()
    out = invoke(session.mode, session.graph(), None, session.config)
    assert [message.type for message in out["messages"]] == ["human", "ai"]
    assert len(session.runs) == 1


def test_without_a_chat_the_answer_is_the_only_message(session: Session) -> None:
    session.ask("Who?")
    out = session.ask("And why?")
    (message,) = out["messages"]
    assert message.response_metadata["run_ids"] == [out["turns"][1]["run_id"]]


def test_a_run_that_fails_is_told_in_a_message(session: Session) -> None:
    session.simulator.scripts.add(RunScript("failed", message="No <b>sources</b> found."))
    text = say(session, HumanMessage("Who?"))["messages"][-1].text
    assert "There is no answer (status failed)." in text
    assert r"No \<b\>sources\</b\> found" in text


def test_a_limit_is_told_in_a_message(session: Session) -> None:
    session.options["limits"] = Limits(max_runs=1, on_exceed="stop")
    say(session, HumanMessage("Who?"))
    last = say(session, HumanMessage("Why?"))["messages"][-1]
    assert last.text.startswith("Nothing was researched: This would bring the session to 2 runs")
    assert last.response_metadata["run_ids"] == []
    assert len(session.runs) == 1


def test_a_follow_up_that_the_limits_stop_keeps_the_answer_in_the_message(session: Session) -> None:
    session.options |= {
        "limits": Limits(max_runs=1, max_runs_per_question=3, on_exceed="stop"),
        "evaluate": script({"action": "follow_up", "question": "More?", "reason": "thin"}),
    }
    last = say(session, HumanMessage("Who?"))["messages"][-1]
    assert "Sources:" in last.text
    assert "The research stopped: This would bring the session to 2 runs" in last.text
    assert len(last.response_metadata["run_ids"]) == 1


def test_branches_are_answered_in_one_message(session: Session) -> None:
    fork = {"action": "branch", "questions": [{"question": "Left?"}, {"question": "Right?"}]}
    session.options |= {"limits": Limits(max_runs_per_question=3), "evaluate": script(fork)}
    out = say(session, HumanMessage("Which way?"))
    assert "### Left?" in out["messages"][-1].text
    assert "### Right?" in out["messages"][-1].text
    assert len(out["messages"][-1].response_metadata["run_ids"]) == 3
    assert len(out["messages"]) == 2


def test_a_person_is_asked_and_the_message_answered_afterwards(session: Session) -> None:
    session.options["limits"] = Limits(approve_above="lite")
    say(session, HumanMessage("Who?"))
    (waiting,) = session.graph().get_state(session.config).interrupts
    assert waiting.value["kind"] == "spend"
    edited = {
        "args": {"question": "Who makes bikes?"},
        "name": waiting.value["action_requests"][0]["name"],
    }
    yes: Any = {"decisions": [{"type": "edit", "edited_action": edited}]}
    out = invoke(session.mode, session.graph(), Command(resume=yes), session.config)
    assert [message.type for message in out["messages"]] == ["human", "ai"]
    assert asked(session) == ["Who makes bikes?"]
    say(session, *out["messages"])
    assert len(session.runs) == 1


def test_a_parked_question_goes_on_when_a_message_without_text_comes_in(mode: Mode) -> None:
    session = Session(mode, options={"wait": "park"})
    say(session, HumanMessage("Who?"))
    say(session, HumanMessage([PICTURE]))
    assert len(session.runs) == 1
    clock: Any = session.simulator.clock
    clock.advance(3_600.0)
    out = invoke(mode, session.graph(), Command(resume="wake up"), session.config)
    assert out["messages"][-1].response_metadata["run_ids"] == [session.runs[0]["run_id"]]


ADDRESS = re.compile(r"https?://|www\.|\w@\w", re.IGNORECASE)
HOSTILE = (
    "# Heading\n![x](https://evil.example/?q=1)\n[Bank](https://evil.example) <b>bold</b>\n"
    "See https://evil.example, www.evil.example, me@evil.example and [7].\n```\ncode\n```\n"
    "- Sources:\n\n| a | b |\n|---|---|"
)


@pytest.mark.parametrize("content", [HOSTILE, {HOSTILE: HOSTILE}], ids=["text", "field"])
def test_no_text_of_the_web_gives_the_message_a_form_of_its_own(
    session: Session, content: Any
) -> None:
    basis = [
        {
            "field": "output",
            "reasoning": "",
            "citations": [{"url": "https://a.example/x", "title": HOSTILE}],
        }
    ]
    session.simulator.scripts.add(RunScript(output={"content": content, "basis": basis}))
    text = say(session, HumanMessage("Who?"))["messages"][-1].text
    found = MarkdownIt("commonmark", {"linkify": True}).enable(["table"]).parse(text)
    parts = [part for token in found for part in (token, *(token.children or ()))]
    kinds = {part.type for part in parts}
    assert not kinds & {"heading_open", "image", "html_inline", "html_block", "fence", "table_open"}
    links = [part.attrs["href"] for part in parts if part.type == "link_open"]
    assert links == ["https://a.example/x"]
    # What some renderers would make a link of after the escapes are read:
    shown = [part.content for part in parts if part.type.startswith("text") and not part.children]
    assert not [text for text in shown if ADDRESS.search(text) and text not in links]
    assert "[7]" not in text


def test_a_message_is_bounded_and_says_what_it_leaves_out(session: Session) -> None:
    session.simulator.scripts.add(
        RunScript(output={"content": "long *words* " * 20_000, "basis": []})
    )
    text = say(session, HumanMessage("Who?"))["messages"][-1].text
    assert len(text) <= DEFAULT_MAX_CHARS
    assert "Left out: " in text


def test_the_schemas_show_what_a_model_can_fill_in(session: Session) -> None:
    shown = session.graph().get_input_jsonschema()
    assert list(shown["properties"]) == ["question", "continue_from", "messages"]
    assert "costs money" in shown["description"]
    assert "$defs" not in shown
    answer = session.graph().get_output_jsonschema()
    assert list(answer["properties"]) == ["answer", "messages", "interaction_id", "spent_usd"]
    first = session.ask("Who?", limits={"max_runs": 5})  # and takes what else is documented
    assert first["limits"] == {"max_runs": 5}


@pytest.mark.filterwarnings("ignore::langchain_core._api.beta_decorator.LangChainBetaWarning")
def test_as_a_tool_it_takes_what_a_model_fills_in(session: Session) -> None:
    graph = session.graph()
    graph.checkpointer = None
    tool = graph.as_tool(name="research", description="Researches.")
    assert set(tool.args) == {"question", "continue_from", "messages"}
    assert all("type" in shape for shape in tool.args.values())

    def call(**given: Any) -> Any:
        return tool.invoke(given) if session.mode == "sync" else asyncio.run(tool.ainvoke(given))

    first = call(question="Who?")
    (turn,) = call(question="Why?", continue_from=first["interaction_id"])["turns"]
    assert turn["parent_interaction_id"] == first["interaction_id"]
