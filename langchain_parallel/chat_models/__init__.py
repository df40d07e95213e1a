"""Chat as a model of LangChain, on the same tree as task runs."""

from .chat_messages import last_interaction_id
from .chat_model import ChatParallel

__all__ = ["ChatParallel", "last_interaction_id"]
