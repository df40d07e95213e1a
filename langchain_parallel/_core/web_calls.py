"""Search and Extract as flows: one request, whose answer is all that is paid for."""

from __future__ import annotations

from typing import TypeVar

from ..errors import ParallelError
from ..models import ExtractRequest, ExtractResponse, SearchRequest, SearchResponse
from . import responses, wire
from .effects import Flow, NoResponse, Outcome
from .operations import exchange
from .retry import RetryPolicy

AnswerT = TypeVar("AnswerT", SearchResponse, ExtractResponse)


def search(
    asked: SearchRequest, policy: RetryPolicy, *, timeout: float, resend_lost: bool
) -> Flow[SearchResponse]:
    """Search the web."""
    return (yield from _ask(asked, SearchResponse, policy, timeout, resend_lost))


def extract(
    asked: ExtractRequest, policy: RetryPolicy, *, timeout: float, resend_lost: bool
) -> Flow[ExtractResponse]:
    """Read pages."""
    return (yield from _ask(asked, ExtractResponse, policy, timeout, resend_lost))


def _ask(
    asked: SearchRequest | ExtractRequest,
    model: type[AnswerT],
    policy: RetryPolicy,
    timeout: float,
    resend_lost: bool,
) -> Flow[AnswerT]:
    request = wire.ask(asked, timeout=timeout, resend_lost=resend_lost)
    was_lost = False

    def note(outcome: Outcome) -> None:
        nonlocal was_lost
        was_lost = was_lost or (isinstance(outcome, NoResponse) and outcome.sent)

    outcome = yield from exchange(request, policy, note)
    try:
        answer = responses.decode(model, request, outcome)
    except ParallelError as error:
        if was_lost:  # whatever became of the last one, an earlier one may be billed
            error.billed, error.hint = None, request.if_lost
        raise
    return answer.model_copy(update={"sent_again": was_lost})
