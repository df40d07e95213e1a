"""Run real clients of the API against the simulator, and count the calls that were as they should be.

make real-clients

They come from PyPI and npm, each into an environment of its own. A client that a registry does not give is
said to be left out. The exit code is 1 if a call was not as it should be.
"""

from __future__ import annotations

import argparse
import logging
import subprocess
import sys
from collections.abc import Sequence

from langchain_parallel.simulator import Simulator, serve

from . import aegra, engines, frameworks, scripts, sdk_suite
from .environments import NotAvailable

_CLIENTS = {
    "the official Python SDK": sdk_suite.check,
    "the official TypeScript SDK": scripts.typescript,
    "the official LangChain package": scripts.official_package,
    "its searches": scripts.official_web,
    "the official command line": scripts.command_line,
    "DBOS": scripts.dbos,
    "Temporal": scripts.temporal,
    "a supervisor": scripts.supervisor,
    "Aegra": aegra.check,
    "other frameworks": frameworks.check,
    "OpenAI's client": scripts.openai_client,
    "rows on Dask": engines.dask,
    "rows on Ray": engines.ray,
    "rows on Spark": engines.spark,
    "rows on Prefect": engines.prefect,
    "rows on DBOS": engines.dbos,
}


def main(arguments: Sequence[str]) -> int:
    """Run all of them, or those whose names hold one of the words given."""
    parser = argparse.ArgumentParser(
        "python -m tests.real_clients",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("words", nargs="*", help=f"parts of names of: {', '.join(_CLIENTS)}")
    words = parser.parse_args(arguments).words
    chosen = {
        name: check
        for name, check in _CLIENTS.items()
        if not words or any(word.lower() in name.lower() for word in words)
    }
    if not chosen:
        parser.error(f"none of them is called so: {' '.join(words)}")
    logging.disable(logging.WARNING)  # of webhooks to addresses of examples
    is_failed = False
    for name, check in chosen.items():
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
    sys.exit(main(sys.argv[1:]))
