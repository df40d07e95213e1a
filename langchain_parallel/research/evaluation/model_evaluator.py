"""Judging by a language model, with the prompt of `prompt.py`.

Rule: the model has read the web, so its verdict is checked like anything from there: it may continue from
interactions of the session only, names no processor, and its texts are cut and made harmless.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.runnables import Runnable, RunnableConfig
from pydantic import BaseModel, Field

from ..._core.calls import Call, Calls
from ..._core.kinds import check_whole, kind_of
from ...errors import InvalidRequest
from ...text.result import DEFAULT_MAX_CHARS
from ...text.untrusted import harmless
from ..state import ResearchState, Turn, Verdict
from .evaluator import BuiltInEvaluator
from .prompt import MIN_CHARS, continuable, instructions, session_text
from .verdicts import check_verdict, questions_of

MAX_QUESTION_CHARS = 8_000
_REASON_CHARS = 1_000


class BranchQuestion(BaseModel):
    """One question of a branch."""

    question: str = Field(description="The question, complete in itself.")
    continue_from: str | None = Field(
        None, description="Interaction id whose findings it builds on; the latest unless given."
    )


class Judgement(BaseModel):
    """Your decision about the research."""

    action: Literal["accept", "follow_up", "branch", "review", "stop"]
    reason: str = Field(description="Why, in one or two sentences.")
    question: str | None = Field(None, description="For follow_up: what to ask.")
    continue_from: str | None = Field(
        None, description="For follow_up: interaction id to continue from; the latest unless given."
    )
    questions: list[BranchQuestion] | None = Field(
        None, description="For branch: two or more questions, asked at the same time."
    )


def by_model(
    model: BaseChatModel, rubric: str, *, max_chars: int = DEFAULT_MAX_CHARS
) -> BuiltInEvaluator:
    """A language model judges by a rubric. It may accept, ask again, branch, ask a person, or stop.

    It reads the rubric, the session's questions, and the answers of the last round with confidence and
    citations. A verdict that is not usable is sent back to it once, with what is wrong.

    Args:
        model: Any chat model that can `with_structured_output`. Its calls are traced with the graph's.
        rubric: When an answer is good enough, and what matters, in your words.
        max_chars: Characters of the session that it reads; at least 2,000.

    Raises:
        InvalidRequest: The rubric is empty, `max_chars` is too small, or `model` is no chat model. While
            judging: its second verdict was not usable either; the answers are kept, and the thread can be
            resumed.
        NotImplementedError: The model has no structured output.
    """
    if not rubric.strip():
        raise InvalidRequest(["The rubric is empty; say when an answer is good enough."])
    check_whole("max_chars", max_chars, MIN_CHARS)
    if not hasattr(model, "with_structured_output"):
        raise InvalidRequest(
            [f"model is {kind_of(model)}; give a chat model, as init_chat_model makes it."]
        )
    judge = model.with_structured_output(Judgement, include_raw=True)
    return _ByModel(judge, rubric.strip(), max_chars)


@dataclass(frozen=True)
class _ByModel(BuiltInEvaluator):
    judge: Runnable[LanguageModelInput, Any]
    rubric: str
    max_chars: int

    def calls(self, state: ResearchState, turn: Turn, config: RunnableConfig) -> Calls[Verdict]:
        text = session = session_text(state, self.max_chars)
        problems: Sequence[str] = ()
        for _ in range(2):
            messages = [SystemMessage(instructions(self.rubric)), HumanMessage(text)]
            said = yield Call(
                lambda: self.judge.invoke(messages, config),  # noqa: B023 -- called at once
                lambda: self.judge.ainvoke(messages, config),  # noqa: B023
            )
            try:
                return _verdict(said, state)
            except InvalidRequest as refused:
                problems = refused.problems
            text = f"{session}\n\n{_refusal(said, problems)}"
        raise InvalidRequest(
            ["The model has twice given a verdict that is not usable.", *problems],
            hint="The answer it judged is kept; resume the thread to have it judged again.",
        )


def _refusal(said: Mapping[str, Any], problems: Sequence[str]) -> str:
    """What is wrong with a verdict, as text: not every model takes an error as a tool's answer."""
    parsed = said.get("parsed")
    verdict = parsed.model_dump_json(exclude_none=True) if isinstance(parsed, Judgement) else ""
    lines = [
        "You have judged this before, and your verdict could not be used:",
        *(f"- {problem}" for problem in problems),
        harmless(verdict, 2_000) and f"It was: {harmless(verdict, 2_000)}",
        "Judge again, and avoid that.",
    ]
    return "\n".join(filter(None, lines))


# --- from a judgement to a verdict ---------------------------------------------------------------


def _verdict(said: Mapping[str, Any], state: ResearchState) -> Verdict:
    """The model's verdict.

    Raises:
        InvalidRequest: It is not usable.
    """
    parsed = said.get("parsed")
    if not isinstance(parsed, Judgement):
        error = said.get("parsing_error")
        raise InvalidRequest(
            [f"It is not in the form asked for: {harmless(str(error), 1_000)}"]
            if error
            else ["It is not in the form asked for; no tool was called."]
        )
    verdict = check_verdict(_draft(parsed), head=state.get("interaction_id"))
    problems = _problems(verdict, continuable(state))
    if problems:
        raise InvalidRequest(problems)
    return verdict


def _draft(judgement: Judgement) -> dict[str, Any]:
    """Converts the judgement to a verdict, ignoring fields that do not belong to its action."""
    draft: dict[str, Any] = {
        "action": judgement.action,
        "reason": harmless(judgement.reason, _REASON_CHARS) or None,
    }
    if judgement.action == "follow_up":
        return {**draft, **_question(judgement.question, judgement.continue_from)}
    questions = [_question(each.question, each.continue_from) for each in judgement.questions or ()]
    if judgement.action == "branch":
        return {**draft, "questions": questions}
    if judgement.action == "review" and (questions or (judgement.question or "").strip()):
        action: Any = "branch" if len(questions) > 1 else "follow_up"
        proposed = judgement.model_copy(update={"action": action})
        return {**draft, "proposal": _draft(proposed)}
    return draft


def _question(question: str | None, continue_from: str | None) -> dict[str, Any]:
    return {"question": question, "continue_from": (continue_from or "").strip() or None}


def _problems(verdict: Verdict, known: list[str]) -> list[str]:
    proposal = verdict.get("proposal")
    problems = _problems(cast(Verdict, proposal), known) if proposal else []
    for question in questions_of(verdict):
        if len(question["question"]) > MAX_QUESTION_CHARS:
            problems.append(f"A question may have {MAX_QUESTION_CHARS:,} characters.")
        parent = question.get("continue_from")
        if parent is not None and parent not in known:
            ids = ", ".join(known) or "none"
            problems.append(
                f"{harmless(parent, 100)!r} is no interaction id of this session: {ids}."
            )
    return problems
