"""An agent's research in its state: a record for each run, under a handle that a model can use.

Rule: plain JSON, and nothing secret (R7). Parallel tool calls write their own records, and the reducer merges
them; it never sets a record back to an earlier status.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from langchain.agents import AgentState
from langchain.agents.middleware.types import OmitFromInput, PrivateStateAttr
from typing_extensions import NotRequired, TypedDict

from ..options import SessionLimits
from ..research.state import Turn
from ..research.usage import spent_usd
from .names import Names

_FURTHER = {"planned": 0, "unknown": 1, "running": 2, "action_required": 2}
_ENDED = 3
_ID_CHARS = 6


class AgentTurn(Turn):
    """A turn of a research session in an agent's state, from the moment it is planned.

    Its `status` may also be `action_required`, where the run waits for a person on Parallel's side;
    `unknown`, where it is not known yet whether it was started; and `declined`, by a person or the limits.
    """

    handle: str
    """`r1` begins a session, `r1.2` is its second run."""
    parent_handle: str | None
    ledger_id: str
    call: str
    """Names the model message and the tool call that asked for it (`call_of`)."""
    asked_args: str
    """A hash of the tool and its arguments; it shows whether the call was edited later."""
    planned_key: NotRequired[str]
    """Its run's key in the ledger when it was planned; a middleware with other options computes another."""
    edited: NotRequired[bool]
    """A person changed it."""
    seen_by_model: NotRequired[bool]
    """The model knows that it has ended."""
    counts_as: NotRequired[str]
    """Follows the `@` in a sub-agent's citation numbers: the end of its ledger's id."""


Research: TypeAlias = dict[str, AgentTurn]
"""Records by handle."""


def merge_research(known: Research | None, new: Research | None) -> Research:
    """Records by handle. A newer record replaces an older one, unless its status is an earlier one. Records
    of another ledger, which a sub-agent hands back, are renamed by whole sessions, so that follow-ups stay
    with their session.
    """
    merged, new = dict(known or {}), new or {}
    names = _names(merged, new)
    for handle, record in new.items():
        name, parent = names[handle], record.get("parent_handle")
        here: AgentTurn = {**record, "handle": name}
        if parent in names:
            here["parent_handle"] = names[parent]
        merged[name] = _merged(merged.get(name), here)
    return merged


def _names(known: Research, new: Research) -> dict[str, str]:
    """The handles that new records get among the known ones."""
    apart = {_session(handle) for handle, record in new.items() if _taken(known, handle, record)}
    return {
        handle: _own_name(known, handle, record)
        if _session(handle) in apart and (handle not in known or _taken(known, handle, record))
        else handle
        for handle, record in new.items()
    }


def _session(handle: str) -> str:
    """`r1` of `r1.2`, `r1@c65c64` of `r1.2@c65c64`."""
    first, at, ledger = handle.partition("@")
    return first.partition(".")[0] + at + ledger


def _own_name(known: Research, handle: str, record: AgentTurn) -> str:
    there = known.get(handle)
    of = (
        "run_id" if there is not None and there["ledger_id"] == record["ledger_id"] else "ledger_id"
    )
    return f"{handle.partition('@')[0]}@{short(record[of]) or 'unsent'}"  # type: ignore[literal-required]


def _taken(known: Research, handle: str, record: AgentTurn) -> bool:
    """Whether another record has the handle: of another ledger; of another call, if there is no ledger yet;
    or of another run of the same ledger, planned at the same time by a parallel branch.
    """
    there = known.get(handle)
    if there is None:
        return False
    other_call = there.get("call") != record.get("call")
    if there["ledger_id"] == record["ledger_id"]:
        return (
            other_call
            and bool(there["run_id"] and record["run_id"])
            and (there["run_id"] != record["run_id"])
        )
    both = there["ledger_id"] and record["ledger_id"]
    return bool(both) or other_call


def _merged(there: AgentTurn | None, record: AgentTurn) -> AgentTurn:
    if there is None:
        return record
    if is_active(record) and there["status"] in ("declined", "refused") and not there["run_id"]:
        return record  # a person has edited it since, so that it could be sent
    later = there if _rank(record) < _rank(there) or _only_seen(there, record) else record
    if there.get("seen_by_model") or record.get("seen_by_model"):
        return {**later, "seen_by_model": True}
    return later


def _only_seen(there: AgentTurn, record: AgentTurn) -> bool:
    """Whether both have an answer and the model has seen only the one `there`, with its citation numbers."""
    both = there["status"] == record["status"] == "completed"
    return both and bool(there.get("seen_by_model")) and not record.get("seen_by_model")


def _rank(record: AgentTurn) -> int:
    return _FURTHER.get(record["status"], _ENDED)


def latest(known: str | None, new: str | None) -> str:
    """Reducer: the ledger that was written last; parallel tool calls may all write it."""
    return new or known or ""


def latest_limits(known: SessionLimits | None, new: SessionLimits | None) -> SessionLimits:
    """Reducer: the limits that were written last."""
    return {**(known or {}), **(new or {})}


class ResearchAgentState(AgentState[Any]):
    """What `ParallelResearchMiddleware` adds to an agent's state; also for a graph of your own."""

    parallel_research: NotRequired[Annotated[Research, OmitFromInput, merge_research]]
    """Every run of this agent's research, by handle."""
    parallel_research_ledger_id: NotRequired[Annotated[str, PrivateStateAttr, latest]]
    parallel_research_limits: NotRequired[Annotated[SessionLimits, PrivateStateAttr, latest_limits]]
    """Limits that a person raised."""


def state_schema(names: Names) -> type[AgentState[Any]]:
    """The state of a middleware of this name."""
    if names.is_default:
        return ResearchAgentState
    limits = Annotated[SessionLimits, PrivateStateAttr, latest_limits]
    fields = {
        names.channel: NotRequired[Annotated[Research, OmitFromInput, merge_research]],
        names.ledger: NotRequired[Annotated[str, PrivateStateAttr, latest]],
        names.limits: NotRequired[limits],
    }
    return TypedDict(f"{names.channel}_agent_state", fields)  # type: ignore[operator,no-any-return]


# --- views -----------------------------------------------------------------------------------------


def short(ledger_id: str) -> str:
    """The last characters of a ledger's id, which name it in handles and citations."""
    return ledger_id[-_ID_CHARS:]


def started_as(record: AgentTurn) -> str:
    """The handle it was started under, which is its position in its ledger, even if it was renamed here."""
    return record["handle"].partition("@")[0]


def is_active(record: AgentTurn) -> bool:
    """Whether it may still get an answer."""
    return record["status"] in ("running", "unknown", "action_required")


def is_ended(record: AgentTurn) -> bool:
    """Whether its status is final."""
    return _rank(record) == _ENDED


def turns_of(research: Research) -> list[Turn]:
    """The runs that were started, in the order in which they were planned: what trees and reports show."""
    started = [r for r in research.values() if r["run_id"]]
    return [*sorted(started, key=lambda record: record["position"])]


def total_cost_usd(research: Research) -> float:
    """What ended runs cost, in USD, as far as prices are known."""
    return spent_usd([record for record in research.values() if is_ended(record)])
