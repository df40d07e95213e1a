"""Rows on Ray Data: python ray_rows.py companies.csv answers.csv."""

from __future__ import annotations

import sys

import ray
from question import enrich


def main(source: str, target: str) -> None:
    """Research the rows of one file, and write them with their answers to another."""
    ray.init(num_cpus=2)
    rows = ray.data.read_csv(source).repartition(8)
    rows.map_batches(enrich, batch_size=None).to_pandas().to_csv(target, index=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
