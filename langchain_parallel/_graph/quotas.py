"""What the runs of a user, or of all users, may cost in a day: reserved before a run is sent.

Rule: a run is entered in the account of its period, at its list price, before its request leaves, and is
never sent if it does not fit (`quota_accounts.py`). A run that was entered stays as it is, however often its
step runs. It gets the real cost once it has ended; until then it counts, also where a process was killed.

The account is in LangGraph's store where the graph has one, else in its checkpointer, under a thread of its
own. Without both it is in this object, and ends with it.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import anyio
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.store.base import BaseStore
from typing_extensions import Self, TypedDict

from .._core.calls import Call, Calls, adrive, drive
from ..errors import ParallelError, QuotaExceeded
from ..options import Limits, Quota
from ..processors import price_usd
from ..text.format import usd
from ..text.untrusted import harmless
from .askers import who_asked
from .clients import ClientPair
from .quota_accounts import Amounts, Holder, KeptAccount, Memory
from .records import Records, holder_of
from .store import digest

if TYPE_CHECKING:
    from .paid_request import PaidRequest

_LOG = logging.getLogger("langchain_parallel")
_CENTS = 1e-9
"""Prices are sums of floats: less than this is no difference."""
_PAUSE = 0.05
"""Seconds, at the most twice as long, before an entry that did not fit is tried once more."""


class QuotaUse(TypedDict):
    """What was used of a quota in its present period."""

    per: str
    """`user`, `all`, or `function`."""
    who: str
    """The user, or what the function has returned; empty for all."""
    every: str
    max_cost_usd: float
    used_usd: float
    """By runs that have ended."""
    reserved_usd: float
    """By runs that have not ended, as far as this package knows."""
    resets_at: str
    """When the next period begins (RFC 3339, UTC)."""


@dataclass(frozen=True, slots=True)
class Account:
    """The account of one user, or of all, in one period."""

    quota: Quota
    who: str
    starts: datetime
    ends: datetime

    @classmethod
    def at(cls, quota: Quota, who: str, now: float) -> Self:
        """The account at a moment, in Unix seconds."""
        moment = datetime.fromtimestamp(now, timezone.utc)
        day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
        if quota.every == "hour":
            start = day.replace(hour=moment.hour)
            return cls(quota, who, start, start + timedelta(hours=1))
        if quota.every == "day":
            return cls(quota, who, day, day + timedelta(days=1))
        first = day.replace(day=1)
        return cls(quota, who, first, (first + timedelta(days=31)).replace(day=1))

    @property
    def per(self) -> str:
        """Whose it is: `user`, `all`, or `function`."""
        return self.quota.per if isinstance(self.quota.per, str) else "function"

    @property
    def name(self) -> str:
        """Its name. Quotas of the same kind, user and period share an account."""
        return f"{self.per} {self.quota.every} {self.starts:%Y-%m-%dT%H}Z {self.who}"

    def kept_in(self, holder: Holder) -> KeptAccount:
        """It, in the place where it is kept."""
        return KeptAccount(holder, self.name, self.owner)

    @property
    def owner(self) -> str | None:
        """The user whose it is; None if it is several users', or a function says whose."""
        return self.who if self.per == "user" else None

    def use(self, amounts: Amounts) -> QuotaUse:
        """What these amounts use of the quota."""
        return QuotaUse(
            per=self.per,
            who=self.who,
            every=self.quota.every,
            max_cost_usd=self.quota.max_cost_usd,
            used_usd=round(amounts.used, 6),
            reserved_usd=round(amounts.reserved, 6),
            resets_at=f"{self.ends:%Y-%m-%dT%H:%M:%SZ}",
        )


def beyond_quota(use: QuotaUse, processors: Sequence[str]) -> str | None:
    """Why runs of these processors pass a quota, as a sentence; None if they do not."""
    whose = {"all": "All runs together", "user": "The runs of this user"}.get(use["per"])
    whose = whose or f"The runs of {harmless(use['who'], 60)}"
    most = f"{whose} may cost {usd(use['max_cost_usd'])} each {use['every']} (UTC)"
    prices = [price_usd(name) for name in processors]
    if unknown := sorted({n for n, p in zip(processors, prices, strict=True) if p is None}):
        return f"{most}, and what {harmless(' and '.join(unknown))} costs is not known."
    more = sum(price or 0.0 for price in prices)
    if use["used_usd"] + use["reserved_usd"] + more <= use["max_cost_usd"] + _CENTS:
        return None
    so_far = f"{usd(use['used_usd'])} is used and {usd(use['reserved_usd'])} is reserved"
    return f"{most}; {so_far}, so {usd(more)} more has to wait until {use['resets_at']}."


class Quotas:
    """The accounts that one door's runs are entered in."""

    def __init__(self, clients: ClientPair, records: Records, memory: Memory | None = None) -> None:
        self._clients, self._records = clients, records
        self._memory = memory or Memory()

    def of_clients(self, clients: ClientPair) -> Quotas:
        """The same accounts, for the runs of other clients."""
        return Quotas(clients, self._records, self._memory)

    def __deepcopy__(self, memo: object) -> Self:
        """These themselves: a copy of a tool keeps using the accounts of the original."""
        return self

    def read_use(self, limits: Limits, config: RunnableConfig) -> Calls[list[QuotaUse]]:
        """What is used of each quota of the user who asked. Recorded at the first call is who that is.

        Raises:
            InvalidRequest: There is a quota per user, and no user.
        """
        found: list[QuotaUse] = []
        for account in (yield from self._accounts(limits, config)):
            amounts = yield from account.kept_in(self._holder(config)).amounts()
            found.append(account.use(amounts))
        return found

    def reserve(self, run: PaidRequest, ledger_id: str, *, may_exceed: bool) -> Calls[None]:
        """Enter a run before it is sent; a run that was entered already stays as it is.

        Args:
            run: The run.
            ledger_id: Its ledger.
            may_exceed: Somebody who may has approved it beyond the quotas.

        Raises:
            QuotaExceeded: It does not fit.
            InvalidRequest: There is a quota per user, and no user.
        """
        if not run.door.limits.quotas:
            return
        name, config = _name(ledger_id, run.key), run.config
        known = yield from self._records.get(config, name)
        if known is not None and known["accounts"]:
            return
        accounts = yield from self._accounts(run.door.limits, config)
        holder, key, entered = self._holder(config), digest(name), list[Account]()
        for account in accounts:
            refused = yield from _enter(account, holder, key, run.request.processor, may_exceed)
            if refused is not None:
                for other in entered:
                    yield from other.kept_in(holder).remove(key)
                raise QuotaExceeded(
                    refused,
                    hint="Nothing was sent. Wait, or have an approver approve it.",
                    billed=False,
                )
            entered.append(account)
        names = [[account.name, account.owner] for account in accounts]
        yield from self._records.put(config, name, {"accounts": names, "settled": False})

    def release(self, run: PaidRequest, ledger_id: str) -> Calls[None]:
        """Take a run out that was not sent. If that fails, it counts until the period ends."""
        name = _name(ledger_id, run.key)
        yield from self._end(run, name, lambda kept: kept.remove(digest(name)), entered=False)

    def settle(
        self, run: PaidRequest, ledger_id: str, key: str, cost_usd: float | None
    ) -> Calls[None]:
        """Enter what a run has cost, in place of its price. If that fails, its price counts.

        Args:
            run: As it asks for the answer; its own key may have changed since it was sent.
            ledger_id: Its ledger.
            key: The key under which it was sent.
            cost_usd: None: not known.
        """
        name = _name(ledger_id, key)
        yield from self._end(run, name, lambda kept: kept.settle(digest(name), cost_usd))

    def _end(
        self,
        run: PaidRequest,
        name: str,
        change: Callable[[KeptAccount], Calls[None]],
        *,
        entered: bool = True,
    ) -> Calls[None]:
        if not run.door.limits.quotas:
            return
        try:
            known = yield from self._records.get(run.config, name)
            if known is None or not known["accounts"] or known["settled"]:
                return
            for account, owner in known["accounts"]:
                yield from change(KeptAccount(self._holder(run.config), account, owner))
            ended = {"accounts": known["accounts"] if entered else [], "settled": True}
            yield from self._records.put(run.config, name, ended)
        except ParallelError as error:
            _LOG.warning("A quota still counts the list price of a run. %s", error.message)

    def _holder(self, config: RunnableConfig) -> Holder:
        return holder_of(config) or self._memory

    def _accounts(self, limits: Limits, config: RunnableConfig) -> Calls[list[Account]]:
        """The accounts of now, in an order that is the same for all."""
        now = self._clients.now()
        whose = yield from self._whose(limits, config)
        pairs = zip(limits.quotas, whose, strict=True)
        return sorted((Account.at(q, who, now) for q, who in pairs), key=lambda one: one.name)

    def _whose(self, limits: Limits, config: RunnableConfig) -> Calls[list[str]]:
        """Who pays, for each quota: whoever brought the input that the run follows from. Others may approve
        it, or resume the thread, and a webhook resumes it as nobody.
        """
        per = [quota.per for quota in limits.quotas]
        return (yield from who_asked(self._records, config, "payer", Quota, per))


def _name(ledger_id: str, key: str) -> str:
    """The name of a run's reservation."""
    return f"quota {ledger_id} {key}"


# --- an account --------------------------------------------------------------------------------


def _enter(
    account: Account, holder: Holder, key: str, processor: str, may_exceed: bool
) -> Calls[str | None]:
    """Enter a run; return why it does not fit, or None."""
    kept = account.kept_in(holder)

    def fits(others: Amounts) -> bool:
        return may_exceed or beyond_quota(account.use(others), [processor]) is None

    others = yield from kept.enter(key, price_usd(processor), fits)
    if others is not None and not kept.is_exclusive:
        # Two processes may have seen each other, where one would fit.
        seconds = _PAUSE * (1 + random.random())
        yield Call(lambda: time.sleep(seconds), lambda: anyio.sleep(seconds))
        others = yield from kept.enter(key, price_usd(processor), fits)
    return None if others is None else beyond_quota(account.use(others), [processor])


# --- for the operator --------------------------------------------------------------------------


def quota_use(
    quota: Quota, *, kept_in: BaseStore | BaseCheckpointSaver[Any], who: str = ""
) -> QuotaUse:
    """What is used of a quota in its present period.

    Args:
        quota: As the graphs have it.
        kept_in: The store of the graphs, or their checkpointer where they have no store.
        who: The user; or what the quota's function returns for them. Empty for a quota of all.

    Raises:
        StorageFailed: It could not be read.
    """
    return drive(_read(quota, kept_in, who))


async def aquota_use(
    quota: Quota, *, kept_in: BaseStore | BaseCheckpointSaver[Any], who: str = ""
) -> QuotaUse:
    """As `quota_use`; awaited."""
    return await adrive(_read(quota, kept_in, who))


def _read(quota: Quota, kept_in: Holder, who: str) -> Calls[QuotaUse]:
    account = Account.at(quota, who, time.time())
    return account.use((yield from account.kept_in(kept_in).amounts()))
