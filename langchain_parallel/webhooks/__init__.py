"""Parallel's webhooks, received and handed to `parked`.

receive        checks a delivery and returns its run; pure
receive_any    the same, for deliveries about monitors, too
webhook_app    an ASGI application that also wakes the threads of the run    (extra: webhooks)
"""

from ..errors import WebhookRejected
from .app import webhook_app
from .delivery import MonitorDelivery, WebhookDelivery, receive, receive_any
from .delivery_queue import QueueOptions

__all__ = [
    "MonitorDelivery",
    "QueueOptions",
    "WebhookDelivery",
    "WebhookRejected",
    "receive",
    "receive_any",
    "webhook_app",
]
