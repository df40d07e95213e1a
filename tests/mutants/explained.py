"""The survivors that stay, each with its reason.

A survivor is named by its module, and the changed lines before and after. `python -m tests.mutants` says
which of these names no mutant has any more.
"""

from __future__ import annotations

EXPLAINED: dict[tuple[str, str, str], str] = {
    (
        "_core/ledger/identity.py",
        "_REMEMBERED = 2_000",
        "_REMEMBERED = 2001",
    ): "A number that is tuned: what is forgotten is calculated again.",
    (
        "_core/ledger/lookup.py",
        "error.billed = ( None # an earlier caller may have paid for the run that cannot be looked up now )",
        "pass",
    ): "The error of every GET says so already (`responses.py`); this keeps it so.",
    (
        "_core/ledger/submission.py",
        "if (yield from now()) > leave.ends_at:",
        "if ((yield from now()) >= leave.ends_at):",
    ): "One instant of leave to send more or less, of 2.5 s.",
    (
        "_core/ledger/submission.py",
        "if is_ours or pending.looked_at + leave.moments > leave.since:",
        "if is_ours or (pending.looked_at + leave.moments >= leave.since):",
    ): "One instant for which a look counts as recent.",
    (
        "_core/ledger/submission.py",
        "_SHORTEST = 0.05",
        "_SHORTEST = 0.1",
    ): "It holds only where the settling time is below 1.5 s, as in tests.",
    (
        "_core/ledger/submission.py",
        "run = read or named",
        "run = (read)",
    ): "By then the run was read; the type checker does not know it.",
    (
        "_core/retry.py",
        "return min(self.longest, self.initial * 2.0 ** min(attempt - 1, 32))",
        "return min(self.longest, self.initial * 2.0 ** min(attempt - 1, 33))",
    ): "After 32 doublings every pause is the longest.",
    (
        "_core/run_wait.py",
        "next_stream: float = 0.0",
        "next_stream: float = 1.0",
    ): "It is read only after an empty stream, which sets it.",
    (
        "_core/run_wait.py",
        "if unread is None and waiting.run is not None and waiting.run.active:",
        "if (unread is None and waiting.run.active):",
    ): "A status that was read is there; the type checker does not know it.",
    (
        "_graph/records.py",
        "REMEMBERED = 1_000",
        "REMEMBERED = 1001",
    ): "A number that is tuned.",
    (
        "_graph/records.py",
        "where = _place(config, name, id=True)",
        "where = _place(config, name, id=False)",
    ): "Without an id the latest checkpoint of the place is read; there is one.",
    (
        "_graph/records.py",
        'metadata: Any = {"source": "update", "step": -1, "parents": {}}',
        'metadata: Any = {"source": "update", "step": -2, "parents": {}}',
    ): "No graph has such a namespace, so nothing reads the step.",
    (
        "_graph/records.py",
        "self._written.clear()",
        "pass",
    ): "It frees memory: what it holds is not read any more.",
}
