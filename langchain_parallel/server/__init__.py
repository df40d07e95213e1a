"""The research graph on a LangGraph server: `langgraph.json` names what is here.

research    the graph, configured by the environment (`Settings`)
sweep       a graph for a cron: it finds what no webhook came for
app         routes of our own beside the server's: the webhook that wakes parked threads
"""

from .deployment import Settings
from .graphs import research, sweep

__all__ = ["Settings", "research", "sweep"]
