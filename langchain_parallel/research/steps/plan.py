"""plan: settle what is asked next, where it belongs, and in which ledger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from langchain_core.runnables import RunnableConfig

from ..._core.calls import Calls
from ..._graph.ownership import (
    own_ledger,
    prove_all,
    prove_interaction,
    prove_ledger,
    prove_run,
    seal_turn,
)
from ..._session_options import check_session_limits
from ...errors import InvalidRequest, ParallelError
from ...models import TaskRun
from ...processors import is_chat
from .._channels import check_readable
from ..answering import answer_of_new
from ..approval import limit_objections, price_objections, to_review
from ..graph_config import GraphConfig
from ..lost_sessions import warn_if_lost
from ..messages import asked_message, message_key, message_text, without_answer
from ..quick_turns import find_turn
from ..spending_rules import SpendingRules
from ..state import Question, ResearchState, Turn
from ..turns import (
    interaction_of,
    is_doubtful,
    is_same_request,
    leave_behind,
    ledger_position,
    new_turn,
    open_turns,
    overtaken_turn,
    questions_at_hand,
    running_turn,
    same_question,
    submission_of,
    unknown_turn,
    unstarted_turn,
)


def plan(graph: GraphConfig, state: ResearchState, config: RunnableConfig) -> Calls[Any]:
    """The next turn, or one for each branch, written down before anything is sent.

    Without a question, the turns on their way continue.
    """
    _import_for_answers(graph)
    limits: object = state.get("limits")
    check_session_limits({} if limits is None else limits, may_have_seal=True)
    check_readable(state.get("turns"))
    left, before = open_turns(state), state.get("turns") or []
    new = next_turns(graph, state) if asks(graph, state) or not left else []
    known, seals = state.get("ledger_id"), graph.clients.seals
    replaced = yield from graph.new_ledger(state, config)
    is_chat = any("message_key" in turn for turn in new)  # a sub-agent is asked without its session
    if not (known or left or before or state.get("interaction_id") or is_chat):
        yield from warn_if_lost(graph.records, config, graph.name)
    if known and not replaced:
        yield from prove_ledger(graph, known, config, [*before, *left])
    yield from _prove_parents(graph, state, new, config)
    ledger_id = replaced or known or own_ledger(seals, left)
    ledger_id = ledger_id or (yield from graph.ledgers.of_question(config, graph.name))
    update: dict[str, Any] = {"ledger_id": ledger_id, "question": None}
    if replaced and known:
        left = [leave_behind(turn, known, ledger_id, seals) for turn in left]
    left = yield from _started_here(graph, left, ledger_id, config)
    if new:
        update |= without_answer(state) | answer_of_new(state, new)
        overtaken: list[Turn] = []
        for turn in left:
            if not any(is_same_request(turn, other) for other in new):
                overtaken += yield from _overtake(graph, ledger_id, turn, config)
        # Only if it changes: a checkpoint stores each channel that is written, even an empty list.
        update |= {"turns": overtaken} if overtaken else {}
        before = [*before, *overtaken]
        turns = _place_behind([_take_over(left, turn) for turn in new], before)
    else:
        turns = yield from prove_all(graph, left, ledger_id, config, [*before, *left])
    turns = [turn if turn["run_id"] else seal_turn(seals, turn, ledger_id) for turn in turns]
    rules = yield from graph.rules({**state, "ledger_id": ledger_id}, config).with_quotas()
    rules = yield from rules.with_known(turns, before)
    turns = _review(rules, before, turns)
    if len(turns) > 1 or (not new and state.get("branches")):
        return {**update, "pending": None, "branches": turns}
    if state.get("branches"):
        update["branches"] = []
    return {**update, "pending": turns[0]}


def _import_for_answers(graph: GraphConfig) -> None:
    """Import what an answer is read with before it is paid for: later, no file handle may be left for it."""
    from ...findings import session_findings  # noqa: F401
    from ..evaluation import judged_findings  # noqa: F401

    if graph.checks:
        from ...checks import checked_answer  # noqa: F401


def asks(graph: GraphConfig, state: ResearchState) -> bool:
    """Whether the state asks a new question. A message that cannot be asked is none."""
    if state.get("question"):
        return True
    return asked_message(state) is not None and why_refused(graph, state) is None


def why_refused(graph: GraphConfig, state: ResearchState) -> InvalidRequest | None:
    """Why the last message cannot be asked; None where it can, or where the question is no message."""
    message = asked_message(state)
    if state.get("question") or message is None:
        return None
    try:
        text, usual = message_text(message), graph.template.processor
        graph.check(new_turn(question=text, processor=usual, parent_interaction_id=None))
    except InvalidRequest as error:
        return error
    return None


def next_turns(graph: GraphConfig, state: ResearchState) -> list[Turn]:
    """The turns that the state asks for.

    Raises:
        InvalidRequest: There is no question, or one may not be sent.
    """
    questions, asked_by = questions_at_hand(state)
    message = asked_message(state) if asked_by == "caller" else None
    turns: list[Turn] = []
    for question in questions:
        turns.append({**_turn(graph, state, question), "asked_by": asked_by})
        if message is not None:
            turns[-1]["message_key"] = message_key(message)
        graph.check(turns[-1])
    return turns


def _turn(graph: GraphConfig, state: ResearchState, question: Question) -> Turn:
    named = question.get("continue_from") or state.get("interaction_id")
    parent = interaction_of(state.get("turns") or (), named)
    # A question that is asked again keeps what shapes its run: with anything else it would not be found.
    same = same_question(state, question["question"], parent)
    processor = question.get("processor") or (same["processor"] if same else None)
    if processor is None:
        # A policy finds the question at the same place, also where it came as a message.
        seen = {**state, "question": state.get("question") or question["question"]}
        processor = graph.processor_for(cast(ResearchState, seen), parent)
    turn = new_turn(
        question=question["question"],
        processor=processor,
        parent_interaction_id=parent,
    )
    schema = same.get("output_schema") if same else graph.output_schema
    if schema := question.get("output_schema") or schema:
        turn["output_schema"] = schema
    if policy := same.get("source_policy") if same else graph.source_policy:
        turn["source_policy"] = policy
    return turn


def _prove_parents(
    graph: GraphConfig, state: ResearchState, new: list[Turn], config: RunnableConfig
) -> Calls[None]:
    """Raise InvalidRequest for a question that would build on another thread's research."""
    at_hand = [*(state.get("turns") or []), *open_turns(state)]
    ledger_id = state.get("ledger_id")
    for parent in dict.fromkeys(turn["parent_interaction_id"] for turn in new):
        if parent is None or graph.trusts_ids(config):
            continue
        # A parent graph may keep the head alone.
        last = None if ledger_id else (yield from graph.ledgers.last(config, graph.name))
        if last and not (yield from graph.ledgers.belongs_to(last, config)):
            last = None
        ledgers = [id for id in (ledger_id, last) if id]
        yield from prove_interaction(graph, parent, config, at_hand, ledgers)


def _started_here(
    graph: GraphConfig, left: list[Turn], ledger_id: str, config: RunnableConfig
) -> Calls[list[Turn]]:
    """The open turns; one whose run is not this thread's, or in doubt, is planned anew and found."""
    turns = list[Turn]()
    for turn in left:
        try:
            started = turn["run_id"] and (yield from prove_run(graph, turn, ledger_id, config))
            if (yield from is_doubtful(graph.run(turn, config), turn, ledger_id)):
                started = unstarted_turn(turn)
        except InvalidRequest:
            started = unstarted_turn(turn)
        turns.append(started or turn)
    return turns


def _take_over(left: list[Turn], new: Turn) -> Turn:
    """The open turn that asks the same, so that its run is found and not paid for again; else the new one."""
    for turn in left:
        if is_same_request(turn, new):
            kept: Turn = {**turn, "asked_by": new["asked_by"]}
            if "message_key" in new:
                kept["message_key"] = new["message_key"]
            kept["ledger_position"] = int(ledger_position(turn))
            return kept
    return new


def _place_behind(turns: list[Turn], before: list[Turn]) -> list[Turn]:
    """The turns with positions after all others. Positions may have gaps where a branch was declined."""
    first = max((turn["position"] for turn in before), default=-1) + 1
    placed: list[Turn] = []
    for position, turn in enumerate(turns, start=first):
        there: Turn = {**turn, "position": position, "round": first}
        if turn.get("ledger_position") == position:
            del there["ledger_position"]
        placed.append(there)
    return placed


def _review(rules: SpendingRules, before: Sequence[Turn], turns: list[Turn]) -> list[Turn]:
    """The turns reviewed: the new ones are cleared together, or put on hold together."""
    new = to_review(turns, rules)
    if not new:
        return turns
    hold = bool(price_objections(new, rules) or limit_objections(before, turns, new, rules))
    return [
        turn if turn not in new else {**turn, "on_hold": True} if hold else rules.clear(turn)
        for turn in turns
    ]


def _overtake(
    graph: GraphConfig, ledger_id: str, left: Turn, config: RunnableConfig
) -> Calls[list[Turn]]:
    """The turn that was on its way when another question came in, if it was submitted."""
    if left["run_id"] and left["interaction_id"]:
        return [overtaken_turn(left, (yield from _run_now(graph, left["run_id"])))]
    if left["run_id"]:
        return [(yield from _overtake_unread(graph, ledger_id, left, config))]
    if is_chat(left["processor"]):
        answered = yield from find_turn(graph.chat(left, config), left, ledger_id)
        return [] if answered is None else [answered]
    run = graph.run(left, config)
    if left.get("on_hold") and not (yield from run.may_have_been_sent(ledger_id)):
        return []
    if left["warnings"]:  # of a ledger that is gone: nobody can tell whether it was sent
        return [unknown_turn(left, run.key)]
    found = yield from run.look(ledger_id)
    if found is None:
        return []
    return [overtaken_turn(running_turn(left, found, graph.clients.seals), found.run)]


def _overtake_unread(
    graph: GraphConfig, ledger_id: str, left: Turn, config: RunnableConfig
) -> Calls[Turn]:
    """The same for a turn whose run was never read; if it cannot be read now, only its id."""
    try:
        found = yield from graph.run(left, config).read(submission_of(left, ledger_id))
    except ParallelError:
        return overtaken_turn(left, TaskRun(run_id=left["run_id"], status="queued"))
    return overtaken_turn(running_turn(left, found, graph.clients.seals), found.run)


def _run_now(graph: GraphConfig, run_id: str) -> Calls[TaskRun]:
    """The current state of a run; if it cannot be read now, only its id."""
    try:
        return (yield from graph.clients.retrieve(run_id))
    except ParallelError:
        return TaskRun(run_id=run_id, status="queued")
