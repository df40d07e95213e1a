"""The names of the official package `langchain-parallel` 0.5: the same calls, with the same results.

A program that was written for it runs with this package unchanged: these names come from the top level and
from its modules, too (`langchain_parallel.tasks`, …). Each run goes through a ledger, and is paid for once.
FindAll and monitors are only in that package.
"""

import typing

from .._absent import missing as _missing
from .chat_errors import ChatParallel, ChatParallelWeb
from .enrichment import EnrichmentInput, ParallelEnrichment, ParallelTaskGroup
from .failures import CallFailed, NoKey
from .page_extraction import ParallelExtractInput, ParallelExtractTool
from .search_and_retriever import (
    ParallelSearchRetriever,
    ParallelSearchTool,
    ParallelWebSearchInput,
    ParallelWebSearchTool,
)
from .settings import ExcerptSettings, FetchPolicy, FullContentSettings, McpServer, SourcePolicy
from .task_results import build_task_spec, parse_basis, verify_webhook
from .task_run import (
    ALL_PROCESSORS,
    ParallelDeepResearch,
    ParallelTaskRunInput,
    ParallelTaskRunTool,
    ProcessorLiteral,
)

__all__ = [
    "ALL_PROCESSORS",
    "CallFailed",
    "ChatParallel",
    "ChatParallelWeb",
    "EnrichmentInput",
    "ExcerptSettings",
    "FetchPolicy",
    "FullContentSettings",
    "McpServer",
    "NoKey",
    "ParallelDeepResearch",
    "ParallelEnrichment",
    "ParallelExtractInput",
    "ParallelExtractTool",
    "ParallelSearchRetriever",
    "ParallelSearchTool",
    "ParallelTaskGroup",
    "ParallelTaskRunInput",
    "ParallelTaskRunTool",
    "ParallelWebSearchInput",
    "ParallelWebSearchTool",
    "ProcessorLiteral",
    "SourcePolicy",
    "build_task_spec",
    "parse_basis",
    "verify_webhook",
]

if not typing.TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        raise _missing(__name__, name)
