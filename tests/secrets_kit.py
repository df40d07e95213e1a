"""Recognisable secrets, and everything that could show one: logs, traces, errors, databases, requests."""

from __future__ import annotations

import fnmatch
import inspect
import json
import pickle
import traceback
import uuid
import warnings
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, urlsplit

import httpx
import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.tools import ToolException
from langchain_core.tracers import LangChainTracer
from langsmith import Client
from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_core import PydanticSerializationError

from langchain_parallel import AsyncParallelClient, ParallelClient
from langchain_parallel.client import pair_clients
from langchain_parallel.errors import ParallelError
from langchain_parallel.models import McpServer, Webhook
from langchain_parallel.simulator import ManualClock, Simulator, SimulatorTransport

How = Literal["sync", "async"]

# --- the secrets ----------------------------------------------------------------------------------

_MARK = "ZqXv"
_MARK_IN_BASE64 = "WnFYd"


def secret(name: str) -> str:
    """A secret by a name of two letters. Every piece of ten characters of it gives it away."""
    return "".join(f"{_MARK}{name}{i}" for i in range(4))


KEY = secret("ke")
TOKEN, HEADER, COOKIE = secret("to"), secret("he"), secret("co")
USER, PASSWORD, PATH, QUERY = secret("us"), secret("pw"), secret("pa"), secret("qu")
ODD = f"{secret('od')}/+ä"
"""Written in another way in a URL."""
URL_TOKEN = secret("ut")
LOGIN = secret("lo")
BASIC = b64encode(f"me:{LOGIN}".encode()).decode()
HOOK, SIGNATURE = secret("ho"), secret("si")
GATE, GATE_USER, GATE_PASSWORD, GATE_COOKIE = (secret(n) for n in ("ga", "gu", "gp", "gc"))
GATE_LOGIN = b64encode(f"{GATE_USER}:{GATE_PASSWORD}".encode()).decode()

URL = f"https://{USER}:{PASSWORD}@crm.example/{PATH}/sse?token={QUERY}&odd={quote(ODD, safe='')}"
SERVERS = (
    McpServer(
        url=URL,
        name="crm",
        headers={
            "Authorization": f"Bearer {TOKEN}",
            "X-Api-Key": SecretStr(HEADER),
            "Cookie": f"session={COOKIE}; lang=de",
        },
    ),
    McpServer(
        url=f"https://{URL_TOKEN}:x-oauth-basic@files.example/mcp",
        name="files",
        headers={"Authorization": f"Basic {BASIC}"},
    ),
)
WEBHOOK = Webhook(url=f"https://hooks.example/{HOOK}?sig={SIGNATURE}")

HEADERS_ECHO = f"{KEY}, Bearer {TOKEN}, {HEADER}, session={COOKIE}; lang=de, Basic {BASIC}"
ECHO = f"{HEADERS_ECHO}, {PASSWORD}, {PATH}, {QUERY}, {ODD}, {URL_TOKEN}:x-oauth-basic, {URL}"
"""The response of a server that repeats everything it was sent."""


_TESTS = Path(__file__).parent


def leaks(texts: Iterable[object]) -> list[str]:
    """Where one of the secrets stands in these texts, with what stands around it."""
    found = []
    for text in map(str, texts):
        places = [at for mark in (_MARK, _MARK_IN_BASE64) if (at := text.find(mark)) >= 0]
        found += [text[max(0, at - 100) : at + 60] for at in places[:1]]
    return found


# --- ways to write a thing down -------------------------------------------------------------------


def shown(thing: Any) -> Iterator[str]:
    """Every text that is made of a thing by who logs, prints, formats, dumps or pickles it."""
    yield from (repr(thing), str(thing), f"{thing}", repr(getattr(thing, "__dict__", "")))
    if isinstance(thing, BaseException):
        yield "".join(traceback.format_exception(thing))
        yield from (f"{one!r} {one} {one.args!r} {vars(one)!r}" for one in _chain(thing))
        yield from (text for one in _chain(thing) for text in _locals(one))
    # What cannot be dumped or pickled gets nowhere that way.
    with suppress(PydanticSerializationError):
        if isinstance(thing, BaseModel):
            yield from (repr(thing.model_dump()), repr(thing.model_dump(mode="json")))
            yield thing.model_dump_json()
    if isinstance(thing, ValidationError):
        yield from (repr(thing.errors()), thing.json())
    with suppress(TypeError, AttributeError, pickle.PicklingError):
        if not isinstance(thing, ValidationError):
            yield pickle.dumps(thing).decode("latin-1")


def _locals(error: BaseException) -> Iterator[str]:
    """The local variables of all frames but those of tests, as who reports an error writes them down."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        where = frame.f_code.co_filename
        if Path(where).is_relative_to(_TESTS):
            continue
        for name, value in dict(frame.f_locals).items():
            with suppress(Exception):  # the variable may not be whole
                yield f"{where}, {frame.f_code.co_name}: {name} = {value!r}"


def _chain(error: BaseException) -> list[BaseException]:
    """The error with all its causes and contexts, hidden ones too."""
    found: list[BaseException] = []
    left: list[BaseException | None] = [error]
    while left:
        one = left.pop()
        if one is not None and one not in found:
            found.append(one)
            left += [one.__cause__, one.__context__]
    return found


# --- who writes things down -----------------------------------------------------------------------


class Heard(BaseCallbackHandler):
    """Keeps all that LangChain tells a callback handler."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def _keep(self, *args: Any, **more: Any) -> None:
        self.texts += [text for value in (*args, *more.values()) for text in shown(value)]


for _name in [name for name in dir(BaseCallbackHandler) if name.startswith("on_")]:
    setattr(Heard, _name, Heard._keep)


class LangSmith:
    """Stands for LangSmith's server, behind its real tracer and client."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def request(self, method: str, url: str, **more: Any) -> Any:
        body = more.get("data") or b""
        self.texts.append(body.decode() if isinstance(body, bytes) else str(body))
        return httpx.Response(200, json={}, request=httpx.Request(method, url))

    def mount(self, *_: object) -> None: ...

    def close(self) -> None: ...

    def tracer(self) -> LangChainTracer:
        session: Any = self
        address = "http://langsmith.example"
        client = Client(address, api_key="of a test", session=session, auto_batch_tracing=False)
        return LangChainTracer(client=client, project_name="a test")


class Watch:
    """Whatever is written down while something runs."""

    def __init__(self, logs: pytest.LogCaptureFixture, prints: pytest.CaptureFixture[str]) -> None:
        self.name = uuid.uuid4().hex
        self.heard, self.langsmith = Heard(), LangSmith()
        self.raised: list[BaseException] = []
        self.warned: list[warnings.WarningMessage] = []
        self._logs, self._prints = logs, prints
        self._seen: list[str] = []

    def config(self, thread_id: str) -> Any:
        """A config with every listener, for a run on this LangGraph thread of ours."""
        return {
            "configurable": {"thread_id": f"{self.name} {thread_id}"},
            "callbacks": [self.heard, self.langsmith.tracer()],
            "metadata": {"who": "a test"},
        }

    def see(self, *things: object) -> None:
        """Write these down in every way."""
        self._seen += [text for thing in things for text in shown(thing)]

    async def attempt(self, call: Callable[[], Any]) -> Any:
        """What a call returns, awaited and listed; what it raises is seen."""
        try:
            value = call()
            if isinstance(value, AsyncIterator):
                value = [item async for item in value]
            elif isinstance(value, Iterator):
                value = list(value)
            elif inspect.isawaitable(value):
                value = await value
        except (ParallelError, ToolException) as error:
            self.raised.append(error)
            self.see(error)
            return None
        return value

    async def run(self, call: Callable[[], Any]) -> None:
        """Make a call and keep its result or error."""
        value = await self.attempt(call)
        self.see(*(value if isinstance(value, list) else [value]))

    @property
    def logged(self) -> list[str]:
        return [f"{r.getMessage()} {r.args!r} {r.__dict__!r}" for r in self._logs.records]

    def found(self) -> list[str]:
        """Where secrets stand in all of it."""
        printed = self._prints.readouterr()
        warned = [f"{w.message} {w!r}" for w in self.warned]
        told = [*self.heard.texts, *self.langsmith.texts]
        return leaks([*self._seen, *told, *self.logged, *warned, printed.out, printed.err])


# --- what is sent ---------------------------------------------------------------------------------


class Wire(SimulatorTransport):
    """The way to the simulator: keeps what is sent, and changes what the server says."""

    def __init__(self, simulator: Simulator) -> None:
        super().__init__(simulator)
        self.sent: list[httpx.Request] = []
        self.says: dict[str, str] = {}
        """Texts of the simulator, and what the server says instead; both as in JSON."""
        self.instead: list[tuple[str, str, Callable[[], httpx.Response]]] = []
        """Method and path, and what is answered there instead."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._taken(request) or self._changed(super().handle_request(request))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self._taken(request) or self._changed(await super().handle_async_request(request))

    def _taken(self, request: httpx.Request) -> httpx.Response | None:
        self.sent.append(request)
        for method, path, answer in self.instead:
            if request.method == method and fnmatch.fnmatch(request.url.path, path):
                return answer()
        return None

    def _changed(self, answer: httpx.Response) -> httpx.Response:
        answer.headers.pop("content-length", None)
        stream: Any = answer.stream
        return httpx.Response(
            answer.status_code, headers=answer.headers, stream=_Said(stream, self)
        )

    @property
    def asked(self) -> list[Any]:
        """Every run that was asked for, as it was sent."""
        bodies = [json.loads(request.content) for request in self.sent if _is_paid(request)]
        return [run for body in bodies for run in body.get("inputs", [body])]

    def misplaced(self) -> list[str]:
        """Secrets that were sent where they do not belong."""
        return leaks(text for request in self.sent for text in _outside(request))


class _Said(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body in which the server's own texts are exchanged."""

    def __init__(self, stream: Any, wire: Wire) -> None:
        self._stream, self._wire = stream, wire

    def __iter__(self) -> Iterator[bytes]:
        yield from map(self._said, self._stream)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            yield self._said(chunk)

    def _said(self, chunk: bytes) -> bytes:
        for text, other in self._wire.says.items():
            chunk = chunk.replace(text.encode(), other.encode())
        return chunk


def _is_paid(request: httpx.Request) -> bool:
    return request.method == "POST" and request.url.path.endswith("/runs")


def _outside(request: httpx.Request) -> Iterator[str]:
    """All of a request but what stands where secrets belong."""
    yield str(request.url)
    yield from (name for name in request.headers)
    own = {"x-api-key", "authorization", "cookie", "x-gateway"}
    yield from (value for name, value in request.headers.items() if name not in own)
    body = json.loads(request.content or b"null")
    runs = (body.get("inputs") or [body]) if isinstance(body, dict) else []
    for run in runs if _is_paid(request) else ():
        for place in ("mcp_servers", "webhook"):
            run.pop(place, None)
    if request.url.path in ("/v1/search", "/v1/extract"):
        body["advanced_settings"]["fetch_policy"].pop("token", None)
    if request.url.path.endswith("/chat/completions"):
        body.pop("token", None)  # of an `extra_body`
    yield json.dumps(body, ensure_ascii=False)


# --- an account -----------------------------------------------------------------------------------


class Account:
    """A simulated account, and clients of it that hold every secret a client can be given."""

    def __init__(self) -> None:
        self.simulator = Simulator(ManualClock())
        self.wire = Wire(self.simulator)

    def clients(self) -> dict[How, Any]:
        """Both clients, with a key and over httpx clients with a login, a header and a cookie; joined, so
        that either does for a tool or a graph.
        """
        gate: dict[str, Any] = {
            "transport": self.wire,
            "auth": (GATE_USER, GATE_PASSWORD),
            "headers": {"x-gateway": GATE},
            "cookies": {"gate": GATE_COOKIE},
        }
        clock = self.simulator.clock
        http, async_http = httpx.Client(**gate), httpx.AsyncClient(**gate)
        client = ParallelClient(KEY, http_client=http, clock=clock)
        async_client = AsyncParallelClient(SecretStr(KEY), http_client=async_http, clock=clock)
        pair_clients(client, async_client)
        return {"sync": client, "async": async_client}

    def client(self) -> ParallelClient:
        """The blocking one of them."""
        client: ParallelClient = self.clients()["sync"]
        return client

    @property
    def hosts(self) -> set[str | None]:
        return {urlsplit(str(request.url)).hostname for request in self.wire.sent}
