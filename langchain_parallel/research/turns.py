"""Turns, from planned to answered: pure functions of the state."""

from __future__ import annotations

from typing import Any

from .._graph.paid_run import Answered
from ..errors import InvalidRequest, ParallelError, RunCancelled, RunFailed
from ..evidence import evidence_of
from ..models import Submission, TaskRun
from ..processors import price_usd
from ..text.untrusted import harmless
from .evaluation import questions_of
from .state import AskedBy, Pending, Question, ResearchState, Turn, Verdict

# --- what is asked -------------------------------------------------------------------------------


def asked(state: ResearchState) -> tuple[list[Question], AskedBy]:
    """The questions at hand, and who asks them: the verdict, or the caller.

    Raises:
        InvalidRequest: There is no question, or something is not text.
    """
    if is_follow_up(state):
        verdict = state["verdict"]
        return questions_of(verdict), verdict.get("decided_by") or "evaluation"
    names = ("question", "interaction_id", "continue_from", "processor")
    given: dict[str, Any] = {name: state.get(name) for name in names}
    wrong = [name for name, value in given.items() if not isinstance(value, str | None)]
    if wrong:
        raise InvalidRequest([f"{', '.join(wrong)} must be text; invoke with {{'question': '…'}}."])
    question = Question(question=(given["question"] or "").strip())
    if not question["question"]:
        raise InvalidRequest(["There is no question; invoke the graph with {'question': '…'}."])
    if given["continue_from"]:
        question["continue_from"] = given["continue_from"]
    if given["processor"]:
        question["processor"] = given["processor"]
    return [question], "caller"


def is_follow_up(state: ResearchState) -> bool:
    """Whether the question at hand is the verdict's; a new one from outside replaces it."""
    verdict = state.get("verdict")
    if state.get("processor") or state.get("continue_from"):
        return False  # only a caller gives these, and they are gone after one step
    if verdict is None or not questions_of(verdict):
        return False
    return asks(verdict) == state.get("question")


def asks(verdict: Verdict) -> str:
    """What a verdict asks, as one text."""
    return "\n".join(question["question"] for question in questions_of(verdict))


def planned(state: ResearchState) -> list[Pending]:
    """The turns on their way: the one, or those of the branches that have not become turns yet."""
    one = state.get("pending")
    return ([] if one is None else [one]) + unanswered_branches(state)


def unanswered_branches(state: ResearchState) -> list[Pending]:
    """The branches that have not become turns yet."""
    done = {turn["position"] for turn in state.get("turns") or ()}
    return [branch for branch in state.get("branches") or () if branch["position"] not in done]


def due(state: ResearchState) -> list[Pending]:
    """The planned turns whose runs are still to be started."""
    return [run for run in planned(state) if "run_id" not in run]


def check_continues(state: ResearchState, interaction_id: str | None) -> None:
    """Raise InvalidRequest for an interaction that the session does not know: the API would refuse it."""
    turns = state.get("turns") or ()
    known = {t[name] for t in turns for name in ("interaction_id", "parent_interaction_id")}
    if interaction_id not in {*known, state.get("interaction_id"), None}:
        ids = ", ".join(sorted(filter(None, known))) or "none"
        given = repr(interaction_id)[:60]
        raise InvalidRequest(
            [f"continue_from {given} is no interaction of the session; it has {ids}."]
        )


def on_its_way(state: ResearchState, question: str, parent: str | None) -> Pending | None:
    """The planned turn, if it asks the same at the same place: asking again must find its run."""
    for left in planned(state):
        if (left["question"], left["parent_interaction_id"]) == (question, parent):
            return left
    return None


def asks_the_same(left: Pending, pending: Pending) -> bool:
    """Whether two planned turns are one."""
    same = ("question", "processor", "parent_interaction_id", "output_schema")
    return all(left.get(name) == pending.get(name) for name in same)


def ledger_position(pending: Pending) -> int:
    """The position that its key in the ledger is made from."""
    return pending.get("ledger_position", pending["position"])


def pending_of(state: ResearchState) -> Pending:
    """The planned turn.

    Raises:
        InvalidRequest: There is none.
    """
    pending = state.get("pending")
    if pending is None:
        raise InvalidRequest(
            ["There is no planned turn in the state."], hint="Invoke the graph with a question."
        )
    return pending


def runs_since_asked(turns: list[Turn]) -> int:
    """Runs since a caller or a person last asked, that one included."""
    for count, turn in enumerate(reversed(turns), start=1):
        if turn["asked_by"] != "evaluation":
            return count
    return len(turns)


# --- what becomes of it --------------------------------------------------------------------------


def started(pending: Pending, submission: Submission) -> Pending:
    """A planned turn whose run was found or started."""
    return {
        **pending,
        "key": submission.key,
        "run_id": submission.run.run_id,
        "interaction_id": submission.run.interaction_id,
        "sent_again": submission.sent_again or bool(submission.duplicates),
    }


def submission_of(pending: Pending, ledger_id: str) -> Submission:
    """What `started` made of it."""
    run = TaskRun(
        run_id=pending["run_id"], interaction_id=pending.get("interaction_id"), status="queued"
    )
    return Submission(
        run=run,
        ledger_id=ledger_id,
        key=pending["key"],
        adopted=False,
        sent_again=pending.get("sent_again", False),
    )


def unfinished(pending: Pending, run: TaskRun) -> Turn:
    """A turn that another question overtook: paid for, or about to be, so its ids stay."""
    failed = run.status in ("failed", "cancelled")
    turn = _turn(pending, run.status if failed else "unfinished")
    turn["started_at"], turn["ended_at"] = run.created_at, run.modified_at
    if run.status == "failed":
        turn["cost_usd"] = 0.0
    return turn


def answered(pending: Pending, got: Answered, *, keep_excerpts: bool) -> Turn:
    """A turn with its answer."""
    result = got.result
    turn = _turn(pending, "completed")  # there is an answer, whatever new word the API has for it
    turn["run_id"] = result.run.run_id
    turn["interaction_id"] = result.run.interaction_id or turn["interaction_id"]
    turn["started_at"], turn["ended_at"] = result.run.created_at, result.run.modified_at
    evidence = evidence_of(result, excerpts=keep_excerpts)
    turn["content"] = evidence["content"]
    turn["confidence"] = evidence["confidence"]
    turn["unsupported_fields"] = evidence["unsupported_fields"]
    turn["citations"] = evidence["citations"]
    turn["warnings"] = [warning.message for warning in result.run.warnings or () if warning.message]
    if got.duplicates:
        twins = ", ".join(got.duplicates)
        turn["warnings"].append(f"Started more than once: also run {twins}; {got.paid} paid for.")
    if turn["cost_usd"] is not None:
        turn["cost_usd"] *= got.paid
    return turn


def unanswered(pending: Pending, error: RunFailed | RunCancelled) -> Turn:
    """A turn whose run ended without an answer."""
    turn = _turn(pending, error.status)
    turn["warnings"] = list(error.warnings)
    turn["error"] = harmless(str(error))
    turn["cost_usd"] = 0.0 if error.billed is False else None
    return turn


def refused(pending: Pending, reason: ParallelError | str) -> Turn:
    """A branch that was not started, and so cost nothing; or of which nobody can tell."""
    open_ = isinstance(reason, ParallelError) and reason.billed is None
    without: Pending = {**pending, "key": pending["plan_id"], "run_id": ""}
    turn = _turn(without, "unknown" if open_ else "refused")
    turn["error"] = harmless(str(reason))
    turn["cost_usd"] = None if open_ else 0.0
    return turn


def _turn(pending: Pending, status: str) -> Turn:
    """A turn as far as its planning and submission made it."""
    return Turn(
        key=pending["key"],
        position=pending["position"],
        round=pending["round"],
        question=pending["question"],
        asked_by=pending["asked_by"],
        processor=pending["processor"],
        parent_interaction_id=pending["parent_interaction_id"],
        interaction_id=pending.get("interaction_id"),
        run_id=pending["run_id"],
        status=status,
        content=None,
        confidence={},
        unsupported_fields=[],
        citations=[],
        warnings=[],
        error=None,
        cost_usd=price_usd(pending["processor"]),
        started_at=None,
        ended_at=None,
        verdict=None,
    )
