"""What a question of an agent builds on: a finding of its own, or what was found elsewhere.

Rule: a model names handles. An id that is none of this agent's, such as that of a monitor's event, is taken
only where the developer allows foreign ids: a user may have read it in a log.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from .agent_config import AgentConfig
from .agent_state import Research, bare, find_answered_record, find_record, look_up_record

_ID = re.compile(r"[A-Za-z]{1,20}_[\w.-]{1,128}", re.ASCII)
"""No handle has this form, but those of a middleware with `_` in its name."""
_HINT = (
    "Nothing was started. Ids of other research, such as monitor events, are taken only where the developer "
    "sets RequestOptions(allow_foreign_ids=True)."
)


class Parent(NamedTuple):
    """What a question builds on."""

    interaction_id: str | None
    handle: str | None
    """None: it is no research of this agent."""


def find_parent(agent: AgentConfig, research: Research, handle: str) -> Parent:
    """What a handle, or an id, stands for.

    Raises:
        InvalidRequest: There is none, or it has no answer (yet).
    """
    name = bare(handle)
    if _ID.fullmatch(name) and not name.startswith(f"{agent.names.name}-"):
        if agent.options.allow_foreign_ids and look_up_record(research, name) is None:
            return Parent(name, None)
        find_record(research, name, hint=_HINT)
    record = find_answered_record(research, handle)
    return Parent(record["interaction_id"], record["handle"])
