"""The task group of a new table, made while its rows are still turned into requests.

Rule: to make a group is free, but it is a request. So it is made early only where nothing can refuse the
table any longer: all rows are there and of a kind that is known, they have the columns, there are no limits
and no ids of rows, and no step of a graph has a batch for it.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from concurrent.futures import Future

from .._core.calls import Call, Calls
from .._core.ledger import batch_chain
from ..client import ParallelClient


class EarlyGroup:
    """A group that is being made, in a thread that ends with it."""

    def __init__(self, client: ParallelClient) -> None:
        self._client = client
        self._made: Future[str] | None = None

    def begin(self) -> None:
        """Begin to make it."""
        work = contextvars.copy_context().run
        made = self._made = Future[str]()
        try:
            threading.Thread(
                target=work, args=(self._make, made), name="group", daemon=True
            ).start()
        except RuntimeError:  # no thread can be had: the table makes its group itself
            self._made = None

    def _make(self, made: Future[str]) -> None:
        client = self._client
        try:
            chain = client._drive(batch_chain.begin({}, client._settings.policy))
        except BaseException as error:  # noqa: BLE001 -- it is raised where the group is asked for
            made.set_exception(error)
        else:
            made.set_result(chain.batch_id)

    def take(self) -> Calls[str | None]:
        """The id of the group, once it is made; None if none was begun.

        Raises:
            ParallelError: It could not be made.
        """
        made = self._made
        if made is None:
            return None

        async def wait() -> str:
            return await asyncio.shield(asyncio.wrap_future(made))

        group_id: str = yield Call(made.result, wait)
        return group_id
