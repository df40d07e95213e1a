"""How the calls of a batch get their seats in it, and how one answers from there.

Rule: what goes its own way is decided for all calls before anything is sent: inside a graph and within limits
all of them do, unless the batch has an id; elsewhere a call does whose question has a run without an answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol

from langchain_core.runnables import RunnableConfig
from langchain_core.tools import ToolException

from .._core.calls import Calls
from .._core.kinds import check_kinds
from .._graph.observers import watch_run
from .._graph.paid_run import PaidAnswer, PaidRun
from .._graph.run_config import RunConfig
from .._graph.runtime import runtime_of
from ..batch.questions import nth_position
from ..errors import InvalidRequest, ParallelError
from ..options import Limits
from ..parked.interrupts import is_parking
from .arguments import OUTPUT, PREVIOUS, PROCESSOR
from .batched_calls import (
    CallBatch,
    Positions,
    Seat,
    check_batch_limits,
    give_seat,
    refused_seat,
)
from .call_site import CallSite
from .task_artifact import Told
from .unfinished_calls import UnfinishedCall


class SeatedTool(Protocol):
    """What a batch asks of the tool whose calls it has."""

    limits: Limits | None
    ledger_id: str | None
    wait: Any
    timeout: float | None
    _door: RunConfig

    def _door_now(self) -> RunConfig: ...
    def _paid_run(self, asked: dict[str, Any], site: CallSite) -> PaidRun: ...
    def _check_follow_up(self, run: PaidRun, site: CallSite) -> Calls[None]: ...
    def _hand_over(
        self, got: PaidAnswer, processor: str, run: PaidRun, ledger_id: str, call: UnfinishedCall
    ) -> Calls[Told]: ...
    def _by_name(
        self, input: Any, previous: Any, processor: Any, shape: Any, fields: dict[str, Any]
    ) -> dict[str, Any]: ...
    def _to_args_and_kwargs(
        self, tool_input: Any, tool_call_id: str | None
    ) -> tuple[tuple[Any, ...], dict[str, Any]]: ...


def plan_batch(
    tool: SeatedTool,
    inputs: Sequence[Any],
    configs: list[RunnableConfig],
    batch_id: str | None,
    on_begin: Callable[[str], Any] | None,
) -> Calls[tuple[CallBatch | None, list[RunnableConfig]]]:
    """What is sent together, if anything, and the config of each call with its seat."""
    seats = yield from _seats(tool, inputs, configs, batch_id, on_begin)
    if seats is None:
        return None, configs
    seated = [give_seat(*each) for each in zip(configs, seats, strict=True)]
    sent = [seat for seat in seats if seat is not None and seat.run is not None]
    if not sent:
        return None, seated
    limits, most = tool.limits or Limits(), configs[0].get("max_concurrency")
    many = CallBatch(sent, configs[0], batch_id, on_begin, limits, tool.timeout, most)
    return many, seated


def _seats(
    tool: SeatedTool,
    inputs: Sequence[Any],
    configs: Sequence[RunnableConfig],
    batch_id: str | None,
    on_begin: Callable[[str], Any] | None,
) -> Calls[list[Seat | None] | None]:
    """The seat of each call; None for a call that goes its own way, or if all do."""
    limits = tool.limits or Limits()
    has_id = batch_id is not None or on_begin is not None
    if not inputs:
        return None
    if not has_id and (
        len(inputs) == 1
        or tool.ledger_id is not None
        or limits != Limits()
        or tool._door_now().options.processor_may_fall_back
        or runtime_of(configs[0]) is not None
    ):
        return None
    check_kinds({"batch_id": (batch_id, str)})
    if tool.ledger_id is not None:
        raise InvalidRequest(
            ["A batch with an id is a ledger of its own: leave out `ledger_id` of the tool."]
        )
    if is_parking(tool.wait, configs[0]):
        raise InvalidRequest(
            ["A batch of calls waits in its process, and this tool parks."],
            hint="Nothing was sent. Call a tool with `wait='block'`.",
        )
    seats, positions = list[Seat | None](), Positions()
    for given, config in zip(inputs, configs, strict=True):
        seat, open_key = yield from _seat(tool, given, config, positions)
        # A call that asked the same and has no answer: this one goes on with its run, by itself.
        is_own = batch_id is not None and seat.run is not None and seat.run.key == open_key
        seats.append(seat if open_key is None or is_own else None)
    check_batch_limits(limits, [seat for seat in seats if seat is not None])
    return seats


def _seat(
    tool: SeatedTool, given: Any, config: RunnableConfig, positions: Positions
) -> Calls[tuple[Seat, str | None]]:
    """The seat of a call; and the key of one that asked the same and has no answer, if there is any."""
    site = CallSite.of(None, config)
    try:
        run = tool._paid_run(_arguments_by_name(tool, given), site)
        run.door.warn_of(run.request)
        yield from tool._check_follow_up(run, site)
    except ParallelError as error:
        return refused_seat(error), None
    except (ValueError, TypeError, ToolException):  # LangChain says so when it makes the call
        return refused_seat(), None
    first = replace(run, position=nth_position(1))
    position = positions.of(first.key)
    run = first if position == first.position else replace(run, position=position)
    open_key = yield from UnfinishedCall(run, site, tool._door.records).open_key()
    return Seat(run), open_key


def _arguments_by_name(tool: SeatedTool, given: Any) -> dict[str, Any]:
    """The arguments of a call by name, as LangChain would read its input."""
    is_call = isinstance(given, dict) and given.get("type") == "tool_call"
    args, named = tool._to_args_and_kwargs(given["args"] if is_call else given, None)
    question = args[0] if args else named.pop("input", None)
    previous, processor, shape = (named.pop(name, None) for name in (PREVIOUS, PROCESSOR, OUTPUT))
    return tool._by_name(question, previous, processor, shape, named)


# --- a call in its seat ----------------------------------------------------------------------------


def answer_from_seat(tool: SeatedTool, seat: Seat, site: CallSite) -> Calls[Told]:
    """The answer to a call, which its batch has sent.

    Raises:
        ParallelError: There is none.
    """
    run = seat.run
    if run is None:
        yield from seat.answer()
        raise AssertionError("nothing was sent, and so there is an error")  # pragma: no cover
    call = UnfinishedCall(run, site, tool._door.records)
    try:
        with watch_run(f"call {id(seat)}", run.request) as watch:
            got = yield from seat.answer()
            watch.cost_usd = got.cost_usd(run.request.processor)
    except ParallelError as error:
        if seat.ledger_id:
            yield from call.end(run, seat.ledger_id, error=error)
        raise
    return (yield from tool._hand_over(got, run.request.processor, run, seat.ledger_id, call))
