"""Print the report of a session: its answers, evidence, questions, sources and costs. Free.

langchain-parallel report ses_…                                   of `langchain-parallel research` or `mcp`
langchain-parallel report --graph package.module:graph THREAD_ID  a thread of your own graph
langchain-parallel report --format html ses_… > report.html
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..client import AsyncParallelClient
from ..errors import InvalidRequest
from ..mcp_server.storage import default_path, open_desk
from ..sessions import SessionReport
from .command_line import command_parser
from .named_graph import state_of_thread
from .terminal import say


def main(arguments: list[str]) -> int:
    """Print it."""
    parser = command_parser("report", __doc__)
    parser.add_argument("thread", metavar="SESSION", help="its id, or that of a thread")
    parser.add_argument("--graph", metavar="MODULE:ATTRIBUTE", help="a compiled graph of your own")
    parser.add_argument(
        "--format",
        choices=["markdown", "html", "json"],
        default="markdown",
        help="of the report; default: %(default)s",
    )
    parser.add_argument("--checks", action="store_true", help="hold answers against their excerpts")
    parser.add_argument(
        "--db", type=Path, default=default_path(), help="where sessions are; default: %(default)s"
    )
    options = parser.parse_args(arguments)
    if options.graph:
        state = state_of_thread(options.graph, options.thread)
    else:
        if not options.db.exists():
            raise InvalidRequest([f"There are no sessions in {options.db}."])
        state = asyncio.run(_read_session(options.db, options.thread))
    if not state.get("turns"):
        raise InvalidRequest([f"The thread {options.thread!r:.80} has no research."])
    report = SessionReport.of(state, checks=options.checks)
    write = {"markdown": report.to_markdown, "html": report.to_html, "json": report.to_json}
    say(write[options.format]())
    return 0


async def _read_session(path: Path, session_id: str) -> Mapping[str, Any]:
    reader = AsyncParallelClient("none: nothing is asked")
    async with reader, open_desk(path, client=reader) as desk:
        return await desk.session(session_id)
