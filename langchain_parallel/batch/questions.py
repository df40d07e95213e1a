"""From a row to its request, and to the key that the request has in its batch.

Rule: a run is found again by what its row asks, and by the row's id where the caller names one: never by the
row's number. So rows may come again in another order, with others between them, and none is paid for twice.

    row_id is a column   the id is the position: the same id twice is refused, and the same question under two
                         ids is two runs
    no row_id            the question is the identity: the n-th row that asks the same is the n-th run of it
"""

from __future__ import annotations

import inspect
import string
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from .._core.ledger.keys import ROW_ID, ledger_key
from ..errors import InvalidRequest, ParallelError
from ..models import TaskRunInput
from .row_values import plain_value

Question: TypeAlias = "str | Sequence[str] | Callable[[Mapping[str, Any]], Any]"
"""A template such as `Who runs {company}?`; the name of a column that holds the question; a list of columns,
sent as an object; or a function of the row."""
_MAX_ID = 500


@dataclass(eq=False, slots=True)
class RowTicket:
    """A row on its way."""

    number: int
    """Counted from 0."""
    row: dict[str, Any]
    row_id: str
    request: TaskRunInput | None = None
    """None where it could not be made, and after it was sent."""
    key: str = ""
    error: ParallelError | None = None
    """Why it cannot be asked."""
    is_repeated: bool = False
    """Its id stands in an earlier row, too."""
    is_charged: bool = False
    """Whether its run counts in what the batch costs."""
    duplicates: tuple[str, ...] = ()
    """Further runs under its key, which should not exist."""
    group_id: str = ""
    """The task group of its run, once there is one, or may be."""
    size: int = 0
    """Characters of its question."""


@dataclass
class Questioner:
    """Makes the requests of a table's rows."""

    question: Question
    template: TaskRunInput
    row_id: str | None = None
    continue_from: str | None = None
    """The column that holds the interaction which each row continues."""
    identity: str | None = None
    check: Callable[[TaskRunInput], object] = lambda _: None
    """Raises for a request that may not be sent."""
    _seen: set[str] = field(default_factory=set)
    _times: dict[bytes, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if isinstance(self.question, str):
            self._parts = _parts_of(self.question)
        elif not callable(self.question):
            given: object = self.question
            names = list(given) if isinstance(given, Iterable) else []
            if not names or not all(isinstance(name, str) for name in names):
                raise InvalidRequest(
                    ["question is a template, a column, a list of columns, or a function."]
                )

    def check_columns(self, row: Mapping[str, Any]) -> None:
        """Check that a row has the columns that are named.

        Raises:
            InvalidRequest: One is missing, or the question names none.
        """
        named = [name for name in (self.row_id, self.continue_from) if name is not None]
        if isinstance(self.question, str):
            fields = [name for _, name in self._parts if name is not None]
            if not fields and self.question not in row:
                raise InvalidRequest(
                    [
                        (
                            f"question is {self.question!r:.100}, which is no column and has no {{column}} "
                            "in it: every row would ask the same."
                        )
                    ]
                )
            named += fields
        elif not callable(self.question):
            named += list(self.question)
        missing = [name for name in dict.fromkeys(named) if name not in row]
        if missing:
            raise InvalidRequest(
                [f"There is no column {', '.join(missing)}; there are {', '.join(row) or 'none'}."]
            )

    def ticket(self, number: int, row: dict[str, Any]) -> RowTicket:
        """A row's ticket; one that cannot be asked has its error."""
        given = number if self.row_id is None else row.get(self.row_id)
        ticket = RowTicket(number, row, "" if given is None else str(given))
        try:
            ticket.request = self._request(ticket)
            ticket.key = self._key(ticket, ticket.request)
            ticket.size = len(str(ticket.request.input))
        except InvalidRequest as error:
            ticket.error, ticket.request = error, None
        except (ValueError, RecursionError) as error:  # a number of 5,000 digits has no text
            said = f"The question of this row cannot be made: {type(error).__name__}."
            ticket.error, ticket.request = InvalidRequest([said]), None
        return ticket

    def _request(self, ticket: RowTicket) -> TaskRunInput:
        asked = self._question_of(ticket.row)
        if asked is not None and not isinstance(asked, dict):
            asked = str(asked)
        if _is_empty(asked):
            raise InvalidRequest(["The question of this row is empty."])
        before = None if self.continue_from is None else ticket.row.get(self.continue_from)
        if self.continue_from is not None and _is_empty(before):
            raise InvalidRequest(
                [f"{self.continue_from} of this row is empty: there is nothing to continue."]
            )
        metadata = {**self.template.metadata, ROW_ID: ticket.row_id[:_MAX_ID]}
        update: dict[str, Any] = {"input": asked, "metadata": metadata}
        if before is not None:
            update["previous_interaction_id"] = str(before)
        request = self.template.model_copy(update=update)
        self.check(request)
        return request

    def _question_of(self, row: Mapping[str, Any]) -> Any:
        if callable(self.question):
            return _call(self.question, row)
        if not isinstance(self.question, str):
            return {name: row.get(name) for name in self.question}
        if not any(name for _, name in self._parts):  # a column, which this row may lack
            return row.get(self.question)
        empty = [name for _, name in self._parts if name and _is_empty(row.get(name))]
        if empty:
            raise InvalidRequest([f"{', '.join(empty)} of this row is empty."])
        return "".join(
            text + ("" if name is None else str(row[name])) for text, name in self._parts
        )

    def _key(self, ticket: RowTicket, request: TaskRunInput) -> str:
        if self.row_id is not None:
            if not ticket.row_id.strip() or len(ticket.row_id) > _MAX_ID:
                raise InvalidRequest([f"A row's id has 1 to {_MAX_ID} characters."])
            if ticket.row_id in self._seen:
                ticket.is_repeated = True
                raise InvalidRequest(
                    [f"The id {ticket.row_id!r:.100} stands in an earlier row, too."],
                    hint="Nothing was sent for this row. Give each row an id of its own.",
                )
            self._seen.add(ticket.row_id)
            position = f"row {ticket.row_id}"
            return ledger_key(request, position=position, identity=self.identity)
        key = ledger_key(request, position=nth_position(1), identity=self.identity)
        asked = bytes.fromhex(key)
        times = self._times[asked] = self._times.get(asked, 0) + 1
        if times == 1:
            return key
        return ledger_key(request, position=nth_position(times), identity=self.identity)


def nth_position(times: int) -> str:
    """The position in its batch of the n-th request that asks the same."""
    return "row" if times == 1 else f"row, {times}th"


def _parts_of(template: str) -> list[tuple[str, str | None]]:
    """A template as texts, each with the column that follows it."""
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        raise InvalidRequest(
            [f"question is no template: {error}. Write {{{{ for a brace."]
        ) from None
    if any(spec or how for _, name, spec, how in parts if name is not None):
        raise InvalidRequest(
            ["question is a template with plain {column}s, without a format. Write {{ for a brace."]
        )
    if any(name == "" for _, name, _, _ in parts):
        raise InvalidRequest(["question is a template with {column}s, and {} names no column."])
    return [(text, name) for text, name, _, _ in parts]


def _call(question: Callable[[Mapping[str, Any]], Any], row: Mapping[str, Any]) -> Any:
    """What a function of the caller's asks for a row; one that fails must not cost the other rows."""
    try:
        asked = question(row)
        if not inspect.isawaitable(asked):
            return plain_value(asked)
    except Exception as error:
        raise InvalidRequest(
            [f"The function for the question failed: {type(error).__name__}."]
        ) from error
    if inspect.iscoroutine(asked):
        asked.close()
    raise InvalidRequest(["The function for the question is asynchronous; give a plain one."])


def _is_empty(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_is_empty, value.values()))
    return value is None or (isinstance(value, str) and not value.strip())
