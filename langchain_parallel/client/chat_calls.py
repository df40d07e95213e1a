"""A turn of a chat as both clients are given it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._core import chat_request
from .._core.chat_request import ChatCall, ChatMessages
from .._core.hidden import hide
from ..models import SchemaLike
from .client_settings import Settings
from .request_warnings import warn

CHAT_MODEL = "lite"
"""The cheapest model whose answers have evidence; `speed` costs the same, and has none."""
CHAT_SECONDS = 600.0
"""Twice the longest time that a turn of `core` is said to take."""


def checked_call(
    settings: Settings,
    messages: ChatMessages,
    *,
    model: str,
    previous_interaction_id: str | None,
    response_format: Mapping[str, Any] | None,
    output_schema: SchemaLike | None,
    timeout: float,
    extra_body: dict[str, Any] | None,
    strict: bool | None,
    stream: bool,
) -> ChatCall:
    """Check a turn, and warn of the documentation's rules that it breaks.

    Raises:
        InvalidRequest: It cannot be sent, or breaks a rule and is `strict`.
    """
    extra_body = hide(extra_body)
    call, found = chat_request.build(
        messages,
        model=model,
        previous_interaction_id=previous_interaction_id,
        response_format=response_format,
        output_schema=output_schema,
        timeout=timeout,
        extra_body=extra_body,
        stream=stream,
        strict=settings.strict if strict is None else strict,
    )
    settings.secrets.register(call.request.secrets)
    warn(found)
    return call
