"""Where programs written for the official package import its tool that reads pages from."""

from .official import ParallelExtractInput, ParallelExtractTool

__all__ = ["ParallelExtractInput", "ParallelExtractTool"]
