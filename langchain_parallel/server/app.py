"""`app`: the routes that `langgraph.json` mounts beside the server's own.

POST /parallel/webhook    Parallel's deliveries: the parked thread of the run goes on
GET  /parallel/health     whether they are taken
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..webhooks import webhook_app
from .deployment import Settings
from .server_threads import ServerThreads

if TYPE_CHECKING:
    from starlette.applications import Starlette


def make_app(settings: Settings | None = None) -> Starlette:
    """The routes, as the environment configures them; none without a webhook secret.

    Raises:
        InvalidRequest: The environment says something that is not allowed.
        MissingKey: `PARALLEL_API_KEY` is not set.
    """
    from starlette.applications import Starlette

    known = settings or Settings.from_environment()
    if not known.webhook_secrets:
        return Starlette()
    return webhook_app(
        ServerThreads(), secrets=known.webhook_secrets, health="/parallel/health", concurrency=8
    )


def __getattr__(name: str) -> Starlette:
    if name == "app":  # made when the server asks for it, not when this module is imported
        return make_app()
    raise AttributeError(name)
