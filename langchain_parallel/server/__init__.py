"""The research graph on a LangGraph server: `langgraph.json` names what is here.

research    the graph, configured by the environment (`Settings`)
app         routes of our own beside the server's: the webhook that wakes parked threads
"""

from .graph import research
from .settings import Settings

__all__ = ["Settings", "research"]
