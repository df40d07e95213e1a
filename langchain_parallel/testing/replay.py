"""A recording as a scenario of the simulator, and a client that replays it.

Rule: what was recorded is what the API said of each question; how it comes to the client is the simulator's
own affair. So polls, groups, streams and follow-ups work in another order than they were recorded in, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .._core.timestamps import unix_seconds
from ..client import ParallelClient
from ..simulator import ManualClock, Scenario, Simulator
from ..simulator.chat_endpoint import CHAT_PATH, as_run
from .cassette import exchanges
from .simulated_account import simulated_client

_PAID = re.compile(r"/v1(?:beta)?/tasks/(?:groups/[^/]+/)?runs")
_OF_RUN = re.compile(r"/v1(?:beta)?/tasks/runs/([^/]+)/(input|events)")
_AT_ONCE = ("/v1/search", "/v1/extract", "/v1beta/memory/retrieve")
_ENDED = ("completed", "failed", "cancelled", "action_required")


def replayed_client(path: str | Path) -> ParallelClient:
    """A client that gets the answers of a recording: no key, no network, no cost.

    An answer is found by question, processor, output schema, and by what the question continues from. What
    was asked several times is answered in the order recorded, and then as it was last. What was not recorded
    is refused (422) in words. Every door takes the client as `client=`, for blocking and for awaited calls.

    Args:
        path: The file that `recording_client` has made.

    Raises:
        OSError: There is no such file.
        InvalidRequest: It is no recording, or a line of it is not JSON.
        MissingExtra: The extra `simulator` is not installed.
    """
    return simulated_client(Simulator(ManualClock(), scenario=recorded_scenario(path)))


def recorded_scenario(path: str | Path) -> Scenario:
    """The scenario of a recording, for an account of your own: `Simulator(…, scenario=…)`.

    Args:
        path: The file that `recording_client` has made.

    Raises:
        OSError: There is no such file.
        InvalidRequest: It is no recording, or a line of it is not JSON.
    """
    told = _Recording()
    for exchange in exchanges(path):
        told.read(exchange)
    return Scenario.parse(told.scenario(Path(path).name))


@dataclass
class _Run:
    """What was recorded of one run."""

    request: Mapping[str, Any] | None = None
    run: dict[str, Any] = field(default_factory=dict)
    output: Mapping[str, Any] | None = None
    events: list[Mapping[str, Any]] = field(default_factory=list)


class _Recording:
    """What the exchanges of a recording tell together."""

    def __init__(self) -> None:
        self._runs: dict[str, _Run] = {}
        self._unbound: list[Mapping[str, Any]] = []
        """Requests whose answer was lost: their run is found by its metadata, as the client finds it."""
        self._chats: list[dict[str, Any]] = []
        self._answers: list[dict[str, Any]] = []

    def read(self, exchange: Mapping[str, Any]) -> None:
        """Take in one exchange."""
        method, path, body = exchange.get("method"), exchange.get("path", ""), exchange.get("body")
        answer, events = exchange.get("answer"), exchange.get("events") or []
        is_ok = exchange.get("status") in range(200, 300)
        if method == "POST" and isinstance(body, dict):
            if _PAID.fullmatch(path) and (is_ok or exchange.get("status") is None):
                self._bind(body, answer if isinstance(answer, dict) else {})
            elif is_ok and path in _AT_ONCE and isinstance(answer, dict):
                self._answers.append({"path": path, "request": body, "answer": answer})
            elif is_ok and path.endswith(CHAT_PATH):
                self._take_chat(body, answer, events)
        of_run = _OF_RUN.fullmatch(path)
        if of_run and of_run[2] == "input" and is_ok and isinstance(answer, dict):
            self._of(of_run[1]).request = answer
        for told in (answer, *events):
            if isinstance(told, dict):
                self._take(told)
                kind = str(told.get("type", ""))
                if of_run and of_run[2] == "events" and kind.startswith("task_run.progress"):
                    self._add_event(self._of(of_run[1]), told)

    def _of(self, run_id: str) -> _Run:
        return self._runs.setdefault(run_id, _Run())

    def _bind(self, body: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
        """Note which run each request of a body has started."""
        default = body.get("default_task_spec")
        inputs = body.get("inputs", [body])
        asked = [{**each, "task_spec": each.get("task_spec") or default} for each in inputs]
        ids = answer.get("run_ids") or ([answer["run_id"]] if answer.get("run_id") else [])
        if len(ids) != len(asked):
            self._unbound += asked
            return
        for run_id, request in zip(ids, asked, strict=True):
            self._of(run_id).request = request

    def _take(self, told: Mapping[str, Any]) -> None:
        """Note a run as it stands in an answer or an event, with its output and input if they are there."""
        shown = told.get("run", told)
        if not isinstance(shown, dict) or not {"run_id", "status"} <= shown.keys():
            return
        known = self._of(str(shown["run_id"]))
        if known.run.get("status") not in _ENDED or shown["status"] in _ENDED:
            known.run.update({k: v for k, v in shown.items() if v is not None})
        if isinstance(told.get("output"), dict):
            known.output = told["output"]
        if known.request is None and isinstance(told.get("input"), dict):
            known.request = told["input"]

    @staticmethod
    def _add_event(run: _Run, event: Mapping[str, Any]) -> None:
        if event not in run.events:  # a stream that is opened again begins with what it has told
            run.events.append(event)

    def _take_chat(self, body: dict[str, Any], answer: Any, chunks: Sequence[Any]) -> None:
        pieces: list[Any] = [each for each in chunks if isinstance(each, dict)] or [answer]
        if not all(isinstance(piece, dict) and piece.get("choices") for piece in pieces):
            return  # it was cut off, or is an error
        said = [c.get("delta") or c.get("message") or {} for p in pieces for c in p["choices"]]
        text = "".join(part.get("content") or "" for part in said)
        interaction_id = next(
            (p["interaction_id"] for p in pieces if p.get("interaction_id")), None
        )
        basis: list[Any] = next((p["basis"] for p in reversed(pieces) if p.get("basis")), [])
        output = {"type": "text", "content": text, "basis": basis}
        request = as_run(body)
        self._chats.append(
            {
                "id": interaction_id,
                "match": _match(request),
                "processor": request["processor"],
                "output": output,
            }
        )

    def scenario(self, name: str) -> dict[str, Any]:
        """The scenario's JSON."""
        turns = [*self._turns(), *self._chats]
        answered = [turn for turn in turns if turn.get("output") and turn["id"]]
        made = {
            turn["id"]: {
                "id": turn["id"],
                "input": str(turn["match"]["input"]),
                "output": turn["output"],
            }
            for turn in answered
        }
        for turn in turns:
            after = turn["match"]["after"]
            if after is not None and after not in made:  # made before the recording began
                made[after] = {"id": after, "output": ""}
        return {
            "name": name,
            "turns": turns,
            "interactions": list(made.values()),
            "answers": self._answers,
            "strict": True,
        }

    def _turns(self) -> Iterator[dict[str, Any]]:
        for known in self._runs.values():
            request, run, status = (
                known.request or self._lost(known),
                known.run,
                known.run.get("status"),
            )
            if (
                request is None
                or status not in _ENDED
                or (status == "completed" and not known.output)
            ):
                continue
            begun, ended = map(unix_seconds, (run.get("created_at"), run.get("modified_at")))
            seconds = max(ended - begun, 0.0) if begun and ended else None
            turn = {
                "id": run.get("interaction_id"),
                "match": _match(request),
                "processor": request.get("processor"),
                "seconds": seconds,
                "status": status,
                "error": run.get("error"),
                "warnings": run.get("warnings") or [],
                "output": known.output,
                "events": list(_with_shares(known.events, begun, seconds)),
            }
            yield turn

    def _lost(self, known: _Run) -> Mapping[str, Any] | None:
        """The request of a run whose acceptance nobody has read."""
        metadata = known.run.get("metadata")
        if not metadata:
            return None
        return next((each for each in self._unbound if each.get("metadata") == metadata), None)


def _match(request: Mapping[str, Any]) -> dict[str, Any]:
    spec = request.get("task_spec") or {}
    return {
        "input": request["input"],
        "output_schema": spec.get("output_schema"),
        "after": request.get("previous_interaction_id"),
    }


def _with_shares(
    events: Sequence[Mapping[str, Any]], begun: float | None, seconds: float | None
) -> Iterator[dict[str, Any]]:
    """Each event with its share of the run's time: by its time, or where it has none as the one before it."""
    share = 0.0
    for event in events:
        at = unix_seconds(event.get("timestamp"))
        if at is not None and begun is not None and seconds:
            share = min(max((at - begun) / seconds, share), 0.999)
        yield {"share": share, "event": event}
