"""A comparison as text and as Markdown: what has changed, and how much has not.

Rule: values are the web's. In the text they are on one line each, without marks of citations; in Markdown no
character of them means anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from .._core.plain_text import count, cut
from ..evidence import rank
from ..text.markdown import UNVERIFIED, source_markdown, unmarked_line
from ..text.own_marks import source_line, without_marks
from ..text.untrusted import compact_json, harmless

if TYPE_CHECKING:
    from .comparison import ComparedValue, FieldComparison, QuestionComparison, SessionComparison

_VALUE_CHARS, _QUESTION_CHARS = 600, 300
_ELEMENTS = 20
NOTHING = "Nothing has changed."
_Show = Callable[[str], str]


def comparison_text(comparison: SessionComparison) -> str:
    """The changes, a line each."""
    lines: list[str] = []
    for question in comparison.questions:
        lines.append(plain(question_line(question)))
        lines += [f"  {change_words(one, plain)}" for one in question.changes]
        lines += [f"  {line}" for line in unchanged_lines(question, plain)]
    for source in comparison.changed_sources:
        mark = f"[{source.number}]"
        lines.append(source_line(mark, harmless(source.url), harmless(source.title or "")))
    return "\n".join(lines) or NOTHING


def comparison_markdown(comparison: SessionComparison) -> str:
    """The changes as a document; it ends with a newline."""
    lines = ["# What has changed", "", UNVERIFIED]
    for question in comparison.questions:
        lines += ["", f"## {unmarked_line(question_line(question))}", ""]
        lines += [f"- {change_words(one, unmarked_line, '**{}**')}" for one in question.changes]
        lines += [f"- {line}" for line in unchanged_lines(question, unmarked_line)]
    if not comparison.questions:
        lines += ["", NOTHING]
    if comparison.changed_sources:
        lines += ["", "## Sources", ""]
    for source in comparison.changed_sources:
        lines.append(source_markdown(f"[{source.number}]", source.url, source.title))
    return "\n".join(lines) + "\n"


# --- words that all forms share ------------------------------------------------------------------


def plain(text: str) -> str:
    """A text of the web on one line."""
    return without_marks(harmless(text))


def question_line(question: QuestionComparison) -> str:
    """The question, and whether only one session has asked it."""
    where = {"before": " (not asked any more)", "after": " (asked for the first time)"}
    return cut(question.question, _QUESTION_CHARS) + where.get(question.asked, "")


def change_words(change: FieldComparison, show: _Show, name: str = "{}") -> str:
    """A change in one line.

    Args:
        change: A field that is new, gone or changed.
        show: Makes a text of the web harmless.
        name: How a field's name is written.
    """
    what = f"{change.change}: {name.format(show(change.field))}"
    if change.added or change.removed:
        parts = [
            *_elements("added", change.added, show),
            *_elements("removed", change.removed, show),
        ]
        marks = (marks_of(change.before), marks_of(change.after))
        return f"{what}: {'; '.join(parts)} ({' → '.join(filter(None, marks)) or 'no sources'})"
    sides = [value_words(one, show) for one in (change.before, change.after) if one is not None]
    return f"{what}: {' → '.join(sides)}"


def _elements(how: str, elements: Sequence[Any], show: _Show) -> Iterator[str]:
    shown, more = elements_of(elements)
    if shown:
        yield f"{how} {', '.join(map(show, shown))}" + (f" and {more:,} more" if more else "")


def elements_of(elements: Sequence[Any]) -> tuple[list[str], int]:
    """The first elements as texts, and how many more there are."""
    shown = [value_text(one) for one in elements[:_ELEMENTS]]
    return shown, len(elements) - len(shown)


def value_words(value: ComparedValue, show: _Show) -> str:
    """A value with its confidence and the marks of its sources."""
    notes = [show(value.confidence)] if value.confidence else []
    notes += [] if value.agrees else ["contradicted within its session"]
    marks = marks_of(value)
    more = f" ({', '.join(notes)})" if notes else ""
    return show(value_text(value.value)) + more + (f" {marks}" if marks else "")


def value_text(value: object) -> str:
    """A value as text, cut: of an object or a list what is in it, if that is flat; else JSON."""
    if isinstance(value, dict) and value and not any(map(_is_nested, value.values())):
        parts = (f"{name}: {_flat_text(part)}" for name, part in value.items())
        return cut(", ".join(parts), _VALUE_CHARS)
    if isinstance(value, list) and value and not any(map(_is_nested, value)):
        return cut(", ".join(map(_flat_text, value)), _VALUE_CHARS)
    return cut(_flat_text(value), _VALUE_CHARS)


def _is_nested(value: object) -> bool:
    return isinstance(value, dict | list)


def _flat_text(value: object) -> str:
    return value if isinstance(value, str) else compact_json(value)


def marks_of(value: ComparedValue | None) -> str:
    """The marks of a value's sources."""
    return "".join(f"[{number}]" for number in value.citations) if value else ""


def unchanged_lines(question: QuestionComparison, show: _Show) -> Iterator[str]:
    """How many fields have not changed, and which of them have other evidence now."""
    if question.asked != "both":
        return
    same = [one for one in question.fields if one.change == "same"]
    reworded = [one for one in question.fields if one.change == "reworded"]
    if not question.changes:
        yield NOTHING
    if same:
        yield f"{count(len(same), 'field is', 'fields are')} the same."
    if reworded:
        names = ", ".join(show(one.field) for one in reworded[:_ELEMENTS])
        yield f"In other words, or more or less exact: {names}."
    for how, fields in _other_evidence([*same, *reworded]):
        yield f"{how}: {', '.join(show(one.field) for one in fields[:_ELEMENTS])}."


def _other_evidence(
    fields: Iterable[FieldComparison],
) -> Iterator[tuple[str, list[FieldComparison]]]:
    more: list[FieldComparison] = []
    less: list[FieldComparison] = []
    for one in fields:
        if one.before and one.after and one.before.confidence and one.after.confidence:
            before, after = rank(one.before.confidence), rank(one.after.confidence)
            if before != after:
                (more if after > before else less).append(one)
    yield from (
        (how, found)
        for how, found in (("Better supported now", more), ("Less supported now", less))
        if found
    )
