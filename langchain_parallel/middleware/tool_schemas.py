"""The arguments that a model fills in, and the descriptions of the tools. They are short, because they are
sent with every turn; a test pins the schemas and what they cost in tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, create_model

from .._graph.run_config import Wait
from ..options import Processors
from ..tools.arguments import OUTPUT, PROCESSOR, Injected, output_field, processor_field
from ..tools.left_out import LeftOut, OptionalText, none
from ..tools.tool_messages import each_price
from .agent_config import AgentConfig
from .names import Names
from .pages import SOURCES

_HANDLE = "Handle of a finished research, such as r1 or r1.2."
_OR_ID = (
    f"{_HANDLE[:-1]}; or the id of a monitor's event or of other research, if you were given one."
)

_WAITING: dict[Wait, str] = {
    "block": "Returns the answer with numbered sources.",
    "background": "Returns a handle at once; do other work, you are told when it is finished.",
    "park": "Returns the answer with numbered sources.",
}


def descriptions(agent: AgentConfig) -> dict[str, str]:
    """What each tool is for."""
    names = agent.names
    prices = each_price(agent.processors.choices or (agent.processors.first,))
    more = each_price(agent.processors.choices or (agent.processors.follow_up,))
    tools = {
        names.start: (
            "Research a question on the web, for facts to look up, compare or verify. "
            f"{_WAITING[agent.wait]} Costs money: do not ask twice. {prices}"
        ),
        names.follow_up: (
            "Ask further, building on all that a finished research found: ask only for what is missing. "
            f"{more}"
        ),
        names.branch: (
            "Ask several independent questions at the same time, each building on the same finished "
            "research. Each is paid for."
        ),
        names.check: "Status of research; its answer, if it has ended. Free.",
        names.read: (
            "Read finished research again, page by page or one field with its confidence and its "
            f"sources' addresses; field='{SOURCES}': all addresses. Free."
        ),
        names.list: "All research so far with handles, status and cost. Free.",
    }
    if agent.processors.quick:
        tools[names.quick] = (
            "Ask a quick question about what a finished research found, or close to it: a small look-up, "
            f"answered at once. {each_price(agent.processors.quick)}"
        )
    if agent.options.recall is not None:
        tools[names.recall] = (
            "What earlier conversations have found on a question, with its age and its price. Look here "
            "before you pay; where it may have changed since, research it. Free."
        )
    return tools


def arguments(
    names: Names,
    processors: Processors,
    *,
    takes_ids: bool = False,
    may_describe: bool = False,
    recalls: bool = False,
) -> dict[str, type[BaseModel]]:
    """The models of the tools' arguments, by tool.

    Args:
        names: The middleware's.
        processors: Those it may use.
        takes_ids: A question may build on what is not this agent's.
        may_describe: Offer the shape of the answer.
        recalls: Offer what earlier conversations have found.
    """
    question = (str, Field(description="Self-contained: what to find out, scope, period."))
    handle = (str, Field(description=_HANDLE))
    parent = (str, Field(description=_OR_ID if takes_ids else _HANDLE))
    first = _processor_field(processors, processors.first)
    later = _processor_field(processors, processors.follow_up)
    if may_describe:
        first, later = ({**fields, OUTPUT: output_field()} for fields in (first, later))
    asked = (list[str], Field(description="Self-contained questions.", min_length=1, max_length=10))
    which = (OptionalText, none("One of them; all, if left out."))
    models = {
        names.start: _model(names.start, question=question, **first),
        names.follow_up: _model(names.follow_up, handle=parent, question=question, **later),
        names.branch: _model(names.branch, handle=parent, questions=asked, **later),
        names.check: _model(names.check, handle=which),
        names.read: _model(
            names.read,
            handle=handle,
            page=(Annotated[int, LeftOut(1)], Field(default=1)),
            field=(OptionalText, none()),
        ),
        names.list: _model(names.list),
    }
    if quick := processors.quick:
        choice = _choice(quick, quick[0]) if len(quick) > 1 else {}
        models[names.quick] = _model(names.quick, handle=parent, question=question, **choice)
    if recalls:
        models[names.recall] = _model(names.recall, question=question)
    return models


def _processor_field(processors: Processors, default: str) -> dict[str, Any]:
    if not processors.choices:
        return {}
    return _choice(processors.choices, default)


def _choice(choices: Sequence[str], default: str) -> dict[str, Any]:
    among = tuple(dict.fromkeys((default, *choices)))
    return {PROCESSOR: processor_field(among, default)}


def _model(name: str, **fields: Any) -> type[BaseModel]:
    config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")
    return create_model(f"{name}_arguments", __config__=config, **fields, runtime=(Injected, None))
