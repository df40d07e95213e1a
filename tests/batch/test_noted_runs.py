"""A run that another call has written down is adopted, also where the group's list never shows its key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from langchain_parallel import errors
from langchain_parallel.batch import Enricher
from langchain_parallel.batch.row_claims import PostgresClaims, RowClaim, SqliteClaims
from langchain_parallel.models import TaskRunInput

from .tables import QUESTION, SCHEMA, Office


class TakenAgain(SqliteClaims):
    """Claims of a dead call; whoever takes them over loses them to another, which has noted its run."""

    group_id: str
    run_id: str

    def find(self, batch_id: str, keys: Sequence[str]) -> dict[str, RowClaim]:
        super().claim(batch_id, keys, self.group_id, "dead")
        return super().find(batch_id, keys)

    def take_over(self, batch_id: str, owners: Mapping[str, str], owner: str) -> None:
        super().take_over(batch_id, owners, "another")
        super().note_runs(batch_id, dict.fromkeys(owners, self.run_id))


def test_a_run_that_another_call_has_noted_is_adopted(tmp_path: Path) -> None:
    office = Office()
    client = office.client()
    group_id = client.create_group().taskgroup_id
    asked = TaskRunInput(input=QUESTION.format(company="Airbus"), processor="base")
    run_id = client.submit(group_id, asked).run.run_id
    claims = TakenAgain(tmp_path / "claims.sqlite")
    object.__setattr__(claims, "group_id", group_id)
    object.__setattr__(claims, "run_id", run_id)
    enrich = Enricher(
        QUESTION, SCHEMA, batch_id="b", row_id="id", claims=claims, client=office.client
    )
    assert enrich([{"id": 1, "company": "Airbus"}])[0]["run_id"] == run_id
    assert sum(office.asked.values()) == 1
    assert office.clock.monotonic() < 300.0  # and not a settling time after the other


def test_an_enricher_shows_nothing_of_its_client() -> None:
    shown = repr(Enricher("q", SCHEMA, batch_id="b", row_id="id", client=Office().client))
    assert "client" not in shown


@pytest.mark.parametrize("name", ["password", "sslpassword"])
def test_a_secret_of_the_database_is_sent_to_no_worker(name: str) -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(errors.InvalidRequest):
        PostgresClaims(f"host=db {name}=s3cret")
