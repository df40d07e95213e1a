"""A batch in, the same batch with answers out: a function for engines that spread rows over machines.

Rule: a row is paid for once under the id of its batch, its own id and its question, whatever the engine does
with the task: runs it again, with other rows, on another machine, or twice at the same time (what that needs
is in `claimed_rows.py`). What an engine sends to its workers holds no key and no other secret.

What is wrong with one row stands in its column `error`. What running the task again may mend is raised, so
that the engine does: what was paid for by then is found.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, cast

from .._core.effects import Flow, emit, now
from .._core.group_results import GroupResults
from .._core.kinds import check_kinds, kind_of
from .._core.ledger.chunk import Outcome
from .._core.ledger.identity import identity_mark
from .._core.ledger.lookup import PendingSubmission
from .._core.listed_answers import Ended
from .._core.redaction import secrets_of
from .._core.run_status import still_running
from ..client import ParallelClient
from ..client.request_warnings import warn
from ..errors import (
    AuthenticationFailed,
    CreditExhausted,
    Forbidden,
    InvalidRequest,
    LedgerNotFound,
    ParallelError,
    RateLimited,
    RequestTimedOut,
    ResponseLost,
    ServerFault,
    StillRunning,
    SubmissionUnknown,
)
from ..models import JsonSchema, SchemaLike, Submission, TaskRunInput
from ..options import RequestOptions, check_timeout, task_spec
from ..processors import is_chat
from .batch_forms import Batch, Column, read_batch
from .claimed_rows import ClaimedRows, find_or_start
from .questions import Question, Questioner, RowTicket
from .row_answer import ResearchRow, with_answer, with_error
from .row_claims import RowClaims, SqliteClaims
from .table_files import FlatColumns, fit_value
from .table_job import answer_columns

RequestChoice: TypeAlias = "RequestOptions | Callable[[], RequestOptions] | None"
"""What shapes every run; or a function that returns it, called on each worker: for options with secrets."""

_MENDABLE = (
    AuthenticationFailed,
    CreditExhausted,
    Forbidden,
    LedgerNotFound,
    RateLimited,
    RequestTimedOut,
    ResponseLost,
    ServerFault,
    StillRunning,
    SubmissionUnknown,
)
"""What is not about the row that has it, and is raised."""
_KINDS = {"integer": int, "number": float, "boolean": bool}
_RUN_AGAIN = "Run the task again, with the same batch_id: what was paid for is found."


@dataclass(frozen=True, eq=False)
class Enricher:
    """Asks one question for each row of a batch, and returns the batch with the answers. It can be pickled.

    Args:
        question: A template such as `Who runs {company}?`; a column; a list of columns; or a function of the
            row.
        output_schema: The columns to find: a pydantic class, a JSON schema, or a text.
        batch_id: The batch. Without `claims` it is a task group (`client.create_group().taskgroup_id`), made
            before the engine starts; with them, any name of up to 500 characters. The same id again is the
            same batch: what it has paid for is not paid for again.
        row_id: The column that names each row. A row is found again by its id and its question.
        processor: `base` unless given.
        claims: Where processes agree on who sends a row: the path of an SQLite file (one machine),
            `PostgresClaims()`, or your own `RowClaims`. Needed where a row may be in two tasks at the same
            time. Without it, each call looks for the settling time (75 s) before it sends.
        request: Options of every run; a function that returns them, if they hold secrets.
        client: A function that returns the client, called on the worker for each batch. Unless given, key and
            address are read there from `PARALLEL_API_KEY` and `PARALLEL_BASE_URL`.
        timeout: Seconds for one batch; then `StillRunning` is raised. None: no limit.

    Raises:
        InvalidRequest: An option is wrong, or would send a secret to workers as text.
    """

    question: Question
    output_schema: SchemaLike
    _: KW_ONLY
    batch_id: str
    row_id: str
    processor: str = "base"
    claims: str | Path | RowClaims | None = None
    request: RequestChoice = field(default=None, repr=False)
    client: Callable[[], ParallelClient] | None = field(default=None, repr=False)
    timeout: float | None = None

    def __post_init__(self) -> None:
        check_kinds(
            {
                "batch_id": (self.batch_id, str),
                "row_id": (self.row_id, str),
                "processor": (self.processor, str),
            }
        )
        if not (self.batch_id or "").strip() or len(self.batch_id) > 500:
            raise InvalidRequest(["batch_id is empty, or has more than 500 characters."])
        if is_chat(self.processor):
            raise InvalidRequest(
                [f"{self.processor} is for quick turns; rows take a processor of runs."]
            )
        if self.client is not None and not callable(self.client):
            raise InvalidRequest(
                [f"client is {kind_of(self.client)}; give a function that returns one."]
            )
        check_timeout(self.timeout)
        # What a worker can rebuild: a schema without its class, a file whatever the folder of the worker.
        schema = task_spec(self.output_schema).output_schema
        object.__setattr__(self, "output_schema", schema)
        if isinstance(self.claims, str | Path):
            object.__setattr__(self, "claims", SqliteClaims(Path(self.claims).absolute()))
        Questioner(self.question, TaskRunInput(input="?", processor=self.processor))
        if not callable(self.request):
            template = self._template(self.request or RequestOptions())
            if secrets_of([template]):
                raise InvalidRequest(
                    ["request holds a secret, which would be sent to workers as text."],
                    hint="Give a function that returns the options; it is called on each worker.",
                )

    def __call__(self, batch: Batch) -> Batch:
        """The batch, in the form in which it came, with the columns of the answers beside its own.

        For each column of the schema there are its value, `…_confidence` and `…_sources` (an address a line);
        then `run_id`, `interaction_id` and `error`. An empty batch costs nothing, and has the same columns.

        Args:
            batch: A dict of arrays or lists, a DataFrame of pandas or Polars, a table or record batch of
                Arrow, or a list of dicts.

        Raises:
            InvalidRequest: The batch lacks a column, or an id stands in two of its rows; nothing was sent.
            MissingKey: There is no API key on this worker.
            ParallelError: Run the task again; what was paid for is found.
        """
        form = read_batch(batch)
        request = self.request() if callable(self.request) else self.request or RequestOptions()
        template = self._template(request)
        tickets = _tickets(form.rows, self._questioner(template, request))
        answers: dict[int, ResearchRow] = {}
        if tickets:
            with ParallelClient() if self.client is None else self.client() as client:
                client._settings.secrets.register(secrets_of([template]))
                answers = self._research(client, tickets, template, request)
        own = ResearchRow(0, "", dict.fromkeys(form.columns))
        flat = FlatColumns(own, answer_columns(template))
        rows = [flat.flat(answers[ticket.number]) for ticket in tickets]
        kinds = {flat.answer[name]: kind for name, kind in _kinds(template).items()}
        added = {}
        for name in flat.header[len(flat.own) :]:
            kind = kinds.get(name)
            values = ["\n".join(v) if name in flat.sources else v for v in (r[name] for r in rows)]
            added[name] = Column(kind, [fit_value(value, kind) for value in values])
        return form.extend(added)

    def _template(self, request: RequestOptions) -> TaskRunInput:
        template = request.template([self.processor], self.output_schema)
        if not answer_columns(template):
            raise InvalidRequest(
                ["output_schema names no columns, and each batch must come back with the same."],
                hint="Give a schema with properties, or a text that describes the answer.",
            )
        return template.model_copy(update={"enable_events": None})

    def _questioner(self, template: TaskRunInput, request: RequestOptions) -> Questioner:
        warned: set[str] = set()
        return Questioner(
            self.question,
            template,
            row_id=self.row_id,
            identity=request.identity,
            check=lambda one: warn(request.check(one), warned),
        )

    # --- research --------------------------------------------------------------------------------

    def _research(
        self,
        client: ParallelClient,
        tickets: Sequence[RowTicket],
        template: TaskRunInput,
        request: RequestOptions,
    ) -> dict[int, ResearchRow]:
        """The answer of each row, by its number."""
        settings, mark = client._settings, identity_mark(template, request.identity)
        until = settings.clock.monotonic() + (math.inf if self.timeout is None else self.timeout)
        by_key = {ticket.key: ticket for ticket in tickets if ticket.error is None}

        def pending(group_id: str, key: str) -> PendingSubmission:
            one = cast("TaskRunInput", by_key[key].request)
            return PendingSubmission(group_id, key, one, settings.policy, settings.cache, mark)

        outcomes = self._find_or_start(client, list(by_key), pending)
        answers = {t.number: with_error(t, t.error, self.processor) for t in tickets if t.error}
        waiting: list[tuple[RowTicket, Submission]] = []
        for key, outcome in outcomes.items():
            ticket = by_key[key]
            if isinstance(outcome, Submission):
                ticket.duplicates = outcome.duplicates
                waiting.append((ticket, outcome))
            else:
                answers[ticket.number] = self._row_with_error(ticket, outcome)
        columns = answer_columns(template)

        def take(ended: Any) -> None:
            ticket, answer = ended
            if isinstance(answer, ParallelError):
                answers[ticket.number] = self._row_with_error(ticket, answer)
            else:
                answers[ticket.number] = with_answer(ticket, answer, columns)

        client._drive(_collect(client, waiting, until), on_event=take)
        return answers

    def _find_or_start(
        self, client: ParallelClient, keys: Sequence[str], pending: Any
    ) -> Mapping[str, Outcome]:
        if not keys:
            return {}
        if self.claims is None:
            return find_or_start(client, self.batch_id, keys, pending)
        claims, owner = cast("RowClaims", self.claims), uuid.uuid4().hex
        return ClaimedRows(client, claims, self.batch_id, owner, pending).find_or_start(keys)

    def _row_with_error(self, ticket: RowTicket, error: ParallelError) -> ResearchRow:
        """The row with its error; what is not about this row is raised."""
        if isinstance(error, _MENDABLE):
            error.hint = f"{error.hint} {_RUN_AGAIN}".strip()
            if self.claims is None:
                error.hint += " Without claims, batch_id is the id of a task group."
            raise error
        return with_error(ticket, error, self.processor)


def _tickets(rows: Sequence[dict[str, Any]], questioner: Questioner) -> list[RowTicket]:
    if rows:
        questioner.check_columns(rows[0])
    tickets = [questioner.ticket(number, row) for number, row in enumerate(rows)]
    for ticket in tickets:
        if ticket.is_repeated and ticket.error is not None:
            raise ticket.error
    return tickets


def _collect(
    client: ParallelClient, waiting: Sequence[tuple[RowTicket, Submission]], until: float
) -> Flow[None]:
    """Emit each ticket with the answer of its run, or with its error."""
    settings, began = client._settings, (yield from now())
    groups: dict[str, GroupResults] = {}
    for ticket, submission in waiting:
        group_id = submission.ledger_id
        if group_id not in groups:
            index = settings.cache.index(group_id)
            size = len(index.ids) if index else 0
            groups[group_id] = GroupResults(group_id, settings.policy, size, began)
            settings.cache.forget_index(group_id)
        if submission.adopted:
            groups[group_id].last_look = -math.inf  # it may have ended long ago
        groups[group_id].await_run(submission.run, ticket)

    def take(ticket: Any, ended: Ended) -> Flow[None]:
        yield from emit((ticket, ended))

    for group in groups.values():
        yield from group.collect(until, take)
        for run, ticket in group.give_up():
            yield from emit((ticket, still_running(run, max(0.0, until - began))))


def _kinds(template: TaskRunInput) -> dict[str, type | None]:
    """The types of the answer's columns, by name; text (None) where a schema allows several."""
    schema = template.task_spec.output_schema if template.task_spec else None
    if not isinstance(schema, JsonSchema):
        return {}
    properties = cast("dict[str, Any]", schema.json_schema.get("properties") or {})
    return {name: _kind(one) for name, one in properties.items()}


def _kind(schema: Any) -> type | None:
    if not isinstance(schema, Mapping):
        return None
    allowed: set[str] = set()
    for one in [schema, *schema.get("anyOf", ())]:
        named = one.get("type", ()) if isinstance(one, Mapping) else ()
        allowed |= {named} if isinstance(named, str) else set(named)
    allowed -= {"null"}
    if allowed == {"integer", "number"}:
        return float
    [only] = allowed if len(allowed) == 1 else [""]
    return _KINDS.get(only)
