"""A quick turn: one question to the Chat API, which answers at once, on the session's tree.

Rule: an answer of the Chat API has no run, no ledger and no second look. So what it costs is bounded by
records of the thread (`records.py`): the question is recorded before it is sent, and the answer as soon as it
has come. Whoever asks again at the same point (a resumed thread, a replay, a fork, a retried node) gets the
recorded answer. A question that is recorded without one may have been paid for, and its answer is lost: it is
never sent again by itself. One kill, or one lost response, can cost one answer, and a turn says so.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, NamedTuple, TypeAlias

from .._core.calls import Calls
from .._core.payloads import parse, remarks, storable
from .._core.quick_questions import messages_of, schema_of
from ..errors import ParallelError
from ..evidence import evidence_of
from ..models import TaskRun, TaskRunOutput, TaskRunResult
from ..models.chat import without_fence
from ..processors import CHAT_PREFIX, price_usd
from ..text.format import usd
from .observers import watch_run
from .ownership import chat_seal, remember_interaction
from .paid_request import PaidRequest, wait_seconds
from .quick_index import QuickIndex
from .records import Record, pack, unpack
from .runtime import wait_for_checkpoint

_LOG = logging.getLogger("langchain_parallel")
Guard: TypeAlias = Callable[[Callable[[], Calls[None]]], Calls[bool]]
"""Decides whether a question may be sent, and calls what it is given before it lets another one decide."""


class QuickAnswer(NamedTuple):
    """What came of a quick question that was sent."""

    key: str
    asked: dict[str, Any]
    """`question`, `processor` and `parent_interaction_id` as they were sent."""
    answer: dict[str, Any] | None
    """Plain JSON: what a turn keeps of it. None: it may have been paid for, and is lost."""
    why: str = ""
    """Of a lost answer: what happened."""


@dataclass(frozen=True)
class PaidChat(PaidRequest):
    """One quick question of a door; its processor is `chat:` and a model of the Chat API."""

    keep_excerpts: bool = False
    checks: bool = False
    """Check the answer against the excerpts of its citations."""

    def submit(
        self, ledger_id: str, *, guard: Guard | None = None, may_exceed_quotas: bool = False
    ) -> Calls[QuickAnswer | None]:
        """Find what came of the question, or ask it. The one step that costs money.

        Args:
            ledger_id: The session's ledger, under which the records are.
            guard: Decides at the last moment; None: it may be sent.
            may_exceed_quotas: Somebody who may has approved it beyond the quotas.

        Returns:
            None if the guard did not let it be sent.

        Raises:
            QuotaExceeded: It was not sent before, and does not fit into a quota.
            ApiError: The API refused it; nothing was billed.
            CheckpointNotWritten: It could not be recorded. Nothing was sent.
        """
        yield from wait_for_checkpoint(self.config)
        # Until the answer is recorded: whoever asks the same meanwhile waits, and finds it.
        lock = yield from self.lock(f"quick {ledger_id} {self.key}")
        try:
            if there := (yield from self.look(ledger_id)):
                return there

            def claim() -> Calls[None]:
                return self._claim(ledger_id, may_exceed_quotas)

            if guard is None:
                yield from claim()
            elif not (yield from guard(claim)):
                return None
            return (yield from self._ask(ledger_id))
        finally:
            lock.release()

    def look(self, ledger_id: str) -> Calls[QuickAnswer | None]:
        """What came of the question, if it was sent, or may have been; else nobody has sent it. Free."""
        for name in self._names(ledger_id):
            record = yield from self.door.records.get(self.config, name)
            if record is not None and (record["open"] or "answer" in record):
                return self._outcome(record, ledger_id)
        return None

    # --- one question ---

    def _claim(self, ledger_id: str, may_exceed: bool) -> Calls[None]:
        """Reserve its price, and record that it is about to be sent."""
        yield from self.door.quotas.reserve(self, ledger_id, may_exceed=may_exceed)
        index = QuickIndex(self.door, self.config, ledger_id)
        yield from index.add(self.key, self.request)
        yield from self._record(ledger_id, {"open": True})

    def _ask(self, ledger_id: str) -> Calls[QuickAnswer]:
        [name, *_] = self._names(ledger_id)
        record = yield from self.door.records.get(self.config, name)
        if record is None or record.get("by") != self.door.clients.process_id:
            return self._lost("Another process was about to ask it at the same time.")
        started = self._now()
        try:
            with watch_run(f"chat {ledger_id} {self.key}", self.request) as watch:
                said = yield from self.door.clients.chat(
                    messages_of(self.request),
                    model=self.request.processor.removeprefix(CHAT_PREFIX),
                    previous_interaction_id=self.request.previous_interaction_id,
                    output_schema=schema_of(self.request),
                    # Not the door's `timeout`: whoever stops listening loses an answer that is paid for.
                    timeout=wait_seconds(self.request.processor, None),
                )
                watch.cost_usd = price_usd(self.request.processor)
        except ParallelError as error:
            if error.billed is False:
                yield from self._withdraw(ledger_id)
                raise
            outcome = self._lost(error.message)
            _LOG.warning("%s", lost_answer(outcome))
            return outcome
        answer = self._answer_of(said, started)
        yield from self._keep(ledger_id, answer)
        return QuickAnswer(self.key, self._question_fields, answer)

    def _withdraw(self, ledger_id: str) -> Calls[None]:
        """Record that nothing was billed, so that it may be sent again."""
        try:
            yield from self._record(ledger_id, {"open": False})
            yield from QuickIndex(self.door, self.config, ledger_id).remove(self.key)
        except ParallelError as error:
            _LOG.warning("A refused question is recorded as if it was sent. %s", error.message)
        yield from self.door.quotas.release(self, ledger_id)

    def _keep(self, ledger_id: str, answer: dict[str, Any]) -> Calls[None]:
        """Record the answer at once. If that fails it is still in hand, and a kill now would lose it."""
        try:
            seal = chat_seal(self.door.clients.seals, answer["interaction_id"], ledger_id, self.key)
            kept = pack(self.config, json.dumps(answer))
            yield from self._record(ledger_id, {"open": False, "answer": kept, "seal": seal})
            yield from remember_interaction(self.door, answer["interaction_id"], self.config)
        except ParallelError as error:
            _LOG.warning("The answer of a quick question was not recorded. %s", error.message)
        price = price_usd(self.request.processor)
        yield from self.door.quotas.settle(self, ledger_id, self.key, price)

    # --- records ---

    def _names(self, ledger_id: str) -> list[str]:
        """The names of its record: its own, and that of the call as it was made."""
        keys = dict.fromkeys([self.key, self.called_as or self.key])
        return [f"quick {ledger_id} {key}" for key in keys]

    def _record(self, ledger_id: str, what: Record) -> Calls[None]:
        by = {"by": self.door.clients.process_id, "key": self.key}
        asked = {"asked": pack(self.config, json.dumps(self._question_fields))}
        for name in self._names(ledger_id):
            yield from self.door.records.put(self.config, name, {**by, **asked, **what})

    @property
    def _question_fields(self) -> dict[str, Any]:
        return {
            "question": self.request.input,
            "processor": self.request.processor,
            "parent_interaction_id": self.request.previous_interaction_id,
        }

    def _outcome(self, record: Record, ledger_id: str) -> QuickAnswer:
        asked = json.loads(unpack(self.config, record["asked"]))
        if "answer" not in record:
            why = "It was sent, or about to be, when its process ended or lost the connection."
            return QuickAnswer(record["key"], asked, None, why)
        answer = json.loads(unpack(self.config, record["answer"]))
        door, key = self.door, record["key"]
        seal = chat_seal(door.clients.seals, answer["interaction_id"], ledger_id, key)
        # A server's users may be able to write into the store that has the record.
        if not door.trusts_ids(self.config) and record.get("seal") != seal:
            answer["interaction_id"] = None
        return QuickAnswer(key, asked, answer)

    def _lost(self, why: str) -> QuickAnswer:
        return QuickAnswer(self.key, self._question_fields, None, why)

    # --- the answer ---

    def _answer_of(self, said: Any, started: str) -> dict[str, Any]:
        """What a turn keeps of an answer."""
        content, changes = storable(_content_of(said, schema_of(self.request) is not None))
        kind: Any = "json" if isinstance(content, dict | list) else "text"
        output = TaskRunOutput(type=kind, content=content, basis=said.basis)
        run = TaskRun(run_id="", interaction_id=said.interaction_id, status="completed")
        result = TaskRunResult(run=run, output=output)
        answer: dict[str, Any] = {**evidence_of(result, excerpts=self.keep_excerpts)}
        if self.checks:
            from ..checks import check_answer, shorten_checks

            answer["checks"] = shorten_checks(check_answer(result))
        return {
            **answer,
            "interaction_id": said.interaction_id,
            "warnings": [*map(str, said.warnings), *remarks(changes)],
            "started_at": started,
            "ended_at": self._now(),
        }

    def _now(self) -> str:
        now = datetime.fromtimestamp(self.door.clients.now(), timezone.utc)
        return f"{now:%Y-%m-%dT%H:%M:%S.%fZ}"


def lost_answer(outcome: QuickAnswer) -> str:
    """What a session says of an answer that may be paid for and is lost."""
    price = usd(price_usd(outcome.asked["processor"]))
    return (
        f"The answer of this quick question is lost; {price} may have been paid for it. {outcome.why} "
        "A chat answer cannot be fetched again, and the question is not sent again by itself: ask it once "
        "more if the answer is worth paying for again."
    )


def _content_of(said: Any, has_schema: bool) -> Any:
    """Text, or the JSON object that was asked for; text where the API returned something else."""
    if not has_schema or not isinstance(said.content, str):
        return said.content
    try:
        parsed = parse(without_fence(said.content))
    except ValueError:
        return said.content
    return parsed if isinstance(parsed, dict) else said.content
