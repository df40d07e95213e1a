"""The survivors that stay, each with its reason.

A survivor is named by its module, and the changed lines before and after. `python -m tests.mutants` says
which of these names no mutant has any more.
"""

from __future__ import annotations

EXPLAINED: dict[tuple[str, str, str], str] = {}
