"""The bytes of a response, decoded no further than they are wanted.

Rule: what a server sends may be a thousand times as long once it is decoded (9 kB of zstd became 1.16 GB).
So decoding stops at the client's `max_response_bytes`, piece by piece. httpx decodes at once what it has
read, so this module does it: only `gzip` and `deflate` are asked for, whose decoders can stop.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Iterable, Iterator

import httpx

from .. import errors

MAX_RESPONSE_BYTES = 64 * 1024 * 1024
ENCODINGS = "gzip, deflate"
"""What the client accepts (`Accept-Encoding`)."""

_PIECE = 64 * 1024
"""Bytes that are decoded at a time."""
_GZIP, _ZLIB, _RAW = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS


class BodyTooLarge(httpx.DecodingError):
    """A body is longer than `limit` bytes, decoded."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"more than {limit:,} bytes")
        self.limit = limit


def check_limit(limit: object) -> int:
    """A number of bytes.

    Raises:
        InvalidRequest: It is none.
    """
    if type(limit) is not int or limit < 1:
        raise errors.InvalidRequest(
            [f"max_response_bytes is {limit!r:.50}; give a whole number of bytes, from 1 up."]
        )
    return limit


def chunks(response: httpx.Response, limit: int) -> Iterator[bytes]:
    """The body of an open response, decoded.

    Raises:
        BodyTooLarge: It is longer than `limit` bytes.
        DecodingError: It is not what its `Content-Encoding` says, or that was not asked for.
    """
    body = _Body(response, limit)
    if response.is_stream_consumed:  # a transport or hook of the caller's has read it
        yield from body.count_bytes([response.content])
        return
    for raw in response.iter_raw():
        yield from body.feed(raw)


async def achunks(response: httpx.Response, limit: int) -> AsyncIterator[bytes]:
    """As `chunks`."""
    body = _Body(response, limit)
    if response.is_stream_consumed:
        for piece in body.count_bytes([response.content]):
            yield piece
        return
    async for raw in response.aiter_raw():
        for piece in body.feed(raw):
            yield piece


class _Body:
    """Decodes and counts the bytes of one response."""

    def __init__(self, response: httpx.Response, limit: int) -> None:
        self._limit = limit
        self._count = 0
        names = response.headers.get("content-encoding", "").lower().split(",")
        encodings = [name for name in map(str.strip, names) if name not in {"", "identity"}]
        self._decoders = [_Decoder(name) for name in reversed(encodings)]
        if len(encodings) > 2:
            raise httpx.DecodingError("encoded more than twice")

    def feed(self, raw: bytes) -> Iterable[bytes]:
        """The pieces that these bytes complete."""
        if not self._decoders:
            return (raw,) if self._count_piece(raw) else ()
        pieces: Iterator[bytes] = iter([raw])
        for decoder in self._decoders:
            pieces = decoder.decode(pieces)
        return self.count_bytes(pieces)

    def count_bytes(self, pieces: Iterator[bytes] | list[bytes]) -> Iterator[bytes]:
        """The same pieces, while there are not too many bytes."""
        for piece in pieces:
            if self._count_piece(piece):
                yield piece

    def _count_piece(self, piece: bytes) -> bytes:
        self._count += len(piece)
        if self._count > self._limit:
            raise BodyTooLarge(self._limit)
        return piece


class _Decoder:
    """Decodes one encoding, a piece at a time."""

    def __init__(self, name: str) -> None:
        if name not in {"gzip", "x-gzip", "deflate"}:
            raise httpx.DecodingError(f"encoded as {name[:20]!r}, which was not asked for")
        self._is_gzip = name != "deflate"
        self._zlib = zlib.decompressobj(_GZIP if self._is_gzip else _ZLIB)
        self._has_begun = False

    def decode(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """The decoded pieces.

        Raises:
            DecodingError: The bytes are not of this encoding.
        """
        for piece in pieces:
            left = piece
            while left:
                decoded = self._decode(left)
                left = self._zlib.unconsumed_tail
                if self._zlib.eof:
                    left = self._zlib.unused_data
                    if not self._is_gzip or not left.startswith(b"\x1f\x8b"):
                        left = b""  # what follows is no other member
                    self._zlib = zlib.decompressobj(_GZIP) if left else self._zlib
                yield decoded

    def _decode(self, data: bytes) -> bytes:
        try:
            decoded = self._zlib.decompress(data, _PIECE)
        except zlib.error as error:
            if self._has_begun or self._is_gzip:
                raise httpx.DecodingError(str(error)) from error
            self._has_begun, self._zlib = True, zlib.decompressobj(_RAW)  # some servers' `deflate`
            return self._decode(data)
        self._has_begun = True
        return decoded
