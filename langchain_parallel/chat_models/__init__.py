"""Chat as a model of LangChain, on the same tree as task runs."""

from .chat_messages import last_interaction_id
from .chat_model import ChatParallel

ChatParallelWeb = ChatParallel
"""Its name in the official package."""

__all__ = ["ChatParallel", "ChatParallelWeb", "last_interaction_id"]
