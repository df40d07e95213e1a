"""The settings of both clients, and how a request of the core becomes one of httpx."""

from __future__ import annotations

import math
import os
import random
import time
import uuid
import warnings
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib import metadata
from typing import NoReturn, Protocol
from urllib.parse import urlencode

import anyio
import httpx
from pydantic import SecretStr
from typing_extensions import Self

from .. import errors
from .._core import limits
from .._core.effects import NoResponse, Request, Response, Sleep
from .._core.hidden import HiddenBytes, HiddenText, as_secret, hidden
from .._core.kinds import check_kinds, kind_of
from .._core.ledger.cache import LedgerCache
from .._core.ledger.identity import identity_mark
from .._core.ledger.lookup import PendingSubmission
from .._core.redaction import redact, secrets_of
from .._core.retry import RetryPolicy
from .._core.send_quota import RUNS_A_MINUTE
from .._core.urls import is_http, is_plain_to_others
from ..models import TaskRunInput
from .bodies import ENCODINGS, MAX_RESPONSE_BYTES, BodyTooLarge, check_limit
from .exchange import Exchange
from .known_secrets import KnownSecrets
from .request_warnings import warn
from .send_gates import Permit, account_of, gate_of

BASE_URL = "https://api.parallel.ai"
DEFAULT_TIMEOUT = 3600.0
"""Seconds that a `wait` lasts at the most by default."""

_CONNECT_SECONDS = 15.0
_POOL_SECONDS = 600.0
"""How long a call waits for a connection of the pool: long, but not for ever."""
_SHORTEST = 1.0
"""Seconds that an exchange may take after the caller's deadline has passed: the last look at a run."""
_TICK = 1.0
GRACE = 15.0
"""Seconds by which an answer may come later than a deadline: a poll that the server holds open needs them."""


class Clock(Protocol):
    """Time as the client sees it; tests pass one that they move by hand."""

    def monotonic(self) -> float:
        """Seconds since some moment."""

    def sleep(self, seconds: float) -> None:
        """Let time pass."""

    async def asleep(self, seconds: float) -> None:
        """Let time pass without blocking the event loop."""


class _SystemClock:
    monotonic = staticmethod(time.monotonic)
    sleep = staticmethod(time.sleep)
    asleep = staticmethod(anyio.sleep)


@dataclass(frozen=True)
class Settings:
    """The settings of a client, and what it has learned; shared with its counterpart."""

    api_key: SecretStr
    base_url: str
    policy: RetryPolicy
    clock: Clock
    allow_unknown_processor: bool
    max_response_bytes: int = MAX_RESPONSE_BYTES
    strict: bool = False
    runs_per_minute: int = RUNS_A_MINUTE

    cache: LedgerCache = field(default_factory=lambda: LedgerCache(uuid.uuid4().hex), repr=False)
    """What `submit` has read of its ledgers."""
    secrets: KnownSecrets = field(default_factory=KnownSecrets, repr=False)
    """Texts that are removed from responses and errors."""

    def check(self, *runs: TaskRunInput) -> list[TaskRunInput]:
        """Check requests, warn of the documentation's rules that they break, and return them.

        Raises:
            InvalidRequest: One of them is no request, cannot be sent, or breaks a rule of a strict client.
        """
        for run in runs:
            if not isinstance(run, TaskRunInput):
                raise errors.InvalidRequest(
                    [f"request is {kind_of(run)}; build a TaskRunInput(input=…, processor=…)."]
                )
            found = limits.check(
                run, allow_unknown_processor=self.allow_unknown_processor, strict=self.strict
            )
            warn(found)
        self.secrets.register(secrets_of(runs))
        return list(runs)

    def pending(
        self, ledger_id: str, request: TaskRunInput, key: str, identity: str | None
    ) -> PendingSubmission:
        """A request on its way to a ledger, under its key."""
        self.secrets.register(secrets_of([request]))
        mark = identity_mark(request, identity)
        return PendingSubmission(ledger_id, key, request, self.policy, self.cache, mark)

    def with_key(self, api_key: SecretStr) -> Self:
        """The same for another account: nothing of what was learned but the secrets.

        Raises:
            MissingKey: The key is empty.
            InvalidRequest: It cannot be one.
        """
        text, secrets = checked_key(api_key), KnownSecrets()
        secrets.register([text, *self.secrets.all()])
        cache = LedgerCache(uuid.uuid4().hex)
        return replace(self, api_key=SecretStr(text), cache=cache, secrets=secrets)

    @property
    def tick(self) -> float:
        """Seconds after which one that waits for others looks at the clock, which tests move by hand."""
        return math.inf if isinstance(self.clock, _SystemClock) else _TICK

    @cached_property
    def _account(self) -> str:
        return account_of(self.api_key.get_secret_value(), self.base_url)

    def permit(self) -> Permit:
        """Leave to send one request that starts runs, to be waited for."""
        clock = None if isinstance(self.clock, _SystemClock) else self.clock
        return Permit(
            gate_of(self._account, clock),
            self.clock,
            self.runs_per_minute,
            self.policy.max_retry_after,
        )

    def exchange(
        self,
        http: httpx.Client | httpx.AsyncClient | None,
        request: Request,
        ends: float,
        total: float | None = None,
    ) -> Exchange:
        """An exchange that is over when `request` says, unless `total` is given, or at `ends` on the client's
        clock.

        `http` is the caller's own httpx client, whose connections others may use, too.
        """
        left = max(_SHORTEST, ends - self.clock.monotonic())
        seconds = request.total if total is None else total
        made = Exchange(min(seconds, left), 0.0 if http is None else _POOL_SECONDS)
        made.secrets = lambda: self.secrets.all(http)
        if (leaves_by := request.leaves_by) is not None:
            made.may_leave = lambda: self.clock.monotonic() <= leaves_by
        return made

    def request(
        self,
        http: httpx.Client | httpx.AsyncClient,
        request: Request,
        exchange: Exchange,
        *,
        is_own: bool,
    ) -> httpx.Request:
        """The core's request as one of httpx. `is_own`: `http` was made here, and adds nothing to it."""
        is_async = isinstance(http, httpx.AsyncClient)
        read, connect = request.timeout, _CONNECT_SECONDS
        extensions = {
            "timeout": {"connect": connect, "read": read, "write": read, "pool": _POOL_SECONDS},
            "trace": exchange.atrace if is_async else exchange.trace,
        }
        if is_own:
            # Made of its parts: httpx would merge headers and queries that nobody has set.
            url = self._url(request)
            made = httpx.Request(
                request.method,
                url,
                headers=self._all_headers(request, url),
                stream=httpx.ByteStream(request.body or b""),
                extensions=extensions,
            )
            made.read()  # a transport may look at its content
        else:
            made = http.build_request(
                request.method,
                self.base_url + request.path,
                params=dict(request.query) or None,
                content=request.body,
                headers=self._headers(request),
                extensions=extensions,
            )
        exchange.extensions, exchange.is_sent_once = made.extensions, is_own
        return made

    def _url(self, request: Request) -> httpx.URL:
        query = f"?{urlencode(request.query)}" if request.query else ""
        return httpx.URL(f"{self.base_url}{request.path}{query}")

    def _headers(self, request: Request) -> dict[str, str]:
        return {
            "x-api-key": self.api_key.get_secret_value(),
            "accept": "*/*",
            "user-agent": _USER_AGENT,
            "accept-encoding": ENCODINGS,
            **({"content-type": "application/json"} if request.body else {}),
            **request.headers,
        }

    def _all_headers(self, request: Request, url: httpx.URL) -> list[tuple[bytes, bytes]]:
        """All that are sent, as httpx would order them."""
        given = self._headers(request).items()
        raw = [(name.encode(), HiddenBytes(value.encode())) for name, value in given]
        size = [] if request.body is None else [(b"Content-Length", b"%d" % len(request.body))]
        return [(b"Host", url.netloc), *raw, *size]

    def response(
        self,
        received: httpx.Response,
        body: bytes = b"",
        http: httpx.Client | httpx.AsyncClient | None = None,
    ) -> Response:
        """A response of httpx as one of the core."""
        # Redacted before any text of an error is shortened: half a secret would no longer be found.
        if not received.is_success:
            body = redact(body.decode(errors="replace"), self.secrets.all(http)).encode()
        return Response(received.status_code, received.headers, body)

    def outcome(self, exchange: Exchange, error: BaseException) -> Response | NoResponse:
        """The outcome of a broken exchange; or the response for which a hook of the caller's own client
        raised, with the body if it was read.
        """
        if isinstance(error, BodyTooLarge):
            return NoResponse(sent=True, reason=str(error), malformed=True, limit=error.limit)
        if not isinstance(error, httpx.HTTPStatusError):
            return exchange.outcome(error)
        try:
            body = error.response.content
        except httpx.ResponseNotRead:
            body = b""
        return self.response(error.response, body)


class Uncopied:
    """Copied as itself, so that a tool or a graph that holds it can be copied; never pickled."""

    def __copy__(self) -> Self:
        """The client itself: copies share its connections."""
        return self

    def __deepcopy__(self, memo: object) -> Self:
        """The client itself."""
        return self

    def __getstate__(self) -> NoReturn:
        """Refuse: connections cannot be pickled, and the key must not be."""
        raise TypeError("A client cannot be pickled; make one in the process that uses it.")


def seconds(sleep: Sleep) -> float:
    """How long to sleep, with jitter."""
    return sleep.seconds + sleep.jitter * random.random()


def _user_agent() -> str:
    try:
        return f"langchain-parallel/{metadata.version('langchain-parallel')}"
    except metadata.PackageNotFoundError:  # run from a source tree
        return "langchain-parallel"


_USER_AGENT = _user_agent()


def settings(
    api_key: str | SecretStr | None,
    base_url: str | None,
    policy: RetryPolicy | None,
    clock: Clock | None,
    *,
    allow_unknown_processor: bool,
    max_response_bytes: int,
    strict: bool = False,
    runs_per_minute: int = RUNS_A_MINUTE,
) -> Settings:
    """Settings from a client's arguments, completed from the environment and checked.

    Raises:
        MissingKey: There is no key.
        InvalidRequest: The key or the address cannot be one, or an option is of another type.
    """
    check_kinds(
        {
            "api_key": (api_key, (str, SecretStr)),
            "base_url": (base_url, str),
            "retry_policy": (policy, RetryPolicy),
            "allow_unknown_processor": (allow_unknown_processor, bool),
            "strict": (strict, bool),
        }
    )
    if type(runs_per_minute) is not int or runs_per_minute < 1:
        raise errors.InvalidRequest(
            [f"runs_per_minute is {runs_per_minute!r:.50}; give a whole number from 1 up."]
        )
    api_key, base_url = as_secret(api_key), hidden(base_url)
    key = as_secret(os.environ.get("PARALLEL_API_KEY", "")) if api_key is None else api_key
    text = checked_key(key)
    url = HiddenText((base_url or os.environ.get("PARALLEL_BASE_URL") or BASE_URL).strip())
    _check_url(url)
    if is_plain_to_others(url):
        warnings.warn(
            "base_url is http://: anybody on the way can read the API key and the questions; use https://.",
            stacklevel=3,
        )
    secrets = KnownSecrets()
    secrets.register([text])
    return Settings(
        secrets=secrets,
        api_key=SecretStr(text),
        base_url=url.rstrip("/"),
        policy=policy or RetryPolicy(),
        clock=clock or _SystemClock(),
        allow_unknown_processor=allow_unknown_processor,
        max_response_bytes=check_limit(max_response_bytes),
        strict=strict,
        runs_per_minute=runs_per_minute,
    )


def checked_key(api_key: SecretStr) -> HiddenText:
    """The text of a key.

    Raises:
        MissingKey: It is empty.
        InvalidRequest: It cannot be one.
    """
    text = HiddenText(api_key.get_secret_value().strip())
    if not text:
        raise errors.MissingKey(
            "No Parallel API key was given.",
            hint="Set the environment variable PARALLEL_API_KEY, or pass `api_key=`; keys are made at "
            "https://platform.parallel.ai.",
        )
    if not (text.isascii() and text.isprintable()):
        raise errors.InvalidRequest(["The API key holds characters that no HTTP header may hold."])
    return text


def _check_url(url: str) -> None:
    """Raise InvalidRequest for a URL that cannot be a server's. The error does not repeat a login in it."""
    try:
        has_login, has_scheme = bool(httpx.URL(url).userinfo), bool(httpx.URL(url).scheme)
    except (httpx.InvalidURL, UnicodeError):
        has_login = has_scheme = False
    if has_login:
        raise errors.InvalidRequest(
            ["base_url holds a login; pass an `http_client` of your own with `auth=` instead."]
        )
    if not (has_scheme and is_http(url)) or "?" in url or "#" in url:
        shown = "" if "@" in url or "?" in url else f" {str(url)!r:.100}"
        raise errors.InvalidRequest(
            [f"base_url{shown} is not the HTTP address of a server; {BASE_URL} is the default."]
        )


def check_http(
    http_client: object, transport: object, client_kind: type, transport_kind: type
) -> None:
    """Raise InvalidRequest for an httpx object of the other kind, or one that would not be used."""
    if http_client is not None and transport is not None:
        raise errors.InvalidRequest(
            ["Both http_client and transport are given; the transport belongs into your client."]
        )
    for value, kind in ((http_client, client_kind), (transport, transport_kind)):
        if value is not None and not isinstance(value, kind):
            raise errors.InvalidRequest(
                [f"{type(value).__name__} is given; {kind.__name__} is needed."]
            )


def check_usable(http: httpx.Client | httpx.AsyncClient | None, refusal: str) -> None:
    """Raise InvalidRequest for a caller's httpx client that has been closed, and for a `refusal`.

    Checked before a flow begins: a failure inside it would make a paid request count as perhaps sent.
    """
    if refusal:
        raise errors.InvalidRequest([refusal])
    if http is not None and http.is_closed:
        raise errors.InvalidRequest(["The http_client given has been closed; give an open one."])
