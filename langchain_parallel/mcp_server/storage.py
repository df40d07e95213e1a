"""`open_desk`: a desk whose sessions are in one SQLite file, and outlive every process."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from .._core.extras import optional_imports
from .._graph.session_ledger import REPEAT_SECONDS
from ..client import AsyncParallelClient
from ..errors import InvalidRequest
from ..options import DEFAULT_PROCESSORS, Limits, ProcessorChoice
from ..research import create_research_graph
from ..text.result import DEFAULT_MAX_CHARS
from .research_desk import ResearchDesk

WAIT_SECONDS = 50.0
"""How long a call waits for an answer: many MCP clients give up after a minute."""
GRAPH_NAME = "mcp"


def default_path() -> Path:
    """The file of this user's sessions."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "langchain-parallel" / "mcp.sqlite"


def _make_private(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)


@asynccontextmanager
async def open_desk(
    path: Path,
    *,
    processor: ProcessorChoice = DEFAULT_PROCESSORS,
    limits: Limits | None = None,
    wait_seconds: float = WAIT_SECONDS,
    max_chars: int = DEFAULT_MAX_CHARS,
    repeat_seconds: float = REPEAT_SECONDS,
    client: AsyncParallelClient | None = None,
) -> AsyncIterator[ResearchDesk]:
    """A desk with its sessions in this file, which only its owner can read.

    Args:
        path: The file; made if there is none.
        processor: For every run; or two, for first questions and for follow-ups.
        limits: What one session may use; it stops there, for there is nobody to ask.
        wait_seconds: How long a call waits for an answer.
        max_chars: Longest text.
        repeat_seconds: For how long the same call is given the same answer again.
        client: Your own client.

    Raises:
        InvalidRequest: The file cannot be opened, or is another.
    """
    with optional_imports("A file of sessions"):
        from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
        from langgraph.store.sqlite.aio import AsyncSqliteStore
    made = client or AsyncParallelClient()
    builder: Any = create_research_graph(
        processor=processor, limits=limits, wait="park", name=GRAPH_NAME, client=made
    )
    async with AsyncExitStack() as stack:
        try:
            _make_private(path)
            saver = await stack.enter_async_context(AsyncSqliteSaver.from_conn_string(str(path)))
            store = await stack.enter_async_context(AsyncSqliteStore.from_conn_string(str(path)))
            await saver.setup()
            await store.setup()
        except (OSError, sqlite3.Error) as error:
            raise InvalidRequest(
                [f"The sessions in {path} cannot be opened: {error}."],
                hint="Nothing was sent. `--db FILE` names another file.",
            ) from error
        # Each has a connection of its own. SQLite refuses one that writes after it has read, if the other has
        # written in between: they take turns.
        store.lock = saver.lock
        graph = builder.compile(checkpointer=saver, store=store)
        yield ResearchDesk(
            graph,
            store,
            made,
            wait_seconds=wait_seconds,
            max_chars=max_chars,
            repeat_seconds=repeat_seconds,
        )
