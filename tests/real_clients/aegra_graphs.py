"""What Aegra's configuration names: the graphs of `langgraph.json`, in a file, as Aegra wants them."""

from __future__ import annotations

from langchain_parallel import server

research = server.research()
web_research = server.web_research()
