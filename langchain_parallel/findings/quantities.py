"""Numbers as people write them: `1,200`, `1.2k`, `€ 1.2 Mio.`, `12 %`, `1,000–1,500`, `over 300 employees`.

Rule: a text that can be read in two ways has both readings, `1.200` those of both sides of the Atlantic.
Units that measure the same are converted; two currencies never are.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from math import log10
from typing import NamedTuple

from .._quantities.digit_groups import split_digits
from .._quantities.letters import without_marks
from .._quantities.scales import SCALES
from .._quantities.units import CONVERSIONS, CURRENCIES, UNITS, unit_name

_LONGEST = 80
"""Characters of a text that is one quantity."""
_NOUN_WORDS = 3


class Quantity(NamedTuple):
    """A number or a range, with its unit."""

    low: Decimal
    high: Decimal
    unit: str = ""
    """A currency's code, `%`, a unit, or the noun that is counted; empty without one."""
    slack: Decimal = Decimal(0)
    """How far off it may be, being rounded."""

    @property
    def has_noun(self) -> bool:
        """Whether its unit is only the name of what is counted."""
        return self.unit not in _UNIT_NAMES

    @property
    def is_money(self) -> bool:
        """Whether its unit is a currency."""
        return self.unit in _CURRENCY_NAMES


_CURRENCIES = [word for word, codes in UNITS.items() if codes <= CURRENCIES]
_UNIT_NAMES = frozenset(map(unit_name, UNITS)) | {base for base, _ in CONVERSIONS.values()}
_CURRENCY_NAMES = frozenset(map(unit_name, _CURRENCIES))
_TIMES: dict[str, int] = {
    without_marks(word): round(log10(factors[0]))
    for word, factors in SCALES.items()
    if word != "miles"
}
_ABOUT = (
    r"(?:about|approx(?:imately)?\.?|around|roughly|circa|ca\.?|c\.|some|etwa|rund|ungefahr|environ"
    r"|cerca de|около|約|约|~|≈|±)"
)
_OVER = (
    r"(?:over|more than|at least|above|uber|mehr als|mindestens|plus de|mas de|piu di|более|>=?|≥)"
)
_UNDER = (
    r"(?:under|less than|at most|up to|below|fewer than|unter|weniger als|hochstens|bis zu|moins de"
    r"|menos de|<=?|≤)"
)
_FROM = r"(?:between |from |zwischen |entre |de |von )?"
_SIGNS = "|".join(
    re.escape(sign) for sign in sorted(_CURRENCIES, key=len, reverse=True) if not sign.isalpha()
)
_CODES = "|".join(code for code in _CURRENCIES if code.isalpha() and code.isascii())
_MONEY = rf"(?:{_SIGNS}|(?:{_CODES})(?![^\W\d_]))"


def _number(name: str) -> str:
    return (
        rf"(?<!\d)(?P<{name}>\d{{1,3}}(?:,\d{{2}}){{1,6}},\d{{3}}(?:\.\d{{1,20}})?"
        rf"|\d{{1,3}}(?P<{name}_by>[.,' _])\d{{3}}(?:(?P={name}_by)\d{{3}}){{0,9}}(?:[.,]\d{{1,20}})?"
        r"|\d{1,40}(?:[.,]\d{1,40})?)(?!\d|[.,']\d)"
    )


_QUANTITY = re.compile(
    rf"(?P<about>{_ABOUT}(?![^\W\d_])\s*)?{_FROM}(?:(?P<over>{_OVER})\s*|(?P<under>{_UNDER})\s*)?(?P<sign>[+-]\s?)?"
    rf"(?:(?P<money>{_MONEY})\s*)?(?P<minus>-)?{_number('one')}"
    rf"(?:\s*(?P<first>[^\W\d_]*)\s*(?:-|\b(?:to|bis|a|and|und|y|et)\b)\s*(?:{_MONEY}\s*)?{_number('two')})?"
    r"(?P<plus>\+)?\s*(?P<rest>(?:\D|(?<=m)[23]|(?<=\^)[23])*)"
)
_DECADE = re.compile(r"([12]\d\d0)['’]?s")
_IN_TEXT = re.compile(_number("one") + r"(?:\s?(?P<times>[^\W\d_]+)\b)?")


def read_quantities(text: str) -> tuple[Quantity, ...]:
    """The readings of a normalized text as a quantity, the likelier first; none where it is no quantity."""
    if len(text) > _LONGEST or not (found := _QUANTITY.fullmatch(text)):
        return ()
    if decade := _DECADE.fullmatch(text):
        return (Quantity(Decimal(decade[1]), Decimal(decade[1]) + 9),)
    power, unit = _times_and_unit(found["rest"], bool(found["money"]))
    if unit is None:
        return ()
    if found["money"]:
        unit = unit_name(found["money"])
    lows = _readings(found["one"], unit in _CURRENCY_NAMES)
    if found["two"] is None:
        made = [_one(found, low, power, unit) for low in lows]
    else:
        of_first = _TIMES.get(found["first"]) if found["first"] else power
        highs = _readings(found["two"], unit in _CURRENCY_NAMES)
        made = [
            _convert(low.scaleb(of_first or 0), high.scaleb(power), unit)
            for low, high in zip(lows, highs, strict=False)
            if of_first is not None
        ]
    likely = [one for one in made if one.low <= one.high]
    if not likely or found["money"] or not _is_metres(found["rest"]):
        return tuple(dict.fromkeys(likely))
    return (*likely, *(Quantity(low, low, "m") for low in lows))  # 5 m is 5 metres, or 5 million


def number_of(value: float) -> Quantity | None:
    """A JSON number; None for one that is not finite, or that is beyond all quantities."""
    try:
        number = Decimal(value) if isinstance(value, int) else Decimal(repr(value))
        if not number.is_finite() or number.adjusted() > _MOST_DIGITS:
            return None
        return Quantity(number := _round_off(number), number)
    except (InvalidOperation, ValueError, OverflowError):
        return None


def plain_numbers(text: str) -> str:
    """A normalized text with its numbers written in one way: `1,200` and `1.2k` as `1200`."""
    return _IN_TEXT.sub(_plain_number, text)


def numbers_in(text: str) -> set[Decimal]:
    """The numbers in a normalized text, in all readings."""
    return {number for found in _IN_TEXT.finditer(text) for number in _numbers_at(found)}


def _numbers_at(found: re.Match[str]) -> list[Decimal]:
    power = _TIMES.get(found["times"] or "", 0)
    readings = _readings(found["one"], False)
    return [number.scaleb(power) for number in readings]


def _plain_number(found: re.Match[str]) -> str:
    if not (readings := _numbers_at(found)):
        return found[0]
    rest = "" if not found["times"] or found["times"] in _TIMES else f" {found['times']}"
    return f"{readings[0].normalize():f}{rest}" if readings[0].adjusted() < _LONGEST else found[0]


_MOST_DIGITS = 400


def _round_off(number: Decimal) -> Decimal:
    """Without what arithmetic with floats adds, and in one form."""
    digits = len(number.as_tuple().digits)
    if digits > 15 and number != number.to_integral_value():
        number = round(number, max(0, 14 - number.adjusted()))
    return number.normalize() if digits < _LONGEST else number


def _readings(text: str, is_money: bool) -> list[Decimal]:
    """What digits with marks between them may mean."""
    whole = text.split(".", maxsplit=1)[0].split(",", maxsplit=1)[0]
    if len(whole) > 1 and whole.startswith("0"):
        return []  # a code, such as a zip code
    forms = split_digits(text)[: 1 if is_money else 2]
    return [Decimal(f"{before}.{behind or 0}") for before, behind in forms]


def _times_and_unit(rest: str, has_money: bool) -> tuple[int, str | None]:
    """The power of ten of a multiplier, and the unit behind it; None for what is no unit."""
    power, rest = 0, rest.strip(" .-")
    while rest:
        word = without_marks((re.match(r"[^\W\d_]+", rest) or [""])[0])
        if word in _TIMES and (word not in UNITS or has_money or word == "m"):
            power, rest = power + _TIMES[word], rest[len(word) :].strip(" .")
        elif rest[0] in _TIMES and not rest[0].isascii():
            power, rest = power + _TIMES[rest[0]], rest[1:].strip()
        else:
            break
    rest = re.sub(r"^(?:of|de|di|d'|von) ", "", rest).replace("per cent", "%")
    rest = re.sub(r"^(?:us|u\.s\.) (?=dollars?$)", "", rest)
    unit = unit_name(rest)
    if has_money and unit not in _CURRENCY_NAMES:
        return power, None if rest else ""
    unit = unit or rest
    is_unit = len(unit.split()) <= _NOUN_WORDS and not re.search(r"[.;:()!?\"]|, ", unit)
    return power, unit if is_unit else None


def _is_metres(rest: str) -> bool:
    return rest.strip() == "m"


def _one(found: re.Match[str], number: Decimal, power: int, unit: str) -> Quantity:
    if "-" in (found["minus"] or "", (found["sign"] or "").strip()):
        number = -number
    made = _convert(number.scaleb(power), number.scaleb(power), unit)
    if found["over"] or found["plus"]:
        return made._replace(high=Decimal("Infinity"))
    if found["under"]:
        return made._replace(low=Decimal("-Infinity"))
    if power or found["about"]:
        made = made._replace(slack=_last_place(made.low) / 2)
    return made


def _convert(low: Decimal, high: Decimal, unit: str) -> Quantity:
    base, factor = CONVERSIONS.get(unit, (unit, "1"))
    return Quantity(_round_off(low * Decimal(factor)), _round_off(high * Decimal(factor)), base)


def _last_place(number: Decimal) -> Decimal:
    """The place of the last digit that is not 0: 100 of 1,200."""
    exponent = number.normalize().as_tuple().exponent
    return Decimal(1).scaleb(exponent) if isinstance(exponent, int) else Decimal(0)
