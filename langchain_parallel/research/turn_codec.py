"""Turns as a checkpoint has them: a large one compressed, as bytes, a small one as it is.

    [{"run_id": "trun_1", …}, zlib.compress(json.dumps({"run_id": "trun_2", …}).encode())]

Rule: what is read is what was written, also where a person or another program wrote it: a turn that JSON
would change stays as it is, and bytes that hold no turn stay bytes. Each turn is compressed on its own, so
that one that has ended is compressed once in its life; one that is written again is, too, for its writer may
have changed it in place. A list without bytes, as earlier versions wrote it, is read as that.
"""

from __future__ import annotations

import json
import zlib
from typing import Any

_LARGE = 1_000
"""Bytes of JSON from which a turn is compressed."""
_RATIO = 50
"""How many times as large as its bytes a turn may be. Text is 2 to 5 times as large; what is read of a forged
one is bounded by what is stored of it.
"""
_LEVEL = 4
"""Of zlib: in two thirds of the time of its own choice, and two hundredths larger."""
_PLAIN = (str, int, float, bool, type(None))
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


class TurnPacker:
    """Packs a session's turns, which are written in every step, and each of them once."""

    def __init__(self) -> None:
        self._packed: dict[int, tuple[Any, Any]] = {}
        """By `id`, a turn and what a checkpoint has of it."""

    def pack(self, turns: Any) -> Any:
        """Turns for a checkpoint; what is no list is returned as it is."""
        if not isinstance(turns, list):
            return turns
        known = self._packed
        self._packed = {id(one): known.get(id(one)) or (one, _pack_turn(one)) for one in turns}
        return [self._packed[id(one)][1] for one in turns]

    def forget(self, written: Any) -> None:
        """Pack the turns that are written anew; of what is no list, as `Overwrite`, all turns."""
        if not isinstance(written, list):
            self._packed = {}
            return
        for one in written:
            self._packed.pop(id(one), None)

    def unpack(self, kept: Any) -> Any:
        """The turns of a checkpoint; what is no list is returned as it is."""
        turns = unpack_turns(kept)
        if isinstance(turns, list):
            pairs = zip(turns, kept, strict=True)
            self._packed = {id(one): (one, row) for one, row in pairs if isinstance(row, bytes)}
        return turns


def unpack_turns(kept: Any) -> Any:
    """The turns of a checkpoint; what is no list is returned as it is."""
    return [_unpack_turn(row) for row in kept] if isinstance(kept, list) else kept


def _pack_turn(turn: Any) -> Any:
    try:
        text = _encode(turn).encode()
        if len(text) < _LARGE or type(turn) is not dict or not _is_json(turn):
            return turn
    except (TypeError, ValueError, RecursionError):  # what JSON has no words for, or UTF-8 no bytes
        return turn
    packed = zlib.compress(text, _LEVEL)
    return packed if len(text) < _RATIO * len(packed) else turn


def _is_json(value: Any) -> bool:
    """Whether JSON says all of a value, so that it is the same when it is read."""
    kind = type(value)
    if kind is dict:
        return all(type(name) is str for name in value) and all(map(_is_json, value.values()))
    return all(map(_is_json, value)) if kind is list else kind in _PLAIN


def _unpack_turn(row: Any) -> Any:
    if not isinstance(row, bytes):
        return row
    stream = zlib.decompressobj()
    try:
        text = stream.decompress(row, _RATIO * len(row))
        turn = json.loads(str(text, "utf-8")) if stream.eof and not stream.unused_data else None
    except (zlib.error, ValueError, RecursionError):  # made by another program
        return row
    return turn if isinstance(turn, dict) else row
