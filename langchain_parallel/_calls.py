"""What the tool and the graph do, written once for blocking and asynchronous callers.

Rule: a step of theirs is a generator that yields `Call`s, each naming a blocking function and its
asynchronous twin, and is handed what that returned. `run` makes the blocking calls, `arun` the others.
It is the idea of `_core/effects.py` one floor up, where the effects are calls of a client or a store.
"""

from __future__ import annotations

import inspect
import logging
import os
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias, TypeVar, cast

from pydantic import SecretStr

from ._core.looking import Look
from ._core.secrecy import blot, secrets_of
from .client import AsyncParallelClient, ParallelClient
from .client.settings import doubt, hide, share_memory
from .errors import ActionRequired, InvalidRequest, ParallelError, RunCancelled, RunFailed
from .models import Event, Submission, TaskRun, TaskRunInput, TaskRunResult
from .processors import PROCESSORS

_LOG = logging.getLogger("langchain_parallel")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call:
    """Call `plain`, or await `awaited`."""

    plain: Callable[[], Any]
    awaited: Callable[[], Awaitable[Any]]


Calls: TypeAlias = Generator[Call, Any, T]


@dataclass(frozen=True, slots=True)
class _End:
    value: Any


def _advance(step: Callable[[Any], Call], outcome: object) -> Call | _End:
    try:
        return step(outcome)
    except StopIteration as end:
        return _End(end.value)


def run(calls: Calls[T]) -> T:
    """Make the calls, blocking."""
    with closing(calls):
        call = _advance(calls.send, None)
        while isinstance(call, Call):
            try:
                outcome = call.plain()
            except ParallelError as error:
                call = _advance(calls.throw, error)
            else:
                call = _advance(calls.send, outcome)
        return cast(T, call.value)


async def arun(calls: Calls[T]) -> T:
    """Make the calls, awaiting each."""
    with closing(calls):
        call = _advance(calls.send, None)
        while isinstance(call, Call):
            try:
                outcome = await call.awaited()
            except ParallelError as error:
                call = _advance(calls.throw, error)
            else:
                call = _advance(calls.send, outcome)
        return cast(T, call.value)


class Clients(NamedTuple):
    """A blocking and an asynchronous client of the same account."""

    plain: ParallelClient
    awaited: AsyncParallelClient
    memory: str = ""
    """Names what these two know of their ledgers; a forked process knows less (`here`)."""

    @property
    def here(self) -> str:
        """A name that no other clients have, nor the same ones in a forked process."""
        return f"{self.memory}.{os.getpid()}"

    @classmethod
    def of(
        cls,
        client: ParallelClient | None,
        async_client: AsyncParallelClient | None,
        *,
        api_key: SecretStr | str | None = None,
        base_url: str | None = None,
        allow_unknown_processor: bool = False,
        asks: TaskRunInput,
    ) -> Clients:
        """The clients given, both or neither, or made from the rest.

        Raises:
            InvalidRequest: Only one is given: the other would go elsewhere, with another key.
            MissingKey: The clients are to be made and there is no key.

        `asks` is a request like those to come: its secrets are blotted out of whatever the server says,
        also in a process that waits for what another one has asked.
        """
        if (client is None) != (async_client is None):
            raise InvalidRequest(
                [
                    "Give `client` and `async_client` together, or neither: both kinds of calls occur."
                ]
            )
        if client is not None and base_url is not None:
            raise InvalidRequest(["base_url is given, but the clients have their own."])
        more: dict[str, Any] = {"allow_unknown_processor": allow_unknown_processor}
        plain = client or ParallelClient(api_key, base_url, **more)
        awaited = async_client or AsyncParallelClient(api_key, base_url, **more)
        made = cls(plain, awaited, share_memory(plain, awaited))
        hide(plain, secrets_of([asks]))
        return made

    def doubt(self, ledger_id: str) -> None:
        """Another process may have sent something to this ledger a moment ago."""
        doubt(self.plain, ledger_id)

    def create_group(self) -> Calls[str]:
        """A new ledger. Free."""
        group = yield Call(self.plain.create_group, self.awaited.create_group)
        return str(group.taskgroup_id)

    def submit(
        self,
        ledger_id: str,
        request: TaskRunInput,
        *,
        position: str,
        before: Look = "once",
        cursor: str | None = None,
    ) -> Calls[Submission]:
        """Find the run in the ledger or start it there."""
        how: dict[str, Any] = {"position": position, "before": before, "cursor": cursor}
        submission = yield Call(
            lambda: self.plain.submit(ledger_id, request, **how),
            lambda: self.awaited.submit(ledger_id, request, **how),
        )
        return cast(Submission, submission)

    def submit_directly(self, request: TaskRunInput) -> Calls[Submission]:
        """Start the run without a ledger, at most once: a lost answer is a lost run."""
        started = yield Call(
            lambda: self.plain.create(request), lambda: self.awaited.create(request)
        )
        run = cast(TaskRun, started)
        return Submission(run=run, ledger_id="", key=f"run {run.run_id}", adopted=False)

    def find(
        self, ledger_id: str, request: TaskRunInput, *, position: str, before: Any = "once"
    ) -> Calls[Submission | None]:
        """The run that was paid for under a key, if there is one."""
        how: dict[str, Any] = {"position": position, "before": before}
        found = yield Call(
            lambda: self.plain.find(ledger_id, request, **how),
            lambda: self.awaited.find(ledger_id, request, **how),
        )
        return cast("Submission | None", found)

    def retrieve(self, run_id: str) -> Calls[TaskRun]:
        """A run as it stands."""
        run = yield Call(lambda: self.plain.retrieve(run_id), lambda: self.awaited.retrieve(run_id))
        return cast(TaskRun, run)

    def wait(
        self,
        run_id: str,
        interaction_id: str | None,
        timeout: float,
        on_event: Callable[[Event], Any] | None,
        secrets: Sequence[str] = (),
    ) -> Calls[TaskRunResult]:
        """Wait for a run; without `on_event`, where it has ended, only ask for its answer.

        Errors name the run and the interaction, and never one of `secrets`: a server may repeat an MCP
        header in what it says of a run that failed.
        """
        try:
            if on_event is None:
                result = yield Call(
                    lambda: self.plain.result(run_id, timeout=timeout),
                    lambda: self.awaited.result(run_id, timeout=timeout),
                )
            else:
                result = yield Call(
                    lambda: self.plain.wait(run_id, timeout=timeout, on_event=on_event),
                    lambda: self.awaited.wait(run_id, timeout=timeout, on_event=on_event),
                )
        except ParallelError as error:
            error.concerning(run_id, interaction_id)
            error.rewrite(lambda text: blot(text, secrets))
            raise
        return cast(TaskRunResult, result)


class Answered(NamedTuple):
    """An answer, and the other runs that were started for the same request: normally none."""

    result: TaskRunResult
    duplicates: tuple[str, ...] = ()
    paid: int = 1
    """How many runs cost money."""


def answer(
    clients: Clients,
    submission: Submission,
    request: TaskRunInput,
    position: str,
    wait: Callable[[TaskRun], Calls[TaskRunResult]],
) -> Calls[Answered]:
    """Wait for a run; if it was perhaps started twice, look for its twin once it has ended.

    Of twins the oldest that has an answer counts; all are told, in the log, too: both are paid for, and
    only a person can ask for the money back.
    """
    first = yield from _ended(wait, submission.run)
    if not (submission.resent or submission.duplicates):
        return Answered(_result(first))
    try:
        found = yield from clients.find(submission.ledger_id, request, position=position)
    except ParallelError as error:
        if isinstance(first, TaskRunResult):
            _LOG.warning("Perhaps started twice (ledger %s): %s", submission.ledger_id, error)
            return Answered(first)
        error.billed = None
        raise error.concerning(submission.run.run_id, submission.run.interaction_id) from None
    if found is None:  # the list shows neither: what was answered counts
        return Answered(_result(first))
    ids = tuple(dict.fromkeys((found.run.run_id, *found.duplicates, submission.run.run_id)))
    outcomes: dict[str, _Ended] = {submission.run.run_id: first}
    for run_id in ids:
        if run_id not in outcomes:
            run = (
                TaskRun(run_id=run_id, status="queued") if run_id != found.run.run_id else found.run
            )
            outcomes[run_id] = yield from _ended(wait, run)
        if isinstance(outcomes[run_id], TaskRunResult):
            break
    result = _result(outcomes[run_id])
    others = tuple(other for other in ids if other != result.run.run_id)
    paid = len(ids) - sum(not isinstance(ended, TaskRunResult) for ended in outcomes.values())
    if others:
        _LOG.warning(
            "Started more than once (ledger %s): runs %s; %d are paid for.",
            submission.ledger_id,
            ", ".join(ids),
            paid,
        )
    return Answered(result, others, paid)


_Ended: TypeAlias = TaskRunResult | RunFailed | RunCancelled | ActionRequired


def _ended(wait: Callable[[TaskRun], Calls[TaskRunResult]], run: TaskRun) -> Calls[_Ended]:
    try:
        return (yield from wait(run))
    except (RunFailed, RunCancelled, ActionRequired) as error:
        return error


def _result(ended: _Ended) -> TaskRunResult:
    if isinstance(ended, TaskRunResult):
        return ended
    raise ended


def wait_seconds(processor: str, timeout: float | None) -> float:
    """How long to wait for a run: as told, or twice its processor's usual longest time and ten
    minutes more; four and a half hours for a processor nobody knows.
    """
    if timeout is not None:
        return timeout
    known = PROCESSORS.get(processor)
    return 2 * (known.seconds[1] if known else 7200.0) + 600.0


def call_function(function: Callable[..., Any], *args: Any) -> Calls[Any]:
    """Call a caller's function, which may be asynchronous; a blocking graph refuses that one."""

    async def awaited() -> Any:
        value = function(*args)
        return await value if inspect.isawaitable(value) else value

    def plain() -> Any:
        value = None if inspect.iscoroutinefunction(function) else function(*args)
        if inspect.iscoroutinefunction(function) or inspect.isawaitable(value):
            if inspect.iscoroutine(value):
                value.close()
            name = getattr(function, "__name__", type(function).__name__)
            raise TypeError(f"{name} is asynchronous; run the graph with `ainvoke` or `astream`.")
        return value

    return (yield Call(plain, awaited))
