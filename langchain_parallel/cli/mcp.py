"""Serve research sessions to MCP clients, such as desktop assistants, editors and agents.

    langchain-parallel mcp                  over standard input and output: the client starts it
    langchain-parallel mcp --http --port 8000     over streamable HTTP, at /mcp

The sessions are in one SQLite file. A server that is killed, or a client that gives up, loses nothing: the
same call, or `check`, goes on. Whoever reaches the server spends your money: it listens on this machine only.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from argparse import Namespace
from pathlib import Path

from ..errors import InvalidRequest
from ..mcp_server.storage import WAIT_SECONDS, default_path, open_desk
from ..options import DEFAULT_PROCESSORS, Limits
from ..text.result import DEFAULT_MAX_CHARS, MIN_CHARS
from .command_line import command_parser, processor_name
from .terminal import complain

_LEAST_CHARS = 3 * MIN_CHARS


def main(arguments: list[str]) -> int:
    """Serve until the client leaves, or until it is interrupted."""
    parser = command_parser("mcp", __doc__)
    parser.add_argument(
        "--db", type=Path, default=default_path(), help="where sessions are; default: %(default)s"
    )
    parser.add_argument(
        "--processor",
        type=processor_name,
        help="for all questions; default: core, then base",
    )
    parser.add_argument(
        "--max-cost-usd", type=float, metavar="USD", help="what one session may cost"
    )
    parser.add_argument(
        "--wait",
        type=float,
        default=WAIT_SECONDS,
        metavar="SECONDS",
        help="how long a call waits for an answer, before it says to check later; default: %(default)g",
    )
    parser.add_argument(
        "--max-chars",
        type=int,
        default=DEFAULT_MAX_CHARS,
        help="longest text of an answer; default: %(default)s",
    )
    parser.add_argument("--http", action="store_true", help="serve over HTTP")
    parser.add_argument("--host", default="127.0.0.1", help="with --http; default: %(default)s")
    parser.add_argument("--port", type=int, default=8000, help="with --http; default: %(default)s")
    parser.add_argument(
        "--expose", action="store_true", help="allow a host that other machines reach"
    )
    options = parser.parse_args(arguments)
    _check(options)
    if options.http and (why := _why_not_free(options.host, options.port)):
        where = f"{options.host}:{options.port}"
        complain(f"{parser.prog}: error: cannot listen on {where}: {why}. `--port` names another.")
        return 1
    asyncio.run(_serve(options))
    return 0


def _why_not_free(host: str, port: int) -> str:
    """Why this address cannot be listened on; empty if it can. The server itself would only log it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.create_server((host, port), family=family):
            return ""
    except OSError as error:
        return str(error.strerror or error).partition(" (while")[0]


def _check(options: Namespace) -> None:
    if options.max_chars < _LEAST_CHARS:
        raise InvalidRequest(
            [f"--max-chars is {options.max_chars}; give at least {_LEAST_CHARS:,}."]
        )
    if not 0 <= options.wait <= 3600:
        raise InvalidRequest([f"--wait is {options.wait:g}; give seconds, from 0 to 3,600."])
    if not 0 < options.port < 65_536:
        raise InvalidRequest([f"--port is {options.port}; give one from 1 to 65,535."])
    if options.http and not options.expose and not _is_local(options.host):
        raise InvalidRequest(
            [f"Other machines could reach {options.host}, and spend your money."],
            hint="Give --expose if something in front of it checks who may. Nothing was served.",
        )


def _is_local(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def _serve(options: Namespace) -> None:
    from ..mcp_server.tools_for_clients import create_mcp_server

    processor = options.processor or DEFAULT_PROCESSORS
    limits = Limits(max_cost_usd=options.max_cost_usd, on_exceed="stop")
    names = (processor,) if isinstance(processor, str) else processor
    async with open_desk(
        options.db,
        processor=processor,
        limits=limits,
        wait_seconds=options.wait,
        max_chars=options.max_chars,
    ) as desk:
        server = create_mcp_server(desk, names)
        if not options.http:
            await server.run_stdio_async()
            return
        complain(f"http://{options.host}:{options.port}/mcp")
        await server.run_streamable_http_async(host=options.host, port=options.port)
