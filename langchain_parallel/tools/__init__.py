"""`ParallelTaskTool`: web research as a LangChain tool; and the tool that fetches an answer later."""

from .task import ParallelTaskTool
from .task_result import ParallelTaskResultTool

__all__ = ["ParallelTaskResultTool", "ParallelTaskTool"]
