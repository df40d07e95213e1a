"""Rows on Prefect: python prefect_rows.py companies.csv answers.csv. Killed, it is run again."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

from prefect import flow, task
from question import enrich


@task(retries=3)
def research(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One part of the rows."""
    return list(enrich(rows))


@flow
def companies(source: str, target: str) -> None:
    """Research the rows of one file, and write them with their answers to another."""
    rows = list(csv.DictReader(Path(source).read_text().splitlines()))
    parts = research.map([rows[start : start + 5] for start in range(0, len(rows), 5)])
    answers = [row for part in parts.result() for row in part]
    with Path(target).open("w", newline="") as file:
        writer = csv.DictWriter(file, answers[0])
        writer.writeheader()
        writer.writerows(answers)


if __name__ == "__main__":
    companies(*sys.argv[1:])
