"""The API as the types of the official SDK have it, in the form of an OpenAPI document.

The SDK is newer than the published document, and is there whenever the tests run.
"""

from __future__ import annotations

from typing import Any

from parallel import types
from parallel.types import beta
from parallel.types.client_extract_params import ClientExtractParams
from parallel.types.client_search_params import ClientSearchParams
from parallel.types.run_input_param import RunInputParam
from parallel.types.task_group_add_runs_params import TaskGroupAddRunsParams
from parallel.types.task_group_create_params import TaskGroupCreateParams
from pydantic import TypeAdapter

from .facts import Schema

_TYPES: dict[str, Any] = {
    "TaskRunInput": RunInputParam,
    "CreateTaskGroupRequest": TaskGroupCreateParams,
    "TaskGroupRunRequest": TaskGroupAddRunsParams,
    "TaskRun": types.TaskRun,
    "TaskRunResult": types.TaskRunResult,
    "TaskGroupResponse": types.TaskGroup,
    "TaskGroupRunResponse": types.TaskGroupRunResponse,
    "TaskRunEvent": types.TaskRunEvent,
    "TaskRunProgressStatsEvent": types.TaskRunProgressStatsEvent,
    "TaskRunProgressMessageEvent": types.TaskRunProgressMessageEvent,
    "TaskGroupStatusEvent": types.TaskGroupStatusEvent,
    "ErrorEvent": types.ErrorEvent,
    "V1SearchRequest": ClientSearchParams,
    "V1SearchResponse": types.SearchResult,
    "V1ExtractRequest": ClientExtractParams,
    "V1ExtractResponse": types.ExtractResponse,
    "MemoryRetrieveRequest": beta.MemoryRetrieveParams,
    "MemoryEvictRequest": beta.MemoryEvictParams,
    "MemoryClearRequest": beta.MemoryClearParams,
    "MemoryRetrieveResponse": beta.MemoryRetrieveResponse,
}


def sdk_document() -> Schema:
    """What of an OpenAPI document the comparison of single models reads."""
    schemas = {name: TypeAdapter(each).json_schema() for name, each in _TYPES.items()}
    definitions = {k: v for schema in schemas.values() for k, v in schema.get("$defs", {}).items()}
    return {"components": {"schemas": schemas}, "$defs": definitions}
