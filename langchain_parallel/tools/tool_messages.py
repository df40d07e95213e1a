"""Texts for a model: what the tool is for and what it costs, and what went wrong.

Rule: a text says only what is true where it is read: that an answer can be fetched where the model has the
tool for it, that asking again is free where the thread remembers the call (`unfinished_calls.py`). Elsewhere
no text tells a model to ask again while the earlier run may still be billed.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import ValidationError

from ..errors import (
    ActionRequired,
    ApiError,
    LedgerNotFound,
    NotFound,
    ParallelError,
    ResponseLost,
    ResponseTooLarge,
    RunCancelled,
    RunFailed,
    StillRunning,
)
from ..processors import Processor, find_processor
from ..text.format import duration_range, usd
from ..text.untrusted import ERROR_CHARS, harmless

GIVEN_AGAIN = (
    "This answer was given before, and is given again for nothing. For a new run, ask in other words, or "
    "later."
)

# --- description ---------------------------------------------------------------------------------


def description(processors: Sequence[str]) -> str:
    """When to use the tool, how to follow up, what it costs and how long it takes."""
    return (
        "Research a question on the web. Returns an answer with numbered sources, says what is "
        "uncertain, and gives an interaction id. Use it for facts that need looking up, comparing or "
        "verifying; not for what you know or can compute. To ask a follow-up, pass that id as "
        "previous_interaction_id: the new research builds on all that was found before, so ask only "
        f"for what is missing. {_price(processors)} Do not repeat a question that was answered."
    )


def _price(processors: Sequence[str]) -> str:
    """The price of a call, from the cheapest to the most expensive of the processors."""
    known = _known_processors(processors)
    if not known:
        return "A call costs money and takes minutes."
    costs = sorted({processor.usd for processor in known})
    price = " to ".join(map(usd, dict.fromkeys([costs[0], costs[-1]])))
    least = min(processor.seconds[0] for processor in known)
    most = max(processor.seconds[1] for processor in known)
    choice = ", depending on the processor" if len(processors) > 1 else ""
    return f"A call costs {price} and takes {duration_range(least, most)}{choice}."


def each_price(processors: Sequence[str]) -> str:
    """What each of the processors costs, and how long it takes."""
    costs = (
        f"{p.name}: {usd(p.usd)}, {duration_range(*p.seconds)}"
        for p in _known_processors(processors)
    )
    return "; ".join(costs) + "."


def _known_processors(processors: Iterable[str]) -> list[Processor]:
    return [known for name in processors if (known := find_processor(name))]


# --- arguments that do not fit -------------------------------------------------------------------


def explain(error: Any) -> str:
    """What is wrong with the arguments. Their values are not repeated: they may hold secrets."""
    if not isinstance(error, ValidationError):
        return "The arguments do not fit. Nothing was started; correct them and call again."
    faults = "; ".join(
        f"{'.'.join(map(str, fault['loc'])) or 'arguments'}: {fault['msg']}"
        for fault in error.errors(include_input=False, include_url=False)
    )
    return f"The arguments do not fit: {faults}. Nothing was started; correct them and call again."


# --- runs without an answer ----------------------------------------------------------------------

_NOT_AGAIN = "that could start and bill another run."
_ADVICE: tuple[tuple[type[ParallelError], str], ...] = (
    (RunFailed, "Nothing was billed; ask again, or change the question."),
    (RunCancelled, "Ask again if the answer is still wanted."),
    (
        ResponseTooLarge,
        (
            "The answer is there, and paid for: tell the user that a person has to allow longer ones "
            f"(max_response_bytes). Do not ask again: {_NOT_AGAIN}"
        ),
    ),
)
_RUN_GOES_ON = (StillRunning, ApiError, ResponseLost)
"""Errors of asking after a run, which say nothing against its going on."""
_ONCE_MORE = "Make the same call again, word for word,"


def error_for_model(
    error: ParallelError, *, collector: str | None = None, is_found_again: bool = False
) -> str:
    """An error, with what a model can do about it and with the ids of the run.

    What the server says in it is untrusted; it stays on one line and cannot pose as a result's fence.

    Args:
        error: What happened.
        collector: The tool that fetches a run's answer by its id, if the model has it.
        is_found_again: The same call, made again, finds the run wherever it is made.
    """
    known = (advice for kind, advice in _ADVICE if isinstance(error, kind))
    if LedgerNotFound in (type(error), type(error.__cause__)):
        otherwise = error.hint  # only a person can help, in the words of the error
    elif error.billed is False:
        otherwise = _advice_if_settled(error)
    else:
        otherwise = _advice_if_unsettled(error, collector, is_found_again)
    retold = copy.copy(error)
    retold.hint = next(known, otherwise)
    retold.message = harmless(error.message, ERROR_CHARS)  # shortened before its ids follow it
    return harmless(str(retold))


def _advice_if_settled(error: ParallelError) -> str:
    """What to do where nothing was started, and that nothing was."""
    is_said = "nothing was" in f"{error.message} {error.hint}".lower()
    return error.hint if is_said else f"{error.hint} Nothing was started.".strip()


def _advice_if_unsettled(error: ParallelError, collector: str | None, is_found_again: bool) -> str:
    """What to do about a run that may be billed, and whose answer is not at hand."""
    if isinstance(error, ActionRequired):
        first, then = "A person has to do what the server asks for.", "After that, "
    elif error.run_id and isinstance(error, _RUN_GOES_ON) and not isinstance(error, NotFound):
        first, then = "It may continue.", ""
    else:
        first, then = "It may be billed.", ""
    if collector and error.run_id:
        there = f"{collector} with this run_id fetches its answer, and costs nothing."
        return f"{first} {then}{there} Do not ask again: {_NOT_AGAIN}"
    if is_found_again:
        once_more = f"{_ONCE_MORE} to go on with it: it is found, and not billed again."
        if then:
            once_more = once_more[0].lower() + once_more[1:]
        return f"{first} {then}{once_more} Do not ask in other words: {_NOT_AGAIN}"
    return f"{first} Tell the user. Do not ask again before a person has checked: {_NOT_AGAIN}"
