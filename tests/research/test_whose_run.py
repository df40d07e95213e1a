"""Behind a LangGraph server an id is no capability: whose a run, ledger or interaction is, is proven."""

from __future__ import annotations

import asyncio
import json
import operator
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, TypedDict, cast

import httpx
import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.store.memory import InMemoryStore
from langgraph.types import Command
from pydantic import SecretStr

from langchain_parallel import AsyncParallelClient, ParallelClient, create_research_graph
from langchain_parallel._graph.ownership import is_sealed, seal_turn
from langchain_parallel._graph.seals import Seals
from langchain_parallel._graph.store import digest
from langchain_parallel.errors import InvalidRequest, LedgerNotFound
from langchain_parallel.models import McpServer
from langchain_parallel.options import Limits, RequestOptions
from langchain_parallel.research import Turn, by_person, merge_turns
from langchain_parallel.sessions import InteractionTree, SessionReport, carry_over
from langchain_parallel.simulator import ManualClock, RunScript, Simulator, SimulatorTransport

from .harness import Mode, as_json, invoke, script

QUESTION, ELSE = "How large is it?", "And who leads?"
SECRET = "a finding of Bert's"
FORK: Any = {"action": "branch", "questions": [{"question": "Left?"}, {"question": "Right?"}]}


def thread(user: str, thread_id: str | None = None) -> Any:
    """The config of a user's thread, as a LangGraph server makes it."""
    server = {"langgraph_auth_user_id": user, "langgraph_request_id": None}
    return {"configurable": {"thread_id": thread_id or f"thread of {user}", **server}}


RECORDS = ("langchain_parallel", "records")
ANNA, BERT = thread("anna"), thread("bert")


def seen(turn: dict[str, Any]) -> Any:
    """What a log or a trace shows of a turn; its seal is in neither."""
    return {n: v for n, v in turn.items() if n not in ("seal", "content", "citations")} | {
        "content": None,
        "citations": [],
    }


class Server:
    """One process with one graph, and users who share the account and nothing else."""

    def __init__(self, mode: Mode, **options: Any) -> None:
        self.mode, self.options = mode, options
        self.simulator = Simulator(ManualClock())
        self.saver = InMemorySaver()
        self.store: InMemoryStore | None = InMemoryStore()
        self.simulator.scripts.add(
            RunScript(contains="Bert", output={"content": SECRET}, times=None)
        )
        self.begin()

    def begin(self, key: str = "key-of-a-test") -> None:
        """Begin a new process, with this key of the account."""
        kind: Any = ParallelClient if self.mode == "sync" else AsyncParallelClient
        transport = SimulatorTransport(self.simulator)
        client = kind(key, transport=transport, clock=self.simulator.clock)
        options: dict[str, Any] = {"processor": "lite", "client": client, **self.options}
        self.graph: Any = create_research_graph(**options).compile(self.saver, store=self.store)

    def ask(self, who: Any, question: str | None = None, **more: Any) -> Any:
        given = None if question is None else {"question": question, **more}
        return invoke(self.mode, self.graph, given, who)

    def stop_before(self, node: str, who: Any, question: str) -> None:
        """Ask, and stop there."""
        given, how = {"question": question}, {"interrupt_before": [node], "durability": "sync"}
        if self.mode == "sync":
            self.graph.invoke(given, who, **how)
        else:
            asyncio.run(self.graph.ainvoke(given, who, **how))

    def answer(self, who: Any, given: Any = "anything") -> Any:
        return invoke(self.mode, self.graph, Command(resume=given), who)

    def state(self, who: Any) -> dict[str, Any]:
        return cast("dict[str, Any]", self.graph.get_state(who).values)

    def recorded(self) -> list[dict[str, Any]]:
        """What stands in the store beside the threads: each record, with its name and its thread."""
        assert self.store is not None
        return [item.value for item in self.store.search(RECORDS, limit=100)]

    def record(self, who: Any, name: str, record: dict[str, Any]) -> None:
        """Write a record into the store, which a server's users may be able to do."""
        assert self.store is not None
        thread_id = who["configurable"]["thread_id"]
        self.store.put(RECORDS, digest(f"{thread_id}/{name}"), {"name": name, "record": record})

    def edit(self, who: Any, **values: Any) -> None:
        self.graph.update_state(who, values)

    def pass_time(self) -> None:
        cast(Any, self.simulator.clock).advance(3_600.0)

    @property
    def runs(self) -> list[Any]:
        return list(self.simulator.runs())


def refused(server: Server, who: Any, attempt: Callable[[], object], id: str) -> None:
    """The attempt ends in an error that names the id and the way out, sends nothing, reads nothing."""
    runs, requests = len(server.runs), len(server.simulator.requests)
    with pytest.raises(InvalidRequest) as raised:
        attempt()
    assert id in str(raised.value)
    assert "allow_foreign_ids" in str(raised.value)
    assert SECRET not in str(raised.value)
    assert SECRET not in as_json(server.state(who))
    assert len(server.runs) == runs
    read = [one.path for one in server.simulator.requests[requests:]]
    assert not any(path.endswith(("/result", "/events", "/input")) for path in read)


@pytest.fixture(params=["block", "park"])
def server(mode: Mode, request: pytest.FixtureRequest) -> Server:
    """Two users: Bert has an answer; Anna's run is on its way."""
    server = Server(mode, wait=request.param)
    server.ask(BERT, f"{QUESTION} (Bert)")
    server.pass_time()
    server.answer(BERT)
    assert server.state(BERT)["turns"][0]["content"] == SECRET
    return server


def on_its_way(server: Server, who: Any, question: str = QUESTION) -> dict[str, Any]:
    """Ask, and stop before the wait."""
    server.stop_before("wait", who, question)
    return cast("dict[str, Any]", server.state(who)["pending"])


# --- what somebody tries who knows another's ids -------------------------------------------------


@pytest.mark.grid
def test_a_run_of_another_thread_is_not_read(server: Server) -> None:
    theirs = server.state(BERT)["turns"][0]
    pending = on_its_way(server, ANNA)
    server.edit(ANNA, pending={**pending, "run_id": theirs["run_id"]})
    refused(server, ANNA, lambda: server.ask(ANNA), theirs["run_id"])


@pytest.mark.grid
def test_nor_with_the_rest_of_its_turn(server: Server) -> None:
    theirs = seen(server.state(BERT)["turns"][0])
    on_its_way(server, ANNA)
    server.edit(ANNA, pending=theirs, ledger_id=server.state(BERT)["ledger_id"])
    refused(server, ANNA, lambda: server.ask(ANNA), theirs["run_id"])


@pytest.mark.grid
def test_nor_is_the_answer_to_another_question_of_the_thread(server: Server) -> None:
    server.ask(ANNA, QUESTION)
    server.pass_time()
    first = server.answer(ANNA)["turns"][0]
    pending = on_its_way(server, ANNA, ELSE)
    server.edit(ANNA, pending={**pending, "run_id": first["run_id"]})
    refused(server, ANNA, lambda: server.ask(ANNA), first["run_id"])


@pytest.mark.grid
def test_a_run_that_is_proven_proves_no_other_interaction(server: Server) -> None:
    """One that failed keeps the interaction that its turn had."""
    theirs = server.state(BERT)["interaction_id"]
    server.simulator.scripts.add(RunScript("failed", contains=QUESTION))
    pending = on_its_way(server, ANNA)
    server.edit(ANNA, pending={**pending, "interaction_id": theirs})
    server.pass_time()
    server.ask(ANNA)
    assert [turn["status"] for turn in server.state(ANNA)["turns"]] == ["failed"]
    refused(server, ANNA, lambda: server.ask(ANNA, ELSE, continue_from=theirs), theirs)


@pytest.mark.grid
def test_the_refused_thread_goes_on_with_its_own_run(server: Server) -> None:
    theirs = server.state(BERT)["turns"][0]
    pending = on_its_way(server, ANNA)
    server.edit(ANNA, pending={**pending, "run_id": theirs["run_id"]})
    refused(server, ANNA, lambda: server.ask(ANNA), theirs["run_id"])
    server.pass_time()
    out = server.ask(ANNA, QUESTION)
    assert [turn["run_id"] for turn in out["turns"]] == [pending["run_id"]]
    assert len(server.runs) == 2


@pytest.mark.grid
def test_its_own_run_is_told_beside_another_question(server: Server) -> None:
    theirs = server.state(BERT)["turns"][0]
    pending = on_its_way(server, ANNA)
    server.edit(ANNA, pending={**pending, "run_id": theirs["run_id"]})
    server.ask(ANNA, ELSE)
    server.pass_time()
    out = server.answer(ANNA)
    assert out["turns"][0]["run_id"] == pending["run_id"]
    assert len(server.runs) == 3


@pytest.mark.grid
@pytest.mark.parametrize("twice", [False, True])
def test_a_duplicate_is_not_looked_for_in_another_ledger(server: Server, twice: bool) -> None:
    """Both ask the same at the same point of their sessions, so the runs have the same key."""
    server.simulator.scripts.add(RunScript(contains=ELSE, output={"content": SECRET}))
    on_its_way(server, thread("carl"), ELSE)
    ledger = server.state(thread("carl"))["ledger_id"]
    pending = on_its_way(server, ANNA, ELSE)
    server.edit(ANNA, pending={**pending, "sent_again": twice}, ledger_id=ledger)
    refused(server, ANNA, lambda: server.ask(ANNA), pending["run_id"])


@pytest.mark.grid
def test_a_ledger_of_another_thread_is_not_looked_into(server: Server) -> None:
    ledger = server.state(BERT)["ledger_id"]
    refused(server, ANNA, lambda: server.ask(ANNA, f"{QUESTION} (Bert)", ledger_id=ledger), ledger)
    server.ask(ANNA, QUESTION, ledger_id="")
    assert server.state(ANNA)["ledger_id"] != ledger


@pytest.mark.grid
def test_nor_is_it_by_a_plan_that_was_written_into_the_state(server: Server) -> None:
    theirs, ledger = server.state(BERT)["turns"][0], server.state(BERT)["ledger_id"]
    on_its_way(server, ANNA, f"{QUESTION} (Bert)")
    planned = {**server.state(ANNA)["pending"], "run_id": "", "ledger_id": ledger}
    values = {"pending": planned, "ledger_id": ledger}
    server.graph.update_state(ANNA, values, as_node="plan")
    refused(server, ANNA, lambda: server.ask(ANNA), ledger)
    assert theirs["run_id"] not in as_json(server.state(ANNA))


@pytest.mark.grid
@pytest.mark.parametrize("question", ["Bert?", QUESTION])
@pytest.mark.parametrize("who", ["anna", "bert"])
def test_a_new_thread_with_the_id_of_a_deleted_one_finds_nothing_of_another_user(
    mode: Mode, question: str, who: str
) -> None:
    """The store outlives the thread: for its own user, a kill may have left no checkpoint of it."""
    server = Server(mode)
    theirs = server.ask(thread("bert", "thread"), "Bert?")
    server.saver.delete_thread("thread")
    server.simulator.clock.advance(10.0)  # type: ignore[attr-defined]
    out = server.ask(thread(who, "thread"), question)
    is_theirs = out["ledger_id"] == theirs["ledger_id"]
    assert is_theirs == (who == "bert")
    assert (theirs["turns"][0]["run_id"] in as_json(out)) == is_theirs


@pytest.mark.grid
@pytest.mark.parametrize("name", ["continue_from", "interaction_id"])
def test_nothing_is_built_on_another_threads_interaction(server: Server, name: str) -> None:
    theirs = server.state(BERT)["interaction_id"]
    refused(server, ANNA, lambda: server.ask(ANNA, QUESTION, **{name: theirs}), theirs)
    server.ask(ANNA, QUESTION, interaction_id=None)
    assert len(server.runs) == 2


def test_nor_without_a_thread(mode: Mode) -> None:
    """A LangGraph server runs graphs without one, too."""
    server = Server(mode)
    theirs = server.ask(BERT, "Bert?")["interaction_id"]
    graph: Any = server.graph.builder.compile()
    server_alone = {"configurable": {"langgraph_auth_user_id": "anna", "langgraph_request_id": ""}}
    with pytest.raises(InvalidRequest, match=theirs):
        invoke(mode, graph, {"question": ELSE, "continue_from": theirs}, server_alone)
    assert len(server.runs) == 1


def test_nor_where_the_ledger_that_would_say_so_is_gone(mode: Mode) -> None:
    server = Server(mode)
    gone = server.ask(ANNA, QUESTION)["ledger_id"]
    server.begin()
    del server.simulator._groups[gone]
    with pytest.raises(LedgerNotFound, match=gone):
        server.ask(ANNA, ELSE, continue_from="intr_of_nobody")
    assert len(server.runs) == 1


@pytest.mark.grid
def test_turns_that_are_given_prove_nothing(server: Server) -> None:
    theirs = server.state(BERT)
    given = {"turns": [*map(seen, theirs["turns"])], "interaction_id": theirs["interaction_id"]}
    refused(server, ANNA, lambda: server.ask(ANNA, ELSE, **given), theirs["interaction_id"])


@pytest.mark.grid
@pytest.mark.parametrize("name", ["interaction_id", "run_id", "ledger_id"])
def test_a_seal_holds_for_the_turn_that_it_was_made_for(server: Server, name: str) -> None:
    server.ask(ANNA, QUESTION)
    server.pass_time()
    own = server.answer(ANNA)["turns"][0]
    theirs = server.state(BERT)["turns"][0]
    forged = {**own, "interaction_id": theirs["interaction_id"], name: theirs[name]}
    server.edit(ANNA, turns=[forged], interaction_id=theirs["interaction_id"])
    refused(server, ANNA, lambda: server.ask(ANNA, ELSE), theirs["interaction_id"])


@pytest.mark.grid
def test_a_plan_that_was_edited_builds_on_nothing_else(server: Server) -> None:
    theirs = server.state(BERT)["interaction_id"]
    server.options["limits"] = Limits(approve_above="lite")
    server.options["processor"] = "pro"
    server.begin()
    server.ask(ANNA, QUESTION)
    pending = server.state(ANNA)["pending"]
    server.edit(ANNA, pending={**pending, "parent_interaction_id": theirs})
    runs = len(server.runs)
    yes = {"decisions": [{"type": "approve"}]}
    server.answer(ANNA, yes)
    assert len(server.runs) == runs
    (asked,) = server.graph.get_state(ANNA).interrupts
    assert theirs in str(asked.value["refused"])


@pytest.mark.grid
@pytest.mark.parametrize("how", ["edit", "verdict"])
def test_what_a_person_or_an_evaluation_asks_builds_on_nothing_else(mode: Mode, how: str) -> None:
    follow: Any = {"action": "follow_up", "question": ELSE}
    verdicts = script(None, follow)
    server = Server(mode, evaluate=by_person() if how == "edit" else verdicts)
    server.options["limits"] = Limits(max_runs_per_question=9)
    server.begin()
    server.ask(BERT, "Bert?")
    theirs = server.state(BERT)["turns"][0]
    follow["continue_from"] = theirs["interaction_id"]
    given = {"turns": [{**seen(theirs), "position": -1, "round": -1}]}
    if how == "verdict":
        with pytest.raises(InvalidRequest, match=theirs["interaction_id"]):
            server.ask(ANNA, QUESTION, **given)
        assert len(server.runs) == 2
        return
    server.ask(ANNA, QUESTION, **given)
    args = {"question": ELSE, "continue_from": theirs["interaction_id"]}
    action = {"name": "follow_up", "args": args}
    server.answer(ANNA, {"decisions": [{"type": "edit", "edited_action": action}]})
    (asked,) = server.graph.get_state(ANNA).interrupts
    assert theirs["interaction_id"] in str(asked.value["refused"])
    assert len(server.runs) == 2


def test_branches_are_held_to_the_same(mode: Mode) -> None:
    server = Server(mode, evaluate=script(None, FORK), wait="park")
    server.options["limits"] = Limits(max_runs_per_question=9)
    server.begin()
    server.ask(BERT, "Bert?")
    server.pass_time()
    server.answer(BERT)
    theirs = server.state(BERT)["turns"][0]["run_id"]
    server.ask(ANNA, QUESTION)
    server.pass_time()
    server.answer(ANNA)
    branches = server.state(ANNA)["branches"]
    own = [branch["run_id"] for branch in branches]
    server.edit(ANNA, branches=[{**branches[0], "run_id": theirs}])
    server.pass_time()
    refused(server, ANNA, lambda: server.ask(ANNA), theirs)
    assert {run["run_id"] for run in server.runs} >= {*own}


@pytest.mark.grid
@pytest.mark.parametrize("whose", ["the same", "another's"])
def test_what_another_identity_saw_is_not_built_on(mode: Mode, whose: str) -> None:
    """In one thread, under two graphs; no seal says that the first graph's answer was handed over."""
    server = Server(mode, request=with_identity("the same"))
    turn = server.ask(ANNA, QUESTION)["turns"][0]
    server.edit(ANNA, turns=[{**turn, "seal": ""}])
    server.options["request"] = with_identity(whose)
    server.begin()
    if whose == "the same":
        assert len(server.ask(ANNA, ELSE)["turns"]) == 2
    else:
        refused(server, ANNA, lambda: server.ask(ANNA, ELSE), turn["interaction_id"])


def with_identity(identity: str) -> RequestOptions:
    tool = McpServer(name="crm", url="https://crm.example/mcp", headers={"Authorization": "x"})
    return RequestOptions(mcp_servers=[tool], identity=identity)


class Without(SimulatorTransport):
    """An API that leaves something out where it tells of a run, such as in which group it is."""

    def __init__(self, simulator: Simulator, *names: str) -> None:
        super().__init__(simulator)
        self._names = names

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = super().handle_request(request)
        if request.method != "GET" or "/tasks/runs/" not in request.url.path:
            return response
        run = json.loads(response.read())
        told = {name: value for name, value in run.items() if name not in self._names}
        return httpx.Response(response.status_code, json=told)


@pytest.mark.parametrize("whose", ["its own", "another's"])
def test_a_run_that_names_no_ledger_proves_none(whose: str) -> None:
    server = Server("sync")
    theirs = server.ask(BERT, "Bert?")["ledger_id"]
    client = ParallelClient(
        "key-of-a-test",
        transport=Without(server.simulator, "taskgroup_id"),
        clock=server.simulator.clock,
    )
    server.options["client"] = client
    server.begin()
    pending = on_its_way(server, ANNA)
    server.pass_time()
    ledger = server.state(ANNA)["ledger_id"] if whose == "its own" else theirs
    bare = {name: value for name, value in pending.items() if name != "seal"}
    server.edit(ANNA, pending={**bare, "ledger_id": ledger}, ledger_id=ledger)
    if whose == "its own":
        assert server.ask(ANNA)["turns"][0]["run_id"] == pending["run_id"]
    else:
        refused(server, ANNA, lambda: server.ask(ANNA), ledger)


def test_a_run_that_names_no_thread_is_nobodys() -> None:
    server = Server("sync")
    pending = on_its_way(server, ANNA)
    transport = Without(server.simulator, "metadata")
    server.options["client"] = ParallelClient(
        "another-key-of-the-account", transport=transport, clock=server.simulator.clock
    )
    server.begin()
    server.pass_time()
    refused(server, ANNA, lambda: server.ask(ANNA), pending["run_id"])


def test_nothing_is_told_of_another_threads_ledger_beside_branches(mode: Mode) -> None:
    """Where no branch is to be started, nothing else asks whose ledger it is."""
    server = Server(mode)
    server.ask(BERT, "Bert?")
    theirs, ledger = server.state(BERT)["turns"][0], server.state(BERT)["ledger_id"]
    own = server.ask(ANNA, QUESTION)["turns"][0]
    ids = {"run_id": "", "interaction_id": None, "key": ""}
    held = {**seen(own), **ids, "status": "planned", "position": 5, "round": 5, "no_credit": True}
    values = {"branches": [held], "ledger_id": ledger}
    server.graph.update_state(ANNA, values, as_node="wait_branch")
    server.ask(ANNA)
    assert theirs["run_id"] not in as_json(server.state(ANNA))
    server.edit(ANNA, branches=[])
    values = {"pending": {**seen(theirs), "status": "running"}, "ledger_id": ledger}
    server.graph.update_state(ANNA, values, as_node="submit")
    refused(server, ANNA, lambda: server.ask(ANNA), theirs["run_id"])


def test_a_record_that_somebody_else_wrote_into_the_store_is_no_proof(mode: Mode) -> None:
    """A LangGraph server lets its users write into its store unless it is told not to."""
    server = Server(mode)
    server.ask(BERT, "Bert?")
    ledger = server.state(BERT)["ledger_id"]
    run = server.state(BERT)["turns"][0]
    for item in list(server.recorded()):
        server.record(ANNA, item["name"], json.loads(json.dumps(item["record"])))
    server.simulator.clock.advance(10.0)  # type: ignore[attr-defined]
    out = server.ask(ANNA, "Bert?")
    assert out["ledger_id"] != ledger
    assert run["run_id"] not in as_json(out)
    assert len(server.runs) == 2


def test_nor_is_the_record_of_what_was_built_on(mode: Mode) -> None:
    server = Server(mode)
    theirs = server.ask(BERT, "Bert?")
    interaction_id = theirs["interaction_id"]
    forged = {"seal": "0" * 32, "ledger_id": theirs["ledger_id"]}
    server.record(ANNA, f"built on {interaction_id}", forged)
    refused(
        server,
        ANNA,
        lambda: server.ask(ANNA, ELSE, continue_from=interaction_id),
        interaction_id,
    )


def test_nor_is_the_record_of_a_run(mode: Mode) -> None:
    server = Server(mode)
    server.ask(BERT, "Bert?")
    theirs = server.state(BERT)["turns"][0]
    server.simulator.scripts.add(RunScript(contains=QUESTION, late_commit=5.0))
    pending = on_its_way(server, ANNA)
    server.begin()
    ids = {name: theirs[name] for name in ("run_id", "interaction_id")}
    started = [one for one in server.recorded() if "run_id" in one["record"]]
    for item in (one for one in started if one["thread"] == digest("thread of anna")):
        server.record(ANNA, item["name"], {**item["record"], **ids})
    server.graph.update_state(
        ANNA, {"pending": {**pending, "run_id": "", "status": "planned"}}, as_node="plan"
    )
    out = server.ask(ANNA)
    assert [turn["run_id"] for turn in out["turns"]] == [pending["run_id"]]
    assert len(server.runs) == 2


def test_a_sealed_plan_is_not_started_in_another_ledger(mode: Mode) -> None:
    """The seal says in which ledger, and Bert's would have the answer."""
    server = Server(mode)
    server.ask(BERT, "Bert?")
    ledger = server.state(BERT)["ledger_id"]
    server.stop_before("submit", ANNA, "Bert?")
    server.graph.update_state(ANNA, {"ledger_id": ledger}, as_node="plan")
    refused(server, ANNA, lambda: server.ask(ANNA), ledger)


def test_the_seal_of_a_plan_proves_no_interaction(mode: Mode) -> None:
    server = Server(mode, processor="pro", limits=Limits(approve_above="pro"))
    server.ask(BERT, "Bert?")
    theirs = server.state(BERT)["interaction_id"]
    server.stop_before("submit", ANNA, QUESTION)
    planned = server.state(ANNA)["pending"]
    assert planned["seal"]
    assert not planned["run_id"]
    server.edit(ANNA, pending={**planned, "interaction_id": theirs})
    refused(server, ANNA, lambda: server.ask(ANNA, ELSE, continue_from=theirs), theirs)


@pytest.mark.parametrize("name", ["run_id", "interaction_id", "ledger_id", "key", "parent"])
def test_what_is_no_text_has_no_seal(name: str) -> None:
    """A user may write anything into the state."""
    seals, turn = Seals(SecretStr("key-of-a-test")), {"run_id": "trun_1", "key": "k"}
    if name == "parent":
        name, turn = "parent_interaction_id", {"run_id": ""}
    sealed = seal_turn(seals, turn, "tgrp_1")
    assert is_sealed(seals, sealed)
    for odd in (b"trun_1", 7, ["trun_1"], {"id": "trun_1"}):
        forged = {**sealed, name: odd}
        assert not is_sealed(seals, forged)


def test_a_refusal_repeats_no_more_of_an_id_than_an_id_has(mode: Mode) -> None:
    server, long = Server(mode), "intr_" + "9" * 400
    with pytest.raises(InvalidRequest) as raised:
        server.ask(ANNA, QUESTION, continue_from=long)
    assert raised.value.message.count("9") == 74  # and an ellipsis: 80 characters
    assert raised.value.interaction_id == long


# --- what goes on as before ----------------------------------------------------------------------


def requests_of(server: Server, act: Callable[[], object]) -> list[str]:
    before = len(server.simulator.requests)
    act()
    return [f"{one.method} {one.path}" for one in server.simulator.requests[before:]]


@pytest.mark.grid
@pytest.mark.parametrize("wait", ["block", "park"])
def test_whoever_keeps_to_the_own_ids_costs_not_one_request_more(mode: Mode, wait: str) -> None:
    """Behind a server and in the developer's process: the same requests."""
    ids: dict[str, list[list[str]]] = {}
    for where in ("server", "process"):
        server = Server(mode, wait=wait, evaluate=script(None, FORK))
        server.options["limits"] = Limits(max_runs_per_question=9)
        server.begin()
        who = ANNA if where == "server" else {"configurable": {"thread_id": "thread of anna"}}
        ids[where] = []
        for act in (
            lambda s=server, w=who: s.ask(w, QUESTION),
            lambda s=server, w=who: s.answer(w),
            lambda s=server, w=who: s.ask(w, ELSE),
            lambda s=server, w=who: s.answer(w),
            lambda s=server, w=who: s.answer(w),
            lambda s=server, w=who: s.ask(
                w, "Why?", continue_from=s.state(w)["turns"][0]["interaction_id"]
            ),
        ):
            asked = requests_of(server, act)
            # Branches run at the same time, so their requests have no order.
            ids[where].append(sorted(path.split("/")[0] + str(path.count("/")) for path in asked))
            server.pass_time()
    assert ids["server"] == ids["process"]
    assert sum(map(len, ids["server"])) > 10


@pytest.mark.grid
def test_follow_ups_forks_and_replays_need_no_further_proof(server: Server) -> None:
    server.ask(ANNA, QUESTION)
    server.pass_time()
    server.answer(ANNA)
    server.ask(ANNA, ELSE)
    server.pass_time()
    server.answer(ANNA)
    first, second = server.state(ANNA)["turns"]
    assert second["parent_interaction_id"] == first["interaction_id"]
    past = [s for s in server.graph.get_state_history(ANNA) if s.next in (("submit",), ("wait",))]
    for old in past:
        server.ask({"configurable": {**ANNA["configurable"], **old.config["configurable"]}})
    assert len(server.runs) == 3
    fork = server.graph.update_state(past[0].config, {"answer": None})
    server.ask({"configurable": {**ANNA["configurable"], **fork["configurable"]}})
    assert len(server.runs) == 3


def copy_thread(server: Server, source: Any, target: Any) -> None:
    """As a LangGraph server copies one: its checkpoints, under another thread's id."""
    names = source["configurable"]["thread_id"], target["configurable"]["thread_id"]
    saver = server.saver
    for namespace, checkpoints in list(saver.storage[names[0]].items()):
        saver.storage[names[1]][namespace] = dict(checkpoints)
    for key, writes in list(saver.writes.items()):
        if key[0] == names[0]:
            copied = (names[1], *key[1:])
            saver.writes[copied] = dict(writes)
    for blob, value in list(saver.blobs.items()):
        if blob[0] == names[0]:
            moved = (names[1], *blob[1:])
            saver.blobs[moved] = value


@pytest.mark.grid
def test_a_copied_thread_goes_on_with_what_is_paid_for(server: Server) -> None:
    pending = on_its_way(server, ANNA)
    copy = thread("anna", "copy")
    copy_thread(server, ANNA, copy)
    server.pass_time()
    out = server.ask(copy)
    assert out["turns"][0]["run_id"] == pending["run_id"]
    server.ask(copy, ELSE)
    server.pass_time()
    out = server.answer(copy)
    assert out["turns"][1]["parent_interaction_id"] == out["turns"][0]["interaction_id"]
    assert len(server.runs) == 3


@pytest.mark.grid
def test_a_session_is_carried_over(server: Server) -> None:
    new = thread("bert", "new")
    server.ask(new, ELSE, **carry_over(server.state(BERT)))
    server.pass_time()
    out = server.answer(new)
    assert out["ledger_id"] != server.state(BERT)["ledger_id"]
    assert out["turns"][1]["parent_interaction_id"] == server.state(BERT)["interaction_id"]


@pytest.mark.grid
def test_ids_may_be_allowed_by_name(server: Server) -> None:
    server.options["request"] = RequestOptions(allow_foreign_ids=True)
    server.begin()
    theirs = server.state(BERT)
    server.ask(ANNA, QUESTION, interaction_id=theirs["interaction_id"])
    server.ask(ANNA, f"{QUESTION} (Bert)", ledger_id=theirs["ledger_id"])


def test_and_refused_in_the_developers_process() -> None:
    server = Server("sync", request=RequestOptions(allow_foreign_ids=False))
    here = {"configurable": {"thread_id": "here"}}
    with pytest.raises(InvalidRequest, match="not known to be this thread's"):
        server.ask(here, QUESTION, continue_from="trun_of_a_monitor_event")
    assert server.ask(here, QUESTION, interaction_id=None)["turns"][0]["status"] == "completed"


def test_the_developers_own_process_uses_any_id(mode: Mode) -> None:
    server = Server(mode)
    here = {"configurable": {"thread_id": "here"}}
    theirs = server.ask(BERT, "Bert?")
    out = server.ask(here, ELSE, continue_from=theirs["interaction_id"])
    assert out["turns"][0]["parent_interaction_id"] == theirs["interaction_id"]


def test_and_any_run(mode: Mode) -> None:
    server, here = Server(mode), {"configurable": {"thread_id": "here"}}
    theirs = server.ask(BERT, "Bert?")["turns"][0]
    pending = on_its_way(server, here)
    server.edit(here, pending={**pending, "run_id": theirs["run_id"]})
    assert server.ask(here)["turns"][0]["content"] == SECRET


def test_and_plans_what_it_likes(mode: Mode) -> None:
    server, here = Server(mode), {"configurable": {"thread_id": "here"}}
    theirs = server.ask(BERT, "Bert?")
    server.stop_before("submit", here, "Bert?")
    planned = server.state(here)["pending"]
    changed = {**planned, "parent_interaction_id": theirs["interaction_id"]}
    values = {"pending": changed, "ledger_id": theirs["ledger_id"]}
    server.graph.update_state(here, values, as_node="plan")
    out = server.ask(here)
    assert out["turns"][-1]["parent_interaction_id"] == theirs["interaction_id"]
    assert {run["taskgroup_id"] for run in server.runs} == {theirs["ledger_id"]}


def test_and_evaluates_as_it_likes(mode: Mode) -> None:
    """What is handed over with turns that bear no seal, too."""
    follow: Any = {"action": "follow_up", "question": ELSE}
    limits = Limits(max_runs_per_question=9)
    server = Server(mode, evaluate=script(None, follow), limits=limits)
    theirs = server.ask(BERT, "Bert?")["turns"][0]
    follow["continue_from"] = theirs["interaction_id"]
    given = {"turns": [{**seen(theirs), "position": -1, "round": -1}]}
    here = {"configurable": {"thread_id": "here"}}
    last = server.ask(here, QUESTION, **given)["turns"][-1]
    assert last["parent_interaction_id"] == theirs["interaction_id"]


def test_branches_that_another_process_starts_cost_not_one_request_more(mode: Mode) -> None:
    counts = []
    for who in (ANNA, {"configurable": {"thread_id": "thread of anna"}}):
        server = Server(mode, evaluate=script(FORK), limits=Limits(max_runs_per_question=9))
        server.stop_before("submit_branch", who, QUESTION)
        server.begin()
        counts.append(len(requests_of(server, partial(server.ask, who))))
        assert len(server.runs) == 3
    assert counts[0] == counts[1]


@pytest.mark.grid
def test_a_run_on_its_way_is_found_though_the_state_of_a_copy_names_no_ledger(
    server: Server,
) -> None:
    pending = on_its_way(server, ANNA)
    copy = thread("anna", "copy")
    copy_thread(server, ANNA, copy)
    server.pass_time()
    out = server.ask(copy, QUESTION, ledger_id="")
    assert [turn["run_id"] for turn in out["turns"]] == [pending["run_id"]]
    assert out["ledger_id"] == pending["ledger_id"]
    assert len(server.runs) == 2


# --- without seals -------------------------------------------------------------------------------


@pytest.mark.grid
def test_after_a_new_key_what_the_api_says_of_a_run_decides(server: Server) -> None:
    pending = on_its_way(server, ANNA)
    server.begin("another-key-of-the-account")
    server.pass_time()
    out = server.ask(ANNA)
    assert out["turns"][0]["run_id"] == pending["run_id"]
    server.ask(ANNA, ELSE)
    server.begin("and-another")
    server.pass_time()
    out = server.answer(ANNA)
    server.ask(ANNA, "Why?", continue_from=out["turns"][0]["interaction_id"])
    assert len(server.runs) == 4


def test_after_a_new_key_an_evaluation_builds_on_an_earlier_turn(mode: Mode) -> None:
    follow: Any = {"action": "follow_up", "question": "Why?"}
    limits = Limits(max_runs_per_question=9)
    server = Server(mode, evaluate=script(None, None, follow), limits=limits)
    follow["continue_from"] = server.ask(ANNA, QUESTION)["interaction_id"]
    server.ask(ANNA, "Who knows?")
    server.begin("another-key-of-the-account")
    last = server.ask(ANNA, ELSE)["turns"][-1]
    assert (last["question"], last["parent_interaction_id"]) == ("Why?", follow["continue_from"])


def test_after_a_new_key_a_request_that_was_recorded_is_not_paid_for_again(mode: Mode) -> None:
    server = Server(mode)
    pending = on_its_way(server, ANNA)
    server.begin("another-key-of-the-account")
    (planned,) = (s for s in server.graph.get_state_history(ANNA) if s.next == ("submit",))
    config = {"configurable": {**ANNA["configurable"], **planned.config["configurable"]}}
    out = server.ask(config)
    assert [turn["run_id"] for turn in out["turns"]] == [pending["run_id"]]
    assert len(server.runs) == 1


def test_after_a_new_key_a_plan_that_waits_for_a_person_goes_on(mode: Mode) -> None:
    server = Server(mode, processor="pro", limits=Limits(approve_above="lite"))
    server.ask(ANNA, QUESTION)
    server.begin("another-key-of-the-account")
    yes = {"decisions": [{"type": "approve"}]}
    assert server.answer(ANNA, yes)["turns"][0]["status"] == "completed"


def test_the_ledger_that_a_parent_has_made_says_for_which_thread(mode: Mode) -> None:
    server = Server(mode)
    client = ParallelClient(
        "key-of-a-test",
        transport=SimulatorTransport(server.simulator),
        clock=server.simulator.clock,
    )
    own = client.create_group(metadata={"thread_id": "thread of anna"}).taskgroup_id
    assert server.ask(ANNA, QUESTION, ledger_id=own)["ledger_id"] == own
    refused(server, BERT, lambda: server.ask(BERT, QUESTION, ledger_id=own), own)
    nobodys = client.create_group().taskgroup_id
    refused(server, BERT, lambda: server.ask(BERT, QUESTION, ledger_id=nobodys), nobodys)


@pytest.mark.grid
def test_threads_from_before_there_were_seals_go_on(server: Server) -> None:
    pending = on_its_way(server, ANNA)
    bare = {name: v for name, v in pending.items() if name not in ("seal", "ledger_id")}
    server.edit(ANNA, pending=bare)
    server.pass_time()
    server.ask(ANNA)
    turns = server.state(ANNA)["turns"]
    server.edit(ANNA, turns=[{n: v for n, v in t.items() if n != "seal"} for t in turns])
    server.begin()
    server.ask(ANNA, ELSE)
    server.pass_time()
    assert len(server.answer(ANNA)["turns"]) == 2
    assert len(server.runs) == 3


class Shared(TypedDict, total=False):
    """A parent that keeps all of a session."""

    question: str
    interaction_id: str | None
    ledger_id: str
    turns: Annotated[list[Turn], merge_turns]


class HeadOnly(TypedDict, total=False):
    """A parent that keeps the head."""

    question: str
    interaction_id: str | None
    asked: Annotated[list[str], operator.add]


@pytest.mark.grid
@pytest.mark.parametrize("kept", [Shared, HeadOnly])
def test_a_parent_graph_goes_on(mode: Mode, kept: Any) -> None:
    server = Server(mode)
    graph: Any = StateGraph(kept)
    client = ParallelClient(
        "key-of-a-test",
        transport=SimulatorTransport(server.simulator),
        clock=server.simulator.clock,
    )
    research = create_research_graph(processor="lite", client=client).compile()
    graph.add_node("research", research)
    graph.add_edge(START, "research")
    graph.add_edge("research", END)
    server.graph = graph.compile(InMemorySaver(), store=InMemoryStore())
    first = server.ask(ANNA, QUESTION)
    server.ask(ANNA, ELSE)
    sent = [
        one.body["inputs"][0] for one in server.simulator.requests if "inputs" in (one.body or {})
    ]
    assert sent[1]["previous_interaction_id"] == first["interaction_id"]
    assert len(server.runs) == 2


@pytest.mark.grid
@pytest.mark.parametrize("key", ["key-of-a-test", "another-key-of-the-account"])
@pytest.mark.parametrize("store", [True, False])
def test_a_parent_that_keeps_the_head_alone_retries_a_run_that_failed(
    mode: Mode, store: bool, key: str
) -> None:
    """The session that retries it has a ledger of its own, and no turn of the head."""

    def again(state: Any, turn: Turn) -> Any:
        failed: Any = {"action": "follow_up", "question": "Again?"}
        return failed if turn["status"] == "failed" else {"action": "accept"}

    server = Server(mode, evaluate=again, limits=Limits(max_runs_per_question=2))
    server.store = InMemoryStore() if store else None

    def parent() -> Any:
        inner = server.graph.builder.compile(interrupt_before=stops)
        graph: Any = StateGraph(HeadOnly).add_node("research", inner).add_edge(START, "research")
        return graph.compile(server.saver, store=server.store)

    stops: list[str] = []
    server.graph = parent()
    first = server.ask(ANNA, QUESTION)
    first_ledger = server.runs[0]["taskgroup_id"]
    server.simulator.scripts.add(RunScript(contains=ELSE, outcome="failed"))
    server.begin()
    stops.append("evaluate")
    server.graph = parent()
    server.ask(ANNA, ELSE)
    server.begin(key)
    stops.clear()
    server.graph = parent()
    asked = requests_of(server, lambda: server.ask(ANNA))
    if key == "key-of-a-test":  # what was proven once is written down
        assert not any(first_ledger in one for one in asked)
    sent = [
        one.body["inputs"][0] for one in server.simulator.requests if "inputs" in (one.body or {})
    ]
    built_on = [request.get("previous_interaction_id") for request in sent]
    assert built_on == [None, *[first["interaction_id"]] * 2]


@pytest.mark.parametrize("whose", ["the same", "another's"])
def test_what_one_identity_has_built_on_is_not_built_on_by_another(mode: Mode, whose: str) -> None:
    """The proof that is written down for a parent that keeps the head alone."""
    server = Server(mode)

    def begin(identity: str) -> None:
        server.options["request"] = with_identity(identity)
        server.begin()
        graph: Any = StateGraph(HeadOnly).add_node("research", server.graph.builder.compile())
        server.graph = graph.add_edge(START, "research").compile(server.saver, store=server.store)

    begin("the same")
    head = server.ask(ANNA, QUESTION)["interaction_id"]
    server.ask(ANNA, ELSE)
    assert any(one["name"].endswith(head) for one in server.recorded())
    begin(whose)
    if whose == "the same":
        server.ask(ANNA, "Why?", interaction_id=head)
        assert len(server.runs) == 3
    else:
        refused(server, ANNA, lambda: server.ask(ANNA, "Why?", interaction_id=head), head)


# --- where a seal is not -------------------------------------------------------------------------


def test_a_seal_is_sent_and_shown_nowhere(mode: Mode) -> None:
    server = Server(mode, evaluate=by_person())
    server.ask(ANNA, QUESTION)
    state = server.state(ANNA)
    (seal,) = {turn["seal"] for turn in state["turns"]}
    tree, report = InteractionTree.of(state), SessionReport.of(state)
    shown = [
        tree.text(),
        tree.html(),
        tree.mermaid(),
        report.to_json(),
        report.to_markdown("audit"),
    ]
    shown += [report.to_markdown(), report.to_html(), report.to_html("audit")]
    shown += [json.dumps(server.graph.get_state(ANNA).interrupts[0].value)]
    shown += [json.dumps(one.body, default=str) for one in server.simulator.requests]
    assert not any(seal in text for text in shown)


def test_the_thread_of_a_run_cannot_be_said_otherwise() -> None:
    said = "'thread_id' says for which thread"
    with pytest.raises(ValueError, match=said):
        RequestOptions(metadata={"thread_id": "another"})
    copied = RequestOptions().model_copy(update={"metadata": {"thread_id": "another"}})
    with pytest.raises(InvalidRequest, match=said):
        Server("sync", request=copied)


@pytest.mark.parametrize("name", ["ledger_key", "ledger_identity"])
def test_nor_what_a_ledger_finds_it_by(name: str) -> None:
    with pytest.raises(ValueError, match=f"'{name}' is the ledger's own"):
        RequestOptions(metadata={name: "x"})
