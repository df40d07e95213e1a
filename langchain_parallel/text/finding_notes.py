"""What readers of an answer are told of its turns: what contradicts, and what is from an earlier one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .._core.plain_text import cut
from ..evidence import NO_ANSWERS, is_hollow
from ..findings import Findings, FoundValue
from .layout import list_within
from .own_marks import without_marks
from .untrusted import compact_json, harmless

_NAME_CHARS, _VALUE_CHARS = 100, 120
_SAID = 4
"""Values of one field that are told."""
_ROOM = 1_500


def finding_notes(findings: Findings) -> Iterator[str]:
    """A line for each contradiction, one for each earlier turn that a part of the answer is from, and one for
    the values that the answer has no place for.

    What stands beside the answer has notes of its own. The texts are harmless, one line each, and bounded.
    """
    from ..findings import contradictions

    told = [
        f"Contradiction: {_name(one['field'])} is {', but '.join(map(_value, one['values'][:_SAID]))}"
        for one in contradictions({**findings, "beside": []})
    ]
    if told:
        yield list_within(told, _ROOM, by=". ")
    yield from _earlier(findings)
    other_form = [
        f"{_name(name)} is {_value(one)}"
        for name, one in findings["fields"].items()
        if not one["in_answer"] and not is_hollow(one["value"], NO_ANSWERS)
    ]
    if other_form:
        yield f"Found in another form than the answer's: {list_within(other_form, _ROOM, by='. ')}"


def _earlier(findings: Findings) -> Iterator[str]:
    last = max(findings["turns"], default=0)
    by_turn: dict[int, list[str]] = {}
    for name, one in findings["fields"].items():
        turn = max(one["supported_by"])
        if turn != last and one["in_answer"] and not is_hollow(one["value"], NO_ANSWERS):
            by_turn.setdefault(turn, []).append(_name(name))
    for turn in sorted(by_turn):
        yield f"From turn {turn + 1}: {list_within(by_turn[turn], _ROOM // 5, by=', ')}"
    if others := _other_texts(findings):
        yield f"Another text is that of {', '.join(others)}"


def _other_texts(findings: Findings) -> Sequence[str]:
    """The turns whose texts are not the answer's, and do not contradict it."""
    return [
        f"turn {other['turn'] + 1}"
        for one in findings["fields"].values()
        if one["agrees"] and isinstance(findings["answer"], str)
        for other in one["others"][:_SAID]
        if isinstance(other["value"], str)
    ]


def _value(found: FoundValue) -> str:
    value = found["value"]
    text = value if isinstance(value, str) else compact_json(value)
    cited = ", ".join(map(str, found["citations"][:_SAID])) or "none"
    shown = cut(without_marks(harmless(text, 8 * _VALUE_CHARS)), _VALUE_CHARS)
    return f"{shown} (turn {found['turn'] + 1}, sources: {cited})"


def _name(field: str) -> str:
    return without_marks(harmless(field, _NAME_CHARS))
