"""Words that multiply a number: million, Mrd., lakh, 万, 억, ألف.

Rule: a word with several meanings has all of them: `Billion` is 10⁹ in English and 10¹² in German.
"""

from __future__ import annotations

import re

from .letters import has_no_spaces

_WORDS: dict[float, str] = {
    1e2: "hundred सौ 百 백",
    1e3: (
        "k thousand thousands tsd tausend mille mil mila mille miles duizend tusen tuhat tuhatta tuhannen "
        "tuhanteen tys tysiąc "
        "tysiące tysięcy tis tisíc tisíce ezer bin ribu nghìn ngàn тыс тысяч тысяча тысячи тис тисяч хил "
        "хиляди χιλ χιλιάδες χιλιάδων ألف ألفا آلاف الف هزار אלף אלפים हज़ार हजार হাজার ஆயிரம் พัน 千 仟 천"
    ),
    1e4: "หมื่น 万 萬 만",
    1e5: "lakh lakhs lac lacs लाख লাখ লক্ষ இலட்சம் லட்சம் แสน",
    1e6: (
        "m mm mn mln mio million millions millionen millió millones millón milhão milhões milioni milione "
        "miljoen miljoner miljon miljoonaa miljoonan miljoonaan milliós milj milionów miliony milion milionů "
        "mil. milyon juta triệu млн "
        "миллион миллиона миллионов мільйон мільйонів милиона милиони εκατ εκατομμύρια εκατομμύριο "
        "εκατομμυρίων مليون مليونا ملايين میلیون מיליון מיליוני ล้าน 백만 百万 百萬"
    ),
    1e7: "crore crores cr करोड़ करोड কোটি கோடி 천만 千万",
    1e8: "億 亿 억",
    1e9: (
        "b bn billion billions mrd md mds mld mlrd mia milliard milliards milliarde milliarden milliárd "
        "miliardi miliardo miliard miliardów miliardy miliarda miljard miljarder miljardia miljardin "
        "miljardiin milliárdos mrd. bilhão "
        "bilhões milyar miliar tỷ tỉ млрд миллиард миллиарда миллиардов мільярд мільярдів милиарда "
        "δισ δισεκατομμύρια δισεκατομμύριο δισεκατομμυρίων مليار مليارات بليون میلیارد מיליארד מיליארדי "
        "अरब"
    ),
    1e12: (
        "t tn trn trillion trillions billion billionen billones bilione biliones трлн триллион триллиона "
        "триллионов трильйон τρισ τρισεκατομμύρια تريليون טריליון trilhão trilhões triliun trilyon 兆 조"
    ),
}


def _by_word() -> dict[str, tuple[float, ...]]:
    found: dict[str, tuple[float, ...]] = {}
    for factor, words in _WORDS.items():
        for word in words.split():
            found[word] = tuple(dict.fromkeys([*found.get(word, ()), factor]))
    found["billion"] = (1e9, 1e12)
    found["mil"] = (1e3, 1e6)  # Spanish; and short for millions
    return found


SCALES = _by_word()
"""The factors that a word in lower case may stand for."""


def _is_unspaced(word: str) -> bool:
    return all(has_no_spaces(char) or "가" <= char <= "힣" for char in word)


def _pattern() -> str:
    unspaced = sorted(filter(_is_unspaced, SCALES), key=len, reverse=True)
    lettered = (
        word for word in SCALES if not _is_unspaced(word) and word != "miles"
    )  # 5 miles: a length
    spaced = sorted(lettered, key=len, reverse=True)
    words = "|".join(map(re.escape, spaced))
    # No letter may follow, but those of scripts without blanks, and the endings of Korean stay outside.
    return rf"(?:{'|'.join(map(re.escape, unspaced))})|(?:{words})(?![^\W\d_])\.?"


SCALE_PATTERN = _pattern()
"""A regular expression of one such word behind a number, in lower case."""
