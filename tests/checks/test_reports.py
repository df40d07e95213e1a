"""200 generated reports in twelve languages: what is planted is found, and no sound claim is marked."""

from __future__ import annotations

import pytest

from langchain_parallel.checks import check_answer

from ..cut import is_exhaustive
from .reports import COUNT, LANGUAGES, Report, report

NAMES = [prose.name for prose in LANGUAGES]


def differences(given: Report) -> tuple[list[str], list[str]]:
    """What is planted and was not found; what is sound and was marked."""
    checked = check_answer(given.answer)
    lost = [claim for claim in checked["claims"] if claim["support"] == "not_found"]
    planted = [" ".join(claim.split()) for claim in given.planted]
    missed = [claim for claim in planted if not any(claim in one["text"] for one in lost)]
    marked = [
        f"{one['text']} {one['not_found']}"
        for one in lost
        if not any(claim in one["text"] for claim in planted)
    ]
    return missed, marked


@pytest.mark.larger
@pytest.mark.parametrize("language", NAMES)
def test_what_is_planted_is_found_and_no_sound_claim_is_marked(language: str) -> None:
    numbers = range(NAMES.index(language), COUNT, len(NAMES))
    for number in numbers if is_exhaustive() else numbers[:5]:
        given = report(number)
        assert given.language == language
        assert given.planted
        assert differences(given) == ([], []), number
