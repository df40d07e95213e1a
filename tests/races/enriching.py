"""One process that researches rows of a batch when it may go, and prints the run of each.

python -m tests.races.enriching '{"api": …, "claims": …, "go": …, "rows": [first, last]}'
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from langchain_parallel import ParallelClient
from langchain_parallel.batch import Enricher
from langchain_parallel.client import RetryPolicy

SETTLING = 4.0
"""Seconds. The server shows a run much sooner."""


def main() -> None:
    """Wait for the start, and research."""
    job = json.loads(sys.argv[1])
    policy = RetryPolicy(settle_seconds=SETTLING)
    enrich = Enricher(
        "Who runs {company}?",
        "One name.",
        batch_id="race",
        row_id="id",
        processor="lite",
        claims=job["claims"],
        client=lambda: ParallelClient("key-of-a-test", job["api"], retry_policy=policy),
    )
    rows = [{"id": nth, "company": f"Company {nth}"} for nth in range(*job["rows"])]
    while not Path(job["go"]).exists():
        time.sleep(0.001)
    print(json.dumps({row["id"]: row["run_id"] for row in enrich(rows)}))


if __name__ == "__main__":
    main()
