"""What earlier sessions have found, as text for a model: each answer with its age and its price.

Rule: it is no research of this agent. It has no handle and no citation numbers: its sources are addresses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .._graph.earlier_sessions import told_of
from .._graph.recollections import Recollection
from ..evidence import Evidence
from ..text.layout import list_within
from ..text.own_marks import source_line, without_marks
from ..text.result import answer_text, evidence_notes
from ..text.untrusted import fence, harmless
from .names import Names

_QUESTION_CHARS = 300
_TITLES = "Sources, of which none has a number here:"


def as_text(known: Sequence[Recollection], names: Names, chars: int) -> str:
    """All of it in about so many characters."""
    if not known:
        return f"Nothing is known of it from earlier conversations; {names.start} researches it."
    share = chars // len(known)
    found = [f"{told_of(one)}\n{fence(_inside(one, share))}" for one in known]
    again = f"It may have changed since: {names.start} asks anew, and is paid for."
    return "\n\n".join([*found, again])


def _inside(known: Recollection, chars: int) -> str:
    lines = [f"Question: {_plain(known['question'])}"]
    lines += [f"Asked after: {_plain(question)}" for question in known["after"]]
    sources = list(_sources(known))
    room = max(chars // 2, chars - sum(map(len, [*lines, *sources])))
    evidence = Evidence(
        content=known["answer"],
        confidence=known["confidence"],
        unsupported_fields=known["unsupported_fields"],
        citations=known["citations"],
    )
    notes = [harmless(note) for note in evidence_notes(evidence)]
    answer = answer_text({**evidence, "citations": []}, notes, room)
    lines.append(str(answer))
    left = max(0, chars - sum(map(len, lines)))
    return "\n".join([*lines, list_within(sources, left, by="\n")])


def _sources(known: Recollection) -> Iterator[str]:
    if known["citations"]:
        yield _TITLES
    for one in known["citations"]:
        yield source_line("-", harmless(one["url"]), harmless(one["title"] or ""))


def _plain(question: str) -> str:
    return without_marks(harmless(question, _QUESTION_CHARS))
