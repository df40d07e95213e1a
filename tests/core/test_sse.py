from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_parallel._core.sse import ServerSentEvent, SSEDecoder

from .helpers import cut

LINE_ENDS = ("\n", "\r\n", "\r")
WORDS = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=20)


@st.composite
def streams(draw: st.DrawFn) -> tuple[bytes, list[ServerSentEvent]]:
    """A stream's bytes with any line ends, comments and fields, and what it means."""
    end = draw(st.sampled_from(LINE_ENDS))
    text, expected, last_id = draw(st.sampled_from(["", "\ufeff"])), [], None
    for _ in range(draw(st.integers(0, 4))):
        name, data = draw(WORDS), draw(st.lists(WORDS, max_size=3))
        if draw(st.booleans()):
            last_id = draw(WORDS)
            text += f"id: {last_id}{end}"
        text += f": heartbeat{end}event: {name}{end}retry: 5{end}unheard: of{end}"
        text += "".join(f"data: {line}{end}" for line in data) + end
        if data:
            expected.append(ServerSentEvent(name or "message", "\n".join(data), last_id))
    return text.encode(), expected


@given(streams(), st.lists(st.integers(0, 600), max_size=12))
def test_a_stream_cut_at_any_byte_means_the_same(
    stream: tuple[bytes, list[ServerSentEvent]], places: list[int]
) -> None:
    data, expected = stream
    decoder = SSEDecoder()
    events = [event for piece in cut(data, places) for event in decoder.feed(piece)]
    assert events == expected
    assert not decoder.pending


@given(streams())
def test_byte_by_byte_means_the_same(stream: tuple[bytes, list[ServerSentEvent]]) -> None:
    data, expected = stream
    decoder = SSEDecoder()
    assert [e for byte in data for e in decoder.feed(bytes([byte]))] == expected


@given(st.lists(st.binary(max_size=30), max_size=10))
def test_no_bytes_break_the_decoder(chunks: list[bytes]) -> None:
    decoder = SSEDecoder()
    for chunk in chunks:
        decoder.feed(chunk)


@pytest.mark.parametrize("tail", [b"data: half", b"data: whole line\n", b"event: x\ndata: y\r\n"])
def test_what_is_cut_off_at_the_end_is_no_event(tail: bytes) -> None:
    decoder = SSEDecoder()
    assert [e.data for e in decoder.feed(b"data: one\n\n" + tail)] == ["one"]
    assert decoder.pending


def test_a_value_keeps_its_colons_and_all_but_one_leading_space() -> None:
    assert [e.data for e in SSEDecoder().feed(b"data:  a: b\ndata:c\ndata\n\n")] == [" a: b\nc\n"]


def test_an_id_with_a_nul_is_ignored() -> None:
    [event] = SSEDecoder().feed(b"id: 1\nid: 2\0\ndata: x\n\n")
    assert event.id == "1"


def test_a_long_line_in_many_chunks_costs_no_more_than_its_length() -> None:
    decoder, piece = SSEDecoder(), b"x" * 1000
    decoder.feed(b"data: ")
    for _ in range(20_000):  # 20 MB; when each chunk copied what was there, this took minutes
        decoder.feed(piece)
    [event] = decoder.feed(b"\n\n")
    assert len(event.data) == 20_000_000
