"""The research graph on a LangGraph server: `langgraph.json` names what is here.

research            the graph, configured by the environment (`Settings`)
web_research        the same for callers who keep no thread, such as MCP clients
sweep               a graph for a cron: it resumes threads whose webhook never arrived
entry_points:app    routes beside the server's own: the webhook that resumes parked threads
"""

from .deployment import Settings
from .entry_points import research, sweep, web_research

__all__ = ["Settings", "research", "sweep", "web_research"]
