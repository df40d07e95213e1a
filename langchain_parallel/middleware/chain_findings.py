"""What a chain of follow-ups has found where its last answer alone would hide it.

Rule: an answer is shown as it came. Before it stand the values of its fields that an earlier answer of its
chain has, and this one has not or supports less; and values that contradict each other, each with its handle
and sources. Fields that a follow-up did not speak of are not repeated: the model has read them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..findings import Findings, FoundValue, find_findings
from ..findings.sameness import form_of, relation
from ..findings.support import field_name, values_of
from ..text.own_marks import Number, json_told_apart, name_told_apart, told_apart, without_marks
from ..text.untrusted import compact_json, harmless
from .agent_state import AgentTurn, Research
from .names import Names

_VALUE_CHARS = 300
_LINES = 20
_VALUES = 4
"""Contradicting values of a field."""


def chain_lines(record: AgentTurn, research: Research, names: Names) -> list[str]:
    """Lines for the fence; none where the record's own answer says it all. Linear in the chain's length."""
    chain = chain_of(record, research)
    findings = _findings(chain)
    if findings is None:
        return []
    numbers = {s["url"]: s["number"] for one in chain for s in one["citations"]}
    shown = _Shown(chain, findings, numbers, names)
    lines = list(shown.lines(record))
    more = len(lines) - _LINES
    return [*lines[:_LINES], *([f"And {more:,} more such fields."] if more > 0 else [])]


def chain_of(record: AgentTurn, research: Research) -> list[AgentTurn]:
    """The records that one builds on, the first one first, and itself."""
    chain, seen = [record], {record["handle"]}
    while (parent := research.get(chain[-1].get("parent_handle") or "")) is not None:
        if parent["handle"] in seen:  # a state that somebody wrote
            break
        seen.add(parent["handle"])
        chain.append(parent)
    return chain[::-1]


def _findings(chain: list[AgentTurn]) -> Findings | None:
    """What the chain has found of what its last record is about."""
    if len(chain) == 1:
        return None
    turns = [
        {**one, "position": nth, "round": nth, "asked_by": "person" if nth else "caller"}
        for nth, one in enumerate(chain)
    ]
    (findings,) = find_findings(turns)
    last = len(chain) - 1
    return next((one for one in findings["beside"] if last in one["turns"]), findings)


class _Shown:
    def __init__(
        self,
        chain: list[AgentTurn],
        findings: Findings,
        numbers: Mapping[str, Number],
        names: Names,
    ) -> None:
        self._chain, self._findings, self._names = chain, findings, names
        self._marks = {s["number"]: names.mark(numbers[s["url"]]) for s in findings["sources"]}

    def lines(self, record: AgentTurn) -> Iterator[str]:
        """What the chain has found beside this record, which is its last one."""
        last = len(self._chain) - 1
        for said in values_of(record, last):
            finding = self._findings["fields"].get(field_name(said.path))
            if finding is None or (finding["agrees"] and last in finding["supported_by"]):
                continue
            name = name_told_apart(harmless(field_name(said.path)))
            if said.is_hollow:
                if finding["turn"] != last:
                    yield f"Found before: {name}: {self._value(finding)}"
                continue
            if not said.path:  # a text answers its own question, which is another one
                continue
            values: list[FoundValue] = [finding, *finding["others"]]
            against = [
                one for one in values if relation(said.form, form_of(one["value"])) == "different"
            ]
            if against:
                both = "; ".join(map(self._value, against[:_VALUES]))
                yield f"Contradicts an earlier answer: {name}: there {both}"
            elif last not in finding["supported_by"] and not said.form.is_prose:
                yield f"Better supported before: {name}: {self._value(finding)}"

    def _value(self, found: FoundValue) -> str:
        value: Any = found["value"]
        text = told_apart(harmless(value, _VALUE_CHARS)) if isinstance(value, str) else ""
        text = text or json_told_apart(harmless(compact_json(value), _VALUE_CHARS))
        marks = "".join(self._marks[number] for number in found["citations"])
        word = (
            f", {without_marks(harmless(found['confidence'], 20))}" if found["confidence"] else ""
        )
        return f"{text} {marks}".rstrip() + f" ({self._chain[found['turn']]['handle']}{word})"
