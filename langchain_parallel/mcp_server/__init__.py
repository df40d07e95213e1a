"""An MCP server of research sessions: `langchain-parallel mcp` (extra: mcp).

Rule: the package `mcp` is imported in `tools_for_clients.py` alone. What the tools do is a `ResearchDesk`,
which knows nothing of MCP.
"""

__all__: list[str] = []
