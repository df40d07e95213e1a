"""Frequent small words of some languages: to tell languages apart, and names from the words around them."""

from __future__ import annotations

import re
from collections import Counter

from .._quantities.letters import without_marks

_WORDS: dict[str, str] = {
    "en": "the of and to in is that for it was on with as by at from are be this has have an its or which "
    "were their not but more than about after a over under into he she they we who",
    "de": "der die das und in zu den von mit ist im für auf dem nicht ein eine des als auch es an werden aus "
    "er hat dass sie nach wird bei einer um am sind noch wie einem über so zum war haben nur oder aber vor "
    "zur bis mehr durch seit",
    "fr": "le la les de des du et en un une est dans que pour qui par sur au plus pas avec ce il sont se son "
    "aux elle à ont été cette mais ou ses",
    "es": "el la los las de del y en un una que es por con para se su al lo como más fue ha sus este entre "
    "pero sobre",
    "it": "il lo la gli le di del della dei e in un una che è per con si da al sono nel alla più non ha come "
    "anche",
    "pt": "o a os as de do da dos das e em um uma que é por com para se no na ao mais foi não como sua seu",
    "nl": "de het een van en in is op te dat die voor met zijn aan niet er om ook als door bij naar uit over "
    "werd heeft",
    "pl": "w i z na do się nie jest że to od przez po oraz dla jak o ze był",
    "tr": "ve bir bu da de için ile olarak olan en çok daha gibi kadar sonra",
    "sv": "och i att det som en på är av för med till den har de inte om ett från var",
    "cs": "a v se na je že s z do to o k jako byl které podle",
    "hu": "a az és hogy nem is egy van ez volt csak mint meg",
    "ru": "и в не на что с по из за к от для о это как его был была были также",
    "uk": "і в не на що з по та за до від для це як його був була були також",
    "el": "και το του η της ο να με για που στην στο από την των είναι",
}


def word_set(words: str) -> frozenset[str]:
    """The words of a text, without marks and in lower case."""
    return frozenset(map(without_marks, words.split()))


STOP_WORDS: frozenset[str] = word_set(" ".join(_WORDS.values()))
"""All of them, without marks, in lower case."""
_LANGUAGES_OF: dict[str, list[str]] = {}
for _name, _words in _WORDS.items():
    for _word in dict.fromkeys(map(str.casefold, _words.split())):
        _LANGUAGES_OF.setdefault(_word, []).append(_name)
_TOKEN = re.compile(r"[^\W\d_]+")
_LEAST, _CLOSE, _READ_CHARS = 3, 0.75, 20_000


def guess_languages(text: str) -> frozenset[str]:
    """The languages that a text may be in; empty where its words do not tell."""
    counts = Counter(
        name
        for word in _TOKEN.findall(text[:_READ_CHARS])
        for name in _LANGUAGES_OF.get(word.casefold(), ())
    )
    best = max(counts.values(), default=0)
    if best < _LEAST:
        return frozenset()
    return frozenset(name for name, count in counts.items() if count >= _CLOSE * best)
