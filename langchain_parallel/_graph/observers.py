"""Who watches the runs of a block of code, which is what a display of them needs.

Rule: the observer is in a context variable. So tasks, and the threads that LangChain and LangGraph start,
have that of the block around them, and other users' runs in the same process are not shown. Where nobody
watches nothing is made, and an error of an observer never reaches a research.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeAlias

from ..errors import ParallelError, RunCancelled, RunFailed, StillRunning
from ..models import TaskRunInput
from ..text.progress import Progress
from ..text.untrusted import compact_json

_LOG = logging.getLogger("langchain_parallel")


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """News of a run or a table. None: nothing new. Question and message are untrusted text."""

    key: str
    """Tells it apart from the others."""
    question: str | None = None
    """In its first update."""
    processor: str | None = None
    status: str | None = None
    message: str | None = None
    sources_read: int | None = None
    answered: int | None = None
    """Rows of a table that have ended."""
    rows: int | None = None
    """Rows of a table, if their number is known."""
    cost_usd: float | None = None
    """USD; if it has ended, None means that the cost is unknown."""
    has_ended: bool = False


Observer: TypeAlias = Callable[[Update], None]
OBSERVER: ContextVar[Observer | None] = ContextVar("langchain_parallel observer", default=None)


def tell_to(observer: Observer | None, update: Update) -> None:
    """Hand on an update, whatever comes of that."""
    if observer is None:
        return
    try:
        observer(update)
    except Exception:  # noqa: BLE001  # whatever it is, the research goes on
        _LOG.debug("A display of progress failed.", exc_info=True)


class Watch:
    """What is told of a run that somebody waits for."""

    cost_usd: float | None = None


@contextmanager
def watch_run(key: str, request: TaskRunInput) -> Iterator[Watch]:
    """Tell that somebody waits for this run, and what came of it; put its cost into what this yields."""
    watch, observer = Watch(), OBSERVER.get()
    if observer is None:
        yield watch
        return
    asked = request.input
    question = asked if isinstance(asked, str) else compact_json(asked)
    first = Update(key=key, question=question, processor=request.processor, status="queued")
    status, cost = "goes on", None
    try:
        tell_to(observer, first)
        yield watch
        status, cost = "completed", watch.cost_usd
    except ParallelError as error:
        if isinstance(error, RunFailed | RunCancelled) or error.billed is False:
            status = "failed"
        elif not isinstance(error, StillRunning):
            status = "no answer"
        cost = 0.0 if error.billed is False else None
        raise
    finally:
        tell_to(observer, Update(key=key, status=status, cost_usd=cost, has_ended=True))


def update_of(message: Progress) -> Update:
    """The update of a run that an event of it makes."""
    return Update(
        key=message["run_id"],
        status=message.get("status"),
        message=message.get("message"),
        sources_read=message.get("sources_read"),
    )
