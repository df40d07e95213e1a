"""A port for a process that is told which one to use."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def reserved_port() -> Iterator[int]:
    """Reserve a port for a process that needs to know its port in advance.

    A socket that is bound but does not listen keeps the port: the kernel does not assign it as free, and
    (on Linux) a server can still bind it with `SO_REUSEADDR`.
    """
    with socket.socket() as reserving:
        reserving.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserving.bind(("127.0.0.1", 0))
        yield int(reserving.getsockname()[1])
