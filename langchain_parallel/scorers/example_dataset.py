"""Some sessions to score: good ones, and one for each flaw.

`example_sessions.jsonl` has an example a line. `tests/scorers/make_example_sessions.py` has the graph make
them on the simulator, so that they have the form of stored sessions; all that they say is made up.
"""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

from typing_extensions import TypedDict


class ExampleSession(TypedDict):
    """A session in the form of an example of a LangSmith dataset."""

    name: str
    """What is to be seen in it."""
    inputs: dict[str, Any]
    """What the graph was asked: `question` and `output_schema`."""
    outputs: dict[str, Any]
    """What it stored: `turns`."""
    reference_outputs: dict[str, Any]
    """The expected `answer`."""


def example_sessions() -> list[ExampleSession]:
    """The examples, anew with each call."""
    file = resources.files(__package__) / "example_sessions.jsonl"
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
