"""All doors take the same options: the same word has the same default, type and meaning on each."""

from __future__ import annotations

import ast
import inspect
import re
from typing import Any

import pytest

from langchain_parallel import (
    ParallelResearchMiddleware,
    ParallelTaskTool,
    create_research_graph,
)
from langchain_parallel.tools import task

MOST_OPTIONS = 14


def documented(docstring: str | None) -> dict[str, str]:
    """The options of a docstring's Args, each with the first sentence of its text."""
    args = inspect.cleandoc(docstring or "").partition("Args:\n")[2].partition("\n\n")[0]
    found = re.findall(r"^    (\w+): (.*(?:\n {6,}.*)*)", args, re.MULTILINE)
    return {name: first_sentence(text) for name, text in found}


def first_sentence(text: str) -> str:
    return re.split(r"(?<=[.;:]) ", " ".join(text.split()))[0].rstrip(".;:")


class Door:
    """The options of a door: their defaults, types and documentation."""

    def __init__(self, function: Any, docstring: str | None) -> None:
        options = inspect.signature(function).parameters.values()
        self.options = {o.name: o for o in options if o.name != "self"}
        self.default = {name: o.default for name, o in self.options.items()}
        self.type = {name: typed(str(o.annotation)) for name, o in self.options.items()}
        self.line = documented(docstring)


class ToolDoor:
    """The tool's: pydantic fields, of which a type checker sees a signature."""

    def __init__(self) -> None:
        (tool,) = (
            n for n in ast.parse(inspect.getsource(task)).body if isinstance(n, ast.ClassDef)
        )
        (shown,) = (
            function
            for block in tool.body
            if isinstance(block, ast.If)
            for function in block.body
            if isinstance(function, ast.FunctionDef)
        )
        typed_args = {
            a.arg: typed(ast.unparse(a.annotation)) for a in shown.args.kwonlyargs if a.annotation
        }
        fields = {f.alias or name: f for name, f in ParallelTaskTool.model_fields.items()}
        self.type = typed_args
        self.default = {
            name: fields[name].get_default(call_default_factory=True) for name in typed_args
        }
        self.line = {}
        for field, text in zip(tool.body, tool.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
                name = getattr(field.target, "id", "")
                alias = (
                    ParallelTaskTool.model_fields[name].alias
                    if name in ParallelTaskTool.model_fields
                    else None
                )
                self.line[alias or name] = first_sentence(ast.literal_eval(text.value))


def typed(annotation: str) -> str:
    """A type, however it is written."""
    return "|".join(sorted(part.strip() for part in annotation.strip("'\"").split("|")))


GRAPH = Door(create_research_graph, create_research_graph.__doc__)
MIDDLEWARE = Door(ParallelResearchMiddleware.__init__, ParallelResearchMiddleware.__init__.__doc__)
TOOL = ToolDoor()
DOORS: dict[str, Any] = {"graph": GRAPH, "middleware": MIDDLEWARE, "tool": TOOL}
SHARED = ("output_schema", "timeout", "limits", "request", "api_key", "base_url", "client")
"""Words that every door has."""


@pytest.mark.parametrize("door", DOORS)
def test_a_door_has_few_options_and_each_is_documented(door: str) -> None:
    options = DOORS[door].type
    assert len(options) <= MOST_OPTIONS
    assert set(options) <= set(DOORS[door].line)
    assert {"processor", *SHARED} <= set(options)


@pytest.mark.parametrize(
    "word", [*SHARED, "processor", "model_may_choose", "wait", "name", "max_chars"]
)
def test_a_word_means_the_same_on_every_door_that_has_it(word: str) -> None:
    having = {name: door for name, door in DOORS.items() if word in door.type}
    if word not in (
        "wait",
        "max_chars",
        "name",
    ):  # what may be chosen, or is usual, differs by door
        assert len({repr(door.default[word]) for door in having.values()}) == 1
    if word not in ("wait", "processor", "max_chars"):  # the graph's policies, the ways to wait
        assert len({door.type[word] for door in having.values()}) == 1
    lines = {door.line[word] for door in having.values()}
    assert len(lines) == 1 or word in ("timeout", "limits", "name", "wait", "max_chars"), lines


def test_no_door_has_a_word_that_went() -> None:
    gone = {
        *("budget", "max_turns", "on_budget", "follow_up_processor", "processors", "page_chars"),
        *("task_output_schema", "task_spec", "run_metadata", "submission", "async_client"),
    }
    assert not gone & {word for door in DOORS.values() for word in door.type}
