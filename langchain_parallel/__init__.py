"""Parallel's Task API as a stateful research sub-agent for LangGraph.

    ParallelTaskTool           web research as a tool for agents
    create_research_graph      a research session as a graph: resumed, continued, branched
    resume                     goes on with a thread, once however many ask; aresume awaits
    InteractionTree            a session as a tree: text, Mermaid, HTML; SessionReport: as a document
    carry_over, with_findings  take a session to another thread; quote some branches in another
    ParallelClient             the API itself; AsyncParallelClient awaits

Evaluators, policies and what a session is are in `research`; what a caller of the API builds or reads in
`models`, everything that can go wrong in `errors`, prices and times in `processors`. `simulator` stands in
for the API in tests.
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
from .parked.resumption import Resumption, aresume, resume
from .research import (
    ResearchInput,
    ResearchOutput,
    ResearchState,
    Turn,
    Verdict,
    by_evidence,
    create_research_graph,
)
from .sessions import InteractionTree, SessionReport, carry_over, with_findings
from .tools import ParallelTaskTool

__all__ = [
    "AsyncParallelClient",
    "AutoSchema",
    "InteractionTree",
    "JsonSchema",
    "McpServer",
    "ParallelClient",
    "ParallelError",
    "ParallelTaskTool",
    "ResearchInput",
    "ResearchOutput",
    "ResearchState",
    "Resumption",
    "SessionReport",
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
    "carry_over",
    "create_research_graph",
    "resume",
    "with_findings",
]
