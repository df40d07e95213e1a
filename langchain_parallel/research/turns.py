"""Turns, from planned to ended: pure functions of the state, and following a turn's run to its end."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any, cast

from .._core.calls import Calls
from .._core.plain_text import one_line
from .._graph.gone_ledger import left_behind
from .._graph.ownership import is_sealed, prove_run, seal_turn
from .._graph.paid_run import PaidAnswer, PaidRun
from .._graph.seals import Seals
from ..errors import (
    InvalidRequest,
    NotFound,
    ParallelError,
    RunCancelled,
    RunFailed,
    StillRunning,
)
from ..evidence import evidence_of
from ..models import Submission, TaskRun
from ..parked.interrupts import park
from ..processors import price_usd
from ..text.result import failed_calls, paid_calls
from ..text.untrusted import ERROR_CHARS, harmless
from ._channels import PLANNED, check_turns
from .evaluation import questions_of
from .messages import asked_message, message_text
from .state import (
    PLANNING_FIELDS,
    AskedBy,
    Question,
    ResearchState,
    Turn,
    Verdict,
    is_elsewhere,
)

_WARNINGS, _WARNING_CHARS = 50, 2_000

# --- what is asked -------------------------------------------------------------------------------


def questions_at_hand(state: ResearchState) -> tuple[list[Question], AskedBy]:
    """The questions to plan, and who asked them: the evaluation, or the caller.

    Raises:
        InvalidRequest: There is no question, or something is not text.
    """
    if is_follow_up(state):
        verdict = state["verdict"]
        return questions_of(verdict), verdict.get("decided_by") or "evaluation"
    names = ("question", "interaction_id", "continue_from", "processor", "ledger_id")
    given: dict[str, Any] = {name: state.get(name) for name in names}
    wrong = [name for name, value in given.items() if not isinstance(value, str | None)]
    if wrong:
        raise InvalidRequest([f"{', '.join(wrong)} must be text; invoke with {{'question': '…'}}."])
    question = Question(question=(given["question"] or "").strip())
    message = asked_message(state)
    if not question["question"] and message is not None:
        question["question"] = message_text(message)
    if not question["question"]:
        raise InvalidRequest(["There is no question; invoke the graph with {'question': '…'}."])
    if given["continue_from"]:
        question["continue_from"] = given["continue_from"]
    if given["processor"]:
        question["processor"] = given["processor"]
    shape = state.get("output_schema")
    if not isinstance(shape, str | dict | None):
        raise InvalidRequest(["output_schema must be a JSON schema, or a description as text."])
    if shape:
        question["output_schema"] = shape
    return [question], "caller"


def is_follow_up(state: ResearchState) -> bool:
    """Whether the question at hand is the verdict's; a new one from outside replaces it."""
    verdict = state.get("verdict")
    if any(state.get(name) for name in ("processor", "continue_from", "output_schema")):
        return False  # only a caller gives these, and they are gone after one step
    if verdict is None or not questions_of(verdict):
        return False
    return question_text(verdict) == state.get("question")


def question_text(verdict: Verdict) -> str:
    """What a verdict asks, as one text."""
    return "\n".join(question["question"] for question in questions_of(verdict))


def new_turn(
    *,
    question: str,
    processor: str,
    parent_interaction_id: str | None,
    position: int = 0,
    asked_by: AskedBy = "caller",
) -> Turn:
    """A turn as it is planned."""
    return Turn(
        key="",
        position=position,
        round=position,
        question=question,
        asked_by=asked_by,
        processor=processor,
        parent_interaction_id=parent_interaction_id,
        interaction_id=None,
        run_id="",
        status="planned",
        content=None,
        confidence={},
        unsupported_fields=[],
        citations=[],
        warnings=[],
        error=None,
        cost_usd=price_usd(processor),
        started_at=None,
        ended_at=None,
        verdict=None,
    )


def open_turns(state: ResearchState) -> list[Turn]:
    """The turns that are planned or on their way: the one, or the branches without an answer yet."""
    one = state.get("pending")
    return ([] if one is None else [one]) + open_branches(state)


def open_branches(state: ResearchState) -> list[Turn]:
    """The branches that have not become turns of the session yet."""
    done = {turn["position"] for turn in state.get("turns") or () if not is_elsewhere(turn)}
    return [branch for branch in state.get("branches") or () if branch["position"] not in done]


def unsent_turns(state: ResearchState) -> list[Turn]:
    """The planned turns whose runs are still to be started."""
    return [turn for turn in open_turns(state) if not turn["run_id"]]


def interaction_of(turns: Iterable[Turn], id: str | None) -> str | None:
    """The interaction that an id stands for: that of the turn whose run has this id, or else the id itself.

    The API's examples use one id for both, and its command line asks for a run's.
    """
    by_run = {turn["run_id"]: turn["interaction_id"] for turn in turns if turn["run_id"]}
    return by_run.get(id or "") or id


def check_continues(state: ResearchState, id: str | None) -> str | None:
    """The interaction that an id stands for.

    Raises:
        InvalidRequest: The session does not know it: the API would refuse it.
    """
    turns = state.get("turns") or ()
    interaction_id = interaction_of(turns, id)
    known = {t[name] for t in turns for name in ("interaction_id", "parent_interaction_id")}
    if interaction_id not in {*known, state.get("interaction_id"), None}:
        ids = ", ".join(sorted(filter(None, known))) or "none"
        given = repr(id)[:60]
        raise InvalidRequest(
            [f"continue_from {given} is no interaction of the session; it has {ids}."]
        )
    return interaction_id


def same_question(state: ResearchState, question: str, parent: str | None) -> Turn | None:
    """The open turn that asks the same at the same point of the session: asking again must find its run."""
    for turn in open_turns(state):
        if (turn["question"], turn["parent_interaction_id"]) == (question, parent):
            return turn
    return None


def is_same_request(one: Turn, other: Turn) -> bool:
    """Whether two planned turns ask for the same run."""
    same = ("question", "processor", "parent_interaction_id", "output_schema", "source_policy")
    return all(one.get(name) == other.get(name) for name in same)


def ledger_position(turn: Turn) -> str:
    """The position that its key in the ledger is made from."""
    return str(turn.get("ledger_position", turn["position"]))


def pending_turn(state: ResearchState) -> Turn:
    """The turn that this step is about.

    Raises:
        InvalidRequest: There is none, as where a person or another node has sent the thread here.
    """
    pending = state.get("pending")
    if pending is None or not state.get("ledger_id"):
        raise nothing_planned()
    check_turns([pending], *PLANNED)
    return pending


def nothing_planned() -> InvalidRequest:
    """The error of a step that has nothing to work on."""
    return InvalidRequest(
        ["There is no planned turn in the state."],
        hint="Nothing was sent. Invoke the graph with a question; it begins with `plan`.",
    )


def runs_since_question(turns: list[Turn]) -> int:
    """Runs since a caller or a person last asked, that one included."""
    own = [turn for turn in turns if not is_elsewhere(turn)]
    for count, turn in enumerate(reversed(own), start=1):
        if turn["asked_by"] != "evaluation":
            return count
    return len(own)


# --- what becomes of it --------------------------------------------------------------------------


def leave_behind(turn: Turn, ledger_id: str, new: str, seals: Seals) -> Turn:
    """A turn whose ledger was replaced by a new one: a planned one is to be reviewed again, and one that was
    started has its run.
    """
    left: Turn = {**turn}
    if not turn["run_id"]:
        left["warnings"] = [left_behind(ledger_id, turn["processor"])]
        left.pop("cleared", None)
    # What nothing proves in its old ledger, nothing proves in the new one.
    return seal_turn(seals, left, new) if is_sealed(seals, turn) else left


def unknown_turn(turn: Turn, key: str) -> Turn:
    """A planned turn of which nobody can tell any more whether it was started."""
    ended = ended_turn({**turn, "run_id": "", "status": "unknown"})
    ended["key"], ended["cost_usd"] = key, None
    return ended


_FELL_BACK = "The API refused processor {}, so that {} was used in its place."


def running_turn(turn: Turn, submission: Submission, seals: Seals) -> Turn:
    """A planned turn whose run was found or started."""
    if submission.instead_of:
        processor = submission.run.processor
        told = _FELL_BACK.format(submission.instead_of, processor)
        turn = {**turn, "processor": processor, "cost_usd": price_usd(processor)}
        turn["warnings"] = [*turn["warnings"], told]
    started: Turn = {
        **turn,
        "status": "running",
        "key": submission.key,
        "run_id": submission.run.run_id,
        "interaction_id": submission.run.interaction_id,
        "started_at": submission.run.created_at,
        "sent_again": submission.sent_again or bool(submission.duplicates),
        "error": None,
    }
    return seal_turn(seals, started, submission.ledger_id)


def unstarted_turn(turn: Turn) -> Turn:
    """A turn without the run that somebody else has written into it."""
    return {**turn, "status": "planned", "key": "", "run_id": "", "interaction_id": None}


NO_INTERACTION = (
    "The API named no interaction for it, so no later question can build on this answer."
)


_PERHAPS_BILLED = "Calls of {} may be billed, though the run is not."


def submission_of(turn: Turn, ledger_id: str) -> Submission:
    """What the submission of a running turn has returned, as far as the turn says it."""
    return Submission(
        run=TaskRun(run_id=turn["run_id"], interaction_id=turn["interaction_id"], status="queued"),
        ledger_id=ledger_id,
        key=turn["key"],
        adopted=False,
        sent_again=turn.get("sent_again", False),
    )


def read_turn(run: PaidRun, turn: Turn, ledger_id: str) -> Calls[Turn]:
    """A running turn. One whose run was never read has the run that is its own then, and its interaction.

    Raises:
        SubmissionUnknown: See `PaidRun.read`.
    """
    if turn["interaction_id"]:
        return turn
    read = yield from run.read(submission_of(turn, ledger_id))
    return running_turn(turn, read, run.door.clients.seals)


def is_doubtful(run: PaidRun, turn: Turn, ledger_id: str) -> Calls[bool]:
    """Whether a running turn has the id of another run, and nobody knows what came of its request."""
    if not turn["run_id"] or turn["interaction_id"]:
        return False
    return (yield from run.is_in_doubt(ledger_id))


_NOTHING_STARTED = "The API named a run that is not this question's, and has none of it. Ask again."


def settle_doubt(run: PaidRun, turn: Turn, ledger_id: str) -> Calls[Turn]:
    """A doubtful turn with the run that the ledger has; without one, it has ended, and has cost nothing."""
    found = yield from run.look(ledger_id)
    if found is None:
        return refused_turn(turn, turn["key"], _NOTHING_STARTED)
    return running_turn(turn, found, run.door.clients.seals)


def finish_turn(
    run: PaidRun,
    turn: Turn,
    ledger_id: str,
    *,
    has_ended: bool,
    keep_excerpts: bool = False,
    checks: bool = False,
) -> Calls[Turn]:
    """Follow a running turn's run to its end. A run that ends without an answer makes a turn, too.

    Args:
        run: What was asked.
        turn: As `running_turn` made it.
        ledger_id: The ledger of the run.
        has_ended: Only ask for the answer, in a thread that parks.
        keep_excerpts: Keep the excerpts of the citations.
        checks: Check the answer against the excerpts, and keep what was not found.

    Raises:
        InvalidRequest: The run is not shown to be this thread's; see `_graph/ownership.py`.
    """
    turn = yield from prove_run(run.door, turn, ledger_id, run.config)
    seals = run.door.clients.seals
    if not (turn["interaction_id"] or is_sealed(seals, turn)):  # written by somebody who is trusted
        with suppress(NotFound):  # it is looked for in the ledger, then
            read = yield from run.door.clients.retrieve(turn["run_id"])
            turn = {**turn, "interaction_id": read.interaction_id}
    submission = submission_of(turn, ledger_id)
    try:
        try:
            got = yield from run.answer(submission, has_ended=has_ended)
        except StillRunning as error:
            if not has_ended or error.run_id in (None, turn["run_id"]):
                raise
            # Started twice, and the run that counts goes on: the thread waits for that one, too.
            other = {**turn, "run_id": error.run_id, "interaction_id": error.interaction_id}
            yield from park(run.door, [other], ledger_id, run.config, raises=True)
            got = yield from run.answer(submission, has_ended=True)
    except (RunFailed, RunCancelled) as error:
        failed = _failed_turn(turn, error)
        if names := " and ".join(run.door.options.paid_connectors):
            failed["warnings"] = [*failed["warnings"], _PERHAPS_BILLED.format(names)]
        return seal_turn(seals, failed, ledger_id)
    ended = _answered_turn(turn, got, keep_excerpts)
    if checks:
        from ..checks import check_answer, shorten_checks

        checked = check_answer(got.result, source_policy=run.request.source_policy)
        ended["checks"] = shorten_checks(checked)
    ended["warnings"] = [
        *ended["warnings"],
        *paid_calls(got.result, run.door.options.paid_connectors),
    ]
    return seal_turn(seals, ended, ledger_id)


def ended_turn(turn: Turn) -> Turn:
    """A turn without what only its planning needs: it is repeated in every later checkpoint (R8)."""
    ended = {name: value for name, value in turn.items() if name not in PLANNING_FIELDS}
    return cast(Turn, {**ended, "approved_by": "person"} if turn.get("approved") else ended)


def overtaken_turn(turn: Turn, run: TaskRun) -> Turn:
    """A turn that another question overtook: paid for, or about to be, so its ids stay."""
    failed = run.status in ("failed", "cancelled")
    ended = ended_turn({**turn, "status": run.status if failed else "unfinished"})
    ended["started_at"], ended["ended_at"] = run.created_at, None if run.active else run.modified_at
    # Its processor may have been edited since it was planned.
    ended["cost_usd"] = 0.0 if run.status == "failed" else price_usd(turn["processor"])
    return ended


def _answered_turn(turn: Turn, got: PaidAnswer, keep_excerpts: bool) -> Turn:
    result = got.result
    # There is an answer, even if the API reports a status that this package does not know.
    ended = ended_turn({**turn, "status": "completed", "error": None})
    ended["run_id"] = result.run.run_id
    ended["interaction_id"] = result.run.interaction_id or turn["interaction_id"]
    ended["started_at"], ended["ended_at"] = result.run.created_at, result.run.modified_at
    evidence = evidence_of(result, excerpts=keep_excerpts)
    ended["content"] = evidence["content"]
    ended["confidence"] = evidence["confidence"]
    ended["unsupported_fields"] = evidence["unsupported_fields"]
    ended["citations"] = evidence["citations"]
    told = [*map(str, result.run.warnings or ())]
    ended["warnings"] = [*turn["warnings"], *keep_some(told), *keep_some(failed_calls(result))]
    if not ended["interaction_id"]:
        ended["warnings"].append(NO_INTERACTION)
    if got.duplicates:
        others = ", ".join(got.duplicates)
        ended["duplicates"] = list(got.duplicates)
        ended["warnings"].append(f"Started more than once: also run {others}; {got.paid} paid for.")
    usd = price_usd(turn["processor"])
    ended["cost_usd"] = None if usd is None else usd * got.paid
    return ended


def keep_some(warnings: Iterable[str]) -> list[str]:
    """Warnings as a turn keeps them: each of them, and their number, bounded (R8)."""
    given = list(warnings)
    more = [f"And {len(given) - _WARNINGS:,} more."] if len(given) > _WARNINGS else []
    return [*(one_line(warning, _WARNING_CHARS) for warning in given[:_WARNINGS]), *more]


def _failed_turn(turn: Turn, error: RunFailed | RunCancelled) -> Turn:
    ended = ended_turn({**turn, "status": error.status})
    if not turn["interaction_id"]:  # its run was never read before
        ended["run_id"] = error.run_id or turn["run_id"]
        ended["interaction_id"] = error.interaction_id
    ended["warnings"] = [*turn["warnings"], *keep_some(error.warnings)]
    ended["error"] = harmless(str(error), ERROR_CHARS)
    ended["cost_usd"] = 0.0 if error.billed is False else None
    return ended


def refused_turn(turn: Turn, key: str, reason: ParallelError | str) -> Turn:
    """A branch that was not started and cost nothing, or whose start is uncertain. It has no run id, so its
    key in the ledger identifies it.
    """
    is_open = isinstance(reason, ParallelError) and reason.billed is None
    ended = ended_turn({**turn, "run_id": "", "status": "unknown" if is_open else "refused"})
    ended["key"] = key
    ended["error"] = harmless(str(reason), ERROR_CHARS)
    ended["cost_usd"] = None if is_open else 0.0
    return ended
