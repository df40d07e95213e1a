"""What a caller can ask the table of processors."""

from __future__ import annotations

from datetime import date

import pytest

from langchain_parallel.processors import (
    FAST_SOURCE_DATE,
    PROCESSORS,
    SOURCE,
    SOURCE_DATE,
    costs_more,
    expected_seconds,
)


def test_the_table_names_its_source_and_when_it_was_read() -> None:
    assert SOURCE.startswith("https://docs.parallel.ai/")
    assert isinstance(SOURCE_DATE, date)
    assert FAST_SOURCE_DATE < SOURCE_DATE


def test_expected_times_are_those_of_the_table() -> None:
    assert expected_seconds("ultra8x") == (300, 7_200)
    assert expected_seconds("zeta") is None
    assert all(expected_seconds(name) == known.seconds for name, known in PROCESSORS.items())


@pytest.mark.parametrize(
    ("processor", "than", "so"),
    [
        ("pro", "core", True),
        ("core", "pro", False),
        ("pro", "pro-fast", False),
        ("pro-fast", "pro", False),
        ("zeta", "ultra8x", True),
        ("lite", "zeta", True),
        ("zeta", "zeta", False),
    ],
)
def test_what_has_no_known_price_counts_as_more_expensive(
    processor: str, than: str, so: bool
) -> None:
    assert costs_more(processor, than) is so
