"""Whether two values are the same, one says less, or they contradict each other.

Rule: what differs in form alone is the same: the marks in a number and its multiplier, the form of a
date, case, blanks, quotation marks, accents, `https://www.` and the last slash. Two quantities with
different currencies are different, whatever the numbers. Where nobody can tell, as with two paragraphs in
other words, there is no contradiction.

Rule: nothing raises, however odd a value is; what is nested more than `_LEVELS` deep is compared as it is
written.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Sequence
from decimal import Decimal
from itertools import combinations, islice
from typing import Any, Literal, NamedTuple, TypeAlias
from urllib.parse import urlsplit

from ..evidence import NO_ANSWERS, is_hollow
from .dates import read_dates
from .number_forms import in_digits
from .quantities import Quantity, number_of, numbers_in, plain_numbers, read_quantities
from .wording import (
    all_replaced,
    denies,
    is_acronym,
    is_other_spelling,
    is_part,
    normalize,
    words_of,
)

Relation: TypeAlias = Literal["same", "compatible", "different"]
"""`compatible`: one says less, or is less exact, or nobody can tell."""

_LEVELS = 12
_NOWHERE = 1 << 60
_NAME_WORDS, _NAME_CHARS = 5, 80
"""Of a text that is a name; a longer one is prose."""
_SENTENCE_WORDS = 3
"""From which on a last dot makes a sentence of it."""
_INEXACT = ("quantity", "date")
"""Kinds of which one value may be less exact than two that differ."""
_COMPARED_VALUES = 20
"""Of a field, with each other."""
_PAIRED = 60
"""Elements of a list that are compared one by one."""
_HOST = re.compile(
    r"(?:https?://)?(?:[\w-]{1,63}\.){1,8}(?:[^\W\d_]{2,24}|xn--[a-z\d-]{2,59})\.?(?::\d{1,5})?(?:[/?#]\S*)?"
)
_YES = "true yes wahr ja vrai oui si sim да はい 是 예 نعم"
_NO = "false no falsch nein faux non nao nej нет いいえ 否 아니요 لا"
_TRUTH = {**dict.fromkeys(_YES.split(), True), **dict.fromkeys(_NO.split(), False)}
"""Normalized, so without accents."""
_SAME_NAMES: dict[str, str] = {
    "usa": "us",
    "united states": "us",
    "united states of america": "us",
    "united kingdom": "uk",
}
_FISCAL = re.compile(
    r"(fy ?|fiscal(?: year)? )?((?:19|20)\d\d)(?:\s?/\s?((?:\d\d)?\d\d)|-(?=\d\d$)(\d\d))?"
)
_PHONE = re.compile(r"\+(?:[ ()/-]{0,2}\d){10,15}")


class Form(NamedTuple):
    """A value without what is form alone."""

    kind: str
    """`nothing`, `truth`, `quantity`, `date`, `address`, `text`, `list` or `object`."""
    readings: tuple[Any, ...]
    """Hashable; the likeliest first. All but numbers and dates have one."""
    value: Any
    """As it was given."""
    is_prose: bool = False
    """A text that is no name."""

    @property
    def key(self) -> Hashable:
        """Equal for equal values."""
        return self.kind, self.readings[0]


def form_of(value: Any, level: int = 0) -> Form:
    """The form of any JSON value."""
    if isinstance(value, str):
        return _form_of_text(value)
    if is_hollow(value, NO_ANSWERS):
        return Form("nothing", ("",), value)
    if isinstance(value, bool):
        return Form("truth", (value,), value)
    if isinstance(value, int | float):
        number = number_of(value)
        return (
            Form("quantity", (number,), value) if number else Form("text", (write(value),), value)
        )
    if level >= _LEVELS or not isinstance(value, dict | list | tuple):
        return Form("text", (write(value),), value, True)
    if isinstance(value, dict):
        parts = ((str(name), form_of(part, level + 1)) for name, part in value.items())
        return Form(
            "object", (frozenset((n, p.key) for n, p in parts if p.kind != "nothing"),), value
        )
    keys = sorted((form_of(part, level + 1).key for part in value), key=repr)
    return Form("list", (tuple(keys),), value)


def is_same_value(a: Any, b: Any) -> bool:
    """Whether two values differ in form alone: 1200, `1,200`, `1.2k` and `1200 employees` do."""
    first, second = group_forms([form_of(a), form_of(b)])
    return first == second


def relation(a: Form, b: Form) -> Relation:
    """How two values stand to each other. The order does not matter."""
    first, second = group_forms([a, b])
    if first == second:
        return "same"
    if "nothing" in (a.kind, b.kind):
        return "compatible"
    if a.kind != b.kind:
        return _of_two_kinds(*sorted((a, b), key=lambda form: _KINDS.index(form.kind)))
    return _OF_A_KIND.get(a.kind, _are_different)(a, b)


def find_against(best: Form, others: Sequence[Form], most: int | None = None) -> list[int]:
    """The places of the values that contradict the best one, the first ones of them; where none does, of two
    that contradict each other: `2024` agrees with two days of that year, of which only one can be right.
    """
    differ = (n for n, other in enumerate(others) if relation(best, other) == "different")
    against = list(islice(differ, most))
    if against or best.kind not in _INEXACT:
        return against
    exact = [n for n, other in enumerate(others) if other.kind in _INEXACT][:_COMPARED_VALUES]
    pairs = combinations(exact, 2)
    apart = (pair for pair in pairs if relation(*(others[n] for n in pair)) == "different")
    return list(next(apart, ()))


def group_forms(forms: Sequence[Form]) -> list[int]:
    """A number for each form, equal for the same values. Linear.

    Of several readings, a form has the one that another form has alone; a bare number is the same as one
    with a unit. Where there are several to choose from, the first form decides, so that a later one takes
    nothing away.
    """
    alone: dict[Hashable, int] = {}
    for place, form in enumerate(forms):
        if len(form.readings) == 1:
            alone.setdefault((form.kind, _plain(form.readings[0])), place)
    chosen = [_choose(form, alone) for form in forms]
    units: dict[Hashable, str] = {}
    for kind, amount, unit in chosen:
        if unit:
            units.setdefault((kind, amount), unit)
    whole = [(kind, amount, unit or units.get((kind, amount), "")) for kind, amount, unit in chosen]
    numbers: dict[Hashable, int] = {}
    return [numbers.setdefault(key, len(numbers)) for key in whole]


def _plain(reading: Any) -> Hashable:
    return (reading.low, reading.high) if isinstance(reading, Quantity) else reading


def _choose(form: Form, alone: dict[Hashable, int]) -> tuple[str, Hashable, str]:
    """The kind, the amount and the unit of what a form means among others."""
    reading = form.readings[0]
    if len(form.readings) > 1:
        places = {
            alone.get((form.kind, _plain(one)), _NOWHERE): one for one in reversed(form.readings)
        }
        reading = places[min(places)]
    return form.kind, _plain(reading), reading.unit if isinstance(reading, Quantity) else ""


def _form_of_text(text: str) -> Form:
    normal = normalize(text)
    if is_hollow(text, NO_ANSWERS) or not normal:
        return Form("nothing" if is_hollow(text, NO_ANSWERS) else "text", (text.strip(),), text)
    if normal in _TRUTH:
        return Form("truth", (_TRUTH[normal],), text)
    if _PHONE.fullmatch(normal):
        return Form("text", (re.sub(r"\D", "", normal),), text)
    if dates := read_dates(normal):
        return Form("date", dates, text)
    if fiscal := _fiscal_year(normal):
        return Form("text", (fiscal,), text)
    if quantities := read_quantities(normal) or _written_out(text, normal):
        return Form("quantity", quantities, text)
    if address := _address(text.strip()):
        return Form("address", (address,), text)
    key = " ".join(words_of(plain_numbers(normal)))
    key = _SAME_NAMES.get(key, key)
    is_name = len(normal) <= _NAME_CHARS and len(normal.split()) <= _NAME_WORDS
    is_sentence = text.rstrip()[-1] in ".!?。！？" and normal.count(" ") >= _SENTENCE_WORDS - 1
    return Form("text", (key,), text, is_sentence or not is_name)


def _fiscal_year(normal: str) -> str:
    """`2023/24` and `FY2024` in one form; empty for what is none."""
    if not (found := _FISCAL.fullmatch(normal)):
        return ""
    if behind := found[3] or found[4]:
        is_next = int(behind) % 100 == (int(found[2]) + 1) % 100
        return f"{found[2]}/{int(behind) % 100:02}" if is_next else ""
    return f"fy {found[2]}" if found[1] else ""


def _written_out(text: str, normal: str) -> tuple[Quantity, ...]:
    """The readings of a number in words, alone or with a unit: `nine hundred`, but not `Seven Seas`."""
    digits = in_digits(text, normal)
    readings = read_quantities(digits) if digits != normal else ()
    return () if any(one.unit and one.has_noun for one in readings) else readings


def _address(text: str) -> str | None:
    """A web address without scheme, `www.` and last slash."""
    if len(text) > 2_000 or not _HOST.fullmatch(text):
        return None
    try:
        parts = urlsplit(text if "://" in text[:8] else f"https://{text}")
        host = (parts.hostname or "").removeprefix("www.").rstrip(".")
        host = host.encode().decode("idna") if "xn--" in host and host.isascii() else host
    except ValueError:
        return None
    query = f"?{parts.query}" if parts.query else ""
    return f"{host}{parts.path.rstrip('/')}{query}"


def write(value: Any) -> str:
    """Any JSON value as text, without recursion."""
    written, left = list[str](), [value]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            written.append("{")
            left += [part for name in sorted(one, key=str) for part in (one[name], str(name))]
        elif isinstance(one, list | tuple):
            written.append("[")
            left += [_CLOSED, *reversed(one)]
        elif isinstance(one, int) and not isinstance(one, bool):
            written.append(hex(one))  # decimal digits are limited
        else:
            written.append(str(one) if one is _CLOSED else repr(one))
    return ",".join(written)


class _Closed:
    def __str__(self) -> str:
        return "]"


_CLOSED = _Closed()

# --- values that are not the same -----------------------------------------------------------------

_KINDS = ("truth", "quantity", "date", "address", "text", "list", "object", "nothing")


def _are_different(a: Form, b: Form) -> Relation:
    return "different"


def _of_quantities(a: Form, b: Form) -> Relation:
    pairs = [(one, other) for one in a.readings for other in b.readings]
    return "compatible" if any(_may_agree(one, other) for one, other in pairs) else "different"


def _may_agree(one: Quantity, other: Quantity) -> bool:
    if one.unit and other.unit and one.unit != other.unit and not _may_be_one_currency(one, other):
        if not (one.has_noun and other.has_noun):
            return False
    elif one.unit != other.unit and "%" in (one.unit, other.unit):
        share, bare = (one, other) if one.unit == "%" else (other, one)
        if share.low == bare.low * 100:
            return True
    slack = max(one.slack, other.slack)
    return one.low - slack <= other.high and other.low - slack <= one.high


def _may_be_one_currency(one: Quantity, other: Quantity) -> bool:
    """Whether a sign of several currencies, as `¥`, may stand for the other one's."""
    are_money = one.is_money and other.is_money
    return are_money and not set(one.unit.split("/")).isdisjoint(other.unit.split("/"))


def _of_dates(a: Form, b: Form) -> Relation:
    pairs = [(one, other) for one in a.readings for other in b.readings]
    is_near = any(one[: len(other)] == other or other[: len(one)] == one for one, other in pairs)
    return "compatible" if is_near else "different"


def _of_addresses(a: Form, b: Form) -> Relation:
    less, more = sorted((a.readings[0], b.readings[0]), key=len)
    return "compatible" if more.startswith((f"{less}/", f"{less}?")) else "different"


def _of_texts(a: Form, b: Form) -> Relation:
    """Prose contradicts prose only if a number or a name stands in the place of another one."""
    less, more = sorted((a.readings[0].split(), b.readings[0].split()), key=len)
    if not (a.is_prose or b.is_prose):
        agree = is_part(less, more) or is_other_spelling(less, more)
        agree = agree or is_acronym(a.value, more) or is_acronym(b.value, more)
        return "compatible" if agree else "different"
    if not isinstance(a.value, str) or not isinstance(b.value, str):
        return "different"
    if denies(less, more):
        return "different"
    replaced = all_replaced(a.value, b.value, _is_marked)
    return "different" if replaced else "compatible"


def _is_marked(word: str) -> bool:
    """Whether it is written as a name or a number is."""
    plain = word.lstrip("\"'(“‘«$€£~")
    return plain[:1].isupper() or plain[:1].isdecimal()


def _of_lists(a: Form, b: Form) -> Relation:
    """A list that has all of another one's elements says more; otherwise they contradict each other."""
    less, more = sorted((a.value, b.value), key=len)
    there = {form_of(one).key for one in more}
    missing = [form for form in map(form_of, less) if form.key not in there]
    if not missing:
        return "compatible"
    if max(len(missing), len(more)) > _PAIRED:
        return "different"
    forms = [form_of(one) for one in more]
    has_all = all(any(relation(one, other) != "different" for other in forms) for one in missing)
    return "compatible" if has_all else "different"


def _of_objects(a: Form, b: Form) -> Relation:
    names = [name for name in a.value if name in b.value]
    parts = (relation(form_of(a.value[name]), form_of(b.value[name])) for name in names)
    return "different" if "different" in parts else "compatible"


def _of_two_kinds(a: Form, b: Form) -> Relation:
    """A value beside one of another kind, of which the more telling stands second."""
    if b.kind == "object":
        return "compatible"
    if b.kind == "list":
        forms: Iterable[Form] = map(form_of, b.value[:_PAIRED])
        return (
            "compatible" if any(relation(a, one) != "different" for one in forms) else "different"
        )
    if b.is_prose:
        return "compatible"
    if (a.kind, b.kind) == ("quantity", "date"):
        years = {Decimal(date[0]) for date in b.readings}
        return "compatible" if any(one.low in years for one in a.readings) else "different"
    if b.kind == "text" and a.kind in ("quantity", "date"):
        numbers = numbers_in(b.readings[0])
        known = {one.low if isinstance(one, Quantity) else Decimal(one[0]) for one in a.readings}
        return "compatible" if numbers & known else "different"
    return "different"


_OF_A_KIND = {
    "quantity": _of_quantities,
    "date": _of_dates,
    "address": _of_addresses,
    "text": _of_texts,
    "list": _of_lists,
    "object": _of_objects,
}
