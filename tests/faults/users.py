"""Five users of the package, each with the same few verbs: ask, resume, ask again.

Rule: what a user does after an error is what the documentation tells a person to do, and nothing else.

    client   `submit`, then `wait`; after an error the same two calls again
    graph    a question that the evaluation follows up once; after an error `invoke(None)`
    agent    the tool in `create_agent`, with a store; after an error that says that nothing was
             started the model asks again, after any other the call itself is run again
             (`invoke(None)` from the checkpoint before it), for asking again would be another run
    desk     the MCP server's calls, and then the same calls again; not in `USERS`, see `test_mcp_calls.py`
    batch    the official package's `ParallelTaskGroup` in a node; after an error `invoke(None)`
"""

from __future__ import annotations

import asyncio
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from langchain_core.runnables import RunnableLambda
from langchain_core.tools import ToolException
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START as START_NODE
from langgraph.graph import StateGraph
from langgraph.store.memory import InMemoryStore
from typing_extensions import TypedDict

from langchain_parallel import ParallelError, create_research_graph, official
from langchain_parallel._graph.paid_request import wait_seconds
from langchain_parallel.mcp_server.research_desk import Asked, ResearchDesk
from langchain_parallel.models import Submission, TaskRunInput
from langchain_parallel.options import Limits
from langchain_parallel.simulator import (
    Fault,
    ManualClock,
    RunScript,
    Simulator,
    SimulatorTransport,
)

from ..client.both import Both
from ..research.harness import Mode, async_client, client_of, invoke
from ..tool.helpers import START, Account, Wire, agent, answers, calls
from .table import NO_EVENTS

QUESTION, FOLLOW_UP = "Who leads?", "By how much?"
PROCESSOR = "lite"
PATIENCE = wait_seconds(PROCESSOR, None)
SHORT = 5.0
"""Seconds after which each of them gives up waiting: usually, and where it is in a hurry."""


class Clock(ManualClock):
    """Virtual time that fails where something asks for it for ever and lets none of it pass."""

    def __init__(self) -> None:
        super().__init__()
        self._seen, self._asked = -1.0, 0
        self.advance(1000.0)  # at nought, code that takes 0.0 for "never" would seem right

    def monotonic(self) -> float:
        time = super().monotonic()
        self._seen, self._asked = time, self._asked + 1 if time == self._seen else 0
        assert self._asked < 20_000, "something spins: it asks for the time and lets none pass"
        return time


class Saver(InMemorySaver):
    """Writes take `seconds` of virtual time."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__()
        self.clock, self.seconds = clock, 0.0

    def put(self, *args: Any, **named: Any) -> Any:
        self.clock.advance(self.seconds)
        return super().put(*args, **named)


class Store(InMemoryStore):
    """The same."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__()
        self.clock, self.seconds = clock, 0.0

    def put(self, *args: Any, **named: Any) -> None:
        self.clock.advance(self.seconds)
        super().put(*args, **named)

    async def aput(self, *args: Any, **named: Any) -> None:
        self.clock.advance(self.seconds)
        await super().aput(*args, **named)


@dataclass(frozen=True)
class Told:
    """What a user gets instead of an answer: an error, or the turn of a run that failed."""

    text: str
    error: ParallelError | None
    run_id: str | None
    interaction_id: str | None

    @classmethod
    def by(cls, error: ParallelError, text: str = "") -> Told:
        return cls(text or str(error), error, error.run_id, error.interaction_id)


class User(ABC):
    """A user that wants each of `questions` answered, and paid for once.

    `simulator` is the account. `answered` holds run id and content by question, `called_by` what a LangGraph
    server puts into the config.
    """

    name: ClassVar[str]
    questions: ClassVar[tuple[str, ...]] = (QUESTION,)
    sending: ClassVar[int] = 2
    """The paid request of an untroubled question, counted from 1: a ledger is made, and a run added."""

    until_read: ClassVar[tuple[Fault, ...]] = ()
    """What has to go wrong, so that a run that was just started is read, and not only followed."""

    def __init__(self, mode: Mode, simulator: Simulator) -> None:
        self.mode, self.simulator = mode, simulator
        assert isinstance(simulator.clock, ManualClock)
        self.saver, self.store = Saver(simulator.clock), Store(simulator.clock)
        self.answered: dict[str, tuple[str, str]] = {}
        self.on_follow_up: Callable[[], None] = lambda: None
        self.called_by: Mapping[str, str] = {}

    @property
    def thread(self) -> Any:
        """The config of each call."""
        return {"configurable": {"thread_id": "t", **self.called_by}}

    @abstractmethod
    def ask(self) -> Told | None:
        """Ask; None: answered."""

    @abstractmethod
    def ask_impatiently(self) -> Told | None:
        """Ask, and wait for some seconds only."""

    @abstractmethod
    def resume(self) -> Told | None:
        """Go on after an error, or after a kill."""

    @abstractmethod
    def repeat(self) -> Told | None:
        """Ask the same again at the same point of the session."""

    @abstractmethod
    def anew(self) -> Told | None:
        """Ask the same anew, at the price of another run."""

    @abstractmethod
    def move(self) -> None:
        """Go on in another process, which knows only what was written down."""

    def write_slowly(self) -> None:
        """Have writes take so long that another process may have used a ledger made here."""
        self.saver.seconds = self.store.seconds = 0.1

    def killed(self) -> None:  # noqa: B027  # most have nothing to do then
        """What was going on is lost."""

    def close(self) -> None:  # noqa: B027  # same
        """Leave nothing open."""

    def lose(self) -> None:
        """Ask, and soon give up waiting; the run continues."""
        self.simulator.scripts.add(RunScript(seconds=100))
        told = self.ask_impatiently()
        assert told is not None
        assert told.run_id is not None

    def paid(self) -> Counter[str]:
        """Runs that cost money, done or under way, by question."""
        bill = self.simulator.billing
        lines = (*bill.billed_runs(), *bill.reserved_runs())
        return Counter(question_of(self.simulator, line.interaction_id) for line in lines)

    def runs(self, question: str) -> list[dict[str, Any]]:
        """Every run that was started for a question."""
        ids = [(run, run["interaction_id"]) for run in self.simulator.runs()]
        return [run for run, intr in ids if question_of(self.simulator, intr) == question]

    @property
    def at_hand(self) -> str:
        """The question that waits for its answer."""
        return next((q for q in self.questions if q not in self.answered), self.questions[-1])


def question_of(simulator: Simulator, interaction_id: str) -> str:
    return str(simulator.context_of(interaction_id)[-1].input)


class ClientUser(User):
    """Calls `submit` and `wait` of a client."""

    name = "client"
    sending = 4  # the runs of its ledger are counted and listed before

    def __init__(self, mode: Mode, simulator: Simulator) -> None:
        super().__init__(mode, simulator)
        self.api = self._client()
        self.ledger_id: str | None = None
        self.submission: Submission | None = None
        self.how: dict[str, Any] = {}
        self.patience = PATIENCE

    def _client(self) -> Both:
        kind: Any = {"sync": "blocking", "async": "asynchronous"}[self.mode]
        transport, clock = SimulatorTransport(self.simulator), self.simulator.clock
        return Both(kind, "key", transport=transport, clock=clock)

    def ask(self) -> Told | None:
        try:
            self._ask()
        except ParallelError as error:
            return self._told(error)
        return None

    resume = repeat = ask

    def ask_impatiently(self) -> Told | None:
        self.patience = SHORT
        told = self.ask()
        self.patience = PATIENCE
        return told

    def _ask(self) -> None:
        self.submission = None
        if self.ledger_id is None:
            self.ledger_id = self.api.create_group().taskgroup_id
        request = TaskRunInput(input=QUESTION, processor=PROCESSOR)
        self.submission = self.api.submit(self.ledger_id, request, **self.how)
        result = self.api.wait(self.submission.run.run_id, timeout=self.patience)
        self.answered[QUESTION] = result.run.run_id, str(result.output.content)

    def _told(self, error: ParallelError) -> Told:
        """`wait` is given a run id alone; the interaction's is in the caller's own hands."""
        had = self.submission.run.interaction_id if self.submission else None
        return Told(str(error), error, error.run_id, error.interaction_id or had)

    def anew(self) -> Told | None:
        self.how["attempt"] = self.how.get("attempt", 0) + 1
        return self.ask()

    def move(self) -> None:
        self.api.done()
        self.api = self._client()
        self.how["lookup"] = "until_settled"  # as its documentation says, after another process

    def close(self) -> None:
        self.api.done()


class GraphUser(User):
    """Asks the research graph, whose evaluation follows up once."""

    name = "graph"
    until_read = (replace(NO_EVENTS, times=1),)
    questions = (QUESTION, FOLLOW_UP)

    def __init__(self, mode: Mode, simulator: Simulator) -> None:
        super().__init__(mode, simulator)
        self.move()

    def move(self) -> None:
        self.client = client_of(self.mode, self.simulator)

    def _graph(self, timeout: float | None) -> Any:
        options: dict[str, Any] = {"processor": PROCESSOR, "evaluate": self._evaluate}
        graph = create_research_graph(
            limits=Limits(max_runs_per_question=2), **options, client=self.client, timeout=timeout
        )
        return graph.compile(checkpointer=self.saver)

    def _evaluate(self, state: Any, turn: Any) -> Any:
        if turn["content"] is None or turn["question"] == FOLLOW_UP:
            return None
        self._note(state)
        self.on_follow_up()
        return {"action": "follow_up", "question": FOLLOW_UP}

    def _note(self, state: Any) -> None:
        for turn in state["turns"]:
            if turn["content"] is not None:
                self.answered[turn["question"]] = turn["run_id"], str(turn["content"])

    def ask(self) -> Told | None:
        return self._invoke({"question": QUESTION})

    anew = ask

    def ask_impatiently(self) -> Told | None:
        return self._invoke({"question": QUESTION}, timeout=SHORT)

    def resume(self) -> Told | None:
        return self._invoke(None)

    def repeat(self) -> Told | None:
        return self._invoke({"question": self.at_hand})

    def _invoke(self, given: Any, timeout: float | None = None) -> Told | None:
        try:
            state = invoke(self.mode, self._graph(timeout), given, self.thread)
        except ParallelError as error:
            return Told.by(error)
        self._note(state)
        turn = state["turns"][-1]
        if turn["content"] is not None:
            return None
        return Told(turn["error"] or "", None, turn["run_id"], turn["interaction_id"])


class AgentUser(User):
    """Lets a model call the tool, with a checkpointer and a store."""

    name = "agent"
    until_read = (replace(NO_EVENTS, times=1),)

    def __init__(self, mode: Mode, simulator: Simulator) -> None:
        super().__init__(mode, simulator)
        self.account = Account()
        self.account.simulator, self.account.wire = simulator, Wire(simulator)
        self.kept: dict[str, Any] = {"checkpointer": self.saver, "store": self.store}
        self.errors: list[ParallelError] = []
        self.lost = False
        self.move()

    def move(self) -> None:
        self.tool = self.account.tool(processor=PROCESSOR, handle_tool_error=self._words)

    def _words(self, raised: ToolException) -> str:
        """The model reads the exception's text; its cause is what a program would get."""
        assert isinstance(raised.__cause__, ParallelError), raised.__cause__
        self.errors.append(raised.__cause__)
        return str(raised)

    def ask(self) -> Told | None:
        graph = agent(self.tool, calls({"input": QUESTION}), "done", **self.kept)
        return self._invoke(graph, START, self.thread)

    anew = ask

    def ask_impatiently(self) -> Told | None:
        self.tool.timeout = SHORT
        told = self.ask()
        self.tool.timeout = None
        return told

    def resume(self) -> Told | None:
        if self.lost:
            graph = agent(self.tool, "done", **self.kept)
            return self._invoke(graph, None, self.thread)
        return self.ask() if self.errors[-1].billed is False else self.repeat()

    def repeat(self) -> Told | None:
        graph = agent(self.tool, "done", **self.kept)
        history = graph.get_state_history(self.thread)
        before = next(snapshot for snapshot in history if snapshot.next == ("tools",))
        return self._invoke(graph, None, before.config)

    def killed(self) -> None:
        self.lost = True

    def _invoke(self, graph: Any, given: Any, config: Any) -> Told | None:
        state = invoke(self.mode, graph, given, config)
        self.lost = False
        message = answers(state)[-1]
        if message.status == "error":
            return Told.by(self.errors[-1], message.text)
        self.answered[QUESTION] = message.artifact["run_id"], message.text
        return None


class BatchUser(User):
    """Calls the official package's `ParallelTaskGroup` in a node of a graph that keeps its threads."""

    name = "batch"

    def __init__(self, mode: Mode, simulator: Simulator) -> None:
        super().__init__(mode, simulator)
        self.patience: float | None = None
        self.move()

    def move(self) -> None:
        client = client_of(self.mode, self.simulator)
        self.group = official.ParallelTaskGroup(processor=PROCESSOR, client=client)

    def ask(self) -> Told | None:
        return self._invoke({"rows": []}, self.thread)

    anew = ask

    def ask_impatiently(self) -> Told | None:
        self.patience = SHORT
        told = self.ask()
        self.patience = None
        return told

    def resume(self) -> Told | None:
        return self._invoke(None, self.thread)

    def repeat(self) -> Told | None:
        history = self._graph().get_state_history(self.thread)
        before = next(snapshot for snapshot in history if snapshot.next == ("batch",))
        return self._invoke(None, before.config)

    def _graph(self) -> Any:
        def blocking(state: _Rows) -> _Rows:
            return {"rows": self.group.run([QUESTION], timeout=self.patience)}

        async def asynchronous(state: _Rows) -> _Rows:
            return {"rows": await self.group.arun([QUESTION], timeout=self.patience)}

        graph: Any = StateGraph(_Rows)
        graph.add_node("batch", RunnableLambda(blocking, asynchronous))
        graph.add_edge(START_NODE, "batch")
        return graph.compile(checkpointer=self.saver)

    def _invoke(self, given: Any, config: Any) -> Told | None:
        try:
            (row,) = invoke(self.mode, self._graph(), given, config)["rows"]
        except official.CallFailed as error:
            cause = error.__cause__
            assert isinstance(cause, ParallelError)
            return Told.by(cause, str(error))
        self.answered[QUESTION] = row["run"]["run_id"], str(row["output"]["content"])
        return None


class DeskUser(User):
    """Calls the desk of the MCP server: `research`, then `follow_up`; after anything the same calls again. A
    call that still waits says so, and is made again, too.
    """

    name = "desk"
    questions = (QUESTION, FOLLOW_UP)

    def __init__(self, mode: Mode, simulator: Simulator) -> None:
        super().__init__(mode, simulator)
        self.session_id = ""
        self.move()

    def move(self) -> None:
        self.client = async_client(self.simulator)

    def ask(self) -> Told | None:
        return asyncio.run(self._ask(PATIENCE))

    repeat = anew = ask

    def ask_impatiently(self) -> Told | None:
        return asyncio.run(self._ask(SHORT))

    def resume(self) -> Told | None:
        told = self.ask()
        return self.ask() if told is not None and told.error is None else told

    async def _ask(self, seconds: float) -> Told | None:
        graph: Any = create_research_graph(processor=PROCESSOR, wait="park", client=self.client)
        graph = graph.compile(checkpointer=self.saver, store=self.store)
        desk = ResearchDesk(graph, self.store, self.client, wait_seconds=seconds, max_chars=20_000)
        for question in self.questions:
            if question == FOLLOW_UP:
                self.on_follow_up()
            session_id = self.session_id if question == FOLLOW_UP else ""
            try:
                text = await desk.ask(Asked(question, session_id))
            except ParallelError as error:
                return Told.by(error)
            named = self._run_in(text)
            if "<research_output" not in text:
                return Told(text, None, *(named or (None, None)))
            assert named is not None
            self.session_id = re.findall(r"ses_\w+", text)[0]
            self.answered[question] = named[0], text
        return None

    def _run_in(self, text: str) -> tuple[str, str] | None:
        """The run that a text names, by its own id or its interaction's, and that one."""
        for run in self.simulator.runs():
            if run["run_id"] in text or run["interaction_id"] in text:
                return run["run_id"], run["interaction_id"]
        return None


class _Rows(TypedDict):
    rows: list[dict[str, Any]]


USERS: tuple[type[User], ...] = (ClientUser, GraphUser, AgentUser, BatchUser)
MODES: tuple[Mode, ...] = ("sync", "async")
