"""Proper names of a claim, and whether an excerpt has them.

Rule, for what is sound: a name is a row of two or more words with capitals, in a script that has them. Words
may have other endings (`Тима Кука`), accents and an order of their own. A part of them is enough if it has
the last (`CEO Cook` for Tim Cook) or most of them; the first letters stand for a name, and a legal form for
none. A name is looked for only in excerpts of its script and language, since others may write it otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from .._quantities.date_reader import MONTHS
from .._quantities.letters import level, without_marks
from .._quantities.scales import SCALES
from .._quantities.units import UNITS
from .languages import STOP_WORDS, guess_languages, word_set


class ProperName(NamedTuple):
    """A name, and where it stands."""

    text: str
    start: int
    end: int


_LETTERS = re.compile(r"[^\W\d_]")
_TOKEN = re.compile(r"[^\W\d_]+|\d+")
_WORD = r"[^\W\d_](?:[^\W\d_]|['&-](?=[^\W\d_]))*"
_ROW = re.compile(rf"(?<![\w'-]){_WORD}(?:(?:(?<=\b[^\W\d_])\. ?| ){_WORD})*")
_PARTICLES: frozenset[str] = word_set(
    "of de du des del della di da dos das van von der den la le el al bin ibn and & y e und et zu ter"
)
_CONJUNCTIONS = word_set("and & y e et und")
_GENERIC: frozenset[str] = word_set(
    "inc incorporated ltd limited llc llp plc corp corporation co company group holding holdings gmbh "
    "ag se kg sa sas sarl spa srl nv bv ab asa oy as oyj kk pty sl aps kgaa ооо ао пао зао "
    "mr mrs ms dr prof professor sir dame lord herr frau monsieur madame señor señora "
    "chief executive officer president vice chairman chairwoman chair director managing manager head "
    "founder co-founder cofounder minister prime secretary general chancellor king queen senator "
    "governor mayor ceo cfo cto coo board quarter fiscal year series round monday tuesday wednesday "
    "thursday friday saturday sunday north south east west million millions billion percent ende "
    "anfang mitte"
)
_LEAST_SHARE = 0.5
_JOINT = re.compile(r" (?:and|&|y|e|et|und|en|och|og) ")
_PAIR = re.compile(rf"(?<![\w'-])({_WORD})(?=( (?:{_WORD}))?(?: ({_WORD}))?)")


def find_names(text: str) -> list[ProperName]:
    """The names of a text, in its order.

    Args:
        text: Without headings, whose words have capitals for no reason.
    """
    plain = level(text)
    if len(plain) != len(text):
        return []
    found: list[ProperName] = []
    for row in _ROW.finditer(plain):
        found += _names_in(text, plain, row)
    return found


def _names_in(text: str, plain: str, row: re.Match[str]) -> Iterable[ProperName]:
    """The parts of a row of words that are names."""
    group: list[re.Match[str]] = []
    for word in [*re.finditer(_WORD, row[0]), None]:
        if word is not None and (word[0][0].isupper() or (group and word[0].lower() in _PARTICLES)):
            group.append(word)
            continue
        if name := _trim(group):
            start, end = row.start() + name[0].start(), row.start() + name[-1].end()
            yield ProperName(text[start:end], start, end)
        group = []


def _trim(group: list[re.Match[str]]) -> list[re.Match[str]]:
    """Without small words at both ends; nothing where fewer than two words are left that make a name."""
    while group and not _is_telling(group[0][0]):
        group = group[1:]
    while group and (group[-1][0].islower() or not _is_telling(group[-1][0])):
        group = group[:-1]
    words = [word[0] for word in group if word[0][0].isupper()]
    is_name = len(words) > 1 and any(without_marks(w) not in _GENERIC for w in words)
    return group if is_name else []


def _is_telling(word: str) -> bool:
    plain = without_marks(word)
    is_frequent = plain in STOP_WORDS or plain in MONTHS or plain in SCALES or word.lower() in UNITS
    return not (is_frequent and len(plain) > 1)


# --- what the excerpts have ----------------------------------------------------------------------


class NameIndex:
    """The words of some excerpts, for the names in them."""

    def __init__(self, texts: Iterable[str]) -> None:
        whole = "\n".join(texts)
        plain = without_marks(level(whole))
        self._words: dict[str, set[str]] = {}
        tokens = _TOKEN.findall(plain)
        for word in tokens:
            self._words.setdefault(word[:3], set()).add(word)
        self._following: dict[str, set[str]] = _find_following(level(whole))
        self._joined: str = "".join(tokens)
        self._scripts: dict[str, int] = _count_scripts(whole)
        self._languages: frozenset[str] = guess_languages(whole)

    def may_have(self, name: ProperName, languages: frozenset[str]) -> bool:
        """Whether a name in a text of these languages would be written here as it is there."""
        letters = sum(self._scripts.values())
        script = _script_of(next(iter(_LETTERS.findall(name.text)), "a"))
        if letters == 0 or self._scripts.get(script, 0) * 2 < letters:
            return False
        if not languages:
            return script != "Latin" or not self._languages or "en" in self._languages
        return not self._languages or bool(languages & self._languages)

    def has(self, name: ProperName, languages: frozenset[str]) -> bool:
        """Whether enough of a name is there; of each, where two are joined by a word such as `and`."""
        if self._has_one(name.text, languages):
            parts = _JOINT.split(name.text)
            return len(parts) < 2 or any(len(p.split()) < 2 for p in parts) or self._has_each(parts)
        return False

    def _has_each(self, names: list[str]) -> bool:
        return all(self._has_one(name, frozenset()) for name in names)

    def _has_one(self, name: str, languages: frozenset[str]) -> bool:
        words = [w for w in _split(name) if w not in _PARTICLES]
        telling = [word for word in words if word not in _GENERIC] or words
        if "".join(words) in self._joined or "".join(telling) in self._joined:
            return True
        first_letters = "".join(word[0] for word in _split(name) if word not in STOP_WORDS)
        if len(first_letters) > 1 and first_letters in self._words.get(first_letters[:3], ()):
            return True
        there = [word for word in telling if self._has_word(word)]
        if telling[-1] not in there and self._has_another(telling):
            return False
        if telling[-1] in there or (there and "de" in languages):
            return True
        return len(there) > len(telling) * _LEAST_SHARE

    def _has_another(self, words: list[str]) -> bool:
        """Whether another last name stands wherever the name begins as this one does."""
        following = self._following.get(words[-2], set()) if len(words) > 1 else set()
        return bool(following) and "" not in following

    def _has_word(self, word: str) -> bool:
        return any(is_same_word(word, other) for other in self._words.get(word[:3], ()))


def _find_following(text: str) -> dict[str, set[str]]:
    """The name behind each word with a capital, a particle left out; empty where no name is."""
    found: dict[str, set[str]] = {}
    for one, following, further in _PAIR.findall(text):
        if one[0].isupper():
            word = following.strip()
            word = further if word in _PARTICLES - _CONJUNCTIONS else word
            for last in without_marks(one).split("-")[-1:]:
                found.setdefault(last, set()).add(word if word[:1].isupper() else "")
    return found


def _split(name: str) -> list[str]:
    plain = level(name)
    plain = re.sub(r"'s?(?![^\W\d_])|'[^\W\d_]{1,4}(?=\s|$)", "", plain)
    return _TOKEN.findall(without_marks(plain))


def is_same_word(one: str, other: str) -> bool:
    """Whether two words differ at most in their endings."""
    if one == other:
        return True
    shared = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)
    shared = min(len(one), len(other)) if shared is None else shared
    rests = len(one) - shared, len(other) - shared
    most = 3 if one[0] > "\u024f" else 1
    return shared >= 3 and (max(rests) <= most or (min(rests) == 0 and max(rests) <= 3))


def _script_of(char: str) -> str:
    code = ord(char)
    if code <= 0x24F:
        return "Latin"
    if 0x370 <= code <= 0x3FF or 0x1F00 <= code <= 0x1FFF:
        return "Greek"
    return "Cyrillic" if 0x400 <= code <= 0x52F else "other"


def _count_scripts(text: str) -> dict[str, int]:
    counts: dict[str, int] = {}
    for char in _LETTERS.findall(text[:20_000]):
        script = _script_of(char)
        counts[script] = counts.get(script, 0) + 1
    return counts
