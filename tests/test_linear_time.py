"""No text from outside takes more than linear time, whoever made it long.

Every pattern of the package is timed on texts made from the pattern itself, at two lengths: the ratio says
whether the time grows with the square. Processor time, the least of several, so that a busy machine is no
failure.
"""

from __future__ import annotations

import ast
import importlib
import itertools
import pkgutil
import re
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import langchain_parallel
from langchain_parallel.findings import find_findings
from langchain_parallel.models import TaskRunResult
from langchain_parallel.research.evaluation.prompt import session_text
from langchain_parallel.sessions import (
    InteractionTree,
    SessionComparison,
    SessionReport,
    with_findings,
)
from langchain_parallel.text.own_marks import json_told_apart, told_apart
from langchain_parallel.text.result import render
from langchain_parallel.text.untrusted import fence, harmless

from .cut import is_exhaustive
from .sessions.building import cite, turn

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    try:
        import re._parser as sre  # type: ignore[import-not-found]
    except ImportError:  # before Python 3.11
        import sre_parse as sre

LENGTH, TIMES = 1_500, 6
"""Characters of the shorter text, and how much longer the other is."""
LIMIT = 2.5 * TIMES
"""Linear time grows by `TIMES`, quadratic by its square."""
NOTICED = 0.003
"""Seconds. Below this the longer text costs nothing, however it grows; quadratic time is far above."""
ROOT = Path(langchain_parallel.__file__).parent


def _modules() -> Iterator[Any]:
    for found in pkgutil.walk_packages([str(ROOT)], "langchain_parallel."):
        if not found.name.endswith("__main__"):
            try:
                yield importlib.import_module(found.name)
            except ModuleNotFoundError as error:  # of an extra that the oldest versions go without
                if "langchain-parallel[mcp]" not in str(error):
                    raise


def _patterns() -> dict[str, re.Pattern[str]]:
    """Every compiled pattern in a module's variables, and in a tuple or list of them."""
    found: dict[str, re.Pattern[str]] = {}
    for module in _modules():
        for name, value in vars(module).items():
            for index, each in enumerate(_flat(value)):
                if isinstance(each, re.Pattern):
                    found.setdefault(each.pattern, each)
                    assert isinstance(each.pattern, str), f"{module.__name__}.{name}[{index}]"
    for pattern in _written():
        found.setdefault(pattern, re.compile(pattern))
    return found


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, tuple | list):
        for each in value:
            yield from _flat(each)
    else:
        yield value


def _written() -> Iterator[str]:
    """Patterns that are written where they are used: `re.sub("…", …)`."""
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id == "re"
                and node.args
                and isinstance(node.args[0], ast.Constant)
                and isinstance(node.args[0].value, str)
            ):
                yield node.args[0].value


def _sample(items: Any, times: int = 1) -> str:
    """A text that this part of a pattern matches."""
    return "".join(_sample_one(op, value, times) for op, value in items)


def _sample_one(op: Any, value: Any, times: int) -> str:
    name = str(op)
    if name == "LITERAL":
        return chr(value)
    if name in {"NOT_LITERAL", "ANY"}:
        return "a" if value != ord("a") else "b"
    if name == "IN":
        return _sample_set(value)
    if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
        least, most, inner = value
        return _sample(inner, times) * max(int(least), min(times, int(most)))
    if name == "SUBPATTERN":
        return _sample(value[-1], times)
    if name == "BRANCH":
        return _sample(value[1][0], times)
    return ""


def _sample_set(value: Any) -> str:
    if str(value[0][0]) == "NEGATE":
        taken = re.compile(_as_set(value[1:]))
        return next(c for c in 'a .;1_-"[(<:\n' if not taken.match(c))
    op, given = value[0]
    if str(op) == "CATEGORY":
        return {"DIGIT": "1", "SPACE": " ", "WORD": "a"}.get(str(given).rpartition("_")[2], "a")
    return chr(given[0] if isinstance(given, tuple) else given)


def _as_set(items: Any) -> str:
    parts = []
    for op, given in items:
        if str(op) == "CATEGORY":
            letter = {"DIGIT": r"\d", "SPACE": r"\s", "WORD": r"\w"}[str(given).rpartition("_")[2]]
            parts.append(letter if "NOT" not in str(given) else letter.upper())
        elif isinstance(given, tuple):
            parts.append(f"{re.escape(chr(given[0]))}-{re.escape(chr(given[1]))}")
        else:
            parts.append(re.escape(chr(given)))
    return f"[{''.join(parts)}]"


def _tops(parsed: Any) -> list[Any]:
    """The items of a pattern, with those of its groups beside each other."""
    found: list[Any] = []
    for op, value in parsed:
        found += _tops(value[-1]) if str(op) == "SUBPATTERN" else [(op, value)]
    return found


def _literals(parsed: Any) -> Iterator[str]:
    """The characters that a pattern names."""
    for op, value in parsed if isinstance(parsed, list | tuple | sre.SubPattern) else ():
        if str(op) in {"LITERAL", "NOT_LITERAL"}:
            yield chr(value)
        elif isinstance(value, list | tuple):
            for each in value:
                for inner in each if isinstance(each, list) else [each]:
                    if isinstance(inner, sre.SubPattern):
                        yield from _literals(inner)
                    elif isinstance(inner, tuple) and len(inner) == 2:
                        yield from _literals([inner])


def _pumps(pattern: re.Pattern[str]) -> list[str]:
    """Texts to repeat: what each run of the pattern's items matches, and each of its characters."""
    parsed = sre.parse(pattern.pattern, pattern.flags)
    tops = _tops(parsed)[:20]
    runs = [
        _sample(tops[i:j], times)
        for i, j in itertools.combinations(range(len(tops) + 1), 2)
        if j - i <= 9 or i == 0
        for times in (1, 2)
    ]
    named = [*_literals(parsed), *"".join(runs)]
    chars = sorted(dict.fromkeys(named), key=lambda c: (c.isalnum(), c))[:9]
    pairs = [a + b for a, b in itertools.product(chars, repeat=2)]
    return list(dict.fromkeys(filter(None, [*runs, *chars, *pairs])))


def _seconds(work: Callable[[], Any]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def _grows(
    work: Callable[[str], Any],
    text: Callable[[int], str],
    noticed: float = NOTICED,
    length: int = LENGTH,
) -> float:
    """How much longer a text takes that is `TIMES` as long; 0 where that is not noticed."""
    long = text(length * TIMES)
    slow = _seconds(lambda: work(long))
    if slow < noticed:
        return 0.0
    short = text(length)
    quick = max(1e-7, min(_seconds(lambda: work(short)) for _ in range(5)))
    if slow / quick > LIMIT:
        slow = min(slow, *(_seconds(lambda: work(long)) for _ in range(2)))
    return 0.0 if slow < noticed else slow / quick


def _uses(pattern: re.Pattern[str]) -> Iterator[Callable[[str], Any]]:
    yield lambda text: [None for _ in pattern.finditer(text)]
    yield pattern.fullmatch


def _worst(pattern: re.Pattern[str]) -> tuple[float, str]:
    """The growth of the pattern's time on the worst of its texts, and what that repeats."""
    worst = (0.0, "")
    for pump in _pumps(pattern):
        for end in ("", "\x00", "!"):
            for work in _uses(pattern):
                grown = _grows(work, lambda n, pump=pump, end=end: (pump * n)[:n] + end)  # type: ignore[misc]
                worst = max(worst, (grown, pump))
                if grown > LIMIT:
                    return worst
    return worst


PATTERNS = _patterns()


def test_the_patterns_are_found() -> None:
    assert len(PATTERNS) > 25
    assert any("research" in pattern or "r[^a-z0-9" in pattern for pattern in PATTERNS)


@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=lambda pattern: pattern.pattern[:40])
def test_a_pattern_takes_linear_time(pattern: re.Pattern[str]) -> None:
    grown, pump = _worst(pattern)
    assert grown <= LIMIT, f"{pattern.pattern!r} on {pump!r} repeated: {grown:.0f} times as long"


@pytest.mark.parametrize("bad", [r" ?\[(?:run|interaction)_id=[^\]]*\]", r'"(?:[^"\\]|\\.)*"'])
def test_a_bad_pattern_is_noticed(bad: str) -> None:
    assert _worst(re.compile(bad))[0] > LIMIT


# --- sessions of many turns -----------------------------------------------------------------------


def _branch(length: int) -> list[Any]:
    """Turns that each continue the one before, with five sources."""
    return [
        turn(
            n,
            parent_interaction_id=f"intr_{n - 1}" if n else None,
            asked_by="evaluation" if n % 5 else "caller",
            citations=[cite(s, f"https://{n}.example/{s}", "revenue") for s in range(1, 6)],
        )
        for n in range(length)
    ]


def _star(length: int) -> list[Any]:
    """Turns that all continue the first one."""
    return [turn(n, parent_interaction_id="intr_0" if n else None) for n in range(length)]


def _apart(length: int) -> list[Any]:
    """Questions that have nothing to do with each other, with ten sources each."""
    return [
        turn(n, citations=[cite(s, f"https://{n}.example/{s}", "revenue") for s in range(1, 11)])
        for n in range(length)
    ]


def test_the_findings_of_separate_questions_take_linear_time() -> None:
    few, many = _apart(200), _apart(1_200)
    quick = min(_seconds(lambda: find_findings(few)) for _ in range(2))
    slow = min(_seconds(lambda: find_findings(many)) for _ in range(2))
    assert slow <= LIMIT * max(quick, NOTICED)


VIEWS: dict[str, Callable[[list[Any]], str]] = {
    "reader": lambda turns: SessionReport.of(turns).to_markdown(),
    "reader's page": lambda turns: SessionReport.of(turns).to_html(),
    "audit": lambda turns: SessionReport.of(turns).to_markdown("audit"),
    "JSON": lambda turns: SessionReport.of(turns).to_json(),
    "tree": lambda turns: InteractionTree.of(turns).html(),
}


@pytest.mark.parametrize("form", [_branch, _star])
@pytest.mark.parametrize("view", VIEWS)
def test_a_session_takes_room_and_time_in_proportion_to_its_turns(
    view: str, form: Callable[[int], list[Any]]
) -> None:
    short, long = form(60), form(360)
    assert len(VIEWS[view](long)) < 7 * len(VIEWS[view](short))
    quick = min(_seconds(lambda: VIEWS[view](short)) for _ in range(3))
    slow = min(_seconds(lambda: VIEWS[view](long)) for _ in range(3))
    assert slow <= LIMIT * max(quick, NOTICED)


# --- whole texts on every door --------------------------------------------------------------------

PUMPS = (
    *(
        "[run_id=",
        "<",
        "[",
        "[1,",
        "\\",
        '"',
        "*",
        "[a](http://",
        " ",
        "<re",
        "ａ",
        "www.",
        "\u200d",
        "\r",
    ),
)


def _result(text: str) -> TaskRunResult:
    run = {"run_id": "trun_1", "status": "completed", "warnings": [{"message": text}]}
    return TaskRunResult.model_validate(
        {
            "run": run,
            "output": {
                "type": "json",
                "content": {"a": text, "b": [text]},
                "basis": [
                    {
                        "field": "a",
                        "confidence": text,
                        "citations": [{"url": f"https://a.example/{text}", "title": text}],
                    }
                ],
            },
        }
    )


def _session(text: str) -> list[Any]:
    long: dict[str, Any] = {
        "content": {"a": f"x{text}"},
        "warnings": [text],
        "error": text,
        "question": text or "Why?",
    }
    return [turn(**long, citations=[cite(1, f"https://a.example/{text}", "a")])]


def _compare(text: str) -> SessionComparison:
    return SessionComparison.of(_session(text), _session(f"{text} and more"))


DOORS: dict[str, Callable[[str], Any]] = {
    "harmless": harmless,
    "fenced": fence,
    "told_apart": told_apart,
    "json_told_apart": json_told_apart,
    "tool": lambda text: render(_result(text), max_chars=None),
    "tool, cut": lambda text: render(_result(text)),
    "judge": lambda text: session_text({"turns": _session(text)}, 10_000),
    "report": lambda text: SessionReport.of(_session(text)).to_markdown(),
    "audit": lambda text: SessionReport.of(_session(text)).to_markdown("audit"),
    "report page": lambda text: SessionReport.of(_session(text)).to_html(),
    "tree": lambda text: InteractionTree.of(_session(text)).text(),
    "page": lambda text: InteractionTree.of(_session(text)).html(),
    "comparison": lambda text: _compare(text).to_markdown(),
    "quote": lambda text: with_findings("Why?", _session(text)),
}


@pytest.mark.larger
@pytest.mark.parametrize("door", DOORS)
def test_a_door_takes_linear_time_for_any_text(door: str) -> None:
    # Each pump on some door, and each door with some pumps.
    first = 0 if is_exhaustive() else list(DOORS).index(door) % 3
    for pump in PUMPS[first :: 1 if is_exhaustive() else 3]:
        grown = _grows(DOORS[door], lambda n, pump=pump: (pump * n)[:n], 0.1, 5_000)  # type: ignore[misc]
        assert grown <= LIMIT, f"{door} on {pump!r} repeated: {grown:.0f} times as long"
