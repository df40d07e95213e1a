"""Two users of one account on a LangGraph server, each with threads of their own: whoever edits the state of
an agent's thread gets nothing of another's.
"""

from __future__ import annotations

import sys
from collections import Counter
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from langchain_parallel import RequestOptions

from .harness import (
    SAID,
    Account,
    Model,
    branch,
    calls,
    check,
    follow_up,
    listing,
    more,
    read,
    record,
    start,
    texts,
)
from .test_surroundings import own_graph

SERVER = {"langgraph_auth_user_id": "mallory", "langgraph_request_id": "request"}
SECRET = "What does our rival plan?"
RECORDS, LEDGER = "parallel_research", "parallel_research_ledger_id"
PLACES = pytest.mark.parametrize("place", ["server", "process"])


def on(place: str = "server", thread_id: str = "mine") -> Any:
    own = SERVER if place == "server" else {}
    return {"configurable": {"thread_id": thread_id, **own}}


def others(account: Account) -> dict[str, Any]:
    """What another user's thread has found: the record and its ledger's id."""
    agent = account.agent(
        Model(calls(start(SECRET)), "done"), compiled={"checkpointer": InMemorySaver()}
    )
    state = account.invoke(agent, SAID, on(thread_id="others"))
    return dict(record(state, "r1"))


class Mine:
    """A thread with one finding of its own, whose user edits its state."""

    def __init__(self, account: Account, place: str = "server", **options: Any) -> None:
        self.account, self.place, self.options = account, place, options
        self.saver = InMemorySaver()
        self.says(calls(start("Who leads?")), "done")

    def agent(self, *says: Any) -> Any:
        compiled = {"checkpointer": self.saver}
        return self.account.agent(Model(*says), compiled=compiled, **self.options)

    def says(self, *says: Any) -> dict[str, Any]:
        return self.account.invoke(self.agent(*says), more(), on(self.place))

    def edit(self, **changes: Any) -> None:
        """Change the record of its finding; under another handle, add one like it."""
        agent = self.agent()
        mine = record(agent.get_state(on(self.place)).values, "r1")
        edited = {**mine, **changes}
        agent.update_state(on(self.place), {RECORDS: {edited["handle"]: edited}}, as_node="model")

    @property
    def sent(self) -> list[str | None]:
        """What each run of the account was built on."""
        simulator = self.account.simulator
        runs = [simulator.find_run(run["run_id"]) for run in self.account.runs]
        return [run.request.get("previous_interaction_id") for run in runs]


def requests_for(account: Account, run_id: str) -> list[str]:
    return [one.path for one in account.simulator.requests if run_id in one.path]


EDITS: dict[str, Any] = {
    "running": lambda it: {
        "status": "running",
        "run_id": it["run_id"],
        "interaction_id": it["interaction_id"],
    },
    "completed": lambda it: {"run_id": it["run_id"], "interaction_id": it["interaction_id"]},
    "its interaction alone": lambda it: {"interaction_id": it["interaction_id"]},
    "no run": lambda it: {"run_id": "", "interaction_id": it["interaction_id"]},
    "its ledger": lambda it: {
        "status": "unknown",
        "run_id": "",
        "interaction_id": None,
        "ledger_id": it["ledger_id"],
        "question": SECRET,
    },
}
ASKS: dict[str, Any] = {
    "nothing": (),
    "check": calls(check("r9")),
    "check all": calls(check()),
    "list": calls(listing()),
    "read": calls(read("r9")),
    "follow up": calls(follow_up("r9", "And then?")),
    "branch": calls(branch("r9", "And then?", "And now?")),
}


@pytest.mark.grid
@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("ask", ASKS)
def test_an_edited_record_gives_nothing_of_another_users_research(
    account: Account, edit: str, ask: str
) -> None:
    foreign = others(account)
    mine = Mine(account)
    mine.edit(handle="r9", call="x/1", **EDITS[edit](foreign))  # no record goes back to `running`
    before = len(account.simulator.requests)
    state = mine.says(*filter(None, [ASKS[ask] or None]), "done")
    read_since = account.simulator.requests[before:]
    assert not [one.path for one in read_since if one.path.endswith(f"{foreign['run_id']}/result")]
    assert foreign["content"] not in [one["content"] for one in state[RECORDS].values()]
    assert state[RECORDS]["r9"]["status"] == EDITS[edit](foreign).get("status", "completed")
    assert SECRET not in texts(state)[-1].replace(SECRET, "", edit == "its ledger")
    assert foreign["interaction_id"] not in mine.sent
    if ask in ("read", "follow up", "branch", "check"):
        assert "r9" in texts(state)[-1]
    if edit == "its interaction alone":  # the run is its own, and the API names its interaction
        assert set(mine.sent) <= {None, account.runs[1]["interaction_id"]}
    elif ask in ("follow up", "branch"):
        assert "so nothing can build on it. Nothing was started." in texts(state)[-1]
        assert len(account.runs) == 2


def test_tools_without_the_hooks_know_whose_research_it_is_too(account: Account) -> None:
    foreign, saver = others(account), InMemorySaver()
    compiled = {"checkpointer": saver}
    graph = own_graph(account, Model(calls(start("Who leads?")), "done"), compiled=compiled)
    state = account.invoke(graph, SAID, on())
    edited = {**record(state, "r1"), "handle": "r9", "call": "x/1", **EDITS["completed"](foreign)}
    graph.update_state(on(), {RECORDS: {"r9": edited}})
    says = calls(read("r9"), follow_up("r9", "And then?"), follow_up("r1", "And then?"))
    graph = own_graph(account, Model(says, "done"), compiled=compiled)
    state = account.invoke(graph, more(), on())
    *refused, answered = texts(state)[-3:]
    assert "nothing shows that its run belongs to this conversation" in refused[0]
    assert "r9 has no answer (unproven)" in refused[1]
    assert "r1.2 completed" in answered
    assert len(account.runs) == 3


@pytest.mark.parametrize(("place", "options"), [("process", {}), ("server", {"allow": True})])
def test_records_of_others_are_used_where_that_is_allowed(
    account: Account, place: str, options: dict[str, Any]
) -> None:
    """By code of one's own, or by who runs the server."""
    foreign = others(account)
    allow = RequestOptions(allow_foreign_ids=options.get("allow"))
    mine = Mine(account, place, request=allow)
    mine.edit(**EDITS["completed"](foreign))
    mine.says(calls(follow_up("r1", "And then?")), "done")
    assert mine.sent[-1] == foreign["interaction_id"]


def test_what_code_hands_over_is_refused_where_that_is_forbidden(account: Account) -> None:
    foreign = others(account)
    mine = Mine(account, "process", request=RequestOptions(allow_foreign_ids=False))
    mine.edit(**EDITS["completed"](foreign))
    state = mine.says(calls(follow_up("r1", "And then?")), "done")
    assert "r1 has no answer (unproven)" in texts(state)[-1]
    assert len(account.runs) == 2


@pytest.mark.parametrize("records", ["kept", "withheld", "removed"])
def test_an_edited_ledger_is_not_looked_into(account: Account, records: str) -> None:
    """The same question at the same place: in that ledger it would find the other's run."""
    foreign, saver = others(account), InMemorySaver()
    agent = account.agent(
        Model("hello", calls(start(SECRET)), "done"), compiled={"checkpointer": saver}
    )
    account.invoke(agent, more(), on())
    given: dict[str, Any] = {LEDGER: foreign["ledger_id"]}
    if (
        records != "removed"
    ):  # as of a planned call, without a seal; or as of a run that is nobody's here
        status = "planned" if records == "kept" else "withheld"
        forged = {**foreign, "handle": "r9", "status": status, "run_id": "", "call": "x/1"}
        given[RECORDS] = {"r9": forged}
    agent.update_state(on(), given, as_node="model")
    state = account.invoke(agent, more(), on())
    own = record(state, "r1")
    assert own["run_id"] != foreign["run_id"]
    assert own["ledger_id"] != foreign["ledger_id"]
    assert len(account.runs) == 2


@pytest.mark.parametrize("wait", ["block", "background", "park"])
def test_a_server_costs_no_request_more(account: Account, wait: Any) -> None:
    ways = {}
    for place in ("process", "server"):
        here = Account(account.how)
        mine = Mine.__new__(Mine)
        mine.account, mine.place, mine.options = here, place, {"wait": wait}
        mine.saver = InMemorySaver()
        mine.says(calls(start("Who leads?")), "done")
        here.pass_time()
        for _ in range(2):
            if mine.agent().get_state(on(place)).interrupts:
                here.invoke(mine.agent("done"), Command(resume=1), on(place))
        mine.says(calls(follow_up("r1", "And then?"), read("r1")), "done")
        here.pass_time()
        if mine.agent().get_state(on(place)).interrupts:
            here.invoke(mine.agent("done"), Command(resume=1), on(place))
        state = mine.says(calls(read("r1"), check("r1.2"), listing()), "done")
        assert {r["status"] for r in state[RECORDS].values()} == {"completed"}
        ways[place] = Counter((r.method, r.path.count("/")) for r in here.simulator.requests)
        assert here.billed == 2
    assert ways["server"] == ways["process"]


def test_a_copied_thread_goes_on_with_its_research(account: Account) -> None:
    mine = Mine(account)
    values = mine.agent().get_state(on()).values
    agent = account.agent(
        Model(calls(read("r1"), follow_up("r1", "And then?")), "done"),
        compiled={"checkpointer": InMemorySaver()},
    )
    agent.update_state(on(thread_id="copy"), values, as_node="model")
    state = account.invoke(agent, more(), on(thread_id="copy"))
    assert "r1 completed" in texts(state)[-2]
    assert mine.sent == [None, record(state, "r1")["interaction_id"]]
    assert len({run["taskgroup_id"] for run in account.runs}) == 1


def test_after_the_key_was_replaced_the_api_says_whose_run_it_is(account: Account) -> None:
    mine = Mine(account)
    mine.edit(seal="0" * 32)
    run_id = account.runs[0]["run_id"]
    before = len(requests_for(account, run_id))
    state = mine.says(calls(follow_up("r1", "And then?")), "done")
    assert record(state, "r1.2")["status"] == "completed"
    mine.says(calls(read("r1")), "done")
    assert len(requests_for(account, run_id)) == before + 1
    assert len({run["taskgroup_id"] for run in account.runs}) == 1


def test_while_the_api_is_down_nothing_unproven_is_used_and_nothing_lost(account: Account) -> None:
    mine = Mine(account)
    mine.edit(seal=None)
    account.fault("status_before", status=503, method="GET", times=None)
    state = mine.says(calls(read("r1")), "done")
    assert "nothing shows that its run belongs to this conversation" in texts(state)[-1]
    account.simulator.faults.clear()
    state = mine.says(calls(read("r1")), "done")
    assert "r1 completed" in texts(state)[-1]


@pytest.mark.parametrize("edit", ["what it builds on", "its outcome"])
def test_a_planned_call_that_was_edited_is_planned_anew(account: Account, edit: str) -> None:
    """Between its plan and its tool, as a breakpoint allows."""
    foreign, saver = others(account), InMemorySaver()
    changes = {"parent_interaction_id": foreign["interaction_id"]}
    if edit == "its outcome":  # it keeps the seal of a plan, which names no interaction
        changes = {"status": "completed", "interaction_id": foreign["interaction_id"]}
    compiled = {"checkpointer": saver, "interrupt_before": ["tools"]}
    agent = account.agent(Model(calls(start("Who leads?")), "done"), compiled=compiled)
    account.invoke(agent, SAID, on())
    planned = record(agent.get_state(on()).values, "r1")
    agent.update_state(on(), {RECORDS: {"r1": {**planned, **changes}}})
    agent = account.agent(Model("done"), compiled={"checkpointer": saver})
    state = account.invoke(agent, None, on())
    own = record(state, "r1")
    assert (own["parent_interaction_id"], own["status"]) == (None, "completed")
    assert own["run_id"] == account.runs[1]["run_id"]
    assert len(account.runs) == 2


def test_a_record_of_a_withheld_run_gets_no_seal(account: Account) -> None:
    """Nothing proves such a record, so a tool must not take it for its own call's."""
    foreign, saver = others(account), InMemorySaver()
    compiled = {"checkpointer": saver, "interrupt_before": ["tools"]}
    agent = account.agent(Model(calls(start("Who leads?")), "done"), compiled=compiled)
    account.invoke(agent, SAID, on())
    planned = record(agent.get_state(on()).values, "r1")
    ids = {name: foreign[name] for name in ("run_id", "interaction_id")}
    agent.update_state(on(), {RECORDS: {"r1": {**planned, **ids, "status": "withheld"}}})
    compiled = {"checkpointer": saver}
    account.invoke(account.agent(Model("done"), compiled=compiled), None, on())
    agent = account.agent(Model(calls(check("r9")), "done"), compiled=compiled)
    kept = {**record(agent.get_state(on()).values, "r1"), **ids}
    forged = {**kept, "handle": "r9", "call": "x/1", "status": "running"}
    agent.update_state(on(), {RECORDS: {"r9": forged}}, as_node="model")
    before = len(account.simulator.requests)
    state = account.invoke(agent, more(), on())
    read_since = [one.path for one in account.simulator.requests[before:]]
    assert not [path for path in read_since if path.endswith(f"{foreign['run_id']}/result")]
    assert foreign["content"] not in [one["content"] for one in state[RECORDS].values()]


def test_a_model_is_not_told_of_what_it_cannot_use(account: Account) -> None:
    foreign = others(account)
    mine = Mine(account)
    mine.edit(handle="r9", call="x/1", **EDITS["completed"](foreign))
    says = Model("done")
    compiled = {"checkpointer": mine.saver}
    account.invoke(account.agent(says, compiled=compiled), more(), on())
    if account.how == "async" and sys.version_info < (3, 11):
        return  # there the hook about the model has no config: the tools refuse what it names
    assert "r9" not in says.notes[0]


def test_a_run_that_is_found_by_its_call_is_sealed(account: Account) -> None:
    """The process that goes on has other options, so that the run's key is another."""
    reads = {}
    for place in ("process", "server"):
        here = Account(account.how)
        compiled = {"checkpointer": InMemorySaver(), "name": "one agent"}
        kept: dict[str, Any] = {"compiled": compiled, "wait": "park"}
        here.invoke(here.agent(Model(calls(start("Who leads?"))), **kept), SAID, on(place))
        here.pass_time()
        other = here.agent(Model("done"), output_schema="One sentence.", **kept)
        state = here.invoke(other, Command(resume=1), on(place))
        assert record(state, "r1")["run_id"] == here.runs[0]["run_id"]
        state = here.invoke(other, more(), on(place))
        reads[place] = len(requests_for(here, here.runs[0]["run_id"]))
    assert reads["server"] == reads["process"]
