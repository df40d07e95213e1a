"""Run real clients of the API against the simulator, and count the calls that were as they should be.

make real-clients

They come from PyPI and npm, each into an environment of its own. A client that a registry does not give is
said to be left out. The exit code is 1 if a call was not as it should be.
"""

from __future__ import annotations

import logging
import subprocess
import sys

from langchain_parallel.simulator import Simulator, serve

from . import scripts, sdk_suite
from .environments import NotAvailable

_CLIENTS = {
    "the official Python SDK": sdk_suite.check,
    "the official TypeScript SDK": scripts.typescript,
    "the official LangChain package": scripts.official_package,
    "its searches": scripts.official_web,
    "the official command line": scripts.command_line,
}


def main() -> int:
    """Run all of them."""
    logging.disable(logging.WARNING)  # of webhooks to addresses of examples
    is_failed = False
    for name, check in _CLIENTS.items():
        try:
            with serve(Simulator(latency_scale=0.0005)) as server:
                outcomes = check(server)
        except (NotAvailable, subprocess.TimeoutExpired) as error:
            print(f"{name}: left out ({error})", flush=True)
            continue
        is_failed |= any(outcome.failed for outcome in outcomes)
        print(*outcomes, sep="\n", flush=True)
    return int(is_failed)


if __name__ == "__main__":
    sys.exit(main())
