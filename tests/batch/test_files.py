"""Answers in files: what the web wrote is text there, and nothing else."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from langchain_parallel import errors
from langchain_parallel.batch import Cell, CellSource, ResearchRow, write_rows
from langchain_parallel.batch.table_files import safe_cell

from .tables import SCHEMA, Office, companies


def row(value: Any = "Ann", number: int = 0, **more: Any) -> ResearchRow:
    cells = {
        "ceo": Cell(
            value, "high", (CellSource("https://a.example", "A"), CellSource("https://b.example"))
        )
    }
    fields: dict[str, Any] = {"cells": cells, "run_id": "trun_1", "interaction_id": "intr_1"}
    given = {"company": "=A", "ceo": "old"}
    return ResearchRow(number=number, row_id=str(number), row=given, **{**fields, **more})


def failed() -> ResearchRow:
    return row(
        cells={}, error=errors.RunFailed("=No.", status="failed", run_id="trun_2"), run_id="trun_2"
    )


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_csv_has_values_evidence_and_ids(tmp_path: Path) -> None:
    assert write_rows([failed(), row()], tmp_path / "a.csv") == 2
    first, second = read_csv(tmp_path / "a.csv")
    assert first["error"].startswith("'=No.")
    assert first["answer_ceo"] == ""
    assert second == {
        "company": "=A",
        "ceo": "old",
        "answer_ceo": "Ann",
        "answer_ceo_confidence": "high",
        "answer_ceo_sources": "https://a.example\nhttps://b.example",
        "run_id": "trun_1",
        "interaction_id": "intr_1",
        "error": "",
    }


@pytest.mark.parametrize(
    "text",
    [
        "=HYPERLINK(1)",
        "+1",
        "-1+2",
        "@SUM(A1)",
        " =1",
        "\t=1",
        "\n=1",
        "\u200b=1",
        "\uff1d1",
        "\r=1",
        ["=1"][0],
        "-5",
    ],
)
def test_a_text_that_a_spreadsheet_would_run_is_marked(tmp_path: Path, text: str) -> None:
    write_rows([row(text)], tmp_path / "a.csv")
    assert read_csv(tmp_path / "a.csv")[0]["answer_ceo"].startswith("'")


@pytest.mark.parametrize(
    ("value", "cell"), [(-5, -5), (2.5, 2.5), (None, ""), ("a=b", "a=b"), ({"a": 1}, '{"a": 1}')]
)
def test_numbers_and_other_texts_stay(value: Any, cell: Any) -> None:
    assert safe_cell(value) == cell


def test_lines_of_json_have_everything(tmp_path: Path) -> None:
    write_rows([row("\u2028=x"), failed()], tmp_path / "a.jsonl")
    lines = (tmp_path / "a.jsonl").read_text().splitlines()
    first, second = map(json.loads, lines)
    assert first["answer"] == {"ceo": "\u2028=x"}
    assert first["sources"]["ceo"][0] == {"url": "https://a.example", "title": "A"}
    assert second["answer"] is None
    assert second["error"]


def test_an_ending_that_is_not_known_is_refused(tmp_path: Path) -> None:
    with pytest.raises(errors.InvalidRequest):
        write_rows([], tmp_path / "a.xlsx")


def test_a_table_is_written_as_a_whole(tmp_path: Path) -> None:
    table = Office().research(companies(3), output_schema=SCHEMA)
    assert table.write(tmp_path / "a.csv") == 3
    [first, *_] = read_csv(tmp_path / "a.csv")
    assert list(first)[:3] == ["company", "ceo", "ceo_confidence"]
    assert list(table.to_records()[0]) == list(first)
