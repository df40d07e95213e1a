"""The next step after each step: pure functions of the state."""

from __future__ import annotations

from langgraph.graph import END
from langgraph.types import Send

from .evaluation import questions_of
from .state import ResearchState
from .steps.branch import sends
from .turns import open_branches, open_turns, unsent_turns


def after_plan(state: ResearchState) -> str | list[Send]:
    """A person is asked first, or the runs are started."""
    return "approve" if any(turn.get("on_hold") for turn in unsent_turns(state)) else _start(state)


def after_approval(state: ResearchState) -> str | list[Send]:
    """Approved runs are started. If none is left to start, the branches that were started are joined."""
    if open_turns(state):
        return _start(state)
    return "join" if state.get("branches") else END


def after_submission(state: ResearchState) -> str:
    """The run is waited for, if it was started."""
    return "approve" if unsent_turns(state) else "wait"


def after_joining(state: ResearchState) -> str:
    """The branches are judged, once all of them are done."""
    return "approve" if open_branches(state) else "evaluate"


def after_verdict(state: ResearchState) -> str:
    """More questions, a person, or the end."""
    verdict = state["verdict"]
    if questions_of(verdict):
        return "plan"
    return "review" if verdict["action"] == "review" else END


def _start(state: ResearchState) -> str | list[Send]:
    if not state.get("branches"):
        return "submit"
    return sends(state, "submit_branch", open_branches(state))
