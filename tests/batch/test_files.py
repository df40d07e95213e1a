"""Answers in files: what the web wrote is text there, and nothing else."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from langchain_parallel import errors
from langchain_parallel.batch import (
    Cell,
    CellSource,
    ResearchRow,
    ResearchTable,
    TablePlan,
    write_rows,
)
from langchain_parallel.batch.table_files import safe_cell

from .tables import SCHEMA, Office, companies


def row(value: Any = "Ann", number: int = 0, **more: Any) -> ResearchRow:
    cells = {
        "ceo": Cell(
            value, "high", (CellSource("https://a.example", "A"), CellSource("https://b.example"))
        )
    }
    fields: dict[str, Any] = {"cells": cells, "run_id": "trun_1", "interaction_id": "intr_1"}
    given = more.pop("row", {"company": "=A", "ceo": "old"})
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
    with pytest.raises(errors.InvalidRequest, match="Nothing was written"):
        write_rows([], tmp_path / "a.xlsx")


def test_a_table_is_written_as_a_whole(tmp_path: Path) -> None:
    table = Office().research(companies(3), output_schema=SCHEMA)
    assert table.write(tmp_path / "a.csv") == 3
    [first, *_] = read_csv(tmp_path / "a.csv")
    assert list(first)[:3] == ["company", "ceo", "ceo_confidence"]
    assert list(table.to_records()[0]) == list(first)


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "ndjson"])
def test_half_a_character_of_the_callers_own_takes_no_answer_with_it(
    tmp_path: Path, ending: str
) -> None:
    path = tmp_path / f"a.{ending}"
    assert write_rows([row(row={"company": "\ud800"}), row("Bob")], path) == 2
    text = path.read_text(encoding="utf-8")
    assert "\\ud800" in text
    assert "Bob" in text


def test_all_columns_that_a_row_has_are_written(tmp_path: Path) -> None:
    """The API chooses the columns of an answer where no schema does: those of a later row are others."""
    cells = {"summary": Cell("Sells bikes.", "low")}
    rows = [failed(), row(), row(row={"town": "Ulm"}, cells=cells)]
    write_rows(rows, tmp_path / "a.csv")
    last = read_csv(tmp_path / "a.csv")[-1]
    assert (last["town"], last["summary"], last["summary_confidence"]) == (
        "Ulm",
        "Sells bikes.",
        "low",
    )
    plan = TablePlan("base", 3, 0, 0, 0.03)
    [*_, record] = ResearchTable(rows, plan, "tgrp_1", ["ceo"]).to_records()
    assert (record["town"], record["summary"]) == ("Ulm", "Sells bikes.")


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_an_old_file_stays_until_a_row_comes(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("paid for yesterday")

    def fail() -> Iterator[ResearchRow]:
        yield from ()
        raise errors.ParallelError("This batch is being researched by another process.")

    with pytest.raises(errors.ParallelError):
        write_rows(fail(), path)
    assert path.read_text() == "paid for yesterday"


def test_a_file_that_cannot_be_written_is_refused_before_a_row_is_asked_for(tmp_path: Path) -> None:
    asked = count()
    rows = (row(number=number) for number in asked)
    with pytest.raises(FileNotFoundError):
        write_rows(rows, tmp_path / "none" / "a.csv")
    (tmp_path / "b.csv").mkdir()
    with pytest.raises(IsADirectoryError):
        write_rows(rows, tmp_path / "b.csv")
    assert next(asked) == 0
