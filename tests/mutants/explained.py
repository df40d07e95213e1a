"""The survivors that stay, each with its reason.

A survivor is named by its module, and the changed lines before and after. `python -m tests.mutants` says
which of these names no mutant has any more.
"""

from __future__ import annotations

EXPLAINED: dict[tuple[str, str, str], str] = {
    (
        "_core/ledger/submission.py",
        "if (yield from now()) > leave.ends_at:",
        "if ((yield from now()) >= leave.ends_at):",
    ): "One instant of leave to send more or less, of 2.5 s.",
    (
        "_core/ledger/submission.py",
        "_SHORTEST = 0.05",
        "_SHORTEST = 0.1",
    ): "It holds only where the settling time is below 1.5 s, as in tests.",
    (
        "_core/retry.py",
        "return min(self.longest, self.initial * 2.0 ** min(attempt - 1, 32))",
        "return min(self.longest, self.initial * 2.0 ** min(attempt - 1, 33))",
    ): "After 32 doublings every pause is the longest.",
}
