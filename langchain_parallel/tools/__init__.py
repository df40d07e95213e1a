"""`ParallelTaskTool`: web research as a LangChain tool; and the tool that fetches an answer later."""

from .answer import Answer
from .task import ParallelTaskTool
from .task_result import ParallelTaskResultTool

__all__ = ["Answer", "ParallelTaskResultTool", "ParallelTaskTool"]
