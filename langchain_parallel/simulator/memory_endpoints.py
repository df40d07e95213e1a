"""The endpoints of Memory: completed runs, under the key that they were filed with.

Rule: a run with a `memory_scope_key` is in the application memory of that name, one without in the personal
memory; a run that has not completed is in none. What is removed from a memory stays a run.
"""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Any

from .account import Account
from .http_messages import Chunk, Head, JsonObject, Request, Response, json_response
from .json_bodies import read_json
from .problems import Problem, invalid_request
from .request_models import MemoryClearRequest, MemoryEvictRequest, MemoryRetrieveRequest
from .simulated_run import Run, input_text, timestamp
from .validation import shape_problems

_EXCERPT = 300
_WORD = re.compile(r"\w{2,}")


def retrieve_memory(account: Account, request: Request) -> Response:
    """`POST /v1beta/memory/retrieve`."""
    body = _checked(MemoryRetrieveRequest, read_json(request))
    if (scripted := account.scripted_answer(request.path, body)) is not None:
        return json_response(200, dict(scripted))
    runs = _remembered(account, body.get("memory_scope_key"))
    if body.get("kind") not in (None, "task"):
        runs = []
    if (since := body.get("since")) is not None:
        runs = [run for run in runs if account.epoch + run.ends >= _unix(since)]
    runs.sort(key=lambda run: run.ends, reverse=True)
    if words := set(_WORD.findall((body.get("query") or "").lower())):
        matches = {id(run): len(words & _words(account, run)) for run in runs}
        found = [run for run in runs if matches[id(run)]]
        runs = sorted(found, key=lambda run: -matches[id(run)])
    shown = runs[: body.get("limit", 10)]
    return json_response(200, {"results": [_entry(account, run) for run in shown]})


def evict_memory(account: Account, request: Request) -> Response:
    """`POST /v1beta/memory/evict`."""
    body = _checked(MemoryEvictRequest, read_json(request))
    account.forgotten.add((body.get("memory_scope_key"), body["id"]))
    return _no_content()


def clear_memory(account: Account, request: Request) -> Response:
    """`POST /v1beta/memory/clear`."""
    key = _checked(MemoryClearRequest, read_json(request)).get("memory_scope_key")
    account.forgotten |= {(key, run.run_id) for run in _remembered(account, key)}
    return _no_content()


def _checked(model: Any, body: Any) -> JsonObject:
    """The body. Raises a 422 that names what is wrong with it."""
    found = shape_problems(model, body)
    since = body.get("since") if isinstance(body, dict) and not found else None
    if since is not None and _unix(since) is None:
        found.append(Problem(("since",), "must be a time of RFC 3339", "datetime_parsing"))
    if found:
        raise invalid_request(found)
    checked: JsonObject = body
    return checked


def _unix(text: str) -> Any:
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00").replace("z", "+00:00"))
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()


def _remembered(account: Account, key: str | None) -> list[Run]:
    now = account.monotonic
    return [
        run
        for run in account.all_runs()
        if run.request.get("memory_scope_key") == key
        and run.status_at(now) == "completed"
        and (key, run.run_id) not in account.forgotten
    ]


def _output(account: Account, run: Run) -> str:
    return input_text((account.finish_output(run) or {}).get("content", ""))


def _words(account: Account, run: Run) -> set[str]:
    return set(_WORD.findall(f"{run.text} {_output(account, run)}".lower()))


def _entry(account: Account, run: Run) -> JsonObject:
    return {
        "kind": "task",
        "id": run.run_id,
        "updated_at": timestamp(account.epoch + run.ends),
        "input_excerpt": run.text[:_EXCERPT],
        "output_excerpt": f"[simulated] {_output(account, run)}"[:_EXCERPT],
    }


def _no_content() -> Response:
    return Response(iter([Head(204, {}), Chunk(b"")]))
