"""What `langgraph.json` names. The server brings the checkpointer and the store.

`app` holds the routes that it mounts beside the server's own:

POST /parallel/webhook    Parallel's deliveries: the threads that are parked for the run are resumed
GET  /parallel/health     whether deliveries are accepted
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from .._core.extras import optional_imports
from ..parked import create_sweep_graph
from ..research import create_research_graph
from ..webhooks import QueueOptions, webhook_app
from .answer_graph import create_answer_graph
from .deployment import Settings
from .server_api import ServerThreads

if TYPE_CHECKING:
    from starlette.applications import Starlette


@cache
def _research(settings: Settings) -> Any:
    return create_research_graph(**settings.graph_options()).compile(name="research")


@cache
def _web_research(settings: Settings) -> Any:
    return create_answer_graph(**settings.graph_options()).compile(name="web_research")


@cache
def _sweep(settings: Settings) -> Any:
    options = settings.sweep_options()
    return create_sweep_graph(ServerThreads(), **options).compile(name="sweep")


def research() -> Any:
    """The research graph, configured by the environment; made once, because it holds connections.

    Raises:
        InvalidRequest: A variable of the environment has a value that is not allowed.
        MissingKey: `PARALLEL_API_KEY` is not set.
    """
    return _research(Settings.from_environment())


def web_research() -> Any:
    """The same for callers who keep no thread, such as MCP clients: a question in, one text out.

    Raises:
        InvalidRequest: A variable of the environment has a value that is not allowed.
        MissingKey: `PARALLEL_API_KEY` is not set.
    """
    return _web_research(Settings.from_environment())


def sweep() -> Any:
    """A graph that resumes the server's parked threads whose runs have ended, for a cron.

    Raises:
        InvalidRequest: A variable of the environment has a value that is not allowed.
    """
    return _sweep(Settings.from_environment())


def make_app(settings: Settings | None = None) -> Starlette:
    """The routes, as the environment configures them; none without a webhook secret.

    Raises:
        InvalidRequest: A variable of the environment has a value that is not allowed.
        MissingKey: `PARALLEL_API_KEY` is not set.
    """
    with optional_imports("The webhook of the server"):
        from starlette.applications import Starlette

    given = settings or Settings.from_environment()
    if not given.webhook_secrets:
        return Starlette()
    return webhook_app(
        ServerThreads(),
        secrets=given.webhook_secrets,
        health_path="/parallel/health",
        queue=QueueOptions(concurrency=8),
    )


def __getattr__(name: str) -> Starlette:
    if name == "app":  # made when the server asks for it, not when this module is imported
        return make_app()
    raise AttributeError(name)
