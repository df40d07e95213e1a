"""Which requests a served simulator answers, and where it posts webhooks.

Rule: unless told otherwise it serves this machine alone. It listens on a loopback address; a page in a
browser reaches it under no other name (DNS rebinding); what controls it asks for a token; and webhooks, whose
address any client may choose, go to this machine.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import urlsplit

from .http_messages import ApiError, Request

TOKEN_HEADER = "x-simulator-token"
"""Of requests to `/_simulator/…`."""


def is_loopback(host: str) -> bool:
    """Whether this name or address is the machine itself."""
    name = host.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class Access:
    """Who may use a simulator that listens at `host`.

    Raises:
        ValueError: The host is not this machine's own, and `expose` is not set.
    """

    host: str
    expose: bool = False
    webhooks_anywhere: bool = False
    control_token: str = field(default_factory=lambda: secrets.token_urlsafe(16), repr=False)

    def __post_init__(self) -> None:
        if not self.expose and not is_loopback(self.host):
            raise ValueError(
                f"{self.host} can be reached from other machines, and the simulator accepts any key; "
                "to listen there all the same, pass --expose (in Python: expose=True)"
            )

    def check(self, request: Request) -> None:
        """Refuse a request that may come from elsewhere, or controls without the token. Raises ApiError."""
        if not self.expose and not is_loopback(_host_name(request.headers.get("host", ""))):
            raise ApiError(421, "This simulator answers under the names of its own machine only")
        given = request.headers.get(TOKEN_HEADER, "").encode(errors="replace")
        if request.path.startswith("/_simulator/") and not hmac.compare_digest(
            given, self.control_token.encode()
        ):
            raise ApiError(
                401, f"Control calls need the server's token in the header {TOKEN_HEADER}"
            )

    def may_post_to(self, url: str) -> bool:
        """Whether a webhook may go there: of this machine, unless told otherwise."""
        try:
            url.encode()
            parts = urlsplit(url)
            is_port = parts.port is None or parts.port > 0  # raises for one that is too large
        except ValueError:
            return False
        return is_port and (self.webhooks_anywhere or is_loopback(parts.hostname or ""))


def _host_name(header: str) -> str:
    """The name in a `Host` header, without the port."""
    return header.partition("]")[0] if header.startswith("[") else header.partition(":")[0]
