"""Numbers with their scale and unit in running text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

from .digit_groups import PARTS, Reading, read_digits
from .letters import has_no_spaces, level
from .number_words import read_number_words
from .scales import SCALE_PATTERN, SCALES
from .units import UNIT_BEFORE, UNIT_BEHIND, unit_of


class Quantity(NamedTuple):
    """A number in a text, with all that it may mean."""

    text: str
    """As it is written, with its unit."""
    start: int
    end: int
    readings: tuple[Reading, ...]
    units: frozenset[str] = frozenset()
    """`%`, `USD`, `km`, …; several for `$`; none where the text gives none that is known."""
    noun: str = ""
    """The word right behind it, in lower case, where that is no unit."""
    is_scaled: bool = False
    """It has a word such as `million`."""
    is_part_of_name: bool = False
    """It is joined to letters, as in GPT-4, Q3 and A320."""
    in_words: bool = False
    """It is written in words."""


_DIGITS = re.compile(
    r"\d{1,3}(?: \d{3})+(?!\d)(?:[.,]\d+)?"  # 1 234,5: or two numbers
    r"|\d{1,2}(?: \d\d)+ \d{3}(?!\d)(?:\.\d+)?"  # 12 34 567, in India
    rf"|\d+(?:[.,'_·]\d+)*{PARTS}?|{PARTS}"
)
_SCALE = re.compile(rf"[ -]?({SCALE_PATTERN})")
_UNIT = re.compile(rf"[ -]?({UNIT_BEHIND})")
_OF_DOLLARS = re.compile(r" (?:us|u\.s\.|de|d'|of)(?=\W)")
_NOUN = re.compile(
    r"[ -]?([^\W\d_](?:[^\W\d_]|[\u0900-\u0dff\u0e31-\u0e4e])+"
    r"|[人名个個家台辆輛件岁歳国社店次頭头所명개대곳회])"
)
"""A word of two letters or more, with the marks of Indian and Thai scripts; or an East Asian counter."""
_BEFORE = re.compile(rf"({UNIT_BEFORE})\s?$")
_MOST_SCALES, _MOST_BEFORE, _MOST_NUMBERS = 3, 16, 100_000
_TO = re.compile(
    r"\s?(?:-|~|to|bis|à|a|至|到|から|до|έως|ως|إلى|حتى|ל-|עד|से|tot|til|till|do|och|og|e|en|and|und|et|y|и|و)\s?"
)
_NEAR = re.compile(r"[^\n.;!?。]{1,12}")
_ORDINAL = re.compile(r"(?:st|nd|rd|th|er|e|º|ª)(?![^\W\d_])")
_MORE = re.compile(r" ?(\d[\d,.]*)")


def read_quantities(text: str, *, searched: bool = False) -> list[Quantity]:
    """The numbers of a text in its order; at most 100,000.

    A number that may be two (`1 234`) comes as one first, then as its parts.

    Args:
        text: In any script.
        searched: Find all that may be meant: also numbers in words, as `twelve`, and of a loose range.
    """
    plain = _lower(level(text))
    found = list(_with_ranges(list(_numbers(text, plain)), plain, loosely=searched))
    if searched:
        found += _in_words(text, plain)
        found.sort(key=lambda one: (one.start, -one.end))
    return found


def _lower(text: str) -> str:
    """In lower case, character by character: a few change their length."""
    lowered = text.lower()
    if len(lowered) == len(text):
        return lowered
    return "".join(low if len(low := char.lower()) == 1 else char for char in text)


def _numbers(text: str, plain: str) -> Iterator[Quantity]:
    at = count = 0
    while (found := _DIGITS.search(plain, at)) and count < _MOST_NUMBERS:
        one = _quantity(text, plain, found.start(), found.end())
        count, at = count + 1, max(one.end, found.end())
        if one.readings:
            yield one
        is_loose = " " in text[found.start() : found.end()]  # no blank that keeps a number together
        if is_loose and found[0].count(" ") == 1:  # with more, nobody would mean several
            for part in re.finditer(r"\d+(?:[.,]\d+)*", found[0]):
                start = found.start() + part.start()
                yield _quantity(text, plain, start, found.start() + part.end())


def _quantity(text: str, plain: str, start: int, end: int) -> Quantity:
    readings = read_digits(plain[start:end])
    first, end = _with_brackets(plain, start, end)
    factors, end = _scale(plain, end)
    readings = [
        Reading(one.value * factor, one.step * factor) for one in readings for factor in factors
    ]
    is_scaled = factors != (1.0,)
    if is_scaled:
        readings, end = _compound(plain, readings, factors, end)
    units, begins = frozenset[str](), start
    before = _BEFORE.search(plain[max(first - _MOST_BEFORE, 0) : first])
    if before:
        units, begins = unit_of(before[1]), first - len(before[0])
    if found := _unit_behind(plain, end):
        units, end = units or unit_of(found[1]), found.end()
    noun = "" if units else _noun(plain, end)
    return Quantity(
        text[begins:end],
        begins,
        end,
        tuple(readings),
        units,
        noun,
        is_scaled,
        not units and _is_part_of_name(plain, start, end, is_scaled=is_scaled),
    )


def _with_brackets(plain: str, start: int, end: int) -> tuple[int, int]:
    """Where `(5.2)` begins and ends, as a table writes a loss, if its scale or unit follows."""
    are_there = plain[start - 1 : start] == "(" and plain[end : end + 1] == ")"
    if are_there and (_SCALE.match(plain, end + 1) or _UNIT.match(plain, end + 1)):
        return start - 1, end + 1
    return start, end


def _scale(plain: str, end: int) -> tuple[tuple[float, ...], int]:
    """The factors of the words behind a number, and where they end."""
    factors: list[float] = [1.0]
    for _ in range(_MOST_SCALES):
        found = _SCALE.match(plain, end)
        if not found:
            break
        own = SCALES.get(found[1]) or SCALES.get(found[1].rstrip("."), ())
        if len(found[1]) == 1 and found[0][0] in " -" and found[1].isascii():
            break  # `5 m` is a length
        factors = [one * other for one, other in product(factors, own)]
        end = found.end()
    return tuple(factors), end


def _compound(
    plain: str, readings: list[Reading], factors: tuple[float, ...], end: int
) -> tuple[list[Reading], int]:
    """`1億2000万`, `3 lakh 20 thousand`: further numbers of smaller scales are added."""
    least = min(factors)
    while found := _MORE.match(plain, end):
        more, then = _scale(plain, found.end())
        is_east_asian = has_no_spaces(plain[end - 1]) or "가" <= plain[end - 1] <= "힣"
        if more == (1.0,):
            if not is_east_asian or (found[0][0] == " " and has_no_spaces(plain[end - 1])):
                break
        elif len(more) != 1 or more[0] >= least:
            break
        own = read_digits(found[1].rstrip(".,"))
        if not own or own[0].value * more[0] >= least:
            break
        readings = [
            Reading(one.value + own[0].value * more[0], own[0].step * more[0]) for one in readings
        ]
        least, end = (
            more[0],
            then if more != (1.0,) else found.start(1) + len(found[1].rstrip(".,")),
        )
        if more == (1.0,):
            break
    return readings, end


def _unit_behind(plain: str, end: int) -> re.Match[str] | None:
    found = _UNIT.match(plain, end)
    if found is None and (between := _OF_DOLLARS.match(plain, end)):
        found = _UNIT.match(plain, between.end())
    return found


def _noun(plain: str, end: int) -> str:
    found = _NOUN.match(plain, end)
    return found[1] if found else ""


def _is_part_of_name(plain: str, start: int, end: int, *, is_scaled: bool) -> bool:
    before, behind = plain[start - 1 : start], plain[end : end + 1]
    if before == "-" and start > 1 and _has_capitals(plain[start - 2]):
        return True
    if before in ("_", "#") or _has_capitals(before):
        return True
    if _ORDINAL.match(plain, end):
        return False
    return behind == "_" or (_has_capitals(behind) and not is_scaled)


def _has_capitals(char: str) -> bool:
    """Whether it is a letter of a script with capitals. Others write small words and numbers as one."""
    return char.upper() != char.lower()


def _with_ranges(found: list[Quantity], plain: str, *, loosely: bool) -> Iterator[Quantity]:
    """`10–20 million` and `5 to 7 %`: what the second number is multiplied by, the first is, too.

    Loosely, whatever word stands between them, and the first may stand for itself as well.
    """
    between = _NEAR if loosely else _TO
    for number, one in enumerate(found):
        following = found[number + 1] if number + 1 < len(found) else one
        is_near = between.fullmatch(plain, one.end, max(following.start, one.end)) is not None
        scaled = _as_in_range(one, following) if is_near else one
        if loosely and scaled is not one:
            yield one
        yield scaled


def _as_in_range(one: Quantity, following: Quantity) -> Quantity:
    """The first number of a range; as it is where it would be the greater one."""
    if one.is_scaled or not (following.units or following.is_scaled) or not following.readings:
        return one
    factor = _factor(following) if following.is_scaled else 1.0
    readings = tuple(Reading(r.value * factor, r.step * factor) for r in one.readings)
    if not readings or readings[0].value > following.readings[0].value:
        return one
    units = one.units or following.units
    return one._replace(readings=readings, units=units, noun="", is_scaled=factor != 1.0)


def _factor(quantity: Quantity) -> float:
    """What its word multiplies by, from the step of its last digit."""
    digits = re.search(rf"\d[\d.,]*{PARTS}?|{PARTS}", level(quantity.text))
    own = read_digits(digits[0].rstrip(".,")) if digits else []
    return quantity.readings[0].value / own[0].value if own and own[0].value else 1.0


def _in_words(text: str, plain: str) -> Iterator[Quantity]:
    for value, start, end, step in read_number_words(plain):
        factors, then = _scale(plain, end)
        found = _unit_behind(plain, then)
        yield Quantity(
            text[start : found.end() if found else then],
            start,
            found.end() if found else then,
            tuple(Reading(value * factor, step * factor) for factor in factors),
            unit_of(found[1]) if found else frozenset(),
            "" if found else _noun(plain, then),
            step > 1 or factors != (1.0,),
            in_words=True,
        )
