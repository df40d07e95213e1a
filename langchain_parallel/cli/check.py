"""What this package assumes about the real API, checked with a key of your own for about two cents.

    python -m langchain_parallel check

Starts three `lite` runs (0.005 USD each) in one ledger, and throws one answer away on purpose. Everything
else it does is free. `PARALLEL_BASE_URL` names another server, such as the simulator.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpx

from ..client import ParallelClient, RetryPolicy
from ..errors import ApiError, NotFound, ParallelError
from ..models import Submission, TaskRunEvent, TaskRunInput

RUNS, USD_A_RUN = 3, 0.005
_QUESTION = "What is the capital of France? Answer in one word."
_LONGEST = 60.0
"""Seconds after which a run that is not listed is called missing."""


@dataclass(frozen=True)
class Finding:
    """One assumption, and how it fared. `holds`: None where it could not be seen."""

    assumption: str
    holds: bool | None
    seen: str


def main(arguments: list[str]) -> int:
    """Check, and print what was found; 0 if every assumption holds."""
    parser = argparse.ArgumentParser(prog="python -m langchain_parallel check", description=__doc__)
    parser.add_argument("--yes", action="store_true", help="do not ask before spending")
    options = parser.parse_args(arguments)
    price = f"{RUNS * USD_A_RUN:.3f} USD"
    if not options.yes and input(f"This starts {RUNS} runs for {price}. Go on? [y/N] ") != "y":
        return 2
    held = True
    for finding in findings():
        mark = {True: "holds", False: "DOES NOT HOLD", None: "not seen"}[finding.holds]
        print(f"{mark:>13}  {finding.assumption}: {finding.seen}", flush=True)
        held = held and finding.holds is not False
    return 0 if held else 1


class _LosesOneAnswer(httpx.BaseTransport):
    """Reads the answer to one request, and reports that none came."""

    def __init__(self, inner: httpx.BaseTransport) -> None:
        self._inner = inner
        self.armed = False

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = self._inner.handle_request(request)
        if self.armed and request.method == "POST" and request.url.path.endswith("/runs"):
            self.armed = False
            response.read()
            raise httpx.ReadError("thrown away by the check", request=request)
        return response

    def close(self) -> None:
        self._inner.close()


def findings(transport: httpx.BaseTransport | None = None) -> Iterator[Finding]:
    """Assumption by assumption. Spends."""
    losing = _LosesOneAnswer(transport or httpx.HTTPTransport())
    with ParallelClient(transport=losing, retry_policy=RetryPolicy(settling=_LONGEST)) as client:
        ledger_id = client.create_group({"purpose": "check of assumptions"}).taskgroup_id

        first = client.submit(ledger_id, _ask("first"))
        listed, seconds = _until_listed(client, ledger_id, first.run.run_id)
        yield _listed_soon(listed, seconds)
        yield Finding(
            "a group's list repeats each run's metadata",
            None if listed is None else listed.run.metadata is not None,
            "yes" if listed and listed.run.metadata else "no; the inputs are read instead",
        )
        yield Finding(
            "a run has its interaction id at once",
            first.run.interaction_id is not None,
            str(first.run.interaction_id),
        )
        yield _cursor(client, ledger_id, first)
        yield _unknown_group(client)
        yield _refused(client, ledger_id)

        losing.armed = True
        started = time.monotonic()
        found = client.submit(ledger_id, _ask("lost"))
        yield Finding(
            "a run whose answer was lost is found, not paid for again",
            found.adopted and not found.duplicates and not losing.armed,
            f"adopted {found.run.run_id} after {time.monotonic() - started:.1f} s",
        )
        result = client.wait(first.run.run_id)
        follow_up = _ask("follow-up").model_copy(
            update={
                "input": "And of Italy?",
                "previous_interaction_id": result.run.interaction_id,
            }
        )
        last = client.submit(ledger_id, follow_up).run.run_id
        answer = client.wait(last)
        yield Finding(
            "a follow-up builds on the earlier answer",
            None,
            f"answered {str(answer.output.content)[:60]!r}; that should be a capital",
        )
        _until_listed(client, ledger_id, last)
        runs = len(client.list_runs(ledger_id))
        yield Finding(f"{RUNS} runs were paid for", runs == RUNS, f"{runs} are listed")


def _ask(purpose: str) -> TaskRunInput:
    return TaskRunInput(
        input=f"{_QUESTION} ({purpose})", processor="lite", metadata={"purpose": purpose}
    )


def _until_listed(
    client: ParallelClient, ledger_id: str, run_id: str
) -> tuple[TaskRunEvent | None, float]:
    started = time.monotonic()
    while (seconds := time.monotonic() - started) < _LONGEST:
        for listed in client.list_runs(ledger_id):
            if listed.run.run_id == run_id:
                return listed, seconds
        time.sleep(0.2)
    return None, seconds


def _listed_soon(listed: TaskRunEvent | None, seconds: float) -> Finding:
    settling = RetryPolicy().settling
    return Finding(
        f"a group lists a new run within {settling:.0f} s",
        listed is not None and seconds <= settling,
        f"after {seconds:.1f} s" if listed else f"not within {seconds:.0f} s",
    )


def _cursor(client: ParallelClient, ledger_id: str, first: Submission) -> Finding:
    assumption = "a group's list can be read on from a cursor"
    [before] = [e for e in client.list_runs(ledger_id) if e.run.run_id == first.run.run_id]
    if before.event_id is None:
        return Finding(assumption, False, "events have no id; lists are read whole")
    rest = client.list_runs(ledger_id, last_event_id=before.event_id)
    shown = [event.run.run_id for event in rest]
    return Finding(assumption, first.run.run_id not in shown, f"{len(shown)} runs after the first")


def _unknown_group(client: ParallelClient) -> Finding:
    def ask() -> object:
        return client.list_runs("tgrp_00000000000000000000000000000000")

    error = _error(ask)
    return Finding("an unknown group is a 404", isinstance(error, NotFound), type(error).__name__)


def _refused(client: ParallelClient, ledger_id: str) -> Finding:
    """A request the server refuses starts nothing."""
    nonsense = _ask("refused").model_copy(update={"processor": "no-such-processor"})
    forced = ParallelClient(allow_unknown_processor=True)
    with forced:
        error = _error(lambda: forced.submit(ledger_id, nonsense))
    listed = [e for e in client.list_runs(ledger_id) if e.run.processor == "no-such-processor"]
    return Finding(
        "a refused request starts nothing",
        isinstance(error, ApiError) and not listed,
        type(error).__name__,
    )


def _error(call: Callable[[], object]) -> ParallelError | None:
    try:
        call()
    except ParallelError as error:
        return error
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
