"""An agent's research in its state: a record for each run, under a handle that a model can use.

Rule: plain JSON, and nothing secret (R7). Parallel tool calls write their own records, and the reducer merges
them; it never sets a record back to an earlier status.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from langchain.agents import AgentState
from langchain.agents.middleware.types import OmitFromInput, PrivateStateAttr
from typing_extensions import NotRequired, TypedDict

from .._core.plain_text import count
from ..errors import InvalidRequest
from ..options import SessionLimits
from ..research.state import Turn, id_of, was_sent
from ..research.usage import spent_usd
from ..text.untrusted import harmless
from .names import Names

# A run that is looked up anew may be `running` again after `action_required`, so both are one stage.
_STAGES = {"planned": 0, "unknown": 1, "running": 2, "action_required": 2}
_ENDED = 3
UNPROVEN, WITHHELD = "unproven", "withheld"
ELSEWHERE = "elsewhere/"
"""Begins the `call` of a record whose run was found in the ledger; its id follows."""
_SHORT_ID_CHARS = 6
_NAMED_HANDLES = 20
_QUESTION_CHARS = 60
_IDS: tuple[Literal["interaction_id", "run_id"], ...] = ("interaction_id", "run_id")


class AgentTurn(Turn):
    """A turn of a research session in an agent's state, from the moment it is planned.

    Its `status` may also be `action_required`, where the run waits for a person on Parallel's side;
    `unknown`, where it is not known yet whether it was started; `declined`, by a person or the limits; and
    `withheld`, where the run is in the ledger and another user's. As `unproven` it is treated where nothing
    shows that its run is this thread's (`own_records.py`).
    """

    handle: str
    """`r1` begins a session, `r1.2` is its second run."""
    parent_handle: str | None
    """That of the run it continues; None where it begins a session."""
    call: str
    """Names the model message and the tool call that asked for it (`call_of`)."""
    call_hash: str
    """A hash of the tool and its arguments; it shows whether the call was edited later."""
    planned_key: NotRequired[str]
    """Its run's key in the ledger when it was planned; a middleware with other options computes another."""
    edited: NotRequired[bool]
    """A person changed it."""
    seen_by_model: NotRequired[bool]
    """The model knows that it has ended."""
    read_by_model: NotRequired[bool]
    """The model was shown its answer."""
    numbers_at: NotRequired[int]
    """The range of its citation numbers, from 0, if it was planned before the tools of its message ran."""
    citation_suffix: NotRequired[str]
    """Follows the `@` in a sub-agent's citation numbers: the end of its ledger's id."""


Research: TypeAlias = dict[str, AgentTurn]
"""Records by handle."""


def merge_research(known: Research | None, new: Research | None) -> Research:
    """Records by handle. A newer record replaces an older one, unless its status is an earlier one. Records
    of another ledger, which a sub-agent hands back, are renamed by whole sessions, so that follow-ups stay
    with their session.
    """
    merged, new = dict(known or {}), new or {}
    handles = _merged_handles(merged, new)
    for handle, record in new.items():
        own, parent = handles[handle], record.get("parent_handle")
        # A record says by itself which handle it has, because parts of the state are shown alone.
        here: AgentTurn = {**record, "handle": own}
        if parent in handles:
            here["parent_handle"] = handles[parent]
        merged[own] = _later(merged[own], here) if own in merged else here
    return _without_twins(merged)


def _without_twins(research: Research) -> Research:
    """Without the records of runs found in the ledger that turned out to be those of a call of this thread:
    a server that lists runs without metadata does not say whose they are. A handle that was told to the model
    or that was built on stays.
    """
    found = {
        handle: record
        for handle, record in research.items()
        if record.get("call", "").startswith(ELSEWHERE) and not record.get("seen_by_model")
    }
    if not found:
        return research
    called = {r.get("run_id") for handle, r in research.items() if handle not in found}
    parents = {record.get("parent_handle") for record in research.values()}
    twins = {h for h, r in found.items() if r["run_id"] in called - {""} and h not in parents}
    return {handle: record for handle, record in research.items() if handle not in twins}


def _merged_handles(known: Research, new: Research) -> dict[str, str]:
    """The handles that new records get among the known ones."""
    moved = {
        _session_of(handle) for handle, record in new.items() if _is_taken(known, handle, record)
    }
    return {
        handle: _foreign_handle(known, handle, record)
        if _session_of(handle) in moved
        and (handle not in known or _is_taken(known, handle, record))
        else handle
        for handle, record in new.items()
    }


def _session_of(handle: str) -> str:
    """`r1` of `r1.2`, `r1@c65c64` of `r1.2@c65c64`."""
    first, at, ledger = handle.partition("@")
    return first.partition(".")[0] + at + ledger


def _foreign_handle(known: Research, handle: str, record: AgentTurn) -> str:
    there = known.get(handle)
    # Two runs of one ledger have only their own ids to differ by.
    is_same_ledger = there is not None and there["ledger_id"] == record["ledger_id"]
    id = id_of(record) if is_same_ledger else record["ledger_id"]
    return f"{start_handle(handle)}@{short_id(id) or 'unsent'}"


def _is_taken(known: Research, handle: str, record: AgentTurn) -> bool:
    """Whether another record has the handle: of another ledger; of another call, if there is no ledger yet;
    or of another run of the same ledger, planned at the same time by a parallel branch.
    """
    there = known.get(handle)
    if there is None:
        return False
    is_other_call = there.get("call") != record.get("call")
    if there["ledger_id"] == record["ledger_id"]:
        runs = {id_of(there), id_of(record)} if is_other_call else set()
        return len(runs) == 2 and "" not in runs
    return is_other_call or bool(there["ledger_id"] and record["ledger_id"])


def _later(there: AgentTurn, record: AgentTurn) -> AgentTurn:
    """The record that knows more of the run; what the model has seen stays seen."""
    if is_active(record) and there["status"] in ("declined", "refused") and not there["run_id"]:
        return record  # a person has edited the call since, so that it could be sent
    # The model may cite by the numbers of the answer that it has read, so that one stays.
    was_read = there["status"] == record["status"] == "completed" and there.get("seen_by_model")
    is_earlier = _stage(record) < _stage(there) or (was_read and not record.get("seen_by_model"))
    later = there if is_earlier else record
    if there.get("seen_by_model") or record.get("seen_by_model"):
        later = {**later, "seen_by_model": True}
    if there.get("read_by_model") or record.get("read_by_model"):
        later = {**later, "read_by_model": True}
    return later


def as_read(record: AgentTurn) -> AgentTurn:
    """The record of a run that has ended, once a message has shown the model what came of it."""
    return {**record, "seen_by_model": True, "read_by_model": True}


def _stage(record: AgentTurn) -> int:
    return _STAGES.get(record["status"], _ENDED)


def latest(known: str | None, new: str | None) -> str:
    """Reducer: the ledger that was written last; parallel tool calls may all write it."""
    return new or known or ""


def latest_limits(known: SessionLimits | None, new: SessionLimits | None) -> SessionLimits:
    """Reducer: the limits that were written last, as a whole: their seal is for all of them."""
    return new or known or {}


class ResearchAgentState(AgentState[Any]):
    """What `ParallelResearchMiddleware` adds to an agent's state; also for a graph of your own."""

    parallel_research: NotRequired[Annotated[Research, OmitFromInput, merge_research]]
    """Every run of this agent's research, by handle."""
    parallel_research_ledger_id: NotRequired[Annotated[str, PrivateStateAttr, latest]]
    """The task group that holds the runs."""
    parallel_research_limits: NotRequired[Annotated[SessionLimits, PrivateStateAttr, latest_limits]]
    """Limits that a person raised."""


def state_schema(names: Names) -> type[AgentState[Any]]:
    """The state of a middleware of this name."""
    if names.is_default:
        return ResearchAgentState
    limits = Annotated[SessionLimits, PrivateStateAttr, latest_limits]
    fields = {
        names.records: NotRequired[Annotated[Research, OmitFromInput, merge_research]],
        names.ledger: NotRequired[Annotated[str, PrivateStateAttr, latest]],
        names.limits: NotRequired[limits],
    }
    return TypedDict(f"{names.records}_agent_state", fields)  # type: ignore[operator,no-any-return]


# --- reading it ------------------------------------------------------------------------------------


def short_id(id: str) -> str:
    """The last characters of an id, which name a ledger or a run in handles and citations."""
    return id[-_SHORT_ID_CHARS:]


def start_handle(handle: str) -> str:
    """The handle that a run was started under, which is its position in its ledger: without `@…`."""
    return handle.partition("@")[0]


def is_active(record: AgentTurn) -> bool:
    """Whether its run may still get an answer."""
    return record["status"] in ("running", "unknown", "action_required")


def is_ended(record: AgentTurn) -> bool:
    """Whether its status is final."""
    return _stage(record) == _ENDED


def turns_of(research: Research) -> list[Turn]:
    """The runs that were started, in the order in which they were planned: what trees and reports show."""
    started = [r for r in research.values() if was_sent(r["run_id"], r["processor"], r["status"])]
    return [*sorted(started, key=lambda record: record["position"])]


def total_cost_usd(research: Research) -> float:
    """What ended runs cost, in USD, as far as prices are known."""
    return spent_usd([record for record in research.values() if is_ended(record)])


def bare(handle: str) -> str:
    """A handle or an id without what models put around it, as they do with citations and code."""
    return handle.strip().strip("[]`'\"")


def look_up_record(research: Research, handle: str) -> AgentTurn | None:
    """The record of a handle, which a model may write as `R1` or ` r1 `; or of the id of its run."""
    name = bare(handle).lower()
    # `r1.1` is the logical name of a first run.
    name = name.removesuffix(".1") if name not in research else name
    by_id = {str(r[id]).lower(): r for r in research.values() for id in _IDS if r[id]}
    return {**by_id, **{key.lower(): record for key, record in research.items()}}.get(name)


def find_record(
    research: Research, handle: str, *, hint: str = "Nothing was started."
) -> AgentTurn:
    """As `look_up_record`.

    Raises:
        InvalidRequest: There is none; the error names the known ones.
    """
    if record := look_up_record(research, handle):
        return record
    known = "; ".join(map(brief, list(research.values())[-_NAMED_HANDLES:]))
    more = len(research) - _NAMED_HANDLES
    older = f"; and {count(more, 'older one')}" if more > 0 else ""
    raise InvalidRequest(
        [f"There is no research {harmless(handle, 40)!r}. Known: {known or 'none yet'}{older}."],
        hint=hint,
    )


def find_answered_record(research: Research, handle: str) -> AgentTurn:
    """The record of a handle, if a follow-up can build on its answer.

    Raises:
        InvalidRequest: There is none, or it has no answer (yet), or one without an interaction.
    """
    record = find_record(research, handle)
    status = record["status"]
    if status == "completed" and record["interaction_id"]:
        return record
    if status == "completed":
        lacks = "has an answer for which the API named no interaction"
    else:
        lacks = f"has no answer{'' if is_ended(record) else ' yet'} ({status})"
    raise InvalidRequest(
        [f"{record['handle']} {lacks}, so nothing can build on it."], hint="Nothing was started."
    )


def brief(record: AgentTurn) -> str:
    """A record in a few words: its handle, status and question."""
    question = harmless(record["question"], _QUESTION_CHARS)
    return f"{record['handle']} ({record['status']}) “{question}”"
