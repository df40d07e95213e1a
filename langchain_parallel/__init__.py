"""Parallel's Task API as a stateful research sub-agent for LangGraph."""

from .client import AsyncParallelClient, ParallelClient

__all__ = ["AsyncParallelClient", "ParallelClient"]
