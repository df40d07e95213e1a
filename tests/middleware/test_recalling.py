"""The model looks up what earlier conversations have found: with age, price and addresses, as data."""

from __future__ import annotations

from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore

from langchain_parallel.errors import InvalidRequest
from langchain_parallel.options import Limits, Recall, RequestOptions

from .harness import SAID, Account, How, Model, calls, follow_up, record, start, texts

ALL = RequestOptions(recall=Recall(per="all"))
A_DAY = 86_400.0


def look_up(question: str, name: str = "research") -> tuple[str, dict[str, Any]]:
    return f"recall_{name}", {"question": question}


class Office:
    """Conversations that share an account and a store."""

    def __init__(self, how: How = "sync", **options: Any) -> None:
        self.account = Account(how)
        self.options = {"request": ALL, **options}
        self.compiled = {"checkpointer": InMemorySaver(), "store": InMemoryStore()}

    def talk(self, name: str, *says: Any, **configurable: Any) -> dict[str, Any]:
        """A conversation in which the model says this."""
        model = Model(*says)
        agent = self.account.agent(model, compiled=self.compiled, **self.options)
        config = {"configurable": {"thread_id": name, **configurable}}
        return self.account.invoke(agent, SAID, config)


@pytest.mark.parametrize("how", ["sync", "async"])
def test_the_model_reads_what_an_earlier_conversation_has_found(how: How) -> None:
    office = Office(how)
    office.account.script(output={"content": {"leader": "Acme [1]"}})
    first = office.talk("one", calls(start("Who leads?")))
    office.account.pass_time(3 * A_DAY)
    state = office.talk("two", calls(look_up("who leads")))
    (text,) = texts(state)
    assert text.startswith("The same question was asked in an earlier session, 3 days ago (20"), (
        text[:200]
    )
    assert "leader: Acme (1)" in text  # a mark of then means nothing here
    assert record(first, "r1")["citations"][0]["url"] in text
    assert "It may have changed since: start_research asks anew, and is paid for." in text
    assert text.count("<research_output") == text.count("</research_output") == 1
    assert not state["parallel_research"]
    assert office.account.billed == 1


def test_what_nobody_has_asked_is_not_known() -> None:
    office = Office()
    (text,) = texts(office.talk("one", calls(look_up("Who leads?"))))
    assert (
        text == "Nothing is known of it from earlier conversations; start_research researches it."
    )


def test_the_same_question_is_asked_anew_if_the_model_asks_it() -> None:
    office = Office()
    for name in ("one", "two"):
        office.talk(name, calls(look_up("Who leads?")), calls(start("Who leads?")))
    assert office.account.asked == ["Who leads?", "Who leads?"]


def test_users_see_nothing_of_each_other() -> None:
    office = Office(request=RequestOptions(recall=Recall()))

    def talk(name: str, user: str, *says: Any) -> dict[str, Any]:
        server = {"langgraph_auth_user_id": user, "langgraph_request_id": name}
        return office.talk(name, *says, **server)

    talk("one", "ann", calls(start("Who leads?")))
    (theirs,) = texts(talk("two", "bob", calls(look_up("Who leads?"))))
    (own,) = texts(talk("three", "ann", calls(look_up("Who leads?"))))
    assert theirs.startswith("Nothing is known")
    assert own.startswith("The same question")


def test_a_person_who_approves_is_shown_it_too() -> None:
    office = Office(limits=Limits(max_runs=1))
    office.talk("one", calls(start("Who leads?")))
    office.options["limits"] = Limits(max_runs=0)
    (asked,) = office.talk("two", calls(start("Who leads?")))["__interrupt__"]
    ((known,),) = asked.value["known"]
    assert known["is_same_question"]
    assert known["cost_usd"] == 0.005
    assert office.account.billed == 1


def test_with_ask_a_person_is_asked_first() -> None:
    office = Office(request=RequestOptions(recall=Recall(per="all", ask=True)))
    office.talk("one", calls(start("Who leads?")))
    (asked,) = office.talk("two", calls(start("Who leads?")))["__interrupt__"]
    assert asked.value["reasons"] == ["An earlier session has asked this, and has an answer."]


def test_a_follow_up_says_what_it_followed() -> None:
    office = Office(
        request=RequestOptions(recall=Recall(per="all", least_score=0.5)),
    )
    words = ["leads", "founded", "trams"]
    office.compiled["store"] = InMemoryStore(
        index={
            "dims": len(words),
            "embed": lambda given: [[float(w in text) for w in words] for text in given],
        }
    )
    office.talk(
        "one", calls(start("Who leads?")), calls(follow_up("r1", "Who founded it?")), "done"
    )
    (text,) = texts(office.talk("two", calls(look_up("Who has founded the one that leads?"))))
    assert "A question like it was asked" in text
    assert "Question: Who founded it?\nAsked after: Who leads?" in text


def test_several_answers_share_the_room() -> None:
    words = ["leads"]
    office = Office(
        request=RequestOptions(recall=Recall(per="all", least_score=0)), max_chars=3_000
    )
    office.compiled["store"] = InMemoryStore(
        index={"dims": 1, "embed": lambda given: [[1.0 + len(words)] for _ in given]}
    )
    for nth in range(4):
        office.account.script(output={"content": {"text": "Long. " * 5_000}})
        office.talk(f"t{nth}", calls(start(f"Who leads {nth}?")))
    (text,) = texts(office.talk("last", calls(look_up("Who leads?"))))
    assert text.count("was asked in an earlier session") == 3
    assert len(text) < 4_500


def test_two_middlewares_have_a_tool_each_and_without_the_option_there_is_none() -> None:
    account = Account()
    names = {tool.name for tool in account.middleware(request=ALL, name="market").tools}
    assert "recall_market" in names
    assert not [tool for tool in account.middleware().tools if tool.name.startswith("recall")]


def test_an_agent_without_a_store_pays_for_nothing() -> None:
    office = Office()
    office.compiled = {"checkpointer": InMemorySaver()}
    with pytest.raises(InvalidRequest, match="needs a store"):
        office.talk("one", calls(start("Who leads?")))
    assert office.account.runs == []
