"""The command line: `langchain-parallel`, or `python -m langchain_parallel`."""

from .command_line import main

__all__ = ["main"]
