"""The progress events of a run, each with the time at which it happens.

Rule: the timeline of a run never changes once it has begun, so a stream that is opened again while the run is
active brings the same messages. A run that is settled early only loses the later ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from .basis import citation_urls, count_turns, quote
from .http_messages import JsonObject
from .pricing import has_events_by_default
from .simulated_run import Run, timestamp


def state_event(
    run: Run, t: float, epoch: float, *, event_id: str | None = None, output: bool = True
) -> JsonObject:
    """Build `task_run.state` at time t, with the output if the run has completed by then."""
    body: JsonObject = {"type": "task_run.state", "event_id": event_id}
    body["run"] = run.to_json(t, epoch)
    if output and run.status_at(t) == "completed":
        body["output"] = run.output
    return body


def progress_events(run: Run, epoch: float) -> list[tuple[float, JsonObject]]:
    """All progress events of a run with their times, oldest first; none if events are off."""
    if not _has_events(run) or not math.isfinite(run.starts):
        return []
    if run.turn and run.turn.events:
        return _scripted_events(run, run.turn.events, epoch)
    messages = _messages(run)
    span = run.planned - run.starts if math.isfinite(run.planned) else 600.0
    events: list[tuple[float, JsonObject]] = []
    for i, (kind, text) in enumerate(messages):
        share = (i + 0.5) / (len(messages) + 0.5)
        at = run.starts + span * share
        events.append((at, _stats(run, share)))
        message = {"message": text, "timestamp": timestamp(epoch + at)}
        events.append((at, {"type": f"task_run.progress_msg.{kind}", **message}))
    return [(at, event) for at, event in events if at < run.ends]


def _scripted_events(
    run: Run, scripted: Sequence[Mapping[str, Any]], epoch: float
) -> list[tuple[float, JsonObject]]:
    """A scenario's events, each at its share of the run's time, with the time that it now has."""
    span = run.planned - run.starts if math.isfinite(run.planned) else 600.0
    timed = [
        (run.starts + span * min(max(e["share"], 0.0), 1.0), dict(e["event"])) for e in scripted
    ]
    for at, event in timed:
        if "timestamp" in event:
            event["timestamp"] = timestamp(epoch + at)
    return [(at, event) for at, event in sorted(timed, key=lambda t: t[0]) if at < run.ends]


def is_stats(event: JsonObject) -> bool:
    """Whether it tells the statistics of a moment, which are not recorded."""
    return bool(event.get("type") == "task_run.progress_stats")


def _has_events(run: Run) -> bool:
    wanted = run.request.get("enable_events")
    return has_events_by_default(run.processor) if wanted is None else bool(wanted)


def _messages(run: Run) -> Sequence[tuple[str, str]]:
    if run.turn and run.turn.progress:
        return [(m.get("type", "exec_status"), m["message"]) for m in run.turn.progress]
    question = quote(run.text, 60)
    earlier = f", building on {count_turns(run.ancestors())}" if run.previous else ""
    tools = [
        ("tool_call", f"[simulated] Calling {s['name']}")
        for s in run.request.get("mcp_servers") or ()
    ]
    return [
        ("plan", f"[simulated] Planning how to answer {question}{earlier}"),
        ("search", f"[simulated] Searching for {question}"),
        *tools,
        ("result", "[simulated] Reading the sources found"),
        ("search", "[simulated] Searching for a second source"),
        ("exec_status", "[simulated] Writing the answer"),
    ]


def _stats(run: Run, share: float) -> JsonObject:
    considered = round(40 * share)
    policy = run.request.get("source_policy") or {}
    stats = {
        "num_sources_considered": considered,
        "num_sources_read": considered // 3,
        "sources_read_sample": citation_urls(policy, min(3, considered // 3), run.text),
    }
    meter = round(100 * share, 1)
    return {"type": "task_run.progress_stats", "source_stats": stats, "progress_meter": meter}
