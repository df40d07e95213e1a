"""What a question has found when it ends, for later sessions (`RequestOptions.recall`)."""

from __future__ import annotations

from collections.abc import Sequence

from langchain_core.runnables import RunnableConfig

from .._core.calls import Calls
from .._graph.earlier_sessions import remember
from .._graph.recollections import EndedQuestion, earlier_questions
from .graph_config import GraphConfig
from .state import Turn


def remember_question(
    graph: GraphConfig, turns: Sequence[Turn], config: RunnableConfig
) -> Calls[None]:
    """Keep what the last question of a session has found."""
    from ..findings import as_evidence, last_findings

    findings = last_findings(turns) if graph.options.recall is not None else None
    if findings is None:
        return
    places = set(findings["turns"])
    asked = [turn for turn in turns if turn["position"] in places]
    after = earlier_questions(turns, asked[0]["parent_interaction_id"])
    ended = EndedQuestion(findings["question"], after, as_evidence(findings), asked)
    yield from remember(graph, config, ended)
