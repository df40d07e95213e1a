"""What counts as the same, and what does not: quotes, numbers, dates and names, one by one."""

from __future__ import annotations

from typing import Any

import pytest

from langchain_parallel.checks import CheckedAnswer, check_answer, shorten_checks


def check(content: Any, *excerpts: str, field: str = "output") -> CheckedAnswer:
    cited = {"number": 1, "url": "https://example.org", "title": None, "fields": [field]}
    return check_answer({"content": content, "citations": [{**cited, "excerpts": [*excerpts]}]})


def lost(content: Any, *excerpts: str, field: str = "output") -> list[str]:
    return [
        text
        for claim in check(content, *excerpts, field=field)["claims"]
        for text in claim["not_found"]
    ]


SAME = [
    ("about 1.2 million people", "1,203,456 people"),
    ("1.203.456 Euro", "EUR 1,203,456"),
    ("1'234.5 km", "1 234,5 kilometres"),
    ("12,03,456 and 12 lakh", "1203456 and ₹ 1.2 million"),
    ("3억 5천만 원", "₩350,000,000"),
    ("1.2億円", "売上は１億２０００万円"),
    ("٣٬٤٥٠ عامل", "3,450 workers"),
    ("12 % growth", "grew 12.3 percent"),
    ("$1.2bn", "US$ 1,200 million"),
    ("1.234 billion USD", "Revenue (in millions) 1,234"),
    ("14 countries", "in fourteen countries"),
    ("over 50 stores", "57 stores"),
    ("5–7 million units", "between 5 and 7 million units"),
    ("on 3/5/2024", "on May 3, 2024"),
    ("in March 2024", "on 5 March 2024"),
    ("2023", "fiscal 2022/23"),
    ("1. One\n2. Two [3] ([4](https://x.example/99))", "nothing"),
    ("GPT-4 and Q3 and A320", "nothing"),
    ('He said "we ship—on time, always"', "“We ship - on\ntime always.”"),
    ('"we ship […] always" he said', "we ship on time always"),
    ('their 5" screen and 6" one', "screens of 5 and 6 inches"),
    ("said Tim Cook", "T. Cook, chief executive"),
    ("World Health Organization data", "data of the WHO"),
    ("дом Ивана Петрова", "Иван Петров живёт в этом доме"),
    ("up 2.5 percentage points", "2,5 %-Punkte mehr"),
    ("up 2.5 percentage points", "上升2.5个百分点"),
    ("рост на 2,5 процентных пункта", "рост на 2,5 п.п."),
    ("up 3 points to 13 %", "up 3 percentage points to 13 percent"),
    ("2.5パーセントポイント上昇", "2.5ポイント上昇"),
    ("50 basis points", "50 bps"),
    ("$1.5 million", "US$ 1½ million"),
    ("a loss of $5.2 million", "Net income was $(5.2) million"),
    ("收入3.5亿元", "公司有三亿五千万元收入"),
    ("资本100万元", "资本壹佰万元"),
    ("3 trillion yuan", "三万亿元"),
    ("24 plants", "It earns dollars. 24 plants are in use"),
    ("It turned over 20 million", "a turnover of 20 million"),
    ("She: “Sales rose here.\n\n“Costs fell there.”", "Sales rose here.\n\nCosts fell there."),
    ("“Sales rose here.\n\nCosts fell there.” So it was.", "Sales rose here. Costs fell there."),
    ("“He said “yes” to it all.” So he did.", "He said “yes” to it all."),
    ("“Never closed, here.\n\nHe said: “Costs fell there.”", "Costs fell there."),
]
DIFFERENT = [
    ("about 1.2 million people", "1,403,456 people", "1.2 million"),
    ("1,203,457 people", "1.2 million people", "1,203,457"),
    ("1,200 people", "1,203 people", "1,200"),
    ("$5 million", "€5 million", "$5 million"),
    ("13 % growth", "13 countries", "13 %"),
    ("13 countries", "13 % growth", "13"),
    ("5 March 2024", "March 2024", "5 March 2024"),
    ("5 March 2024", "6 March 2024, with 5 people", "5 March 2024"),
    ("3億円", "3万円", "3億円"),
    ('"we ship on time always"', "we never ship on time always", '"we ship on time always"'),
    ('"always we […] ship it"', "ship it always we", '"always we […] ship it"'),
    ("said Tim Smith", "said Tim Cook", "Tim Smith"),
    ("up 2 percent", "up 2 percentage points", "2 percent"),
    ("up 2 percentage points", "up 2 percent", "2 percentage points"),
    ("2 % mehr", "2 Prozentpunkte mehr", "2 %"),
    ("13 percentage points", "13 countries", "13 percentage points"),
    ("12 %", "12 ‰", "12 %"),
    ("50 %", "50 basis points", "50 %"),
    ("1¼ million", "1½ million", "1¼ million"),
    ("3.6亿元", "三亿五千万元", "3.6亿元"),
    ("5 households", "4,812 households", "5"),
    ("up 42 %", "a workforce of 42,448 at the end", "42 %"),
    ("It earns 5 dollars. 24 plants run", "24 plants run, and it earns €7", "5 dollars"),
    ("It turned over $20 million", "It turned over $25 million", "$20 million"),
    ("37 725 people", "37 of 39\u202f725 people", "37 725"),
    ("४५ देश", "४४.५ % अधिक", "४५"),
    ("销售增长46.6%", "共有员工46,597人", "46.6%"),
    ("“Sales rose here.\n\n“Costs fell.”", "Sales fell here. Costs fell.", "“Sales rose here."),
    (
        "“Sales rose here.\n\nCosts fell.” So it was.",
        "Sales rose here. Costs rose.",
        "“Sales rose here. Costs fell.”",
    ),
    ("“He said “yes” to it all.”", "He said “no” to it all.", "“He said “yes” to it all.”"),
]


@pytest.mark.parametrize(("claim", "excerpt"), SAME)
def test_a_form_is_no_difference(claim: str, excerpt: str) -> None:
    assert lost(claim, excerpt) == []


@pytest.mark.parametrize(("claim", "excerpt", "said"), DIFFERENT)
def test_a_difference_is_found(claim: str, excerpt: str, said: str) -> None:
    assert lost(claim, excerpt) == [said]


def test_a_sentence_that_ends_in_a_number_is_a_claim_of_its_own() -> None:
    claims = check("It began in 1966. Plants run in 9 countries.", "1966, 8 countries")["claims"]
    assert [claim["support"] for claim in claims] == ["supported", "not_found"]


def test_a_name_is_not_looked_for_in_another_language_or_script() -> None:
    german = "Das ist der Bericht, den die Behörde für das Jahr und mit der Bank gemacht hat."
    answer = "It is the report of the Federal Statistical Office for the year."
    assert check(answer, german)["claims"] == []
    assert check("Компанию ведёт Тим Кук", "Tim Cook leads it")["claims"] == []


def test_each_value_is_checked_with_the_citations_of_its_field() -> None:
    cited = [
        {
            "number": 1,
            "url": "https://a.example",
            "title": None,
            "fields": ["size"],
            "excerpts": ["40 bn"],
        },
        {
            "number": 2,
            "url": "https://b.example",
            "title": None,
            "fields": ["makers.0"],
            "excerpts": ["9"],
        },
    ]
    content = {"size": 40_000_000_000, "makers": [{"plants": 9}, {"plants": 8}], "growth": "40 bn"}
    claims = check_answer({"content": content, "citations": cited})["claims"]
    assert [(claim["field"], claim["support"]) for claim in claims] == [
        ("size", "supported"),
        ("makers.0.plants", "supported"),
        ("makers.1.plants", "no_excerpt"),
        ("growth", "no_excerpt"),
    ]


def test_a_field_may_be_named_for_its_scale_or_a_share() -> None:
    assert lost({"usd_millions": 1234.5}, "$1.2345 billion", field="usd_millions") == []
    assert lost({"margin": 0.12}, "a margin of 12 %", field="margin") == []
    assert lost({"margin": 0.13}, "a margin of 12 %", field="margin") == ["0.13"]


def test_what_a_turn_keeps_is_bounded() -> None:
    content = {f"field {n} {'x' * 500}": f"{n} {'y' * 1_000}" for n in range(1_000, 2_000)}
    fields = [*content]
    cited = [{"number": 1, "url": "no", "title": None, "fields": fields, "excerpts": ["-"]}] * 500
    checked = check_answer({"content": content, "citations": cited})
    assert (checked["not_found"], len(checked["claims"])) == (1_000, 1_000)
    kept = shorten_checks(checked)
    assert kept["not_found"] == 1_000
    assert len(str(kept)) < 20_000


@pytest.mark.parametrize(
    "odd",
    [
        *("\ud800", "1" * 100_000, "1," * 50_000, "“" * 50_000, '"a b c ' * 20_000, "[" * 50_000),
        *(
            "A. " * 50_000,
            "Aa " * 50_000,
            "1 111 " * 5_000,
            "about " * 20_000,
            "…" * 50_000,
            "` <" * 30_000,
        ),
        *(
            ["x", None, True, {"y": [float("inf"), 10**40, 1e-300, -0.0]}],
            {"": {"": "7"}},
            "一" * 50_000,
        ),
    ],
    ids=lambda odd: repr(odd)[:12],
)
def test_nothing_odd_fails_or_takes_long(odd: Any) -> None:
    check(odd, odd if isinstance(odd, str) else "7 x", field="")
    assert check({"output": odd}, "x", field="output")
