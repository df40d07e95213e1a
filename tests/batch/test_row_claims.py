"""Claims of rows in a database: the first to claim has the row, and an owner changes hands once at a time."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from langchain_parallel import errors
from langchain_parallel.batch import PostgresClaims, RowClaim, RowClaims, SqliteClaims

KEYS = [f"key {nth}" for nth in range(1_200)]


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def claims(
    request: pytest.FixtureRequest, tmp_path: Path, postgres_uri: Callable[[], str]
) -> RowClaims:
    if request.param == "SQLite":
        return SqliteClaims(tmp_path / "claims.sqlite")
    import psycopg

    uri = postgres_uri()
    with psycopg.connect(uri) as connection:
        connection.execute("DROP TABLE IF EXISTS parallel_row_claims")
    return PostgresClaims(uri)


def test_a_row_is_the_first_ones(claims: RowClaims) -> None:
    assert claims.find("b", KEYS) == {}
    claims.claim("b", KEYS[:700], "tgrp_1", "anna")
    claims.claim("b", KEYS[600:], "tgrp_2", "bert")
    found = claims.find("b", KEYS)
    assert found[KEYS[650]] == RowClaim("tgrp_1", "anna")
    assert found[KEYS[700]] == RowClaim("tgrp_2", "bert")
    assert len(found) == len(KEYS)
    assert claims.find("another batch", KEYS) == {}


def test_only_from_the_owner_that_was_read_is_a_row_taken_over(claims: RowClaims) -> None:
    claims.claim("b", KEYS[:3], "tgrp_1", "anna")
    claims.note_runs("b", {KEYS[2]: "trun_1"})
    claims.take_over("b", {KEYS[0]: "anna", KEYS[1]: "carl", KEYS[2]: "anna"}, "bert")
    assert claims.find("b", KEYS) == {
        KEYS[0]: RowClaim("tgrp_1", "bert"),
        KEYS[1]: RowClaim("tgrp_1", "anna"),
        KEYS[2]: RowClaim("tgrp_1", "anna", "trun_1"),
    }


def test_the_run_that_was_written_down_first_stays(claims: RowClaims) -> None:
    claims.claim("b", KEYS[:1], "tgrp_1", "anna")
    claims.note_runs("b", {KEYS[0]: "trun_1"})
    claims.note_runs("b", {KEYS[0]: "trun_2", KEYS[1]: "trun_3"})
    assert claims.find("b", KEYS) == {KEYS[0]: RowClaim("tgrp_1", "anna", "trun_1")}


def test_many_at_once_agree_on_the_owner_of_each_row(claims: RowClaims) -> None:
    def ask(nth: int) -> dict[str, RowClaim]:
        keys = KEYS[nth * 5 : nth * 5 + 40]
        claims.claim("b", keys[:: 1 if nth % 2 else -1], f"tgrp_{nth}", f"caller {nth}")
        return claims.find("b", keys)

    with ThreadPoolExecutor(8) as threads:
        seen = list(threads.map(ask, range(8)))
    final = claims.find("b", KEYS)
    assert all(final[key] == claim for found in seen for key, claim in found.items())


def test_a_database_that_is_not_there_is_our_error(tmp_path: Path) -> None:
    for claims in (SqliteClaims(tmp_path), PostgresClaims("host=127.0.0.1 port=1")):
        with pytest.raises(errors.StorageFailed) as caught:
            claims.find("b", KEYS)
        assert caught.value.billed is None


def test_a_password_is_not_sent_to_workers() -> None:
    for address in ("postgresql://anna:secret@db/x", "host=db password=secret"):
        with pytest.raises(errors.InvalidRequest, match="PGPASSWORD") as caught:
            PostgresClaims(address)
        assert "secret" not in str(caught.value)
    with pytest.raises(errors.InvalidRequest, match="no address"):
        PostgresClaims("host=db =")
    assert pickle.loads(pickle.dumps(PostgresClaims("host=db"))) == PostgresClaims("host=db")
