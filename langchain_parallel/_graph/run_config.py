"""What all runs of a door share: its clients, its records, and the request but for its question.

Rule: all options of a door are checked here, before anything is paid. It holds secrets, so it stays out of
every state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, Literal, TypeAlias

from langchain_core.runnables import RunnableConfig
from pydantic import SecretStr
from typing_extensions import Self

from .._core.hidden import as_secret, hidden
from .._core.kinds import check_kinds, check_words
from .._core.ledger.identity import identity_mark
from .._core.ledger.keys import check_own_metadata
from .._core.limits import check_text
from ..client import AsyncParallelClient, ParallelClient
from ..client.client_pair import pair_with_key
from ..client.request_warnings import warn
from ..errors import InvalidRequest
from ..models import SchemaLike, TaskRunInput, TaskSpec
from ..options import Limits, RequestOptions, check_timeout
from ..processors import is_chat
from .clients import ClientPair
from .graph_names import with_fingerprint
from .quotas import Quotas
from .records import Records
from .runtime import came_through_server, thread_metadata
from .session_ledger import Ledgers

Wait: TypeAlias = Literal["block", "background", "park"]


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """What all runs of one door share."""

    clients: ClientPair
    records: Records
    ledgers: Ledgers
    quotas: Quotas
    template: TaskRunInput
    """Every request but for its question."""
    options: RequestOptions
    limits: Limits
    wait: Wait
    timeout: float | None
    name: str
    asks_quick_questions: ClassVar[bool] = False
    """Whether it takes the processors of quick turns."""
    recalls: ClassVar[bool] = False
    """Whether it shows what earlier sessions have found."""
    warned: set[str] = field(default_factory=set, repr=False)
    """The rules that a warning has named: each is named once, however many runs break it."""

    @classmethod
    def of(
        cls,
        *,
        processor_names: Sequence[str],
        output_schema: SchemaLike | None,
        input_schema: SchemaLike | None = None,
        request: RequestOptions | None,
        limits: Limits | None,
        wait: Wait = "block",
        waits: Sequence[Wait] = ("block",),
        timeout: float | None,
        name: str,
        api_key: str | SecretStr | None,
        base_url: str | None,
        client: ParallelClient | AsyncParallelClient | None,
        **more: Any,
    ) -> Self:
        """The configuration of a door, from the options it was given.

        Args:
            processor_names: All that the door may use, the usual one first.
            waits: The ways to wait that the door has.
            more: The door's own fields.

        Raises:
            InvalidRequest: An option is wrong, or the requests may not be sent.
            MissingKey: There is no API key.
        """
        api_key, base_url = as_secret(api_key), hidden(base_url)
        check_kinds({"limits": (limits, Limits), "request": (request, RequestOptions)})
        options, limits = request or RequestOptions(), limits or Limits()
        check_own_metadata(options.metadata)  # a copy of options is not checked
        if not cls.asks_quick_questions and (quick := [*filter(is_chat, processor_names)]):
            raise InvalidRequest(
                [f"{', '.join(quick)}: only the research graph and the middleware ask quick turns."]
            )
        if options.recall is not None and not cls.recalls:
            raise InvalidRequest(
                ["recall: only the research graph and the middleware show what is known already."],
                hint="Beside a tool, your code asks `langchain_parallel.sessions.recall`.",
            )
        warned: set[str] = set()
        template = options.template(processor_names, output_schema, input_schema, warned)
        check_words({"wait": wait}, {"wait": waits})
        given_name: object = name
        if not (isinstance(given_name, str) and given_name.strip()):
            raise InvalidRequest([f"name is {name!r}; give text."])
        check_text({"name": name})
        clients = ClientPair.of(
            client,
            api_key=api_key,
            base_url=base_url,
            allow_unknown_processor=options.allow_unknown_processor,
            asks=template,
        )
        # The digest of MCP credentials takes a while: now, rather than later in an event loop.
        identity_mark(template, options.identity)
        records = Records()
        return cls(
            clients=clients,
            records=records,
            ledgers=Ledgers(clients, records),
            quotas=Quotas(clients, records),
            template=template,
            options=options,
            limits=limits,
            wait=wait,
            timeout=check_timeout(timeout),
            name=name,
            warned=warned,
            **more,
        )

    def with_key(self, api_key: SecretStr) -> Self:
        """The same door, with a user's key: another account, whose runs and seals are its own.

        Raises:
            InvalidRequest: The key cannot be one.
        """
        client = pair_with_key(self.clients.sync, self.clients.async_, api_key)
        clients = ClientPair.of(client, asks=self.template)
        return replace(
            self,
            clients=clients,
            ledgers=Ledgers(clients, self.records),
            quotas=self.quotas.of_clients(clients),
        )

    def warn_of(self, request: TaskRunInput) -> None:
        """Warn of the documentation's rules that a request breaks, of each once.

        Raises:
            InvalidRequest: It may not be sent, by the door or by its clients; the error lists all problems.
        """
        strict = any(client._settings.strict for client in self.clients)
        warn(self.options.check(request, strict=strict), self.warned)

    def trusts_ids(self, config: RunnableConfig) -> bool:
        """Whether an id that nothing proves to be this thread's may be used.
        Unless set, only where no LangGraph server stands between the caller and this graph.
        """
        allowed = self.options.allow_foreign_ids
        return not came_through_server(config) if allowed is None else allowed

    @property
    def mark(self) -> str | None:
        """Whose credentials its runs have."""
        return identity_mark(self.template, self.options.identity)

    @cached_property
    def own_name(self) -> str:
        """Its name, with a fingerprint if that is the default one."""
        spec = self.template.task_spec
        schema = None if spec is None else spec.model_dump(mode="json", exclude_none=True)
        return with_fingerprint(self.name, schema, *self.judges())

    def judges(self) -> Sequence[Any]:
        """What judges an answer, beside its schema."""
        return ()

    def graph_name(self, config: RunnableConfig) -> str:
        """The name under which it parks the thread of `config`."""
        return self.own_name

    def may_be(self, graph: str) -> bool:
        """Whether `graph_name` may be this, in a config that is not at hand."""
        return graph == self.own_name

    def request(
        self,
        question: Any,
        processor: str,
        previous_interaction_id: str | None,
        config: RunnableConfig | None = None,
        *,
        output_schema: Any = None,
        metadata: dict[str, str] | None = None,
    ) -> TaskRunInput:
        """What is sent for a question; its metadata names the LangGraph thread of `config`."""
        thread = {} if config is None else thread_metadata(config)
        update: dict[str, Any] = {
            "input": question,
            "processor": processor,
            "previous_interaction_id": previous_interaction_id,
            "metadata": {**thread, **self.template.metadata, **(metadata or {})},
        }
        if output_schema:
            given = self.template.task_spec
            update["task_spec"] = TaskSpec(
                output_schema=output_schema, input_schema=given.input_schema if given else None
            )
        return self.template.model_copy(update=update)
