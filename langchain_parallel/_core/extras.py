"""Packages that only an extra installs: an import of one that is missing says which."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

EXTRAS: Mapping[str, str] = {
    "langchain": "agents",
    "jsonschema": "simulator",
    "referencing": "simulator",
    "langgraph.checkpoint.sqlite": "sqlite",
    "langgraph.store.sqlite": "sqlite",
    "aiosqlite": "sqlite",
    "langgraph.checkpoint.postgres": "postgres",
    "langgraph.store.postgres": "postgres",
    "psycopg": "postgres",
    "mcp": "mcp",
    "markdown_it": "reports",
    "rich": "progress",
    "opentelemetry": "otel",
    "starlette": "webhooks",
}
"""By module: the extra that brings it."""


def missing_extra(error: ImportError) -> str | None:
    """The extra that would have made an import possible, if that is the reason."""
    return EXTRAS.get(_package(error))


def _package(error: ImportError) -> str:
    """What of `EXTRAS` could not be imported; empty if it was something else."""
    parts = (error.name or "").split(".")
    names = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((name for name in names if name in EXTRAS), "")


def install_line(extra: str) -> str:
    """What installs an extra."""
    return f"pip install 'langchain-parallel[{extra}]'"


@contextmanager
def optional_imports(needed_by: str) -> Iterator[None]:
    """Around imports of packages that only an extra installs.

    Raises:
        ModuleNotFoundError: One is missing; it says who needs it, and which extra to install.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = _package(error)
        if not package:
            raise
        install = install_line(EXTRAS[package])
        raise ModuleNotFoundError(
            f"{needed_by} needs the package {package!r}: {install}", name=error.name
        ) from None
