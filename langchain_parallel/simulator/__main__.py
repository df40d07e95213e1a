"""Serve a simulated Task API over HTTP until interrupted.

The first line printed is its base URL, the second the token that its control calls need. Runs take a fiftieth
of their usual time, so that a first answer comes after some seconds.

langchain-parallel simulator --port 8000 --latency-scale 1
langchain-parallel simulator --fault '{"kind": "slow_acceptance", "seconds": 25, "method": "POST"}'
langchain-parallel simulator --listing '{"newest_first": true}' --script '{"late_run": 3}'
"""

from __future__ import annotations

import argparse
import json
import math
import secrets
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import TypeVar, get_args

from .clock import RealClock
from .faults import Fault
from .http_server import serve
from .order_fields import from_fields
from .scenario import Scenario
from .simulated_run import RunScript
from .simulator import Simulator
from .task_group import Listing
from .webhook_outbox import SIMULATED_SECRET, WebhookScheme

T = TypeVar("T")

LATENCY_SCALE = 0.02
"""A run of `core` takes about three seconds with it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM. The exit code is 1 if the address cannot be listened on."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        simulator = _simulator(options)
    except ValueError as error:
        parser.error(f"{error}.")
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with ExitStack() as stack:
        try:
            server = stack.enter_context(
                serve(
                    simulator,
                    options.host,
                    options.port,
                    expose=options.expose,
                    webhooks_anywhere=options.webhooks_anywhere,
                    control_token=options.control_token,
                )
            )
        except ValueError as error:
            parser.error(f"{error}.")
        except OSError as error:
            where = f"{options.host}:{options.port}"
            print(f"{parser.prog}: error: cannot listen on {where}: {error}", file=sys.stderr)
            return 1
        print(f"{server.url}\ncontrol token: {server.control_token}", flush=True)
        stop.wait()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "langchain-parallel simulator",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to serve; default: %(default)s"
    )
    parser.add_argument("--port", type=_port, default=0, help="default: a free one")
    parser.add_argument(
        "--latency-scale",
        type=amount,
        default=LATENCY_SCALE,
        help="factor on the duration of every run; 1 is the API's own time (default: %(default)s)",
    )
    parser.add_argument(
        "--scenario",
        type=_scenario,
        help="a JSON file, or `examples` or `announcement`, which are built in",
    )
    parser.add_argument("--seed", type=int, help="the same seed gives the same ids and answers")
    parser.add_argument("--credit-usd", type=amount, help="what the account can spend")
    parser.add_argument(
        "--equal-ids",
        action="store_true",
        help="each interaction id is its run's id, as in the API's documentation",
    )
    parser.add_argument(
        "--webhook-secret",
        action="append",
        metavar="SECRET",
        help="with which webhooks are signed; may be given several times (default: a public one)",
    )
    parser.add_argument(
        "--webhook-scheme",
        choices=get_args(WebhookScheme),
        default="standard",
        help="which bytes of the secret sign: its base64 decoded, its own as in earlier accounts, or both",
    )
    for name, kind in (("fault", Fault), ("script", RunScript)):
        parser.add_argument(
            f"--{name}",
            type=partial(_from_json, kind),
            action="append",
            default=[],
            metavar="JSON",
            help=f"the fields of a `{kind.__name__}`; may be given several times",
        )
    parser.add_argument(
        "--listing",
        type=partial(_from_json, Listing),
        default=Listing(),
        metavar="JSON",
        help="the fields of a `Listing`: how a group's list of runs comes",
    )
    parser.add_argument(
        "--expose",
        action="store_true",
        help="allow a host that other machines reach; the simulator accepts any key",
    )
    parser.add_argument(
        "--webhooks-anywhere",
        action="store_true",
        help="post webhooks to other machines, too: any client chooses the address",
    )
    parser.add_argument(
        "--control-token", metavar="TOKEN", help="for calls to /_simulator/; made up unless given"
    )
    return parser


def _simulator(options: argparse.Namespace) -> Simulator:
    simulator = Simulator(
        RealClock(),
        # Ids follow from the seed, and a new server must not repeat those of an earlier one.
        seed=secrets.randbits(32) if options.seed is None else options.seed,
        latency_scale=options.latency_scale,
        scenario=options.scenario,
        credit_usd=options.credit_usd,
        equal_ids=options.equal_ids,
        listing=options.listing,
        webhook_secrets=options.webhook_secret or (SIMULATED_SECRET,),
        webhook_scheme=options.webhook_scheme,
    )
    simulator.faults.add(*options.fault)
    simulator.scripts.add(*options.script)
    return simulator


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port; 0 to 65535 are")
    return int(text)


def amount(text: str) -> float:
    """A number from 0 up, as an argument of a command."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 up")
    return number


def _from_json(kind: Callable[..., T], text: str) -> T:
    try:
        return from_fields(kind, json.loads(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}") from None


def _scenario(name: str) -> Scenario:
    try:
        return Scenario.load(name) if name.endswith(".json") else Scenario.builtin(name)
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{name!r} is no scenario: {error}") from None


if __name__ == "__main__":
    sys.exit(main())
