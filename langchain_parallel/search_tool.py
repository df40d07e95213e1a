"""Where programs written for the official package import its search tool from."""

from .official import ParallelSearchTool, ParallelWebSearchInput, ParallelWebSearchTool

__all__ = ["ParallelSearchTool", "ParallelWebSearchInput", "ParallelWebSearchTool"]
