"""Asking until the answer is understood."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from langchain_core.runnables import RunnableConfig

from ..._core.calls import Calls
from ..._core.payloads import storable
from ..._graph.runtime import ask_person
from ...errors import InvalidRequest
from .decision import parse_answer
from .schemas import HumanAnswer, HumanRequest, response_schema

T = TypeVar("T")


def ask_until_valid(
    config: RunnableConfig, request: HumanRequest, decide: Callable[[HumanAnswer], Calls[T]]
) -> Calls[T]:
    """What `decide` makes of a person's answer. The step ends with an interrupt until there is an answer, and
    again after each answer that is refused.
    """
    while True:
        # As checkpointers store it: whenever the step runs again, it is parsed again and must be the same.
        answer, _ = storable(ask_person(config, request, response_schema(request)))
        try:
            return (yield from decide(parse_answer(answer, request)))
        except InvalidRequest as error:
            request = {**request, "refused": list(error.problems)}
