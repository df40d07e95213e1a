"""The rows of a table as tickets, taken in chunks.

Rule: no row waits long for the next one to come. Rows that were read are sent after a moment, and those that
come one by one go into one group until it has a chunk of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .._core.effects import Flow, now
from .questions import RowTicket
from .row_reader import RowReader

GATHERING = 0.5
"""Seconds in which more rows may join those that were read, before these are sent."""
_TICK = 1.0
"""Seconds after which one that waits for nothing but its first row looks at its clock."""


def given_ticket(_: int, ticket: RowTicket) -> RowTicket:
    """The ticket of a row of which it was made before."""
    return ticket


@dataclass
class TicketQueue:
    """Rows that come, and the tickets made of them."""

    rows: RowReader
    make_ticket: Callable[[int, Any], RowTicket] = given_ticket
    """From the number of a row, and the row."""
    most_chars: int = 4_000_000
    """Of questions in one request: a thousand long ones would be more than a server takes."""
    is_partial: bool = False
    """The rows taken last are fewer than they might be: more of their chunk may come."""
    _peeked: list[RowTicket] = field(default_factory=list)
    _taken: int = 0
    """Rows of which tickets were made."""
    _has_come: bool = True
    """Whether there were rows when they were read last."""

    @property
    def has_more(self) -> bool:
        """Whether there may be rows that were not taken yet."""
        return bool(self._peeked) or self.rows.is_open

    def wait_for_first(self, until: float, tell: Callable[[], Flow[None]]) -> Flow[None]:
        """Wait for a row where there is nothing else to do; it is told now and then that this goes on."""
        while not self._peeked and (time := (yield from now())) < until:
            if (yield from self.rows.wait(1, min(_TICK, until - time))):
                return
            yield from tell()

    def wait(self, number: int, until: float, *, is_idle: bool) -> Flow[None]:
        """Wait until so many rows can be taken, and one more can be looked at; for a moment only, and where
        there is something else to do, not again before one has come.
        """
        gathering = GATHERING if is_idle or self._has_come else 0.0
        seconds = min(gathering, max(0.0, until - (yield from now())))
        yield from self.rows.wait(number + 1 - len(self._peeked), seconds)

    def take(self, number: int) -> list[RowTicket]:
        """The next rows, up to this number or until one request holds enough; and one more is looked at, to
        know whether there is any.

        Raises:
            BaseException: What ended the iterator of rows, if it is no `Exception`.
        """
        tickets, self._peeked = self._peeked, []
        size = sum(ticket.size for ticket in tickets)
        for row in self.rows.take():
            ticket = self.make_ticket(self._taken, row)
            self._taken += 1
            size += ticket.size
            if tickets and (len(tickets) == number or size > self.most_chars):
                self._peeked = [ticket]
                break
            tickets.append(ticket)
        self.is_partial = len(tickets) < number and not self._peeked and self.rows.is_open
        self._has_come = bool(tickets)
        failure = self.rows.failure
        if failure is not None and not isinstance(failure, Exception):
            raise failure
        return tickets
