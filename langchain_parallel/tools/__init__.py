"""`ParallelTaskTool`: web research as a LangChain tool."""

from .task import ParallelTaskTool

__all__ = ["ParallelTaskTool"]
