"""The ledgers of a tool that neither the graph's state nor a store keeps (R4).

Rule: one ledger for a session. A ledger is looked through before every run it is asked for, so one
for all that a long-lived tool ever does would make each call slower than the last.
"""

from __future__ import annotations

from collections import OrderedDict

from .._calls import Call, Calls, Clients
from .._locks import lock_of

REMEMBERED = 1_000
"""Sessions whose ledgers are remembered, the latest ones."""
USES = 200
"""Calls outside LangGraph that share one ledger: in doubt, so many runs are looked through."""


class Ledgers:
    """Ledgers by session, made when first asked for."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, str] = OrderedDict()
        self._uses = 0

    def of(self, session: str, clients: Clients, *, limited: bool = False) -> Calls[str]:
        """The session's ledger; calls that ask for it at the same time get the same one.

        Args:
            session: What the ledger is kept for.
            clients: Who makes one.
            limited: Begin another one after a number of uses; nobody will look for these runs later.
        """
        lock = lock_of(f"ledger of {id(self)} {session}")
        yield Call(lock.acquire, lock.aacquire)
        try:
            if limited:
                self._count(session)
            if session not in self._known:
                self._remember(session, (yield from clients.create_group()))
            return self._known[session]
        finally:
            lock.release()

    def _count(self, session: str) -> None:
        self._uses += 1
        if self._uses % USES == 0:
            self._known.pop(session, None)

    def _remember(self, session: str, ledger_id: str) -> None:
        self._known[session] = ledger_id
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
