"""Numbers in words, small ones in several languages: `twelve`, `zwölf`, `третий`, `三百二十`.

Rule: they are read where a text is searched for a number, since an answer may write digits for them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from .letters import without_marks

_FROM_ZERO = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
sixteen seventeen eighteen nineteen twenty;
null eins zwei drei vier funf sechs sieben acht neun zehn elf zwolf dreizehn vierzehn funfzehn
sechzehn siebzehn achtzehn neunzehn zwanzig;
zero un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize
dix-sept dix-huit dix-neuf vingt;
cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciseis
diecisiete dieciocho diecinueve veinte;
zero uno due tre quattro cinque sei sette otto nove dieci undici dodici tredici quattordici quindici
sedici diciassette diciotto diciannove venti;
zero um dois tres quatro cinco seis sete oito nove dez onze doze treze catorze quinze dezesseis
dezessete dezoito dezenove vinte;
nul een twee drie vier vijf zes zeven acht negen tien elf twaalf dertien veertien vijftien zestien
zeventien achttien negentien twintig;
ноль один два три четыре пять шесть семь восемь девять десять одиннадцать двенадцать тринадцать
четырнадцать пятнадцать шестнадцать семнадцать восемнадцать девятнадцать двадцать;
zero jeden dwa trzy cztery piec szesc siedem osiem dziewiec dziesiec jedenascie dwanascie trzynascie
czternascie pietnascie szesnascie siedemnascie osiemnascie dziewietnascie dwadziescia;
μηδεν ενα δυο τρια τεσσερα πεντε εξι επτα οκτω εννεα δεκα εντεκα δωδεκα;
صفر واحد اثنان ثلاثة اربعة خمسة ستة سبعة ثمانية تسعة عشرة;
אפס אחת שתיים שלוש ארבע חמש שש שבע שמונה תשע עשר;
शून्य एक दो तीन चार पांच छह सात आठ नौ दस
"""
_ORDINALS = """
first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth;
erste zweite dritte vierte funfte sechste siebte achte neunte zehnte;
premier deuxieme troisieme quatrieme cinquieme sixieme septieme huitieme neuvieme dixieme;
primero segundo tercero cuarto quinto sexto septimo octavo noveno decimo;
первый второй третий четвертый пятый шестой седьмой восьмой девятый десятый
"""
_TO_HUNDRED = 30, 40, 50, 60, 70, 80, 90, 100
_TENS = (
    ("thirty forty fifty sixty seventy eighty ninety hundred", _TO_HUNDRED),
    (
        "dreißig vierzig funfzig sechzig siebzig achtzig neunzig hundert",
        _TO_HUNDRED,
    ),
    ("trente quarante cinquante soixante cent", (30, 40, 50, 60, 100)),
    (
        "treinta cuarenta cincuenta sesenta setenta ochenta noventa cien",
        _TO_HUNDRED,
    ),
    (
        "тридцать сорок пятьдесят шестьдесят семьдесят восемьдесят девяносто сто",
        _TO_HUNDRED,
    ),
    ("half halfte moitie mitad metade половина", (50,) * 6),
    (
        "eine einen einer ein a an une una uma один одна одно двое трое две",
        (1,) * 9 + (1, 1, 1, 2, 3, 2),
    ),
    ("both beide once twice dozen", (2, 2, 1, 2, 12)),
)


def _words() -> dict[str, float]:
    found: dict[str, float] = {}
    for words in _FROM_ZERO.split(";"):
        found.update({without_marks(word): n for n, word in enumerate(words.split())})
    for words in _ORDINALS.split(";"):
        for n, word in enumerate(words.split(), start=1):
            found.setdefault(without_marks(word), n)
    for words, values in _TENS:
        found.update({without_marks(w): v for w, v in zip(words.split(), values, strict=True)})
    return found


WORDS = _words()
_ONES = {word: value for word, value in WORDS.items() if 1 <= value <= 9}
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)?")
_HAN = {
    char: value
    for digits in ("零一二三四五六七八九", "〇壹贰叁肆伍陆柒捌玖", "零壱貳參肆伍陸柒捌玖")
    for value, char in enumerate(digits)
} | {"两": 2, "兩": 2, "弐": 2, "参": 3}
_HAN_FACTORS = {
    "十": 10,
    "百": 100,
    "千": 1000,
    "拾": 10,
    "佰": 100,
    "仟": 1000,
    "廿": 20,
    "卅": 30,
}
_HAN_SCALES = {"万": 1e4, "萬": 1e4, "亿": 1e8, "億": 1e8, "兆": 1e12}
_RUN = rf"[{''.join(_HAN)}{''.join(_HAN_FACTORS)}]+"
_HAN_RUN = re.compile(rf"{_RUN}(?:[{''.join(_HAN_SCALES)}](?:{_RUN})?)*")


class WordNumber(NamedTuple):
    """A number in words, and where it stands."""

    value: float
    start: int
    end: int
    step: float = 1.0
    """What one unit of its last digit is worth: 10,000 for `三亿五千万`."""


def read_number_words(text: str) -> Iterator[WordNumber]:
    """The numbers in words in a text, also `twenty-one`."""
    for found in _WORD.finditer(text):
        word = without_marks(found[0])
        value = WORDS.get(word)
        if value is None and "-" in word:
            tens, _, ones = word.partition("-")
            if WORDS.get(tens, 0) >= 20 and ones in _ONES:
                value = WORDS[tens] + _ONES[ones]
        if value is not None:
            yield WordNumber(value, *found.span())
    for found in _HAN_RUN.finditer(text):
        if read := _read_han(found[0]):
            yield WordNumber(read[0], *found.span(), read[1])


def _read_han(text: str) -> tuple[float, float] | None:
    """`三亿五千万` and `二〇二四` with the worth of the last digit; None for what is a part of a word."""
    total, least, run = 0.0, float("inf"), ""
    for char in f"{text}\0":
        if char in _HAN or char in _HAN_FACTORS:
            run += char
            continue
        scale = _HAN_SCALES.get(char, 1.0)
        if run:
            value = _read_run(run)
            if value is None or scale >= least:
                return None
            total, least = total + value * scale, scale
        else:  # `三万亿`
            total, least = total * scale, least * scale
        run = ""
    return total, least


def _read_run(run: str) -> float | None:
    """`三百二十` and `二〇二四`; None for a lonely factor, which is part of a word."""
    if len(run) > 12 or run in _HAN_FACTORS:
        return _HAN_FACTORS[run] if run in ("十", "拾", "廿") else None
    if not any(char in _HAN_FACTORS for char in run):
        return float("".join(str(_HAN[char]) for char in run))
    total, digit = 0, 0
    for char in run:
        if char in _HAN:
            digit = _HAN[char]
        else:
            total += (digit or 1) * _HAN_FACTORS[char]
            digit = 0
    return float(total + digit)
