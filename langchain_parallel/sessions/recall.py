"""What earlier sessions have found on a question, read from LangGraph's store by your own code.

Rule: as in the graph and the middleware (`RequestOptions.recall`), which write it: it is found for the same
user and the same credentials only.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from langgraph.store.base import BaseStore

from .._core.calls import Calls, adrive, drive
from .._core.kinds import check_kinds
from .._core.ledger.identity import identity_mark
from .._graph.recollections import Recollection, Recollections
from ..errors import InvalidRequest
from ..options import Recall, RequestOptions


def recall(
    store: BaseStore,
    question: str,
    request: RequestOptions,
    *,
    who: str = "",
    after: Sequence[str] = (),
    now: float | None = None,
) -> list[Recollection]:
    """What earlier sessions have found on a question: at most three, that of the same question first.

    A question in other words is found where the store has an index of its own, such as
    `InMemoryStore(index=…)`. Nothing is sent to Parallel, and nothing is paid.

    Args:
        store: The store of the graphs.
        question: As it would be asked; case, blanks and marks at its end do not matter.
        request: As the graphs have it: its `recall`, `identity` and `mcp_servers` say what may be found.
        who: The user, as in `langgraph_auth_user_id`; or what the function `Recall.per` returns for them.
            Empty for `per="all"`.
        after: The questions that this one follows, the nearest last; none for a first question.
        now: Unix seconds, from which the age is counted; the present time, unless given.

    Raises:
        InvalidRequest: `request` has no `recall`, or there is no question, or no user.
        StorageFailed: The store raised.
    """
    return drive(_find(store, question, request, who, after, now))


async def arecall(
    store: BaseStore,
    question: str,
    request: RequestOptions,
    *,
    who: str = "",
    after: Sequence[str] = (),
    now: float | None = None,
) -> list[Recollection]:
    """As `recall`; awaited."""
    return await adrive(_find(store, question, request, who, after, now))


def forget(
    store: BaseStore,
    question: str,
    request: RequestOptions,
    *,
    who: str = "",
    after: Sequence[str] = (),
) -> bool:
    """Delete what earlier sessions have found on a question in these words; whether there was anything.

    All that is kept for a user is deleted by `delete_user_records`. For the arguments see `recall`.

    Raises:
        InvalidRequest: As `recall`.
        StorageFailed: The store raised.
    """
    return drive(_delete(store, question, request, who, after))


async def aforget(
    store: BaseStore,
    question: str,
    request: RequestOptions,
    *,
    who: str = "",
    after: Sequence[str] = (),
) -> bool:
    """As `forget`; awaited."""
    return await adrive(_delete(store, question, request, who, after))


def _find(  # noqa: PLR0917 -- the arguments of `recall`
    store: BaseStore,
    question: str,
    request: RequestOptions,
    who: str,
    after: Sequence[str],
    now: float | None,
) -> Calls[list[Recollection]]:
    kept = _recollections(store, question, request, who)
    return (yield from kept.find(question, after, time.time() if now is None else now))


def _delete(
    store: BaseStore, question: str, request: RequestOptions, who: str, after: Sequence[str]
) -> Calls[bool]:
    return (yield from _recollections(store, question, request, who).delete(question, after))


def _recollections(
    store: BaseStore, question: str, request: RequestOptions, who: str
) -> Recollections:
    check_kinds({"request": (request, RequestOptions), "question": (question, str)})
    kept = request.recall
    if not isinstance(kept, Recall):
        raise InvalidRequest(
            ["These options keep nothing of earlier sessions."],
            hint="Give those of the graph, with RequestOptions(recall=Recall(…)).",
        )
    problems = [] if question.strip() else ["There is no question."]
    if who and kept.per == "all":
        problems.append(f"who is {who!r:.60}; with Recall(per='all') it is left out.")
    elif not who and kept.per != "all":
        problems.append("who is missing: what is kept for each user is found for one user.")
    if problems:
        raise InvalidRequest(problems)
    mark = identity_mark(request.template(["lite"]), request.identity)
    return Recollections(store, kept, who, mark)
