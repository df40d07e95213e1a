"""Finds the command, runs it, and turns its errors into a sentence and an exit code.

Exit codes: 0 for success; 1 if the command ran and failed; 2 if it did nothing, because the usage is wrong,
a key or an extra is missing, or the user declined to spend money; 130 if it was interrupted; 141 if nobody
reads its output any more. `--traceback` before the command shows where an error comes from.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress

from .._core.extras import install_line, missing_extra
from ..errors import InvalidRequest, MissingKey, ParallelError
from ..processors import CHAT_PROCESSORS, PROCESSORS
from .terminal import complain

__all__ = ["command_parser", "main", "processor_name"]

_COMMANDS = {
    "demo": ("langchain_parallel.cli.demo", "run a research session and kill a worker in it"),
    "research": ("langchain_parallel.cli.research", "ask a question, and print the answer"),
    "batch": ("langchain_parallel.cli.batch", "ask a question for each row of a file"),
    "report": ("langchain_parallel.cli.session_report", "print the report of a session"),
    "check": ("langchain_parallel.cli.check", "check our assumptions about the API ($0.015)"),
    "mcp": ("langchain_parallel.cli.mcp", "serve research sessions to MCP clients"),
    "sweep": ("langchain_parallel.cli.sweep", "resume parked threads whose runs have ended"),
    "simulator": ("langchain_parallel.simulator.__main__", "serve a simulated API"),
}
"""By name: the module with its `main(arguments) -> exit code`, imported only when it is run; its help."""
_EXTRAS = {
    "demo": "demo",
    "research": "sqlite",
    "report": "sqlite",
    "mcp": "mcp",
    "simulator": "simulator",
}
"""What a command needs as a whole."""
_NO_KEY = (
    "Set the environment variable PARALLEL_API_KEY; keys are made at https://platform.parallel.ai. To try it "
    "without one: langchain-parallel simulator --help"
)
_INTERRUPTED, _NO_READER = 130, 141
"""128 and the number of the signal (SIGINT, SIGPIPE), as shells report it."""


def command_parser(command: str, description: str | None) -> argparse.ArgumentParser:
    """The parser of one command's own options."""
    return argparse.ArgumentParser(
        f"langchain-parallel {command}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def processor_name(text: str) -> str:
    """A processor that this package knows, as an argument of a command."""
    if text not in PROCESSORS and text not in CHAT_PROCESSORS:
        raise argparse.ArgumentTypeError(f"{text!r} is unknown; known are {', '.join(PROCESSORS)}")
    return text


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. The arguments default to those of the process."""
    from .. import __version__

    parser = argparse.ArgumentParser(
        "langchain-parallel", description="Parallel's Task API for LangChain and LangGraph."
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parser.add_argument(
        "--traceback", action="store_true", help="show where an error comes from, for developers"
    )
    commands = parser.add_subparsers(dest="command", title="commands", metavar="COMMAND")
    for name, (_, summary) in _COMMANDS.items():
        commands.add_parser(name, help=summary, add_help=False)
    options, rest = parser.parse_known_args(arguments)
    if options.command is None:
        if rest:
            parser.error(f"unrecognized arguments: {' '.join(rest)}")
        parser.print_help()
        return 0
    try:
        with nullcontext() if options.traceback else _logging_in_sentences():
            return _run(options.command, rest)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 -- a command ends in a sentence
        if options.traceback:
            traceback.print_exc()
        return _explain(options.command, error)


def _run(command: str, arguments: list[str]) -> int:
    code: int = importlib.import_module(_COMMANDS[command][0]).main(arguments)
    if sys.stdout is not None:
        sys.stdout.flush()  # here, where an error of it can be told
    return code


def _explain(command: str, error: BaseException) -> int:
    """Say what went wrong, and return the exit code."""
    if isinstance(error, KeyboardInterrupt):
        return _fail(command, "interrupted", code=_INTERRUPTED)
    if isinstance(error, BrokenPipeError):
        _discard_output()
        return _fail(command, "nobody reads the output any more", code=_NO_READER)
    if isinstance(error, MissingKey):
        return _fail(command, f"{error.message} {_NO_KEY}", code=2)
    if isinstance(error, ParallelError):
        return _fail(command, error, code=2 if isinstance(error, InvalidRequest) else 1)
    if isinstance(error, ImportError) and (extra := missing_extra(error)):
        install = install_line(_EXTRAS.get(command, extra))
        text = str(error)
        if install not in text:
            text += f". Install what this command needs: {install}"
        return _fail(command, text, code=2)
    if isinstance(error, OSError):
        _discard_output()
    lines = str(error).strip().splitlines()
    text = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    return _fail(command, f"{text} (`--traceback {command} …` shows where)", code=1)


def _fail(command: str, why: object, *, code: int) -> int:
    with suppress(BrokenPipeError):  # of the errors, too
        complain(f"langchain-parallel {command}: error: {why}")
    return code


def _discard_output() -> None:
    """Let what is still to be written go nowhere: Python would try again when it ends, and complain."""
    try:
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, sys.stdout.fileno())
        os.close(devnull)
    except (AttributeError, OSError, ValueError):  # there is no output, or it is no file
        pass


class _Sentences(logging.Handler):
    """Writes warnings to standard error, without the traceback that belongs to them."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one."""
        complain(f"langchain-parallel: {record.getMessage()}")


@contextmanager
def _logging_in_sentences() -> Iterator[None]:
    """Log this package's warnings so, unless the program has set up logging."""
    log, handler = logging.getLogger("langchain_parallel"), _Sentences(logging.WARNING)
    if log.hasHandlers():
        yield
        return
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
