"""Merging branches: a question that quotes what other branches found.

The API builds a run on one earlier interaction only. What other branches found can reach it only in the text
of the question, so the question quotes it: compact, and fenced as data, because it came from the web.
"""

from __future__ import annotations

from collections.abc import Iterable

from .._core.plain_text import CUT_HERE, count, cut
from ..errors import InvalidRequest
from ..evidence import is_hollow
from ..research.state import Turn
from ..text.layout import list_within, shares
from ..text.result import weak_points
from ..text.untrusted import fence, harmless, harmless_lines

_ABOUT = "Findings of earlier research follow, to be taken into account."
_FENCED = f"\n\n{fence('…', _ABOUT)}"
_START = _FENCED[: _FENCED.index('nonce="')]
_LEAST = 500
"""Characters for each turn, below which a quote says nothing."""
_UNLIMITED = 1_000_000_000
_QUESTION_CHARS = 200
_WEAK_CHARS = 120


def with_findings(question: str, turns: Iterable[Turn], *, max_chars: int = 10_000) -> str:
    """The question, with the findings of these turns quoted after it.

    Each turn is quoted with its question, its weak points, its answer and the urls it cites. All get an
    equal share of the room; what a short one leaves goes to the longer ones. A quote says what it leaves out.

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
    problems = [] if question.strip() else ["There is no question."]
    problems += [] if quoted else ["There are no turns to quote."]
    problems += [
        f"Run {turn['run_id'] or turn['key']} has no answer to quote ({turn['status']})."
        for turn in quoted
        if is_hollow(turn["content"])
    ]
    if problems:
        raise InvalidRequest(problems)
    room = max_chars - len(question) - len(_FENCED) + 2  # the last line has no end
    lengths = [len(_finding(n, turn, _UNLIMITED)) + 1 for n, turn in enumerate(quoted, start=1)]
    if (lack := sum(min(_LEAST, length) for length in lengths) - room) > 0:
        found = count(len(quoted), "finding does not fit", "findings do not fit")
        raise InvalidRequest(
            [f"{found} beside the question: {count(lack, 'character')} too many."],
            hint="Shorten it, quote fewer turns, or raise max_chars. Nothing was sent.",
        )
    rooms = enumerate(zip(quoted, shares(lengths, room), strict=True), start=1)
    findings = [_finding(n, turn, share) for n, (turn, share) in rooms]
    return f"{question}\n\n" + fence("\n".join(findings), _ABOUT)


def own_question(question: str) -> str:
    """A question without the findings that `with_findings` quoted after it."""
    own, start, rest = question.rpartition(_START)
    inside = rest.partition(">\n")[2].rpartition("\n</")[0]
    # What is quoted holds no tag, so the last one is ours, if its nonce is that of the text in it.
    if not start or question != f"{own}\n\n{fence(inside, _ABOUT)}":
        return question
    return own_question(own)


def _finding(number: int, turn: Turn, share: int) -> str:
    """A turn's quote in `share` characters, its last line end included.

    Text is indented, so that none of its lines can pose as a label.
    """
    lines = [
        f"Finding {number}",
        f"Question: {harmless(own_question(turn['question']), _QUESTION_CHARS)}",
        *(harmless(point, _WEAK_CHARS) for point in weak_points(turn)),
    ]
    answer = "\n  ".join(harmless_lines(turn["content"]))
    room = share - sum(len(line) + 1 for line in lines) - len("Answer: ") - 1
    sources = _sources(turn, max(room // 4, room - len(answer) - 1))
    room -= sum(len(line) + 1 for line in sources)
    return "\n".join([*lines, f"Answer: {cut(answer, room, CUT_HERE)}", *sources])


def _sources(turn: Turn, room: int) -> list[str]:
    """A line with as many whole urls as `room` holds, and how many more there are."""
    urls = list(filter(None, (harmless(c.get("url") or "") for c in turn["citations"])))
    return (
        [harmless(f"Sources: {list_within(urls, room - len('Sources: '), by=' ')}")] if urls else []
    )
