"""What a person is asked: pure functions of the session.

Rule: text from the web is put into code blocks, so that no Markdown in it takes effect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..._core.plain_text import CUT_HERE, cut
from ..._graph.earlier_sessions import told_of
from ..._graph.quotas import QuotaUse
from ..._graph.recollections import Recollection
from ...evidence import is_hollow
from ...options import SessionLimits
from ...processors import price_usd
from ...text.format import usd
from ...text.result import weak_points
from ...text.untrusted import compact_json, harmless
from ..state import Turn, Verdict
from ..usage import forecast, price_of, spent_usd
from .schemas import (
    REVIEW_ARGS,
    SPEND_ARGS,
    ActionRequest,
    Finding,
    HumanRequest,
    ReviewConfig,
)

_FOUND_CHARS = 4_000
"""Characters of one answer; the whole of it is in the state."""
_FOUND_TURNS = 5
_KNOWN_CHARS = 1_000
"""Characters of an earlier answer in a description."""
_WARNING_CHARS = 300
_NO_PRICE = "an unknown price"


def spend_request(
    turns: Sequence[Turn],
    planned: Sequence[Turn],
    reasons: Sequence[str],
    limits: SessionLimits,
    *,
    counted: Sequence[Turn] = (),
    quotas: Sequence[QuotaUse] = (),
    known: Sequence[Sequence[Recollection]] = (),
) -> HumanRequest:
    """Asks whether the planned runs may start. `counted` are other planned runs, which need no approval;
    `known` is what earlier sessions have found on the question of each.
    """
    actions = [
        ActionRequest(name="research", args=_args(run), description=_spend_text(run, reasons, told))
        for run, told in zip(planned, known or [()] * len(planned), strict=True)
    ]
    config = ReviewConfig(
        action_name="research",
        allowed_decisions=["approve", "edit", "reject"],
        args_schema=SPEND_ARGS,
    )
    request = HumanRequest(
        kind="spend",
        action_requests=actions,
        review_configs=[config] * len(actions),
        reasons=list(reasons),
        cost_usd=price_of(planned),
        spent_usd=spent_usd(turns),
        limits=limits,
        used_if_approved=forecast(turns, [*counted, *planned]),
        found=[_finding(turn) for turn in turns[-_FOUND_TURNS:]],
    )
    if any(known):
        request["known"] = [[_short(one) for one in earlier] for earlier in known]
    return {**request, "quotas": list(quotas)} if quotas else request


def is_about(shown: object, planned: Turn | None = None) -> bool:
    """Whether what was shown asks for this run; for any, if none is given."""
    if not isinstance(shown, Mapping) or shown.get("kind") != "spend":
        return False
    asked = [action["args"] for action in shown["action_requests"]]
    return planned is None or _args(planned) in asked


def review_request(
    turns: Sequence[Turn],
    verdict: Verdict,
    proposal: Verdict,
    limits: SessionLimits,
    *,
    planned: Sequence[Turn],
    objections: Sequence[str] = (),
) -> HumanRequest:
    """Asks whether the proposed verdict on the last turn is right.

    Args:
        turns: The session's.
        verdict: Why a person is asked.
        proposal: What a person may approve.
        limits: The session's.
        planned: The runs that are started if it is approved.
        objections: What keeps them from being started, as sentences.
    """
    args = {name: value for name, value in proposal.items() if name in REVIEW_ARGS["properties"]}
    text = "\n\n".join(
        [
            _review_text(turns[-1], verdict, proposal, planned),
            _price_text(turns, planned),
            *objections,
        ]
    )
    action = ActionRequest(name=proposal["action"], args=args, description=text)
    config = ReviewConfig(
        action_name=proposal["action"],
        allowed_decisions=["approve", "edit", "reject", "respond"],
        args_schema=REVIEW_ARGS,
    )
    reasons = [*([verdict["reason"]] if verdict.get("reason") else []), *objections]
    return HumanRequest(
        kind="review",
        action_requests=[action],
        review_configs=[config],
        reasons=reasons,
        cost_usd=price_of(planned),
        spent_usd=spent_usd(turns),
        limits=limits,
        used_if_approved=forecast(turns, planned),
        found=[_finding(turn) for turn in turns[-_FOUND_TURNS:]],
    )


def _args(run: Turn) -> dict[str, Any]:
    args = {"question": run["question"], "processor": run["processor"]}
    if run["parent_interaction_id"]:
        args["continue_from"] = run["parent_interaction_id"]
    return args


def _spend_text(run: Turn, reasons: Sequence[str], known: Sequence[Recollection] = ()) -> str:
    price = usd(price_usd(run["processor"]), _NO_PRICE)
    start = f"Start a {_code_span(harmless(run['processor']))} run for {price}?"
    words = [start, _code_block(run["question"]), " ".join(reasons)]
    for one in known:
        text = _answer_text(one["answer"])
        words += [told_of(one), _code_block(cut(text, _KNOWN_CHARS, CUT_HERE))]
    return "\n\n".join(filter(None, words))


def _short(known: Recollection) -> Recollection:
    answer = known["answer"]
    text = answer if isinstance(answer, str) else compact_json(answer)
    return {**known, "answer": answer if len(text) <= _FOUND_CHARS else _answer_text(answer)}


def _price_text(turns: Sequence[Turn], planned: Sequence[Turn]) -> str:
    """What a proposal costs."""
    if not planned:
        return "To approve it costs nothing."
    prices = [
        f"{_code_span(harmless(run['processor']))} for {usd(price_usd(run['processor']), _NO_PRICE)}"
        for run in planned
    ]
    runs = "a run" if len(planned) == 1 else f"{len(planned)} runs"
    start = f"To approve it starts {runs}: {', '.join(prices)}."
    total = forecast(turns, planned)["cost_usd"]
    if total is None:
        return f"{start} What the session will then have cost is not known."
    return f"{start} The session will then have cost {usd(total)}."


def _review_text(turn: Turn, verdict: Verdict, proposal: Verdict, planned: Sequence[Turn]) -> str:
    answer = _answer_text(turn["error"] if turn["content"] is None else turn["content"])
    words = [
        "Asked:",
        _code_block(turn["question"]),
        "Answered (untrusted text from the web):",
        _code_block(answer),
    ]
    if weak := "\n".join(weak_points(turn)):
        words += ["Not well supported:", _code_block(weak)]
    if turn["warnings"]:
        words += ["Warnings:", _code_block("\n".join(_finding(turn)["warnings"]))]
    words.append(f"Proposed: {proposal['action']}.")
    words += [_code_block(cut(run["question"], _FOUND_CHARS, CUT_HERE)) for run in planned]
    if reason := verdict.get("reason") or proposal.get("reason"):
        words += ["Because:", _code_block(reason)]
    return "\n\n".join(words)


def _finding(turn: Turn) -> Finding:
    return Finding(
        question=turn["question"],
        answer=_answer_text(turn["error"] if turn["content"] is None else turn["content"]),
        unsupported_fields=turn["unsupported_fields"],
        warnings=[harmless(warning, _WARNING_CHARS) for warning in turn["warnings"]],
        cost_usd=turn["cost_usd"],
        interaction_id=turn["interaction_id"],
        run_id=turn["run_id"],
    )


def _answer_text(content: object) -> str:
    if content is None:
        return "(no answer)"
    if is_hollow(content):
        return "(an empty answer)"
    text = content if isinstance(content, str) else compact_json(content)
    return cut(text, _FOUND_CHARS, CUT_HERE)


def _code_block(text: str) -> str:
    """As a block of code, so that no Markdown in it takes effect."""
    return "\n".join(f"    {harmless(line)}" for line in text.splitlines() or [""])


def _code_span(text: str) -> str:
    return "`" + text.replace("`", "'") + "`"
