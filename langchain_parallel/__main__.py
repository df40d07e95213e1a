"""`python -m langchain_parallel`: a small command line.

demo [--live]    a research session from question to bill, and a worker killed on the way
"""

from __future__ import annotations

import sys


def main(arguments: list[str]) -> int:
    """Run one command; the exit status."""
    match arguments:
        case ["demo", *rest]:
            from .demo import main as demo

            return demo(rest)
    print(__doc__)
    return 0 if arguments in ([], ["-h"], ["--help"]) else 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
