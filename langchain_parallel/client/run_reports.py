"""What becomes of runs, and of calls of Chat, Search and Extract, for those who operate (`_telemetry.py`).

Rule: it is told as an effect of the flow in which it is decided, because the driver knows the secrets that a
server may have repeated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from .._core.chat_request import ChatCall
from .._core.effects import Emit, Flow, NoResponse, Outcome, Report, Request, now, report
from .._core.redaction import redact
from .._core.timestamps import elapsed_seconds, unix_seconds
from .._telemetry import EventName, TelemetryEvent, has_listeners, is_heard, tell, was_adopted
from ..errors import ActionRequired, ParallelError, RunCancelled, RunFailed
from ..models import (
    ChatAnswer,
    ChatPiece,
    ExtractRequest,
    ExtractResponse,
    SearchRequest,
    SearchResponse,
    Submission,
    TaskGroupRunResponse,
    TaskRun,
    TaskRunInput,
    TaskRunResult,
)
from ..processors import CHAT_PREFIX, chat_price_usd, price_usd
from ..web_prices import DEFAULT_MODE, billed_search_usd, extract_usd, search_usd

AnswerT = TypeVar("AnswerT")

_RATE_LIMITED, _SERVER_FAILED = 429, 500


def perform(effect: Report, secrets: Sequence[str]) -> None:
    """Tell of something; a server may have repeated a secret in an id."""
    for event in effect.events:
        if not is_heard(event):
            continue
        safe = {
            name: redact(value, secrets) if isinstance(value, str) else value
            for name, value in event.fields.items()
        }
        tell(replace(event, fields=safe))


def tell_of_exchange(request: Request, outcome: Outcome) -> None:
    """Tell of a request that the API did not answer, or turned away for the moment."""
    if isinstance(outcome, NoResponse):
        reason = "" if outcome.too_late else "lost" if outcome.sent else "not sent"
    else:
        is_late = outcome.status >= _SERVER_FAILED or outcome.status == _RATE_LIMITED
        reason = str(outcome.status) if is_late else ""
    if reason:
        fields = {"reason": reason, "starts_runs": request.starts_runs}
        tell(TelemetryEvent("request_failed", fields))


# --- runs ----------------------------------------------------------------------------------------


def report_submission(flow: Flow[Submission], request: TaskRunInput) -> Flow[Submission]:
    """The flow, which tells whether the run was started or adopted, or that this is unknown."""
    try:
        submission = yield from flow
    except ParallelError as error:
        yield from report_doubt(error, request)
        raise
    yield from report(*submission_events(submission, request))
    return submission


def report_submissions(
    flow: Flow[list[Submission | ParallelError]], requests: Iterable[TaskRunInput]
) -> Flow[list[Submission | ParallelError]]:
    """As `report_submission`, for many."""
    outcomes = yield from flow
    for outcome, request in zip(outcomes, requests, strict=True):
        yield from report_outcome(outcome, request)
    return outcomes


def report_created(flow: Flow[TaskRun], request: TaskRunInput) -> Flow[TaskRun]:
    """As `report_submission`, of a run without a ledger."""
    try:
        run = yield from flow
    except ParallelError as error:
        yield from report_doubt(error, request)
        raise
    yield from report(_start_event(run, request))
    return run


def report_added(
    flow: Flow[TaskGroupRunResponse], group_id: str, requests: Sequence[TaskRunInput]
) -> Flow[TaskGroupRunResponse]:
    """As `report_created`, of runs that are started in a group."""
    try:
        added = yield from flow
    except ParallelError as error:
        yield from report_doubt(error, requests[0])
        raise
    for run_id, request in zip(added.run_ids, requests, strict=False):  # the API says how many
        yield from report(_start_event(TaskRun(run_id=run_id, status="queued"), request, group_id))
    return added


def report_outcome(outcome: Submission | ParallelError, request: TaskRunInput) -> Flow[None]:
    """Tell what became of one request of many."""
    if isinstance(outcome, Submission):
        yield from report(*submission_events(outcome, request))
    else:
        yield from report_doubt(outcome, request)


def report_doubt(error: ParallelError, request: TaskRunInput) -> Flow[None]:
    """Tell of a request that may have been billed."""
    if error.billed is None:
        own = {"processor": request.processor, "thread_id": _thread_id(request.metadata)}
        yield from report(TelemetryEvent("doubtful", {**own, "error": type(error).__name__}))


def submission_events(submission: Submission, request: TaskRunInput) -> tuple[TelemetryEvent, ...]:
    """The run as it was started or adopted; and its duplicates, if it has any. None where nobody listens."""
    if not has_listeners():
        return ()
    run = submission.run
    name: EventName = "adopted" if submission.adopted else "submitted"
    started = _start_event(run, request, submission.ledger_id, name)
    processor = run.processor or request.processor
    return (started, *duplicate_events(run.run_id, submission.duplicates, processor))


def _start_event(
    run: TaskRun, request: TaskRunInput, ledger_id: str | None = None, name: EventName = "submitted"
) -> TelemetryEvent:
    processor = run.processor or request.processor
    fields = {
        "run_id": run.run_id,
        "interaction_id": run.interaction_id,
        "thread_id": _thread_id(request.metadata),
        "processor": processor,
        "ledger_id": ledger_id,
        "price_usd": price_usd(processor),
    }
    return TelemetryEvent(name, fields, once=run.run_id, question=request.input)


def duplicate_events(
    run_id: str, others: Iterable[str], processor: str
) -> tuple[TelemetryEvent, ...]:
    """That a request has more runs than one, if it has."""
    ids = [other for other in others if other != run_id]
    fields = {"run_id": run_id, "duplicates": ids, "processor": processor}
    return (TelemetryEvent("duplicated", fields, once=f"duplicated {run_id}"),) if ids else ()


def report_end(flow: Flow[TaskRunResult], run_id: str) -> Flow[TaskRunResult]:
    """The flow, which tells how the run ended."""
    try:
        result = yield from flow
    except ParallelError as error:
        yield from report(*end_events(error, TaskRun(run_id=run_id, status="failed")))
        raise
    yield from report(*end_events(result, result.run))
    return result


def end_events(
    ended: TaskRunResult | ParallelError, run: TaskRun, processor: str = ""
) -> tuple[TelemetryEvent, ...]:
    """How a run ended; nothing if it did not, or not as far as is known, and where nobody listens."""
    if not has_listeners():
        return ()
    if isinstance(ended, TaskRunResult):
        run, processor = ended.run, ended.run.processor or processor
        return (
            TelemetryEvent(
                "completed",
                {
                    "run_id": run.run_id,
                    "interaction_id": run.interaction_id,
                    "thread_id": _thread_id(run.metadata),
                    "processor": processor or None,
                    "cost_usd": price_usd(processor),
                    "seconds": elapsed_seconds(run.created_at, run.modified_at),
                    "ended_at": unix_seconds(run.modified_at),
                    "is_adopted": was_adopted(run.run_id) or None,
                },
                once=f"end {run.run_id}",
            ),
        )
    own = {
        "run_id": ended.run_id or run.run_id,
        "interaction_id": ended.interaction_id or run.interaction_id,
        "processor": processor or None,
    }
    if isinstance(ended, ActionRequired):
        fields = {**own, "kind": "action_required"}
        return (TelemetryEvent("asked", fields, once=f"asked {own['run_id']}"),)
    if isinstance(ended, RunFailed | RunCancelled):
        fields = {**own, "error": type(ended).__name__}
        return (TelemetryEvent("failed", fields, once=f"end {own['run_id']}"),)
    return ()


def _thread_id(metadata: Mapping[str, Any] | None) -> str | None:
    """The LangGraph thread that a run's metadata names."""
    named = (metadata or {}).get("thread_id")
    return named if isinstance(named, str) else None


# --- calls whose answer comes at once -------------------------------------------------------------


def report_search(flow: Flow[SearchResponse], asked: SearchRequest) -> Flow[SearchResponse]:
    """The flow, which tells that the search was sent, and what became of it."""
    settings = asked.advanced_settings
    most = settings.max_results if settings is not None else None
    call = _Call("search", f"search:{asked.mode or DEFAULT_MODE}", {"session_id": asked.session_id})
    answer = yield from _report_call(flow, call, search_usd(asked.mode, most))
    found = {"search_id": answer.search_id or None, "session_id": answer.session_id}
    yield from report(call.answer_event(found, billed_search_usd(asked.mode, answer)))
    return answer


def report_extract(flow: Flow[ExtractResponse], asked: ExtractRequest) -> Flow[ExtractResponse]:
    """As `report_search`, of pages to read."""
    call = _Call("extract", "extract", {"session_id": asked.session_id})
    answer = yield from _report_call(flow, call, extract_usd(len(asked.urls)))
    found = {"extract_id": answer.extract_id or None, "session_id": answer.session_id}
    yield from report(call.answer_event(found, extract_usd(len(answer.results))))
    return answer


def report_chat(flow: Flow[ChatAnswer], asked: ChatCall) -> Flow[ChatAnswer]:
    """As `report_search`, of a turn of a chat."""
    call = _chat(asked)
    answer = yield from _report_call(flow, call, chat_price_usd(asked.model))
    yield from report(_chat_event(call, answer))
    return answer


def report_chat_pieces(flow: Flow[None], asked: ChatCall) -> Flow[None]:
    """As `report_chat`, of an answer that is emitted in pieces."""
    call = _chat(asked)
    yield from _report_call(_with_answer(flow, call), call, chat_price_usd(asked.model))


def _with_answer(flow: Flow[None], call: _Call) -> Flow[None]:
    """The flow, which tells of the answer before it is handed on."""
    outcome: Any = None
    try:
        while True:
            effect = flow.send(outcome)
            piece = effect.event if isinstance(effect, Emit) else None
            if isinstance(piece, ChatPiece) and piece.answer is not None:
                yield from call.stop()
                yield from report(_chat_event(call, piece.answer))
            outcome = yield effect
    except StopIteration:
        return
    finally:
        flow.close()


@dataclass
class _Call:
    """A chat turn, a search or an extraction under way."""

    kind: str
    processor: str
    """What its price depends on: `chat:` and a model, `search:` and a mode, or `extract`."""
    ids: dict[str, Any]
    """Those that it continues from."""
    began: float = 0.0
    seconds: float | None = None

    @property
    def _fields(self) -> dict[str, Any]:
        return {"kind": self.kind, "processor": self.processor}

    def stop(self) -> Flow[None]:
        """Note how long it took."""
        self.seconds = round((yield from now()) - self.began, 3)

    def start_event(self, price_usd: float | None) -> TelemetryEvent:
        """It is about to be sent."""
        return TelemetryEvent("requested", {**self._fields, **self.ids, "price_usd": price_usd})

    def answer_event(self, ids: Mapping[str, Any], cost_usd: float | None) -> TelemetryEvent:
        """It has its answer."""
        paid = {"cost_usd": cost_usd, "seconds": self.seconds}
        return TelemetryEvent("answered", {**self._fields, **ids, **paid})

    def failure_event(self, error: ParallelError) -> TelemetryEvent:
        """It has none; it may have been billed, or not."""
        fields = {**self._fields, "error": type(error).__name__, "seconds": self.seconds}
        return TelemetryEvent("unanswered" if error.billed is False else "doubtful", fields)


def _report_call(flow: Flow[AnswerT], call: _Call, price_usd: float | None) -> Flow[AnswerT]:
    """The flow, which tells that the call was sent, and that it has no answer if it has none."""
    yield from report(call.start_event(price_usd))
    call.began = yield from now()
    try:
        answer = yield from flow
    except ParallelError as error:
        yield from call.stop()
        yield from report(call.failure_event(error))
        raise
    if call.seconds is None:
        yield from call.stop()
    return answer


def _chat(asked: ChatCall) -> _Call:
    ids = {"previous_interaction_id": asked.previous_interaction_id}
    return _Call("chat", CHAT_PREFIX + asked.model, ids)


def _chat_event(call: _Call, answer: ChatAnswer) -> TelemetryEvent:
    return call.answer_event({"interaction_id": answer.interaction_id}, answer.cost_usd)
