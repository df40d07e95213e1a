"""The name under which a graph parks threads: so that two graphs with one database leave each other's alone.

Rule: a name that a developer has given stands for itself, whatever the graph does. The default name does not
tell two graphs apart, so a fingerprint follows it, of what would judge an answer differently: the evaluator
and the output schema. It is the same in every process and on every machine, so it is made from names in the
source, not from addresses, hashes of Python, or paths.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import sys
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from langchain_core.runnables import RunnableConfig

DEFAULT_NAME = "research"
TAKE_OVER = "take_over"
"""The key of `configurable` that names other graphs whose threads this one continues."""
TABLE_PREFIX = "table#"
"""Begins the name under which a table's node parks; a fingerprint of what it asks follows."""
_CHARS = 8


def with_fingerprint(name: str, *parts: Any) -> str:
    """The default name with a fingerprint of what tells its graphs apart; any other name as it is."""
    if name != DEFAULT_NAME:
        return name
    text = json.dumps([_description(part) for part in parts], sort_keys=True)
    return f"{name}#{hashlib.sha256(text.encode()).hexdigest()[:_CHARS]}"


def is_of_table(graph: str) -> bool:
    """Whether a table's node has parked the thread: only the node itself can tell whether it is the one."""
    return graph.startswith(TABLE_PREFIX)


def has_fingerprint(graph: str) -> bool:
    """Whether a graph has no name of its own."""
    return graph.startswith(f"{DEFAULT_NAME}#")


def takes_over(config: RunnableConfig | None, graph: str) -> bool:
    """Whether the config says that this graph continues the threads of the other one."""
    named = (config or {}).get("configurable", {}).get(TAKE_OVER)
    return graph == named or (isinstance(named, list | tuple) and graph in named)


def way_out(graph: str) -> str:
    """What to do if a thread was parked by `graph`, and this graph should continue it."""
    return (
        "If two graphs share this database, give each a `name`. If this graph's own evaluator, output "
        f'schema or name has changed, resume or sweep with config={{"configurable": {{"{TAKE_OVER}": '
        f'"{graph}"}}}}. A graph with a `name` keeps its threads through such changes.'
    )


def _description(thing: Any) -> Any:
    """What can be said of an object in the same words in every process."""
    if thing is None or isinstance(thing, str | int | float | bool):
        return thing
    if isinstance(thing, Mapping):
        return {str(key): _description(value) for key, value in thing.items()}
    if isinstance(thing, functools.partial):
        return [_description(part) for part in (thing.func, thing.args, thing.keywords)]
    if isinstance(thing, list | tuple | set | frozenset):
        parts = [_description(part) for part in thing]
        # Collections of words come from sets, too, whose order differs by process.
        return sorted(parts) if all(isinstance(part, str) for part in parts) else parts
    if dataclasses.is_dataclass(thing) and not isinstance(thing, type) and _is_ours(thing):
        fields = dataclasses.fields(thing)
        given = {field.name: getattr(thing, field.name) for field in fields}
        # What has its default is left out: a later version may have more fields, and other defaults.
        set_here = {
            f.name: _description(given[f.name]) for f in fields if given[f.name] != f.default
        }
        return [type(thing).__qualname__, set_here]
    named = thing if hasattr(thing, "__qualname__") else type(thing)
    return f"{_file_of(named)}.{named.__qualname__}"


def _is_ours(thing: Any) -> bool:
    return type(thing).__module__.startswith("langchain_parallel.")


def _file_of(named: Any) -> str:
    """The name of the file that defines a function or class. Its module may be called `__main__` in one
    process and `worker` in another, or have a made-up name.
    """
    code = named if hasattr(named, "__globals__") else getattr(named, "__call__", None)  # noqa: B004
    module = getattr(named, "__module__", "") or ""
    known = getattr(code, "__globals__", None) or vars(sys.modules.get(module, object))
    path = PurePath(str(known.get("__file__") or module.rpartition(".")[2]))
    return path.parent.name if path.stem == "__init__" else path.stem
