"""`create_research_graph`: the research session as a LangGraph graph.

START → plan → submit → wait → evaluate ─┬→ END     accepted, out of turns, stopped
          ↑                              └→ plan    a follow-up
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from langgraph.graph import END, START, StateGraph
from pydantic import SecretStr

from .._calls import Clients
from .._core import checks
from .._ledgers import Ledgers
from ..client import AsyncParallelClient, ParallelClient
from ..models import (
    McpServer,
    SchemaLike,
    SourcePolicy,
    TaskAdvancedSettings,
    TaskRunInput,
    TaskSpec,
)
from .evaluation import Evaluate, by_evidence
from .nodes import Researcher, after_judgement, node
from .state import ResearchInput, ResearchOutput, ResearchState


def create_research_graph(
    *,
    processor: str = "pro",
    follow_up_processor: str | None = None,
    output_schema: SchemaLike | None = None,
    evaluate: Evaluate = by_evidence,
    max_turns: int = 1,
    source_policy: SourcePolicy | None = None,
    mcp_servers: Sequence[McpServer] = (),
    advanced_settings: TaskAdvancedSettings | None = None,
    memory_scope_key: str | None = None,
    metadata: Mapping[str, str | int | float | bool] | None = None,
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
        processor: For a first question.
        follow_up_processor: For questions with research behind them; the same unless given.
        output_schema: Shape of every answer: pydantic class, JSON schema, text description, or None for
            whatever the API chooses.
        evaluate: Judges each answer (see `Verdict`); by default fields with low confidence or without
            citations are asked again by name.
        max_turns: Runs per question at the most, the first included. 1: answers are judged, but nothing
            is asked again.
        source_policy: Which sites may be used.
        mcp_servers: MCP servers the runs may call.
        advanced_settings: Country of the search.
        memory_scope_key: Which memory the runs use.
        metadata: Kept with every run on Parallel's side, beside the LangGraph `thread_id`.
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
    template = TaskRunInput(
        input="?",
        processor=processor,
        task_spec=None if output_schema is None else TaskSpec(output_schema=output_schema),
        source_policy=source_policy,
        mcp_servers=mcp_servers,
        advanced_settings=advanced_settings,
        memory_scope_key=memory_scope_key,
        metadata=dict(metadata or {}),
        enable_events=True,
    )
    follow_up = follow_up_processor or processor
    for choice in (processor, follow_up):
        checks.check(
            template.model_copy(update={"processor": choice}),
            allow_unknown_processor=allow_unknown_processor,
        )
    checks.at_least_one_turn(max_turns)
    researcher = Researcher(
        clients=Clients.of(
            client,
            async_client,
            api_key=api_key,
            base_url=base_url,
            allow_unknown_processor=allow_unknown_processor,
            asks=template,
        ),
        template=template,
        follow_up_processor=follow_up,
        evaluate=evaluate,
        max_turns=max_turns,
        timeout=timeout,
        keep_excerpts=keep_excerpts,
        direct=submission == "direct",
        allow_unknown_processor=allow_unknown_processor,
        name=name,
        ledgers=Ledgers(),
    )
    return _build(researcher)


def _build(
    researcher: Researcher,
) -> StateGraph[ResearchState, None, ResearchInput, ResearchOutput]:
    graph: Any = StateGraph(ResearchState, input_schema=ResearchInput, output_schema=ResearchOutput)
    graph.add_node("plan", node(researcher.plan, "plan"))
    graph.add_node("submit", node(researcher.submit, "submit"))
    graph.add_node("wait", node(researcher.wait, "wait"))
    graph.add_node("evaluate", node(researcher.judge, "evaluate"))
    graph.add_edge(START, "plan")
    graph.add_edge("plan", "submit")
    graph.add_edge("submit", "wait")
    graph.add_edge("wait", "evaluate")
    graph.add_conditional_edges("evaluate", after_judgement, {"plan": "plan", "end": END})
    return graph  # type: ignore[no-any-return]  # LangGraph's generics do not follow add_node
