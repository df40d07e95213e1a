"""The file of a recording: one exchange with the API a line, as JSON.

Rule: an exchange is written when it is over, at once and as a whole. So what a killed program has recorded
can be read; only the line that was being written is lost.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import InvalidRequest

VERSION = 1
_KIND = "langchain-parallel recording"


class Cassette:
    """A recording that is being made. One that is there already is continued."""

    def __init__(self, path: str | Path) -> None:
        self.path: Path = Path(path)
        self._guard = threading.Lock()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        kept = self._whole_lines()
        if not kept:
            self.add({"kind": _KIND, "version": VERSION})

    def _whole_lines(self) -> bytes:
        """What is there, without a last line that was cut off, which goes."""
        if not self.path.exists():
            return b""
        there = self.path.read_bytes()
        kept = there[: there.rfind(b"\n") + 1]
        if kept:
            exchanges(self.path)  # what is no recording stays as it is
        if kept != there:
            with self.path.open("r+b") as file:
                file.truncate(len(kept))
        return kept

    def add(self, exchange: Mapping[str, Any]) -> None:
        """Append one line."""
        line = json.dumps(exchange, ensure_ascii=False) + "\n"
        with self._guard, self.path.open("ab", buffering=0) as file:
            file.write(line.encode("utf-8", "surrogatepass"))


def exchanges(path: str | Path) -> list[dict[str, Any]]:
    """What a recording has, oldest first, without a last line that was cut off.

    Raises:
        OSError: There is no such file.
        InvalidRequest: It is no recording, or a line of it is not JSON.
    """
    file = Path(path)
    *lines, _ = file.read_bytes().split(b"\n")
    read = []
    for number, line in enumerate(lines, 1):
        try:
            read.append(json.loads(line.decode("utf-8", "surrogatepass")))
        except ValueError:
            raise InvalidRequest([f"{file}: line {number} is not JSON."]) from None
    if not read or not isinstance(read[0], dict) or read[0].get("kind") != _KIND:
        raise InvalidRequest([f"{file} is no recording; `recording_client` makes one."])
    if read[0].get("version") != VERSION:
        raise InvalidRequest(
            [f"{file} has version {read[0].get('version')!r:.20}; {VERSION} can be read."]
        )
    return read[1:]
