"""Dates in running text: 5 March 2024, 2024-03-05, 05.03.2024, 3/5/2024, 2024年3月5日, ٥ مارس ٢٠٢٤."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from .letters import level, without_marks

_MONTHS = """
january jan januar janner janvier janv enero ene gennaio gen janeiro januari января январь янв
stycznia styczen ιανουαριου ιανουαριος يناير ינואר जनवरी ocak ledna tammikuuta januari;
february feb februar fevrier fevr febrero febbraio fevereiro fev februari февраля февраль фев lutego
luty φεβρουαριου φεβρουαριος فبراير פברואר फरवरी subat unora helmikuuta;
march mar marz mrz mars marzo marco maart марта март marca marzec μαρτιου μαρτιος مارس מרץ मार्च mart
brezna;
april apr avril avr abr abril aprile апреля апрель апр kwietnia kwiecien απριλιου απριλιος ابريل אפריל
अप्रैल nisan dubna;
may mai mayo maggio maio mei maj мая май maja μαιου μαιος مايو מאי मई mayis kvetna;
june jun juni juin junio giugno junho июня июнь czerwca czerwiec ιουνιου ιουνιος يونيو יוני जून
haziran cervna;
july jul juli juillet juil julio luglio julho июля июль lipca lipiec ιουλιου ιουλιος يوليو יולי जुलाई
temmuz cervence;
august aug aout agosto augustus augusti августа август авг sierpnia sierpien αυγουστου αυγουστος
اغسطس אוגוסט अगस्त agustos srpna;
september sep sept septembre septiembre settembre setembro сентября сентябрь сен wrzesnia wrzesien
σεπτεμβριου σεπτεμβριος سبتمبر ספטמבר सितंबर eylul zari;
october oct oktober octobre octubre ottobre outubro okt октября октябрь окт pazdziernika pazdziernik
οκτωβριου οκτωβριος اكتوبر אוקטובר अक्टूबर ekim rijna;
november nov novembre noviembre novembro ноября ноябрь ноя listopada listopad νοεμβριου νοεμβριος
نوفمبر נובמבר नवंबर kasim;
december dec dezember decembre diciembre dic dicembre dezembro dez decembrie декабря декабрь дек grudnia
grudzien δεκεμβριου δεκεμβριος ديسمبر דצמבר दिसंबर aralik prosince
"""
MONTHS: dict[str, int] = {
    without_marks(word): n
    for n, words in enumerate(_MONTHS.split(";"), start=1)
    for word in words.split()
}
"""Names of months without marks, in lower case."""
MONTHS_ALONE: dict[str, int] = {"ago": 8, "out": 10}
"""Of a text that is nothing but a date; elsewhere they are words."""


class Day(NamedTuple):
    """A date, or a part of one, and where it stands."""

    readings: tuple[tuple[int | None, int, int | None], ...]
    """Year, month and day: two for `3/5/2024`."""
    start: int
    end: int

    def is_in(self, other: Day) -> bool:
        """Whether the other one says all that this one says."""
        return any(
            all(mine is None or mine == its for mine, its in zip(one, its_reading, strict=True))
            for one in self.readings
            for its_reading in other.readings
        )


_YEAR, _DAY = r"(?:1[5-9]|20|21)\d\d", r"(?:0?[1-9]|[12]\d|3[01])"
_NAME = r"[^\W\d_](?:[^\W\d_]|[\u0300-\u036f\u0900-\u097f])*"
_NUMERIC = re.compile(
    rf"(?<!\d)(?<!\d[.,/-])(?:(?P<y>{_YEAR})(?P<s>[-/.])(?P<m>\d\d?)(?P=s)(?P<d>\d\d?)"
    rf"|(?P<a>\d\d?)(?P<t>[-/.])\s?(?P<b>\d\d?)(?P=t)\s?(?P<z>{_YEAR}))(?!\d)(?![.,/-]\d)"
)
_EAST_ASIAN = re.compile(
    rf"(?<!\d)(?:(?P<y>{_YEAR})\s?[年년]\s?)?(?P<m>\d\d?)\s?[月월](?:\s?(?P<d>\d\d?)\s?[日号號일])?(?!\s?[가-힣]?간)"
)
_NAMES = re.compile(_NAME)


def read_days(text: str) -> list[Day]:
    """The dates in a text, in its order; a month alone is none."""
    plain = level(text)
    found = [*_read_numeric(plain), *_read_named(plain)]
    kept: list[Day] = []
    for day in sorted(found, key=lambda day: (day.start, day.start - day.end)):
        if not kept or day.start >= kept[-1].end:
            kept.append(day)
    return kept


def _read_numeric(plain: str) -> Iterator[Day]:
    for found in _NUMERIC.finditer(plain):
        if found["y"]:
            readings = [(int(found["y"]), int(found["m"]), int(found["d"]))]
        else:
            year, a, b = int(found["z"]), int(found["a"]), int(found["b"])
            readings = [(year, b, a)] if found["t"] == "." else [(year, a, b), (year, b, a)]
        fine = tuple(
            dict.fromkeys(one for one in readings if 1 <= one[1] <= 12 and 1 <= one[2] <= 31)
        )
        if fine:
            yield Day(fine, *found.span())
    for found in _EAST_ASIAN.finditer(plain):
        written = found["y"], found["d"]
        if int(found["m"]) in range(1, 13) and any(written):
            of_year, of_month = (int(one) if one else None for one in written)
            yield Day(((of_year, int(found["m"]), of_month),), *found.span())


def _read_named(plain: str) -> Iterator[Day]:
    """Dates around the name of a month. Each name is looked at with what stands before and behind it."""
    for name in _NAMES.finditer(plain):
        month = MONTHS.get(without_marks(name[0])[-20:]) or MONTHS.get(
            without_marks(name[0]).removeprefix("ב")
        )
        if month is None:
            continue
        start = max(name.start() - 12, 0)
        before = _BEFORE.search(plain[start : name.start()])
        behind = _BEHIND.match(plain, name.end(), name.end() + 16)
        day = int(before["d"]) if before else None
        if behind and behind["d"] and day is None:
            day = int(behind["d"])
        year = int(behind["y"] or behind["z"]) if behind and (behind["y"] or behind["z"]) else None
        begins, ends = name.start(), behind.end() if behind else name.end()
        if before:
            begins = start + before.start()
            if (
                behind and behind["d"]
            ):  # `5 March 12 people`: the second number is none of the date's
                ends, year = name.end(), None
        if day is not None or year is not None:
            yield Day(((year, month, day),), begins, ends)


_BEFORE = re.compile(
    rf"(?<![\d.,])(?P<d>{_DAY})(?:st|nd|rd|th|er|º|ª|\.)?[\s-]+(?:(?:de|of)\s)?(?:ב-?)?$"
)
_BEHIND = re.compile(
    rf"\.?(?:,?\s(?P<d>{_DAY})(?:st|nd|rd|th)?(?!\d)(?![.,]\d)(?:,?\s(?P<y>{_YEAR})(?!\d))?"
    rf"|[\s,-]{{1,4}}(?:de\s|of\s|del\s)?(?P<z>{_YEAR})(?!\d))"
)
