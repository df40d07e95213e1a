"""Runs that an agent's ledger has and its state does not know: those of another tab, or of an invocation of
which nothing was written.

They become records under handles of their own (`r0@…`), are polled like any other unless they are another
user's, and count as spent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from langchain_core.runnables import RunnableConfig

from .._core.calls import Calls
from ..models import TaskRun
from ..processors import is_chat
from ..research.approval import limit_objections
from ..research.state import Turn, id_of
from ..research.unknown_runs import Known, Submitted, submit_knowing
from .agent_config import CALL_TAG, AgentConfig, short_call
from .agent_state import ELSEWHERE, AgentTurn, Research, short_id
from .call_plan import call_of, find_message, spending


def submit_run(
    agent: AgentConfig,
    state: Mapping[str, Any],
    record: AgentTurn,
    config: RunnableConfig,
) -> Calls[Submitted]:
    """Find the record's run or start it, unless the limits do not allow it beside runs that were not known.

    The last message of `state` is the one that made the record's call.
    """
    research = agent.research(state)
    unsent = [r for r in (*research.values(), record) if not r["run_id"]]
    # The calls beside this one may have no records yet, in a graph without the hook.
    message = find_message(state.get("messages") or ())
    beside = [call_of(message, call["id"]) for call in message.tool_calls] if message else []
    calls = {short_call(name) for name in (*(r["call"] for r in unsent), *beside)}

    def is_of_a_call(run: TaskRun) -> bool:
        return str((run.metadata or {}).get(CALL_TAG, "")).rpartition(" ")[2] in calls

    known = Known.of(research.values(), map(agent.key, unsent))._replace(includes=is_of_a_call)
    rules = agent.rules({**state, agent.names.ledger: record["ledger_id"]}, config)

    def allows(found: Sequence[Turn]) -> bool:
        new = found_records(agent, state, record, found)
        return not beyond_limits(agent, state, record, new, config)

    return (
        yield from submit_knowing(
            agent.paid(record, config),
            record["ledger_id"],
            turns=[*research.values()],
            known=known,
            position=0,
            is_limited=bool(rules.limits),
            allows=allows,
            may_exceed_quotas=rules.may_pass_limits(record),
        )
    )


def beyond_limits(
    agent: AgentConfig,
    state: Mapping[str, Any],
    record: AgentTurn,
    found: Research,
    config: RunnableConfig,
) -> list[str]:
    """Which limits the record's run would pass beside runs that were not known, as sentences."""
    others = {h: r for h, r in {**agent.research(state), **found}.items() if h != record["handle"]}
    here = {**state, agent.names.records: others, agent.names.ledger: record["ledger_id"]}
    plan = spending(agent, here, {record["handle"]: record}, agent.rules(here, config))
    counted = [*plan.counted, record]
    return limit_objections(plan.ended, counted, [record], plan.rules)


def found_records(
    agent: AgentConfig, state: Mapping[str, Any], beside: AgentTurn, found: Sequence[Turn]
) -> Research:
    """Records of runs that were not known. Those that may have an answer are polled like any other."""
    research, records = agent.research(state), Research()
    by_id = {r["interaction_id"]: h for h, r in research.items() if r["interaction_id"]}
    for nth, turn in enumerate(found):
        if handle := turn.get("handle"):  # a record that said less than the ledger does
            records[str(handle)] = cast(AgentTurn, turn)
            continue
        # No session has the number 0; two tools that find the same run give it the same handle.
        handle = f"{agent.names.session(0)}@{short_id(id_of(turn))}"
        position = len(research) + nth
        records[handle] = {
            **turn,  # type: ignore[typeddict-item]  # mypy does not follow it into a subclass
            "handle": handle,
            "parent_handle": by_id.get(turn["parent_interaction_id"] or ""),
            "ledger_id": beside["ledger_id"],
            "call": f"{ELSEWHERE}{id_of(turn)}",
            "call_hash": "",
            "position": position,
            "round": position,
            "status": "running" if turn["status"] == "unfinished" else turn["status"],
        }
        if is_chat(turn["processor"]):  # nobody can ask for its answer
            records[handle]["status"] = turn["status"]
        if turn["status"] == "withheld" or is_chat(turn["processor"]):
            records[handle]["seen_by_model"] = (
                True  # no news: the model has not asked, and gets no answer
            )
    return records
