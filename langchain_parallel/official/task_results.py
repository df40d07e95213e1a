"""Results as the official package gives them, and its functions that read and make such dictionaries."""

from __future__ import annotations

import time
from typing import Any

from pydantic import BaseModel

from .._core.ledger.identity import MARK_KEY
from .._core.ledger.keys import METADATA_KEY, THREAD_ID
from .._core.webhook_signature import is_signed_by, parse_timestamp
from ..errors import InvalidRequest, OutputMismatch, ParallelError
from ..models import TaskRun, TaskRunResult
from ..models.schema_forms import is_class
from ..tools.unfinished_calls import ASKED_KEY
from ..tools.within_limits import EDITED_CALL
from ..webhooks.delivery import secret_keys

OWN_KEYS = frozenset({METADATA_KEY, MARK_KEY, ASKED_KEY, EDITED_CALL, THREAD_ID})
"""Metadata that this package sends with a run, so that it is found again; results do not show it."""
_ENVELOPES = ("json", "text", "auto")


def check_metadata(metadata: dict[str, Any] | None) -> dict[str, Any]:
    """The metadata of a run or group.

    Raises:
        InvalidRequest: It has a key of this package's own.
    """
    given = metadata or {}
    if taken := sorted(OWN_KEYS.intersection(given)):
        raise InvalidRequest(
            [f"The metadata keys {', '.join(taken)} are this package's own; rename them."]
        )
    return given


def as_result(result: TaskRunResult, schema: Any = None) -> dict[str, Any]:
    """A result with its run and its output; for a pydantic `schema` with the answer checked, at `parsed`.

    An answer that does not fit the schema has `parsed: None`, and a warning of the run says why.
    """
    output = {
        "beta_fields": None,
        "mcp_tool_calls": None,
        "output_schema": None,
        **result.output.model_dump(mode="json"),
    }
    if result.output.type == "text":
        del output["output_schema"]
    run = as_run(result.run)
    if is_class(schema) and issubclass(schema, BaseModel):
        try:
            output["parsed"] = result.parse(schema).model_dump()
        except OutputMismatch as error:
            output["parsed"] = None
            told = {"type": "warning", "message": error.message, "detail": None}
            run["warnings"] = [*(run["warnings"] or ()), told]
    return {"run": run, "output": output}


def as_run(run: TaskRun) -> dict[str, Any]:
    """A run, with the metadata that the caller gave it."""
    shown = run.model_dump(mode="json")
    metadata = {k: v for k, v in (run.metadata or {}).items() if k not in OWN_KEYS}
    return {**shown, "metadata": metadata, "task_group_id": run.taskgroup_id}


def as_failed(error: ParallelError, run: TaskRun) -> dict[str, Any]:
    """What a row of a batch is that has no answer: the run as far as it is known, and why."""
    status = getattr(error, "status", None)
    shown = as_run(run.model_copy(update={"status": status if isinstance(status, str) else ""}))
    shown["status"] = shown["status"] or run.status
    told = {"message": str(error), "ref_id": getattr(error, "ref_id", None), "detail": None}
    return {"run": {**shown, "error": told}, "output": None}


def build_task_spec(*, output_schema: Any, input_schema: Any = None) -> dict[str, Any]:
    """A task spec of classes, JSON schemas or descriptions in words.

    Raises:
        TypeError: A schema is neither a pydantic class, a dict nor text.
    """
    spec = {"output_schema": _envelope(output_schema)}
    if input_schema is not None:
        spec["input_schema"] = _envelope(input_schema)
    return spec


def _envelope(schema: Any) -> dict[str, Any]:
    if isinstance(schema, str):
        return {"type": "text", "description": schema}
    if is_class(schema) and issubclass(schema, BaseModel):
        return {"type": "json", "json_schema": schema.model_json_schema()}
    if not isinstance(schema, dict):
        kind = type(schema).__name__
        raise TypeError(f"A schema is a pydantic class, a dict or text, not {kind}.")
    return (
        dict(schema)
        if schema.get("type") in _ENVELOPES
        else {"type": "json", "json_schema": schema}
    )


def parse_basis(result: dict[str, Any]) -> dict[str, Any]:
    """The evidence of a result: `citations_by_field`, `low_confidence_fields` and `interaction_id`.

    Rows of a batch that have no answer have no evidence.
    """
    output, run = result.get("output"), result.get("run")
    basis = result.get("basis")
    if not isinstance(basis, list):
        basis = output.get("basis") if isinstance(output, dict) else None
    citations: dict[str, list[dict[str, Any]]] = {}
    low: list[str] = []
    for entry in basis if isinstance(basis, list) else ():
        field = entry.get("field") if isinstance(entry, dict) else None
        if not isinstance(field, str) or not field:
            continue
        citations[field] = list(entry.get("citations") or [])
        if str(entry.get("confidence")).lower() == "low":
            low.append(field)
    own = run.get("interaction_id") if isinstance(run, dict) else None
    return {
        "citations_by_field": citations,
        "low_confidence_fields": low,
        "interaction_id": result.get("interaction_id") or own or None,
    }


def verify_webhook(
    payload: bytes,
    *,
    webhook_id: str,
    webhook_timestamp: str,
    webhook_signature: str,
    secret: str,
    tolerance_seconds: int = 300,
) -> bool:
    """Whether a webhook was signed with the secret, in today's scheme or the earlier one, and lately.

    Args:
        payload: The body, byte for byte.
        webhook_id: The header `webhook-id`.
        webhook_timestamp: The header `webhook-timestamp`.
        webhook_signature: The header `webhook-signature`.
        secret: The account's webhook secret.
        tolerance_seconds: By how much the timestamp may differ from now.

    Raises:
        InvalidRequest: The secret is so short that anybody could guess it.
    """
    keys = secret_keys([secret])
    timestamp = parse_timestamp(str(webhook_timestamp))
    if timestamp is None or not abs(time.time() - timestamp) <= tolerance_seconds:
        return False
    return is_signed_by(keys, webhook_id, timestamp, webhook_signature, payload)
