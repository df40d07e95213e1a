"""Webhooks: a run has ended, so the thread that is parked for it goes on.

receive           checks a delivery and tells its run; pure
wake, awake       let the thread of a run go on
webhook_app       both, as an ASGI application                (extra: webhooks)
Threads           where threads may live, other than in a compiled graph
"""

from ..errors import WebhookRejected
from ..parked.checkpoint_scan import ParkedThread
from ..parked.interrupts import runs_waited_for
from ..parked.resume_thread import Outcome
from ..parked.threads import GraphThreads, Threads, ThreadStatus, thread_status
from ..parked.wake_up import WakeResult, awake, wake
from .app import webhook_app
from .delivery import WebhookDelivery, receive

__all__ = [
    "GraphThreads",
    "Outcome",
    "ParkedThread",
    "ThreadStatus",
    "Threads",
    "WakeResult",
    "WebhookDelivery",
    "WebhookRejected",
    "awake",
    "receive",
    "runs_waited_for",
    "thread_status",
    "wake",
    "webhook_app",
]
