"""`ParallelClient` and `AsyncParallelClient`: the two drivers of the flows in `_core`.

Rule: the only package that performs I/O with the API, and the only one that imports httpx. A method
builds a flow and drives it; what is decided is decided in `_core`.

The two classes have the same methods; the asynchronous ones are awaited. `tests/test_public_surface.py`
holds them to that.
"""

from .._core.retry import RetryPolicy
from .async_client import AsyncParallelClient
from .client_pair import client_pair, pair_clients
from .client_settings import BASE_URL, DEFAULT_TIMEOUT, Clock
from .sync_client import ParallelClient

__all__ = [
    "BASE_URL",
    "DEFAULT_TIMEOUT",
    "AsyncParallelClient",
    "Clock",
    "ParallelClient",
    "RetryPolicy",
    "client_pair",
    "pair_clients",
]
