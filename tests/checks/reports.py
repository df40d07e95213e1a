"""Generated reports: pages with facts, answers that say them in other forms, and what is planted in them.

Rule: what is sound is what `docs/guides/checks.md` says. Every number of a page is known, so that a changed
one is changed beyond rounding, and to none that a page has for something else.
"""

from __future__ import annotations

import math
import random
import re
from typing import Any, NamedTuple

from .more_prose import ARABIC, CHINESE, HEBREW, HINDI, JAPANESE, KOREAN
from .prose import ENGLISH, FRENCH, GERMAN, GREEK, RUSSIAN, SPANISH, Prose

LANGUAGES: tuple[Prose, ...] = (
    *(ENGLISH, GERMAN, FRENCH, SPANISH, RUSSIAN, GREEK),
    *(ARABIC, HEBREW, HINDI, CHINESE, JAPANESE, KOREAN),
)
COUNT = 200


class Report(NamedTuple):
    """An answer with its evidence, and the claims in it that no page has."""

    language: str
    answer: dict[str, Any]
    planted: list[str]
    """A part of each of them."""
    claims: int


class Fact(NamedTuple):
    """What a page says: a key of its prose, with the values."""

    kind: str
    values: tuple[float, ...]


def report(number: int) -> Report:
    """One of the reports, always the same for its number."""
    return _Writer(random.Random(f"report {number}"), LANGUAGES[number % len(LANGUAGES)]).write(
        number
    )


class _Writer:
    def __init__(self, chance: random.Random, prose: Prose) -> None:
        self.chance, self.prose = chance, prose
        self.page_digits = chance.random() < 0.6  # whether pages have digits of their script
        self.known: list[float] = []

    def write(self, number: int) -> Report:
        facts = self._facts()
        quotes = self.chance.sample(self.prose.said, min(2, len(self.prose.said)))
        page = self._page(facts, quotes)
        sound = [(self._say(fact, fact.values), "") for fact in facts]
        quoted = [(self._quote(self._with_gap(quote)), "") for quote in quotes]
        planted = self._plant(facts, sound) + self._misquote(quotes, quoted)
        claims = [claim for claim, _ in [*sound, *quoted]]
        self.chance.shuffle(claims)
        content: Any = self._text(claims)
        fields = ["output"]
        if number % 3 == 0:
            content, fields = {"summary": content, "status": "active"}, ["summary", "status"]
        cited = [
            {
                "number": n,
                "url": f"https://example.org/{number}/{n}",
                "title": None,
                "fields": fields,
                "excerpts": excerpts,
            }
            for n, excerpts in enumerate(page, start=1)
        ]
        answer = {"content": content, "citations": cited}
        return Report(self.prose.name, answer, planted, len(claims))

    # --- pages ---

    def _facts(self) -> list[Fact]:
        pick = self.chance
        people = (
            pick.randint(1_100_000, 9_800_000)
            if pick.random() < 0.5
            else pick.randint(10_100, 99_800)
        )
        low = pick.randint(11, 40)
        facts = [
            Fact("n", (people,)),
            Fact("m", (float(f"{pick.uniform(1.1, 9.9):.2g}") * 10 ** pick.choice((7, 8, 9)),)),
            Fact("p", (round(pick.uniform(1.6, 88.8), 1),)),
            Fact("d", (pick.randint(1931, 1989), pick.randint(1, 12), pick.randint(1, 28))),
            Fact("c", (pick.randint(3, 9),)),
            Fact("ab", (low, low + pick.randint(2, 9))),
        ]
        if "name" in self.prose.pages:
            facts.append(Fact("name", ()))
        # What the page has besides: of a range in millions or lakhs, and in its other sentences.
        amounts = [value for fact in facts if fact.kind in ("ab", "m") for value in fact.values]
        besides = [value * by for value in amounts for by in (1e6, 1e5, 1e4, 1e-6, 1e-5, 1e-4)]
        besides += map(float, re.findall(r"\d+", self.prose.filler))
        self.known = [*(value for fact in facts for value in fact.values), *besides]
        return pick.sample(facts, pick.randint(4, len(facts)))

    def _page(self, facts: list[Fact], quotes: list[str]) -> list[list[str]]:
        """The excerpts of two sources."""
        sentences = [self._state(fact) for fact in facts]
        sentences += [f"{self._broken(quote)}." for quote in quotes]
        if self.prose.filler:
            sentences.append(self.prose.filler)
        self.chance.shuffle(sentences)
        half = len(sentences) // 2
        return [[" ".join(sentences[:half])], sentences[half:]]

    def _state(self, fact: Fact) -> str:
        pattern = self.prose.pages[fact.kind]
        if fact.kind == "name":
            return pattern
        if fact.kind == "d":
            return pattern.format(
                d=self._date(fact.values, self.chance.choice(self.prose.dates), page=True)
            )
        if fact.kind == "ab":
            a, b = (self._digits(f"{value:.0f}", page=True) for value in fact.values)
            return pattern.format(a=a, b=b)
        [value] = fact.values
        if fact.kind == "c":
            words = self.prose.counts.split()
            in_words = words[int(value) - 3] if words and self.chance.random() < 0.5 else ""
            return pattern.format(c=in_words or self._digits(f"{value:.0f}", page=True))
        if fact.kind == "p":
            return pattern.format(p=self.prose.percent[0].format(self._decimal(value, page=True)))
        if fact.kind == "m":
            return pattern.format(m=self._money(value, self.prose.money[0], page=True))
        return pattern.format(n=self._exact(value, page=True))

    def _broken(self, quote: str) -> str:
        """As a page breaks lines, and writes quotation marks."""
        words = quote.split(" ")
        if len(words) > 3:
            at = self.chance.randrange(1, len(words) - 1)
            words[at] = f"{words[at]}\n" if self.chance.random() < 0.5 else f"{words[at]} "
        return f'"{" ".join(words)}"'.replace("'", self.chance.choice("'’"))

    # --- answers ---

    def _text(self, claims: list[str]) -> str:
        if self.chance.random() < 0.5:
            lines = [f"{n}. {claim}." for n, claim in enumerate(claims, start=1)]
            return "## 7. " + self.prose.name + "\n\n" + "\n".join(lines)
        end = "。" if self.prose.name in ("Chinese", "Japanese") else ". "
        if self.prose.name == "Hindi":
            end = "। "
        return end.join(claims) + end.rstrip()

    def _say(self, fact: Fact, values: tuple[float, ...], *, exactly: bool = False) -> str:
        patterns = self.prose.answers[fact.kind]
        pattern = self.chance.choice(patterns)
        if fact.kind == "name":
            return pattern
        if fact.kind == "d":
            return pattern.format(d=self._date(values, self.chance.choice(self.prose.dates)))
        if fact.kind == "ab":
            a, b = (self._digits(f"{value:.0f}") for value in values)
            return pattern.format(a=a, b=b)
        [value] = values
        if fact.kind == "c":
            return pattern.format(c=self._digits(f"{value:.0f}"))
        if fact.kind == "p":
            shown = value if self.chance.random() < 0.6 or value < 9.5 else round(value)
            text = self._decimal(shown) if shown != round(shown) else self._digits(f"{shown:.0f}")
            return pattern.format(p=self.chance.choice(self.prose.percent).format(text))
        if fact.kind == "m":
            return pattern.format(m=self._money(value, self.chance.choice(self.prose.money)))
        if value < 10**6 or exactly:
            return patterns[0].format(n=self._exact(value))
        return pattern.format(n=self._exact(value), r=self._scaled(value, 2))

    def _with_gap(self, quote: str) -> str:
        words = quote.split(" ")
        if len(words) > 8 and self.chance.random() < 0.4:
            at = len(words) // 2
            return " ".join(
                [*words[: at - 1], self.chance.choice(("…", "[…]", "...")), *words[at + 1 :]]
            )
        return quote

    def _quote(self, quote: str) -> str:
        opening, closing = self.prose.quotes
        return self.prose.says.format(q=f"{opening}{quote}{closing}")

    # --- what is planted ---

    def _plant(self, facts: list[Fact], sound: list[tuple[str, str]]) -> list[str]:
        numbered = [n for n, fact in enumerate(facts) if fact.values]
        at = self.chance.choice(numbered)
        claim = self._say(facts[at], self._changed(facts[at]), exactly=True)
        sound[at] = claim, ""
        return [claim]

    def _changed(self, fact: Fact) -> tuple[float, ...]:
        """Other values: beyond rounding, and none that a page has."""
        for _ in range(1_000):
            values = list(fact.values)
            at = self.chance.randrange(len(values))
            value = values[at]
            if fact.kind == "d":
                values[at] = self.chance.randint(1, 12 if at == 1 else 28) if at else value + 10
            elif fact.kind in ("c", "ab"):
                values[at] = value + self.chance.choice((-2, -1, 1, 2, 20, 40))
            elif fact.kind == "n":
                text = f"{value:.0f}"
                digit = self.chance.randrange(len(text))
                other = self.chance.choice([d for d in "123456789" if d != text[digit]])
                values[at] = float(text[:digit] + other + text[digit + 1 :])
            elif fact.kind == "p":
                values[at] = round(self.chance.uniform(1.6, 88.8), 1)
            else:
                values[at] = float(f"{value * self.chance.choice((0.1, 0.62, 1.31, 1.7, 10)):.2g}")
            if fact.kind == "ab" and values[0] >= values[1]:
                continue
            if self._is_new(values[at], value, fact) and values[at] > 0:
                return tuple(values)
        raise AssertionError(fact)

    def _is_new(self, value: float, before: float, fact: Fact) -> bool:
        if value == before or (fact.kind == "p" and not 1 <= value < 100):
            return False
        if fact.kind == "d":
            return True
        if fact.kind in ("p", "m") and abs(value - before) < 0.2 * before:
            return False
        near = 0.51 if fact.kind == "p" else 0
        return not any(
            abs(value - other) <= near or math.isclose(value, other) for other in self.known
        ) and not (fact.kind == "c" and value < 3)

    def _misquote(self, quotes: list[str], quoted: list[tuple[str, str]]) -> list[str]:
        at = self.chance.randrange(len(quotes))
        words = quotes[at].split(" ")
        if len(words) < 4:  # without blanks
            half = len(quotes[at]) // 2
            false = quotes[at][:half] + self.prose.other + quotes[at][half + 1 :]
        else:
            place = self.chance.randrange(1, len(words) - 1)
            false = " ".join(
                self.chance.choice(
                    (
                        [*words[:place], self.prose.other, *words[place + 1 :]],
                        [*words[:place], *words[place + 1 :]],
                        [*words[:place], words[place], self.prose.other, *words[place + 1 :]],
                    )
                )
            )
        claim = self._quote(false)
        quoted[at] = claim, ""
        return [claim]

    # --- forms ---

    def _digits(self, text: str, *, page: bool = False) -> str:
        own = self.prose.digits
        uses_own = self.page_digits if page else self.chance.random() < 0.5
        return text.translate(str.maketrans("0123456789", own)) if uses_own else text

    def _marked(self, text: str, *, page: bool) -> str:
        """`1,234.5` with this language's marks, or at times with another one's that no reader mistakes."""
        group, point = self.prose.group, self.prose.point
        if group == "in":
            group = ","
        if self.chance.random() < 0.3 and text.count(",") > 1:
            group, point = self.chance.choice(((" ", "."), ("'", "."), ("\u202f", ","), ("", ".")))
        is_arabic = group == "٬"
        own = self._digits(text, page=page)
        if is_arabic and own == text:  # digits of ASCII with their marks
            group, point = ",", "."
        return own.replace(",", "\0").replace(".", point).replace("\0", group)

    def _exact(self, value: float, *, page: bool = False) -> str:
        text = f"{value:,.0f}"
        if self.prose.group == "in" and value >= 10**5:
            digits = f"{value:.0f}"
            head, tail = digits[:-3], digits[-3:]
            pairs = [head[max(0, i - 2) : i] for i in range(len(head), 0, -2)][::-1]
            text = ",".join([*pairs, tail])
        return self._marked(text, page=page)

    def _decimal(self, value: float, *, page: bool = False) -> str:
        return self._marked(f"{value}", page=page)

    def _scaled(self, value: float, digits: int, *, page: bool = False) -> str:
        factor, word = next(((f, w) for f, w in self.prose.scales if value >= f), (1, ""))
        if factor == 1:
            return self._exact(value, page=page)
        amount = value / factor
        places = max(0, digits - 1 - math.floor(math.log10(amount)))
        text = f"{amount:,.{places}f}"
        return self._marked(text, page=page) + word

    def _money(self, value: float, around: str, *, page: bool = False) -> str:
        is_scaled = page or self.chance.random() < 0.7
        text = self._scaled(value, 2, page=page) if is_scaled else self._exact(value)
        if not is_scaled:
            around = around.replace(" de euros", " euros").replace(" d'euros", " euros")
        return around.format(text)

    def _date(self, values: tuple[float, ...], form: str, *, page: bool = False) -> str:
        year, month, day = map(int, values)
        name = self.prose.months.split()[month - 1]
        text = form.format(d=day, m=month, y=year, M=name)
        return self._digits(text, page=page)
