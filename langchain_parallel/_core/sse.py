"""Bytes to server-sent events.

Rule: the decoder is fed and does not read. `SSEDecoder.feed` takes bytes cut anywhere, and returns the events
that they complete.
Format: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass

_UTF8 = codecs.getincrementaldecoder("utf-8-sig")
"""A stream may begin with a byte order mark. Looked up here, because later no file handle may be left."""


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One event: its type (`message` unless named), its data lines joined, and its id."""

    event: str
    data: str
    id: str | None = None


class SSEDecoder:
    """Collects lines until a blank line ends an event. An event that the stream cuts off is dropped."""

    def __init__(self) -> None:
        self._decode = _UTF8(errors="surrogateescape").decode
        self._rest: list[str] = []
        """Pieces of the line that has not ended; joined only once, so that a long line stays cheap."""
        self._after_cr = False
        self._event = ""
        self._data: list[str] = []
        self._id: str | None = None

    @property
    def pending(self) -> bool:
        """Whether an event has begun and not ended."""
        return bool(self._data or "".join(self._rest).strip())

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """The events that `chunk` completes."""
        text = self._decode(chunk)
        if not text:
            return []
        if self._after_cr:  # the LF of a CRLF that was cut in two ends no second line
            text = text.removeprefix("\n")
        self._after_cr = text.endswith("\r")
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        first, *others = text.split("\n")
        self._rest.append(first)
        if not others:
            return []
        lines = ["".join(self._rest), *others[:-1]]
        self._rest = [others[-1]]
        return [event for line in lines if (event := self._line(line))]

    def _line(self, line: str) -> ServerSentEvent | None:
        if not line:
            return self._dispatch()
        if line.startswith("data: "):  # nearly all of a stream, and so it is copied once only
            self._data.append(line[6:])
            return None
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value
        elif name == "id" and "\0" not in value:
            self._id = value
        return None

    def _dispatch(self) -> ServerSentEvent | None:
        event, data = self._event or "message", self._data
        self._event, self._data = "", []
        return ServerSentEvent(event, "\n".join(data), self._id) if data else None
