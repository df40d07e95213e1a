"""`python -m langchain_parallel`: a small command line.

demo [--live]    a research session from question to bill, and a worker killed on the way
sweep --graph module:attribute    wake the parked threads whose runs have ended
check [--yes]    what is assumed about the real API, checked with your key for about two cents
"""

from __future__ import annotations

__all__ = ["main"]


def main(arguments: list[str]) -> int:
    """Run one command; the exit status."""
    match arguments:
        case ["demo", *rest]:
            from .demo import main as demo

            return demo(rest)
        case ["sweep", *rest]:
            from .sweep import main as sweep

            return sweep(rest)
        case ["check", *rest]:
            from .check import main as check

            return check(rest)
    print(__doc__)
    return 0 if arguments in ([], ["-h"], ["--help"]) else 2
