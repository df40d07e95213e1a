"""The tools of the middleware. They return errors as text: an exception would cancel the parallel calls.

Rule: what a tool has done goes into the state with its message, in one `Command`. A tool that runs again does
the same again, and finds in the ledger what it has paid for.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

from langchain_core.callbacks import AsyncCallbackManagerForToolRun, CallbackManagerForToolRun
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.messages.tool import tool_call
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool
from langgraph.types import Command
from pydantic import ConfigDict, Field

from .._core.calls import Calls, adrive, drive
from .._graph.earlier_sessions import find_known
from .._graph.paid_run import PaidRun
from .._graph.runtime import ends_step
from ..errors import InvalidRequest, ParallelError
from ..parked.interrupts import check_can_park, check_own_thread, is_parking, is_woken, park
from ..text.untrusted import fence, harmless
from ..tools.call_site import AnyRuntime, config_inside
from ..tools.tool_messages import error_for_model, explain
from . import agent_messages
from .agent_config import AgentConfig
from .agent_ledger import agent_ledger
from .agent_state import UNPROVEN, AgentTurn, Research, as_read, find_record, is_active, is_ended
from .call_plan import call_of, find_message, has_id_of_another, plan_call
from .citations import next_range, numbers_beside, numbers_of
from .earlier_answers import as_text
from .own_records import prove_records
from .pages import field_of, finding, next_page_lines, no_such_field, page_of
from .research_runs import finish, poll, start, unsent_record

_LEAST_CHARS = 1_000
"""Characters of one finding beside others."""
_IN_ARTIFACT = ("handle", "status", "run_id", "interaction_id", "processor", "cost_usd")
_WITHOUT_ANSWER = ("declined", "refused", "unknown", "lost")
_OUTSIDE = "This tool works only inside an agent that has ParallelResearchMiddleware."
_SAME_ID = (
    "Nothing was started: this call has the id of another call in the same message. "
    "Make it again, alone."
)


class ResearchTool(BaseTool):
    """A tool of the middleware."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        arbitrary_types_allowed=True, hide_input_in_errors=True
    )

    handle_validation_error: bool | str | Callable[[Any], str] | None = Field(
        default=explain, exclude=True, repr=False
    )
    agent: AgentConfig = Field(exclude=True, repr=False)

    def next_range(self, state: Any) -> int:
        """The first range of citation numbers above those of the runs in a state; tools beside it ask."""
        is_known = self.agent.names.is_default and isinstance(state, Mapping)
        return next_range(self.agent.research(state)) if is_known else 0

    def numbers_by_url(self, state: Any) -> dict[str, int]:
        """The numbers of what the runs in a state have cited, by address; tools beside it ask."""
        is_known = self.agent.names.is_default and isinstance(state, Mapping)
        return numbers_of(self.agent.research(state)) if is_known else {}

    def _run(
        self,
        runtime: AnyRuntime | None = None,  # injected by LangGraph, absent elsewhere
        *,
        config: RunnableConfig,
        run_manager: CallbackManagerForToolRun | None = None,
        **args: Any,
    ) -> Any:
        return drive(self._steps(runtime, args, config_inside(config, run_manager)))

    async def _arun(
        self,
        runtime: AnyRuntime | None = None,  # injected by LangGraph, absent elsewhere
        *,
        config: RunnableConfig,
        run_manager: AsyncCallbackManagerForToolRun | None = None,
        **args: Any,
    ) -> Any:
        return await adrive(self._steps(runtime, args, config_inside(config, run_manager)))

    def _steps(
        self, runtime: AnyRuntime | None, args: dict[str, Any], config: RunnableConfig
    ) -> Calls[Any]:
        if runtime is None:
            return _OUTSIDE
        return (yield from _do(AgentCall(self.agent, self.name, args, runtime, config)))


@dataclass(frozen=True)
class AgentCall:
    """One call of a tool: its name, its arguments, and the runtime it was called in."""

    agent: AgentConfig
    name: str
    args: Mapping[str, Any]
    runtime: AnyRuntime
    config: RunnableConfig
    proven: Mapping[str, Any] | None = None
    """The state with proven records."""

    @property
    def id(self) -> str | None:
        """The tool call's; some models number their calls anew in each message."""
        return self.runtime.tool_call_id

    @property
    def state(self) -> Mapping[str, Any]:
        """The agent's state before this step."""
        if self.proven is not None:
            return self.proven
        state = self.runtime.state
        if isinstance(state, list):  # a `ToolNode` may be given messages alone
            return {"messages": state}
        return state if isinstance(state, Mapping) else vars(state)

    @property
    def research(self) -> Research:
        """The records in it."""
        return self.agent.research(self.state)

    @cached_property
    def message(self) -> AIMessage:
        """The model's message that this call is in."""
        found = find_message(self.state.get("messages") or (), self.id)
        if found is not None and found.id:
            return found
        # Without a message, or if it has no id, the id of the task stands in for it.
        task = self.config.get("configurable", {}).get("checkpoint_ns") or uuid.uuid4().hex
        own = tool_call(name=self.name, args=dict(self.args), id=self.id)
        return AIMessage("", id=str(task), tool_calls=found.tool_calls if found else [own])

    def answer(
        self, text: str, records: Research | None = None, *, failed: bool = False, **more: Any
    ) -> Command[Any]:
        """A message for the model, and what it changes in the state."""
        message = ToolMessage(
            text,
            name=self.name,
            tool_call_id=self.id or "",
            status="error" if failed else "success",
            # For programs: ids and costs, no content.
            artifact={
                "research": [
                    {name: value for name, value in record.items() if name in _IN_ARTIFACT}
                    for record in (records or {}).values()
                ]
            },
        )
        update: dict[str, Any] = {"messages": [message], **more}
        # What nothing proves now may be proven later, so it stays in the state as it is.
        changed = {h: r for h, r in (records or {}).items() if r["status"] != UNPROVEN}
        if changed:
            update[self.agent.names.records] = changed
        return Command(update=update)

    def answer_with(
        self, records: Research, beside: Research | None = None, **more: Any
    ) -> Command[Any]:
        """Answer with the status of these runs; those that have ended count as seen by the model. Records
        `beside` them are only kept.
        """
        everything = {**self.research, **records}
        # Several answers share the length of one message.
        chars = max(_LEAST_CHARS, self.agent.max_chars // len(records))
        texts = [finding(self.agent, everything, record, chars) for record in records.values()]
        failed = all(r["status"] in _WITHOUT_ANSWER for r in records.values())
        seen: Research = {
            handle: as_read(record) if is_ended(record) else record
            for handle, record in records.items()
        }
        return self.answer("\n\n".join(texts), {**seen, **(beside or {})}, failed=failed, **more)


def _do(call: AgentCall) -> Calls[Command[Any]]:
    agent, names = call.agent, call.agent.names
    state, newly_sealed = yield from prove_records(agent, call.state, call.config)
    call = replace(call, proven=state)
    free = {names.check: check, names.read: read, names.list: list_all, names.recall: recall}
    try:
        done = yield from free.get(call.name, ask)(call)
    except InvalidRequest as error:  # a free tool never starts anything, so it need not say so
        text = error.message if call.name in free else str(error)
        done = call.answer(harmless(text), failed=True)
    if newly_sealed and isinstance(done.update, dict):
        done.update[names.records] = {**newly_sealed, **done.update.get(names.records, {})}
    return done


# --- what costs money: start, follow up, branch ----------------------------------------------------


def ask(call: AgentCall) -> Calls[Command[Any]]:
    """Start the runs that this call asks for, and wait for them as configured.

    Raises:
        InvalidRequest: The call cannot be done. Nothing was started.
    """
    agent, state, config, message = call.agent, call.state, call.config, call.message
    yield from check_own_thread(agent, config)
    if has_id_of_another(message, call.id, call.name, call.args):
        return call.answer(_SAME_ID, failed=True)
    check_can_park(agent.wait, config)
    own = call_of(message, call.id)
    planned = {
        handle: r
        for handle, r in call.research.items()
        if r["call"] == own and r["status"] == "planned"
    }
    try:
        ledger_id = yield from agent_ledger(agent, state, config, str(message.id))
    except ParallelError as error:
        if ends_step(error, config):
            raise
        if planned:
            return call.answer_with({h: unsent_record(r, error) for h, r in planned.items()})
        reason = agent_messages.quote_error(error_for_model(error))
        return call.answer(f"Nothing was started. {reason}", failed=True)
    update: dict[str, Any] = {agent.names.ledger: ledger_id}
    made = {"id": call.id, "name": call.name, "args": call.args}
    state = {**state, agent.names.ledger: ledger_id}
    reviewed = yield from plan_call(agent, state, message, made, config)
    if reviewed.limits:
        update[agent.names.limits] = reviewed.limits
        state = {**state, agent.names.limits: reviewed.limits}
    records, found = Research(), Research()
    for handle, record in reviewed.records.items():
        known = {**call.research, **reviewed.records, **records}
        here = {**state, "messages": [message], agent.names.records: known}
        beside = numbers_beside(agent.names, state)
        started = yield from start(agent, here, record, ledger_id, config, beside=beside)
        records[handle] = started.record
        found |= started.found
    records = yield from _wait(call, records)
    return call.answer_with(records, found, **update)


def _wait(call: AgentCall, records: Research) -> Calls[Research]:
    agent, config = call.agent, call.config
    running = [record for record in records.values() if record["status"] == "running"]
    parked = is_parking(agent.wait, config)
    if parked and len(running) == 1 and is_woken(config):
        # Its run has ended, so that the request for the answer is nearly always the only one.
        ended = yield from _finish(call, records, running, has_ended=True, fetch_seconds=1.0)
        if is_ended(ended[running[0]["handle"]]):
            return ended
    if parked:
        ledger_id = running[0]["ledger_id"] if running else ""
        yield from park(agent, running, ledger_id, config, raises=False)
    elif agent.wait != "block":
        return records
    return (yield from _finish(call, records, running, has_ended=parked))


def _finish(
    call: AgentCall,
    records: Research,
    running: list[AgentTurn],
    *,
    has_ended: bool,
    fetch_seconds: float = PaidRun.fetch_seconds,
) -> Calls[Research]:
    """The records with the answers of these runs."""
    ended = dict(records)
    # One after the other, which takes as long as the slowest: the runs go on at the same time.
    for record in running:
        everything = {**call.research, **ended}
        ended[record["handle"]] = yield from finish(
            call.agent,
            everything,
            record,
            call.config,
            beside=numbers_beside(call.agent.names, call.state),
            has_ended=has_ended,
            fetch_seconds=fetch_seconds,
        )
    return ended


# --- what is free ----------------------------------------------------------------------------------


def check(call: AgentCall) -> Calls[Command[Any]]:
    """Report the status of runs, and the answer of one that has ended.

    Raises:
        InvalidRequest: There is no such research.
    """
    agent, research, handle = call.agent, call.research, call.args.get("handle")
    beside = numbers_beside(agent.names, call.state)
    if not handle:
        active = [name for name, record in research.items() if is_active(record)]
        changed = yield from poll(agent, research, call.config, active, beside)
        limits = agent.rules(call.state, call.config).limits
        return call.answer(agent_messages.listing(agent, {**research, **changed}, limits), changed)
    name = find_record(research, handle)["handle"]
    changed = yield from poll(agent, research, call.config, [name], beside, thorough=True)
    record = {**research, **changed}[name]
    if is_ended(record):
        changed = {name: as_read(record)}
    return call.answer(finding(agent, {**research, **changed}, record, agent.max_chars), changed)


def read(call: AgentCall) -> Calls[Command[Any]]:
    """Show a page of a finding, or one of its fields.

    Raises:
        InvalidRequest: There is no such research, or no such page.
    """
    yield from ()
    agent, research = call.agent, call.research
    page, field, chars = call.args.get("page", 1), call.args.get("field"), agent.max_chars
    record = find_record(research, call.args["handle"])
    if record["status"] != "completed":
        return call.answer(finding(agent, research, record, chars), failed=True)
    if field and (missing := no_such_field(record, field, chars)):
        return call.answer(missing, failed=True)
    if field:
        text, pages = field_of(record, agent.names, field, page, chars)
    else:
        text, pages = page_of(record, research, agent.names, page, chars)
    lines = [agent_messages.head(record, research), fence(text)]
    lines += next_page_lines(agent, record, page, pages, field)
    news: Research = {} if record.get("read_by_model") else {record["handle"]: as_read(record)}
    return call.answer("\n".join(lines), news)


def list_all(call: AgentCall) -> Calls[Command[Any]]:
    """List all research."""
    yield from ()
    limits = call.agent.rules(call.state, call.config).limits
    return call.answer(agent_messages.listing(call.agent, call.research, limits))


def recall(call: AgentCall) -> Calls[Command[Any]]:
    """Show what earlier sessions have found on a question."""
    known = yield from find_known(call.agent, call.config, call.args["question"], [])
    return call.answer(as_text(known, call.agent.names, call.agent.max_chars))
