"""`web_research`: the research graph for callers who keep no thread, such as a server's `/mcp` endpoint.

Such a caller gets one text and hands back one word. So the answer is bounded and fenced, and says how to
follow up: with a handle, which is an interaction's id and a seal. The thread of the first answer is gone by
then, so the seal is what shows that this caller got that answer (docs/operate/users.md, "Whose run it is").

Rule: the same call, made again, goes on with what it has paid for. Nobody can see whether an answer has
reached a client that was cut off, so for `REPEAT_SECONDS` it is given again. A call is known by its account,
its user, its words and its context: a thread that is named by these stands for it in the store, in the place
of the server's thread for this request.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, StateGraph
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from .._core.calls import Call, Calls
from .._core.plain_text import quote_text
from .._graph.graph_steps import add_step
from .._graph.records import Records
from .._graph.runtime import asking_user, came_through_server, checkpointer_of, runtime_of
from .._graph.seals import Seals
from .._graph.session_ledger import REPEATED_CALL, repeats
from .._graph.user_key import key_of
from ..client import ParallelClient
from ..errors import InvalidRequest, ParallelError
from ..findings import Findings, as_evidence, last_findings
from ..options import RequestOptions
from ..research import ResearchContext, ResearchOutput, Turn, create_research_graph
from ..research.answering import all_of, is_answered, turns_in
from ..text.finding_notes import finding_notes
from ..text.format import usd
from ..text.result import AnswerText, answer_text, evidence_notes
from ..text.untrusted import ERROR_CHARS, fence, harmless
from ..tools.tool_messages import GIVEN_AGAIN

MAX_CHARS = 24_000
_FRAME_CHARS = 1_500
"""Room for the fence, and for what stands after it."""
_QUESTION_CHARS = 200
_BETWEEN = "~"
_KIND = "answered to"
_GIVEN = "given"
"""The name of the record of what a call was answered with."""
_GOES_ON = "Call again with the same arguments: that goes on with the run, for nothing."


class WebQuestion(BaseModel):
    """Researches a question on the web, and answers it with its sources. Takes minutes, and costs money."""

    question: str = Field(description="What is to be found out, in full sentences.")
    continue_from: str = Field(
        "", description="The handle that an earlier answer ended with, to build on that answer."
    )


class WebAnswer(TypedDict):
    """The answer as one text."""

    answer: str


class _State(TypedDict, total=False):
    question: str
    continue_from: str
    answer: str


def create_answer_graph(
    *, request: RequestOptions | None = None, **options: Any
) -> StateGraph[_State, ResearchContext]:
    """A graph with one text for each question, uncompiled.

    Args:
        request: As that of `create_research_graph`.
        options: Its other options. It always waits for the answer.

    Raises:
        InvalidRequest: An option is wrong.
        MissingKey: There is no API key.
    """
    given, client = request or RequestOptions(), ParallelClient()
    seals = Seals(client._settings.api_key)
    handles = _Handles(seals, bool(given.allow_foreign_ids))
    records = Records()
    # What a handle proves is not asked of the API again.
    trusting = given.model_copy(update={"allow_foreign_ids": True})
    options |= {"wait": "block", "client": client, "request": trusting}
    research = create_research_graph(**options).compile()

    def question_of(state: _State, config: RunnableConfig) -> dict[str, Any]:
        handle = state.get("continue_from") or ""
        parent = handles.read(handle, config) if handle else None
        return {"question": state.get("question") or "", "continue_from": parent}

    def answer(state: _State, config: RunnableConfig) -> Calls[Any]:
        try:
            given: Any = question_of(state, config)
            call = _thread_of_call(state, config, seals)
            out = yield Call(
                lambda: research.invoke(given, call), lambda: research.ainvoke(given, call)
            )
            is_repeated = yield from _is_repeated(cast(ResearchOutput, out), records, call)
        except ParallelError as error:
            return {"answer": _in_words(error, config)}
        text = _text(cast(ResearchOutput, out), handles, config)
        return {"answer": f"{text}\n{GIVEN_AGAIN}" if is_repeated else text}

    graph: Any = StateGraph(
        _State,
        context_schema=ResearchContext,
        input_schema=WebQuestion,
        output_schema=WebAnswer,
    )
    add_step(graph, "research", answer, "web_research")
    graph.add_edge(START, "research")
    graph.add_edge("research", END)
    return cast("StateGraph[_State, ResearchContext]", graph)


class _Handles:
    """What a later question names an answer by: its interaction, and a seal for the user who got it."""

    def __init__(self, seals: Seals, trusts_ids: bool) -> None:
        self._seals, self._trusts_ids = seals, trusts_ids

    def of(self, interaction_id: str, config: RunnableConfig) -> str:
        return f"{interaction_id}{_BETWEEN}{self._seal(interaction_id, config)}"

    def read(self, handle: str, config: RunnableConfig) -> str:
        """The interaction.

        Raises:
            InvalidRequest: It was not given to this user.
        """
        interaction_id, _, seal = handle.strip().partition(_BETWEEN)
        is_sealed = self._seals.holds(seal, _KIND, interaction_id, asking_user(config))
        if is_sealed or self._trusts_ids or not came_through_server(config):
            return interaction_id
        raise InvalidRequest(
            [f"continue_from {harmless(handle, 120)!r} is no handle that you were given."],
            hint="Copy it whole from the end of an answer, or leave it out. Nothing was sent.",
        )

    def _seal(self, interaction_id: str, config: RunnableConfig) -> str:
        return self._seals.of(_KIND, interaction_id, asking_user(config))


def _keeps_calls(config: RunnableConfig) -> bool:
    """Whether a store keeps what a call has begun, and no thread does that can be resumed."""
    runtime = runtime_of(config)
    return checkpointer_of(config) is None and runtime is not None and runtime.store is not None


def _thread_of_call(state: _State, config: RunnableConfig, seals: Seals) -> RunnableConfig:
    """The config with the thread that stands for this call; as it is where none has to."""
    if not _keeps_calls(config):
        return config
    key, context = key_of(config), getattr(runtime_of(config), "context", None)
    asked = [(given or "").strip() for given in (state.get("question"), state.get("continue_from"))]
    said = context.model_dump_json() if isinstance(context, ResearchContext) else None
    call = (Seals(key) if key else seals).of("call", asking_user(config), *asked, said)
    here = {"thread_id": f"call-{call}", REPEATED_CALL: True}
    return {**config, "configurable": {**config.get("configurable", {}), **here}}


def _is_repeated(out: ResearchOutput, records: Records, call: RunnableConfig) -> Calls[bool]:
    """Whether this answer was given before, to the same call."""
    runs = [turn["key"] for turn in out.get("turns") or () if turn["status"] == "completed"]
    if not runs or not repeats(call):
        return False
    before = yield from records.get(call, _GIVEN)
    given = {"ledger_id": out["ledger_id"], "keys": runs}
    if before == given:
        return True
    yield from records.put(call, _GIVEN, given)
    return False


def _in_words(error: ParallelError, config: RunnableConfig) -> str:
    """The error as an answer, where there is no thread to resume: a server tells MCP clients only its class.

    Raises:
        ParallelError: There is such a thread.
    """
    if checkpointer_of(config) is not None:
        raise error
    text = harmless(str(error), ERROR_CHARS)
    return f"{text} {_GOES_ON}" if error.billed is not False and _keeps_calls(config) else text


def _text(out: ResearchOutput, handles: _Handles, config: RunnableConfig) -> str:
    """The answer in its fence; the reason in words where there is none."""
    done = [turn for turn in out.get("turns") or () if turn["status"] == "completed"]
    if not done:
        return str(out["messages"][-1].text)
    return "\n".join(_lines(done[-1], out, handles, config))


def _lines(
    turn: Turn, out: ResearchOutput, handles: _Handles, config: RunnableConfig
) -> Iterator[str]:
    found = last_findings(out["turns"])
    answers = [one for one in all_of(found) if is_answered(one)]
    texts = [_answer(one, out["turns"], len(answers)) for one in answers]
    yield fence("\n\n".join(map(str, texts)), "Research result.")
    if left_out := [what for text in texts for what in text.left_out]:
        yield f"Left out: {', '.join(left_out)}."
    verdict = out["verdict"]
    if verdict["action"] == "stop" and verdict.get("reason"):
        yield f"The research stopped: {harmless(verdict['reason'], 300)}"
    run = f" Run: {harmless(turn['run_id'])}" if turn["run_id"] else ""
    yield f"Cost: {usd(out['spent_usd'])}.{run}"
    if turn["interaction_id"]:
        yield f"To follow up: continue_from={handles.of(turn['interaction_id'], config)}"


def _answer(found: Findings, turns: Sequence[Turn], of: int) -> AnswerText:
    """One of several answers, below its question where there are several."""
    evidence = as_evidence(found)
    warnings = dict.fromkeys(text for turn in turns_in(found, turns) for text in turn["warnings"])
    told = (f"Warning: {warning}" for warning in warnings)
    notes = [*evidence_notes(evidence), *finding_notes(found), *told]
    text = answer_text(evidence, notes, (MAX_CHARS - _FRAME_CHARS) // of - _QUESTION_CHARS)
    heading = f"{quote_text(found['question'], _QUESTION_CHARS)}\n" if of > 1 else ""
    return text._replace(answer=heading + text.answer)
