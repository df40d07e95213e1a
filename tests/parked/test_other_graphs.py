"""Two graphs with one database: neither wakes, sweeps or judges the threads of the other."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import httpx
import pytest
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.store.memory import InMemoryStore
from langgraph.types import Command

from langchain_parallel import create_research_graph
from langchain_parallel._graph.graph_names import with_fingerprint
from langchain_parallel._graph.run_config import RunConfig
from langchain_parallel.options import Limits
from langchain_parallel.parked import Outcome
from langchain_parallel.parked.surroundings import doors_and_clients
from langchain_parallel.research import ResearchState, by_evidence, by_person, first_objection
from langchain_parallel.simulator import ManualClock, Simulator
from langchain_parallel.webhooks import webhook_app

from ..crash.storage import opened
from ..research.harness import Mode, async_client, client_of, invoke
from ..webhooks.deliveries import SECRET, delivery
from .helpers import records, swept, woken

JUDGED: list[str] = []
"""Who has judged, in the order of it."""
BRANCH = {"action": "branch", "questions": [{"question": "This?"}, {"question": "That?"}]}


def judge_of_a(state: Any, turn: Any) -> None:
    JUDGED.append("a")


def judge_of_b(state: Any, turn: Any) -> Any:
    JUDGED.append("b")
    return None


def branching_judge_of_b(state: Any, turn: Any) -> Any:
    JUDGED.append("b")
    return BRANCH if len(state["turns"]) == 1 else None


class Held:
    """Holds a graph where nobody sees it."""

    def __init__(self, graph: Any) -> None:
        self.graph = graph.compile()

    def node(self) -> Any:
        return RunnableLambda(self.invoke, self.ainvoke)

    def invoke(self, state: Any, config: RunnableConfig) -> Any:
        return self.graph.invoke(state, config)

    async def ainvoke(self, state: Any, config: RunnableConfig) -> Any:
        return await self.graph.ainvoke(state, config)


PAIRS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "evaluators": ({}, {}),
    "schemas": ({"evaluate": judge_of_b, "output_schema": "One word."}, {}),
    "one named": ({"name": "alpha"}, {}),
    "both named": ({"name": "alpha"}, {"name": "beta"}),
    "one that blocks": ({"wait": "block"}, {}),
}
"""By what two graphs differ: the options of A, and of B, beside their evaluators."""
SHAPES = ["alone", "nested", "held"]


class Two:
    """Graphs A and B on one account, with one checkpointer, and one store or none."""

    def __init__(self, mode: Mode, pair: str, shape: str, *, store: bool) -> None:
        self.mode, self.shape = mode, shape
        self.simulator = Simulator(ManualClock())
        self.kept: dict[str, Any] = {"checkpointer": InMemorySaver()}
        self.kept |= {"store": InMemoryStore()} if store else {}
        self.options = dict(zip("ab", PAIRS[pair], strict=True))

    def graph(self, which: str, **changed: Any) -> Any:
        """A graph, as a new process would make it."""
        judge = judge_of_a if which == "a" else judge_of_b
        usual: dict[str, Any] = {"processor": "lite", "wait": "park", "evaluate": judge}
        usual["client"] = client_of(self.mode, self.simulator)
        made = create_research_graph(**{**usual, **self.options[which], **changed})
        if self.shape == "alone":
            return made.compile(**self.kept)
        parent: Any = StateGraph(ResearchState)
        parent.add_node("ask", made.compile() if self.shape == "nested" else Held(made).node())
        parent.add_edge(START, "ask")
        parent.add_edge("ask", END)
        return parent.compile(**self.kept)

    def ask(self, which: str, thread_id: str, **changed: Any) -> str:
        """The run that the thread then waits for."""
        given = {"question": f"What of {thread_id}?"}
        invoke(self.mode, self.graph(which, **changed), given, config(thread_id))
        return str(list(self.simulator.runs())[-1]["run_id"])

    def pass_time(self) -> None:
        self.simulator.clock.sleep(3_600.0)

    def waits(self, thread_id: str) -> bool:
        return bool(self.graph("b").get_state(config(thread_id)).next)

    def shown(self, thread_id: str) -> Any:
        (interrupt,) = self.graph("b").get_state(config(thread_id)).interrupts
        return interrupt.value


def config(thread_id: str, **more: Any) -> Any:
    return {"configurable": {"thread_id": thread_id, **more}}


@pytest.fixture(autouse=True)
def judged() -> list[str]:
    JUDGED.clear()
    return JUDGED


@pytest.fixture(params=["sync", "async"])
def mode(request: pytest.FixtureRequest) -> Mode:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(params=[False, True], ids=["listing", "store"])
def store(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def check_ended_by(two: Two, which: str, threads: int) -> None:
    """All threads have ended, each judged once, by this graph, and nothing was paid for twice."""
    assert {which} == set(JUDGED)
    assert len(JUDGED) == threads == len(list(two.simulator.runs()))
    assert records(two.kept.get("store")) == []


@pytest.mark.grid
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("by", ["sweep", "wake"])
def test_a_graph_leaves_the_threads_of_another_alone(
    mode: Mode, store: bool, pair: str, shape: str, by: str
) -> None:
    two = Two(mode, pair, shape, store=store)
    run_id = two.ask("b", "of b")
    two.pass_time()
    name = two.shown("of b")["graph"]
    for _ in range(2):
        if by == "sweep":
            found = swept(two, two.graph("a"), stranded_after=0.0)
            assert (found.threads, found.resumed, found.failed) == (1, [], {})
            assert found.other_graphs == {"of b": name}
        else:
            result = woken(two, two.graph("a"), run_id)
            assert (result.outcome, result.is_settled) == (Outcome.OTHER_GRAPH, False)
    assert JUDGED == []
    assert two.waits("of b")
    assert two.shown("of b")["graph"] == name
    if by == "sweep":
        assert swept(two, two.graph("b")).resumed == ["of b"]
    else:
        assert woken(two, two.graph("b"), run_id).outcome is Outcome.RESUMED
    check_ended_by(two, "b", threads=1)


@pytest.mark.grid
def test_each_sweep_resumes_its_own(mode: Mode, store: bool) -> None:
    two = Two(mode, "evaluators", "alone", store=store)
    two.ask("a", "of a")
    two.ask("b", "of b")
    two.pass_time()
    assert swept(two, two.graph("a")).resumed == ["of a"]
    assert swept(two, two.graph("b")).resumed == ["of b"]
    assert JUDGED == ["a", "b"]


@pytest.mark.grid
@pytest.mark.parametrize("shape", SHAPES)
def test_a_redeploy_with_another_evaluator_says_what_to_do_and_takes_over(
    mode: Mode, store: bool, shape: str, caplog: pytest.LogCaptureFixture
) -> None:
    two = Two(mode, "evaluators", shape, store=store)
    two.ask("b", "one")
    run_id = two.ask("b", "two")
    two.pass_time()
    swept(two, two.graph("a"))
    name = two.shown("one")["graph"]
    assert f'"take_over": "{name}"' in caplog.text
    taking: Any = {"configurable": {"take_over": name}}
    assert woken(two, two.graph("a"), run_id, config=taking).outcome is Outcome.RESUMED
    assert swept(two, two.graph("a"), config=taking).resumed == ["one"]
    check_ended_by(two, "a", threads=2)


@pytest.mark.grid
@pytest.mark.parametrize("shape", ["alone", "nested"])
def test_ones_own_code_that_resumes_takes_over_only_if_it_says_so(
    mode: Mode, shape: str, caplog: pytest.LogCaptureFixture
) -> None:
    two = Two(mode, "evaluators", shape, store=True)
    two.ask("b", "of b")
    two.pass_time()
    before = two.shown("of b")
    for _ in range(2):
        invoke(mode, two.graph("a"), Command(resume="go on"), config("of b"))
        invoke(mode, two.graph("a"), None, config("of b"))
    after = dict(two.shown("of b"))
    refused_by = after.pop("refused_by")
    assert (after, JUDGED) == (before, [])
    assert refused_by != before["graph"]
    assert f'"take_over": "{before["graph"]}"' in caplog.text
    assert "of b" in caplog.text
    taking = config("of b", take_over=["another", before["graph"]])
    invoke(mode, two.graph("a"), Command(resume="go on"), taking)
    assert JUDGED == ["a"]
    assert len(list(two.simulator.runs())) == 1


@pytest.mark.grid
def test_a_refused_thread_goes_on_with_its_own_graph(mode: Mode, store: bool) -> None:
    two = Two(mode, "evaluators", "alone", store=store)
    two.ask("b", "of b")
    two.pass_time()
    invoke(mode, two.graph("a"), Command(resume="go on"), config("of b"))
    assert two.shown("of b")["refused_by"]
    assert swept(two, two.graph("b")).resumed == ["of b"]
    check_ended_by(two, "b", threads=1)


@pytest.mark.grid
@pytest.mark.parametrize("shape", ["alone", "nested"])
def test_branches_are_left_alone_too(mode: Mode, store: bool, shape: str) -> None:
    two = Two(mode, "evaluators", shape, store=store)
    more: Any = {"evaluate": branching_judge_of_b, "limits": Limits(max_runs_per_question=5)}
    two.ask("b", "of b", **more)
    two.pass_time()
    own = two.graph("b", **more)
    assert swept(two, own).resumed == ["of b"]
    two.pass_time()
    found = swept(two, two.graph("a"), stranded_after=0.0)
    assert (found.resumed, [*found.other_graphs]) == ([], ["of b"])
    invoke(mode, two.graph("a"), Command(resume="go on"), config("of b"))
    assert swept(two, own).resumed == ["of b"]
    assert set(JUDGED) == {"b"}
    assert len(list(two.simulator.runs())) == 3


@pytest.mark.grid
def test_what_a_dead_process_left_after_it_was_woken_is_its_own_graphs_to_finish(
    mode: Mode, store: bool
) -> None:
    fails = [True]

    def judge(state: Any, turn: Any) -> None:
        if fails:
            raise LookupError("the process died")
        JUDGED.append("b")

    two = Two(mode, "evaluators", "alone", store=store)
    two.ask("b", "of b", evaluate=judge)
    two.pass_time()
    assert [*swept(two, two.graph("b", evaluate=judge)).failed] == ["of b"]
    fails.clear()
    found = swept(two, two.graph("a"), stranded_after=0.0)
    assert (found.resumed, [*found.other_graphs]) == ([], ["of b"])
    assert swept(two, two.graph("b", evaluate=judge), stranded_after=0.0).resumed == ["of b"]
    check_ended_by(two, "b", threads=1)


def test_a_run_that_threads_of_two_graphs_wait_for_wakes_only_ones_own(mode: Mode) -> None:
    two = Two(mode, "evaluators", "alone", store=True)
    run_id = two.ask("b", "of b")
    ledger_id = next(iter(two.simulator.runs()))["taskgroup_id"]
    given = {"question": "What of of b?", "ledger_id": ledger_id}
    invoke(mode, two.graph("a"), given, config("of a"))
    assert len(list(two.simulator.runs())) == 1
    two.pass_time()
    assert not woken(two, two.graph("a"), run_id).is_settled
    assert (JUDGED, two.waits("of a"), two.waits("of b")) == (["a"], False, True)
    assert woken(two, two.graph("b"), run_id).outcome is Outcome.RESUMED
    assert JUDGED == ["a", "b"]
    assert records(two.kept["store"]) == []


async def test_a_webhook_at_the_wrong_app_is_given_up_at_once_and_known_to_no_other_worker() -> (
    None
):
    two = Two("async", "evaluators", "alone", store=True)
    given = {"question": "What of b?"}
    await two.graph("b").ainvoke(given, config("of b"), durability="sync")
    two.pass_time()
    body, signed = delivery(next(iter(two.simulator.runs()))["run_id"])
    for which, waits in (("a", True), ("b", False)):
        client = async_client(two.simulator)
        app = webhook_app(two.graph(which), secrets=[SECRET], client=client)
        http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://hooks")
        async with app.router.lifespan_context(app), http:
            answer = await http.post("/parallel/webhook", content=body, headers=signed)
        assert answer.status_code == 202
        assert two.waits("of b") is waits
    check_ended_by(two, "b", threads=1)


def test_over_sqlite_and_its_store(tmp_path: Path) -> None:
    two = Two("sync", "evaluators", "alone", store=False)
    for number in range(2):
        with opened(str(tmp_path), store=True) as kept:
            two.kept = kept
            if not number:
                two.ask("b", "of b")
                two.pass_time()
            found = swept(two, two.graph("a"), stranded_after=0.0)
            assert [*found.other_graphs] == ["of b"]
            if number:
                assert swept(two, two.graph("b")).resumed == ["of b"]
                check_ended_by(two, "b", threads=1)


# --- names ---------------------------------------------------------------------------------------


def name_of(**options: Any) -> str:
    """The name under which a graph with these options parks."""
    made = create_research_graph(client=client_of("sync", Simulator(ManualClock())), **options)
    doors = [one for one in doors_and_clients(made.compile()) if isinstance(one, RunConfig)]
    return doors[0].graph_name(config("thread"))


def test_a_name_of_its_own_stands_for_itself_whatever_the_graph_does() -> None:
    given = {"name": "alpha", "evaluate": judge_of_a, "output_schema": "One word."}
    assert name_of(name="alpha") == name_of(**given) == "alpha"


def test_the_same_options_make_the_same_name_and_others_another() -> None:
    assert name_of(evaluate=by_evidence()) == name_of(evaluate=by_evidence(min_citations=1))
    names = {
        name_of(evaluate=judge_of_a),
        name_of(evaluate=functools.partial(judge_of_a)),
        name_of(evaluate=by_evidence()),
        name_of(evaluate=by_evidence(min_citations=2)),
        name_of(evaluate=by_person(judge_of_a)),
        name_of(evaluate=by_person(judge_of_b)),
        name_of(evaluate=first_objection(judge_of_a, by_evidence())),
        name_of(evaluate=by_evidence(), output_schema="One word."),
    }
    assert len(names) == 8
    assert all(name.startswith("research#") for name in names)


def test_a_name_is_the_same_in_every_process() -> None:
    """Sets have another order there, and a module that is run is called `__main__`."""
    orders = (["ab", "cd"], ["cd", "ab"])
    assert len({with_fingerprint("research", by_evidence(required=one)) for one in orders}) == 1
    run = functools.wraps(judge_of_a)(lambda state, turn: None)
    run.__module__ = "__main__"
    assert with_fingerprint("research", run) == with_fingerprint("research", judge_of_a)
    assert name_of() == "research#0cadb23e"
