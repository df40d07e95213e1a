"""Whether a request is the one that a scenario means.

Rule: the same JSON is the same request. `***` in a text of the scenario stands for any text, since a
recording has it where a secret was.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "***"


def is_same(meant: Any, given: Any) -> bool:
    """Whether `given` is what is meant."""
    if isinstance(meant, Mapping) and isinstance(given, Mapping):
        return meant.keys() == given.keys() and all(is_same(meant[k], given[k]) for k in meant)
    if isinstance(meant, list) and isinstance(given, list):
        return len(meant) == len(given) and all(map(is_same, meant, given))
    if isinstance(meant, str) and isinstance(given, str) and HIDDEN in meant:
        pattern = ".*".join(map(re.escape, meant.split(HIDDEN)))
        return re.fullmatch(pattern, given, re.DOTALL) is not None
    return bool(meant == given) and isinstance(meant, bool) == isinstance(given, bool)
