"""Which turns of a question speak of the same thing, so that their fields may be merged.

Rule: fields of the same name are merged, and called contradictory, only where the turns speak of the same
thing.

- A follow-up of the evaluation does: it asks again for what the question asked.
- Branches from one answer do, unless what they both say differs in half of the fields or more, or in a name:
  branches about two companies have the same fields. Then each stands beside the answer, under its own
  question. So do branches with other prose in the same field, unless each has a field of its own. Branches
  that ask the same question always speak of the same thing.
- What a person asks, and a branch, stands beside the answer if it shares two fields with it or more, and has
  none of them in common.
- Where the question itself has found nothing, the best supported branch is its answer, and stays it.
- A turn that continues a branch standing beside belongs to that branch if it says the same of some field;
  otherwise it is about the question, as one that joins the branches is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .question_turns import interaction_in, rounds_in
from .sameness import Form, form_of, group_forms, relation, write
from .support import Path, Said
from .wording import normalize

_COMPARED = 8
"""Values of a field that a new one is compared with."""
_NAME = re.compile(
    r"(?:\w{1,40}_)?(?:name|company|organi[sz]ation|person|product|subject|entity|website|domain|ticker|symbol|isin)"
)


class Strand:
    """Turns that speak of the same thing."""

    def __init__(self) -> None:
        self.turns: list[Mapping[str, Any]] = []
        self.values: list[Said] = []
        self.known: dict[Path, list[Said]] = {}

    def add(self, turn: Mapping[str, Any], values: Iterable[Said]) -> None:
        """Add a turn with what it says."""
        self.turns.append(turn)
        for value in values:
            self.values.append(value)
            if not value.is_hollow:
                self.known.setdefault(value.path, []).append(value)

    def shared_with(self, values: Iterable[Said]) -> list[tuple[Said, bool]]:
        """The values of fields that the strand has, too, and whether each agrees with it."""
        return [
            (value, any(_agree(value, one) for one in self.known[value.path][-_COMPARED:]))
            for value in values
            if not value.is_hollow and value.path in self.known
        ]


def find_strands(
    turns: Sequence[Mapping[str, Any]], said: Mapping[int, Sequence[Said]]
) -> list[Strand]:
    """The strands of a question. The first is about the question itself, the others stand beside it.

    Args:
        turns: Of one question.
        said: What each of them says, by its id (`id(turn)`).
    """
    first, *later = rounds_in(turns) or [[]]
    strands, of = [Strand()], dict[str, Strand]()
    for turn in first:
        _place(turn, strands[0], said, of)
    for asked in later:
        by_parent: dict[str | None, list[Mapping[str, Any]]] = {}
        for turn in asked:
            by_parent.setdefault(interaction_in(turn, "parent_interaction_id"), []).append(turn)
        placed: list[tuple[Mapping[str, Any], Strand]] = []
        for parent, children in by_parent.items():
            about = of.get(parent or "", strands[0])
            if len(children) == 1:
                placed += [(children[0], _of_one(children[0], about, strands[0], said, len(asked)))]
            else:
                placed += _of_branches(children, about, said)
        for turn, strand in placed:
            _place(turn, strand, said, of)
            if strand not in strands:
                strands.append(strand)
        strands = _with_answer_first(strands, of)
    return strands


def _with_answer_first(strands: list[Strand], of: dict[str, Strand]) -> list[Strand]:
    """The strands; where the question itself has found nothing, the best of its branches is its answer."""
    empty, *others = strands
    if empty.known or not others:
        return strands
    best = max(others, key=_weight)
    best.turns, best.values = [*empty.turns, *best.turns], [*empty.values, *best.values]
    of.update({id: best for id, strand in of.items() if strand is empty})
    return [best, *(one for one in others if one is not best)]


def _weight(strand: Strand) -> tuple[Any, ...]:
    """By which a branch takes the place of an answer that holds nothing."""

    def of(said: Said) -> tuple[Any, ...]:
        return said.rank, len(said.sites), said.excerpts, repr(said.form.key)

    best = max(map(of, (one for values in strand.known.values() for one in values)))
    return *best, sorted((write(one.value), one.run_id) for one in strand.values)


def _place(
    turn: Mapping[str, Any],
    strand: Strand,
    said: Mapping[int, Sequence[Said]],
    of: dict[str, Strand],
) -> None:
    strand.add(turn, said[id(turn)])
    if interaction_id := interaction_in(turn, "interaction_id"):
        of[interaction_id] = strand


def _of_one(
    turn: Mapping[str, Any],
    about: Strand,
    main: Strand,
    said: Mapping[int, Sequence[Said]],
    at_the_same_time: int,
) -> Strand:
    """The strand of a turn that continues an answer alone."""
    values = said[id(turn)]
    if about is not main and not any(agrees for _, agrees in about.shared_with(values)):
        about = main
    is_asked_again = turn.get("asked_by") == "evaluation" and at_the_same_time == 1
    return about if is_asked_again or not _is_about_other(about, values) else Strand()


def _of_branches(
    children: list[Mapping[str, Any]], about: Strand, said: Mapping[int, Sequence[Said]]
) -> list[tuple[Mapping[str, Any], Strand]]:
    """The strands of turns that continue the same answer."""
    by_question: dict[str, list[Mapping[str, Any]]] = {}
    for turn in children:
        by_question.setdefault(normalize(str(turn.get("question") or "")), []).append(turn)
    branches = list(by_question.values())
    values = [[one for turn in branch for one in said[id(turn)]] for branch in branches]
    placed: list[tuple[Mapping[str, Any], Strand]] = []
    are_apart = len(branches) > 1 and _differ(values)
    for branch, own in zip(branches, values, strict=True):
        has_answer = any(not one.is_hollow for one in own)
        shares_prose = len(branches) > 1 and _is_other_prose(about, own)
        differs = are_apart or shares_prose or _is_about_other(about, own)
        strand = Strand() if has_answer and differs else about
        placed += [(turn, strand) for turn in branch]
    return placed


def _is_other_prose(strand: Strand, values: Sequence[Said]) -> bool:
    """Whether it is nothing but prose, where the strand has other prose."""
    if any(not _is_prose(value.form) for value in values if not value.is_hollow):
        return False
    known = strand.known
    return any(
        value.form.key != one.form.key for value in values for one in known.get(value.path, ())
    )


def _is_prose(form: Form) -> bool:
    """Whether nobody can tell if it contradicts another one."""
    if form.kind == "list":
        return any(_is_prose(form_of(one)) for one in form.value[:_COMPARED])
    return form.is_prose


def _is_about_other(strand: Strand, values: Sequence[Said]) -> bool:
    shared = strand.shared_with(values)
    if len(shared) < 2:
        return False
    agreeing = [value for value, agrees in shared if agrees]
    has_other_name = any(_is_name(value.path) and not agrees for value, agrees in shared)
    return not agreeing or (has_other_name and len(agreeing) * 2 <= len(shared))


def _differ(branches: Sequence[Sequence[Said]]) -> bool:
    """Whether branches speak of different things."""
    by_path: dict[Path, dict[int, list[Said]]] = {}
    for number, values in enumerate(branches):
        for value in values:
            if not value.is_hollow:
                by_path.setdefault(value.path, {}).setdefault(number, []).append(value)
    shared = {path: list(of.values()) for path, of in by_path.items() if len(of) > 1}
    prose = {path for path, values in shared.items() if _is_prose(values[0][0].form)}
    different = [p for p, values in shared.items() if p not in prose and _contradict(values)]
    if any(map(_is_name, different)):
        return True
    if different and len(different) * 2 >= len(shared) - len(prose):
        return True
    if not any(len({one.form.key for of in shared[p] for one in of}) > 1 for p in prose):
        return False
    alone = [of for of in by_path.values() if len(of) == 1]
    own = {n for of in alone for n, (one, *_) in of.items() if not _is_prose(one.form)}
    return len(own) < sum(any(not one.is_hollow for one in values) for values in branches)


def _contradict(values: list[list[Said]]) -> bool:
    every = [value for of_one in values for value in of_one]
    groups = dict(zip(group_forms([one.form for one in every]), every, strict=True))
    first, *others = groups.values()
    return any(not _agree(first, other) for other in others)


def _agree(one: Said, other: Said) -> bool:
    return relation(one.form, other.form) != "different"


def _is_name(path: Path) -> bool:
    return bool(path) and _NAME.fullmatch(path[-1].lower()) is not None
