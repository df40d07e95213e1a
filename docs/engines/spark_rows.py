"""Rows on Spark: python spark_rows.py companies.csv answers.csv."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pandas as pd
from pyspark.sql import SparkSession
from question import enrich

ANSWERS = """ceo string, ceo_confidence string, ceo_sources string,
employees long, employees_confidence string, employees_sources string,
run_id string, interaction_id string, error string"""


def research(frames: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """A partition, a frame at a time."""
    return map(enrich, frames)


def main(source: str, target: str) -> None:
    """Research the rows of one file, and write them with their answers to another."""
    spark = SparkSession.builder.master("local[2,4]").getOrCreate()  # a task is tried four times
    rows = spark.read.csv(source, header=True, schema="id long, company string").repartition(8)
    rows.mapInPandas(research, f"id long, company string, {ANSWERS}").toPandas().to_csv(
        target, index=False
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
