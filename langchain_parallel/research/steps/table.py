"""All steps, and the function that makes a graph node of one."""

from __future__ import annotations

from typing import Any, Protocol

from langchain_core.runnables import RunnableConfig, RunnableLambda

from ..._core.calls import Calls, adrive, drive
from ..graph_config import GraphConfig
from ..state import ResearchState
from .approve import approve
from .branch import join, submit_branch, wait_branch
from .evaluate import evaluate
from .plan import plan
from .review import review
from .submit import submit
from .wait import wait


class Step(Protocol):
    """A step of the graph: what it changes in the state."""

    __name__: str

    def __call__(
        self, graph: GraphConfig, state: ResearchState, config: RunnableConfig, /
    ) -> Calls[Any]:
        """The update of the state; the generator yields the calls it needs."""


ALL: tuple[Step, ...] = (
    plan,
    approve,
    submit,
    wait,
    submit_branch,
    wait_branch,
    join,
    evaluate,
    review,
)
"""Each is a node under its own name."""


def node(step: Step, graph: GraphConfig) -> Any:
    """A step as a graph node for blocking and asynchronous runs."""

    def blocking(state: ResearchState, config: RunnableConfig) -> Any:
        return drive(step(graph, state, config))

    async def asynchronous(state: ResearchState, config: RunnableConfig) -> Any:
        return await adrive(step(graph, state, config))

    return RunnableLambda(blocking, asynchronous, name=step.__name__)
