"""One exchange over httpx: what has left, when it is over, and what its errors mean.

Rules: a request counts as not sent only where that is proven. And an exchange is over after a time that
counts from its start: a server that sends a byte now and then would otherwise hold a call for as long as it
likes, because httpx limits each read, and not the sum of them.
"""

from __future__ import annotations

import errno
import math
import os
import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import anyio
import httpcore
import httpx

from .._core.effects import NoResponse
from .._core.hidden import HiddenBytes
from .handles import ALLOWANCE
from .logs import hide_secrets, show_secrets

# The first call would load these, when no file handle may be free.
_LOADED = [
    import_module(name)
    for name in ("anyio._backends._asyncio", "concurrent.futures.thread", "encodings.idna")
]

TRANSPORT_ERRORS = (
    httpx.HTTPError,
    httpx.InvalidURL,
    httpx.StreamError,
    anyio.BrokenResourceError,
    anyio.ClosedResourceError,
    OSError,  # no certificates, no file handle
    ImportError,  # no `socksio` for a proxy
    ValueError,  # a proxy or a name that cannot be one; UnicodeError
    RuntimeError,  # closed meanwhile
)
"""All that httpx, its sockets and a caller's transport are known to raise."""
# Of these only some prove by themselves that no byte of the request has left.
_NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)
_LEAVING = ("send_request_headers.started", "send_request_body.started")
"""A server cannot act on headers without the body that they announce."""
_OF_PROCESS, _OF_MACHINE = (
    "Raise the limit of open files (`ulimit -n`), or ask less at once; then call again.",
    "The machine has none left for any process: end some of them, or ask less at once; then call again.",
)
_CURES: Mapping[int, str] = {
    errno.EMFILE: _OF_PROCESS,
    errno.ENFILE: _OF_MACHINE,
    errno.ENOBUFS: _OF_MACHINE,
    errno.ENOMEM: _OF_MACHINE,
}
"""What to do about what a machine may lack for a moment."""
_LONGEST_CHAIN = 10
"""Errors that stand behind one another."""
DRAIN_SECONDS = 0.25
DRAIN_BYTES = 65_536
"""What may follow the last event of a stream; it is read, so that the connection can be used again."""
_PIECE = 65_536
"""Bytes written at a time, so that a server that reads slowly is noticed."""


class TooLate(Exception):
    """What allowed a request to be sent is out of date, and no server can act on what has left of it."""


@dataclass(eq=False)
class Exchange:
    """One exchange, which may take `seconds`, after up to `queue_seconds` of waiting for a connection."""

    seconds: float
    queue_seconds: float = 0.0
    was_sent: bool = False
    """Some of the request may have left."""
    ends: float = field(init=False)
    """When it is over, on the system's monotonic clock."""
    may_leave: Callable[[], bool] = lambda: True
    """Whether the request may still leave. Asked right before its first bytes: to wait for a connection and
    to connect may take long, and a process may be suspended meanwhile."""
    secrets: Callable[[], Sequence[str]] = tuple
    """What no log of it may show."""
    extensions: dict[str, Any] = field(default_factory=dict)
    """Those of its request at httpx. `read_seconds`, which changes with each read, is how long that may take:
    a transport with a clock of its own has nothing else to know it by.
    """
    is_sent_once: bool = False
    """Its httpx client was made here, and sends it no second time: not after a challenge, nor elsewhere."""
    _has_begun: bool = False
    _sending: bool = False
    """httpx was given the request."""
    _scope: anyio.CancelScope | None = None

    def __post_init__(self) -> None:
        self.ends = time.monotonic() + self.seconds + self.queue_seconds

    @property
    def seconds_left(self) -> float:
        """Seconds until it is over."""
        return self.ends - time.monotonic()

    def extend(self, most: float = math.inf) -> None:
        """Let it take as long again, from now, and `most` seconds at the most."""
        seconds = min(self.seconds, most)
        self.extensions["read_seconds"] = most
        self.ends = time.monotonic() + seconds
        if self._scope is not None:
            self._scope.deadline = anyio.current_time() + seconds

    def sending(self) -> None:
        """Note that httpx is given the request: from here on any error may come after it was sent."""
        self._sending = True
        self._check_in_time()

    def _check_in_time(self) -> None:
        if not self.may_leave():
            raise TooLate

    def trace(self, event: str, info: dict[str, Any]) -> None:
        """What httpcore reports of its work (httpx's extension `trace`)."""
        if not self._has_begun:
            self._has_begun = True
            self.extend()
        request = info.get("request")
        if getattr(request, "method", b"") == b"CONNECT":  # to a proxy: the request itself waits
            return
        if event.endswith(_LEAVING):
            self._check_in_time()
            self.was_sent = True
            if self.is_sent_once and event.endswith(_LEAVING[-1]):
                # What httpcore reports from here on says nothing new, and to hear of it takes time.
                self.extensions.pop("trace", None)

    async def atrace(self, event: str, info: dict[str, Any]) -> None:
        """As `trace`, for asynchronous clients."""
        self.trace(event, info)

    def bound(self) -> _Bound:
        """Let the sockets of `bound_sockets` keep to this exchange's time, and no log show its secrets."""
        return _Bound(self)

    def in_time(self) -> anyio.CancelScope:
        """Cancel what is going on inside once this exchange is over."""
        self._scope = anyio.CancelScope(deadline=anyio.current_time() + self.seconds_left)
        return self._scope

    def over(self) -> NoResponse:
        """The outcome of an exchange that took too long."""
        return NoResponse(
            sent=self._may_have_left(None), reason=f"not over after {self.seconds:.0f} s"
        )

    def outcome(self, error: BaseException) -> NoResponse:
        """The outcome of an exchange that ended in this error."""
        if not self._sending:
            return _refuse_request(error)
        name, why, cure = type(error).__name__, _system_words(error), _cure(error)
        is_httpx = isinstance(error, httpx.HTTPError)
        return NoResponse(
            sent=self._may_have_left(error),
            reason=f"{name}: {why}" if why else name,
            advice="" if is_httpx or cure or isinstance(error, OSError) else _UNFIT,
            cure=cure,
        )

    def _may_have_left(self, error: BaseException | None) -> bool:
        if not self._sending:
            return False
        # httpcore reports each step; a transport that reports none may have done anything.
        return self.was_sent or not (self._has_begun or isinstance(error, _NEVER_SENT))


class _Bound:
    """A class, because it is entered for each piece of a body, and a generator takes three times as long."""

    __slots__ = ("_current", "_exchange", "_hidden")

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def __enter__(self) -> None:
        self._current = _CURRENT.set(self._exchange)
        self._hidden = hide_secrets(self._exchange.secrets)

    def __exit__(self, *_: object) -> None:
        show_secrets(self._hidden)
        _CURRENT.reset(self._current)


_UNFIT = "Check `base_url`, the proxies, and the `http_client` or `transport` given."
_CURRENT: ContextVar[Exchange | None] = ContextVar("langchain_parallel exchange", default=None)


def _refuse_request(error: BaseException) -> NoResponse:
    """The outcome where no httpx client could be made, or no request with it: mostly a setting is wrong."""
    why, cure = _system_words(error), _cure(error)
    if cure:
        return NoResponse(sent=False, reason=why, cure=cure)
    if isinstance(error, ImportError):
        reason = "the proxy is a SOCKS proxy, and the package `socksio` is missing"
        advice = f"Run `pip install 'httpx[socks]'`, or unset {_PROXY_NAMES}."
    elif isinstance(error, OSError):
        reason, advice = f"the certificates cannot be read: {why}", _CERTIFICATES
    else:
        reason = f"no request can be made with these settings: {type(error).__name__}"
        advice = f"Check {_PROXY_NAMES} and NO_PROXY (which takes no IPv6 network), and `base_url`."
    return NoResponse(sent=False, reason=reason, advice=advice)


_PROXY_NAMES = "HTTP_PROXY, HTTPS_PROXY and ALL_PROXY"
_CERTIFICATES = "Check the files that SSL_CERT_FILE and SSL_CERT_DIR name."


def _system_words(error: BaseException) -> str:
    """What the operating system said, if it was asked: it repeats nothing that was sent."""
    one = _system_error(error)
    if isinstance(one, ssl.SSLError | socket.gaierror):
        return str(one.strerror or "")
    return os.strerror(one.errno) if one is not None and one.errno else ""


def _system_error(error: BaseException) -> OSError | None:
    """The error of the operating system that this one comes from."""
    one: BaseException | None = error if isinstance(error, OSError | httpx.NetworkError) else None
    for _ in range(_LONGEST_CHAIN):
        if one is None:
            break
        if isinstance(one, OSError) and (one.errno or isinstance(one, ssl.SSLError)):
            return one
        inside = getattr(one, "exceptions", ())
        one = inside[0] if inside else one.__cause__ or one.__context__
    return None


def _cure(error: BaseException) -> str:
    """What to do if the machine lacks something for the moment; empty if that is not why."""
    one = _system_error(error)
    # The numbers of these two are others.
    is_of_system = one is not None and not isinstance(one, ssl.SSLError | socket.gaierror)
    cure = _CURES.get(one.errno or 0, "") if one is not None and is_of_system else ""
    if cure:
        ALLOWANCE.measure_again()
    return cure


# --- sockets that know when their exchange is over ------------------------------------------------


def bound_sockets(http: httpx.Client) -> None:
    """Let the sockets of an httpx client made here keep to the time of the exchange they serve.

    httpx does not pass on httpcore's `network_backend`, so it is set where httpx keeps it; a test fails
    should that be renamed. A caller's own client is left as it is.
    """
    for transport in (http._transport, *http._mounts.values()):
        pool: Any = getattr(transport, "_pool", None)
        backend = getattr(pool, "_network_backend", None)
        if isinstance(backend, httpcore.NetworkBackend) and not isinstance(backend, _Backend):
            pool._network_backend = _Backend(backend)


def _seconds_left(timeout: float | None, late: type[Exception]) -> float | None:
    exchange = _CURRENT.get()
    if exchange is None:
        return timeout
    left = exchange.seconds_left
    if left <= 0:
        raise late(f"not over after {exchange.seconds:.0f} s")
    return left if timeout is None else min(timeout, left)


class _Backend(httpcore.NetworkBackend):
    def __init__(self, inner: httpcore.NetworkBackend) -> None:
        self._inner = inner

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *args: Any, **kwargs: Any
    ) -> httpcore.NetworkStream:
        timeout = _seconds_left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.connect_tcp(host, port, timeout, *args, **kwargs))

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, *args: Any, **kwargs: Any
    ) -> httpcore.NetworkStream:
        timeout = _seconds_left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.connect_unix_socket(path, timeout, *args, **kwargs))

    def sleep(self, seconds: float) -> None:
        self._inner.sleep(seconds)


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _seconds_left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        buffer = HiddenBytes(buffer)  # the key is in it
        for start in range(0, len(buffer), _PIECE):
            is_whole = len(buffer) <= _PIECE
            piece = buffer if is_whole else HiddenBytes(buffer[start : start + _PIECE])
            self._inner.write(piece, _seconds_left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        timeout = _seconds_left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
