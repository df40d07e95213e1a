"""Doors to search and extract: the options that the tools and the retriever share."""

from __future__ import annotations

from typing import ClassVar

from pydantic import ConfigDict, Field, PrivateAttr, SecretStr

from ..client import AsyncParallelClient, ParallelClient
from ..models import ExtractRequest, SearchRequest
from .discreet_door import DiscreetDoor
from .web_clients import WebClients, key_or_environment


class WebDoor(DiscreetDoor):
    """A door to search or extract."""

    model_config: ClassVar[ConfigDict] = ConfigDict(arbitrary_types_allowed=True)

    client_model: str | None = None
    """The model that reads the answers, such as `gpt-5.4`; the API may fit them to it."""
    resend_lost: bool = False
    """If an answer is lost, ask for it again, although it may be billed once more."""
    strict: bool = False
    """Refuse what breaks a rule of the API's documentation (`langchain_parallel.rules`)."""
    api_key: SecretStr | None = None
    """The key; read from `PARALLEL_API_KEY` unless given."""
    base_url: str | None = None
    """The server; read from `PARALLEL_BASE_URL` unless given."""
    client: ParallelClient | AsyncParallelClient | None = Field(
        default=None, exclude=True, repr=False
    )
    """Your own client, blocking or asynchronous; the other kind is made from it."""

    _clients: WebClients = PrivateAttr()

    def _connect(self, asks: SearchRequest | ExtractRequest, timeout: float) -> None:
        given_key = self.api_key
        self.api_key = key_or_environment(self.api_key)
        self._clients = WebClients.of(
            self.client,
            api_key=given_key,
            base_url=self.base_url,
            timeout=timeout,
            resend_lost=self.resend_lost,
            strict=self.strict,
            asks=asks,
        )
