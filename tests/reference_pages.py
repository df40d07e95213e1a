"""The reference pages that are made from the code: options, state, events, environment and commands.

`make outputs` writes them; `tests/test_reference_pages.py` says when the code has changed and they have not.
Everything in them comes from signatures, annotations, docstrings and parsers, read without running the
package; only the command line's parsers are made, and asked for their options.
"""

from __future__ import annotations

import argparse
import importlib
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import griffe

import langchain_parallel
from langchain_parallel.cli import command_line

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs/reference"
PREFIX = "PARALLEL_RESEARCH_"
BY_DOOR = {"processor", "wait", "timeout", "limits", "name", "max_chars"}
"""Options that are not quite the same at each door."""
DOORS = {
    "tool": "langchain_parallel.tools.task.ParallelTaskTool",
    "graph": "langchain_parallel.research.graph.create_research_graph",
    "middleware": "langchain_parallel.middleware.middleware.ParallelResearchMiddleware",
    "table": "langchain_parallel.batch.table_job.TableOptions",
}
GROUPS = (
    "langchain_parallel.options.RequestOptions",
    "langchain_parallel._session_options.Limits",
    "langchain_parallel._session_options.Quota",
    "langchain_parallel._session_options.Recall",
    "langchain_parallel.research.call_context.ResearchContext",
    "langchain_parallel.client.sync_client.ParallelClient",
    "langchain_parallel._core.retry.RetryPolicy",
)
"""Objects that hold options, which have a table each."""
SESSION = (
    "langchain_parallel.research.state.ResearchInput",
    "langchain_parallel.research.state.ResearchOutput",
    "langchain_parallel.research.state.ResearchState",
    "langchain_parallel.research.state.Turn",
    "langchain_parallel.research.state.Verdict",
    "langchain_parallel.research.state.Question",
    "langchain_parallel.findings.finding.Findings",
    "langchain_parallel.findings.finding.Finding",
    "langchain_parallel.findings.finding.FoundValue",
)
IN_AN_AGENT = (
    "langchain_parallel.middleware.agent_state.ResearchAgentState",
    "langchain_parallel.middleware.agent_state.AgentTurn",
)
"""`AgentTurn` is a `Turn` with some keys more; only those are shown."""
INTERRUPTS = (
    "langchain_parallel.research.human_review.schemas.HumanRequest",
    "langchain_parallel.research.human_review.schemas.HumanAnswer",
    "langchain_parallel.research.human_review.schemas.HumanDecision",
    "langchain_parallel.parked.interrupts.ParkedInterrupt",
    "langchain_parallel.parked.interrupts.ParkedRun",
    "langchain_parallel.parked.interrupts.ParkedBatch",
)
EVENTS = {
    "langchain_parallel.text.progress.Progress": "While a run works. On LangGraph's custom stream, and as "
    "LangChain's custom event `parallel_progress`.",
    "langchain_parallel._graph.callbacks.Spending": "After each run. On the custom stream; in a trace its "
    "run is called `parallel_run`.",
    "langchain_parallel.batch.table_trace.RowEnd": "After each row of a table. On the custom stream, and as "
    "the custom event `parallel_row`.",
}
ENVIRONMENT = {
    "PARALLEL_API_KEY": "The key, for every client that is given none.",
    "PARALLEL_BASE_URL": "The server, for every client that is given none. Unless set, `https://api.parallel.ai`.",
    "PARALLEL_LOCK_DIR": "The folder of the locks that the processes of a machine share. Unless set, one for "
    "each user in the system's folder for temporary files.",
    "SSL_CERT_FILE": "A file of certificates to trust, instead of httpx's.",
    "SSL_CERT_DIR": "A folder of certificates to trust, instead of httpx's.",
    "XDG_STATE_HOME": "Below it, in `langchain-parallel`, is the SQLite file of the sessions of `research` "
    "and `mcp`. Unless set, `~/.local/state`.",
}
"""What the package reads, without the settings of a server."""
SHOWN = {path.rpartition(".")[2] for path in (*SESSION, "Turn")} - {"FoundValue"}
"""Classes whose keys are not shown again where another class has them, too."""
USUAL = {
    "question": "What is asked.",
    "processor": "How much work goes into the answer, and what it costs.",
    "output_schema": "JSON schema of the answer, or a description as text.",
    "continue_from": "The interaction to continue from; the head, unless given.",
    "messages": "The messages of a chat.",
    "run_id": "The run.",
    "interaction_id": "What a follow-up continues from.",
    "ledger_id": "The task group that holds the session's runs.",
    "batch_id": "The batch.",
    "turns": "All turns of the session that have ended.",
    "spent_usd": "USD of all its runs, at list prices.",
    "cost_usd": "USD, at the list price; None where that is not known.",
    "verdict": "What the last evaluation decided.",
    "answer": "What the turns of the question have found together.",
    "warnings": "What the API warns of. Untrusted.",
    "error": "Why there is no answer.",
}
"""Keys that mean the same everywhere, and are explained in the code where they mean more."""
SETTINGS = "langchain_parallel.server.deployment.Settings"
_OF_LANGCHAIN = {
    "args_schema",
    "response_format",
    "handle_tool_error",
    "handle_validation_error",
    "description",
}
"""Fields of every tool, which are LangChain's."""
_OF_PYDANTIC = {"model_config"}


class Entry(NamedTuple):
    """An option, a key or a field."""

    name: str
    type: str
    default: str
    """As Python text; empty: it has none."""
    meaning: str


# --- what the code says -----------------------------------------------------------------------------


@cache
def _package() -> griffe.Module:
    loaded = griffe.load(
        "langchain_parallel",
        search_paths=[Path(langchain_parallel.__path__[0]).parent],
        docstring_parser="google",
    )
    assert isinstance(loaded, griffe.Module)
    return loaded


def _find(path: str) -> Any:
    here: Any = _package()[path.removeprefix("langchain_parallel.")]
    return here.final_target if here.is_alias else here


def _meaning(text: str | None) -> str:
    return " ".join((text or "").split())


def _as_type(annotation: Any) -> str:
    """The annotation without what a reader does not need to know."""
    text = " ".join(str(annotation or "").split()).strip('"')
    while found := re.fullmatch(r"(?:NotRequired|InstanceOf|ReadOnly)\[(.*)\]", text):
        text = found[1]
    while found := re.fullmatch(r"Annotated\[(.*), [\w.]+(?:\(.*\))?\]|(\w+), \w+", text):
        text = found[1] or found[2]
    return re.sub(r"InstanceOf\[([\w.]+)\]", r"\1", text).replace("'", '"')


def _arguments(documented: Any) -> dict[str, str]:
    """By name, what the `Args` section of a docstring says."""
    sections = documented.docstring.parse("google", warnings=False) if documented.docstring else []
    return {
        argument.name: _meaning(argument.description)
        for section in sections
        if section.kind is griffe.DocstringSectionKind.parameters
        for argument in section.value
    }


def entries(path: str) -> list[Entry]:
    """The options of a function, or the fields of a class."""
    found = _find(path)
    if found.is_class and "__init__" in found.members and _arguments(found.members["__init__"]):
        found = found.members["__init__"]
    if found.is_function:
        said = _arguments(found) or _arguments(found.parent)
        return [
            Entry(one.name, _as_type(one.annotation), _default(one.default), said.get(one.name, ""))
            for one in found.parameters
            if one.name != "self"
        ]
    said = _arguments(found)
    own = [*_fields(found, said)]
    if said and "__init__" in found.members:
        constructor = found.members["__init__"]
        types = {one.name: _as_type(one.annotation) for one in constructor.parameters}
        defaults = {one.name: _default(one.default) for one in constructor.parameters}
        return [
            Entry(name, types.get(name, ""), defaults.get(name, ""), told)
            for name, told in said.items()
        ]
    return own


def _fields(found: Any, said: Mapping[str, str]) -> Iterator[Entry]:
    bases = [
        base
        for base in found.resolved_bases
        if base.is_class and base.path.startswith("langchain_parallel") and base.name not in SHOWN
    ]
    known: dict[str, Entry] = {}
    for owner in (*bases, found):
        for name, member in owner.members.items():
            if name.startswith("_") or not member.is_attribute or member.annotation is None:
                continue
            if name in _OF_PYDANTIC:
                continue
            if "property" in member.labels or str(member.annotation).startswith("ClassVar"):
                continue
            option, default = _field_of(name, member)
            told = said.get(option) or _meaning(member.docstring and member.docstring.value)
            told = told or USUAL.get(option, "")
            known[option] = Entry(option, _as_type(member.annotation), default, told)
    order = [*said, *(name for name in known if name not in said)] if said else [*known]
    for name in order:
        yield known.get(name) or Entry(name, "", "", said[name])


def _field_of(name: str, member: Any) -> tuple[str, str]:
    """The name and the default of a field, also of pydantic's."""
    value = str(member.value) if member.value is not None else ""
    if not value.startswith("Field("):
        return name, _default(value)
    alias, default = re.search(r"alias='(\w+)'", value), re.search(r"default=([\w.]+)", value)
    if found := re.search(r"default_factory=(\w+)", value):
        return name, {"dict": "{}", "list": "[]"}.get(found[1], "")
    return alias[1] if alias else name, _default(default[1] if default else "")


def _default(value: Any) -> str:
    """The default as a reader would write it: constants by their values."""
    text = "" if value is None else " ".join(str(value).split())
    if re.fullmatch(r"_?[A-Z][A-Z_]+", text):
        text = repr(_constant(text))
    return text.replace("'", '"')


@cache
def _constant(name: str) -> Any:
    for module in _modules(_package()):
        if name in module.members and not module.members[name].is_alias:
            return getattr(importlib.import_module(module.path), name)
    raise LookupError(name)


def _modules(module: griffe.Module) -> Iterator[griffe.Module]:
    yield module
    for part in module.modules.values():
        if not part.is_alias:
            yield from _modules(part)


# --- pages ------------------------------------------------------------------------------------------


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |".replace("  ", " ") for line in lines)


def _code(text: str) -> str:
    return f"`{text}`".replace("|", "\\|") if text else ""


def _text(meaning: str) -> str:
    return meaning.replace("|", "\\|")


def _title(path: str) -> str:
    return path.rpartition(".")[2]


def _description(path: str) -> str:
    """What a docstring says before its sections."""
    docstring = _find(path).docstring
    sections = docstring.parse("google", warnings=False) if docstring else []
    texts = [one.value for one in sections if one.kind is griffe.DocstringSectionKind.text]
    return texts[0].strip() if texts else ""


def _page(title: str, needed: str, parts: Iterable[str], onward: str) -> str:
    made = "This page is made from the code (`make outputs`)."
    needed, onward = f"**You need this if** {needed}", f"**Next**: {onward}"
    return "\n\n".join([f"# {title}", needed, made, *parts, onward]) + "\n"


def _options() -> str:
    by_door = {door: {one.name: one for one in entries(path)} for door, path in DOORS.items()}
    by_door["table"] = {
        name: one._replace(default=repr(_of_tables()[name]).replace("'", '"'))
        for name, one in by_door["table"].items()
    }
    names = [
        name
        for name in dict.fromkeys(name for options in by_door.values() for name in options)
        if name not in _OF_LANGCHAIN
    ]
    defaults = [(f"`{name}`", *_defaults(name, by_door.values())) for name in names]
    meanings = [(f"`{name}`", _meanings(name, by_door)) for name in names]
    parts = [
        "## By door",
        "A cell has the default; where it is empty, that door has no such option.",
        _table(("option", *by_door), defaults),
        "## What they do",
        _table(("option", ""), meanings),
        *map(_options_of, GROUPS),
    ]
    return _page(
        "Options",
        "you look for an option, or for the door that has it.",
        parts,
        "[what each door can do](doors.md) · [requests](../guides/requests.md) · "
        "[environment](environment.md)",
    )


def _of_tables() -> Mapping[str, Any]:
    defaults: Mapping[str, Any] = importlib.import_module(
        "langchain_parallel.batch.table_job"
    )._DEFAULTS
    return defaults


def _defaults(name: str, doors: Iterable[Mapping[str, Entry]]) -> list[str]:
    return [_code(options[name].default) if name in options else "" for options in doors]


def _meanings(name: str, by_door: Mapping[str, Mapping[str, Entry]]) -> str:
    """What the first door says of an option; of some, what each says."""
    told = {
        door: _text(options[name].meaning) for door, options in by_door.items() if name in options
    }
    if name in BY_DOOR:
        return "<br>".join(f"*{door}*: {text}" for door, text in told.items())
    return next(iter(told.values()))


def _options_of(path: str) -> str:
    rows = [
        (f"`{one.name}`", _code(one.type), _code(one.default), _text(one.meaning))
        for one in entries(path)
    ]
    table = _table(("option", "type", "default", ""), rows)
    return f"## `{_title(path)}`\n\n{_description(path)}\n\n{table}"


def _keys_of(path: str) -> str:
    rows = [(f"`{one.name}`", _code(one.type), _text(one.meaning)) for one in entries(path)]
    return f"{_description(path)}\n\n{_table(('key', 'type', ''), rows)}"


def _state() -> str:
    parts = []
    for title, paths in (
        ("A research session", SESSION),
        ("An agent with the middleware", IN_AN_AGENT),
        ("Interrupts", INTERRUPTS),
    ):
        parts += [f"## {title}", *(f"### `{_title(path)}`\n\n{_keys_of(path)}" for path in paths)]
    return _page(
        "State",
        "you read what the research graph or the middleware keeps, or build a graph around it.",
        parts,
        "[the graph](../guides/graph.md) · [in a graph of your own](../guides/composing.md) · "
        "[events](events.md)",
    )


def _events() -> str:
    parts = [
        f"## `{_title(path)}`\n\n{where}\n\n{_keys_of(path)}" for path, where in EVENTS.items()
    ]
    return _page(
        "Events",
        "your program shows research while it works, or counts what it costs.",
        [
            *parts,
            "What the package logs, and its metrics: [observability](../operate/observability.md).",
        ],
        "[seen while it works](../guides/progress.md) · [state](state.md)",
    )


def _environment() -> str:
    module, _, name = SETTINGS.rpartition(".")
    fields = getattr(importlib.import_module(module), name).model_fields
    settings = [
        (
            f"`{PREFIX}{one.name.upper()}`",
            _code(_as_text(fields[one.name].default)),
            _text(one.meaning),
        )
        for one in entries(SETTINGS)
    ]
    return _page(
        "Environment variables",
        "you configure a process from outside.",
        [
            "## Everywhere",
            _table(("variable", ""), [(f"`{name}`", told) for name, told in ENVIRONMENT.items()]),
            "httpx also reads the usual `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`.",
            "## A LangGraph server",
            "The graphs of `langgraph.json` read these ([deployment](../operate/deployment.md)).",
            _table(("variable", "default", ""), settings),
        ],
        "[options](options.md) · [deployment](../operate/deployment.md)",
    )


def _as_text(default: object) -> str:
    return "" if default is None or default == () else str(default)


class _Asked(Exception):
    """Carries a command's parser out of its `main`."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        super().__init__()
        self.parser: argparse.ArgumentParser = parser


def _parser_of(command: str) -> argparse.ArgumentParser:
    module = importlib.import_module(command_line._COMMANDS[command][0])
    if hasattr(module, "_parser"):
        parser = module._parser()
        assert isinstance(parser, argparse.ArgumentParser)
        return parser

    def stop(parser: argparse.ArgumentParser, *_: Any) -> Any:
        raise _Asked(parser)

    with patch.object(argparse.ArgumentParser, "parse_args", stop):
        try:
            module.main([])
        except _Asked as asked:
            return asked.parser
    raise AssertionError(f"{command} parses no arguments")


def _command(command: str, summary: str) -> str:
    rows = [
        _argument(action)
        for action in _parser_of(command)._actions
        if action.help is not argparse.SUPPRESS and "--help" not in action.option_strings
    ]
    what = f"{summary[:1].upper()}{summary[1:]}."
    return f"## `{command}`\n\n{what}\n\n{_table(('argument', 'default', ''), rows)}"


def _argument(action: argparse.Action) -> tuple[str, str, str]:
    values = action.metavar or "|".join(action.choices or ()) or action.dest.upper()
    takes = f" {values}" if action.nargs != 0 and action.option_strings else ""
    name = ", ".join(f"{option}{takes}" for option in action.option_strings) or action.dest
    is_shown = isinstance(action.default, str | int | float) and action.default not in {"", False}
    told = re.sub(r"[(;,]? *default: %\(default\)\w\)?", "", action.help or "").replace("%%", "%")
    return _code(name), _code(str(action.default)) if is_shown else "", _text(_meaning(told))


def _commands() -> str:
    return _page(
        "Commands",
        "you look for an option of `langchain-parallel`.",
        [_command(name, summary) for name, (_, summary) in command_line._COMMANDS.items()],
        "[the command line](command-line.md), with examples and exit codes",
    )


def pages() -> dict[Path, str]:
    """Each page with its text."""
    made = {
        "options": _options(),
        "state": _state(),
        "events": _events(),
        "environment": _environment(),
        "commands": _commands(),
    }
    return {FOLDER / f"{name}.md": text for name, text in made.items()}


def main() -> int:
    """Write the pages that are not as the code says."""
    for path, text in pages().items():
        if not path.exists() or path.read_text() != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
