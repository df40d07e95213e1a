"""Ask a question, wait for the answer, and print it with its sources.

    langchain-parallel research "Which cities run driverless taxis today?"
    langchain-parallel research --session ses_… "Which of them are in Asia?"

Sessions are in one SQLite file, the one of `langchain-parallel mcp`. A command that is killed or interrupted
loses nothing: the same command goes on with the same run, also for ten minutes after it was answered. The
answer goes to standard output, all else to standard error.
"""

from __future__ import annotations

import asyncio
import json
import math
from argparse import Namespace
from pathlib import Path

from .._core.plain_text import count, one_line
from ..errors import InvalidRequest, ParallelError
from ..mcp_server.research_desk import Asked
from ..mcp_server.storage import default_path, open_desk
from ..models import Event
from ..options import DEFAULT_PROCESSORS, Limits
from ..research.state import ResearchState
from ..text.format import usd
from .command_line import command_parser, processor_name
from .terminal import complain, say

_EVENT_CHARS = 160


def main(arguments: list[str]) -> int:
    """Ask, and print; the exit code is 1 if there is no answer."""
    parser = command_parser("research", __doc__)
    parser.add_argument("question", help="in any language")
    parser.add_argument("--session", default="", metavar="ID", help="go on with this session")
    parser.add_argument(
        "--continue-from", default="", metavar="INTERACTION", help="branch from this one of it"
    )
    parser.add_argument(
        "--processor", type=processor_name, help="default: core, then base for follow-ups"
    )
    parser.add_argument("--max-cost-usd", type=float, metavar="USD", help="for the whole session")
    parser.add_argument("--json", action="store_true", help="print the answer's findings as JSON")
    parser.add_argument("--quiet", action="store_true", help="do not show the progress")
    parser.add_argument(
        "--db", type=Path, default=default_path(), help="where sessions are; default: %(default)s"
    )
    return asyncio.run(_research(parser.parse_args(arguments)))


async def _research(options: Namespace) -> int:
    if not options.question.strip():
        raise InvalidRequest(["The question is empty."])
    if options.continue_from and not options.session:
        raise InvalidRequest(["--continue-from needs --session, whose interaction it is."])
    asked = Asked(options.question, options.session, options.continue_from)
    limits = Limits(max_cost_usd=options.max_cost_usd) if options.max_cost_usd is not None else None

    async def tell(event: Event) -> None:
        text = str(getattr(event, "message", "") or "")
        if text and not options.quiet:
            complain(one_line(f"  {text}", _EVENT_CHARS))

    async with open_desk(
        options.db,
        processor=options.processor or DEFAULT_PROCESSORS,
        limits=limits,
        wait_seconds=math.inf,
    ) as desk:
        session_id = await desk.begin(asked)
        complain(f"session {session_id}")
        try:
            await desk.check(session_id, tell)
        except (ParallelError, asyncio.CancelledError):  # which is what an interrupt is here
            complain("Nothing is lost, or paid for again: the same command goes on.")
            raise
        state = await desk.session(session_id)
    return _show(state, session_id, as_json=options.json)


def _show(state: ResearchState, session_id: str, *, as_json: bool) -> int:
    turns = state.get("turns") or []
    answered = bool(turns) and turns[-1]["status"] == "completed"
    if as_json:
        say(json.dumps(state.get("findings") or None, ensure_ascii=False, indent=2))
    elif messages := state.get("messages"):
        say(messages[-1].text)
    spent = state.get("spent_usd")
    cost = f", {usd(spent)}" if spent is not None else ""
    complain(f"\n{count(len(turns), 'turn')}{cost}. Ask on: --session {session_id}")
    return 0 if answered else 1
