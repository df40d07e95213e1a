"""What an assistant or a call sets of the graph's options: one deployment, many assistants.

Rule: a context only narrows what the graph was made with. What shapes a run goes into its turn when it is
planned, so that a thread that is resumed without the context sends and finds the same request.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar, Literal, cast

from langchain_core.runnables import RunnableConfig
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from .._core.hidden import HiddenBytes
from .._core.kinds import kind_of
from .._graph.runtime import parent_task, runtime_of
from .._graph.user_key import key_of
from .._session_options import LIMIT_NAMES, check_session_limits
from ..errors import InvalidRequest
from ..models import SourcePolicy
from ..options import Limits
from ..processors import costs_more
from .graph_config import GraphConfig
from .processor_policy import FirstOrFollowUp, ProcessorPolicy
from .state import ResearchState


class ResearchContext(BaseModel):
    """Options of the research graph for one assistant or one call: the `context` of a graph.

    A limit can only be lowered, and an approval only be asked for earlier.

    Args:
        processor: For first questions; and for follow-ups, unless `follow_up_processor` is given.
        follow_up_processor: For questions that build on an answer.
        output_schema: Shape of the answers: JSON schema, or a description as text.
        source_policy: Which sites may be used, where the graph has no policy of its own.
        limits: Lower limits of a session: `max_cost_usd`, `max_runs`, `max_seconds`.
        approve_above: The processor above whose price a person is asked.
        wait: `block` or `park`.

    Raises:
        pydantic.ValidationError: An option is unknown or of another type. Values are not repeated.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True
    )

    processor: str | None = Field(None, description="For first questions, such as core or pro.")
    follow_up_processor: str | None = Field(None, description="For follow-ups, such as base.")
    output_schema: dict[str, Any] | str | None = Field(
        None, description="Shape of the answers: JSON schema, or a description as text."
    )
    source_policy: SourcePolicy | None = Field(None, description="Which sites may be used.")
    limits: dict[str, float] | None = Field(
        None, description="Lower limits of a session: max_cost_usd, max_runs, max_seconds."
    )
    approve_above: str | None = Field(
        None, description="A person is asked about processors that cost more than this one."
    )
    wait: Literal["block", "park"] | None = Field(
        None, description="Wait for the answer, or park the thread."
    )


def of_call(graph: GraphConfig, config: RunnableConfig) -> GraphConfig:
    """The graph as this call's context and key make it.

    Raises:
        InvalidRequest: The context asks for more than the graph allows, or something in it is wrong.
    """
    context, key = _context_of(config), key_of(config)
    if context is None and key is None:
        return graph
    name = _name(context, key)
    if (known := graph.of_calls.get(name)) is not None:
        return cast(GraphConfig, known)
    made = graph if key is None else replace(graph.with_key(key), wait="block")
    made = made if context is None else _narrow(made, context, may_park=key is None)
    graph.of_calls[name] = made
    return made


def _context_of(config: RunnableConfig) -> ResearchContext | None:
    """The call's context. A parent graph's own is none of ours, unless it is made from this class.

    Raises:
        InvalidRequest: An outermost graph is given another object, whose options would be left out.
    """
    runtime = runtime_of(config)
    context: object = None if runtime is None else runtime.context
    if context is None or isinstance(context, ResearchContext):
        return context
    if parent_task(config) is None:
        if isinstance(context, Mapping):  # sent to another process, as Temporal's plugin does
            return ResearchContext.model_validate(context)
        raise InvalidRequest(
            [f"The context is {kind_of(context)}."],
            hint="Give a dict, or a ResearchContext. Nothing was sent.",
        )
    return None


def _name(context: ResearchContext | None, key: SecretStr | None) -> str:
    own = HiddenBytes(b"" if key is None else key.get_secret_value().encode(errors="replace"))
    said = "" if context is None else context.model_dump_json()
    return hmac.new(own, said.encode(), hashlib.sha256).hexdigest()


def _narrow(graph: GraphConfig, context: ResearchContext, *, may_park: bool) -> GraphConfig:
    if problems := list(_problems(graph, context)):
        raise InvalidRequest(
            problems, hint="The graph that was deployed sets the bounds. Nothing was sent."
        )
    update: dict[str, Any] = {"limits": _lower(graph.limits, context)}
    if context.processor or context.follow_up_processor:
        update["policy"] = _policy(graph, context)
    if context.output_schema:
        update["output_schema"] = context.output_schema
    if context.source_policy:
        policy = context.source_policy.model_dump(mode="json", exclude_defaults=True)
        update["source_policy"] = policy
    if context.wait and may_park:
        update["wait"] = context.wait
    named = [context.processor, context.follow_up_processor, graph.template.processor]
    given = graph.options.model_copy(
        update={"source_policy": context.source_policy or graph.options.source_policy}
    )
    given.template([*filter(None, named)], context.output_schema, warned=graph.warned)  # it checks
    return replace(graph, **update)


def _problems(graph: GraphConfig, context: ResearchContext) -> Iterator[str]:
    own = cast("dict[str, float]", graph.limits.for_session())
    given = cast("dict[str, float]", check_session_limits(context.limits or {}))
    for name, value in given.items():
        if value > own.get(name, value):
            yield f"limits: {name} is {value:g}; at most {own[name]:g} is allowed."
    above, limit = context.approve_above, graph.limits.approve_above
    if above and limit and costs_more(above, limit):
        yield f"approve_above is {above[:40]!r}; a person is asked above {limit!r} at the latest."
    if context.source_policy and graph.options.source_policy:
        yield "source_policy: the graph has its own."


def _lower(limits: Limits, context: ResearchContext) -> Limits:
    """The limits, with those of the context; `Limits` checks them."""
    given = cast("dict[str, Any]", context.limits or {})
    update = {name: given[name] for name in LIMIT_NAMES if name in given}
    if context.approve_above:
        update["approve_above"] = context.approve_above
    return replace(limits, **update)


def _policy(graph: GraphConfig, context: ResearchContext) -> ProcessorPolicy:
    first, follow_up = context.processor, context.follow_up_processor or context.processor
    if first and follow_up:
        return FirstOrFollowUp(first, follow_up)

    def only_follow_up(state: ResearchState, parent: str | None) -> str:
        return (None if parent is None else follow_up) or graph.policy(state, parent)

    return only_follow_up
