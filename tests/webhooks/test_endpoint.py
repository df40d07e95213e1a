"""What the application answers, and what it does in the background then."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore

from langchain_parallel.errors import InvalidRequest
from langchain_parallel.simulator import Fault
from langchain_parallel.webhooks import QueueOptions, webhook_app

from ..research.harness import Session, blocking_client
from .deliveries import SECRET, body_of, delivery, headers

PATH = "/parallel/webhook"


class Hooked:
    """A session on a parked thread, its application, and HTTP to that."""

    def __init__(self, **options: Any) -> None:
        self.session = Session("async", options={"wait": "park"})
        self.options = options
        self.app: Any = None

    async def parked(self, thread_id: str = "thread") -> str:
        """Ask on a thread; the run that it waits for."""
        config: Any = {"configurable": {"thread_id": thread_id}}
        given = {"question": f"How large is {thread_id}?"}
        await self.session.graph().ainvoke(given, config, durability="sync")
        return str(self.session.runs[-1]["run_id"])

    @asynccontextmanager
    async def http(self, **options: Any) -> AsyncIterator[httpx.AsyncClient]:
        """Within this the application runs, in a process of its own as far as it can tell."""
        client = blocking_client(self.session.simulator)
        more = {"secrets": [SECRET], "client": client, **self.options, **options}
        self.app = webhook_app(self.session.graph(), **more)
        async with (
            self.app.router.lifespan_context(self.app),
            httpx.AsyncClient(
                transport=httpx.ASGITransport(self.app), base_url="http://hooks.example"
            ) as http,
        ):
            yield http

    def pass_time(self, seconds: float = 3_600.0) -> None:
        self.session.simulator.clock.sleep(seconds)

    async def finished(self, thread_id: str = "thread") -> bool:
        config: Any = {"configurable": {"thread_id": thread_id}}
        state = await self.session.graph().aget_state(config)
        return state.created_at is not None and not state.next


@pytest.fixture
def hooked() -> Hooked:
    return Hooked()


async def post(http: httpx.AsyncClient, run_id: str, webhook_id: str = "whevent_1") -> int:
    body, signed = delivery(run_id, webhook_id)
    return (await http.post(PATH, content=body, headers=signed)).status_code


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.005)


async def idle(http: httpx.AsyncClient) -> None:
    """Until nothing is open."""

    async def nothing() -> bool:
        return bool((await http.get("/health")).json() == {"status": "ok", "open": 0})

    await until(nothing)


async def test_a_process_that_lives_says_so(hooked: Hooked) -> None:
    async with hooked.http() as http:
        answer = await http.get("/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "open": 0})


async def test_it_answers_at_once_and_wakes_the_thread_then(hooked: Hooked) -> None:
    run_id = await hooked.parked()
    hooked.pass_time()
    async with hooked.http() as http:
        assert await post(http, run_id) == 202
        await until(hooked.finished)
        await idle(http)
        requests = len(hooked.session.simulator.requests)
        assert await post(http, run_id) == 200  # known: nothing is done for it
        await idle(http)
        assert len(hooked.session.simulator.requests) == requests


async def test_what_it_rejects(hooked: Hooked) -> None:
    body, signed = delivery("trun_1")
    async with hooked.http(max_body=1_000) as http:

        async def status(body: bytes, headers: dict[str, str], method: str = "POST") -> int:
            return (await http.request(method, PATH, content=body, headers=headers)).status_code

        assert await status(body, {**signed, "webhook-signature": "v1,AAAA"}) == 401
        assert await status(body + b" ", signed) == 401
        old = headers(body, timestamp=int(time.time()) - 301)
        assert await status(body, old) == 401
        assert await status(body, {}) == 400
        nothing = b"not JSON"
        assert await status(nothing, headers(nothing, timestamp=int(time.time()))) == 400
        other = b'{"type": "task_group.status"}'
        assert await status(other, headers(other, timestamp=int(time.time()))) == 200
        assert await status(b" " * 1_001, signed) == 413
        assert await status(b"", {}, "GET") == 405
        assert (await http.get("/elsewhere")).status_code == 404
        assert (await http.get("/health")).json() == {"status": "ok", "open": 0}
    assert hooked.session.simulator.requests == []


@pytest.mark.parametrize(("size", "code"), [(262_144, 401), (262_145, 413)])
async def test_a_body_has_a_quarter_of_a_mebibyte_unless_told_otherwise(
    hooked: Hooked, size: int, code: int
) -> None:
    _, signed = delivery("trun_1")
    async with hooked.http() as http:
        answer = await http.post(PATH, content=b" " * size, headers=signed)
    assert answer.status_code == code


async def test_a_body_that_is_too_large_is_not_read_to_its_end(hooked: Hooked) -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 1
            yield b" " * 1_000

    async with hooked.http(max_body=10_000) as http:
        signed = headers(b"", timestamp=int(time.time()))
        answer = await http.post(PATH, content=endless(), headers=signed)
    assert answer.status_code == 413
    assert read <= 12


@pytest.mark.parametrize(("seconds", "code"), [(29.0, 202), (31.0, 408)])
async def test_a_body_has_half_a_minute_to_arrive(
    hooked: Hooked, monkeypatch: pytest.MonkeyPatch, seconds: float, code: int
) -> None:
    run_id = await hooked.parked()
    sent, signed = delivery(run_id)
    loop = asyncio.get_running_loop()
    began = loop.time()

    async def slow() -> AsyncIterator[bytes]:
        yield sent[:5]
        with monkeypatch.context() as patched:
            patched.setattr(loop, "time", lambda: began + seconds)
            for _ in range(10):  # rounds of the loop, which looks at its clock in each
                await asyncio.sleep(0)
            yield sent[5:]

    async with hooked.http() as http:
        answer = await http.post(PATH, content=slow(), headers=signed)
    assert answer.status_code == code


@pytest.mark.parametrize(("age", "code"), [(None, 400), (301, 401), (-301, 401)])
async def test_a_body_whose_headers_cannot_be_genuine_is_not_read(
    hooked: Hooked, age: int | None, code: int
) -> None:
    read = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(20):
            read += 1
            yield b" " * 1_000

    given = {} if age is None else headers(b"", timestamp=int(time.time()) - age)
    async with hooked.http() as http:
        answer = await http.post(PATH, content=body(), headers=given)
    assert (answer.status_code, read) == (code, 0)


async def test_no_answer_and_no_log_repeats_a_secret(
    hooked: Hooked, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "langchain_parallel")
    body = body_of("trun_1", error={"message": SECRET})
    async with hooked.http() as http:
        for signed in (headers(body, b"wrong"), headers(body, timestamp=int(time.time())), {}):
            answer = await http.post(PATH, content=body, headers=signed)
            assert SECRET not in answer.text
    assert SECRET not in caplog.text


async def test_a_thread_that_has_not_parked_yet_is_woken_a_little_later(hooked: Hooked) -> None:
    async with hooked.http() as http:
        # Nothing is known of the thread: its process writes checkpoints only at the end.
        run_id = await hooked.parked("elsewhere")
        storage = hooked.session.checkpointer.storage.pop("elsewhere")
        hooked.pass_time()
        assert await post(http, run_id) == 202
        await asyncio.sleep(0.05)
        assert not await hooked.finished("elsewhere")
        hooked.session.checkpointer.storage["elsewhere"] = storage
        await until(lambda: hooked.finished("elsewhere"))


async def test_an_api_in_trouble_is_asked_again(hooked: Hooked) -> None:
    run_id = await hooked.parked()
    hooked.pass_time()
    # More than the client itself puts up with.
    hooked.session.simulator.faults.add(Fault("status_before", method="GET", times=6))
    async with hooked.http() as http:
        assert await post(http, run_id) == 202
        await until(hooked.finished)


async def test_a_thread_that_cannot_be_resumed_is_left_after_a_few_attempts(
    hooked: Hooked, caplog: pytest.LogCaptureFixture
) -> None:
    run_id = await hooked.parked()
    hooked.pass_time()
    hooked.session.simulator.faults.add(Fault("status_before", method="GET", times=None))
    async with hooked.http(queue=QueueOptions(max_attempts=2)) as http:
        assert await post(http, run_id) == 202
        await idle(http)
        assert not await hooked.finished()
        assert f"Run {run_id} is left to the sweep (ServerFault)." in caplog.text
        hooked.session.simulator.faults.clear()
        assert await post(http, run_id) == 202  # not recorded: it may come again
        await until(hooked.finished)


async def test_a_run_that_is_not_known_here_is_acknowledged_and_logged(
    hooked: Hooked, caplog: pytest.LogCaptureFixture
) -> None:
    async with hooked.http(queue=QueueOptions(max_attempts=1)) as http:
        assert await post(http, "trun_unknown") == 202
        await idle(http)
    assert "Run trun_unknown is left to the sweep (unknown_run)." in caplog.text


async def test_a_graph_that_fails_is_logged_and_not_tried_again(
    hooked: Hooked, caplog: pytest.LogCaptureFixture
) -> None:
    tried: list[str] = []

    def broken(state: Any, turn: Any) -> None:
        tried.append(turn["run_id"])
        raise LookupError("a fault of the caller's own")

    hooked.session.options["evaluate"] = broken
    run_id = await hooked.parked()
    hooked.pass_time()
    async with hooked.http() as http:
        assert await post(http, run_id) == 202
        await idle(http)
    assert tried == [run_id]
    assert "a fault of the caller's own" in caplog.text


async def test_no_more_threads_are_resumed_at_once_than_allowed() -> None:
    hooked = Hooked(queue=QueueOptions(concurrency=3))
    now, most = 0, 0

    async def slow(state: Any, turn: Any) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.02)
        now -= 1

    hooked.session.options["evaluate"] = slow
    runs = [await hooked.parked(f"thread {n}") for n in range(12)]
    hooked.pass_time()
    async with hooked.http() as http:
        for nth, run_id in enumerate(runs):
            assert await post(http, run_id, f"whevent_{nth}") == 202
        await idle(http)
        assert all([await hooked.finished(f"thread {n}") for n in range(12)])
    assert most == 3


async def test_a_full_queue_asks_the_api_to_send_again() -> None:
    hooked = Hooked(queue=QueueOptions(concurrency=1, size=1))
    go_on = asyncio.Event()

    async def slow(state: Any, turn: Any) -> None:
        await go_on.wait()

    hooked.session.options["evaluate"] = slow
    runs = [await hooked.parked(f"thread {n}") for n in range(3)]
    hooked.pass_time()
    async with hooked.http() as http:
        answers = []
        for n, run_id in enumerate(runs):
            body, signed = delivery(run_id, f"whevent_{n}")
            answers.append(await http.post(PATH, content=body, headers=signed))
        when = [(answer.status_code, answer.headers.get("retry-after")) for answer in answers]
        assert when == [(202, None), (202, None), (503, "5")]
        go_on.set()
        await idle(http)
        assert await post(http, runs[2], "whevent_2") == 202
        await until(lambda: hooked.finished("thread 2"))


async def test_another_worker_knows_what_was_processed(hooked: Hooked) -> None:
    hooked.session.store = InMemoryStore()
    run_id = await hooked.parked()
    hooked.pass_time()
    async with hooked.http() as http:
        await post(http, run_id)
        await idle(http)
    assert await hooked.finished()
    requests = len(hooked.session.simulator.requests)
    async with hooked.http() as http:
        assert await post(http, run_id) == 202
        await idle(http)
    assert len(hooked.session.simulator.requests) == requests


async def test_a_delivery_is_not_recorded_before_its_thread_was_resumed(hooked: Hooked) -> None:
    """A worker that dies with it in its hands must not take it along."""
    store = hooked.session.store = InMemoryStore()
    counts: list[int] = []

    def look(state: Any, turn: Any) -> None:
        counts.append(len(store.search(("langchain_parallel", "webhooks"))))

    hooked.session.options["evaluate"] = look
    run_id = await hooked.parked()
    hooked.pass_time()
    async with hooked.http() as http:
        await post(http, run_id)
        await idle(http)
    assert counts == [0]
    assert len(store.search(("langchain_parallel", "webhooks"))) == 1


async def test_a_delivery_that_came_too_early_is_not_recorded(hooked: Hooked) -> None:
    hooked.session.store = InMemoryStore()
    run_id = await hooked.parked()
    async with hooked.http(queue=QueueOptions(max_attempts=1)) as http:
        assert await post(http, run_id) == 202
        await idle(http)
        hooked.pass_time()
        assert await post(http, run_id) == 202
        await until(hooked.finished)


async def test_shutting_down_finishes_what_is_open(hooked: Hooked) -> None:
    async def slow(state: Any, turn: Any) -> None:
        await asyncio.sleep(0.05)

    hooked.session.options["evaluate"] = slow
    run_id = await hooked.parked()
    hooked.pass_time()
    async with hooked.http() as http:
        assert await post(http, run_id) == 202
    assert await hooked.finished()


async def test_shutting_down_does_not_wait_for_ever(
    hooked: Hooked, caplog: pytest.LogCaptureFixture
) -> None:
    entered = asyncio.Event()

    async def endless(state: Any, turn: Any) -> None:
        entered.set()
        await asyncio.sleep(3_600)

    hooked.session.options["evaluate"] = endless
    run_id = await hooked.parked()
    hooked.pass_time()
    started = time.monotonic()
    async with hooked.http(queue=QueueOptions(shutdown_seconds=0.05)) as http:
        assert await post(http, run_id) == 202
        await entered.wait()
    assert time.monotonic() - started < 5
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert "left to the sweep" in caplog.text


@pytest.mark.parametrize("store", [False, True])
async def test_a_blocking_graph_works_in_threads(hooked: Hooked, store: bool) -> None:
    seen: list[str] = []

    def blocks(state: Any, turn: Any) -> None:
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        seen.append(turn["run_id"])

    hooked.session.options["evaluate"] = blocks
    hooked.session.store = InMemoryStore() if store else None
    hooked.session.checkpointer = InMemorySaver()
    run_id = await hooked.parked()
    hooked.pass_time()
    async with hooked.http(blocking=True) as http:
        await post(http, run_id)
        await until(hooked.finished)
    assert seen == [run_id]


@pytest.mark.parametrize("options", [{"secrets": []}, {"secrets": [""]}, {"max_body": 0}])
def test_a_configuration_that_makes_no_sense_is_refused(options: dict[str, Any]) -> None:
    session = Session("sync")
    with pytest.raises(InvalidRequest):
        webhook_app(session.graph(), **{"secrets": [SECRET], **options})


def test_one_byte_is_a_length_of_a_body() -> None:
    session = Session("sync")
    client = blocking_client(session.simulator)
    app = webhook_app(session.graph(), secrets=[SECRET], client=client, max_body=1)
    assert len(app.routes) == 2


@pytest.mark.parametrize("options", [{"concurrency": 0}, {"size": 0}, {"max_attempts": 0}])
def test_a_queue_that_makes_no_sense_is_refused(options: dict[str, int]) -> None:
    with pytest.raises(InvalidRequest):
        QueueOptions(**options)  # type: ignore[arg-type]  # other fields are no numbers


@pytest.mark.parametrize("blocking", [False, True])
async def test_an_application_that_is_started_again_works_as_before(
    hooked: Hooked, blocking: bool
) -> None:
    runs = [await hooked.parked(f"thread {n}") for n in range(2)]
    hooked.pass_time()
    client = blocking_client(hooked.session.simulator)
    app = webhook_app(hooked.session.graph(), secrets=[SECRET], blocking=blocking, client=client)
    for nth, run_id in enumerate(runs):
        # More than the client itself puts up with: it takes a second try.
        hooked.session.simulator.faults.add(Fault("status_before", method="GET", times=6))
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://hooks.example") as http,
        ):
            assert await post(http, run_id, f"whevent_{nth}") == 202
            await until(lambda nth=nth: hooked.finished(f"thread {nth}"))  # type: ignore[misc]


@pytest.mark.parametrize("length", [b"\xb2", b"-1", b"1.5", b"1" * 5_000])
async def test_a_length_that_is_no_number_is_no_fault_of_ours(
    hooked: Hooked, length: bytes
) -> None:
    sent: list[Any] = []

    async def read() -> dict[str, Any]:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope: dict[str, Any] = {"type": "http", "method": "POST", "path": PATH, "query_string": b""}
    plausible = headers(b"", timestamp=int(time.time()))  # else the length would not be looked at
    given = [(name.encode(), value.encode()) for name, value in plausible.items()]
    async with hooked.http():
        await hooked.app({**scope, "headers": [*given, (b"content-length", length)]}, read, send)
    assert sent[0]["status"] == (413 if length.startswith(b"11") else 401)
