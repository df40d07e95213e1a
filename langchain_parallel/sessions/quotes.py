"""Merging branches: a question that quotes what other branches found.

The API builds a run on one earlier interaction only. What other branches found can reach it in the words
of the question alone, so it stands there: compact, and fenced off as data, for it came from the web.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..errors import InvalidRequest
from ..research.state import Turn
from ..text.untrusted import fenced, harmless, harmless_lines

_ABOUT = "Findings of earlier research follow, to be taken into account."
_START, _END = f"\n\n{fenced('…', _ABOUT)}".split("…")
_CUT = " … cut"
_LEAST = 500
"""Characters for each turn, below which a quote says nothing."""
_QUESTION_CHARS = 200
_WEAK_CHARS = 120


def with_findings(question: str, turns: Iterable[Turn], *, max_chars: int = 10_000) -> str:
    """The question, with the findings of these turns quoted after it.

    Each turn is quoted with its question, its answer, its weak fields and the urls it cites. All have an
    equal share of the room; what a short one leaves goes to the longer ones. What is left out is said.

    Args:
        question: What to ask; it stays as it is.
        turns: Turns with an answer, of any branches. The branch the question continues need not be
            among them: the API knows it by its interaction.
        max_chars: Characters of the whole. The API takes 25,000 for question and schema together, and
            advises 15,000 for deep research.

    Raises:
        InvalidRequest: There is no question, no turn, or no room; or a turn has no answer.
    """
    quoted = list(turns)
    problems = list(_problems(question, quoted))
    if problems:
        raise InvalidRequest(problems)
    room = max_chars - len(question) - len(_START) - len(_END) + 1  # the last line has no end
    shares = _shares([len(_finding(n, turn)) + 1 for n, turn in enumerate(quoted, start=1)], room)
    findings = [_finding(n, turn, shares[n - 1]) for n, turn in enumerate(quoted, start=1)]
    return f"{question}\n\n" + fenced("\n".join(findings), _ABOUT)


def own_question(question: str) -> str:
    """A question without the findings that `with_findings` quoted after it."""
    return question.partition(_START)[0] if question.endswith(_END) else question


def _problems(question: str, turns: list[Turn]) -> Iterator[str]:
    if not question.strip():
        yield "There is no question."
    if not turns:
        yield "There are no turns to quote."
    for turn in turns:
        if turn["content"] in (None, "", {}, []):
            yield f"Run {turn['run_id']} has no answer to quote ({turn['status']})."


def _shares(lengths: list[int], room: int) -> list[int]:
    """Room for each finding: as much as it needs, or else as much as the others."""
    if (lack := sum(min(_LEAST, length) for length in lengths) - room) > 0:
        short = f"The findings ({len(lengths)}) do not fit beside the question: {lack:,} characters too many."
        raise InvalidRequest(
            [short],
            hint="Shorten it, quote fewer turns, or raise max_chars. Nothing was sent.",
        )
    shares = [0] * len(lengths)
    for done, index in enumerate(sorted(range(len(lengths)), key=lambda n: lengths[n])):
        shares[index] = min(lengths[index], room // (len(lengths) - done))
        room -= shares[index]
    return shares


def _finding(number: int, turn: Turn, share: int = 1_000_000_000) -> str:
    """A turn's quote in `share` characters, its last line end included.

    Text is indented, so that none of its lines looks like a label of ours.
    """
    lines = [
        f"Finding {number}",
        f"Question: {_cut(own_question(turn['question']), _QUESTION_CHARS)}",
    ]
    if turn["unsupported_fields"]:
        lines.append(
            f"Low confidence or no source: {_cut(', '.join(turn['unsupported_fields']), _WEAK_CHARS)}"
        )
    answer = "\n  ".join(harmless_lines(turn["content"]))
    room = share - sum(len(line) + 1 for line in lines) - len("Answer: ") - 1
    sources = list(_sources(turn, max(room // 4, room - len(answer) - 1)))
    room -= sum(len(line) + 1 for line in sources)
    if len(answer) > room:
        answer = answer[: room - len(_CUT)].rstrip() + _CUT
    return "\n".join([*lines, f"Answer: {answer}", *sources])


def _sources(turn: Turn, room: int) -> Iterator[str]:
    """One line with as many whole urls as `room` holds, and how many more there are."""
    urls = [harmless(citation.get("url") or "") for citation in turn["citations"]]
    urls = list(filter(None, urls))
    whole = harmless(f"Sources: {' '.join(urls)}")
    if not urls or len(whole) <= room:
        yield from [whole] if urls else []
        return
    room -= len(f" and {len(urls):,} more{_CUT}")
    kept = 0
    while len(" ".join(["Sources:", *urls[: kept + 1]])) <= room:
        kept += 1
    shown = f"Sources: {' '.join(urls[:kept])} and " if kept else "Sources: "
    yield harmless(f"{shown}{len(urls) - kept:,} more{_CUT}")


def _cut(text: str, most: int) -> str:
    """The text on one line of so many characters; a cut is told, and is within them."""
    line = harmless(text)
    return line if len(line) <= most else line[: most - len(_CUT)].rstrip() + _CUT
