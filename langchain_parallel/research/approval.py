"""Whether planned runs may be started, or a person has to say yes first: pure functions.

Rule: what was let pass is what is sent. A run carries the hash of what was weighed; a plan that was changed
since is weighed again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from ..processors import costs_more
from ..text.untrusted import harmless
from .budget import objections
from .graph_config import GraphConfig
from .state import Pending, ResearchState

_WEIGHED = ("question", "processor", "parent_interaction_id", "output_schema")


def weighed(
    researcher: GraphConfig, state: ResearchState, runs: Sequence[Pending]
) -> list[Pending]:
    """The runs as they may go on: those that are new are let pass together, or held together."""
    new = undecided(runs)
    if not new:
        return list(runs)
    held = bool(dear(researcher, new) or short(researcher, state, new, runs))
    return [run if run not in new else _held(run) if held else passed(run) for run in runs]


def undecided(runs: Sequence[Pending]) -> list[Pending]:
    """Those that are neither started nor let pass (and then perhaps sent a moment ago)."""
    return [run for run in runs if "run_id" not in run and not may_pass(run)]


def passed(run: Pending) -> Pending:
    """The run, free to be started as it is."""
    free: Pending = {**run, "passed": _hash(run)}
    free.pop("held", None)
    free.pop("no_credit", None)
    return free


def may_pass(run: Pending) -> bool:
    """Whether it is what was let pass."""
    return run.get("passed") == _hash(run)


def dear(researcher: GraphConfig, runs: Sequence[Pending]) -> list[str]:
    """Which runs cost more than may be spent without asking, in words."""
    limit = researcher.approve_above
    if limit is None:
        return []
    names = {run["processor"] for run in _without_a_yes(runs)}
    above = sorted(name for name in names if costs_more(name, limit))
    return [f"{harmless(', '.join(above))} costs more than {limit}."] if above else []


def short(
    researcher: GraphConfig,
    state: ResearchState,
    runs: Sequence[Pending],
    planned: Sequence[Pending],
) -> list[str]:
    """Which limits or credit the runs would pass, in words, with everything else that is planned."""
    reasons = []
    if any(run.get("no_credit") for run in runs):
        reasons.append("The account has not enough credit; add some, then approve.")
    if _without_a_yes(runs):
        reasons += objections(state.get("turns") or [], planned, researcher.limits(state))
    return reasons


def approved(run: Pending) -> Pending:
    """The run, with a person's yes to it as it is."""
    return {**run, "approved": _hash(run)}


def _held(run: Pending) -> Pending:
    return {**run, "held": True}


def _without_a_yes(runs: Sequence[Pending]) -> list[Pending]:
    return [run for run in runs if run.get("approved") != _hash(run)]


def _hash(run: Pending) -> str:
    what = json.dumps([run.get(name) for name in _WEIGHED], sort_keys=True)
    return hashlib.sha256(what.encode()).hexdigest()[:16]
