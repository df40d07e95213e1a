"""Parallel's webhooks, received and handed to `parked`.

receive        checks a delivery and returns its run; pure
webhook_app    an ASGI application that also wakes the threads of the run    (extra: webhooks)
"""

from ..errors import WebhookRejected
from .app import webhook_app
from .delivery import WebhookDelivery, receive
from .delivery_queue import QueueOptions

__all__ = [
    "QueueOptions",
    "WebhookDelivery",
    "WebhookRejected",
    "receive",
    "webhook_app",
]
