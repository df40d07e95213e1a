"""Control of a simulator in another process: JSON at `/_simulator/…`.

    GET, POST, DELETE /_simulator/faults    pending faults; POST adds an object or a list; DELETE removes all
    GET, POST, DELETE /_simulator/scripts   the same for run scripts
    GET  /_simulator/billing                the bill: total_usd, reserved_usd; billed, reserved, answers
    GET  /_simulator/requests               the request log
    GET  /_simulator/runs                   every run that was accepted
    POST /_simulator/settle                 {"run_id", "outcome"?, "message"?}: end a run now
    POST /_simulator/interactions           {"id", "output", "input"?}: make one known that was made elsewhere
    POST /_simulator/advance                {"seconds"}: only with a manual clock
    POST /_simulator/reset                  remove everything

These endpoints need no key; a served simulator asks for its token in `x-simulator-token`. The request log
leaves them out.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from .account import Account
from .clock import ManualClock
from .faults import Fault
from .http_messages import ApiError, Request, Response, json_response
from .json_bodies import read_json
from .order_fields import from_fields
from .order_queue import OrderQueue
from .scenario import Elsewhere
from .simulated_run import Outcome, RunScript


def control(account: Account, request: Request) -> Response:
    """Run a control action. Raises ApiError."""
    action = _ACTIONS.get((request.method, request.path.removeprefix("/_simulator/")))
    if action is None:
        raise ApiError(404, f"Not found: {request.method} {request.path}")
    try:
        body = read_json(request) if request.body else None
        return json_response(200, action(account, body))
    except (TypeError, ValueError, KeyError) as error:  # from our dataclasses, for a wrong body
        raise ApiError(422, f"{type(error).__name__}: {error}") from error


def _orders(method: str, name: str, kind: type, account: Account, body: Any) -> list[Any]:
    """Change a queue as the method says, and return what is pending then."""
    queue: OrderQueue[Any] = getattr(account, name)
    if method == "DELETE":
        queue.clear()
    elif method == "POST":
        given = body if isinstance(body, list) else [body]
        queue.add(*[from_fields(kind, fields) for fields in given])
    return [dataclasses.asdict(order) for order in queue.pending]


def _billing(account: Account, body: Any) -> Any:
    bill = account.billing
    return {
        "total_usd": bill.total_usd,
        "reserved_usd": bill.reserved_usd,
        "billed": [dataclasses.asdict(line) for line in bill.billed_runs()],
        "reserved": [dataclasses.asdict(line) for line in bill.reserved_runs()],
        "answers": [dataclasses.asdict(line) for line in bill.billed_answers()],
    }


@dataclass(frozen=True)
class _Settlement:
    run_id: str
    outcome: Outcome = "completed"
    message: str | None = None


def _settle(account: Account, body: Any) -> Any:
    given = from_fields(_Settlement, body)
    account.settle(given.run_id, given.outcome, given.message)
    return {}


def _add_interaction(account: Account, body: Any) -> Any:
    given = from_fields(Elsewhere, body)
    account.add_interaction(given.id, given.input, given.output)
    return {}


@dataclass(frozen=True)
class _Advance:
    seconds: float


def _advance(account: Account, body: Any) -> Any:
    if not isinstance(account.clock, ManualClock):
        raise ApiError(409, "Only a manual clock can be advanced")
    account.clock.advance(from_fields(_Advance, body).seconds)
    return {"monotonic": account.clock.monotonic()}


def _reset(account: Account, body: Any) -> Any:
    account.reset()
    return {}


_ACTIONS: dict[tuple[str, str], Callable[[Account, Any], Any]] = {
    **{
        (method, name): partial(_orders, method, name, kind)
        for method in ("GET", "POST", "DELETE")
        for name, kind in (("faults", Fault), ("scripts", RunScript))
    },
    ("GET", "billing"): _billing,
    ("GET", "requests"): lambda account, body: [dataclasses.asdict(e) for e in account.requests],
    ("GET", "runs"): lambda account, body: account.runs(),
    ("POST", "settle"): _settle,
    ("POST", "interactions"): _add_interaction,
    ("POST", "advance"): _advance,
    ("POST", "reset"): _reset,
}
