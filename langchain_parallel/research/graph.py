"""`create_research_graph`: the research session as a LangGraph graph.

START → plan → submit → wait → evaluate ─┬→ END      accepted, out of runs, stopped
                                         ├→ plan     a follow-up, or several at the same time
                                         └→ review   a person decides: plan, or END

START → refuse → END                    a message that cannot be asked, or whose answer was taken out
START → evaluate, review                a message that comes again before it has an answer
plan → approve → …                     where a person has to approve first, or a limit is reached
plan → submit_branch × n → wait_branch × n → join → evaluate      several questions at the same time
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send
from pydantic import SecretStr

from .._core.calls import Calls
from .._core.hidden import as_secret, hidden
from .._core.kinds import check_kinds
from .._graph.graph_steps import Step, add_choice, add_step
from .._graph.runtime import given_input
from .._graph.user_key import hide_key
from ..client import AsyncParallelClient, ParallelClient
from ..models import SchemaLike
from ..options import (
    DEFAULT_PROCESSORS,
    Limits,
    ProcessorChoice,
    RequestOptions,
    first_and_follow_up,
)
from ..parked.interrupts import check_can_park
from .advertised import advertised_graph
from .call_context import ResearchContext, of_call
from .evaluation import Evaluator, by_evidence, questions_of
from .evaluation.evaluator import check_evaluators, has_checks
from .graph_config import GraphConfig
from .input_keys import check_given, check_limits_given
from .messages import has_answer, unanswered_turn
from .processor_policy import FirstOrFollowUp, ProcessorPolicy
from .state import ResearchInput, ResearchOutput, ResearchState, Turn
from .steps.approve import approve
from .steps.evaluate import evaluate as judge
from .steps.plan import plan, why_refused
from .steps.refuse import refuse
from .steps.review import review
from .steps.runs import SENT, join, sends, submit, submit_branch, wait_branch
from .steps.runs import wait as wait_for_run
from .turns import open_branches, open_turns, unsent_turns

_Step: TypeAlias = Callable[[GraphConfig, ResearchState, RunnableConfig], Calls[Any]]
"""What a node does: it returns the update of the state, and yields the calls it needs."""
_AS_NODE: dict[str, Any] = {"metadata": {"execute_in": "activity"}, "input_schema": ResearchState}
"""Temporal's plugin reads the metadata: steps send requests, which its workflows may not."""
_STEPS: dict[str, _Step] = {
    "refuse": refuse,
    "plan": plan,
    "approve": approve,
    "submit": submit,
    "wait": wait_for_run,
    "submit_branch": submit_branch,
    "wait_branch": wait_branch,
    "join": join,
    "evaluate": judge,
    "review": review,
}


def create_research_graph(
    *,
    processor: ProcessorChoice | ProcessorPolicy = DEFAULT_PROCESSORS,
    output_schema: SchemaLike | None = None,
    evaluate: Evaluator = by_evidence(),  # noqa: B008  # it holds nothing that changes
    wait: Literal["block", "park"] = "block",
    timeout: float | None = None,
    limits: Limits | None = None,
    keep_excerpts: bool = False,
    checks: bool | None = None,
    request: RequestOptions | None = None,
    name: str = "research",
    api_key: str | SecretStr | None = None,
    base_url: str | None = None,
    client: ParallelClient | AsyncParallelClient | None = None,
) -> StateGraph[ResearchState, ResearchContext, ResearchInput, ResearchOutput]:
    """The research session as a graph, uncompiled: you own the checkpointer and `compile`.

    Invoke it with `{"question": …}`, or with `{"messages": […]}`, whose last human message is the question;
    the answer comes in both forms. On the same LangGraph thread, the next question continues from the
    session's head; `"continue_from": interaction_id` branches from an earlier turn instead. Compile it
    with a checkpointer and run it with `durability="sync"`: then a killed process resumes where it was,
    and nothing is paid for twice.

    Args:
        processor: For every run; or two, for first questions and for follow-ups; or a policy that chooses
            for every question, such as `deep_then_fast()`. What a caller, a person or a verdict names
            comes before it.
        output_schema: Shape of every answer: pydantic class, JSON schema, text description, or None for
            whatever the API chooses.
        evaluate: Judges each answer (see `Evaluator`); by default fields with low confidence or without
            citations are asked again by name, as far as `limits.max_runs_per_question` allows.
        wait: `block`: the invocation lasts until the answer is there. `park`: while a run is active, the
            thread waits in an interrupt (`ParkedInterrupt`) and holds no process and no connection; resumed,
            the graph looks at the run again. Without a checkpointer it blocks.
        timeout: Seconds to wait for one run; None: twice its processor's usual longest time, and ten
            minutes. When it passes, `StillRunning` is raised and the thread can be resumed.
        limits: What a session on one thread may use, and from which price on a person is asked. All
            branches of a verdict count together.
        keep_excerpts: Keep the citations' excerpts in the state. Checkpoints grow by several times.
        checks: Check each answer against the excerpts of its citations, and keep in its turn what is in none
            (`checks`); it needs no `keep_excerpts`. Unless given, if the evaluator is `by_excerpts()`, or has
            it as a part.
        request: What else shapes the runs: sources, MCP servers, metadata, a webhook.
        name: Tells several research sessions of one LangGraph thread apart, and the parked threads of several
            graphs with one database: a graph with a name of its own goes on with those that this name has
            parked, also after its evaluator was changed.
        api_key: The key; read from `PARALLEL_API_KEY` unless given.
        base_url: The server; read from `PARALLEL_BASE_URL` unless given.
        client: Your own client, blocking or asynchronous; the other kind is made from it.

    Raises:
        InvalidRequest: An option is wrong, or such requests may not be sent.
        MissingKey: There is no API key.
    """
    api_key, base_url = as_secret(api_key), hidden(base_url)
    check_evaluators(evaluate)
    check_kinds({"keep_excerpts": (keep_excerpts, bool), "checks": (checks, bool)})
    names: tuple[str, ...] = ("lite",)  # a policy's names are checked as it gives them
    policy: ProcessorPolicy
    if callable(processor):
        policy = processor
    else:
        names = first_and_follow_up(processor)
        policy = FirstOrFollowUp(*names)
    graph = GraphConfig.of(
        processor_names=names,
        output_schema=output_schema,
        request=request,
        limits=limits,
        wait=wait,
        waits=("block", "park"),
        timeout=timeout,
        name=name,
        api_key=api_key,
        base_url=base_url,
        client=client,
        policy=policy,
        evaluate=evaluate,
        keep_excerpts=keep_excerpts,
        checks=has_checks(evaluate, checks, keep_excerpts=keep_excerpts),
    )
    return _build(graph)


_OPTIONS = frozenset(inspect.signature(create_research_graph).parameters)


def _build(
    config: GraphConfig,
) -> StateGraph[ResearchState, ResearchContext, ResearchInput, ResearchOutput]:
    graph = advertised_graph()
    for name, step in _STEPS.items():
        add_step(graph, name, _of(config, step), config.name, **_AS_NODE)
    add_choice(graph, START, _input_taker(config), "plan", "refuse", "evaluate", "review", END)
    add_choice(graph, "plan", _after_plan, "approve", "submit", "submit_branch")
    add_choice(graph, "approve", _after_approval, "submit", "submit_branch", "join", END)
    add_choice(graph, "submit", _after_submission, "approve", "wait", "evaluate")
    graph.add_edge("wait", "evaluate")
    add_choice(graph, "submit_branch", _after_sending, "wait_branch", END)
    graph.add_edge("wait_branch", "join")
    add_choice(graph, "join", _after_joining, "approve", "evaluate")
    add_choice(graph, "evaluate", _after_verdict, "plan", "review", END)
    add_choice(graph, "review", _after_verdict, "plan", END)
    return graph  # type: ignore[no-any-return]  # LangGraph's generics do not follow add_node


def _of(made: GraphConfig, step: _Step) -> Step:
    return lambda state, config: step(of_call(made, config), state, config)


# --- the next step: pure functions of the state ----------------------------------------------------


def _input_taker(made: GraphConfig) -> Callable[[ResearchState, RunnableConfig], str]:
    """Planning comes first, if everything that was given means something. A message that was answered is not
    asked again.
    """

    def take_input(state: ResearchState, config: RunnableConfig) -> str:
        config = hide_key(config)
        graph = of_call(made, config)
        check_can_park(graph.wait, config)
        check_given(config, _OPTIONS)
        check_limits_given(graph.rules(state, config), config)
        if state.get("question") or open_turns(state):
            return "plan"
        if _gives_messages(config):
            if has_answer(state):
                return END
            if (turn := unanswered_turn(state)) is not None:
                return _after_turn(state, turn)
        return "refuse" if why_refused(graph, state) else "plan"

    return take_input


def _gives_messages(config: RunnableConfig) -> bool:
    given = given_input(config)
    return isinstance(given, Mapping) and bool(given.get("messages"))


def _after_turn(state: ResearchState, turn: Turn) -> str:
    """Where a question goes on whose run has ended: it is judged, reviewed, or answered again."""
    verdict = state.get("verdict")
    if turn.get("verdict") is None or verdict is None:
        return "evaluate"
    return "review" if verdict["action"] == "review" else "refuse"


def _after_plan(state: ResearchState) -> str | list[Send]:
    """A person is asked first, or the runs are started."""
    return "approve" if any(turn.get("on_hold") for turn in unsent_turns(state)) else _start(state)


def _after_approval(state: ResearchState) -> str | list[Send]:
    """Approved runs are started. If none is left to start, the branches that were started are joined."""
    if open_turns(state):
        return _start(state)
    return "join" if state.get("branches") else END


def _after_submission(state: ResearchState) -> str:
    """The run is waited for, if it was started; a quick turn has its answer."""
    if state.get("pending") is None:
        return "evaluate"
    return "approve" if unsent_turns(state) else "wait"


def _after_sending(written: Any) -> str | Send:
    """Each branch is waited for beside the others. A person who writes as this step has sent none."""
    return Send("wait_branch", written[SENT]) if SENT in written else END


def _after_joining(state: ResearchState) -> str:
    """The branches are judged, once all of them are done."""
    return "approve" if open_branches(state) else "evaluate"


def _after_verdict(state: ResearchState) -> str:
    """More questions, a person, or the end."""
    verdict = state.get("verdict")
    if not verdict:  # a person or another node has written the state
        return END
    if questions_of(verdict):
        return "plan"
    return "review" if verdict["action"] == "review" else END


def _start(state: ResearchState) -> str | list[Send]:
    if not state.get("branches"):
        return "submit"
    return sends(state, "submit_branch", open_branches(state))
