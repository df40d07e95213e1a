"""What no sentence of the package may hold, whatever figures are put into it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_FAULTS = {
    "one of many": r"(?<![\d.,$#-])1 (?!(?:s|is|was|has|always|less|this|as|costs|stays)\b)[a-z]+s\b(?! of)",
    "many of one": r"(?<![\d.,])(?:0|[2-9]|\d{2,}) (?:run|turn|source|page|thread|finding|question)\b",
    "a choice left to the reader": r"(?<!http)\((?:s|es|ies)\)(?!\w)",
    "a word of Python or JSON": r"(?<![\w'\"])(?<!\bor )(?:None|null|NaN|nan|inf|True|False)(?![\w'\"])",
    "nothing, as code": r"`none`|``",
    "money of another form": r"\$-?(?!\d{1,3}(?:,\d{3})*\.\d{2,6}(?!\d))[\d.]",
    "money with zeros at its end": r"\$[\d,]+\.\d{2,}0(?!\d)(?<!\.\d0)(?<!\.00)",
    "a time without a zone": r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?![\d:.]*(?:Z|[+-]\d))",
    "an empty place": r"  | \.(?:\s|$)| ,|\(\)|: *\.(?:\s|$)",
}


def faults(text: str) -> Iterator[str]:
    """What is wrong with the sentences of a text, line by line; code blocks are others' words."""
    for line in text.splitlines():
        if line.startswith("    "):
            continue
        words = re.sub(r"`[^`]+`", "`code`", line)
        for name, pattern in _FAULTS.items():
            if found := re.search(pattern, line if "`" in pattern else words):
                yield f"{name}: {found[0]!r} in {line!r}"


def outside_fences(text: str) -> str:
    """What a model reads of ours; what stands between the tags was written elsewhere."""
    lines, inside = [], False
    for line in text.splitlines():
        inside = (inside or line.startswith("<research_output")) and "</research_output" not in line
        if not inside and not line.startswith("</research_output"):
            lines.append(line)
    return "\n".join(lines)


def sentences_of(request: Any) -> Iterator[str]:
    """All sentences in what a person is asked."""
    for action in request.get("action_requests", ()):
        yield action["description"]
    yield from request.get("reasons", ())
    yield from request.get("refused", ())
