"""A batch in any form comes back in that form, with the answers of its rows."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel, SecretStr

from langchain_parallel import errors
from langchain_parallel.batch import Enricher
from langchain_parallel.models import McpServer, Webhook
from langchain_parallel.options import RequestOptions
from langchain_parallel.simulator import Fault, RunScript

from .tables import QUESTION, SCHEMA, Office

ROWS = [{"id": nth, "company": f"Company {nth}"} for nth in range(6)]
ADDED = [
    *("ceo", "ceo_confidence", "ceo_sources"),
    *("employees", "employees_confidence", "employees_sources"),
    *("run_id", "interaction_id", "error"),
]


class Company(BaseModel):
    ceo: str
    employees: int | None


@pytest.fixture
def office() -> Office:
    return Office()


def enricher(office: Office, **options: Any) -> Enricher:
    if "batch_id" not in options:
        options["batch_id"] = office.client().create_group().taskgroup_id
    options = {"output_schema": SCHEMA, "row_id": "id", "client": office.client, **options}
    return Enricher(options.pop("question", QUESTION), **options)


def test_rows_come_back_with_values_and_evidence(office: Office) -> None:
    out = enricher(office)(ROWS)
    assert [list(row) for row in out] == [["id", "company", *ADDED]] * len(ROWS)
    texts = {run.run_id: run.text for run in office.sim.all_runs()}
    assert [texts[row["run_id"]] for row in out] == [QUESTION.format(**row) for row in ROWS]
    row = out[0]
    assert isinstance(row["ceo"], str)
    assert isinstance(row["employees"], int)
    assert row["ceo_confidence"] in ("high", "medium", "low")
    assert row["ceo_sources"].startswith("https://")
    assert row["interaction_id"].startswith("intr_")
    assert row["error"] is None


def test_without_claims_what_an_earlier_call_has_paid_is_found_whatever_rows_come_with_it(
    office: Office,
) -> None:
    enrich = enricher(office)
    first = enrich(ROWS[:4])
    again = enrich(ROWS[2:])
    assert [row["run_id"] for row in first[2:]] == [row["run_id"] for row in again[:2]]
    assert len(office.sim.all_runs()) == len(ROWS)
    assert office.paid_once()


def test_without_claims_a_call_looks_for_the_settling_time_before_it_sends(office: Office) -> None:
    office.sim.scripts.add(RunScript(seconds=1.0, times=None))
    enricher(office)(ROWS)
    assert {run.created for run in office.sim.all_runs()} == {75.0}


def test_columns_of_arrays_and_of_lists(office: Office) -> None:
    enrich = enricher(office)
    names = [row["company"] for row in ROWS]
    out = enrich({"id": np.arange(6), "company": np.array(names)})
    assert list(out) == ["id", "company", *ADDED]
    assert isinstance(out["employees"], np.ndarray)
    assert all(isinstance(value, int) for value in out["employees"])
    lists = enrich({"id": list(range(6)), "company": names})
    assert lists["run_id"] == list(out["run_id"])
    assert len(office.sim.all_runs()) == len(ROWS)


def test_an_empty_batch_costs_nothing_and_has_the_same_columns(office: Office) -> None:
    enrich = enricher(office, batch_id="none", client=None)  # needs no key either
    assert enrich([]) == []
    assert list(enrich({"id": [], "company": []})) == ["id", "company", *ADDED]


def test_what_is_wrong_with_a_row_is_its_error(office: Office) -> None:
    office.sim.scripts.add(RunScript(contains="Company 1?", outcome="failed", message="No luck"))
    rows = [*ROWS[:3], {"id": 7, "company": None}, {"id": None, "company": "Acme"}]
    out = enricher(office)(rows)
    assert [bool(row["error"]) for row in out] == [False, True, False, True, True]
    assert "No luck" in out[1]["error"]
    assert (out[1]["run_id"] is None, out[3]["run_id"]) == (False, None)
    assert (out[1]["ceo"], out[1]["ceo_sources"]) == (None, "")


@pytest.mark.parametrize(
    ("status", "error"),
    [(401, errors.AuthenticationFailed), (402, errors.CreditExhausted), (429, errors.RateLimited)],
)
def test_what_running_the_task_again_may_mend_is_raised(
    office: Office, status: int, error: type[Exception]
) -> None:
    enrich = enricher(office)
    fault = Fault("status_before", method="POST", path="*/groups/*/runs", status=status, times=None)
    office.sim.faults.add(fault)
    with pytest.raises(error, match="Run the task again"):
        enrich(ROWS)
    office.sim.faults.clear()
    assert all(row["ceo"] for row in enrich(ROWS))
    assert len(office.sim.all_runs()) == len(ROWS)


def test_after_the_timeout_the_next_call_waits_for_the_same_runs(office: Office) -> None:
    office.sim.scripts.add(RunScript(seconds=500.0, times=None))
    batch_id = office.client().create_group().taskgroup_id
    with pytest.raises(errors.StillRunning, match="Run the task again") as caught:
        enricher(office, batch_id=batch_id, timeout=200.0)(ROWS)
    assert pickle.loads(pickle.dumps(caught.value)).run_id == caught.value.run_id
    assert all(row["ceo"] for row in enricher(office, batch_id=batch_id)(ROWS))
    assert len(office.sim.all_runs()) == len(ROWS)
    with pytest.raises(errors.StillRunning, match=r"after 0 s of .* is the id of a task group"):
        enricher(office, batch_id=batch_id, timeout=1.0)([{"id": 7, "company": "Late"}])


def test_an_id_that_stands_in_two_rows_of_a_batch_is_refused_before_anything_is_sent(
    office: Office,
) -> None:
    """Dask makes up two equal rows where it is not told the columns."""
    with pytest.raises(errors.InvalidRequest, match="stands in an earlier row"):
        enricher(office)([{"id": 1, "company": "foo"}, {"id": 1, "company": "foo"}])
    assert not office.sim.all_runs()


def test_columns_of_the_batch_keep_their_names(office: Office) -> None:
    [row] = enricher(office)([{"id": 1, "company": "Acme", "ceo": "mine", "error": "mine"}])
    assert (row["ceo"], row["error"]) == ("mine", "mine")
    assert row["answer_ceo"]
    assert row["answer_error"] is None


def test_it_is_pickled_without_secrets_and_with_no_class_of_its_schema(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARALLEL_API_KEY", "key-of-a-user-which-is-secret")
    enrich = Enricher(QUESTION, Company, batch_id="b", row_id="id", claims="claims.sqlite")
    pickled = pickle.dumps(enrich)
    assert b"key-of-a-user" not in pickled
    assert b"test_enricher" not in pickled
    again = pickle.loads(pickled)
    assert again.claims.path.is_absolute()
    assert list(again({"id": [], "company": []}))[2:] == ADDED


SECRETS = [
    {
        "mcp_servers": [
            McpServer(
                name="m", url="https://m.example", headers={"Authorization": SecretStr("secret-1")}
            )
        ]
    },
    {"webhook": Webhook(url="https://hook.example/secret-1")},
]


@pytest.mark.parametrize("secret", SECRETS, ids=["MCP", "webhook"])
def test_options_with_secrets_are_made_on_the_worker(office: Office, secret: Any) -> None:
    options = RequestOptions(**secret)
    with pytest.raises(errors.InvalidRequest, match="function") as caught:
        enricher(office, request=options)
    assert "secret-1" not in str(caught.value)
    out = enricher(office, request=lambda: options)(ROWS[:1])
    assert out[0]["ceo"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"output_schema": "auto"}, "names no columns"),
        ({"output_schema": None}, "names no columns"),
        ({"output_schema": ["ceo"]}, "output_schema: A value of the type list"),
        ({"batch_id": None}, "batch_id"),
        ({"question": None}, "question"),
        ({"batch_id": " "}, "batch_id"),
        ({"batch_id": "b" * 501}, "batch_id"),
        ({"batch_id": 5}, "batch_id"),
        ({"processor": "chat:speed"}, "quick turns"),
        ({"processor": "unheard-of"}, "unheard-of"),
        ({"client": "key"}, "function"),
        ({"timeout": -1.0}, "timeout"),
        ({"question": "{company:>9}"}, "template"),
    ],
)
def test_wrong_options_are_refused_where_it_is_made(
    office: Office, options: Any, message: str
) -> None:
    with pytest.raises(errors.InvalidRequest, match=message):
        enricher(office, **options)


@pytest.mark.parametrize("batch", [5, "text", [5], {"id": [1], "company": []}, object()])
def test_what_is_no_batch_is_refused(office: Office, batch: Any) -> None:
    with pytest.raises(errors.InvalidRequest, match="batch"):
        enricher(office)(batch)


def test_a_batch_without_the_column_is_refused(office: Office) -> None:
    with pytest.raises(errors.InvalidRequest, match="There is no column id"):
        enricher(office)([{"company": "Acme"}])


def test_a_text_is_one_column(office: Office) -> None:
    [row] = enricher(office, output_schema="One sentence.")(ROWS[:1])
    assert isinstance(row["output"], str)


def test_columns_have_one_type_whatever_an_answer_holds(office: Office) -> None:
    properties = {
        "a": {"type": "integer"},
        "b": {"type": ["number", "null"]},
        "c": {"anyOf": [{"type": "boolean"}, {"type": "null"}]},
        "d": {"type": "array", "items": {"type": "string"}},
        "e": {"type": ["integer", "string"]},
    }
    schema = {**SCHEMA, "properties": properties, "required": [*properties]}
    content = {"a": "five", "b": 2, "c": True, "d": ["x"], "e": 5}
    office.sim.scripts.add(RunScript(output={"content": content}))
    [row] = enricher(office, output_schema=schema)(ROWS[:1])
    assert [row[name] for name in properties] == [None, 2.0, True, '["x"]', "5"]
