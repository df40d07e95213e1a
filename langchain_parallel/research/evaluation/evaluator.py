"""What an evaluator is, and how blocking and asynchronous graphs ask one."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Protocol

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config

from ..._core.calls import Calls, call_function, drive
from ..._core.json_text import copy_json
from ...errors import InvalidRequest
from ..state import ResearchState, Turn, Verdict, is_elsewhere
from .verdicts import check_verdict


class Evaluator(Protocol):
    """Judges the last round of a session."""

    def __call__(
        self, state: ResearchState, turn: Turn, /
    ) -> Verdict | Awaitable[Verdict | None] | None:
        """What is to happen next; None accepts.

        Args:
            state: The whole session.
            turn: Its last turn; `last_round(state["turns"])` gives those asked at the same time.
        """


class BuiltInEvaluator(ABC):
    """An evaluator of this package: written once, as calls, for blocking and asynchronous graphs."""

    @property
    def needs_checks(self) -> bool:
        """Whether it judges what the checks against the excerpts found."""
        return False

    @abstractmethod
    def calls(self, state: ResearchState, turn: Turn, config: RunnableConfig) -> Calls[Verdict]:
        """The verdict, after the calls it takes."""

    def __call__(self, state: ResearchState, turn: Turn, /) -> Verdict:
        """The verdict, blocking."""
        verdict = drive(self.calls(state, turn, ensure_config()))
        return check_verdict(verdict, head=state.get("interaction_id"))


def check_evaluators(*evaluators: Callable[..., object]) -> None:
    """Refuse a function that takes no state and turn, before a run is paid for that it could not judge.

    Raises:
        InvalidRequest: One of them takes no state and turn.
    """
    for evaluator in evaluators:
        try:
            inspect.signature(evaluator).bind(None, None)
        except TypeError:
            raise InvalidRequest(
                ["An evaluator must be a function of the state and its last turn: `(state, turn)`."]
            ) from None
        except ValueError:  # some functions written in C have no signature
            continue


def needs_checks(evaluator: object) -> bool:
    """Whether an evaluator judges what the checks against the excerpts found."""
    return isinstance(evaluator, BuiltInEvaluator) and evaluator.needs_checks


def has_checks(evaluator: object, checks: bool | None, *, keep_excerpts: bool) -> bool:
    """Whether a graph with this evaluator checks its answers: as it is told, or else if that is needed.

    Raises:
        InvalidRequest: It is told not to, and has to.
    """
    is_needed = needs_checks(evaluator)
    if is_needed and checks is False and not keep_excerpts:
        raise InvalidRequest(
            ["by_excerpts judges what the checks find, and checks=False turns them off."],
            hint="Leave `checks` out. Nothing was sent.",
        )
    return is_needed if checks is None else checks


def consult(evaluator: Evaluator, state: ResearchState, config: RunnableConfig) -> Calls[Verdict]:
    """Ask an evaluator, blocking or asynchronous, for its verdict on the last turn.

    Raises:
        InvalidRequest: There is no turn, or what it returns is no usable verdict.
        TypeError: It is asynchronous, and the graph runs blocking.
    """
    if not last_round(state.get("turns") or []):
        raise InvalidRequest(
            ["There is no turn to judge."],
            hint="Invoke the graph with a question. Nothing was sent.",
        )
    turn = last_round(state["turns"])[-1]
    if isinstance(evaluator, BuiltInEvaluator):
        verdict: object = yield from evaluator.calls(state, turn, config)
    else:
        own = copy_json(state)  # the caller's function may change it
        verdict = yield from call_function(evaluator, own, last_round(own["turns"])[-1])
    judged = check_verdict(verdict, head=state.get("interaction_id"))
    if "decided_by" in judged:
        raise InvalidRequest(
            ["The verdict is not usable: decided_by is for people's own verdicts."],
            hint="The answer it judged is kept; correct the function and resume the thread.",
        )
    return judged


def last_round(turns: list[Turn]) -> list[Turn]:
    """The turns that were asked at the same time as the last one, the last one included."""
    own = [turn for turn in turns if not is_elsewhere(turn)]
    return [turn for turn in own if turn["round"] == own[-1]["round"]]
