"""Two sessions compared, or one question asked twice: what is new, gone and changed, field by field.

Rule: it compares what the sessions have found (`findings`), so a value that a follow-up did not repeat is not
gone, and values that differ in form alone have not changed. Where nobody can tell, as with a text in other
words, nothing has changed, and it is said.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from .._core.plain_text import count
from .._graph.recollections import Recollection, same_words
from ..errors import InvalidRequest
from ..evidence import NO_ANSWERS, is_hollow
from ..findings import Finding, Findings, find_findings
from ..findings.question_turns import turns_in
from ..findings.sameness import form_of, relation
from .comparison_html import comparison_html
from .comparison_text import comparison_markdown, comparison_text
from .quotes import own_question

if TYPE_CHECKING:
    from ..research.state import Turn

Change: TypeAlias = Literal["new", "gone", "changed", "reworded", "same"]
"""`reworded`: in other words, more or less exact, or nobody can tell whether it has changed."""
_NEWS: tuple[Change, ...] = ("new", "gone", "changed")
_PAIRED = 60
"""Most elements of two lists that are compared one by one."""


@dataclass(frozen=True, slots=True)
class ComparedValue:
    """A field's best-supported value in one of the sessions."""

    value: Any
    """Untrusted."""
    confidence: str | None
    citations: tuple[int, ...]
    """Numbers of `SessionComparison.sources`."""
    run_id: str
    agrees: bool
    """False: that session itself has found values that contradict it."""


@dataclass(frozen=True, slots=True)
class FieldComparison:
    """A field in both sessions."""

    field: str
    change: Change
    before: ComparedValue | None
    """None where nothing was found."""
    after: ComparedValue | None
    added: tuple[Any, ...] = ()
    """Of a list: its new elements."""
    removed: tuple[Any, ...] = ()
    """Of a list: the elements that are gone."""


@dataclass(frozen=True, slots=True)
class QuestionComparison:
    """A question in both sessions."""

    question: str
    asked: Literal["both", "before", "after"]
    """Where. One that was asked in one session only has fields that are all new, or all gone."""
    fields: tuple[FieldComparison, ...]

    @property
    def changes(self) -> tuple[FieldComparison, ...]:
        """The fields that are new, gone or changed."""
        return tuple(one for one in self.fields if one.change in _NEWS)


@dataclass(frozen=True, slots=True)
class ComparedSource:
    """An address that one of the sessions cites. Untrusted."""

    number: int
    url: str
    title: str | None


@dataclass(frozen=True, slots=True, repr=False)
class SessionComparison:
    """What two sessions have found, side by side. Make it with `SessionComparison.of`."""

    questions: tuple[QuestionComparison, ...]
    sources: tuple[ComparedSource, ...]
    """All that are cited, each with one number for both sessions."""

    @classmethod
    def of(cls, before: Compared, after: Compared) -> SessionComparison:
        """Compare what was found of the questions that both have asked, in the same words.

        Linear in the number of turns. Nothing is sent.

        Args:
            before: A graph's state or output, a list of turns, a `Recollection`, or what `find_findings` has
                found of one question, so that one which a session has asked twice is compared with itself.
            after: The later one.

        Raises:
            InvalidRequest: One of them is something else.
        """
        earlier, later = _by_question(before), _by_question(after)
        sources = _Sources([*earlier.values(), *later.values()])
        names = dict.fromkeys([*later, *earlier])
        compared = (
            _compare_question(earlier.get(name), later.get(name), sources) for name in names
        )
        questions = tuple(one for one in compared if one.fields or one.asked == "both")
        return cls(questions, tuple(sources.all))

    @property
    def has_changed(self) -> bool:
        """Whether anything is new, gone or changed."""
        return any(question.changes for question in self.questions)

    @property
    def changed_sources(self) -> tuple[ComparedSource, ...]:
        """The sources of what is new, gone or changed."""
        changes = (change for question in self.questions for change in question.changes)
        sides = (side for one in changes for side in (one.before, one.after) if side)
        cited = {number for side in sides for number in side.citations}
        return tuple(source for source in self.sources if source.number in cited)

    def __repr__(self) -> str:
        changes = Counter(one.change for question in self.questions for one in question.fields)
        told = [f"{changes[change]} {change}" for change in _NEWS if changes[change]]
        parts = [count(len(self.questions), "question"), *(told or ["nothing has changed"])]
        return f"<SessionComparison: {', '.join([*parts, count(len(self.sources), 'source')])}>"

    def to_text(self) -> str:
        """The changes, a line each, for a terminal or a message."""
        return comparison_text(self)

    def to_markdown(self) -> str:
        """The changes as a document. No text of the web shapes it; its links are the sources'."""
        return comparison_markdown(self)

    def to_html(self) -> str:
        """The changes as one page to open: no script, no request, every text of the web escaped."""
        return comparison_html(self)

    def to_json(self) -> str:
        """All of it, unchanged fields included, as JSON in ASCII."""
        return json.dumps({"has_changed": self.has_changed, **asdict(self)}, indent=1, default=str)


Compared: TypeAlias = "Mapping[str, Any] | Iterable[Turn]"
"""What can be compared."""
_Question: TypeAlias = tuple[str, int]
"""The words of a question, and how often they were asked before."""


def _by_question(given: object) -> dict[_Question, Findings]:
    """The findings of each question, those of branches about something else included."""
    times: Counter[str] = Counter()
    found: dict[_Question, Findings] = {}
    for findings in _flat(_findings(given)):
        words = same_words(own_question(findings["question"]))
        found[words, times[words]] = findings
        times[words] += 1
    return found


def _flat(findings: Iterable[Findings]) -> Iterator[Findings]:
    for one in findings:
        yield one
        yield from _flat(one["beside"])


def _findings(given: object) -> list[Findings]:
    if isinstance(given, Mapping) and {"fields", "beside", "sources"} <= given.keys():
        return [cast(Findings, given)]
    if isinstance(given, Mapping) and Recollection.__annotations__.keys() <= given.keys():
        return find_findings([{**given, "content": given["answer"]}])
    turns = turns_in(given)
    if not all("question" in turn for turn in turns):
        raise InvalidRequest(
            ["Among the turns is something without a question."],
            hint="Give a graph's output, `graph.get_state(config).values`, a list of turns, or findings.",
        )
    return find_findings(turns)


# --- a question ----------------------------------------------------------------------------------


class _Sources:
    """One number for one address, in both sessions; only what is cited has one."""

    def __init__(self, findings: Sequence[Findings]) -> None:
        self._titles: dict[str, str | None] = {}
        self._urls: dict[int, dict[int, str]] = {}
        for one in findings:
            self._urls[id(one)] = {source["number"]: source["url"] for source in one["sources"]}
            for source in one["sources"]:
                self._titles[source["url"]] = self._titles.get(source["url"]) or source["title"]
        self._numbers: dict[str, int] = {}

    def numbers(self, findings: Findings, cited: Iterable[int]) -> tuple[int, ...]:
        """The numbers of what these findings cite under numbers of their own."""
        urls = self._urls[id(findings)]
        found = (urls[number] for number in cited if number in urls)
        return tuple(self._numbers.setdefault(url, len(self._numbers) + 1) for url in found)

    @property
    def all(self) -> Iterator[ComparedSource]:
        """Those that have a number."""
        for url, number in self._numbers.items():
            yield ComparedSource(number, url, self._titles[url])


def _compare_question(
    before: Findings | None, after: Findings | None, sources: _Sources
) -> QuestionComparison:
    known = after or before
    assert known is not None
    names = dict.fromkeys([*(after or known)["fields"], *(before or known)["fields"]])
    sides = ((name, _side(before, name, sources), _side(after, name, sources)) for name in names)
    fields = tuple(_compare(*side) for side in sides if side[1] or side[2])
    asked: Literal["both", "before", "after"] = (
        "both" if before and after else "after" if after else "before"
    )
    return QuestionComparison(own_question(known["question"]), asked, fields)


def _side(findings: Findings | None, name: str, sources: _Sources) -> ComparedValue | None:
    finding: Finding | None = findings["fields"].get(name) if findings else None
    if findings is None or finding is None or is_hollow(finding["value"], NO_ANSWERS):
        return None
    return ComparedValue(
        finding["value"],
        finding["confidence"],
        sources.numbers(findings, finding["citations"]),
        finding["run_id"],
        finding["agrees"],
    )


def _compare(
    field: str, before: ComparedValue | None, after: ComparedValue | None
) -> FieldComparison:
    if before is None or after is None:
        return FieldComparison(field, "new" if before is None else "gone", before, after)
    added, removed = tuple[Any, ...](), tuple[Any, ...]()
    if isinstance(before.value, list) and isinstance(after.value, list):
        added, removed = differing_elements(before.value, after.value)
        how: Change = "changed" if added or removed else "reworded"
    else:
        different = relation(form_of(before.value), form_of(after.value)) == "different"
        how = "changed" if different else "reworded"
    if relation(form_of(before.value), form_of(after.value)) == "same":
        how = "same"
    return FieldComparison(field, how, before, after, added, removed)


def differing_elements(
    before: Sequence[Any], after: Sequence[Any]
) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """What a list has that the other one has not: what is new, and what is gone. The order counts nothing,
    nor do elements that hold nothing.
    """
    added, removed = _without(after, before), _without(before, after)
    if not added or not removed or max(len(added), len(removed)) > _PAIRED:
        return tuple(added), tuple(removed)
    left = [(one, form_of(one)) for one in added]
    gone: list[Any] = []
    for one in removed:  # those in other words are the same element
        form = form_of(one)
        at = next(
            (n for n, (_, other) in enumerate(left) if relation(form, other) != "different"), None
        )
        if at is None:
            gone.append(one)
        else:
            del left[at]
    return tuple(one for one, _ in left), tuple(gone)


def _without(values: Sequence[Any], others: Sequence[Any]) -> list[Any]:
    """The values that are not among the others, each as often as it is missing there."""
    there: Counter[Hashable] = Counter(form_of(one).key for one in others)
    left: list[Any] = []
    for one in values:
        key = form_of(one).key
        if there[key] > 0:
            there[key] -= 1
        elif not is_hollow(one, NO_ANSWERS):
            left.append(one)
    return left
