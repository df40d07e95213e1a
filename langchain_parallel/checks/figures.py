"""Numbers and dates of a claim, and whether an excerpt has them.

Rule, for what is sound:
- a number is the same in every script, with every separator, and with or without a word such as million;
- a number may be rounded to its last written digit: 1.2 million for 1,203,456, and 12 % for 12.3 %. Where
  the claim says about, over or nearly, also to the last digit that is not 0: about 1,200 for 1,203. An
  excerpt that is less exact than the claim does not have it;
- units that both texts give have to be the same; a percentage is none of anything that is counted. Signs of
  numbers do not matter: `fell 5 %` is -5 %;
- a date needs its day, month and year, in any form;
- what is calculated (a sum, a growth rate) is in no excerpt.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from .._quantities import Day, Quantity, Reading, level, read_days, read_quantities
from .._quantities.date_reader import MONTHS
from .._quantities.letters import without_marks
from .._quantities.scales import SCALES
from .._quantities.units import CURRENCIES, PERCENT, POINTS, may_be_same
from .languages import STOP_WORDS


class Figure(NamedTuple):
    """A number or a date of a claim, and where it stands."""

    text: str
    start: int
    end: int
    ways: tuple[tuple[Quantity | Day, ...], ...]
    """Each way to read it: what has to be in an excerpt, all of it."""
    bound: str = ""
    """`about`, `over` or `under`, where the claim says so."""


class _Known(NamedTuple):
    """A number in an excerpt."""

    value: float
    step: float
    units: frozenset[str]
    is_counting: bool
    """A word that is no unit stands behind it."""
    is_doubtful: bool = False
    """It is `42,448` read as 42.448, which only a claim with a fraction may mean."""


_PERCENT_WORDS = ("proc", "proz", "pros", "porc", "проц", "відс", "szazal", "yuzd", "percent")
_BOUNDS = """
about: about around approximately approx approx. roughly circa ca ca. c. some estimated ~ ≈ etwa
rund ungefähr zirka environ quelque aproximadamente alrededor_de cerca_de unos unas circa_ около
примерно порядка приблизительно ongeveer zo'n około ok. cirka ungefär περίπου حوالي نحو قرابة تقريبا
כ- בערך लगभग करीब 约 約 大约 大約 およそ 약 대략 yaklaşık kb.;
over: over more_than above exceeding at_least upwards_of > ≥ über mehr_als mindestens gut plus_de
au_moins más_de al_menos oltre più_di mais_de meer_dan gut ponad более больше свыше не_менее över
πάνω_από أكثر_من يزيد_عن מעל יותר_מ- से_अधिक 超过 超過 逾 超 넘는;
under: under less_than nearly almost below up_to as_much_as < ≤ fast knapp beinahe unter weniger_als
bis_zu près_de presque moins_de jusqu'à casi menos_de hasta quasi meno_di quase bijna почти менее до
prawie nästan σχεδόν ما_يقرب_من אל כמעט 近 将近 ほぼ 거의
"""
_BOUND_WORDS: dict[str, str] = {
    word.replace("_", " "): kind.strip()
    for kind, _, words in (row.partition(":") for row in _BOUNDS.split(";"))
    for word in words.split()
}
_LONGEST_FIRST = sorted(_BOUND_WORDS, key=len, reverse=True)
_BOUND = re.compile(
    rf"(?<![^\W_])(?<!turned )(?<!spread )({'|'.join(map(re.escape, _LONGEST_FIRST))})"
    r"\s?(?:a |an |the |de |d')?$"
)
_BEHIND_BOUNDS = re.compile(r"\s?(?:以上|超|余|余り|多|이상|以下|近く|弱|強|\+|plus\b)")
_IN_SCALE = re.compile(
    r"(?:\bin|\ben|\bin den|,|\(|单位[:：]|単位[:：]|단위[:：])\s*"
    r"(?:(?:us ?)?\$|€|£|₹|usd|eur|inr|rs\.?)?\s*"
    r"(thousands?|millions?|billions?|mio|mrd|tsd|mn|bn|lakhs?|crores?|millionen|milliarden|tausend|"
    r"milliards|milliers|miles|millones|百万|千|万|億|亿|억|백만)(?![^\W\d_])?",
)
_SHORT_YEAR = re.compile(r"(?:\bfy ?|')(\d\d)(?!\d)|(?<!\d)((?:19|20)\d\d)\s?[-/]\s?(\d\d)(?!\d)")
_YEAR_MONTH = re.compile(r"(?<![\d./-])((?:19|20)\d\d)[-/.](0[1-9]|1[0-2])(?![\d./-])")
_NAME = re.compile(r"[^\W\d_](?:[^\W\d_]|[\u0900-\u097f])+")
_POINT_WORDS = tuple(
    map(without_marks, ("poin", "punkt", "punt", "pont", "puan", "пункт", "ポイント", "포인트"))
)
_SHARE_UNITS = frozenset((PERCENT, POINTS, "‰", "bps"))
_SHARES = re.compile(r"percent|pct|share|rate|ratio|margin|growth|portion", re.IGNORECASE)
_HUNDREDTHS = frozenset(("cents", "pence", "centimes", "centavos", "céntimos", "centesimi"))
_SAME, _BELOW = 1e-9, 0.999


# --- what a claim says ---------------------------------------------------------------------------


def find_figures(text: str, skipped: Iterable[tuple[int, int]] = ()) -> list[Figure]:
    """The numbers and dates of a text in its order, without those that are a part of a name.

    Args:
        text: Without what claims nothing; see `blank_asides`.
        skipped: Beginnings and ends of parts that are judged otherwise, such as quotes.
    """
    days = [Figure(text[d.start : d.end], d.start, d.end, ((d,),)) for d in _claimed_days(text)]
    hidden = sorted([*skipped, *((day.start, day.end) for day in days)])
    groups: list[list[Quantity]] = []
    for one in read_quantities(text):
        if groups and one.start < max(part.end for part in groups[-1]):
            groups[-1].append(one)
        else:
            groups.append([one])
    free = [group for group in _outside(groups, hidden) if not group[0].is_part_of_name]
    found = [figure for group in free for figure in _figure(text, group)]
    return sorted([*days, *found], key=lambda figure: figure.start)


def figure_of_number(value: str, field: str) -> Figure:
    """A JSON number, in the scale and unit that its field's name may give it."""
    [one, *_] = read_quantities(value) or [Quantity(value, 0, len(value), ())]
    ways: list[tuple[Quantity | Day, ...]] = [(one,)]
    words = re.split(r"[\W_\d]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", field).lower())
    for word in words:
        for factor in SCALES.get(word, ()) if len(word) > 1 else ():
            scaled = tuple(Reading(r.value * factor, r.step * factor) for r in one.readings)
            ways.append((one._replace(readings=scaled, is_scaled=True),))
    if _SHARES.search(field):
        parts = tuple(Reading(r.value * 100, r.step * 100) for r in one.readings)
        ways += [(one._replace(readings=parts, units=frozenset({PERCENT})),)]
        ways += [(one._replace(units=frozenset({PERCENT})),)]
    return Figure(value, 0, len(value), tuple(ways))


def _claimed_days(text: str) -> list[Day]:
    days = read_days(text)
    taken = {at for day in days for at in range(day.start, day.end)}
    months = [m for m in _YEAR_MONTH.finditer(level(text)) if m[2].startswith("0")]
    days += [
        Day(((int(m[1]), int(m[2]), None),), *m.span()) for m in months if m.start() not in taken
    ]
    return days


def _outside(
    groups: list[list[Quantity]], hidden: list[tuple[int, int]]
) -> Iterator[list[Quantity]]:
    """Those that begin in none of the hidden parts."""
    at = 0
    for group in groups:
        start = group[0].end - 1
        while at < len(hidden) and hidden[at][1] <= start:
            at += 1
        if at == len(hidden) or start < hidden[at][0]:
            yield group


def _figure(text: str, group: list[Quantity]) -> Iterator[Figure]:
    first = group[0]
    same = [one for one in group if one.start == first.start and one.readings]
    parts = [one for one in group[1:] if one.readings]
    is_spaced = len({one.start for one in group}) > 1
    if is_spaced:  # `1 234`, or 1 and 234
        wholes = [one for one in same if one.end == first.end]
        ways = [*((one,) for one in wholes), tuple({one.start: one for one in parts}.values())]
    else:
        ways = [(one,) for one in same]
    if first.noun in _HUNDREDTHS:
        ways += [(_in_whole(one),) for one in same]
    if ways := [way for way in ways if len(way)]:
        end = max(one.end for one in group)
        yield Figure(text[first.start : end], first.start, end, tuple(ways), _bound(text, first))


def _in_whole(one: Quantity) -> Quantity:
    """35 cents as 0.35 of a currency."""
    readings = tuple(Reading(r.value / 100, r.step / 100) for r in one.readings)
    return one._replace(readings=readings, units=CURRENCIES, noun="")


def _bound(text: str, one: Quantity) -> str:
    before = _BOUND.search(text[max(0, one.start - 24) : one.start].lower())
    if before:
        return _BOUND_WORDS[before[1]]
    return "about" if _BEHIND_BOUNDS.match(text, one.end) else ""


# --- what the excerpts have ----------------------------------------------------------------------


class FigureIndex:
    """The numbers and dates of some excerpts."""

    def __init__(self, texts: Iterable[str]) -> None:
        known: set[_Known] = set()
        self._days: dict[tuple[int | None, int, int | None], Day] = {}
        self._months: set[int] = set()
        for text in texts:
            known.update(self._read(text))
        self._known: list[_Known] = sorted(known, key=lambda one: one.value)
        self._values: list[float] = [one.value for one in self._known]

    def has(self, figure: Figure) -> bool:
        """Whether an excerpt has it."""
        return any(all(self._has_part(part, figure.bound) for part in way) for way in figure.ways)

    def _read(self, text: str) -> Iterator[_Known]:
        plain = level(text).lower()
        days = read_days(text)
        days += [
            Day(((int(m[1]), int(m[2]), None),), *m.span()) for m in _YEAR_MONTH.finditer(plain)
        ]
        for day in days:
            self._days |= dict.fromkeys(day.readings, day)
            yield from (_year(reading[0]) for reading in day.readings if reading[0])
        self._months |= {MONTHS[m] for m in map(without_marks, _NAME.findall(plain)) if m in MONTHS}
        for short in _SHORT_YEAR.finditer(plain):
            year = short[1] or short[3]
            yield from (_year(int(century + year)) for century in ("19", "20"))
        hinted = [f for found in _IN_SCALE.finditer(plain) for f in SCALES.get(found[1], ())]
        spans = [(day.start, day.end) for day in days if any(r[2] for r in day.readings)]
        found = [[one] for one in read_quantities(text, searched=True)]
        for [one] in _outside(found, sorted(spans)):
            if not one.is_part_of_name or _is_year(one):
                yield from _known_as(one, hinted)
            if one.noun in _HUNDREDTHS:
                yield from _known_as(_in_whole(one), [])

    def _has_part(self, part: Quantity | Day, bound: str) -> bool:
        if isinstance(part, Day):
            return self._has_day(part)
        return any(
            _may_be(part, one)
            for reading in part.readings
            for one in self._between(*_limits(reading, bound))
            if _is_exact_enough(one, reading, bound)
        )

    def _between(self, low: float, high: float) -> Iterator[_Known]:
        at = bisect_left(self._values, low - abs(low) * _SAME)
        while at < len(self._values) and self._values[at] <= high + abs(high) * _SAME:
            yield self._known[at]
            at += 1

    def _has_day(self, day: Day) -> bool:
        return any(self._has_reading(*reading) for reading in day.readings)

    def _has_reading(self, year: int | None, month: int, number: int | None) -> bool:
        if any(
            (year in (None, y)) and month == m and (number in (None, d)) for y, m, d in self._days
        ):
            return True
        if year is None or not any(True for _ in self._between(year, year)):
            return False
        if number is None:
            return month in self._months
        return (None, month, number) in self._days


def _is_exact_enough(known: _Known, reading: Reading, bound: str) -> bool:
    if known.is_doubtful and reading.step >= 1:
        return False
    is_finer = known.step <= reading.step * (1 + _SAME)
    return bool(bound) or is_finer or _is_near(known.value, reading.value)


def _is_year(one: Quantity) -> bool:
    """As in FY2024; GPT-4 is four of nothing."""
    return any(1500 <= reading.value < 2200 for reading in one.readings)


def _year(year: int) -> _Known:
    return _Known(float(year), 1.0, frozenset(), False)


def _known_as(one: Quantity, hinted: list[float]) -> Iterator[_Known]:
    """What a number in an excerpt may mean."""
    noun = without_marks(one.noun)
    units = one.units
    if not units and noun.startswith(_PERCENT_WORDS):
        units, noun = frozenset({PERCENT}), ""
    if not units and noun.startswith(_POINT_WORDS):
        units = frozenset({POINTS})
    is_counting = bool(noun) and noun not in STOP_WORDS
    is_plain = not one.is_scaled and not units & _SHARE_UNITS
    factors = [1.0, *hinted] if is_plain else [1.0]
    least = min((reading.step for reading in one.readings), default=1.0)
    for reading in one.readings:
        is_doubtful = is_plain and len(one.readings) > 1 and reading.step == least
        for factor in factors:
            value, step = reading.value * factor, reading.step * factor
            yield _Known(value, step, units, is_counting, is_doubtful and factor == 1.0)


def _may_be(claimed: Quantity, known: _Known) -> bool:
    if shares := claimed.units & _SHARE_UNITS:
        return bool(shares & known.units) or not (known.units or known.is_counting)
    if known.units & _SHARE_UNITS:
        noun = without_marks(claimed.noun)
        words = _POINT_WORDS if POINTS in known.units else _PERCENT_WORDS
        return not claimed.units and (not noun or noun in STOP_WORDS or noun.startswith(words))
    return may_be_same(claimed.units, known.units)


def _limits(reading: Reading, bound: str) -> tuple[float, float]:
    """The least and the greatest number that a claim may stand for."""
    value, half = reading.value, reading.step / 2
    if not bound:
        return value - half, value + half
    step = reading.step
    while value and step < value and _is_near(value / (step * 10), round(value / (step * 10))):
        step *= 10
    if bound == "over":
        return value, value + step * _BELOW
    if bound == "under":
        return value - step * _BELOW, value
    room = max(step / 2, abs(value) / 20)
    return value - room, value + room


def _is_near(one: float, other: float) -> bool:
    return abs(one - other) <= _SAME * max(abs(one), abs(other), 1e-12)
