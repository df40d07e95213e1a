"""Where programs written for the official package import its names of tasks from."""

from .official import (
    ALL_PROCESSORS,
    EnrichmentInput,
    McpServer,
    ParallelDeepResearch,
    ParallelEnrichment,
    ParallelTaskGroup,
    ParallelTaskRunInput,
    ParallelTaskRunTool,
    ProcessorLiteral,
    build_task_spec,
    parse_basis,
    verify_webhook,
)

__all__ = [
    "ALL_PROCESSORS",
    "EnrichmentInput",
    "McpServer",
    "ParallelDeepResearch",
    "ParallelEnrichment",
    "ParallelTaskGroup",
    "ParallelTaskRunInput",
    "ParallelTaskRunTool",
    "ProcessorLiteral",
    "build_task_spec",
    "parse_basis",
    "verify_webhook",
]
