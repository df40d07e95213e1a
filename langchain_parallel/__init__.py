"""Parallel's Task API as a stateful research sub-agent for LangGraph.

    ParallelTaskTool           web research as a tool for agents
    create_research_graph      a research session as a graph: resumed, continued, branched
    resume                     goes on with a thread, once however many ask; aresume awaits
    ParallelClient             the API itself; AsyncParallelClient awaits

Everything a caller builds or reads is in `models`, everything that can go wrong in `errors`, prices and
times in `processors`. `simulator` stands in for the API in tests.
"""

from .client import AsyncParallelClient, ParallelClient
from .errors import ParallelError
from .models import (
    AutoSchema,
    JsonSchema,
    McpServer,
    SourcePolicy,
    TaskAdvancedSettings,
    TaskRunInput,
    TaskRunResult,
    TaskSpec,
    TextSchema,
    Webhook,
)
from .research import (
    ResearchInput,
    ResearchOutput,
    ResearchState,
    Turn,
    Verdict,
    by_evidence,
    create_research_graph,
    tree_text,
)
from .resuming import Resumption, aresume, resume
from .tool import ParallelTaskTool

__all__ = [
    "AsyncParallelClient",
    "AutoSchema",
    "JsonSchema",
    "McpServer",
    "ParallelClient",
    "ParallelError",
    "ParallelTaskTool",
    "ResearchInput",
    "ResearchOutput",
    "ResearchState",
    "Resumption",
    "SourcePolicy",
    "TaskAdvancedSettings",
    "TaskRunInput",
    "TaskRunResult",
    "TaskSpec",
    "TextSchema",
    "Turn",
    "Verdict",
    "Webhook",
    "aresume",
    "by_evidence",
    "create_research_graph",
    "resume",
    "tree_text",
]
