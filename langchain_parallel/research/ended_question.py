"""What a question has found when it ends, for later sessions (`RequestOptions.recall`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from langchain_core.runnables import RunnableConfig

from .._core.calls import Calls
from .._graph.earlier_sessions import remember
from .._graph.recollections import EndedQuestion, earlier_questions
from ..evidence import Evidence, is_hollow
from .graph_config import GraphConfig
from .state import Turn, is_elsewhere
from .turns import runs_since_question


def remember_question(
    graph: GraphConfig, turns: Sequence[Turn], config: RunnableConfig
) -> Calls[None]:
    """Keep what the last question of a session has found."""
    if graph.options.recall is None:
        return
    own = [turn for turn in turns if not is_elsewhere(turn)]
    asked = own[-runs_since_question(own) :]
    answered = [turn for turn in asked if not is_hollow(turn["content"])]
    if not answered:
        return
    first = asked[0]
    after = earlier_questions(own, first["parent_interaction_id"])
    evidence = cast(Evidence, answered[-1])
    yield from remember(graph, config, EndedQuestion(first["question"], after, evidence, asked))
