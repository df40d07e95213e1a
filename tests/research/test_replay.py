"""Time travel: which run a replayed, forked or re-invoked checkpoint finds, and which it starts anew.

Unless a test says otherwise, another process than the one that asked goes back: other graph and client
objects, on the same checkpoints.
"""

from __future__ import annotations

import uuid
from typing import Annotated, Any

import pytest
from langchain_core.messages import AIMessage, AnyMessage, ToolMessage
from langchain_core.messages.tool import tool_call
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.store.memory import InMemoryStore
from langgraph.types import RetryPolicy

from langchain_parallel import create_research_graph
from langchain_parallel.errors import (
    ParallelError,
    ResponseLost,
    ServerFault,
    StillRunning,
    SubmissionUnknown,
)
from langchain_parallel.models import SourcePolicy, TaskRunInput
from langchain_parallel.options import RequestOptions
from langchain_parallel.simulator import Fault, ManualClock, RunScript, Simulator

from ..cut import either_way
from .harness import Mode, Session, blocking_client, invoke
from .test_composing import Foreign, Shared
from .test_evaluation import weak

pytestmark = pytest.mark.filterwarnings(
    "ignore:The research subgraph in"  # some parents here keep nothing of the session, on purpose
)

THREAD: Any = {"configurable": {"thread_id": "thread"}}
AT_ONCE: dict[str, Any] = {"initial_interval": 0.001, "jitter": False}
"""How a `RetryPolicy` pauses: hardly, for its pauses are real time."""


class World:
    """One account with Parallel, and what outlives a process: checkpoints, and perhaps a store."""

    def __init__(self, mode: Mode, *, store: bool = False) -> None:
        self.mode = mode
        self.simulator = Simulator(ManualClock())
        self.kept: dict[str, Any] = {
            "checkpointer": InMemorySaver(),
            "store": InMemoryStore() if store else None,
        }

    def research(self, **options: Any) -> Any:
        client = blocking_client(self.simulator)
        return create_research_graph(**{"processor": "lite", **options}, client=client)

    def graph(self, kind: str, *, rounds: int = 1, **node: Any) -> Any:
        """The research graph as a new process would build it: `alone`; as a node of a parent that keeps
        the session (`shared`); called by a node of a parent that shares nothing (`foreign`).
        """
        if kind == "alone":
            return self.research().compile(**self.kept)
        inner: Any = self.research().compile()
        if kind == "shared":
            return self._parent(Shared, "question", inner, rounds, **node)
        return self._parent(Foreign, "subject", _called(inner), rounds, **node)

    def _parent(self, state: Any, asked: str, research: Any, rounds: int, **node: Any) -> Any:
        left = iter(range(rounds - 1))
        graph: Any = StateGraph(state)
        graph.add_node("brief", lambda state: {asked: state[asked].strip()})
        graph.add_node("research", research, **node)
        graph.add_node("note", lambda state: {})
        graph.add_edge(START, "brief")
        graph.add_edge("brief", "research")
        graph.add_edge("research", "note")
        graph.add_conditional_edges("note", lambda _: END if next(left, None) is None else "brief")
        return graph.compile(**self.kept)

    def ask(self, graph: Any, question: str, config: Any = THREAD) -> str:
        """Ask, and tell the run that answered."""
        asked = "subject" if "subject" in graph.channels else "question"
        return self.go_on(graph, config, {asked: question})

    def go_on(self, graph: Any, config: Any, given: Any = None) -> str:
        """Resume, replay or ask, and tell the run that answered."""
        out = invoke(self.mode, graph, given, config)
        run_id: str = (out if "turns" in out else out["report"])["turns"][-1]["run_id"]
        return run_id

    @property
    def started(self) -> int:
        """How many runs the account has paid for."""
        return len(self.simulator.runs())


def _called(inner: Any) -> Any:
    def blocking(state: Foreign, config: RunnableConfig) -> Foreign:
        return {"report": inner.invoke({"question": state["subject"]}, config)}

    async def awaited(state: Foreign, config: RunnableConfig) -> Foreign:
        return {"report": await inner.ainvoke({"question": state["subject"]}, config)}

    return RunnableLambda(blocking, awaited)


def before(graph: Any, place: str, config: Any = THREAD) -> Any:
    """The latest checkpoint from which this node was run."""
    return next(s for s in graph.get_state_history(config) if s.next == (place,))


# --- where one goes back to ----------------------------------------------------------------------

PLACES = [
    *(("alone", place) for place in ("plan", "submit", "wait", "evaluate")),
    *((kind, place) for kind in ("shared", "foreign") for place in ("brief", "research", "note")),
]


@pytest.mark.grid(shows=either_way)
@pytest.mark.parametrize("asked", ["first", "later"])
@pytest.mark.parametrize("store", [False, True], ids=["bare", "store"])
@pytest.mark.parametrize(("kind", "place"), PLACES)
def test_a_replay_and_a_fork_find_the_run(
    mode: Mode, kind: str, place: str, store: bool, asked: str
) -> None:
    world = World(mode, store=store)
    graph = world.graph(kind)
    if asked == "later":
        world.ask(graph, "What about trams?")
    paid = world.ask(graph, "What about buses?")
    started = world.started
    at = before(graph, place).config

    fork = graph.update_state(at, {}, as_node="__start__" if place == "plan" else None)
    found = [world.go_on(world.graph(kind), place) for place in (at, fork)]

    assert world.started == started
    assert found == [paid] * 2


@pytest.mark.grid(shows=either_way)
@pytest.mark.parametrize("store", [False, True], ids=["bare", "store"])
@pytest.mark.parametrize("kind", ["shared", "foreign"])
def test_a_checkpoint_of_the_subgraphs_own_runs_it_from_its_start(
    mode: Mode, kind: str, store: bool
) -> None:
    """LangGraph does so wherever in the subgraph it lies."""
    world = World(mode, store=store)
    graph = world.graph(kind)
    world.ask(graph, "What about buses?")
    saved = list(world.kept["checkpointer"].list(THREAD))
    spaces = {t.config["configurable"]["checkpoint_ns"] for t in saved} - {""}
    (space,) = {one for one in spaces if not one.startswith("langchain_parallel:")}  # records
    inside: Any = {"configurable": {"thread_id": "thread", "checkpoint_ns": space}}
    for place in ("plan", "submit", "wait"):
        world.go_on(world.graph(kind), before(graph, place, inside).config)
    assert world.started == 1


def test_every_checkpoint_of_a_long_session_finds_the_runs_it_led_to(mode: Mode) -> None:
    """With a store; follow-ups, a branch, and turns on which much has been built since."""
    session = weak(mode, low_fields=frozenset({"growth"}))
    session.store = InMemoryStore()
    root = session.ask("How large is the market?")["interaction_id"]
    session.ask("And in Europe?")
    session.ask("And next year?", continue_from=root, processor="base")
    paid = [turn["run_id"] for turn in session.state()["turns"]]
    assert len(paid) == len(set(paid)) == len(session.runs) == 6
    for snapshot in list(session.graph().get_state_history(session.config)):
        found = [turn["run_id"] for turn in session.ask(config=snapshot.config)["turns"]]
        assert found == paid[: len(found)]
    assert len(session.runs) == 6


@pytest.mark.parametrize(("days", "runs"), [(0.5, 1), (2, 2)])
def test_a_deleted_thread_gets_no_answer_of_days_ago(mode: Mode, days: float, runs: int) -> None:
    """Within a day it might be one of which a kill under `durability="exit"` has left nothing."""
    world = World(mode, store=True)
    store: InMemoryStore = world.kept["store"]
    for _ in range(2):
        world.ask(world.graph("alone"), "What is new?")
        world.kept["checkpointer"].delete_thread("thread")
        for item in store.search(("langchain_parallel", "records")):
            record = item.value["record"]
            older = {**record, "at": record.get("at", 0) - days * 86_400}
            store.put(item.namespace, item.key, {**item.value, "record": older})
    assert world.started == runs


# --- what is asked anew --------------------------------------------------------------------------

OTHER: dict[str, tuple[str, dict[str, Any]]] = {
    # What is changed: where, and to what.
    "question": ("plan", {"question": "What about ferries?"}),
    "processor": ("plan", {"processor": "base"}),
    "parent interaction": ("plan", {"continue_from": "the root"}),
    "planned question": ("submit", {"question": "What about ferries?"}),
    "planned processor": ("submit", {"processor": "base"}),
    "planned parent interaction": ("submit", {"parent_interaction_id": None}),
}


@pytest.mark.grid(shows=either_way)
@pytest.mark.parametrize("store", [False, True], ids=["bare", "store"])
@pytest.mark.parametrize("changed", OTHER)
def test_a_fork_that_changes_what_is_asked_is_a_run_of_its_own(
    mode: Mode, store: bool, changed: str
) -> None:
    world = World(mode, store=store)
    graph = world.graph("alone")
    world.ask(graph, "Map the landscape")
    root = graph.get_state(THREAD).values["interaction_id"]
    world.ask(graph, "What about trams?")
    paid = world.ask(graph, "What about buses?")
    place, update = OTHER[changed]
    at = before(graph, place)
    if place == "plan":
        update = {k: root if v == "the root" else v for k, v in update.items()}
        fork = graph.update_state(at.config, update, as_node="__start__")
    else:
        planned = {"pending": {**at.values["pending"], **update}}
        fork = graph.update_state(at.config, planned, as_node="plan")

    made = world.go_on(world.graph("alone"), fork)
    assert made != paid
    assert world.started == 4
    assert world.go_on(world.graph("alone"), fork) == made
    assert world.go_on(world.graph("alone"), at.config) == paid
    assert world.started == 4


@pytest.mark.parametrize(
    "options",
    [
        {"output_schema": {"type": "object", "properties": {"size": {"type": "string"}}}},
        {"request": RequestOptions(source_policy=SourcePolicy(include_domains=["example.org"]))},
        {"request": RequestOptions(memory_scope_key="team")},
    ],
    ids=["output_schema", "source_policy", "memory_scope_key"],
)
def test_a_replay_by_a_graph_that_asks_otherwise_is_a_run_of_its_own(
    session: Session, options: dict[str, Any]
) -> None:
    session.ask("Map the landscape")
    at = before(session.graph(), "submit").config
    session.options |= options
    session.ask(config=at)
    assert len(session.runs) == 2
    session.ask(config=at)
    assert len(session.runs) == 2


def test_a_fork_with_another_processor_in_the_graph_keeps_the_one_that_was_planned(
    session: Session,
) -> None:
    session.ask("Map the landscape")
    at = before(session.graph(), "submit").config
    session.options["processor"] = "base"
    assert session.ask(config=at)["turns"][0]["processor"] == "pro"
    assert len(session.runs) == 1


@pytest.mark.grid(shows=either_way)
@pytest.mark.parametrize("store", [False, True], ids=["bare", "store"])
@pytest.mark.parametrize("kind", ["alone", "shared", "foreign"])
def test_the_same_question_again_on_a_finished_thread_is_a_new_run(
    mode: Mode, kind: str, store: bool
) -> None:
    """No stale answer, also where the parent's state knows nothing of the session."""
    world = World(mode, store=store)
    graph = world.graph(kind)
    found = [world.ask(graph, "What is new?") for _ in range(2)]
    found.append(world.ask(world.graph(kind), "What is new?"))
    assert len(set(found)) == world.started == 3


@pytest.mark.grid(shows=either_way)
@pytest.mark.parametrize("store", [False, True], ids=["bare", "store"])
@pytest.mark.parametrize("kind", ["alone", "shared", "foreign"])
def test_a_finished_thread_invoked_again_without_a_question_starts_nothing(
    mode: Mode, kind: str, store: bool
) -> None:
    world = World(mode, store=store)
    paid = world.ask(world.graph(kind), "What is new?")
    assert world.go_on(world.graph(kind), THREAD) == paid
    assert world.started == 1


@pytest.mark.grid(shows=either_way)
@pytest.mark.parametrize("store", [False, True], ids=["bare", "store"])
@pytest.mark.parametrize("kind", ["alone", "shared"])
def test_the_same_input_given_again_at_the_same_checkpoint_finds_its_run(
    mode: Mode, kind: str, store: bool
) -> None:
    """A fork made by hand: the session stands where it stood, so it is the same question."""
    world = World(mode, store=store)
    graph = world.graph(kind)
    world.ask(graph, "What about trams?")
    there = graph.get_state(THREAD).config
    paid = world.ask(graph, "What about buses?")
    assert world.ask(world.graph(kind), "What about buses?", there) == paid
    assert world.started == 2
    world.ask(world.graph(kind), "What about ferries?", there)
    assert world.started == 3


@pytest.mark.parametrize(
    ("kind", "store", "runs"),
    [
        ("shared", False, 3),
        ("shared", True, 3),
        ("foreign", False, 1),
        ("foreign", True, 1),
    ],
)
def test_a_node_run_again_in_one_invocation_asks_anew_if_the_parent_has_the_session(
    mode: Mode, kind: str, store: bool, runs: int
) -> None:
    """Where the parent does not share `turns`, nothing tells the same question, asked again before the
    thread got its next input, from a replay.
    """
    world = World(mode, store=store)
    world.ask(world.graph(kind, rounds=3), "What is new?")
    assert world.started == runs


def test_threads_with_one_store_never_share_an_answer(mode: Mode) -> None:
    world = World(mode, store=True)
    for thread_id in ("one", "two"):
        world.ask(world.graph("alone"), "What is new?", {"configurable": {"thread_id": thread_id}})
    assert len({run["taskgroup_id"] for run in world.simulator.runs()}) == world.started == 2


def test_in_a_sessions_ledger_the_same_attempt_finds_the_run_and_a_raised_one_asks_anew(
    session: Session,
) -> None:
    """The same holds for both clients: see `submit` and its `position`."""
    out = session.ask("Map the landscape")
    client = blocking_client(session.simulator)
    asked = TaskRunInput(input="Map the landscape", processor="pro")
    again = client.submit(out["ledger_id"], asked, position="0")
    assert (again.run.run_id, again.adopted) == (out["turns"][0]["run_id"], True)
    anew = client.submit(out["ledger_id"], asked, 1, position="0")
    assert not anew.adopted
    assert client.submit(out["ledger_id"], asked, 1, position="0").run.run_id == anew.run.run_id
    assert len(session.runs) == 2


# --- a run that is on its way --------------------------------------------------------------------

GOING_ON = (
    "by thread",
    "by thread, in another process",
    "by the id of the thread's latest checkpoint",
    "by the id of the subgraph's latest checkpoint",
    "by giving the input again",
)
"""How one goes on with a session in a parent that stopped while it waited for its run."""


@pytest.mark.grid(shows=either_way)
@pytest.mark.parametrize("store", [False, True], ids=["bare", "store"])
@pytest.mark.parametrize("how", GOING_ON)
@pytest.mark.parametrize("kind", ["shared", "foreign"])
def test_a_parent_that_stopped_is_resumed_in_any_way(
    mode: Mode, kind: str, how: str, store: bool
) -> None:
    world = World(mode, store=store)
    world.simulator.scripts.add(RunScript(seconds=900))  # `lite` is waited for 720 s
    graph = world.graph(kind)
    with pytest.raises(StillRunning):
        world.ask(graph, "What about buses?")
    state = graph.get_state(THREAD, subgraphs=True)
    ways: dict[str, Any] = {
        "by the id of the thread's latest checkpoint": state.config,
        "by the id of the subgraph's latest checkpoint": state.tasks[0].state.config,
    }
    if "process" in how:
        graph = world.graph(kind)
    if "input" in how:
        world.ask(graph, "What about buses?")
    else:
        world.go_on(graph, ways.get(how, THREAD))
    assert world.started == 1


TROUBLE: dict[str, tuple[list[Fault], type[ParallelError]]] = {
    # What befalls a node's first attempt, for longer than the client has patience.
    "plan": ([Fault("status_before", method="POST", path="*/groups", times=5)], ServerFault),
    "submit": (
        [
            Fault("drop_after", method="POST", path="*/runs"),
            Fault("drop_before", method="GET", path="*/runs", times=None),
        ],
        SubmissionUnknown,
    ),
    "wait": (
        [Fault("drop_before", method="GET", path="*/trun_*", times=None)],
        ResponseLost,
    ),
}


def forgiving(simulator: Simulator, caught: list[Exception]) -> RetryPolicy:
    """Retries any error of ours once the trouble is over, and notes what it has retried."""

    def retry_on(error: Exception) -> bool:
        caught.append(error)
        simulator.faults.clear()
        return isinstance(error, ParallelError)

    return RetryPolicy(max_attempts=2, retry_on=retry_on, **AT_ONCE)


@pytest.mark.parametrize("late_commit", [0.0, 60.0])
@pytest.mark.parametrize("place", TROUBLE)
def test_a_retry_policy_on_our_nodes_pays_once(mode: Mode, place: str, late_commit: float) -> None:
    world = World(mode)
    faults, kind = TROUBLE[place]
    world.simulator.faults.add(*faults)
    if place != "submit":  # there a list that late would be beyond the settling time
        world.simulator.scripts.add(RunScript(late_commit=late_commit))
    caught: list[Exception] = []
    graph = world.research().set_node_defaults(retry_policy=forgiving(world.simulator, caught))
    world.ask(graph.compile(**world.kept), "What about buses?")
    assert [type(error) for error in caught] == [kind]
    assert world.started == 1


@pytest.mark.grid(shows=either_way)
@pytest.mark.parametrize("late_commit", [0.0, 60.0])
@pytest.mark.parametrize("place", TROUBLE)
@pytest.mark.parametrize("kind", ["shared", "foreign"])
def test_a_retry_policy_on_the_parents_node_pays_once_even_without_a_store(
    mode: Mode, kind: str, place: str, late_commit: float
) -> None:
    """The subgraph runs again from its start, in the same process and for the same task."""
    world = World(mode)
    faults, error = TROUBLE[place]
    world.simulator.faults.add(*faults)
    if place != "submit":
        world.simulator.scripts.add(RunScript(late_commit=late_commit))
    caught: list[Exception] = []
    policy = forgiving(world.simulator, caught)
    world.ask(world.graph(kind, retry_policy=policy), "What about buses?")
    assert [type(each) for each in caught] == [error]
    assert world.started == 1


def test_an_evaluation_that_fails_once_is_retried_and_nothing_is_asked_again(mode: Mode) -> None:
    world = World(mode)
    judged: list[str] = []

    def evaluate(state: Any, turn: Any) -> None:
        judged.append(turn["run_id"])
        if len(judged) == 1:
            raise ServerFault("The judge is away.")

    graph = world.research(evaluate=evaluate)
    graph.set_node_defaults(retry_policy=RetryPolicy(retry_on=ServerFault, **AT_ONCE))
    paid = world.ask(graph.compile(**world.kept), "What about buses?")
    assert judged == [paid, paid]
    assert world.started == 1


# --- asked by a model ----------------------------------------------------------------------------


class Talk(Shared):
    """A model's conversation beside the session."""

    messages: Annotated[list[AnyMessage], add_messages]


def talk(world: World) -> Any:
    """An agent made by hand: its model calls the research subgraph, with the session in the state."""

    def model(state: Talk) -> Any:
        asked = f"Question {len(state['messages'])}"
        call = tool_call(name="research", args={"question": asked}, id=uuid.uuid4().hex)
        return {"messages": [AIMessage("", tool_calls=[call])], "question": asked}

    def answer(state: Talk) -> Any:
        (call,) = state["messages"][-1].tool_calls  # type: ignore[union-attr]  # the model's own
        return {"messages": [ToolMessage(str(state["answer"]), tool_call_id=call["id"])]}

    graph: Any = StateGraph(Talk)
    graph.add_node("model", model)
    graph.add_node("research", world.research().compile())
    graph.add_node("answer", answer)
    graph.add_edge(START, "model")
    graph.add_edge("model", "research")
    graph.add_edge("research", "answer")
    graph.add_edge("answer", END)
    return graph.compile(**world.kept)


@pytest.mark.grid(shows=either_way)
@pytest.mark.parametrize("store", [False, True], ids=["bare", "store"])
@pytest.mark.parametrize("asked", ["first", "later"])
def test_a_model_that_speaks_again_under_a_new_call_id_finds_the_sessions_run(
    mode: Mode, store: bool, asked: str
) -> None:
    """The position comes from the session's turns, not from messages."""
    world = World(mode, store=store)
    said = {"messages": [("user", "Find out")]}
    if asked == "later":
        invoke(mode, talk(world), said, THREAD)
    once = invoke(mode, talk(world), said, THREAD)
    started = world.started
    again = invoke(mode, talk(world), None, before(talk(world), "model").config)
    assert once["messages"][-1].tool_call_id != again["messages"][-1].tool_call_id
    assert once["question"] == again["question"]
    assert world.started == started
