"""What came of a client's calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """A client, how many of its calls or tests were as they should be, and what was not."""

    client: str
    passed: int
    failed: Sequence[str] = ()

    def __str__(self) -> str:
        state = f"{self.passed} passed" + (f", {len(self.failed)} FAILED" if self.failed else "")
        return "\n".join([f"{self.client}: {state}", *(f"    {line}" for line in self.failed)])
