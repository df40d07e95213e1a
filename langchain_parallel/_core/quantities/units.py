"""Units that are written before or behind a number: percent, currencies, measures.

Rule: a sign with several meanings has all of them: `$` is any dollar. A word that is not listed is no unit.
"""

from __future__ import annotations

import re

from .letters import has_no_spaces

PERCENT = "%"

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
SEK NOK DKK: kr sek nok dkk kronor kroner;
BRL: r$ brl reais;
ILS: ₪ ils nis שקל שקלים;
TRY: ₺ try lira tl;
CAD: c$ cad;
AUD: a$ aud;
HKD: hk$ hkd;
SGD: s$ sgd
"""
_OTHERS = """
%: % percent percents pct prozent porcento procent procenta procents prosenttia prosent százalék
процент процента процентов відсотків відсотка процентов τοις yüzde persen प्रतिशत फीसदी أחוז אחוז
אחוזים बالمئة بالمائة درصد パーセント 퍼센트 프로 ร้อยละ;
km: km kilometer kilometers kilometre kilometres kilometern kilomètres kilómetros км километров 公里
千米 킬로미터 キロメートル;
mi: mi mile miles meilen;
kg: kg kilogram kilograms kilogramm кг килограммов 公斤 千克 킬로그램;
tonne: tonne tonnes ton tons tonnen tonnellate toneladas тонн 吨 噸 トン 톤;
MW: mw megawatt megawatts мвт 兆瓦;
GW: gw gigawatt gigawatts гвт 吉瓦;
kWh: kwh;
MWh: mwh;
GWh: gwh;
TWh: twh;
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


UNITS: dict[str, frozenset[str]] = _table(_CURRENCIES) | _table(_OTHERS)
"""What a word or sign in lower case may stand for."""
CURRENCIES: frozenset[str] = frozenset().union(*_table(_CURRENCIES).values())


def _alternatives(words: list[str]) -> str:
    return "|".join(map(re.escape, sorted(words, key=len, reverse=True)))


_SIGNS = [
    word for word in UNITS if not word[-1].isalpha() or has_no_spaces(word[-1]) or word[-1] >= "가"
]
_LETTERED = [word for word in UNITS if word not in _SIGNS]
UNIT_BEHIND = (
    rf"(?:{_alternatives(_SIGNS)}|per\s?cent|pour\s?cent|por\s?ciento|per\s?cento|por\s?cento|"
    rf"τοις\s?εκατό|في\s?المئة|في\s?المائة|(?:{_alternatives(_LETTERED)})(?![^\W\d_]))"
)
"""A regular expression of a unit behind a number, in lower case."""
UNIT_BEFORE = (
    rf"(?:{_alternatives([w for w in _SIGNS if UNITS[w] <= CURRENCIES])}|百分之|ร้อยละ|"
    rf"(?<![^\W\d_])(?:{_alternatives([w for w in _LETTERED if UNITS[w] <= CURRENCIES])}))"
)
"""The same of a currency, or a percentage in Chinese, before it."""


def unit_of(word: str) -> frozenset[str]:
    """What a unit that one of the expressions has found may stand for; `pour cent` is percent."""
    return UNITS.get(word.strip(), frozenset({PERCENT}))


def may_be_same(one: frozenset[str], other: frozenset[str]) -> bool:
    """Whether two units may be one; where a text gives none, any may be meant."""
    return not one or not other or bool(one & other)
