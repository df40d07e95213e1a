"""The environment variables that configure the graphs and routes on a LangGraph server.

`PARALLEL_API_KEY` and `PARALLEL_BASE_URL` are read by the clients, as everywhere.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from typing_extensions import Self

from .._core.hidden import HiddenText
from ..errors import InvalidRequest
from ..models import Webhook
from ..options import DEFAULT_PROCESSORS, Limits, Quota, RequestOptions
from ..parked import STRANDED_SECONDS

PREFIX = "PARALLEL_RESEARCH_"


class Settings(BaseModel):
    """What the environment sets: each field is read from `PARALLEL_RESEARCH_` and its name in capitals."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, hide_input_in_errors=True)

    processor: str = DEFAULT_PROCESSORS[0]
    """For the first turn of a question."""
    follow_up_processor: str | None = None
    """For the turns after it. Unless set, that of the first turn, or `base` if neither is set."""
    max_runs_per_question: int = 1
    """The most runs for one question, the first included."""
    max_cost_usd: float | None = None
    """USD for each thread. Before more is spent, an approver is asked; without approvers, it stops."""
    approve_above: str | None = None
    """A processor; a run that costs more than one of it waits for a person."""
    approvers: tuple[str, ...] | None = None
    """Who may approve and raise limits: ids and permissions (`permission:…`), separated by commas. Unless
    set, whoever reaches the thread approves what is within the limits, and nobody raises them."""
    allow_foreign_ids: bool = False
    """`True`: users may name ledgers, runs and interactions of any thread, such as monitor events."""
    user_usd_per_day: float | None = None
    """USD that each authenticated user may spend a day (UTC), over all threads."""
    total_usd_per_day: float | None = None
    """USD that all users together may spend a day (UTC)."""
    wait: Literal["block", "park"] = "park"
    """`park` or `block`: whether a thread gives its process up while its run is active."""
    webhook_url: str | None = Field(default=None, repr=False)
    """Where the API reaches this server's `/parallel/webhook` from outside. Unless set, only the sweep
    resumes threads."""
    webhook_secrets: tuple[SecretStr, ...] = ()
    """The account's webhook secret (secret); while it is changed, both, separated by a comma. Unless set,
    there is no such route."""
    sweep_per_second: float = Field(default=20.0, gt=0)
    """Requests to the API per second, by one run of the graph `sweep`."""
    sweep_stranded_after: float = Field(default=STRANDED_SECONDS, ge=0)
    """Seconds after which a thread that failed after it was woken is resumed; more than evaluators and tools
    take."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Read the settings from `environment` (this process's, unless given).

        Raises:
            InvalidRequest: A value is not allowed. Names the variables, not their values.
        """
        given = os.environ if environment is None else environment
        values: dict[str, Any] = {
            name: HiddenText(given[variable])
            for name in cls.model_fields
            if given.get(variable := PREFIX + name.upper())
        }
        if "webhook_secrets" in values:
            parts = (HiddenText(part.strip()) for part in values["webhook_secrets"].split(","))
            values["webhook_secrets"] = [part for part in parts if part]
        if "approvers" in values:
            values["approvers"] = [name.strip() for name in values["approvers"].split(",")]
        try:
            return cls(**values)
        except ValidationError as error:
            raise InvalidRequest(
                [
                    f"{PREFIX}{str(fault['loc'][0]).upper()}: {fault['msg']}."
                    for fault in error.errors(include_input=False)
                ],
                hint="Correct the server's environment.",
            ) from None

    def graph_options(self) -> dict[str, Any]:
        """The arguments of `create_research_graph`."""
        is_default = "processor" not in self.model_fields_set
        follow_up = self.follow_up_processor or (
            DEFAULT_PROCESSORS[1] if is_default else self.processor
        )
        options: dict[str, Any] = {
            "processor": (self.processor, follow_up),
            "wait": self.wait,
            "limits": Limits(
                max_cost_usd=self.max_cost_usd,
                max_runs_per_question=self.max_runs_per_question,
                approve_above=self.approve_above,
                approvers=self.approvers,
                quotas=self._quotas(),
            ),
        }
        webhook = Webhook(url=self.webhook_url) if self.webhook_url else None
        options["request"] = RequestOptions(
            webhook=webhook, allow_foreign_ids=self.allow_foreign_ids
        )
        return options

    def _quotas(self) -> list[Quota]:
        user, total = self.user_usd_per_day, self.total_usd_per_day
        per_user = [] if user is None else [Quota(max_cost_usd=user, per="user")]
        return per_user + ([] if total is None else [Quota(max_cost_usd=total, per="all")])

    def sweep_options(self) -> dict[str, Any]:
        """The arguments of `create_sweep_graph`."""
        return {"per_second": self.sweep_per_second, "stranded_after": self.sweep_stranded_after}
