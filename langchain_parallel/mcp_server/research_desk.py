"""`ResearchDesk`: research sessions for callers that come and go, each a thread of the research graph.

Rule: a run is started by the graph alone, in a thread that a record names before anything is sent. A call
that never got its answer (its process was killed, its client gave up waiting) has an open record, by which
the same call goes on; the answer closes it. So asked again later, the same question is a new one.

The thread parks while its run is active, so that nothing here has to last as long as the run does.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, TypeAlias, cast

from langchain_core.runnables import RunnableConfig
from langgraph.pregel import Pregel
from langgraph.store.base import BaseStore
from langgraph.types import StateSnapshot
from typing_extensions import TypedDict

from .._core.calls import Call, Calls, adrive
from .._graph.store import NAMESPACE, digest, get_item, put_item
from .._locks.shared import acquire_shared_lock
from ..client import AsyncParallelClient
from ..errors import ActionRequired, InvalidRequest, ParallelError, RunError, StillRunning
from ..models import Event
from ..parked.interrupts import runs_waited_for
from ..parked.resumption import NOTHING, aresume, is_cut_off, resume_with, state_of
from ..research.state import ResearchState, Turn
from ..research.turns import open_turns
from .answers import Answers

Tell: TypeAlias = Callable[[Event], Awaitable[None]]
"""Takes the events of the run that a call waits for."""
_CALLS = (NAMESPACE, "calls of a desk")
_SESSIONS = (NAMESPACE, "sessions of a desk")
_ID = "ses_"


class _Record(TypedDict):
    """A call, in the store."""

    call: str
    """The key of what it asks."""
    before: str
    """That of the session's call before; empty for the first."""
    session_id: str
    question: str
    after: int
    """How many turns the session had before."""
    open: bool
    """It has not got its answer yet."""


class Asked(NamedTuple):
    """What a call asks.

    Attributes:
        question: The question.
        session_id: The session that it belongs to; empty for a new one.
        continue_from: The interaction of the session that it builds on; empty for the last one.
    """

    question: str
    session_id: str = ""
    continue_from: str = ""

    @property
    def key(self) -> str:
        """The name of its record."""
        return digest(json.dumps(self))

    @property
    def graph_input(self) -> dict[str, str]:
        """What the graph is given."""
        branch = {"continue_from": self.continue_from} if self.continue_from else {}
        return {"question": self.question, **branch}


class ResearchDesk:
    """Answers calls about research sessions, with text for a model.

    Args:
        graph: The research graph, made with `wait="park"`, compiled with a checkpointer that survives.
        store: Keeps which calls are open.
        client: Waits for runs.
        wait_seconds: How long a call waits for an answer.
        max_chars: Longest text.
    """

    def __init__(
        self,
        graph: Pregel[Any, Any, Any, Any],
        store: BaseStore,
        client: AsyncParallelClient,
        *,
        wait_seconds: float,
        max_chars: int,
    ) -> None:
        self._graph, self._store, self._client = graph, store, client
        self._wait_seconds = wait_seconds
        self._answers = Answers(max_chars)

    async def ask(self, asked: Asked, tell: Tell | None = None) -> str:
        """Ask a question, and wait for its answer for a while. Paid, unless the same call is still open.

        Raises:
            ParallelError: Nothing was started, or it may have been: the same call goes on.
        """
        until = time.monotonic() + self._wait_seconds
        if asked.session_id:
            await self._snapshot(asked.session_id)
        record = await adrive(self._begin(asked))
        return await self._answer(record, until, tell)

    async def check(self, session_id: str, tell: Tell | None = None) -> str:
        """The answer that a session waits for, or how far it is. Free.

        Raises:
            InvalidRequest: There is no such session.
        """
        until = time.monotonic() + self._wait_seconds
        await self._snapshot(session_id)
        record = await adrive(self._last_record(session_id))
        return await self._answer(record, until, tell)

    async def read(self, session_id: str, interaction_id: str = "", page: int = 1) -> str:
        """What a session has asked, or all of one of its answers, page by page. Free.

        Raises:
            InvalidRequest: There is no such session, interaction or page.
        """
        values = _values(await self._snapshot(session_id))
        turns = values.get("turns") or []
        if not interaction_id:
            return self._answers.overview(session_id, turns, open_turns(values))
        for turn in turns:
            if turn["interaction_id"] == interaction_id:
                return self._answers.page(turn, page)
        raise InvalidRequest([f"Session {session_id} has no such interaction."], hint="")

    # --- one call ------------------------------------------------------------------------------------

    def _begin(self, asked: Asked) -> Calls[_Record]:
        """The record of a call, once its question has been taken in."""
        lock = yield from acquire_shared_lock(f"desk {asked.key}", self._graph.checkpointer)
        try:
            record = yield from self._open_record(asked)

            def choose(state: StateSnapshot) -> Any:
                values = _values(state)
                if values.get("question") == asked.question or _turns_of(record, values):
                    return NOTHING  # it was taken in before
                if any(turn["run_id"] for turn in open_turns(values)):
                    raise InvalidRequest(
                        ["The session still waits for the answer before."],
                        hint=f"Call check(session_id='{record['session_id']}') first. Nothing was sent.",
                    )
                return asked.graph_input

            try:
                config = _thread(record["session_id"])
                yield from resume_with(self._graph, config, choose, None, "sync", None)
            except InvalidRequest:
                yield from self._close(record)
                yield self._note_last(record["session_id"], record["before"])
                raise
            return record
        finally:
            if lock is not None:
                lock.release()

    def _open_record(self, asked: Asked) -> Calls[_Record]:
        """The open record of a call; a new one, written before anything is sent, if there is none."""
        item = yield get_item(self._store, _CALLS, asked.key)
        if item is not None and item.value["open"]:
            return cast(_Record, item.value)
        session_id = asked.session_id or f"{_ID}{uuid.uuid4().hex}"
        values = _values((yield from state_of(self._graph, _thread(session_id))))
        last = yield get_item(self._store, _SESSIONS, digest(session_id))
        record = _Record(
            call=asked.key,
            before=last.value["call"] if last else "",
            session_id=session_id,
            question=asked.question,
            after=len(values.get("turns") or ()),
            open=True,
        )
        yield self._note_last(session_id, asked.key)
        yield put_item(self._store, _CALLS, asked.key, dict(record))
        return record

    def _note_last(self, session_id: str, call: str) -> Call:
        """Note which call of a session was the last to be taken in."""
        return put_item(self._store, _SESSIONS, digest(session_id), {"call": call})

    def _last_record(self, session_id: str) -> Calls[_Record]:
        """The record of a session's last call.

        Raises:
            InvalidRequest: Its first question was refused.
        """
        last = yield get_item(self._store, _SESSIONS, digest(session_id))
        if not last.value["call"]:
            raise _no_session()
        item = yield get_item(self._store, _CALLS, last.value["call"])
        return cast(_Record, item.value)

    def _close(self, record: _Record) -> Calls[None]:
        """Note that a call has its answer, or can have none."""
        if record["open"]:
            yield put_item(self._store, _CALLS, record["call"], {**record, "open": False})

    async def _answer(self, record: _Record, until: float, tell: Tell | None) -> str:
        session_id = record["session_id"]
        state = await self._go_on(session_id, until, tell)
        values = _values(state)
        if runs := _runs(state):
            return self._answers.under_way(session_id, open_turns(values), runs)
        turns = _turns_of(record, values)
        text = self._answers.answer(session_id, turns[-1] if turns else None, values)
        await adrive(self._close(record))
        return text

    async def _go_on(self, session_id: str, until: float, tell: Tell | None) -> StateSnapshot:
        """The session's state once it has its answer, or the time is over."""
        config, seen = _thread(session_id), frozenset[str]()
        while True:
            state = await self._graph.aget_state(config)
            if is_cut_off(state):
                await aresume(self._graph, config)
                continue
            runs = _runs(state)
            # A run that has ended and whose thread parks again: the API does not say yet that it has.
            if not runs or runs <= seen or not await self._wait(runs, until, tell):
                return state
            seen = runs
            await aresume(self._graph, config, {one.id: True for one in state.interrupts})

    async def _wait(self, runs: frozenset[str], until: float, tell: Tell | None) -> bool:
        """Whether all runs have ended in time."""
        for run_id in sorted(runs):
            seconds = max(0.0, until - time.monotonic())
            try:
                await self._client.wait(run_id, timeout=seconds, on_event=tell)
            except (StillRunning, ActionRequired):
                return False
            except RunError:
                continue  # the graph says so
            except ParallelError:
                if time.monotonic() >= until:
                    raise
        return True

    async def _snapshot(self, session_id: str) -> StateSnapshot:
        """A session's state. What the caller gives is only ever an id of a session that there is.

        Raises:
            InvalidRequest: There is no such session.
        """
        item = None
        if session_id.startswith(_ID) and len(session_id) < 64:
            item = await get_item(self._store, _SESSIONS, digest(session_id)).async_()
        if item is None:
            raise _no_session()
        return await self._graph.aget_state(_thread(session_id))


def _no_session() -> InvalidRequest:
    return InvalidRequest(
        ["There is no such session."], hint="Give the session_id of an earlier answer."
    )


def _thread(session_id: str) -> RunnableConfig:
    return {"configurable": {"thread_id": session_id}}


def _values(state: StateSnapshot) -> ResearchState:
    return cast(ResearchState, state.values)


def _turns_of(record: _Record, values: ResearchState) -> list[Turn]:
    """The turns of a call's question, as far as they have been asked since."""
    turns = [*(values.get("turns") or [])[record["after"] :], *open_turns(values)]
    return [turn for turn in turns if turn["question"] == record["question"]]


def _runs(state: StateSnapshot) -> frozenset[str]:
    """The runs that a thread waits for."""
    return frozenset().union(*(runs_waited_for(one.value) for one in state.interrupts))
