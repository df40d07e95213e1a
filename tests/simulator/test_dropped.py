"""A connection that is dropped in the moment in which it is accepted leaves no socket behind."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from langchain_parallel.simulator import Simulator, serve


@pytest.mark.parametrize("when", ["dropped", "over"])
def test_a_connection_that_never_began_is_closed(when: str) -> None:
    closed = threading.Event()
    writer: Any = SimpleNamespace(transport=SimpleNamespace(abort=closed.set))
    reader: Any = None
    with serve(Simulator()) as server:

        def accept() -> None:
            server._is_over = when == "over"
            server._accept(reader, writer)
            server._cancel_connections()

        server._loop.call_soon_threadsafe(accept)
        assert closed.wait(5)
