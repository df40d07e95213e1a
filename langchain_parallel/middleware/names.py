"""What a middleware's tools, channels and marks are called."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import InvalidRequest

_NAME = re.compile(r"[a-z][a-z_]{0,29}")
_KEPT = (
    *("messages", "jump_to", "structured_response", "remaining_steps", "is_last_step"),
    *("llm_input_messages", "active_agent", "todos", "files", "async_tasks", "rubric"),
    *("memory_contents", "skills_metadata", "skills_load_errors", "pinned_skills"),
    *("run_model_call_count", "thread_model_call_count", "hitl_edited_tool_calls"),
    *("run_tool_call_count", "thread_tool_call_count", "shell_session_resources"),
)
"""What agents, and the middlewares of LangChain and Deep Agents, have in the state."""
_NODES = "model", "tools", "agent"
"""Parts of an agent's graph: LangGraph takes no key of the state that is called like one."""
_OTHERS_TOOLS = "file", "async_task"
"""Deep Agents have tools named after them, such as read_file and start_async_task."""
_OWN = ("_ledger_id", "_budget")
"""Behind the name, what else a middleware keeps in the state."""


@dataclass(frozen=True)
class Names:
    """Names that tell two middlewares in one agent apart; those of the one called `research` are short."""

    name: str

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise InvalidRequest(["name must be up to 30 lower-case letters and underscores."])
        taken = (*_KEPT, *_NODES, *_OTHERS_TOOLS)
        if self.name in taken or self.name.endswith(_OWN):
            raise InvalidRequest([f"name={self.name!r} is what agents call a part of theirs."])

    @property
    def plain(self) -> bool:
        """Whether it is the usual one."""
        return self.name == "research"

    @property
    def start(self) -> str:
        """The tool that begins a session."""
        return f"start_{self.name}"

    @property
    def follow_up(self) -> str:
        """The tool that goes on from a finding."""
        return "follow_up" if self.plain else f"follow_up_{self.name}"

    @property
    def branch(self) -> str:
        """The tool that asks several questions from one finding."""
        return "branch" if self.plain else f"branch_{self.name}"

    @property
    def check(self) -> str:
        """The tool that looks what has ended."""
        return f"check_{self.name}"

    @property
    def read(self) -> str:
        """The tool that reads a finding."""
        return f"read_{self.name}"

    @property
    def list(self) -> str:
        """The tool that lists all research."""
        return f"list_{self.name}"

    @property
    def asking(self) -> tuple[str, ...]:
        """The tools that cost money."""
        return self.start, self.follow_up, self.branch

    @property
    def channel(self) -> str:
        """Where the records are in the state."""
        return self.name

    @property
    def ledger(self) -> str:
        """Where the ledger's id is in the state."""
        return f"{self.name}_ledger_id"

    @property
    def budget(self) -> str:
        """Where raised limits are in the state."""
        return f"{self.name}_budget"

    def session(self, number: int) -> str:
        """The handle of a session's first run."""
        return f"r{number}" if self.plain else f"{self.name}-{number}"

    def mark(self, number: int) -> str:
        """A citation's mark."""
        return f"[{number}]" if self.plain else f"[{self.name}-{number}]"
