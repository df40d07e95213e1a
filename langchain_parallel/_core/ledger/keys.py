"""The key of a request in a ledger.

Rule: the key says what is asked, with whose credentials (`identity.py`), at which point of the session. It
leaves out what does not change the research: metadata, webhook, whether progress is recorded, the order of a
dict, of domains and of headers. Each guess at a secret in it is slow.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from ...errors import InvalidRequest
from ...models import TaskRunInput
from .. import urls, wire
from .identity import MARK_KEY, identity_of

METADATA_KEY = "ledger_key"
"""Where a run carries its key. The API allows keys of 16 characters."""
THREAD_ID = "thread_id"
"""Where it says for which LangGraph thread it was started."""
ROW_ID = "row_id"
"""Where a run of a table says which row it is for, for people; others may use the name, too."""
NEXT_GROUP = "next_group"
"""Where a run of a batch names the task group that the batch goes on in (`batch_chain.py`)."""
_OWN_METADATA = {
    NEXT_GROUP: "says where a batch goes on",
    THREAD_ID: "says for which thread a run was started",
    METADATA_KEY: "is the ledger's own",
    MARK_KEY: "is the ledger's own",
}

_NOT_ASKED = {"metadata", "webhook", "enable_events"}
"""Fields that do not change the research. All others do, new ones included: requests that differ in them are
two runs."""


def check_own_metadata(metadata: Mapping[str, Any], *own: str) -> None:
    """Refuse metadata under the names that this package gives itself; unless given, under any of them.

    Raises:
        InvalidRequest: It has some.
    """
    taken = [name for name in own or _OWN_METADATA if name in metadata]
    if taken:
        raise InvalidRequest(
            [f"The metadata key {name!r} {_OWN_METADATA[name]}; leave it out." for name in taken]
        )


def ledger_key(
    run: TaskRunInput, *, position: str = "", attempt: int = 0, identity: str | None = None
) -> str:
    """The key of a request: a hash of what is asked, where in the session, and which attempt.

    Args:
        run: What is asked. Of an MCP server its name, address and tools count, and its credentials as a
            digest.
        position: The point of the session, such as the number of turns it has had.
        attempt: Raised to ask the very same thing anew.
        identity: Counts in place of the credentials, which may then be rotated.

    Raises:
        InvalidRequest: `position` is not text, `attempt` not a whole number from 0 up, or `identity` none.
    """
    if not isinstance(position, str):
        raise InvalidRequest(
            [f"position is {position!r}; it must be text, such as the number of turns."]
        )
    if type(attempt) is not int or attempt < 0:
        raise InvalidRequest([f"attempt is {attempt!r}; it must be a whole number from 0 up."])
    asked = {name: value for name, value in wire.payload(run).items() if name not in _NOT_ASKED}
    if asked.get("task_spec") == {"output_schema": {"type": "auto"}}:
        del asked["task_spec"]  # the same as none at all
    if "source_policy" in asked:
        asked["source_policy"] = {
            name: _in_any_order(v) for name, v in asked["source_policy"].items()
        }
    asked["mcp_servers"] = [
        [server.name, urls.without_login_and_query(server.url), list(server.allowed_tools or ())]
        for server in run.mcp_servers
    ]
    whose = identity_of(run, identity)
    key = [asked, position, attempt, *([] if whose is None else [whose])]
    canonical = json.dumps(key, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(canonical.encode(errors="surrogatepass")).hexdigest()[:40]


def _in_any_order(value: Any) -> Any:
    return sorted(value) if isinstance(value, list) else value
