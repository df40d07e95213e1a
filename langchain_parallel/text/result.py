"""A result as the text a language model reads.

Rule: nothing the web wrote gets out of the fence, and what is left out is named. Research output is
untrusted, so all of it is between tags that it cannot close; what this package itself says (what was cut, the
ids) follows after them. What a cap leaves out is counted, with the way to get it.

What costs tokens and helps no reader stays in the artifact: excerpts, reasoning, quotes and braces
of the outermost JSON object, repeated urls.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from .._core.plain_text import CUT_HERE, clean, count, cut, one_line
from ..evidence import (
    TEXT_FIELD,
    Evidence,
    evidence_of,
    is_hollow,
    is_low,
    numbers_by_field,
    parts,
    uncited_fields,
)
from ..models import TaskRun, TaskRunResult
from .layout import count_within, shares
from .own_marks import json_told_apart, name_told_apart, source_line, told_apart, without_marks
from .untrusted import compact_json, fence

DEFAULT_MAX_CHARS = 24_000
"""Characters. About 6,000 tokens: twice what a report of 20 fields with 60 sources needs, and 3 %
of a context window of 200,000 tokens, so that an agent can afford a few dozen calls."""
MIN_CHARS = 1_000
"""Characters. The least cap there is: fence, cut line and ids of up to 100 characters each fit."""

_REMARK_CHARS = 300
_LEAST_ROW_CHARS = 80
_CUT_LINE_CHARS = 220  # the longest cut line without its run id, for numbers below a billion
_HEADING = "Citations:\n"


def render(
    result: TaskRunResult,
    *,
    max_chars: int | None = DEFAULT_MAX_CHARS,
    citations: list[dict[str, Any]] | None = None,
) -> str:
    """The result as a model should read it: answer, weak points, sources, remarks, ids.

    Under a cap the citations give way first, from the end, so that an answer that fits is whole. One
    that does not is cut, too, the longest fields before the short ones, down to half of the room; then
    the notes on confidence, warnings and MCP errors. A line says what was left out. The ids come last
    and are always whole.

    Args:
        result: The run's.
        max_chars: The most characters to return; None for no cap. Less than `MIN_CHARS` counts as
            `MIN_CHARS`: the run is paid for, so this never refuses.
        citations: The answer's, with other numbers.
    """
    evidence = evidence_of(result, cited=citations)
    notes = [*evidence_notes(evidence), *remarks(result)]
    room = None
    if max_chars is not None:
        frame = len(_assemble(AnswerText("x", "", ()), result.run)) - 1
        room = max(max_chars, MIN_CHARS) - frame
    line = _CUT_LINE_CHARS + len(one_line(result.run.run_id))
    rows, sources = answer_rows(evidence), evidence["citations"]
    return _assemble(
        fit_rows(rows, _join(notes), sources, _source_line, room, left_free=line), result.run
    )


def _assemble(text: AnswerText, run: TaskRun) -> str:
    run_id, interaction_id = one_line(run.run_id), one_line(run.interaction_id or "")
    lines = [fence(str(text), "Research result.")]
    if text.left_out:
        what = ", ".join(text.left_out)
        lines.append(f"[cut here] Left out: {what}; fetch the whole result by run id {run_id}")
    follow_up = (
        f"{interaction_id} (to follow up, pass it as previous_interaction_id)"
        if interaction_id
        else "none (this run cannot be followed up)"
    )
    return "\n".join([*lines, f"interaction_id: {follow_up}", f"run_id: {run_id}"])


def remarks(result: TaskRunResult) -> Iterator[str]:
    """The warnings and the failed MCP calls, a line each, equal ones once."""
    yield from _tally([f"Warning: {warning}" for warning in result.run.warnings or ()])
    yield from failed_calls(result)


def failed_calls(result: TaskRunResult) -> list[str]:
    """The failed MCP calls, a line each, equal ones once."""
    calls = [call for call in result.output.mcp_tool_calls or () if call.error]
    return _tally([f"MCP tool error: {c.server_name}/{c.tool_name}: {c.error}" for c in calls])


def paid_calls(result: TaskRunResult, connectors: Collection[str]) -> list[str]:
    """What was billed on top of the run: the successful calls of these data connectors, a line each."""
    calls = [c.server_name for c in result.output.mcp_tool_calls or () if not c.error]
    used = [name for name in dict.fromkeys(connectors) if name in calls]
    return [
        f"cost_usd is a lower bound: {count(calls.count(name), 'call')} of {name}, billed on top at "
        "its provider's price."
        for name in used
    ]


def _tally(lines: Iterable[str]) -> list[str]:
    counts = Counter(without_marks(one_line(line, _REMARK_CHARS)) for line in lines)
    return [line if times == 1 else f"{line} ({times} times)" for line, times in counts.items()]


# --- notes on the evidence -----------------------------------------------------------------------


def weak_points(evidence: Evidence) -> Iterator[str]:
    """The fields that a reader must not rely on. The only place of this note, for models and people."""
    low = [
        one_line(field) + ("" if word == "low" else f" ({word})")
        for field, word in evidence["confidence"].items()
        if is_low(word)
    ]
    if low:
        yield without_marks(f"Low confidence: {', '.join(low)}")
    if is_hollow(evidence["content"]):
        yield "Empty answer"
    if uncited := uncited_fields(evidence):
        yield without_marks("No citations: " + ", ".join(map(one_line, uncited)))


def evidence_notes(evidence: Evidence) -> Iterator[str]:
    """The weak points, then the confidence of the other fields, counted."""
    yield from weak_points(evidence)
    words = evidence["confidence"]
    fields = dict.fromkeys([*words, *numbers_by_field(evidence["citations"])])
    counts = Counter(words.get(field, "not given") for field in fields)
    rest = {word: n for word, n in counts.most_common() if not is_low(word)}
    if rest and words:
        otherwise = " otherwise" if len(rest) < len(counts) else ""
        levels = ", ".join(f"{n} {word}" for word, n in rest.items())
        yield without_marks(f"Confidence{otherwise}: {levels}")


# --- the answer, field by field ------------------------------------------------------------------


class Row(NamedTuple):
    """A field of an answer as text, and the marks of its citations as ` [1][2]`."""

    path: str
    body: str
    marks: str = ""

    def __str__(self) -> str:
        return self.body + self.marks


def _value(value: object) -> str:
    """Text as it is, anything else as JSON on one line."""
    if isinstance(value, str) and value.strip():
        return told_apart(clean(value))
    return json_told_apart(clean(compact_json(value)).replace("\n", "\\n"))


def _name(path: str) -> str:
    return name_told_apart(one_line(path))


def answer_rows(
    evidence: Evidence,
    *,
    mark: Callable[[Any], str] = "[{}]".format,
    name: Callable[[str], str] = _name,
    show: Callable[[object], str] = _value,
) -> list[Row]:
    """The answer, field by field. A text answer gets no marks: all its citations are the text's.

    Args:
        evidence: The answer's.
        mark: Writes a citation's number.
        name: Writes a field's name.
        show: Writes a value.
    """
    content, rows = evidence["content"], []
    numbers = numbers_by_field(evidence["citations"])
    marks = {path: " " + "".join(map(mark, found)) for path, found in numbers.items()}
    for path, value, is_heading in parts(content, numbers):
        own = marks.get(path, "")
        if path == TEXT_FIELD and not isinstance(content, dict):
            rows.append(Row(path, show(value)))
        elif is_heading:
            rows.append(Row(path, name(path) + ("" if value is None else ":"), own))
        else:  # indented, so that no line of a value looks like a field
            text = show(value).replace("\n", "\n  ")
            rows.append(Row(path, f"{name(path)}: {text}", own))
    return rows


# --- the answer under a cap ----------------------------------------------------------------------


class AnswerText(NamedTuple):
    """An answer with its evidence, and what was left out of it. Untrusted: it goes inside a fence."""

    answer: str
    notes: str
    citations: Sequence[str]
    left_out: Sequence[str] = ()
    """Such as `3 of 40 citations`."""

    def __str__(self) -> str:
        sources = f"{_HEADING}{_join(self.citations)}" if self.citations else ""
        return _join(filter(None, [self.answer, self.notes, sources]))


def answer_text(evidence: Evidence, notes: Iterable[str], room: int | None = None) -> AnswerText:
    """An answer field by field, then the notes, then its citations.

    Args:
        evidence: The answer's.
        notes: Lines about it.
        room: Characters for all of it, line breaks included; None for no cap.
    """
    return fit_rows(answer_rows(evidence), _join(notes), evidence["citations"], _source_line, room)


def _source_line(source: Mapping[str, Any]) -> str:
    mark, title = f"[{source['number']}]", one_line(source["title"] or "")
    return source_line(mark, one_line(source["url"]), title)


def fit_rows(
    rows: list[Row],
    notes: str,
    sources: Sequence[Mapping[str, Any]],
    write: Callable[[Mapping[str, Any]], str],
    room: int | None,
    *,
    left_free: int = 0,
) -> AnswerText:
    """Fields, notes and citations in `room` characters, line breaks and cut marks included. Notes have a
    quarter; an answer that fits into the rest is whole, and one that does not has half of it at least.

    Args:
        rows: The fields.
        notes: About the answer.
        sources: The citations.
        write: Makes a line of one. No more of them are written than may fit: an answer can have thousands.
        room: Characters; None for no cap.
        left_free: Characters of these that are not used where something is left out.
    """
    answer_text, lines, rest = _join(rows), list[str](), map(write, sources)
    if room is None:
        return AnswerText(answer_text, notes, [*rest])
    answer = len(answer_text) + 1
    cited = len(_HEADING) + _take(lines, rest, room - answer)
    whole = AnswerText(answer_text, notes, lines)
    if len(lines) == len(sources) and len(str(whole)) <= room:
        return whole
    room -= left_free
    kept_notes = cut(notes, max(room // 4, room - answer - cited) - 1, CUT_HERE)
    room -= len(kept_notes) + 1
    # Whole if it fits; by what it is too long, it gives way to the citations by as much again.
    answer_room = min(answer, max(room // 2, 2 * room - answer))
    for_lines = room - answer_room - len(_HEADING)
    _take(lines, rest, for_lines)
    kept_lines = lines[: count_within(lines, for_lines)]
    room -= len(_HEADING) + sum(len(line) + 1 for line in kept_lines)
    kept_answer, lost = _fit_rows(rows, room - 1)
    left_out = (
        (lost, answer - 1, "character", " of the answer"),
        (len(sources) - len(kept_lines), len(sources), "citation", ""),
        (_count_lost(notes, kept_notes), len(notes), "character", " of the notes"),
    )
    counts = [f"{part:,} of {count(of, one)}{where}" for part, of, one, where in left_out if part]
    return AnswerText(kept_answer, kept_notes, kept_lines, counts)


def _take(lines: list[str], rest: Iterator[str], room: int) -> int:
    """Move lines from the rest to these until they have more than `room` characters; how many they have."""
    taken = sum(len(line) + 1 for line in lines)
    while taken <= room and (line := next(rest, None)) is not None:
        lines.append(line)
        taken += len(line) + 1
    return taken


def _fit_rows(rows: list[Row], room: int) -> tuple[str, int]:
    """The rows in `room` characters, the longest cut first; and how many characters were cut."""
    whole = _join(rows)
    if len(whole) <= room:
        return whole, 0
    rooms = shares([len(str(row)) for row in rows], room - len(rows))
    if max(rooms) < _LEAST_ROW_CHARS:
        kept = cut(whole, room, CUT_HERE)
        return kept, _count_lost(whole, kept)
    fitted = [
        row._replace(body=cut(row.body, most - len(row.marks), CUT_HERE))
        for row, most in zip(rows, rooms, strict=True)
    ]
    lost = sum(_count_lost(row.body, kept.body) for row, kept in zip(rows, fitted, strict=True))
    return _join(fitted), lost


def _count_lost(whole: str, kept: str) -> int:
    """Characters that a cut text has lost."""
    return 0 if kept == whole else len(whole) - len(kept.removesuffix(CUT_HERE))


def _join(lines: Iterable[object]) -> str:
    return "\n".join(map(str, lines))
