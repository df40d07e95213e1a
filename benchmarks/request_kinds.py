"""What a request to the API is for."""

from __future__ import annotations

import re

_KINDS = (
    # method, path, what it is for
    ("POST", "/v1/tasks/groups", "new ledger"),
    ("GET", "/v1/tasks/groups/ID", "count"),
    ("GET", "/v1/tasks/groups/ID/runs", "lookup"),
    ("POST", "/v1/tasks/groups/ID/runs", "paid"),
    ("POST", "/v1/tasks/runs", "paid"),
    ("GET", "/v1/tasks/runs/ID", "status"),
    ("GET", "/v1/tasks/runs/ID/events", "events"),
    ("GET", "/v1/tasks/runs/ID/result", "result"),
)
_KIND_BY_PATH = {(method, path): kind for method, path, kind in _KINDS}


def request_kind(method: str, path: str) -> str:
    """What a request is for; for an unknown one, its method and path."""
    shape = re.sub(r"t(run|grp)_\w+", "ID", path)
    return _KIND_BY_PATH.get((method, shape), f"{method} {shape}")
