"""The differences between the API's OpenAPI document and ours that are meant, each with its reason.

Rule: a pattern (`*` stands for any text) that matches no difference any more is reported, too, and goes.
"""

from __future__ import annotations

MEANT: dict[str, str] = {
    "*, only in the *: TaskRunInput.advanced_settings.data_sources*": (
        "the pages and the official SDK (schema of 2026-09-29) have it; the document is older"
    ),
    "request, only in the document: ChatCompletionRequest.*.json_schema.schema: closed": (
        "the document's way to write any object: it names no property of it"
    ),
    "client, only in the document: TaskRunInput.task_spec.*put_schema: string": (
        "a bare text is a description of a text, and the client writes it out as that"
    ),
    "client, only in the client: *extra_body: object": (
        "what is in it is sent beside the other fields; it has no place of its own in a body"
    ),
    "client, only in the client: V1*Response.sent_again: boolean": (
        "the client's own: whether the request was sent again after its answer was lost"
    ),
    "client, only in the document: *.output.beta_fields: object": (
        "deprecated; what stands in it is kept (`model_extra`), and read by nothing"
    ),
    "client, only in the document: TaskRunEvent.input.*": (
        "of a stored input the client types what it reads; the rest is kept (`model_extra`)"
    ),
}

MEANT_OF_SDK: dict[str, str] = {
    **{each: reason for each, reason in MEANT.items() if each.startswith(("client", "*"))},
    "*.metadata.*: integer": "the SDK has one type for all numbers",
    "*: TaskGroupRunRequest.betas*": "a header; the SDK lists it among the parameters",
    "*: TaskGroupRunRequest.refresh_status: boolean": "a query value; the SDK lists it, too",
}
