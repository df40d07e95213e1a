"""Pairs of excerpt and answer, written by hand: all that is planted is found, and nothing sound is marked."""

from __future__ import annotations

import re

import pytest

from .pairs import PAIRS
from .test_forms import lost

_PLANT = re.compile("⟦([^¦⟧]*)¦([^⟧]*)⟧")


def answers(marked: str) -> tuple[str, list[str]]:
    """The sound answer, and those in which one thing is planted."""
    sound = _PLANT.sub(r"\1", marked)
    false = []
    for plant in _PLANT.finditer(marked):
        before, behind = marked[: plant.start()], marked[plant.end() :]
        false.append(_PLANT.sub(r"\1", before) + plant[2] + _PLANT.sub(r"\1", behind))
    return sound, false


@pytest.mark.parametrize("name", PAIRS)
def test_each_plant_is_found_and_nothing_sound_is_marked(name: str) -> None:
    excerpt, marked = PAIRS[name]
    sound, false = answers(marked)
    assert lost(sound, excerpt) == []
    assert false
    assert [answer for answer in false if not lost(answer, excerpt)] == []
