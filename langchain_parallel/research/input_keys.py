"""What a session is given beside its question: a key that means nothing is refused by name.

LangGraph drops such a key without a word: a question would be researched, and paid for, without the schema or
the sources that were asked for.
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Collection, Iterator, Mapping
from typing import cast

from langchain_core.runnables import RunnableConfig

from .._graph.runtime import given_input, parent_task
from ..errors import InvalidRequest
from ..options import RequestOptions
from .spending_rules import SpendingRules
from .state import ResearchInput, ResearchOutput

_LOG = logging.getLogger("langchain_parallel")

_KEYS = tuple(ResearchInput.__annotations__)
_SEVERAL = ("branches", "branch", "questions", "follow_up", "follow_ups", "followup", "pending")


def check_given(config: RunnableConfig, options: Collection[str]) -> None:
    """Check the input of an outermost graph. A parent's state may hold what it likes.

    Args:
        config: LangChain's config of the step that takes the input.
        options: The options of the graph.

    Raises:
        InvalidRequest: A key of it means nothing here.
    """
    given = given_input(config)
    if parent_task(config) is not None or not isinstance(given, Mapping):
        return
    # What a session answers may be handed back to it as it is; what is empty asks for nothing.
    known = {*_KEYS, *ResearchOutput.__annotations__}
    unknown = [str(name) for name in given if name not in known]
    if problems := list(_problems([n for n in unknown if given[n] not in (None, [], {})], options)):
        raise InvalidRequest(problems)


def check_limits_given(rules: SpendingRules, config: RunnableConfig) -> None:
    """Check that a question only lowers limits. Those of a parent's state that are higher have no effect,
    which the log says.

    Raises:
        InvalidRequest: The input of an outermost graph holds a limit above the graph's own.
    """
    given, raised = given_input(config), rules.raised_by_caller()
    if not raised or not isinstance(given, Mapping) or not given.get("limits"):
        return
    own = cast("dict[str, float]", rules.door.limits.for_session())
    problems = [
        f"limits: {name} is {value:g}; this graph's own is {own[name]:g}, and a question can lower limits, "
        "not raise them."
        for name, value in raised.items()
    ]
    if parent_task(config) is None:
        hint = (
            "Make the graph with other `Limits`, or have a person approve more. Nothing was sent."
        )
        raise InvalidRequest(problems, hint=hint)
    _LOG.warning("Limits of the parent's state have no effect. %s", " ".join(problems))


def _problems(names: Collection[str], options: Collection[str]) -> Iterator[str]:
    for name in names:
        said = f"{name[:40]!r} means nothing beside a question; "
        if name in _SEVERAL:
            yield (
                f"{said}a session is asked one at a time. An evaluator or a person's review asks several "
                "at once, and a further question on the thread follows up."
            )
        elif name in RequestOptions.model_fields:
            yield f"{said}give create_research_graph `request=RequestOptions({name}=…)`."
        elif name in options:
            yield f"{said}give it to create_research_graph."
        else:
            near = difflib.get_close_matches(name, _KEYS, n=1, cutoff=0.75)
            yield f"{said}{f'did you mean {near[0]}?' if near else ', '.join(_KEYS) + ' do.'}"
