"""Rows on Dask: python dask_rows.py companies.csv answers.csv."""

from __future__ import annotations

import sys

import dask.dataframe as dd
from dask.distributed import Client, LocalCluster
from question import enrich


def main(source: str, target: str) -> None:
    """Research the rows of one file, and write them with their answers to another."""
    with LocalCluster(n_workers=2, threads_per_worker=1) as cluster, Client(cluster):
        rows = dd.read_csv(source).repartition(npartitions=8)
        # Without `meta`, Dask calls the function on rows that it makes up; an empty frame costs nothing.
        answers = rows.map_partitions(enrich, meta=enrich(rows._meta))
        answers.compute().to_csv(target, index=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
