"""Webhooks: a run has ended, so the thread that is parked for it goes on.

receive           checks a delivery and tells its run; pure
wake, awake       let the thread of a run go on
webhook_app       both, as an ASGI application                (extra: webhooks)
Threads           where threads may live, other than in a compiled graph
"""

from ..errors import WebhookRejected
from .app import webhook_app
from .going import Outcome
from .listing import Listed
from .parked import runs_of
from .receiving import Received, receive
from .threads import GraphThreads, Standing, Threads, standing_of
from .waking import Woken, awake, wake

__all__ = [
    "GraphThreads",
    "Listed",
    "Outcome",
    "Received",
    "Standing",
    "Threads",
    "WebhookRejected",
    "Woken",
    "awake",
    "receive",
    "runs_of",
    "standing_of",
    "wake",
    "webhook_app",
]
