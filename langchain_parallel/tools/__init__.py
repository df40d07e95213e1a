"""`ParallelTaskTool`: web research as a LangChain tool; and the tool that fetches an answer later. Tools that
search the web and read pages.
"""

from .answer import Answer
from .extract import ParallelExtractTool
from .search import ParallelSearchTool
from .task import ParallelTaskTool
from .task_result import ParallelTaskResultTool

__all__ = [
    "Answer",
    "ParallelExtractTool",
    "ParallelSearchTool",
    "ParallelTaskResultTool",
    "ParallelTaskTool",
]
