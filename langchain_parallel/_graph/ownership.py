"""Whose run, ledger or interaction it is that a state, an input or a model names.

Rule: an id is no capability. Behind a LangGraph server, nothing of a run is read, no ledger is looked into
and nothing is built on an interaction unless it is shown to be this thread's. The proof goes with the turn: a
seal that our own step has written beside the ids (`seals.py`), so forks, copied threads, sub-agents and
`carry_over` bring it along, and no request is needed. Where there is none (the account's key was replaced, a
parent graph keeps the ids alone), the API's own word counts: the thread that a run was started for is in its
metadata. What nothing proves is refused by name, before anything is sent.

In a process of the developer's own, ids come from the developer's code and are trusted; see
`RunConfig.trusts_ids`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar, cast

from langchain_core.runnables import RunnableConfig

from .._core.calls import Calls
from .._core.ledger.identity import is_anothers
from .._core.ledger.keys import METADATA_KEY
from .._core.ledger.ledger_list import as_ledger_error
from ..errors import InvalidRequest, LedgerNotFound, NotFound
from ..models import TaskRun
from ..text.untrusted import harmless
from .clients import ClientPair
from .run_config import RunConfig
from .runtime import is_of_thread, thread_id_of
from .seals import Seals

T = TypeVar("T", bound=Mapping[str, Any])

ALLOW_VARIABLE = "PARALLEL_RESEARCH_ALLOW_FOREIGN_IDS"
_ID_CHARS = 80
_WHAT_IS_ALLOWED = (
    "Behind a LangGraph server, {allowed}. {instead} If users may use each other's ids, deploy with "
    f"RequestOptions(allow_foreign_ids=True), or {ALLOW_VARIABLE}=True. Nothing was sent."
)


# --- seals of turns ------------------------------------------------------------------------------


def seal_turn(seals: Seals, turn: T, ledger_id: str) -> T:
    """The turn with its ledger, and the proof that this package has written its ids.

    Call it with ids that are proven, or that the API has just named.
    """
    marked = {**turn, "ledger_id": ledger_id}
    return cast(T, {**marked, "seal": seals.of(*_sealed_parts(marked))})


def is_sealed(seals: Seals, turn: Mapping[str, Any]) -> bool:
    """Whether a turn's run, interaction, ledger and key are as this package wrote them; of a quick turn the
    same without a run; of a planned turn, its ledger and what it continues from.
    """
    parts = _sealed_parts(turn)
    return all(isinstance(part, str | None) for part in parts) and seals.holds(
        turn.get("seal"), *parts
    )


def _sealed_parts(turn: Mapping[str, Any]) -> tuple[Any, ...]:
    ledger_id = turn.get("ledger_id")
    if turn["run_id"]:
        # With its key, under which a quota has its price.
        return "run", turn["run_id"], turn.get("interaction_id"), ledger_id, turn.get("key")
    if turn.get("interaction_id"):
        return _chat_parts(turn["interaction_id"], ledger_id, turn.get("key"))
    return "plan", ledger_id, turn.get("parent_interaction_id")


def chat_seal(seals: Seals, interaction_id: str | None, ledger_id: str, key: str) -> str:
    """The seal of an interaction that an answer of the Chat API has named."""
    return seals.of(*_chat_parts(interaction_id, ledger_id, key))


def _chat_parts(*ids: Any) -> tuple[Any, ...]:
    return "chat", *ids


def own_ledger(seals: Seals, turns: Iterable[Mapping[str, Any]]) -> str | None:
    """The ledger of the first sealed turn that is planned or on its way; its run may be there already."""
    return next((turn["ledger_id"] for turn in turns if is_sealed(seals, turn)), None)


# --- proofs --------------------------------------------------------------------------------------


def prove_run(door: RunConfig, turn: T, ledger_id: str, config: RunnableConfig) -> Calls[T]:
    """The turn, if its run may be read: it is this thread's, and in this ledger.

    Without a seal, one free request asks the API.

    Raises:
        InvalidRequest: The run is not shown to be this thread's. Nothing of it was handed out.
    """
    seals = door.clients.seals
    if door.trusts_ids(config) or (turn.get("ledger_id") == ledger_id and is_sealed(seals, turn)):
        return turn
    run = yield from read_own_run(door.clients, turn["run_id"], config, ledger_id, turn["key"])
    if run is None:
        raise foreign_run(turn["run_id"])
    if run.taskgroup_id is None:  # the seal will be a proof of the ledger, too
        with suppress(LedgerNotFound):
            yield from prove_ledger(door, ledger_id, config)
    return seal_turn(seals, cast(T, {**turn, "interaction_id": run.interaction_id}), ledger_id)


def read_own_run(
    clients: ClientPair,
    run_id: str,
    config: RunnableConfig,
    ledger_id: str | None = None,
    key: str | None = None,
) -> Calls[TaskRun | None]:
    """A run, read from the API, if it was started for this thread, in this ledger and under this key as far
    as these are given; else None. Free.
    """
    try:
        run = yield from clients.retrieve(run_id)
    except (NotFound, InvalidRequest):  # there is none, or this is no id
        return None
    metadata = run.metadata or {}
    is_there = ledger_id is None or run.taskgroup_id in (ledger_id, None)
    has_key = not key or metadata.get(METADATA_KEY, key) == key
    return run if is_there and has_key and is_of_thread(metadata, config) else None


def prove_plan(
    door: RunConfig,
    turn: T,
    ledger_id: str,
    config: RunnableConfig,
    turns: Iterable[Mapping[str, Any]] = (),
) -> Calls[T]:
    """The planned turn, sealed, if its ledger and the interaction that it continues from are this thread's.

    Args:
        door: The door that is to start its run.
        turn: The turn.
        ledger_id: Where its run is to be.
        config: LangChain's config of the step.
        turns: The session's, as far as they are at hand.

    Raises:
        InvalidRequest: One of them is not shown to be. Nothing was sent.
    """
    seals = door.clients.seals
    if turn.get("ledger_id") != ledger_id or not is_sealed(seals, turn):
        yield from prove_ledger(door, ledger_id, config, turns)
        parent = turn["parent_interaction_id"]
        yield from prove_interaction(door, parent, config, turns, [ledger_id])
    return seal_turn(seals, turn, ledger_id)


def prove_all(
    door: RunConfig,
    turns: Iterable[T],
    ledger_id: str,
    config: RunnableConfig,
    at_hand: Iterable[Mapping[str, Any]] = (),
) -> Calls[list[T]]:
    """These turns, each as `prove_run` or `prove_plan` returns it.

    Raises:
        InvalidRequest: One of them names what is not shown to be this thread's.
    """
    at_hand, proven = list(at_hand), list[T]()
    for turn in turns:
        prove = (
            prove_run(door, turn, ledger_id, config)
            if turn["run_id"]
            else prove_plan(door, turn, ledger_id, config, at_hand)
        )
        proven.append((yield from prove))
    return proven


def prove_ledger(
    door: RunConfig,
    ledger_id: str,
    config: RunnableConfig,
    turns: Iterable[Mapping[str, Any]] = (),
) -> Calls[None]:
    """Return if a ledger is this thread's: a sealed turn is in it, or it was made for this thread, or a run
    in it was started for this thread.

    Raises:
        InvalidRequest: It is not shown to be. Nothing was sent.
        LedgerNotFound: There is none.
    """
    if door.trusts_ids(config) or _is_ledger_of(door.clients.seals, ledger_id, turns):
        return
    if not (yield from door.ledgers.belongs_to(ledger_id, config)):
        raise foreign_ledger(ledger_id)


def prove_interaction(
    door: RunConfig,
    interaction_id: str | None,
    config: RunnableConfig,
    turns: Iterable[Mapping[str, Any]] = (),
    ledgers: Sequence[str] = (),
) -> Calls[None]:
    """Return if an interaction may be built on: it is that of a sealed turn, or of a run that the API says
    was started for this thread, or that is in one of this thread's ledgers.

    Args:
        door: The door that is to build on it.
        interaction_id: None: a first question builds on nothing.
        config: LangChain's config of the step.
        turns: The session's, as far as they are at hand.
        ledgers: Ledgers that are proven to be this thread's.

    Raises:
        InvalidRequest: It is not shown to be this thread's. Nothing was sent.
    """
    if interaction_id is None or door.trusts_ids(config):
        return
    named = [t for t in turns if t.get("interaction_id") == interaction_id]
    if any(is_sealed(door.clients.seals, turn) for turn in named):
        return
    # What another identity has seen stays with it, also in this thread and its ledgers.
    for run_id in dict.fromkeys(turn["run_id"] for turn in named if turn["run_id"]):
        run = yield from read_own_run(door.clients, run_id, config)
        if run is not None and _is_of(run, interaction_id, door):
            return
    record = yield from _recorded_proof(door, interaction_id, config)
    if record.get("seal") == _proof(door, interaction_id, config):
        return
    before = record.get("ledger_id")  # the key may have been replaced since
    if isinstance(before, str) and (yield from door.ledgers.belongs_to(before, config)):
        ledgers = [*ledgers, before]
    for ledger_id in dict.fromkeys(ledgers):
        runs: Sequence[TaskRun] = door.clients.known_runs(ledger_id)
        if not any(_is_of(run, interaction_id, door) for run in runs):
            runs = yield from _runs_of(door, ledger_id)
        if any(_is_of(run, interaction_id, door) for run in runs):
            # Later steps of the session know another ledger, and no turn of this interaction.
            proof = {"seal": _proof(door, interaction_id, config), "ledger_id": ledger_id}
            yield from door.records.put(config, _proven(interaction_id), proof)
            return
    raise foreign_interaction(interaction_id)


def remember_interaction(
    door: RunConfig, interaction_id: str | None, config: RunnableConfig
) -> Calls[None]:
    """Record that this thread may build on an interaction that the Chat API has just named: it is that of no
    run, so the API cannot be asked later whose it is.
    """
    if interaction_id is None or door.trusts_ids(config) or thread_id_of(config) is None:
        return
    proof = {"seal": _proof(door, interaction_id, config)}
    yield from door.records.put(config, _proven(interaction_id), proof)


def _recorded_proof(
    door: RunConfig, interaction_id: str, config: RunnableConfig
) -> Calls[dict[str, Any]]:
    if thread_id_of(config) is None:
        return {}
    return (yield from door.records.get(config, _proven(interaction_id))) or {}


def _proof(door: RunConfig, interaction_id: str, config: RunnableConfig) -> str:
    return door.clients.seals.of("built on", thread_id_of(config), interaction_id, door.mark)


def _proven(interaction_id: str) -> str:
    return f"built on {interaction_id}"


def _is_of(run: TaskRun, interaction_id: str, door: RunConfig) -> bool:
    """Whether a run has this interaction, and has the door's credentials or identity."""
    return run.interaction_id == interaction_id and not is_anothers(run, door.mark)


def _is_ledger_of(seals: Seals, ledger_id: str, turns: Iterable[Mapping[str, Any]]) -> bool:
    """Whether a sealed turn is in the ledger."""
    return any(turn.get("ledger_id") == ledger_id and is_sealed(seals, turn) for turn in turns)


def _runs_of(door: RunConfig, ledger_id: str) -> Calls[Sequence[TaskRun]]:
    try:
        return (yield from door.clients.list_runs(ledger_id))
    except NotFound as error:
        raise as_ledger_error(error, ledger_id) from None


# --- refusals ------------------------------------------------------------------------------------


def foreign_run(run_id: str) -> InvalidRequest:
    """The refusal of a run that is not shown to be this thread's."""
    error = InvalidRequest(
        [f"Run {_show_id(run_id)} is not known to be this thread's, so nothing of it is read."],
        hint=_WHAT_IS_ALLOWED.format(
            allowed="a thread reads the runs that it has started, or was handed over with their turns",
            instead="Ask the question again: its own run is found in the ledger and not paid for twice.",
        ),
    )
    error.run_id = run_id
    return error


def foreign_ledger(ledger_id: str) -> InvalidRequest:
    """The refusal of a ledger that is not shown to be this thread's."""
    return InvalidRequest(
        [
            f"Ledger {_show_id(ledger_id)} is not known to be this thread's, so it is not looked into."
        ],
        hint=_WHAT_IS_ALLOWED.format(
            allowed="a thread uses the ledger that it has made, or was handed over with its turns",
            instead='Ask again with `"ledger_id": ""` to go on with the thread\'s own.',
        ),
    )


def foreign_interaction(interaction_id: str) -> InvalidRequest:
    """The refusal of an interaction that is not shown to be this thread's."""
    error = InvalidRequest(
        [f"Interaction {_show_id(interaction_id)} is not known to be this thread's."],
        hint=_WHAT_IS_ALLOWED.format(
            allowed="a question builds on this thread's own turns, or on those it was handed over",
            instead='Ask with `continue_from` of such a turn, or with `"interaction_id": null` for a first '
            "question. An event of a monitor is no thread's.",
        ),
    )
    error.interaction_id = interaction_id
    return error


def _show_id(id: object) -> str:
    return harmless(str(id), _ID_CHARS)
