"""`create_research_graph`: the research session as a LangGraph graph.

START → plan → submit → wait → evaluate ─┬→ END      accepted, out of turns, stopped
                                         ├→ plan     a follow-up, or several at the same time
                                         └→ review   a person decides: plan, or END

plan → approve → …                     where a person has to say yes first, or the budget ends
plan → submit_branch × n → wait_branch × n → join → evaluate      several questions at the same time
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from langgraph.graph import END, START, StateGraph
from pydantic import SecretStr

from .._core import limits
from .._graph.clients import ClientPair
from .._graph.session_ledger import Ledgers
from ..client import AsyncParallelClient, ParallelClient
from ..errors import InvalidRequest
from ..models import (
    McpServer,
    SchemaLike,
    SourcePolicy,
    TaskAdvancedSettings,
    TaskRunInput,
    TaskSpec,
    Webhook,
)
from . import steps
from .budget import checked_budget
from .evaluation import Evaluator, by_evidence
from .evaluation.evaluator import check_evaluators
from .graph_config import GraphConfig
from .processor_policy import ProcessorPolicy
from .routes import after_approval, after_joining, after_plan, after_submission, after_verdict
from .state import Budget, ResearchInput, ResearchOutput, ResearchState


def create_research_graph(
    *,
    processor: str | ProcessorPolicy = "pro",
    follow_up_processor: str | None = None,
    output_schema: SchemaLike | None = None,
    evaluate: Evaluator = by_evidence(),  # noqa: B008  # it holds nothing that changes
    max_turns: int = 1,
    budget: Budget | None = None,
    on_budget: Literal["ask", "stop"] = "ask",
    approve_above: str | None = None,
    source_policy: SourcePolicy | None = None,
    mcp_servers: Sequence[McpServer] = (),
    advanced_settings: TaskAdvancedSettings | None = None,
    memory_scope_key: str | None = None,
    metadata: Mapping[str, str | int | float | bool] | None = None,
    wait: Literal["block", "park"] = "block",
    webhook: Webhook | None = None,
    timeout: float | None = None,
    keep_excerpts: bool = False,
    submission: Literal["ledger", "direct"] = "ledger",
    name: str = "research",
    allow_unknown_processor: bool = False,
    api_key: SecretStr | str | None = None,
    base_url: str | None = None,
    client: ParallelClient | None = None,
    async_client: AsyncParallelClient | None = None,
) -> StateGraph[ResearchState, None, ResearchInput, ResearchOutput]:
    """The research session as a graph, uncompiled: you own the checkpointer and `compile`.

    Invoke it with `{"question": …}`. On the same LangGraph thread, the next question continues from the
    session's head; `"continue_from": interaction_id` branches from an earlier turn instead. Compile it
    with a checkpointer and run it with `durability="sync"`: then a killed process resumes where it was,
    and nothing is paid for twice.

    Args:
        processor: For a first question; or a policy that chooses for every question, such as
            `deep_then_fast()`. What a caller, a person or a verdict names comes before it.
        follow_up_processor: For questions with research behind them; the same unless given.
        output_schema: Shape of every answer: pydantic class, JSON schema, text description, or None for
            whatever the API chooses.
        evaluate: Judges each answer (see `Evaluator`); by default fields with low confidence or without
            citations are asked again by name.
        max_turns: Runs per question at the most, the first included. 1: answers are judged, but nothing
            is asked again. What a person asks in a review is a question of its own.
        budget: What a session on one thread may use in all. Planned runs count before they are sent; so
            do all branches of a verdict together.
        on_budget: When the next run would pass the budget, or the account has no credit left: `ask` a
            person, whose yes raises it (an interrupt, see `PersonRequest`), or `stop`.
        approve_above: A processor; runs that cost more than one of it wait for a person's yes.
        source_policy: Which sites may be used.
        mcp_servers: MCP servers the runs may call.
        advanced_settings: Country of the search.
        memory_scope_key: Which memory the runs use.
        metadata: Kept with every run on Parallel's side, beside the LangGraph `thread_id`.
        wait: `block`: the invocation lasts until the answer is there. `park`: while a run goes on, the
            thread waits in an interrupt (`ParkedInterrupt`) and holds no process and no connection; whoever
            resumes it lets the graph look again. Without a checkpointer it blocks.
        webhook: Whom the API tells when a run has ended; for `park`.
        timeout: Seconds to wait for one run; None: twice its processor's usual longest time, and ten
            minutes. When it passes, `StillRunning` is raised and the thread can be resumed.
        keep_excerpts: Keep the citations' excerpts in the state. Checkpoints grow by several times.
        submission: `direct`: one POST without a ledger, sent at most once. Saves two free requests a
            turn, and a kill or a lost answer at the wrong moment loses a run that is paid for.
        name: Tells several research sessions of one LangGraph thread apart in the store.
        allow_unknown_processor: Send processors that this package does not know.
        api_key: The key; read from `PARALLEL_API_KEY` unless given.
        base_url: The server; read from `PARALLEL_BASE_URL` unless given.
        client: Your own blocking client.
        async_client: Your own asynchronous client.

    Raises:
        InvalidRequest: The API would refuse this configuration.
        MissingKey: There is no API key.
    """
    fixed = [] if callable(processor) else [processor, follow_up_processor or processor]
    template = TaskRunInput(
        input="?",
        processor=fixed[0] if fixed else "lite",
        task_spec=None if output_schema is None else TaskSpec(output_schema=output_schema),
        source_policy=source_policy,
        mcp_servers=mcp_servers,
        advanced_settings=advanced_settings,
        memory_scope_key=memory_scope_key,
        metadata=dict(metadata or {}),
        enable_events=True,
        webhook=webhook,
    )
    for choice in fixed or ["lite"]:
        limits.check(
            template.model_copy(update={"processor": choice}),
            allow_unknown_processor=allow_unknown_processor,
        )
    limits.at_least_one_turn(max_turns)
    _check_steering(processor, follow_up_processor, budget, approve_above)
    chosen = {"on_budget": on_budget, "wait": wait, "submission": submission}
    limits.choices(chosen, _CHOICES)
    if timeout is not None:
        limits.seconds(timeout)
    check_evaluators(evaluate)
    researcher = GraphConfig(
        clients=ClientPair.of(
            client,
            async_client=async_client,
            api_key=api_key,
            base_url=base_url,
            allow_unknown_processor=allow_unknown_processor,
            asks=template,
        ),
        template=template,
        processor=processor if callable(processor) else lambda _, parent: fixed[1 if parent else 0],
        evaluate=evaluate,
        max_turns=max_turns,
        budget=budget,
        on_budget=on_budget,
        approve_above=approve_above,
        wait=wait,
        timeout=timeout,
        keep_excerpts=keep_excerpts,
        direct=submission == "direct",
        allow_unknown_processor=allow_unknown_processor,
        name=name,
        ledgers=Ledgers(),
    )
    return _build(researcher)


def _check_steering(
    processor: str | ProcessorPolicy,
    follow_up_processor: str | None,
    budget: Budget | None,
    approve_above: str | None,
) -> None:
    if callable(processor) and follow_up_processor is not None:
        raise InvalidRequest(
            ["The policy chooses for follow-ups, too; leave out follow_up_processor."]
        )
    if budget is not None:
        checked_budget(budget)
    if approve_above is not None:
        limits.check(TaskRunInput(input="?", processor=approve_above))


_CHOICES = {
    "on_budget": ("ask", "stop"),
    "wait": ("block", "park"),
    "submission": ("ledger", "direct"),
}


def _build(
    researcher: GraphConfig,
) -> StateGraph[ResearchState, None, ResearchInput, ResearchOutput]:
    graph: Any = StateGraph(ResearchState, input_schema=ResearchInput, output_schema=ResearchOutput)
    for step in steps.ALL:
        to = ("wait_branch",) if step is steps.submit_branch else None
        graph.add_node(step.__name__, steps.node(step, researcher), destinations=to)
    graph.add_edge(START, "plan")
    graph.add_conditional_edges("plan", after_plan, ["approve", "submit", "submit_branch"])
    graph.add_conditional_edges("approve", after_approval, ["submit", "submit_branch", "join", END])
    graph.add_conditional_edges("submit", after_submission, ["approve", "wait"])
    graph.add_edge("wait", "evaluate")
    graph.add_edge("wait_branch", "join")
    graph.add_conditional_edges("join", after_joining, ["approve", "evaluate"])
    graph.add_conditional_edges("evaluate", after_verdict, ["plan", "review", END])
    graph.add_conditional_edges("review", after_verdict, ["plan", END])
    return graph  # type: ignore[no-any-return]  # LangGraph's generics do not follow add_node
