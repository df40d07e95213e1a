"""One turn of a chat: sent at most once, and read as leniently as what is paid for deserves.

Rule: the API keeps no answer of a chat. So nothing is sent again once a byte may have left (`retry.py`), and
where the outcome is unknown, or a stream breaks off, the error has all that arrived.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from .. import errors
from ..models import ChatAnswer, ChatPiece, TaskRunWarning
from ..processors import CHAT_PRICE_NOTE, chat_price_usd
from . import operations, payloads, responses
from .chat_request import ChatCall
from .effects import Flow, NoResponse, Outcome, StreamEnded, emit, now, open_stream, read_chunk
from .plain_text import one_line, quote_text
from .retry import RetryPolicy
from .sse import ServerSentEvent, SSEDecoder

_DONE = "[DONE]"
_EMPTY = "The answer holds no text."
_NO_END = "The stream ended without [DONE]: the answer may not be whole."
_UNREADABLE = "A piece of the stream could not be read, and is missing."


def complete(call: ChatCall, policy: RetryPolicy) -> Flow[ChatAnswer]:
    """The answer to one turn."""
    outcome = yield from operations.exchange(call.request, policy)
    if isinstance(outcome, NoResponse) or not 200 <= outcome.status < 300:
        _fail(call, outcome)
    return _read_whole(call, outcome.body)


def stream(call: ChatCall, policy: RetryPolicy) -> Flow[None]:
    """Emit the pieces of an answer, and last the whole answer."""
    head = yield from operations.exchange(call.request, policy, perform=open_stream)
    if isinstance(head, NoResponse) or not 200 <= head.status < 300:
        _fail(call, head)
    if "json" in head.headers.get("content-type", ""):
        answer = _read_whole(call, (yield from _read_body(call)))
        yield from emit(ChatPiece(text=answer.content))
        yield from emit(ChatPiece(answer=answer))
        return
    reader, body = _Reader(), _Body(call.request.total)
    while not (reader.is_done or reader.fault):
        chunk = yield from body.read()
        for text in reader.feed(chunk) if isinstance(chunk, bytes) else reader.end(chunk):
            yield from emit(ChatPiece(text=text))
        if not isinstance(chunk, bytes):
            break
    if reader.fault is not None:
        _fail(call, reader.fault, reader)
    yield from emit(ChatPiece(answer=reader.answer(call)))


def _read_body(call: ChatCall) -> Flow[bytes]:
    """The body of an open stream that turns out to be none."""
    body, seen = _Body(call.request.total), bytearray()
    while isinstance(chunk := (yield from body.read()), bytes):
        seen += chunk
    if isinstance(chunk, NoResponse):
        _fail(call, chunk, seen)
    return bytes(seen)


class _Body:
    """The body of an open stream, which is waited for `seconds` in all.

    Only waiting counts: who takes time over a piece must not lose the next ones.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = self._left = seconds

    def read(self) -> Flow[bytes | StreamEnded | NoResponse]:
        """The next bytes."""
        if self._left < 0:
            return NoResponse(sent=True, reason=f"not over after {self._seconds:.0f} s")
        began = yield from now()
        chunk = yield from read_chunk()
        self._left -= (yield from now()) - began
        return chunk


class _Reader:
    """Puts an answer together from the events of a stream."""

    def __init__(self) -> None:
        self.is_done = False
        self.fault: NoResponse | None = None
        """Why there is no whole answer."""
        self.interaction_id: str | None = None
        self._decoder = SSEDecoder()
        self._texts: list[str] = []
        self._last: dict[str, Any] = {}
        """The last value of each field that is not empty: where they come is not documented."""
        self._warnings: list[str] = []

    @property
    def text(self) -> str:
        """The answer's text so far."""
        return "".join(self._texts)

    def feed(self, chunk: bytes) -> Iterator[str]:
        """The pieces of text that a chunk completes."""
        return self._take(self._decoder.feed(chunk))

    def _take(self, events: list[ServerSentEvent]) -> Iterator[str]:
        for event in events:
            if event.data.strip() == _DONE:
                self.is_done = True
                return
            text = self._read(event.event, event.data)
            if self.fault is not None:
                return
            if text:
                self._texts.append(text)
                yield text

    def _read(self, kind: str, data: str) -> str:
        try:
            value, changes = payloads.storable(payloads.parse(data))
        except ValueError:
            if data.startswith("{"):  # what is not even the start of an object is a heartbeat
                self._warn(_UNREADABLE)
            value, changes = payloads.storable(data)
        is_object = isinstance(value, dict)
        if kind == "error" or (is_object and value.get("error")):
            self.fault = NoResponse(sent=True, reason=_report(value))
            return ""
        if not is_object:
            return ""
        for remark in payloads.remarks(changes):
            self._warn(remark)
        filled = {name: v for name, v in value.items() if v not in (None, "", [], {})}
        self._last.update(filled)
        self.interaction_id = _id(filled.get("interaction_id")) or self.interaction_id
        return _text_of(value) or ""

    def end(self, outcome: StreamEnded | NoResponse) -> Iterator[str]:
        """Note that no more will come; the text of an event whose blank line alone is missing."""
        is_cut = self._decoder.pending
        for event in self._decoder.feed(b"\n\n") if is_cut else []:
            if _is_whole(event.data):
                is_cut = False
                yield from self._take([event])
        if self.is_done or self.fault is not None:
            return
        if isinstance(outcome, NoResponse):
            self.fault = outcome
        elif is_cut:
            self.fault = NoResponse(sent=True, reason="the stream broke off")
        elif not self._last:
            self.fault = NoResponse(sent=True, reason="no answer in the stream", malformed=True)
        self._warn(_NO_END)

    def _warn(self, remark: str) -> None:
        if remark not in self._warnings:
            self._warnings.append(remark)

    def answer(self, call: ChatCall) -> ChatAnswer:
        """The whole answer."""
        return _answer(call, self.text, self._last, self._warnings)


def _is_whole(data: str) -> bool:
    """Whether the data of an event is not cut off."""
    try:
        payloads.parse(data)
    except ValueError:
        return data.strip() == _DONE
    return True


def _read_whole(call: ChatCall, body: bytes) -> ChatAnswer:
    try:
        value = payloads.parse(body)
    except ValueError:
        _fail(call, NoResponse(sent=True, reason="it is not JSON", malformed=True), body)
    text = _text_of(value) if isinstance(value, dict) else None
    if text is None:
        is_error = isinstance(value, dict) and value.get("error")
        why = _report(value) if is_error else "it holds no message"
        named = value.get("interaction_id") if isinstance(value, dict) else None
        _fail(call, NoResponse(sent=True, reason=why, malformed=True), body, named)
    return _answer(call, text, value, [])


def _report(value: Any) -> str:
    """What the server says in the place of an answer."""
    said = responses.error_message(value if isinstance(value, dict) else {"error": value})
    return f"the server reports: {quote_text(said, 300)}"


def _text_of(value: Mapping[str, Any]) -> str | None:
    """The text of a completion or a chunk of one; empty if it has none, None if it is neither."""
    choices = value.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(first, dict):
        return None
    content = first.get("message") or first.get("delta") or first
    if isinstance(content, dict):  # OpenAI has a text of its own for what a model refuses
        said = [content.get(name) for name in ("content", "text", "refusal")]
        content = next((each for each in said if each is not None), None)
    if isinstance(content, list):  # OpenAI's parts
        parts = [part.get("text") if isinstance(part, dict) else part for part in content]
        content = "".join(str(part) for part in parts if part is not None)
    if content is None or isinstance(content, str):
        return content or ""
    return json.dumps(content, ensure_ascii=False)


def _answer(call: ChatCall, text: str, value: Mapping[str, Any], warnings: list[str]) -> ChatAnswer:
    created = value.get("created")
    fields = {
        "content": text,
        "model": value.get("model") or call.model,
        "created": created if type(created) is int else None,
        "interaction_id": _id(value.get("interaction_id")),
        "basis": value.get("basis"),
    }
    if not isinstance(fields["model"], str):
        fields["model"] = call.model
    answer, changes = payloads.fit(ChatAnswer, fields)
    told = [*warnings, *([] if text.strip() else [_EMPTY]), *payloads.remarks(changes)]
    price = chat_price_usd(call.model)
    return answer.model_copy(
        update={
            "cost_usd": price,
            "cost_note": CHAT_PRICE_NOTE if price is not None else "",
            "warnings": tuple(TaskRunWarning(message=each) for each in told),
        }
    )


def _id(named: object) -> str | None:
    """An interaction to continue from; None if it is none."""
    is_id = isinstance(named, str | int) and not isinstance(named, bool)
    return str(named).strip() or None if is_id else None


def _fail(
    call: ChatCall,
    outcome: Outcome,
    seen: _Reader | bytes | bytearray | None = None,
    named: object = None,
) -> NoReturn:
    """Raise the error of an outcome: of one that may have been paid for, with all that arrived."""
    error = responses.failure(call.request, outcome)
    if error.billed is False and seen is None:
        raise error
    happened, text = error.message, ""
    if isinstance(seen, _Reader):
        text, named = seen.text, seen.interaction_id
        why = one_line(outcome.reason) if isinstance(outcome, NoResponse) else ""
        happened = f"The answer broke off after {len(text):,} characters ({why})."
    elif seen is not None:
        text = seen.decode("utf-8", "replace")
    price = chat_price_usd(call.model)
    cost = "at an unknown price" if price is None else f"for ${price:g}, by the list price"
    raise errors.ChatAnswerLost(
        f"{happened} The turn may have been answered and billed {cost}.",
        hint=responses.CHAT_LOST,
        cost_usd=price,
        partial_text=text,
        interaction_id=_id(named),
    ) from error
