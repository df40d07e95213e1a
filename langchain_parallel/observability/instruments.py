"""`instrument`: the events of this package as OpenTelemetry spans and metrics.

Rule: it is made of events (`_telemetry.py`) and of nothing else. Attributes of metrics have few values: no id
of a run, a thread or a user. A span has ids, and neither question nor answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from .._core.extras import optional_imports
from .._telemetry import LISTENING, TelemetryEvent

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

_SCOPE = "langchain_parallel"
_PREFIX = f"{_SCOPE}."
_RUN = "invoke_agent"
"""What OpenTelemetry calls it when an agent elsewhere does the work. Calls have the name of their API."""
_COUNTED = {
    "submitted": ("started", "processor"),
    "adopted": ("adopted", "processor"),
    "completed": ("completed", "processor"),
    "failed": ("failed", "error"),
    "doubtful": ("doubtful", "error"),
    "duplicated": ("duplicated", "processor"),
}
"""By event: how `langchain_parallel.runs` calls its outcome, and the attribute that tells more."""
_NANO = 1_000_000_000


def instrument(
    meter_provider: MeterProvider | None = None, tracer_provider: TracerProvider | None = None
) -> Callable[[], None]:
    """Have what happens from here on measured and traced; return what ends that.

    Args:
        meter_provider: Of OpenTelemetry; the global one unless given.
        tracer_provider: The same, for spans.

    Raises:
        ModuleNotFoundError: OpenTelemetry is not installed (extra `otel`).
    """
    with optional_imports("instrument"):
        from opentelemetry import metrics, trace
    listener = _Instruments(
        metrics.get_meter(_SCOPE, meter_provider=meter_provider),
        trace.get_tracer(_SCOPE, tracer_provider=tracer_provider),
    )
    LISTENING.listeners = (*LISTENING.listeners, listener)

    def end() -> None:
        left = (one for one in LISTENING.listeners if one is not listener)
        LISTENING.listeners = tuple(left)

    return end


class _Instruments:
    """Takes events, and adds each to its instruments."""

    def __init__(self, meter: Any, tracer: Any) -> None:
        self._tracer = tracer
        self._runs = meter.create_counter(_PREFIX + "runs", "{run}", "Runs, by outcome")
        self._calls = meter.create_counter(
            _PREFIX + "calls", "{call}", "Chat turns, searches and extractions, by outcome"
        )
        self._cost = meter.create_counter(
            _PREFIX + "cost", "{USD}", "List prices of what has completed"
        )
        self._duration = meter.create_histogram(
            "gen_ai.client.operation.duration", "s", "From a run's start to its end"
        )
        self._parked = meter.create_counter(
            _PREFIX + "threads.parked", "{thread}", "Threads parked"
        )
        self._wait = meter.create_histogram(
            _PREFIX + "threads.wait", "s", "From parking a thread to resuming it"
        )
        self._asked = meter.create_counter(_PREFIX + "questions", "{question}", "People asked")
        self._webhooks = meter.create_counter(_PREFIX + "webhooks", "{webhook}", "By outcome")
        self._failures = meter.create_counter(
            _PREFIX + "requests.failed",
            "{request}",
            "Requests that the API left unanswered, by reason",
        )
        self._swept = meter.create_counter(_PREFIX + "threads.swept", "{thread}", "By outcome")
        self._waiting = meter.create_gauge(
            _PREFIX + "threads.waiting", "{thread}", "Threads that the last sweep found parked"
        )
        self._oldest = meter.create_gauge(
            _PREFIX + "threads.oldest", "s", "How long the first of these has been parked"
        )

    def __call__(self, event: TelemetryEvent) -> None:
        name, fields = event.name, event.fields
        if name in _COUNTED:
            outcome, attribute = _COUNTED[name]
            more = {_ATTRIBUTES[attribute]: fields.get(attribute) or "unknown"}
            self._runs.add(1, {"outcome": outcome, **more})
        if name in ("requested", "answered", "unanswered"):
            self._calls.add(1, {"outcome": name, "gen_ai.request.model": fields["processor"]})
        if name in _BY_EVENT:
            _BY_EVENT[name](self, fields)

    def _end(self, fields: Mapping[str, Any]) -> None:
        """Of a run or a call that has its answer."""
        model = {"gen_ai.request.model": fields.get("processor") or "unknown"}
        adopted = _as_word(fields.get("is_adopted"))
        self._cost.add(fields.get("cost_usd") or 0.0, {**model, "adopted": adopted})
        if (seconds := fields.get("seconds")) is not None:
            self._duration.record(seconds, {**_operation(fields), **model})
        self._span(fields)

    def _span(self, fields: Mapping[str, Any]) -> None:
        """A span of the whole run or call, told when it has ended: a run may have outlived its process."""
        from opentelemetry.trace import SpanKind, Status, StatusCode

        ended = fields.get("ended_at") or time.time()
        began = ended - (fields.get("seconds") or 0.0)
        known = {name: fields[field] for field, name in _ATTRIBUTES.items() if field in fields}
        operation = _operation(fields)
        named = str(fields.get("processor", "parallel")).removeprefix(f"{fields.get('kind')}:")
        span = self._tracer.start_span(
            " ".join(dict.fromkeys([operation["gen_ai.operation.name"], named])),
            kind=SpanKind.CLIENT,
            attributes={**operation, **known},
            start_time=int(began * _NANO),
        )
        if "error" in fields:
            span.set_status(Status(StatusCode.ERROR))
        span.end(int(ended * _NANO))

    def _park(self, fields: Mapping[str, Any]) -> None:
        self._parked.add(1)

    def _wake(self, fields: Mapping[str, Any]) -> None:
        if "seconds" in fields:
            self._wait.record(fields["seconds"])

    def _ask(self, fields: Mapping[str, Any]) -> None:
        self._asked.add(1, {"kind": fields.get("kind", "other")})

    def _webhook(self, fields: Mapping[str, Any]) -> None:
        self._webhooks.add(1, {"outcome": fields["outcome"]})

    def _fail_request(self, fields: Mapping[str, Any]) -> None:
        starts = _as_word(fields["starts_runs"])
        self._failures.add(1, {"reason": fields["reason"], "starts_runs": starts})

    def _sweep(self, fields: Mapping[str, Any]) -> None:
        self._waiting.set(fields["threads"] - fields["resumed"])
        self._oldest.set(fields.get("oldest_seconds", 0.0))
        for outcome, number in fields.items():
            if outcome not in ("threads", "oldest_seconds") and number:
                self._swept.add(number, {"outcome": outcome})


def _operation(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "gen_ai.operation.name": fields.get("kind", _RUN),
        "gen_ai.provider.name": "parallel",
    }


def _as_word(value: object) -> str:
    """`true` or `false`: exporters write a bool each in its own way."""
    return "true" if value else "false"


_ATTRIBUTES = {
    "processor": "gen_ai.request.model",
    "run_id": "gen_ai.response.id",
    "search_id": "gen_ai.response.id",
    "extract_id": "gen_ai.response.id",
    "thread_id": "gen_ai.conversation.id",
    "error": "error.type",
    "interaction_id": _PREFIX + "interaction_id",
    "cost_usd": _PREFIX + "cost_usd",
    "is_adopted": _PREFIX + "adopted",
}
"""By field: the attribute. Those with `gen_ai.` and `error.` are of OpenTelemetry's conventions."""
_BY_EVENT: dict[str, Callable[[_Instruments, Mapping[str, Any]], None]] = {
    "completed": _Instruments._end,
    "answered": _Instruments._end,
    "unanswered": _Instruments._span,
    "failed": _Instruments._span,
    "parked": _Instruments._park,
    "woken": _Instruments._wake,
    "asked": _Instruments._ask,
    "webhook": _Instruments._webhook,
    "swept": _Instruments._sweep,
    "request_failed": _Instruments._fail_request,
}
