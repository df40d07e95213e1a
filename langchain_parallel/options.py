"""The options that all doors (tool, middleware, research graph) share, and the request made from them.

Rule: an option is checked here, in one way for all doors, when a door is made and before it can pay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple, TypeAlias, cast

from langchain_core.runnables import RunnableConfig
from pydantic import Field, InstanceOf, field_validator
from typing_extensions import TypedDict

from ._core import limits as api_limits
from ._core.documented_rules import Finding
from ._core.kinds import as_list, check_kinds
from ._core.ledger.identity import check_identity
from ._core.ledger.keys import check_own_metadata
from ._core.quick_questions import check as check_question
from .client.request_warnings import warn
from .errors import InvalidRequest
from .models import (
    McpServer,
    Metadata,
    SchemaLike,
    SourcePolicy,
    TaskAdvancedSettings,
    TaskRunInput,
    TaskSpec,
    Webhook,
)
from .models.requests import Extensible
from .processors import is_chat

ProcessorChoice: TypeAlias = "str | tuple[str, str]"
"""One processor for every run; or one for first questions and one for follow-ups."""
DEFAULT_PROCESSORS = ("core", "base")


class SessionLimits(TypedDict, total=False):
    """The limits of a session as plain JSON. A missing key sets no limit."""

    max_cost_usd: float
    """USD, for all its runs together."""
    max_runs: int
    max_seconds: float
    """Seconds in which at least one of its runs was active; time spent waiting for people is free."""
    seal: str
    """Proves that a person who may raise limits has set these. Without it, limits in a state only lower."""


LIMIT_NAMES = ("max_cost_usd", "max_runs", "max_seconds")
"""The limits of a session."""
PERMISSION = "permission:"
"""What the name of a permission follows, among `approvers`."""
Approvers: TypeAlias = Sequence[str] | Callable[[RunnableConfig], bool]
"""Ids of users, and permissions (`permission:…`), of a LangGraph server's authentication; or a function of
the config of the call that answers."""


Payer: TypeAlias = Callable[[RunnableConfig], str]
"""Who pays for a run, as a function of the config of the call that asks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What the runs of one user, or of all, may cost in a period, over all threads.

    A run counts at its list price from before it is sent until it has ended, then at what it has cost.

    Args:
        max_cost_usd: USD in each period.
        per: `user`: for each user of a LangGraph server's authentication; `all`: for all runs together; or a
            function that returns, for the config of a call, the text that stands for who pays.
        every: The period, in UTC: `hour`, `day` or `month`.

    Raises:
        InvalidRequest: The amount is negative or no number, or `per` or `every` is none of these.
    """

    max_cost_usd: float
    per: Literal["user", "all"] | Payer = "user"
    every: Literal["hour", "day", "month"] = "day"

    def __post_init__(self) -> None:
        """Check every field."""
        if problems := list(_limit_problems({"max_cost_usd": self.max_cost_usd})):
            raise InvalidRequest(problems)
        check_words({"every": self.every}, {"every": ("hour", "day", "month")})
        if not callable(self.per):
            check_words({"per": self.per}, {"per": ("user", "all")})


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one session may use, and what happens when the next run would pass that.

    A planned run counts, at its list price, before it is sent.

    Args:
        max_cost_usd: USD, for all runs of a session together. None: no limit.
        max_runs: Runs of a session.
        max_seconds: Seconds in which at least one run of the session was active.
        max_runs_per_question: Runs for one question, the first included. Only the research graph asks
            again by itself; with 1 it judges an answer and does not ask again. What a person asks in a
            review is a question of its own.
        on_exceed: When the next run would pass a limit, or the account has no credit left: `ask` a person
            (an interrupt), whose approval raises the limit; or `stop`.
        approve_above: A processor; runs that cost more than one of it wait for a person's approval.
        approvers: Who may approve what costs money, and raise limits. None: in your own process, whoever
            answers may; behind a LangGraph server, whoever reaches the thread may approve what is within the
            limits, and nobody may raise them.
        quotas: What users may spend in a period, over all threads. A run that would pass one is treated like
            one that would pass a limit.

    Raises:
        InvalidRequest: A limit is negative, no number or no known word; nobody is named as approver; a quota
            is none.
    """

    max_cost_usd: float | None = None
    max_runs: int | None = None
    max_seconds: float | None = None
    max_runs_per_question: int = 1
    on_exceed: Literal["ask", "stop"] = "ask"
    approve_above: str | None = None
    approvers: Approvers | None = None
    quotas: Sequence[Quota] = ()

    def __post_init__(self) -> None:
        """Check every limit."""
        object.__setattr__(self, "approvers", _checked_approvers(self.approvers))
        object.__setattr__(self, "quotas", _checked_quotas(self.quotas))
        problems = list(_limit_problems(self.for_session()))
        runs: object = self.max_runs_per_question
        if isinstance(runs, bool) or not isinstance(runs, int) or runs < 1:
            problems.append(
                f"max_runs_per_question is {runs!r}; at least 1 is needed to ask at all."
            )
        if problems:
            raise InvalidRequest(problems)
        check_words({"on_exceed": self.on_exceed}, {"on_exceed": ("ask", "stop")})
        above: object = self.approve_above
        if above is None:
            return
        if not isinstance(above, str):
            raise InvalidRequest(
                [f"approve_above is {above!r}; give the name of a processor, such as 'pro'."],
                hint="For an amount of money there is max_cost_usd.",
            )
        api_limits.check(TaskRunInput(input="?", processor=above), how_to_allow=None)

    def for_session(self) -> SessionLimits:
        """The limits that are set, as plain JSON."""
        given = {name: getattr(self, name) for name in LIMIT_NAMES}
        return cast(
            SessionLimits, {name: value for name, value in given.items() if value is not None}
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall:
    """What earlier sessions have found is kept in LangGraph's store, and shown before a question is paid for.

    It is shown with its age and its price, to a person who approves the question and to a model that looks it
    up. It never takes the place of an answer: whoever sees it decides. The graph needs a store.

    Args:
        per: Whose sessions know of each other: `user`: those of one user of a LangGraph server's
            authentication; `all`: those of everybody who uses the graph; or a function that returns, for the
            config of a call, the text that stands for who asks.
        days: After so many days it is not shown any more, and a store with a TTL deletes it. None: never.
        least_score: Of a question in other words, which a store with an index finds: how alike it must be.
        ask: Ask a person (an interrupt) before the very same question is paid for again.

    Raises:
        InvalidRequest: `per` is none of these, or a number is no such number.
    """

    per: Literal["user", "all"] | Payer = "user"
    days: float | None = 90
    least_score: float = 0.8
    ask: bool = False

    def __post_init__(self) -> None:
        """Check every field."""
        check_kinds({"ask": (self.ask, bool)})
        if not callable(self.per):
            check_words({"per": self.per}, {"per": ("user", "all")})
        given = {"least_score": self.least_score, "days": self.days or 0}
        if problems := [*_number_problems(given)]:
            raise InvalidRequest(problems)


class RequestOptions(Extensible):
    """Options of every run that a tool, graph or middleware starts, beside question and processor.

    Args:
        source_policy: Which sites may be used.
        mcp_servers: MCP servers the runs may call.
        advanced_settings: Country of the search, data connectors.
        memory_scope_key: Files the runs in the application memory of this name. No run reads it by itself.
        metadata: Kept with every run on Parallel's side, beside the `thread_id`, which is not yours to set.
        webhook: Where the API posts when a run has ended; for `wait="park"`.
        allow_unknown_processor: Send processors that this package does not know.
        processor_may_fall_back: If the API refuses a processor, and so bills nothing, ask once with the
            nearest listed one that costs no more: the plain one of a `-fast` one, else the next cheaper one.
        allow_foreign_ids: Whether to accept ids of ledgers, runs and interactions that do not come from this
            thread, such as those of monitor events. True: always. False: never. None: in your own process,
            those that your code gives, and none that a model gives; behind a LangGraph server, none.
        identity: Whose credentials the MCP servers get, such as a user's id; never sent. With it, a run is
            found again after its credentials were rotated; without it, rotated credentials make another run.
        recall: Keep what sessions find in LangGraph's store, and show it before a question is paid for again.
        extra_body: Fields that the API knows and this package does not, sent with every run.
        strict: Refuse what breaks a rule of the API's documentation (`langchain_parallel.rules`). Otherwise
            it is sent with a `RequestWarning`.

    Raises:
        pydantic.ValidationError: An option is unknown or of another type. Values are not repeated.
    """

    source_policy: SourcePolicy | None = None
    mcp_servers: Sequence[McpServer] = Field(default=(), repr=False)  # headers are secret
    advanced_settings: TaskAdvancedSettings | None = None
    memory_scope_key: str | None = None
    metadata: Metadata = Field(default_factory=dict)
    webhook: Webhook | None = Field(default=None, repr=False)  # its URL may hold a token
    allow_unknown_processor: bool = False
    processor_may_fall_back: bool = False
    allow_foreign_ids: bool | None = None
    strict: bool = False
    identity: str | None = Field(default=None, repr=False)  # it names a person
    recall: InstanceOf[Recall] | None = None

    _sent_beside: ClassVar[frozenset[str]] = frozenset(TaskRunInput.model_fields)

    @field_validator("metadata")
    @classmethod
    def _is_the_callers(cls, value: Metadata) -> Metadata:
        check_own_metadata(value)
        return value

    @field_validator("identity")
    @classmethod
    def _is_identity(cls, value: str | None) -> str | None:
        check_identity(value)
        return value

    @property
    def paid_connectors(self) -> tuple[str, ...]:
        """The data connectors whose calls are billed on top of the runs, at prices that are not known."""
        sources = self.advanced_settings.data_sources if self.advanced_settings else None
        return tuple(sources.pay_per_use) if sources else ()

    def template(
        self,
        processors: Sequence[str],
        output_schema: SchemaLike | None = None,
        input_schema: SchemaLike | None = None,
        warned: set[str] | None = None,
    ) -> TaskRunInput:
        """The request that all runs of a door share, checked; only the question is missing.

        Args:
            processors: All that the door may use, the usual one first.
            output_schema: Shape of every answer; None: the API chooses.
            input_schema: Shape of the question; None: text.
            warned: The names of rules that a warning has named before; those named here are added.

        Raises:
            InvalidRequest: It may not be sent.
        """
        spec = None
        if output_schema is not None or input_schema is not None:
            shape = "auto" if output_schema is None else output_schema
            spec = TaskSpec(output_schema=shape, input_schema=input_schema)
        request = TaskRunInput(
            input="?",
            processor=processors[0],
            task_spec=spec,
            enable_events=True,
            **{name: value for name, value in self if name in TaskRunInput.model_fields},
        )
        for processor in dict.fromkeys(processors):
            warn(self.check(request.model_copy(update={"processor": processor})), warned)
        return request

    def check(self, request: TaskRunInput) -> list[Finding]:
        """The rules of the documentation that a request breaks, and a caller should be warned of.

        Raises:
            InvalidRequest: No API could take it; or it breaks such a rule, and `strict` is set.
        """
        if is_chat(request.processor):
            check_question(request)
            return []
        return api_limits.check(
            request,
            allow_unknown_processor=self.allow_unknown_processor,
            how_to_allow="request=RequestOptions(allow_unknown_processor=True)",
            strict=self.strict,
        )


def first_and_follow_up(processor: ProcessorChoice) -> tuple[str, str]:
    """The processor for a first question, and the one for follow-ups.

    Raises:
        InvalidRequest: Neither a name nor two of them are given.
    """
    names: tuple[object, ...] = processor if isinstance(processor, tuple) else (processor,) * 2
    if len(names) != 2 or not all(isinstance(name, str) for name in names):
        raise InvalidRequest(
            [f"processor is {processor!r}; give a name, or two: for first questions, follow-ups."]
        )
    return cast("tuple[str, str]", names)


class Processors(NamedTuple):
    """The processors that a door may use."""

    first: str
    follow_up: str
    choices: tuple[str, ...]
    """What a model may choose from; empty: it may not choose."""
    quick: tuple[str, ...] = ()
    """What it may choose from for quick turns; empty: it has no tool for them."""

    @classmethod
    def of(cls, processor: ProcessorChoice, model_may_choose: Sequence[str]) -> Processors:
        """From the two options. Unless `processor` is given, the first of the choices is the usual one.

        Raises:
            InvalidRequest: One of them is no name, or no list of names.
        """
        first, follow_up = first_and_follow_up(processor)
        given: list[Any] = as_list("model_may_choose", model_may_choose or ())
        quick = [name for name in given if isinstance(name, str) and is_chat(name)]
        named = [name for name in given if name not in quick]
        if named and processor is DEFAULT_PROCESSORS:  # not given, however alike
            first = follow_up = named[0]
        choices = tuple(dict.fromkeys((first, *named))) if named else ()
        return cls(first, follow_up, choices, tuple(dict.fromkeys(quick)))

    @property
    def all(self) -> tuple[str, ...]:
        """Each of them once, the usual one first."""
        return tuple(dict.fromkeys((self.first, self.follow_up, *self.choices, *self.quick)))


def check_session_limits(limits: object, *, may_have_seal: bool = False) -> SessionLimits:
    """Checked limits; those in a state may have a seal.

    Raises:
        InvalidRequest: A limit is unknown, is no number, or is negative.
    """
    if not isinstance(limits, Mapping):
        kind = type(limits).__name__
        raise InvalidRequest([f"Limits are an object such as {{'max_cost_usd': 2.0}}, not {kind}."])
    given = dict(limits)
    seal = given.pop("seal", None) if may_have_seal else None
    problems = list(_limit_problems(given))
    if not isinstance(seal, str | None):
        problems.append("The seal of limits is text; leave it out.")
    if problems:
        raise InvalidRequest(problems)
    return cast(SessionLimits, dict(limits))


def only_one_run_per_question(limits: Limits | None) -> Limits:
    """The limits of a door whose follow-ups are asked by a model.

    Raises:
        InvalidRequest: `max_runs_per_question` is set, or these are no Limits.
    """
    check_kinds({"limits": (limits, Limits)})
    given = limits or Limits()
    if given.max_runs_per_question != 1:
        raise InvalidRequest(
            ["max_runs_per_question is for the research graph, which asks again by itself."],
            hint="A model asks its follow-ups itself; bound them with max_runs.",
        )
    return given


def check_words(given: Mapping[str, str], allowed: Mapping[str, Sequence[str]]) -> None:
    """Check options that must be one of a few words.

    Raises:
        InvalidRequest: One of them is none of its words.
    """
    problems = [
        f"{name} is {value!r}; {' or '.join(map(repr, allowed[name]))} is allowed."
        for name, value in given.items()
        if value not in allowed[name]
    ]
    if problems:
        raise InvalidRequest(problems)


def check_whole(name: str, value: object, least: int) -> int:
    """An option that must be a whole number.

    Raises:
        InvalidRequest: It is none, or less than `least`.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InvalidRequest([f"{name} is {value!r}; give a whole number, from {least:,} up."])
    return value


def check_timeout(timeout: float | None) -> float | None:
    """A timeout in seconds, or None.

    Raises:
        InvalidRequest: It is negative or no number.
    """
    return None if timeout is None else api_limits.seconds(timeout)


_MOST = 2**63
"""More no checkpoint holds."""


def _limit_problems(limits: Mapping[Any, Any]) -> Iterator[str]:
    allowed = LIMIT_NAMES
    for name, value in limits.items():
        if name not in allowed:
            yield f"{str(name)[:40]!r} is no limit; {', '.join(allowed)} are."
        else:
            yield from _number_problems({name: value})


def _number_problems(given: Mapping[str, Any]) -> Iterator[str]:
    for name, value in given.items():
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not 0 <= value < _MOST:
            yield f"{name} must be a number from 0 up."


def _checked_quotas(given: object) -> tuple[Quota, ...]:
    quotas: list[object] = as_list("quotas", given)
    check_kinds({f"quotas[{nth}]": (one, Quota) for nth, one in enumerate(quotas)})
    if None in quotas:
        raise InvalidRequest(["quotas holds None; give Quota(...), or leave it out."])
    return cast("tuple[Quota, ...]", tuple(quotas))


def _checked_approvers(given: object) -> Approvers | None:
    """Approvers as they are kept: a tuple of names, a function, or None."""
    if given is None or callable(given):
        return cast("Approvers | None", given)
    names: tuple[object, ...] = tuple(as_list("approvers", given))
    wrong = [name for name in names if not isinstance(name, str) or not name.strip()]
    if not names or wrong or PERMISSION in names:
        what = repr(wrong[0])[:60] if wrong else "nobody" if not names else repr(PERMISSION)
        raise InvalidRequest(
            [
                f"approvers names {what}; give users' ids or permissions ({PERMISSION}…), or a function."
            ],
            hint="Where nobody is to raise limits, leave it out behind a server, or use on_exceed='stop'.",
        )
    return cast("tuple[str, ...]", names)
