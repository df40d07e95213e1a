"""`python -m langchain_parallel.simulator`: the simulator as a server of its own."""

from __future__ import annotations

import argparse
import secrets
import signal
import threading
from collections.abc import Sequence

from .clock import RealClock
from .scenario import Scenario
from .server import serve
from .world import Simulator


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser("langchain_parallel.simulator", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 (the default) takes a free one")
    parser.add_argument(
        "--latency-scale", type=float, default=1.0, help="multiplies how long runs take"
    )
    parser.add_argument(
        "--scenario", help="a JSON file, or the name of one that ships: announcement"
    )
    parser.add_argument("--seed", type=int, help="same seed, same ids and answers; default: new")
    parser.add_argument("--credit-usd", type=float, help="what the account may spend")
    return parser.parse_args(arguments)


def scenario_named(name: str | None) -> Scenario | None:
    """A scenario by file, or by name where it ships with the package."""
    if name is None:
        return None
    return Scenario.load(name) if name.endswith(".json") else Scenario.builtin(name)


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until interrupted; the first line printed is the base URL."""
    options = parse(arguments)
    simulator = Simulator(
        RealClock(),
        # Ids are made from the seed: a new server must not hand out those of an earlier one.
        seed=secrets.randbits(32) if options.seed is None else options.seed,
        latency_scale=options.latency_scale,
        scenario=scenario_named(options.scenario),
        credit_usd=options.credit_usd,
    )
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with serve(simulator, options.host, options.port) as server:
        print(server.url, flush=True)
        stop.wait()


if __name__ == "__main__":
    main()
