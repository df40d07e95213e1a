"""`ResearchDesk`: research sessions for callers that come and go, each a thread of the research graph.

Rule: a run is started by the graph alone, in a thread that a record names before anything is sent. A call
that never got its answer (its process was killed, its client gave up waiting) has an open record, by which
the same call goes on. Nobody can see whether an answer has reached a client that went away without a word, so
the record stays open for some minutes more. Asked again later, the same question is a new one.

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
from .._graph.session_ledger import REPEAT_SECONDS
from .._graph.store import NAMESPACE, digest, get_item, put_item
from .._locks.shared import acquire_shared_lock
from ..client import AsyncParallelClient
from ..errors import ActionRequired, InvalidRequest, ParallelError, RunError, StillRunning
from ..models import Event
from ..parked.interrupts import runs_waited_for
from ..parked.resumption import NOTHING, aresume, is_cut_off, resume_with, state_of
from ..research._channels import check_storable
from ..research.state import ResearchState, Turn
from ..research.turns import open_turns
from ..tools.tool_messages import GIVEN_AGAIN
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
    continue_from: str
    after: int
    """How many turns the session had before."""
    until: float | None
    """When it ends (seconds since 1970); None while it has no answer."""


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
        repeat_seconds: For how long the same call is given the same answer again.
    """

    def __init__(
        self,
        graph: Pregel[Any, Any, Any, Any],
        store: BaseStore,
        client: AsyncParallelClient,
        *,
        wait_seconds: float,
        max_chars: int,
        repeat_seconds: float = REPEAT_SECONDS,
    ) -> None:
        self._graph, self._store, self._client = graph, store, client
        self._wait_seconds, self._repeat_seconds = wait_seconds, repeat_seconds
        self._answers = Answers(max_chars)

    async def ask(self, asked: Asked, tell: Tell | None = None) -> str:
        """Ask a question, and wait for its answer for a while. Paid, unless the same call is still open.

        Raises:
            ParallelError: Nothing was started, or it may have been: the same call goes on.
        """
        until = time.monotonic() + self._wait_seconds
        record = await self._take_in(asked)
        text = await self._answer(record, until, tell)
        return text if record["until"] is None else f"{text}\n{GIVEN_AGAIN}"

    async def begin(self, asked: Asked) -> str:
        """Take a question in, and start its run; returns the id of its session. Paid, unless the same call is
        still open.

        Raises:
            ParallelError: Nothing was started, or it may have been: the same call goes on.
        """
        return (await self._take_in(asked))["session_id"]

    async def session(self, session_id: str) -> ResearchState:
        """The state of a session. Free.

        Raises:
            InvalidRequest: There is no such session.
        """
        return _values(await self._snapshot(session_id))

    async def _take_in(self, asked: Asked) -> _Record:
        asked = Asked(*(text.strip() for text in asked))  # as the graph asks it
        check_storable("question", asked.question)
        if asked.session_id:
            values = _values(await self._snapshot(asked.session_id))
            if asked.continue_from:
                _turn_of(values, asked.session_id, asked.continue_from)
        return await adrive(self._begin(asked))

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
        if not interaction_id:
            turns = values.get("turns") or []
            return self._answers.overview(session_id, turns, open_turns(values))
        return self._answers.page(_turn_of(values, session_id, interaction_id), page)

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
                yield from self._end(record, 0.0)
                last = yield get_item(self._store, _SESSIONS, digest(record["session_id"]))
                if last.value["call"] == record["call"]:
                    yield self._note_last(record["session_id"], record["before"])
                raise
            return record
        finally:
            lock.release()

    def _open_record(self, asked: Asked) -> Calls[_Record]:
        """The open record of a call; a new one, written before anything is sent, if there is none."""
        item = yield get_item(self._store, _CALLS, asked.key)
        if item is not None and _is_open(cast(_Record, item.value)):
            record = cast(_Record, item.value)
            if record["until"] is None:  # whoever wrote it may have died before the next line
                yield self._note_last(record["session_id"], asked.key)
            return record
        session_id = asked.session_id or f"{_ID}{uuid.uuid4().hex}"
        values = _values((yield from state_of(self._graph, _thread(session_id))))
        last = yield get_item(self._store, _SESSIONS, digest(session_id))
        record = _Record(
            call=asked.key,
            before=last.value["call"] if last else "",
            session_id=session_id,
            question=asked.question,
            continue_from=asked.continue_from,
            after=len(values.get("turns") or ()),
            until=None,
        )
        yield put_item(self._store, _CALLS, asked.key, dict(record))
        yield self._note_last(session_id, asked.key)
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

    def _end(self, record: _Record, until: float) -> Calls[None]:
        """Note when a call that has its answer, or can have none, is over."""
        if record["until"] is None:
            yield put_item(self._store, _CALLS, record["call"], {**record, "until": until})

    async def _answer(self, record: _Record, until: float, tell: Tell | None) -> str:
        session_id = record["session_id"]
        state = await self._go_on(session_id, until, tell)
        values = _values(state)
        if runs := _runs(state):
            return self._answers.under_way(session_id, open_turns(values), runs)
        turns = _turns_of(record, values)
        text = self._answers.answer(session_id, turns[-1] if turns else None, values)
        await adrive(self._end(record, time.time() + self._repeat_seconds))
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


def _is_open(record: _Record) -> bool:
    return record["until"] is None or time.time() < record["until"]


def _turns_of(record: _Record, values: ResearchState) -> list[Turn]:
    """The turns of a call's question, as far as they have been asked since."""
    turns = [*(values.get("turns") or [])[record["after"] :], *open_turns(values)]
    return [
        turn
        for turn in turns
        if turn["question"] == record["question"]
        and record["continue_from"] in ("", turn["parent_interaction_id"])
    ]


def _turn_of(values: ResearchState, session_id: str, interaction_id: str) -> Turn:
    """The turn of an interaction.

    Raises:
        InvalidRequest: The session has no such interaction.
    """
    for turn in values.get("turns") or ():
        if turn["interaction_id"] == interaction_id:
            return turn
    raise InvalidRequest(
        [f"Session {session_id} has no such interaction."],
        hint="Give the interaction_id of an earlier answer. Nothing was sent.",
    )


def _runs(state: StateSnapshot) -> frozenset[str]:
    """The runs that a thread waits for."""
    return frozenset().union(*(runs_waited_for(one.value) for one in state.interrupts))
