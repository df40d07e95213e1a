"""What a batch may cost: reserved before a row is sent, settled when its run has ended.

Rule: a row counts at its list price before it is sent, and no more where its run has failed. The runs that
earlier processes have started for the same batch count, too.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import InvalidRequest, LimitExceeded, ParallelError
from ..options import Limits, RequestOptions
from ..processors import price_usd
from ..text.format import usd

_CENTS = 1e-9
"""Prices are sums of floats: less than this is no difference."""
_SESSIONS_ONLY = ("max_seconds", "approvers", "quotas")
_HINT = "Nothing was sent for these rows. Raise the limit, and go on with the same batch_id."


def check_limits(limits: Limits) -> Limits:
    """The limits of a table.

    Raises:
        InvalidRequest: One of them is for sessions only.
    """
    wrong = [name for name in _SESSIONS_ONLY if getattr(limits, name)]
    wrong += ["max_runs_per_question"] * (limits.max_runs_per_question != 1)
    if wrong:
        raise InvalidRequest(
            [f"{', '.join(wrong)}: a table takes max_cost_usd, max_runs, approve_above, on_exceed."]
        )
    return limits


@dataclass
class BatchSpending:
    """What the runs of one batch cost."""

    processor: str
    limits: Limits
    has_unknown_price: bool = False
    usd: float = 0.0
    """List prices of the runs that have completed, or may yet."""
    runs: int = 0

    @classmethod
    def of(cls, processor: str, limits: Limits, options: RequestOptions) -> BatchSpending:
        """The spending of a new batch."""
        is_unknown = price_usd(processor) is None or bool(options.paid_connectors)
        return cls(processor, limits, is_unknown)

    @property
    def price(self) -> float:
        """USD for one run; 0 where that is unknown."""
        return price_usd(self.processor) or 0.0

    def refusal(self, rows: int = 1) -> LimitExceeded | None:
        """Why so many rows may not be sent; None if they may."""
        most, most_runs = self.limits.max_cost_usd, self.limits.max_runs
        if most is not None and self.has_unknown_price:
            return _refuse(
                f"What {self.processor} costs is not known, so {usd(most)} may be passed."
            )
        if most is not None and self.usd + rows * self.price > most + _CENTS:
            return _refuse(
                f"The batch may cost {usd(most)}; {usd(self.usd)} is spent or reserved, and "
                f"{usd(rows * self.price)} more would pass that."
            )
        if most_runs is not None and self.runs + rows > most_runs:
            return _refuse(
                f"The batch may have {most_runs:,} runs; it has {self.runs:,}, and {rows:,} more "
                "would pass that."
            )
        return None

    def note_earlier(self, usd: float, runs: int) -> None:
        """Count the runs that earlier processes have started."""
        self.usd, self.runs = self.usd + usd, self.runs + runs

    def reserve(self) -> None:
        """Count a run that is about to be sent."""
        self.usd, self.runs = self.usd + self.price, self.runs + 1

    def release(self) -> None:
        """Count no more a run that was not started."""
        self.usd, self.runs = self.usd - self.price, self.runs - 1

    def settle(self, error: ParallelError) -> None:
        """Count no more what a run without an answer has not cost."""
        if error.billed is False:
            self.usd -= self.price


def _refuse(why: str) -> LimitExceeded:
    return LimitExceeded(why, hint=_HINT)
