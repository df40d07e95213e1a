"""Parallel's Task API as a stateful research sub-agent for LangGraph.

    ParallelTaskTool             web research as a tool for agents
    ParallelTaskResultTool       fetches an answer that such a tool could not wait for
    ParallelSearchTool           pages found on the web, for agents; ParallelExtractTool reads them
    ParallelSearchRetriever      the same search as a retriever
    ChatParallel                 quick turns on the same tree, as a chat model
    ParallelResearchMiddleware   research for agents made with `create_agent` (extra: agents)
    create_research_graph        a research session as a graph: resumed, continued, branched
    research_table, aresearch_table   a question for each row of a table, each paid for once
    show_progress                shows the research of a block while it works
    resume, aresume              continue a thread exactly once, no matter how many workers call it
    InteractionTree              a session as a tree: text, Mermaid, HTML
    SessionReport                a session as a document
    Limits, RequestOptions       what a session may spend, and what shapes its runs
    ParallelClient               the API itself; AsyncParallelClient is awaited
    ParallelError                the base class of every error

Programs written for the official package find its names here, too; they are those of `official`.

Everything else is in its module: evaluators and state types in `research`, sweeps in `parked`, `webhooks`,
`sessions`, API types in `models`, `errors`, prices in `processors`, a stand-in for the API in `simulator`.

A name is imported when it is first used, so that the client does without LangChain and a missing extra
matters only to the name that needs it.
"""

import importlib
import typing

if typing.TYPE_CHECKING:
    from .batch import aresearch_table, research_table
    from .chat_models import ChatParallel, ChatParallelWeb
    from .client import AsyncParallelClient, ParallelClient
    from .display import show_progress
    from .errors import ParallelError
    from .middleware import ParallelResearchMiddleware
    from .official import (
        ExcerptSettings,
        FetchPolicy,
        FullContentSettings,
        McpServer,
        ParallelDeepResearch,
        ParallelEnrichment,
        ParallelExtractTool,
        ParallelSearchRetriever,
        ParallelSearchTool,
        ParallelTaskGroup,
        ParallelTaskRunTool,
        ParallelWebSearchTool,
        SourcePolicy,
        build_task_spec,
        parse_basis,
        verify_webhook,
    )
    from .options import Limits, RequestOptions
    from .parked.resumption import aresume, resume
    from .research import create_research_graph
    from .sessions import InteractionTree, SessionReport
    from .tools import ParallelTaskResultTool, ParallelTaskTool

    __version__: str

__all__ = [
    "AsyncParallelClient",
    "ChatParallel",
    "ChatParallelWeb",
    "ExcerptSettings",
    "FetchPolicy",
    "FullContentSettings",
    "InteractionTree",
    "Limits",
    "McpServer",
    "ParallelClient",
    "ParallelDeepResearch",
    "ParallelEnrichment",
    "ParallelError",
    "ParallelExtractTool",
    "ParallelResearchMiddleware",
    "ParallelSearchRetriever",
    "ParallelSearchTool",
    "ParallelTaskGroup",
    "ParallelTaskResultTool",
    "ParallelTaskRunTool",
    "ParallelTaskTool",
    "ParallelWebSearchTool",
    "RequestOptions",
    "SessionReport",
    "SourcePolicy",
    "__version__",
    "aresearch_table",
    "aresume",
    "build_task_spec",
    "create_research_graph",
    "parse_basis",
    "research_table",
    "resume",
    "show_progress",
    "verify_webhook",
]

_MODULES = {
    "AsyncParallelClient": "client",
    "ChatParallel": "chat_models",
    "ChatParallelWeb": "chat_models",
    "ExcerptSettings": "official",
    "FetchPolicy": "official",
    "FullContentSettings": "official",
    "InteractionTree": "sessions",
    "Limits": "options",
    "McpServer": "official",
    "ParallelClient": "client",
    "ParallelDeepResearch": "official",
    "ParallelEnrichment": "official",
    "ParallelError": "errors",
    "ParallelExtractTool": "official",
    "ParallelResearchMiddleware": "middleware",
    "ParallelSearchRetriever": "official",
    "ParallelSearchTool": "official",
    "ParallelTaskGroup": "official",
    "ParallelTaskResultTool": "tools",
    "ParallelTaskRunTool": "official",
    "ParallelTaskTool": "tools",
    "ParallelWebSearchTool": "official",
    "RequestOptions": "options",
    "SessionReport": "sessions",
    "SourcePolicy": "official",
    "aresearch_table": "batch",
    "aresume": "parked.resumption",
    "build_task_spec": "official",
    "create_research_graph": "research",
    "parse_basis": "official",
    "research_table": "batch",
    "resume": "parked.resumption",
    "show_progress": "display",
    "verify_webhook": "official",
}
_EXTRAS = {"ParallelResearchMiddleware": "langchain"}
"""By name: the package that only an extra installs."""


def _load(name: str) -> object:
    """Import what a name of the top level stands for."""
    if name == "__version__":
        from importlib.metadata import version

        return version("langchain-parallel")
    if name not in _MODULES:
        from ._absent import missing

        raise missing(__name__, name)
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)


if not typing.TYPE_CHECKING:  # a type checker would take any misspelt name for one of these

    def __getattr__(name: str) -> object:
        value = globals()[name] = _load(name)
        return value

    def __dir__() -> list[str]:
        # Without names whose extra is missing: `help()` reads every name it finds here.
        from importlib.util import find_spec

        missing = {name for name, package in _EXTRAS.items() if not find_spec(package)}
        return sorted({*globals(), *__all__} - missing)
