"""Failed MCP calls, warnings and repairs reach everyone, and no text claims more than is known."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from langchain_parallel import Limits
from langchain_parallel.errors import (
    AuthenticationFailed,
    MalformedResponse,
    NotFound,
    ParallelError,
    ResponseLost,
    RunError,
    ServerFault,
    StillRunning,
)
from langchain_parallel.research import by_person
from langchain_parallel.research.evaluation.prompt import session_text
from langchain_parallel.sessions import InteractionTree, SessionReport
from langchain_parallel.simulator import RunScript
from langchain_parallel.tools.tool_messages import error_for_model

from .middleware import harness as agents
from .research.harness import Session
from .test_odd_answers import called, cited
from .tool.helpers import Account

OUTPUT = {**called(error="is down"), "basis": cited(title={"en": "T"})["basis"]}
SCRIPT: dict[str, Any] = {"output": OUTPUT, "warnings": ("Schema is odd.", {"detail": {"n": 1}})}
TOLD = ["Schema is odd.", "'n': 1", "files/read: is down", "output.basis.0.citations.0.title"]


def is_told(text: object) -> bool:
    plain = re.sub(r"\\(.)|&#x27;|&#39;", lambda found: found[1] or "'", str(text))
    return [words for words in TOLD if words not in plain] == []


def test_the_client_and_the_tools_model() -> None:
    account = Account()
    account.script(**SCRIPT)
    assert is_told(account.tool().invoke({"input": "q"}))


def test_the_turn_the_report_the_tree_and_the_judge() -> None:
    session = Session("sync")
    session.simulator.scripts.add(RunScript(**SCRIPT))
    turns = session.ask("q")["turns"]
    assert is_told(turns[0]["warnings"])
    assert is_told(session_text({"turns": turns}, 10_000))
    assert is_told(SessionReport.of(turns).to_markdown())
    assert is_told(SessionReport.from_json(SessionReport.of(turns).to_json()).to_markdown())
    assert is_told(json.loads(SessionReport.of(turns).to_json())["turns"][0]["warnings"])


def test_every_view_of_a_tree() -> None:
    """A page says what the warnings are; a line and a box say how many there are, and for which turn."""
    session = Session("sync")
    session.simulator.scripts.add(RunScript(**SCRIPT))
    session.ask("q")
    turns = session.ask("And then?")["turns"]
    tree = InteractionTree.of(turns)
    shown = tree._repr_mimebundle_()
    assert is_told(tree.html())
    assert is_told(unescape(shown["text/html"]))
    assert [node.warnings for node in tree] == [tuple(turn["warnings"]) for turn in turns]
    for view, mark in ((tree.text(), "⚠"), (tree.mermaid(), "#9888;"), (str(tree), "⚠")):
        [warned] = [line for line in view.splitlines() if mark in line]
        assert f"{mark}{len(turns[0]['warnings'])}" in warned
        assert "And then" not in warned
    assert (shown["text/plain"], shown["text/vnd.mermaid"]) == (tree.text(), tree.mermaid())


def test_an_agents_model() -> None:
    account = agents.Account("sync")
    account.script(**SCRIPT)
    agent = account.agent(agents.Model(agents.calls(agents.start("q"))))
    assert is_told(agents.texts(account.invoke(agent, agents.SAID))[0])


def test_a_person_who_reviews() -> None:
    session = Session("sync", options={"evaluate": by_person()})
    session.simulator.scripts.add(RunScript(**SCRIPT))
    request = session.ask("q")["__interrupt__"][0].value
    assert is_told(request["found"][0]["warnings"])
    assert is_told(request["action_requests"][0]["description"])


def test_a_person_who_approves_an_agents_next_run() -> None:
    account = agents.Account("sync")
    account.script(**SCRIPT)
    model = agents.Model(agents.calls(agents.start("q")), agents.calls(agents.start("q2")))
    limits = Limits(max_runs=1)
    agent = account.agent(model, limits=limits, compiled={"checkpointer": InMemorySaver()})
    state = account.invoke(agent, agents.SAID, agents.thread())
    [asked] = state["__interrupt__"]
    assert is_told(asked.value["found"][0]["warnings"])


IDS: dict[str, Any] = {"run_id": "trun_1", "billed": None}
GOES_ON, MAY_BE_BILLED = "It may continue. ", "It may be billed. "
ADVICE = {
    "": "Tell the user. Do not ask again before a person has checked: ",
    "collector": "fetch_it with this run_id fetches its answer, and costs nothing. Do not ask again: ",
    "is_found_again": (
        "Make the same call again, word for word, to go on with it: it is found, and not billed again. "
        "Do not ask in other words: "
    ),
}
HELP: dict[str, Any] = {"": {}, "collector": {"collector": "fetch_it"}}
HELP["is_found_again"] = {"is_found_again": True}


@pytest.mark.parametrize(
    ("error", "goes_on"),
    [
        (StillRunning("still running", waited=1.0, **IDS), True),
        (ServerFault("503", **IDS), True),
        (AuthenticationFailed("401", **IDS), True),
        (ResponseLost("lost", **IDS), True),
        (NotFound("404", **IDS), False),
        (MalformedResponse("no JSON", **IDS), False),
        (RunError("ended as 'expired'", status="expired", **IDS), False),
        (ParallelError("started twice", **IDS), False),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("helped", HELP)
def test_a_run_goes_on_and_its_answer_is_there_only_where_that_may_be(
    error: ParallelError, goes_on: bool, helped: str
) -> None:
    words = (GOES_ON if goes_on else MAY_BE_BILLED) + ADVICE[helped]
    assert words + "that could start and bill another run." in error_for_model(
        error, **HELP[helped]
    )
