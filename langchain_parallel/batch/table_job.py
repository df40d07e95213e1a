"""A table to research: its options, checked, and what is made of them before anything is paid."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config
from pydantic import SecretStr
from typing_extensions import TypedDict

from .._core.hidden import as_secret, hidden
from .._core.kinds import check_kinds, check_whole, kind_of
from .._core.ledger import batch_chain
from .._core.ledger.batch_chain import BatchChain
from .._core.ledger.identity import identity_mark
from .._core.limits import seconds
from .._core.redaction import secrets_of
from .._graph.runtime import thread_metadata
from ..client import AsyncParallelClient, ParallelClient
from ..client.client_pair import AnyClient, client_pair, place_of
from ..client.request_warnings import warn
from ..errors import InvalidRequest
from ..evidence import TEXT_FIELD
from ..models import JsonSchema, SchemaLike, TaskRunInput
from ..options import Limits, RequestOptions, check_timeout
from ..processors import is_chat
from .approval_of_tables import Approve
from .questions import Question, Questioner, RowTicket
from .row_answer import EarlierRow
from .row_reader import RowReader
from .row_source import Rows, RowSource
from .spending import BatchSpending, check_limits
from .table_flow import BatchProgress, TableFlow
from .table_plan import TablePlan
from .ticket_queue import TicketQueue

_SHOWN_PROBLEMS = 10
_KEPT = 5_000
"""Rows whose tickets are kept between plan and start."""


class TableOptions(TypedDict, total=False):
    """How a table is researched; all doors of tables take these."""

    output_schema: SchemaLike | None
    """The columns to find: a pydantic class, a JSON schema, a text…; without one, the API chooses."""
    processor: str
    """`base` unless given."""
    row_id: str | None
    """The column that names each row. The same id twice is refused; the same question under two ids is two
    runs. Without it the question identifies a row, and the n-th of the same is the n-th run."""
    continue_from: str | None
    """The column with the interaction that each row continues: `interaction_id` of an earlier table."""
    batch_id: str | None
    """Go on with this batch: what it has paid for is not paid for again."""
    in_order: bool
    """Rows in the order in which they came (as if not given), or False: as they are answered."""
    limits: Limits | None
    """`max_cost_usd` and `max_runs` of the whole batch; `approve_above`; `on_exceed`."""
    approve: Approve | None
    """Asked before anything is sent, where a limit would be passed. In a step of a graph with a checkpointer
    a person is asked by an interrupt instead."""
    request: RequestOptions | None
    """What shapes every run: source policy, MCP servers, metadata, …"""
    timeout: float | None
    """Seconds for the whole table; then rows without an answer have `StillRunning`, and the batch id goes on
    with them. None: no limit."""
    max_in_flight: int
    """Rows whose runs are awaited at the same time: 10,000 unless given. More rows need more memory."""
    chunk_size: int
    """Rows in one request to the API, and in one task group: 1,000 unless given."""
    on_begin: Callable[[str], Any] | None
    """Called with the batch id before anything is paid: the place to keep it."""
    on_progress: Callable[[BatchProgress], Any] | None
    """Called after each step."""
    progress: bool
    """Show the table while it is researched, on a terminal or in a notebook (`show_progress`)."""
    config: RunnableConfig | None
    """LangChain's, such as callbacks; unless given, that of the step or Runnable around the call."""
    api_key: str | SecretStr | None
    """Read from `PARALLEL_API_KEY` unless given."""
    base_url: str | None
    """Read from `PARALLEL_BASE_URL` unless given."""
    client: AnyClient | None
    """A client that is there already, of either kind."""


_DEFAULTS = TableOptions(
    output_schema=None,
    processor="base",
    row_id=None,
    continue_from=None,
    batch_id=None,
    in_order=True,
    limits=None,
    approve=None,
    request=None,
    timeout=None,
    max_in_flight=10_000,
    chunk_size=1_000,
    on_begin=None,
    on_progress=None,
    progress=False,
    config=None,
    api_key=None,
    base_url=None,
    client=None,
)


def hide_secrets(options: TableOptions) -> TableOptions:
    """The options with key and address as what shows neither. Each door begins with it, so that no local
    variable has them as text.
    """
    hiding = {"api_key": as_secret, "base_url": hidden}
    shown: Any = {**options}
    shown |= {name: hide(shown[name]) for name, hide in hiding.items() if name in shown}
    return cast("TableOptions", shown)


@dataclass(eq=False)
class TableJob:
    """A table that may be started."""

    source: RowSource
    questioner: Questioner
    options: TableOptions
    sync: ParallelClient
    async_: AsyncParallelClient
    spending: BatchSpending
    columns: list[str]
    """Those of the schema."""
    parks: bool = False
    """Park the thread while the runs are active, where that is possible."""
    _planned: list[RowTicket] | None = None
    """The tickets of a short table, which need not be made again."""

    @classmethod
    def of(
        cls, rows: Rows, question: Question, given: TableOptions, *, is_awaited: bool = False
    ) -> TableJob:
        """A table, with its options checked. `is_awaited`: its rows may come asynchronously.

        Raises:
            InvalidRequest: An option is wrong, or the rows have no such columns.
            MissingKey: There is no API key.
        """
        if unknown := sorted(given.keys() - _DEFAULTS.keys()):
            known = ", ".join(_DEFAULTS)
            raise InvalidRequest([f"{', '.join(unknown)} is no option; {known} are."])
        options: TableOptions = {**_DEFAULTS, **given}
        request, limits = _check_options(options)
        processor = options["processor"]
        template = request.template([processor], options["output_schema"])
        metadata = {**thread_metadata(ensure_config(options["config"])), **template.metadata}
        template = template.model_copy(update={"enable_events": None, "metadata": metadata})
        sync, async_ = client_pair(
            options["client"],
            api_key=options["api_key"],
            base_url=options["base_url"],
            allow_unknown_processor=request.allow_unknown_processor,
        )
        sync._settings.secrets.register(secrets_of([template]))
        warned: set[str] = set()
        questioner = Questioner(
            question,
            template,
            row_id=options["row_id"],
            continue_from=options["continue_from"],
            identity=request.identity,
            check=lambda one: warn(request.check(one), warned),
        )
        spending = BatchSpending.of(processor, limits, request)
        source = RowSource.of(rows, is_awaited=is_awaited)
        return cls(source, questioner, options, sync, async_, spending, answer_columns(template))

    # --- before --------------------------------------------------------------------------------

    def plan(self, chain: BatchChain | None = None, *, reads: bool = False) -> TablePlan:
        """What the table will cost.

        Args:
            chain: The batch that is gone on with.
            reads: Read an iterator, too, which can then not be read again.

        Raises:
            InvalidRequest: Its rows lack a column, or an id stands in two of them.
        """
        processor = self.options["processor"]
        if not (self.source.is_repeatable or reads):
            return TablePlan(processor, None, 0, 0, None)
        questioner = replace(self.questioner, _seen=set(), _times={})
        rows = invalid = adopted = 0
        problems: list[str] = []
        planned: list[RowTicket] = []
        for row in self.source.open():
            ticket = _ticket(questioner, rows, row)
            rows += 1
            if rows <= _KEPT:
                planned.append(ticket)
            if ticket.error is not None and ticket.is_repeated:
                raise ticket.error
            if ticket.error is not None:
                invalid += 1
                problems += [f"Row {ticket.number}: {ticket.error.message}"]
                problems = problems[:_SHOWN_PROBLEMS]
            elif chain is not None and ticket.key in chain.known:
                adopted += 1
        self._planned = planned if rows <= _KEPT else None
        price = None if self.spending.has_unknown_price else self.spending.price
        cost = None if price is None else round((rows - invalid - adopted) * price, 6)
        return TablePlan(processor, rows, invalid, adopted, cost, tuple(problems))

    def reopen(self) -> Any:
        """The flow that reads the batch which is gone on with; None without one."""
        batch_id = self.options["batch_id"]
        return None if batch_id is None else batch_chain.reopen(batch_id, self._policy)

    @property
    def place(self) -> str:
        """Tells apart the servers whose batches may have the same id."""
        return place_of(self.sync, self.async_)

    @property
    def _policy(self) -> Any:
        return self.sync._settings.policy

    # --- the flow ------------------------------------------------------------------------------

    def flow(self, on_begin: Callable[[str], Any]) -> TableFlow:
        """The table on its way; `on_begin` is called with the batch id before anything is paid."""
        options, settings = self.options, self.sync._settings
        timeout, planned = options["timeout"], self._planned
        self._planned = None
        return TableFlow(
            queue=TicketQueue(self.source.reader(), partial(_ticket, self.questioner))
            if planned is None
            else TicketQueue(RowReader(iter(planned))),
            policy=settings.policy,
            spending=self.spending,
            cache=settings.cache,
            mark=identity_mark(self.questioner.template, self.questioner.identity),
            batch_id=options["batch_id"],
            in_order=options["in_order"],
            chunk_size=options["chunk_size"],
            in_flight=options["max_in_flight"],
            seconds=math.inf if timeout is None else seconds(timeout),
            on_begin=on_begin,
        )


def _ticket(questioner: Questioner, number: int, row: dict[str, Any]) -> RowTicket:
    if number == 0 and not (isinstance(row, EarlierRow) and row.has_failed):
        questioner.check_columns(row)
    return questioner.ticket(number, row)


def _check_options(options: TableOptions) -> tuple[RequestOptions, Limits]:
    request, limits = options["request"] or RequestOptions(), options["limits"] or Limits()
    check_kinds(
        {
            "limits": (limits, Limits),
            "request": (request, RequestOptions),
            "processor": (options["processor"], str),
            "batch_id": (options["batch_id"], str),
            "row_id": (options["row_id"], str),
            "continue_from": (options["continue_from"], str),
        }
    )
    if not options["processor"]:
        raise InvalidRequest([f"processor is {options['processor']!r}; leave it out for `base`."])
    if options["batch_id"] == "":
        raise InvalidRequest(["batch_id is empty; leave it out for a new batch."])
    if is_chat(options["processor"]):
        raise InvalidRequest(
            [f"{options['processor']} is for quick turns; a table takes a processor of runs."]
        )
    check_timeout(options["timeout"])
    check_whole("max_in_flight", options["max_in_flight"], 1)
    size = check_whole("chunk_size", options["chunk_size"], 1)
    if size > 1_000:
        raise InvalidRequest([f"chunk_size is {size:,}; 1,000 is the most that the API takes."])
    for name in ("on_begin", "on_progress", "approve"):
        if not (options[name] is None or callable(options[name])):
            raise InvalidRequest([f"{name} is {kind_of(options[name])}; give a function."])
    return request, check_limits(limits)


def answer_columns(template: TaskRunInput) -> list[str]:
    """The columns of a schema's answers; none where the API chooses them."""
    schema = template.task_spec.output_schema if template.task_spec else None
    if isinstance(schema, JsonSchema):
        return [*cast("dict[str, Any]", schema.json_schema.get("properties") or {})]
    is_auto = schema is None or getattr(schema, "type", None) == "auto"
    return [] if is_auto else [TEXT_FIELD]
