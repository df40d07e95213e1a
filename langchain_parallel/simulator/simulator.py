"""The account behind HTTP: authentication, faults, the request log, and the two sets of endpoints."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from .account import Account
from .chat_endpoint import CHAT_PATH
from .control_endpoints import control
from .endpoints import route
from .faults import respond
from .http_messages import ApiError, Head, Request, Response, Step, error_response
from .request_log import LogEntry, log_entry


class Simulator(Account):
    """The Task API as a state machine over a clock.

    Args:
        clock: Where time comes from; the machine by default. A `ManualClock` makes waiting free in process.
            Behind a socket it only moves when a client waits there or a test advances it.
        seed: Ids, durations and answers follow from it and from the request.
        latency_scale: A factor on the duration of every run.
        scenario: Scripted answers.
        api_keys: The keys accepted (None: any that is not empty).
        credit_usd: What the account can spend (None: no limit).
        processors: The processors that this account may use (None: all).
        equal_ids: Make each interaction id equal to its run id, as in the documented examples.
        evidence: How much evidence an answer has, and how good it is.
        listing: In which order and length a group lists its runs, and with what.
        stream_seconds: After how long the server closes a run's event stream.
        quota_per_minute: How many creating POSTs of one kind are allowed in 60 seconds (None: no limit).
        webhook_secrets: Each delivery has one signature by each of them. The default is public.
        webhook_scheme: Which bytes of a secret sign: `standard` (its base64, decoded), `legacy` (its own, as
            in earlier accounts), or `both`.

    Raises:
        ValueError: A webhook secret is not base64, and the scheme is not `legacy`.
    """

    def handle(self, request: Request) -> Response:
        """Process a request now. Waiting is part of the response, so this never blocks."""
        if request.path.startswith("/_simulator/"):
            return self._guard(partial(control, self, request))
        with self.lock:
            self.catch_up()
            fault = self.faults.take(lambda f: f.matches(request))
            entry = log_entry(request, self.monotonic, fault.kind if fault else None)
            self._log.append(entry)
            ref_id = self.new_ref_id()
            process = partial(self._guard, partial(self._process, request))
            if fault is not None and fault.delay:
                process = partial(self.later, fault.delay, process)
            response = respond(fault, process, self.clock, ref_id)
        return Response(_log_status(response.steps, entry))

    def _process(self, request: Request) -> Response:
        key = request.headers.get("x-api-key") or _bearer_key(request)
        if not key or (self.api_keys is not None and key not in self.api_keys):
            raise ApiError(401, "Unauthorized: invalid or missing credentials")
        return route(self, request)

    def _guard(self, work: Callable[[], Response]) -> Response:
        with self.lock:
            try:
                return work()
            except ApiError as error:
                return error_response(error, self.new_ref_id())


def _bearer_key(request: Request) -> str:
    """The key of a call of the Chat API, as OpenAI's clients send it."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    is_chat = request.path.endswith(CHAT_PATH)
    return key.strip() if is_chat and scheme.lower() == "bearer" else ""


def _log_status(steps: Iterator[Step], entry: LogEntry) -> Iterator[Step]:
    for step in steps:
        if isinstance(step, Head):
            entry.status = step.status
        yield step
