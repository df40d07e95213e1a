"""Rows on DBOS: python dbos_rows.py companies.csv answers.csv. Killed and run again, the workflow goes on."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

from dbos import DBOS, SetWorkflowID
from question import enrich


@DBOS.step(retries_allowed=True)
def research(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One part of the rows."""
    return list(enrich(rows))


@DBOS.workflow()
def companies(source: str, target: str) -> None:
    """Research the rows of one file, and write them with their answers to another."""
    rows = list(csv.DictReader(Path(source).read_text().splitlines()))
    answers = [row for start in range(0, len(rows), 5) for row in research(rows[start : start + 5])]
    with Path(target).open("w", newline="") as file:
        writer = csv.DictWriter(file, answers[0])
        writer.writeheader()
        writer.writerows(answers)


if __name__ == "__main__":
    DBOS(config={"name": "rows", "system_database_url": "sqlite:///dbos.sqlite"})
    DBOS.launch()  # goes on with what was cut off
    with SetWorkflowID("companies"):
        DBOS.start_workflow(companies, *sys.argv[1:]).get_result()
    DBOS.destroy()
