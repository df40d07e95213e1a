"""Dates as people write them: `2024-03-05`, `5 March 2024`, `05.03.2024`, `2024年3月5日`, `March 2024`."""

from __future__ import annotations

import re
from datetime import date, datetime, timezone
from typing import TypeAlias

Date: TypeAlias = tuple[int, ...]
"""Year and month, as far as it is known day, hour, minute, second (UTC)."""

_LONGEST = 40
"""Characters of a text that is one date."""
_MONTHS: dict[str, int] = {
    name: number
    for number, names in enumerate(
        (
            "january jan januar janner janvier janv enero ene gennaio gen janeiro januari января январь",
            "february feb februar fevrier fevr febrero febbraio fevereiro fev februari февраля февраль",
            "march mar marz mrz mars marzo marco maart марта март",
            "april apr avril avr abril abr aprile апреля апрель",
            "may mai mayo maggio maio mei мая маи",
            "june jun juni juin junio giugno junho июня июнь",
            "july jul juli juillet juil julio luglio julho июля июль",
            "august aug aout agosto ago augustus августа август",
            "september sep sept septembre septiembre settembre setembro сентября сентябрь",
            "october oct oktober okt octobre octubre ottobre outubro out октября октябрь",
            "november nov novembre noviembre novembro ноября ноябрь",
            "december dec dezember dez decembre diciembre dic dicembre dezembro декабря декабрь",
        ),
        start=1,
    )
    for name in names.split()
}
_ISO = re.compile(r"(\d{4})([-/.])(\d{1,2})(?:\2(\d{1,2}))?")
_TIME = re.compile(
    r"\d{4}-\d\d-\d\d[t ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:z|utc| utc|[+-]\d\d:?\d\d)?"
)
_ASIAN = re.compile(r"(\d{4})[年년]\s?(\d{1,2})[月월](?:\s?(\d{1,2})[日일])?")
_NUMBERS = re.compile(r"(\d{1,2})([./-])(\d{1,2})\2(\d{4})")
_DAY_FIRST = re.compile(
    r"(?:(\d{1,2})(?:st|nd|rd|th|\.|er|º)?,? (?:de |of )?)?([^\W\d_]{1,20})\.?,? (?:de |of |del )?"
    r"(\d{4})(?: г)?"
)
_MONTH_FIRST = re.compile(r"([^\W\d_]{1,20})\.? (\d{1,2})(?:st|nd|rd|th)?,? (\d{4})")


def read_dates(text: str) -> tuple[Date, ...]:
    """The readings of a normalized text as a date, the likelier first; none where it is no date."""
    if len(text) > _LONGEST or not any(char.isdigit() for char in text):
        return ()
    if _TIME.fullmatch(text):
        return _with_time(text)
    if found := _ISO.fullmatch(text) or _ASIAN.fullmatch(text):
        return _dates(tuple(int(n) for n in found.groups() if n and n.isdecimal()))
    if found := _NUMBERS.fullmatch(text):
        first, mark, second, year = int(found[1]), found[2], int(found[3]), int(found[4])
        swapped = () if mark == "." else _dates((year, first, second))
        return tuple(dict.fromkeys((*swapped, *_dates((year, second, first)))))
    if found := _MONTH_FIRST.fullmatch(text):
        return _date_of(found[3], found[1], found[2])
    if found := _DAY_FIRST.fullmatch(text):
        return _date_of(found[3], found[2], found[1])
    return ()


def _date_of(year: str, month: str, day: str | None) -> tuple[Date, ...]:
    if month not in _MONTHS:
        return ()
    return _dates((int(year), _MONTHS[month], *([int(day)] if day else [])))


def _dates(parts: Date) -> tuple[Date, ...]:
    """The date, if the calendar has it."""
    try:
        date(*(*parts, 1)[:3])
    except ValueError:
        return ()
    return (parts,)


def _with_time(text: str) -> tuple[Date, ...]:
    zoned = re.sub(r" ?(?:utc|z)$", "+00:00", text.upper().lower())
    zoned = re.sub(r"([+-]\d\d)(\d\d)$", r"\1:\2", zoned)
    zoned = re.sub(r"\.\d+", "", zoned)
    try:
        moment = datetime.fromisoformat(zoned.upper())
        if moment.tzinfo is not None and any((moment.hour, moment.minute, moment.second)):
            moment = moment.astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return ()
    day = moment.year, moment.month, moment.day
    time = moment.hour, moment.minute, moment.second
    return ((*day, *time) if any(time) else day,)
