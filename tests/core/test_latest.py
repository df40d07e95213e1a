"""What a process remembers is bounded, and what is forgotten is the oldest."""

from __future__ import annotations

from typing import Any

import pytest

from langchain_parallel._core.latest import Latest
from langchain_parallel._core.ledger.cache import MAX_LEDGERS, MAX_RUNS, KnownRun, LedgerCache
from langchain_parallel.client.known_secrets import KnownSecrets
from langchain_parallel.models import TaskRun
from langchain_parallel.webhooks import QueueOptions
from langchain_parallel.webhooks.delivery_queue import DeliveryQueue


def test_the_entry_that_was_set_longest_ago_is_forgotten() -> None:
    kept: Latest[str, int] = Latest(2)
    kept["a"], kept["b"], kept["a"], kept["c"] = 1, 2, 3, 4
    assert list(kept.items()) == [("a", 3), ("c", 4)]


def test_what_is_dropped_is_told() -> None:
    dropped: list[str] = []
    kept: Latest[str, int] = Latest(2, dropped.append)
    kept["a"], kept["b"], kept["a"], kept["c"] = 1, 2, 3, 4
    del kept["c"]
    assert dropped == ["b"]


def test_a_client_remembers_so_many_runs_and_ledgers() -> None:
    assert (MAX_RUNS, MAX_LEDGERS) == (10_000, 1_000)
    cache = LedgerCache()
    assert cache.runs("ledger") == []
    for nth in range(MAX_RUNS + 1):
        run = TaskRun(run_id=f"run {nth}", interaction_id=f"interaction {nth}", status="queued")
        cache.remember_run("ledger", f"key {nth}", KnownRun(run))
        cache.remember_interaction(run)
    assert len(cache.started_ids("ledger")) == MAX_RUNS
    assert cache.started_run("ledger", "key 0") is None
    assert cache.interaction_of("run 0") is None
    assert cache.interaction_of("run 1") == "interaction 1"
    for nth in range(MAX_LEDGERS + 1):
        cache.restart_index(f"ledger {nth}")
    assert cache.index("ledger 0") is None
    assert cache.index("ledger 1") is not None


def test_the_runs_of_a_ledger_are_found_without_a_scan_of_all_others() -> None:
    cache = LedgerCache()
    for nth in range(MAX_RUNS + 2):
        known = KnownRun(TaskRun(run_id=f"run {nth}", status="queued"))
        cache.remember_run(f"ledger {nth // 2}", f"key {nth}", known)
    assert [run.run_id for run in cache.started_runs("ledger 1")] == ["run 2", "run 3"]
    assert set(cache._keys) == {f"ledger {nth}" for nth in range(1, MAX_RUNS // 2 + 1)}
    assert sum(map(len, cache._keys.values())) == MAX_RUNS
    assert (cache.has_started("run 0"), cache.has_started("run 2")) == (False, True)
    cache.forget_run("ledger 1", "key 2")
    cache.forget_run("ledger 1", "no key")
    assert cache.started_ids("ledger 1") == {"run 3"}
    assert not cache.has_started("run 2")
    cache.forget_run("ledger 1", "key 3")
    assert (cache.started_runs("ledger 1"), "ledger 1" in cache._keys) == ([], False)


def test_a_client_remembers_so_many_secrets() -> None:
    known = KnownSecrets()
    known.register(f"secret-{nth}" for nth in range(2_001))
    assert len(known.all()) == 2_000
    assert "secret-0" not in known.all()
    assert "secret-1" in known.all()


async def test_a_queue_remembers_so_many_deliveries() -> None:
    async def wake(run_id: str, webhook_id: str) -> Any:
        pytest.fail("nothing is delivered here")

    queue = DeliveryQueue(wake, QueueOptions())
    assert isinstance(queue._processed, Latest)
    assert queue._processed._most == 10_000
