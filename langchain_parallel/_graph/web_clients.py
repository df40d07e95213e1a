"""What the doors of Search and Extract share: a blocking and an asynchronous client, and one request of them.

Rule: settings are checked when a door is made. Each rule that they break is named once by a door.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from pydantic import SecretStr

from .._core import web_calls, web_limits
from .._core.calls import Call, Calls
from .._core.effects import Flow
from .._core.hidden import as_secret, hidden
from .._core.redaction import extra_secrets
from ..client import AsyncParallelClient, ParallelClient, RetryPolicy, client_pair
from ..client.request_warnings import warn
from ..client.run_reports import report_extract, report_search
from ..models import ExtractRequest, ExtractResponse, SearchRequest, SearchResponse
from .seals import Seals

T = TypeVar("T")


@dataclass(frozen=True)
class WebClients:
    """Both clients of an account, as calls of a step."""

    sync: ParallelClient
    async_: AsyncParallelClient
    timeout: float
    resend_lost: bool
    strict: bool
    warned: set[str] = field(default_factory=set, repr=False)
    """The rules that a warning has named."""

    @classmethod
    def of(
        cls,
        client: ParallelClient | AsyncParallelClient | None,
        *,
        api_key: SecretStr | None,
        base_url: str | None,
        timeout: float,
        resend_lost: bool,
        strict: bool,
        asks: SearchRequest | ExtractRequest,
    ) -> WebClients:
        """Those of a door; `asks` is a request like those to come.

        Raises:
            InvalidRequest: An option is wrong, or contradicts the client's own.
            MissingKey: There is no client and no key.
        """
        api_key, base_url = as_secret(api_key), hidden(base_url)
        sync, async_ = client_pair(client, api_key=api_key, base_url=base_url)
        made = cls(sync, async_, web_limits.check_timeout(timeout), resend_lost, strict)
        made._check(asks)
        return made

    @property
    def seals(self) -> Seals:
        """The seals of this account."""
        return Seals(self.sync._settings.api_key)

    def search(self, asked: SearchRequest) -> Calls[SearchResponse]:
        """Search the web. Paid."""
        self._check(asked)

        def flow(policy: RetryPolicy, **how: Any) -> Flow[SearchResponse]:
            return report_search(web_calls.search(asked, policy, **how), asked)

        return (yield from self._drive(flow))

    def extract(self, asked: ExtractRequest) -> Calls[ExtractResponse]:
        """Read pages. Paid."""
        self._check(asked)

        def flow(policy: RetryPolicy, **how: Any) -> Flow[ExtractResponse]:
            return report_extract(web_calls.extract(asked, policy, **how), asked)

        return (yield from self._drive(flow))

    def _check(self, asked: SearchRequest | ExtractRequest) -> None:
        strict = self.strict or self.sync._settings.strict
        warn(web_limits.check(asked, strict=strict), self.warned)
        self.sync._settings.secrets.register(extra_secrets(asked))

    def _drive(self, flow: Callable[..., Flow[T]]) -> Calls[T]:
        how: dict[str, Any] = {"timeout": self.timeout, "resend_lost": self.resend_lost}
        policy = self.sync._settings.policy
        found: Any = yield Call(
            lambda: self.sync._drive(flow(policy, **how)),
            lambda: self.async_._drive(flow(policy, **how)),
        )
        return cast(T, found)


def key_or_environment(given: SecretStr | None) -> SecretStr | None:
    """The key of a door; that of the environment unless one is given."""
    named = os.environ.get("PARALLEL_API_KEY")
    return as_secret(named) if given is None and named else given
