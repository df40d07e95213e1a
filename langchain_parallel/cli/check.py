"""Check what this package assumes about the API, with a key of your own, for $0.015.

    langchain-parallel check

The check starts three `lite` runs ($0.005 each) in one ledger and loses the response to one of them on
purpose. Its other requests are free. Set `PARALLEL_BASE_URL` to check another server, such as the simulator.
`--record FILE` writes down what the server says, without secrets, so that the file can be sent to others.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from .._core.plain_text import count
from ..client import ParallelClient, RetryPolicy
from ..errors import ApiError, NotFound, ParallelError
from ..models import Submission, TaskRunEvent, TaskRunInput
from ..text.format import usd
from .command_line import command_parser
from .terminal import complain, confirm, say

RUNS, USD_PER_RUN = 3, 0.005
_QUESTION = "What is the capital of France? Answer in one word."
_LISTING_TIMEOUT = 60.0
"""Seconds after which a run that its group does not list counts as missing."""
_NOT_LISTED = f"not found out: the list did not show the run within {_LISTING_TIMEOUT:.0f} s"
_BEYOND = (
    "how late a list may be on another day, or when the service is busy",
    "whether a request that the service takes long to act on is listed in time",
    "whether a refusal (402, 403, 422, 429) ever starts a run all the same",
    "whether failed and cancelled runs are billed: see your invoice",
    "how lists of many runs come: in which order, and in how many pages",
)
"""What three runs cannot show."""


@dataclass(frozen=True)
class Finding:
    """One assumption, and whether it holds (None: this check could not tell)."""

    assumption: str
    holds: bool | None
    observed: str


def main(arguments: list[str]) -> int:
    """Check and print every finding. The exit code is 0 if no assumption is wrong, 2 if the user declines."""
    parser = command_parser("check", __doc__)
    parser.add_argument("--yes", action="store_true", help="spend without asking")
    parser.add_argument("--record", metavar="FILE", help="write there what the server says")
    options = parser.parse_args(arguments)
    ParallelClient().close()  # without a key there is nothing to ask
    price = usd(RUNS * USD_PER_RUN)
    if not (options.yes or confirm(f"This starts {RUNS} runs, which cost {price}.")):
        say("Nothing was started. `--yes` starts the check without asking.")
        return 2
    record = _recording(options.record) if options.record else None
    found, stopped = [], False
    try:
        for finding in findings(record):
            word = {True: "holds", False: "DOES NOT HOLD", None: "not known"}[finding.holds]
            say(f"{word:>13}  {finding.assumption}: {finding.observed}")
            found.append(finding)
    except ParallelError as error:
        if not found:
            raise
        say(f"{'STOPPED':>13}  what comes after this was not checked: {error}")
        stopped = True
    except KeyboardInterrupt:
        complain("The runs that were started go on, and cost their price.")
        raise
    if record:
        say(f"\n{options.record} has what the server said, without secrets.")
    say("\nWhat this check cannot find out:")
    for question in _BEYOND:
        say(f"  - {question}")
    return 1 if stopped or any(finding.holds is False for finding in found) else 0


def _recording(path: str) -> httpx.BaseTransport:
    """What records to this file. It needs the extra `simulator`."""
    from ..testing import RecordingTransport

    return RecordingTransport(path)


@dataclass
class _LosesOneResponse:
    """While `armed`, it lets the next paid request through and then loses the response."""

    armed: bool = False

    def __call__(self, response: httpx.Response) -> None:
        request = response.request
        if self.armed and request.method == "POST" and request.url.path.endswith("/runs"):
            self.armed = False
            response.read()
            raise httpx.ReadError("lost by the check, on purpose", request=request)


def findings(transport: httpx.BaseTransport | None = None) -> Iterator[Finding]:
    """One finding per assumption. Starts `RUNS` paid runs, through a transport if one is given."""
    with ParallelClient(transport=transport) as plain:
        ledger_id = plain.create_group({"purpose": "check of assumptions"}).taskgroup_id
    losing, policy = _LosesOneResponse(), RetryPolicy(settle_seconds=_LISTING_TIMEOUT)
    with (
        httpx.Client(event_hooks={"response": [losing]}, transport=transport) as http,
        ParallelClient(http_client=http, retry_policy=policy) as client,
    ):
        first = client.submit(ledger_id, _request("first"))
        yield _count(client, ledger_id, 1)
        yield from _first_run(client, ledger_id, first)
        yield _cursor(client, ledger_id, first)
        yield _unknown_group(client)
        yield _refusal(client, ledger_id, transport)
        losing.armed = True
        yield _lost_response(client, ledger_id)
        yield from _follow_up(client, ledger_id, first)


def _request(purpose: str, **more: Any) -> TaskRunInput:
    asked = {"input": f"{_QUESTION} ({purpose})", "processor": "lite", **more}
    return TaskRunInput(metadata={"purpose": purpose}, **asked)


def _first_run(client: ParallelClient, ledger_id: str, first: Submission) -> Iterator[Finding]:
    listed, seconds = _until_listed(client, ledger_id, first.run.run_id)
    settling = RetryPolicy().settle_seconds
    yield Finding(
        f"a group lists a new run within {settling:.0f} s",
        listed is not None and seconds <= settling,
        f"after {seconds:.1f} s" if listed else f"not within {seconds:.0f} s",
    )
    repeats, observed = None, _NOT_LISTED
    if listed is not None:
        repeats = listed.run.metadata is not None
        observed = "yes" if repeats else "no; the client reads the inputs instead"
    yield Finding("a group's list repeats each run's metadata", repeats, observed)
    interaction_id = first.run.interaction_id
    yield Finding(
        "a run has its interaction id at once", interaction_id is not None, str(interaction_id)
    )


def _count(
    client: ParallelClient,
    ledger_id: str,
    accepted: int,
    settling: float = RetryPolicy().settle_seconds,
) -> Finding:
    """How soon the group's count is right: a list is believed where it is as long as that."""
    started = time.monotonic()
    while True:
        counted = client.retrieve_group(ledger_id).status.num_task_runs
        seconds = time.monotonic() - started
        if counted >= accepted or seconds > settling:
            break
        time.sleep(0.2)
    return Finding(
        f"within {settling:.0f} s a group counts no fewer runs than it has accepted ({accepted})",
        counted >= accepted,
        f"{counted} after {seconds:.1f} s" if counted else "it counts none, or gives no count",
    )


def _until_listed(
    client: ParallelClient, ledger_id: str, run_id: str
) -> tuple[TaskRunEvent | None, float]:
    """The run in its group's list (None: it does not appear), and after how many seconds."""
    started = time.monotonic()
    while (seconds := time.monotonic() - started) < _LISTING_TIMEOUT:
        for listed in client.list_runs(ledger_id):
            if listed.run.run_id == run_id:
                return listed, seconds
        time.sleep(0.2)
    return None, seconds


def _cursor(client: ParallelClient, ledger_id: str, first: Submission) -> Finding:
    assumption = "a group's list can be read from a cursor on"
    before = next(
        (e for e in client.list_runs(ledger_id) if e.run.run_id == first.run.run_id), None
    )
    if before is None:
        return Finding(assumption, None, _NOT_LISTED)
    if before.event_id is None:
        return Finding(assumption, False, "events have no id; the client reads whole lists")
    rest = client.list_runs(ledger_id, last_event_id=before.event_id)
    shown = [event.run.run_id for event in rest]
    return Finding(
        assumption, first.run.run_id not in shown, f"{count(len(shown), 'run')} after the first"
    )


def _unknown_group(client: ParallelClient) -> Finding:
    error = _error(lambda: client.list_runs(f"tgrp_{0:032}"))
    return Finding("an unknown group is a 404", isinstance(error, NotFound), type(error).__name__)


def _refusal(
    client: ParallelClient, ledger_id: str, transport: httpx.BaseTransport | None
) -> Finding:
    unknown = _request("refused", processor="no-such-processor")
    with ParallelClient(allow_unknown_processor=True, transport=transport) as forced:
        error = _error(lambda: forced.submit(ledger_id, unknown))
    listed = [e for e in client.list_runs(ledger_id) if e.run.processor == "no-such-processor"]
    return Finding(
        "a refused request starts nothing",
        isinstance(error, ApiError) and not listed,
        type(error).__name__,
    )


def _lost_response(client: ParallelClient, ledger_id: str) -> Finding:
    started = time.monotonic()
    found = client.submit(ledger_id, _request("lost"))
    return Finding(
        "a run whose response was lost is found, and is not paid for again",
        found.adopted and not found.duplicates,
        f"adopted {found.run.run_id} after {time.monotonic() - started:.1f} s",
    )


def _follow_up(client: ParallelClient, ledger_id: str, first: Submission) -> Iterator[Finding]:
    head = client.wait(first.run.run_id).run.interaction_id
    request = _request("follow-up", input="And of Italy?", previous_interaction_id=head)
    run_id = client.submit(ledger_id, request).run.run_id
    content = str(client.wait(run_id).output.content)
    yield Finding(
        "a follow-up builds on the earlier answer",
        None,
        f"the answer is {content[:60]!r}; it should be a capital",
    )
    _until_listed(client, ledger_id, run_id)
    yield _count(client, ledger_id, RUNS)
    runs = len(client.list_runs(ledger_id))
    yield Finding(
        f"{RUNS} runs were paid for", runs == RUNS, f"its list shows {count(runs, 'run')}"
    )


def _error(call: Callable[[], object]) -> ParallelError | None:
    try:
        call()
    except ParallelError as error:
        return error
    return None
