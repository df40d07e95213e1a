"""Values that differ in form alone are the same; others are not, and nothing raises."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_parallel.findings import is_same_value
from langchain_parallel.findings.sameness import form_of, relation

SAME: list[tuple[Any, Any]] = [
    (1200, "1,200"),
    (1200, "1.2k"),
    ("1.2k", "1200 employees"),
    (1200, "1.200"),
    ("1 200", "1'200"),
    ("1\N{NARROW NO-BREAK SPACE}200", 1200.0),
    ("12,00,000", "1.2 million"),
    ("$1.2M", "1,200,000 USD"),
    ("€ 1,2 Mio.", "1200000 EUR"),
    ("1.5 Mrd €", "€1.5bn"),
    ("1.2億円", "120,000,000 JPY"),
    ("12 %", "12 percent"),
    ("1,5 %", "1.5%"),
    ("5 km", "5000 m"),
    ("٥", "5"),
    ("over 300", "more than 300"),
    ("2024-03-05", "5 March 2024"),
    ("March 5th, 2024", "05.03.2024"),
    ("5. März 2024", "2024-03-05T00:00:00Z"),
    ("2024年3月5日", "2024/3/5"),
    ("03/05/2024", "05.03.2024"),
    ("2024-03-05T12:00:00Z", "2024-03-05 13:00:00+01:00"),
    ("https://www.acme.com/", "acme.com"),
    ("http://Acme.com/a/", "https://acme.com/a"),
    ("ACME  Inc.", "acme inc"),
    ("“Ada”", "Ada"),
    ("São Paulo", "Sao Paulo"),
    ("U.S.", "US"),
    (True, "yes"),
    ({"a": 1, "b": None}, {"a": "1"}),
    (["a", "b"], ["B", "A"]),
    *[(True, word) for word in ("Ja", "oui", "Sí", "はい", "да")],
    *[(False, word) for word in ("nein", "Non", "não", "нет", "否")],
    ("> 1,000", "over 1000"),
    ("~1.2k", "about 1200"),
    ("12.5 per cent", "12.5%"),
    ("1.2 billion US dollars", "$1.2bn"),
    ("5 years", "60 months"),
    ("30 GB", "30,000 MB"),
    ("5/3/24", "2024-03-05"),
    ("31.12.98", "1998-12-31"),
    ("Acme Corp.", "Acme Corporation"),
    ("Acme, Inc.", "ACME Incorporated"),
    ("Acme & Co.", "Acme and Company"),
    ("Hauptstr. 5, 10115 Berlin", "Hauptstraße 5, 10115 Berlin"),
    ("USA", "United States of America"),
    ("+1 (555) 123-4567", "+15551234567"),
    ("2 pp", "2 percentage points"),
    ("0.5 Prozentpunkte", "50 basis points"),
    ("1½ million", "1.5 million"),
    ("½", 0.5),
    ("nine hundred", 900),
    ("twelve million euros", "€12m"),
    ("三亿五千万元", "350 million CNY"),
    ("1.2×10³", 1200),
    ("1,2e7", "12 million"),
    ("minus 5", "−5"),
    ("2023/24", "2023-24"),
    ("2023/2024", "2023/24"),
    ("FY2024", "fiscal year 2024"),
    ("2002. 2. 3.", "2002-02-03"),
    ("acme.com.", "https://acme.com"),
    ("https://www.bücher.de/", "xn--bcher-kva.de"),
    ("「山田　太郎」", "山田 太郎"),
    ("Łódź", "Lodz"),
]
DIFFERENT: list[tuple[Any, Any]] = [
    (1200, 1300),
    ("5 USD", "5 EUR"),
    ("$5m", "€5m"),
    ("5m", "6m"),
    ("1.200 €", "1,2 €"),
    ("5 kg", "5 t"),
    ("-5", "5"),
    ("10²", "102"),
    ("over 300", 200),
    ("1.2M", "1.4M"),
    ("2024-03-05", "2024-03-06"),
    ("acme.com", "acme.de"),
    ("Ada", "Bob"),
    ("A-", "A+"),
    ("C++", "C"),
    ("v1.2", "v1.3"),
    ("profitable", "not profitable"),
    ("007", "008"),
    (True, False),
    (["a"], ["b"]),
    ({"amount": 5, "currency": "USD"}, {"amount": 5, "currency": "EUR"}),
    ("The CEO is Ada.", "The CEO is Bob."),
    ("The company is profitable.", "The company is not profitable."),
    ("Dr. Jane Doe", "Dr. John Doe"),
    ("John A. Smith", "John B. Smith"),
    ("John Smith Sr.", "John Smith Jr."),
    ("Elizabeth I", "Elizabeth II"),
    ("CEO", "Chief Financial Officer"),
    ("ja", "nein"),
    ("+1 555 1234567", "+1 555 7654321"),
    ("> 1000", 900),
    ("31.12.98", "31.12.99"),
    ("1990s", 2001),
    ("Acme has 1,200 employees in all", "Acme has 1,500 employees in all"),
    ("2 %", "2 percentage points"),
    ("12 ‰", "12 %"),
    ("1½", "1¼"),
    ("minus 5", 5),
    ("2023/24", "2022/23"),
    ("Seven Seas", "Nine Seas"),
    ("三亿五千万元", "三亿六千万元"),
]
SAYS_LESS: list[tuple[Any, Any]] = [
    ("1.2M", 1234567),
    ("about 1,200", 1234),
    ("over 300", 350),
    ("1,000-1,500", 1200),
    ("12%", 0.12),
    ("2024", "2024-03-05"),
    ("March 2024", "2024-03-05"),
    ("Acme", "Acme Holdings"),
    ("A. Lovelace", "Ada Lovelace"),
    ("Lovelace, Ada", "Ada Lovelace"),
    ("1200 employees", "1200 people"),
    (["a"], ["a", "b"]),
    ("> 1,000", 1200),
    ("~1.2k", 1250),
    ("between 1,000 and 1,500", 1200),
    ("1990s", 1995),
    ("¥500 million", "5億円"),
    ("Dr. Jane Doe", "Jane Doe"),
    ("Prof. Jane Doe", "Ms. Jane Doe"),
    ("Jane Doe", "Jane M. Doe"),
    ("Jürgen Müller", "Juergen Mueller"),
    ("CEO", "Chief Executive Officer"),
    ("MIT", "Massachusetts Institute of Technology"),
    (["Dr. Jane Doe", "Bob Li"], ["Jane Doe", "Bob Li", "Carl X"]),
    ("Ada", ["Ada", "Bob"]),
    ("Seven", "Seven Bank"),
    ("Ada has led it for many years now.", "Nothing here is said of who leads the company, alas."),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_form_alone_is_no_difference(one: Any, other: Any) -> None:
    assert is_same_value(one, other)
    assert is_same_value(other, one)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_a_contradiction_is_seen(one: Any, other: Any) -> None:
    assert relation(form_of(one), form_of(other)) == "different"
    assert relation(form_of(other), form_of(one)) == "different"


@pytest.mark.parametrize(("one", "other"), SAYS_LESS)
def test_what_says_less_neither_contradicts_nor_is_the_same(one: Any, other: Any) -> None:
    assert relation(form_of(one), form_of(other)) == "compatible"
    assert relation(form_of(other), form_of(one)) == "compatible"


def deep(levels: int) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = {"a": [value]}
    return value


ODD: list[Any] = [
    *(10**5_000, -(10**400), 2**70, float("nan"), float("inf"), 1e308, 5e-324, -0.0),
    *("NaN", "1e999999", "9" * 5_000, "1," * 5_000, "-", "$", "%", "$-", "..", "0" * 50, "१२३"),
    *(
        "\x00",
        "\ud83d",
        "\u202e123",
        "https://[",
        "http://a.b:99999999/",
        "31.02.2024",
        "0000-00-00",
    ),
    *("9999-12-31T23:59:59-23:59", "1-0", "5-3", ">", "about", "m", "k", "(" * 5_000),
    *(deep(500), [[]], {"": {"": ""}}, {"currency": []}, [None, {}], {}, "", None, False, 0),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


def test_no_odd_value_raises_and_each_is_the_same_as_itself() -> None:
    for one in ODD:
        assert is_same_value(one, one), repr(one)[:50]
        for other in ODD:
            there, back = (
                relation(form_of(a), form_of(b)) for a, b in ((one, other), (other, one))
            )
            assert there == back, (repr(one)[:50], repr(other)[:50])


_FORMS = st.sampled_from("0123456789.,' -+%$€kKmMbn/:TZ–~<>üMär ").map(str)


@given(
    JSON | st.lists(_FORMS, max_size=12).map("".join),
    JSON | st.lists(_FORMS, max_size=12).map("".join),
)
def test_the_order_does_not_matter(one: Any, other: Any) -> None:
    assert is_same_value(one, one)
    assert is_same_value(one, other) == is_same_value(other, one)
    assert relation(form_of(one), form_of(other)) == relation(form_of(other), form_of(one))


@given(st.integers(1_000, 10**12))
def test_a_number_is_the_same_with_the_marks_of_any_language(number: int) -> None:
    for mark in (",", ".", "'", " ", "\N{NO-BREAK SPACE}", "\N{THIN SPACE}", "’"):
        assert is_same_value(number, f"{number:,}".replace(",", mark)), mark
        assert not is_same_value(number, f"{number + 1:,}".replace(",", mark)), mark
