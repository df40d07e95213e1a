"""Units that are written before or behind a number: percent, currencies, measures.

Rule: a sign with several meanings has all of them: `$` is any dollar. A word that is not listed is no unit.
"""

from __future__ import annotations

import re

from .letters import has_no_spaces, without_marks

PERCENT = "%"
POINTS = "pp"
"""Percentage points, which are no percent."""

_CURRENCIES = """
USD CAD AUD NZD HKD SGD MXN TWD: $ dollar dollars доллар доллара долларов δολάρια دولار דולר דולרים
डॉलर dólar dólares dollari;
USD: usd us$ $us 美元 美金 米ドル 달러 ドル u.s. us-dollar us-dollars;
EUR: € eur euro euros ευρώ евро יורו أورو يورو 欧元 歐元 ユーロ 유로;
GBP: £ gbp pound pounds sterling 英镑 ポンド 파운드;
JPY CNY: ¥ ￥;
JPY: jpy yen 円 日元 엔;
CNY TWD: cny rmb yuan renminbi 元 人民币 人民幣 위안;
INR: ₹ inr rs rs. rupee rupees रुपये रुपए रु টাকা;
KRW: krw won ₩ 원 韩元;
RUB: ₽ rub руб рублей рубля рубль;
CHF: chf franken francs;
PLN: zł pln złotych zloty;
SEK NOK DKK: kr kronor kroner;
BRL: r$ brl reais;
ILS: ₪ ils nis שקל שקלים;
TRY: ₺ try lira tl;
CAD: c$ cad;
AUD: a$ aud;
HKD: hk$ hkd;
SGD: s$ sgd;
NZD: nz$ nzd;
TWD: nt$ twd;
MXN: mxn; ZAR: zar; CZK: czk; HUF: huf; UAH: ₴ uah; AED: aed; SAR: sar; THB: ฿ thb; BTC: ₿ btc; VND: ₫ vnd;
SEK: sek; NOK: nok; DKK: dkk
"""
_OTHERS = """
%: % percent percents pct prozent porcento procent procenta procents prosenttia prosent százalék
процент процента процентов відсотків відсотка процентов τοις yüzde persen प्रतिशत फीसदी أחוז אחוז
אחוזים बالمئة بالمائة درصد パーセント 퍼센트 프로 ร้อยละ;
km: km kilometer kilometers kilometre kilometres kilometern kilomètres kilómetros км километров 公里
千米 킬로미터 キロメートル;
mi: mi mile miles meilen;
kg: kg kilo kilogram kilograms kilogramm кг килограммов 公斤 千克 킬로그램;
tonne: t tonne tonnes ton tons tonnen tonnellate toneladas тонн 吨 噸 トン 톤;
MW: mw megawatt megawatts мвт 兆瓦;
GW: gw gigawatt gigawatts гвт 吉瓦;
kWh: kwh;
MWh: mwh;
GWh: gwh;
TWh: twh;
kW: kw;
g: g gram grams gramm; mg: mg;
m: m meter meters metre metres; cm: cm; mm: mm; ft: ft foot feet;
m2: m2 m^ m^2 m² qm sqm; km2: km2 km^ km^2 km²;
l: l liter liters litre litres;
s: s sec second seconds sekunden; min: min mins minute minutes minuten;
h: h hr hrs hour hours stunden heures;
day: d day days tage tagen jours días;
week: week weeks wochen; month: month months monate monaten mois;
year: year years yr yrs jahre jahren ans años anos;
bps: bps bp;
pp: pp ppt п.п. п.п 百分点 百分點 个百分点 個百分點 パーセントポイント %포인트 퍼센트포인트 prozentpunkt
prozentpunkte prozentpunkten procentenhet procentenheter procentpoint procentpunt procentpunten
prosenttiyksikköä;
‰: ‰ promille промилле;
ha: ha hectare hectares hektar hektare 公顷;
GB: gb gigabyte gigabytes;
TB: tb terabyte terabytes;
MB: mb megabyte megabytes;
°C: °c;
°F: °f
"""


def _table(text: str) -> dict[str, frozenset[str]]:
    rows = (row.partition(":") for row in text.split(";"))
    return {word: frozenset(codes.split()) for codes, _, words in rows for word in words.split()}


_PHRASES: dict[str, str] = {
    POINTS: (
        r"(?:percent(?:age)?|per\s?cent|%)[\s-]?points?|%-punkten?|%p|p\.\s?p\.|points?\s?de\s?pourcentage|puntos?\s?porcentual(?:es)?"
        r"|punt[oi]\s?percentual[ei]|pontos?\s?percentua(?:l|is)|процентны[йхе]\s?пункт(?:а|ов|ы)?"
        r"|punkt(?:y|[óo]w)?\s?procentow(?:y|e|ych)"
    ),
    "bps": (
        r"basis\s?points?|basispunkten?|points?\s?de\s?base|puntos?\s?b[áa]sicos?"
        r"|базисны[йх]\s?пункт(?:а|ов)?"
    ),
    PERCENT: (
        r"per\s?cent|pour\s?cent|por\s?ciento|per\s?cento|por\s?cento|τοις\s?εκατό|في\s?المئة|في\s?المائة"
    ),
}
"""Units of several words, or of a word with endings, as regular expressions; the longer ones first."""
UNITS: dict[str, frozenset[str]] = _table(_CURRENCIES) | _table(_OTHERS)
"""What a word or sign in lower case may stand for."""
CONVERSIONS: dict[str, tuple[str, str]] = {
    unit: (base, factor)
    for base, units in {
        "g": {"mg": "0.001", "kg": "1000", "tonne": "1000000"},
        "m": {"mm": "0.001", "cm": "0.01", "km": "1000"},
        "s": {"min": "60", "h": "3600", "day": "86400", "week": "604800"},
        "kWh": {"MWh": "1000", "GWh": "1000000", "TWh": "1000000000"},
        "kW": {"MW": "1000", "GW": "1000000"},
        "m2": {"ha": "10000", "km2": "1000000"},
        "month": {"year": "12"},
        "MB": {"GB": "1000", "TB": "1000000"},
        POINTS: {"bps": "0.01"},
    }.items()
    for unit, factor in units.items()
}
"""Units that measure the same: the base, and what it takes to get there."""
CURRENCIES: frozenset[str] = frozenset().union(*_table(_CURRENCIES).values())


_WITHOUT_MARKS = {without_marks(word): codes for word, codes in UNITS.items()}


def _alternatives(words: list[str]) -> str:
    return "|".join(map(re.escape, sorted(words, key=len, reverse=True)))


_SIGNS = [
    word for word in UNITS if not word[-1].isalpha() or has_no_spaces(word[-1]) or word[-1] >= "가"
]
_LETTERED = [word for word in UNITS if word not in _SIGNS]
_PHRASE = {unit: re.compile(pattern) for unit, pattern in _PHRASES.items()}
UNIT_BEHIND = (
    rf"(?:(?:{'|'.join(_PHRASES.values())})(?![^\W\d_가-힣])|{_alternatives(_SIGNS)}|{_PHRASES[PERCENT]}|"
    rf"(?:{_alternatives(_LETTERED)})(?<!\ds)(?![^\W\d_]|'))"
)
"""A regular expression of a unit behind a number, in lower case."""
_BEFORE = [word for word in UNITS if UNITS[word] <= CURRENCIES]
_BARE = [
    word
    for word in _BEFORE
    if word in _SIGNS and (not word[0].isalpha() or has_no_spaces(word[0]) or word[0] >= "가")
]
UNIT_BEFORE = (
    rf"(?:{_alternatives(_BARE)}|百分之|ร้อยละ|"
    rf"(?<![^\W\d_])(?:{_alternatives([word for word in _BEFORE if word not in _BARE])}))"
)
"""The same of a currency, or a percentage in Chinese, before it: `Rs. 5`, and not the end of `dollars. 5`."""


def unit_of(word: str) -> frozenset[str]:
    """What a unit that one of the expressions has found may stand for; `pour cent` is percent."""
    plain = word.strip()
    return UNITS.get(plain) or frozenset({_phrase_of(plain) or PERCENT})


def _phrase_of(text: str) -> str:
    return next((unit for unit, phrase in _PHRASE.items() if phrase.fullmatch(text)), "")


def may_be_same(one: frozenset[str], other: frozenset[str]) -> bool:
    """Whether two units may be one; where a text gives none, any may be meant."""
    return not one or not other or bool(one & other)


def unit_name(word: str) -> str:
    """One name for a unit, empty for no unit; `$` alone is the dollar of the United States."""
    codes = UNITS.get(word) or _WITHOUT_MARKS.get(without_marks(word), frozenset())
    if not codes:
        return _phrase_of(word)
    return "USD" if "USD" in codes else "/".join(sorted(codes))
