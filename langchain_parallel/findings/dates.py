"""Dates as people write them: `2024-03-05`, `5 March 2024`, `05.03.2024`, `2024年3月5日`, `March 2024`."""

from __future__ import annotations

import re
from datetime import date, datetime, timezone
from typing import TypeAlias

from .._quantities import read_days
from .._quantities.date_reader import MONTHS_ALONE

Date: TypeAlias = tuple[int, ...]
"""Year and month, as far as it is known day, hour, minute, second (UTC)."""

_LONGEST = 40
"""Characters of a text that is one date."""
_DOTTED = re.compile(r"(\d{4})\. (\d{1,2})\. (\d{1,2})")
_YEAR_MONTH = re.compile(r"(\d{4})[-/.](\d{1,2})")
_SHORT_YEAR = re.compile(r"(\d{1,2})([./])(\d{1,2})\2(\d\d)")
_CENTURY_FROM = 70
"""The year of which two digits are of the last century."""
_TIME = re.compile(
    r"\d{4}-\d\d-\d\d[t ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:z|utc| utc|[+-]\d\d:?\d\d)?"
)
_ALONE = re.compile(rf"(\d{{1,2}} )?({'|'.join(MONTHS_ALONE)})\.? (?:de )?(\d{{4}})")


def read_dates(text: str) -> tuple[Date, ...]:
    """The readings of a normalized text as a date, the likelier first; none where it is no date."""
    if len(text) > _LONGEST or not any(char.isdigit() for char in text):
        return ()
    if _TIME.fullmatch(text):
        return _with_time(text)
    if found := _SHORT_YEAR.fullmatch(text):
        day, mark, month, year = int(found[1]), found[2], int(found[3]), _whole_year(found[4])
        swapped = () if mark == "." else _dates((year, day, month))
        return tuple(dict.fromkeys((*swapped, *_dates((year, month, day)))))
    if found := _DOTTED.fullmatch(text):
        return _dates((int(found[1]), int(found[2]), int(found[3])))
    if found := _YEAR_MONTH.fullmatch(text):
        return _dates((int(found[1]), int(found[2])))
    if found := _ALONE.fullmatch(text):
        return _dates(
            (int(found[3]), MONTHS_ALONE[found[2]], *([int(found[1])] if found[1] else []))
        )
    days = read_days(text)
    if len(days) != 1 or days[0].start or text[days[0].end :] not in ("", " г", "r"):
        return ()
    readings = (reading for reading in days[0].readings if reading[0] is not None)
    return tuple(
        one for year, *rest in readings for one in _dates((year or 0, *filter(None, rest)))
    )


def _whole_year(two_digits: str) -> int:
    return int(two_digits) + (1900 if int(two_digits) >= _CENTURY_FROM else 2000)


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
