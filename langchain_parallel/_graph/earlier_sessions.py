"""What a door shows of earlier sessions, and keeps for later ones (`RequestOptions.recall`).

Rule: nothing of it is needed to find what was paid for. A store that fails here is logged and passed over.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from langchain_core.runnables import RunnableConfig

from .._core.calls import Calls
from .._core.plain_text import count
from ..errors import InvalidRequest, StorageFailed
from ..evidence import is_hollow
from ..options import Recall
from ..text.format import duration, usd
from ..text.untrusted import harmless
from .askers import who_asked
from .recollections import EndedQuestion, Recollection, Recollections
from .run_config import RunConfig
from .runtime import runtime_of, thread_id_of
from .tenants import tags

_LOG = logging.getLogger("langchain_parallel")
_SECONDS_A_DAY, _DAYS_FROM = 86_400, 2


def recollections_of(door: RunConfig, config: RunnableConfig) -> Calls[Recollections | None]:
    """What a door keeps for whoever has asked; None unless it is configured.

    Call it in the first step after an input: later ones may run for somebody else.

    Raises:
        InvalidRequest: There is no store, or no user.
    """
    recall = door.options.recall
    if recall is None:
        return None
    runtime = runtime_of(config)
    if runtime is None or runtime.store is None:
        raise InvalidRequest(
            ["RequestOptions(recall=…) needs a store, and the graph has none."],
            hint="Compile it with `store=`. Nothing was sent.",
        )
    (who,) = yield from who_asked(door.records, config, "asker", Recall, [recall.per])
    return Recollections(runtime.store, recall, who, door.mark)


def find_known(
    door: RunConfig, config: RunnableConfig, question: str, after: Sequence[str]
) -> Calls[list[Recollection]]:
    """What earlier sessions have found on a question; nothing, where the store fails.

    Raises:
        InvalidRequest: There is no store, or no user.
    """
    kept = yield from recollections_of(door, config)
    if kept is None:
        return []
    thread = thread_id_of(config)
    own = tags(thread)["thread"] if thread else ""  # without a thread, each call is a session
    try:
        return (yield from kept.find(question, after, door.clients.now(), beside=own))
    except StorageFailed as error:
        _LOG.warning("Nothing is shown of earlier sessions. %s", error.message)
        return []


def remember(door: RunConfig, config: RunnableConfig, ended: EndedQuestion) -> Calls[None]:
    """Keep what was found on a question, unless it is nothing."""
    if is_hollow(ended.evidence["content"]):
        return
    try:
        kept = yield from recollections_of(door, config)
        if kept is not None:
            # Without a thread, those of one user are deleted together.
            thread = thread_id_of(config) or f"no thread {kept.namespace}"
            yield from kept.put(ended, tags(thread, config))
    except (StorageFailed, InvalidRequest) as error:
        _LOG.warning("What was found is not kept for later sessions. %s", error.message)


def told_of(known: Recollection) -> str:
    """The sentence that says how old a recollection is and what it has cost. It holds no text of the web."""
    days = round(known["age_seconds"]) // _SECONDS_A_DAY
    old = count(days, "day") if days >= _DAYS_FROM else duration(known["age_seconds"])
    how = "The same question" if known["is_same_question"] else "A question like it"
    price = f"for {usd(known['cost_usd'], 'an unknown price')}"
    weak = ", with fields of weak evidence" if known["unsupported_fields"] else ""
    day = harmless(known["found_at"][:10])
    return f"{how} was asked in an earlier session, {old} ago ({day}), {price}{weak}. It had found:"
