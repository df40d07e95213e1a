"""A real server for an ASGI application, on a thread of its own."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn


def until(condition: Callable[[], Any], seconds: float = 20.0) -> None:
    """Return as soon as this holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def listening() -> tuple[socket.socket, str]:
    """A socket that listens on a free port, and its URL."""
    made = socket.create_server(("127.0.0.1", 0), backlog=512)
    return made, f"http://127.0.0.1:{made.getsockname()[1]}"


@contextmanager
def served(app: Any, on: socket.socket) -> Iterator[None]:
    """Serve until left, then shut down gracefully."""
    config = uvicorn.Config(app, log_level="error", ws="none", lifespan="on")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([on],), daemon=True)
    thread.start()
    try:
        until(lambda: server.started)
        yield
    finally:
        server.should_exit = True
        thread.join(20)
        on.close()
