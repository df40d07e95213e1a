"""The names of a middleware's tools, state keys and citation marks."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import InvalidRequest

_NAME = re.compile(r"[a-z][a-z_]{0,29}")
_PREFIX = "parallel_"
"""Before every key in an agent's state: no agent and no other middleware has keys that begin so."""
_OWN = ("_ledger_id", "_limits")
"""The endings of a middleware's other keys in the state."""


@dataclass(frozen=True)
class Names:
    """Names that keep two middlewares in one agent apart. The default, `research`, has short ones."""

    name: str

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise InvalidRequest(["name must be up to 30 lower-case letters and underscores."])
        if self.name.endswith(_OWN):
            raise InvalidRequest(
                [f"name={self.name!r} ends as a key of another middleware's state."]
            )

    @property
    def is_default(self) -> bool:
        """Whether it is the usual one."""
        return self.name == "research"

    @property
    def start(self) -> str:
        """The tool that begins a session."""
        return f"start_{self.name}"

    @property
    def follow_up(self) -> str:
        """The tool that asks a follow-up to a finding."""
        return "follow_up" if self.is_default else f"follow_up_{self.name}"

    @property
    def branch(self) -> str:
        """The tool that asks several questions from one finding."""
        return "branch" if self.is_default else f"branch_{self.name}"

    @property
    def check(self) -> str:
        """The tool that reports the status of runs."""
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
    def paid(self) -> tuple[str, ...]:
        """The tools that cost money."""
        return self.start, self.follow_up, self.branch

    @property
    def channel(self) -> str:
        """Where the records are in the state."""
        return f"{_PREFIX}{self.name}"

    @property
    def ledger(self) -> str:
        """Where the ledger's id is in the state."""
        return f"{self.channel}_ledger_id"

    @property
    def limits(self) -> str:
        """Where raised limits are in the state."""
        return f"{self.channel}_limits"

    def session(self, number: int) -> str:
        """The handle of a session's first run."""
        return f"r{number}" if self.is_default else f"{self.name}-{number}"

    def mark(self, number: int) -> str:
        """A citation's mark."""
        return f"[{number}]" if self.is_default else f"[{self.name}-{number}]"
