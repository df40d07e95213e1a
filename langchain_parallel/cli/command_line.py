"""Finds the command, runs it, and turns its errors into a sentence and an exit code.

Exit codes: 0 for success; 1 if the command ran and failed; 2 if it did nothing, because the usage is wrong,
a key or an extra is missing, or the user declined to spend money.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from ..errors import InvalidRequest, MissingKey, ParallelError

__all__ = ["command_parser", "main"]

_COMMANDS = {
    "demo": ("langchain_parallel.cli.demo", "run a research session and kill a worker in it"),
    "check": ("langchain_parallel.cli.check", "check our assumptions about the API ($0.015)"),
    "sweep": ("langchain_parallel.cli.sweep", "resume parked threads whose runs have ended"),
    "simulator": ("langchain_parallel.simulator.__main__", "serve a simulated API"),
}
"""By name: the module with its `main(arguments) -> exit code`, imported only when it is run; its help."""
_EXTRAS = {"demo": "demo", "simulator": "simulator"}


def command_parser(command: str, description: str | None) -> argparse.ArgumentParser:
    """The parser of one command's own options."""
    return argparse.ArgumentParser(
        f"langchain-parallel {command}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. The arguments default to those of the process."""
    from .. import __version__

    parser = argparse.ArgumentParser(
        "langchain-parallel", description="Parallel's Task API for LangChain and LangGraph."
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", title="commands", metavar="COMMAND")
    for name, (_, summary) in _COMMANDS.items():
        commands.add_parser(name, help=summary, add_help=False)
    options, rest = parser.parse_known_args(arguments)
    if options.command is None:
        if rest:
            parser.error(f"unrecognized arguments: {' '.join(rest)}")
        parser.print_help()
        return 0
    return _run(options.command, rest)


def _run(command: str, arguments: list[str]) -> int:
    try:
        module = importlib.import_module(_COMMANDS[command][0])
    except ModuleNotFoundError as error:
        if command not in _EXTRAS:
            raise
        install = f"pip install 'langchain-parallel[{_EXTRAS[command]}]'"
        return _fail(command, f"{error}. Install what this command needs: {install}", code=2)
    try:
        code: int = module.main(arguments)
    except ParallelError as error:
        return _fail(
            command, error, code=2 if isinstance(error, InvalidRequest | MissingKey) else 1
        )
    except KeyboardInterrupt:
        return _fail(command, "interrupted", code=130)  # 128 + SIGINT, as shells report it
    return code


def _fail(command: str, why: object, *, code: int) -> int:
    print(f"langchain-parallel {command}: error: {why}", file=sys.stderr)
    return code
