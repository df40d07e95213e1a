"""Steering the simulator over HTTP, for tests in other processes: JSON at `/_simulator/…`.

    GET, POST, DELETE /_simulator/faults    pending faults; add one object or a list; forget all
    GET, POST, DELETE /_simulator/scripts   the same for run scripts
    GET  /_simulator/billing                the bill: total_usd, reserved_usd, billed and reserved
    GET  /_simulator/requests               the request log
    GET  /_simulator/runs                   every run ever accepted
    POST /_simulator/settle                 {"run_id", "outcome"?, "message"?}: end a run now
    POST /_simulator/advance                {"seconds"}: only on a manual clock
    POST /_simulator/reset                  forget everything
No key is needed and nothing here is logged.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .answers import Answer, ApiError, Request, json_answer
from .clock import ManualClock
from .faults import Fault
from .queues import Queue
from .runs import RunScript

if TYPE_CHECKING:
    from .world import Simulator

__all__ = ["control"]


def control(world: Simulator, request: Request) -> Answer:
    """The answer of a control endpoint. Raises ApiError."""
    action = _ACTIONS.get((request.method, request.path.removeprefix("/_simulator/")))
    if action is None:
        raise ApiError(404, f"Not found: {request.method} {request.path}")
    try:
        return json_answer(200, action(world, request.json()))
    except (TypeError, ValueError, KeyError) as error:  # what a wrong body makes of our dataclasses
        raise ApiError(422, f"{type(error).__name__}: {error}") from error


def _orders(queue: Queue[Any]) -> list[Any]:
    return [dataclasses.asdict(order) for order in queue.pending]


def _add(queue: Queue[Any], kind: type, body: Any) -> list[Any]:
    queue.add(*(kind(**raw) for raw in (body if isinstance(body, list) else [body])))
    return _orders(queue)


def _forget(queue: Queue[Any]) -> list[Any]:
    queue.clear()
    return _orders(queue)


def _billing(world: Simulator, body: Any) -> Any:
    bill = world.billing
    return {
        "total_usd": bill.total_usd,
        "reserved_usd": bill.reserved_usd,
        "billed": [dataclasses.asdict(line) for line in bill.billed_runs()],
        "reserved": [dataclasses.asdict(line) for line in bill.reserved_runs()],
    }


def _settle(world: Simulator, body: Any) -> Any:
    world.settle(**body)
    return {}


def _advance(world: Simulator, body: Any) -> Any:
    if not isinstance(world.clock, ManualClock):
        raise ApiError(409, "Only a manual clock can be advanced")
    world.clock.advance(body["seconds"])
    return {"monotonic": world.clock.monotonic()}


def _reset(world: Simulator, body: Any) -> Any:
    world.reset()
    return {}


_ACTIONS: dict[tuple[str, str], Callable[[Simulator, Any], Any]] = {
    ("GET", "faults"): lambda world, body: _orders(world.faults),
    ("POST", "faults"): lambda world, body: _add(world.faults, Fault, body),
    ("DELETE", "faults"): lambda world, body: _forget(world.faults),
    ("GET", "scripts"): lambda world, body: _orders(world.scripts),
    ("POST", "scripts"): lambda world, body: _add(world.scripts, RunScript, body),
    ("DELETE", "scripts"): lambda world, body: _forget(world.scripts),
    ("GET", "billing"): _billing,
    ("GET", "requests"): lambda world, body: [dataclasses.asdict(e) for e in world.requests],
    ("GET", "runs"): lambda world, body: world.runs(),
    ("POST", "settle"): _settle,
    ("POST", "advance"): _advance,
    ("POST", "reset"): _reset,
}
