"""The options of a session: what it may use, and what it keeps for later ones.

Rule: an option is checked here when it is made, before anything can be paid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, cast

from langchain_core.runnables import RunnableConfig
from typing_extensions import TypedDict

from ._core import limits as api_limits
from ._core.kinds import as_list, check_kinds, check_words, number_problems
from .errors import InvalidRequest
from .models import TaskRunInput


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
        if problems := [*number_problems(given)]:
            raise InvalidRequest(problems)


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


def _limit_problems(limits: Mapping[Any, Any]) -> Iterator[str]:
    allowed = LIMIT_NAMES
    for name, value in limits.items():
        if name not in allowed:
            yield f"{str(name)[:40]!r} is no limit; {', '.join(allowed)} are."
        else:
            yield from number_problems({name: value})


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
