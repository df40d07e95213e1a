from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest

from langchain_parallel import errors


def every_error() -> list[errors.ParallelError]:
    common = {"hint": "Do this.", "run_id": "trun_1", "interaction_id": "intr_1", "billed": None}
    made: list[errors.ParallelError] = []
    for kind in _tree(errors.ParallelError):
        special: dict[str, Any] = dict(common)
        if issubclass(kind, errors.InvalidRequest):
            made.append(kind(["One.", "Two."]))
            continue
        if issubclass(kind, errors.ApiError):
            special |= {"status": 422, "ref_id": "ref", "server_message": "said"}
            special |= {"fields": ["a"], "retry_after": 1.5}
        if issubclass(kind, errors.RunError):
            special |= {
                "status": "failed",
                "ref_id": "ref",
                "server_message": "s",
                "warnings": ["w"],
            }
        if issubclass(kind, errors.ResponseTooLarge):
            special = {"limit": 1_000}
        if issubclass(kind, errors.SubmissionUnknown):
            special |= {"ledger_id": "tgrp_1", "key": "k"}
        if issubclass(kind, errors.StillRunning):
            special |= {"waited": 5.0, "status": "running"}
        if issubclass(kind, errors.ResponseLost):
            special |= {"sent": False}
        if issubclass(kind, errors.WebhookRejected):
            special |= {"reason": "signature"}
        made.append(kind("It happened.", **special))
    return made


def _tree(kind: type[errors.ParallelError]) -> list[type[errors.ParallelError]]:
    """It and those below it, of this module: what others make of them depends on what was imported."""
    below = [sub for sub in kind.__subclasses__() if sub.__module__ == errors.__name__]
    return [kind, *(one for sub in below for one in _tree(sub))]


@pytest.mark.parametrize("error", every_error(), ids=lambda e: type(e).__name__)
def test_an_error_survives_the_way_to_another_process(error: errors.ParallelError) -> None:
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(twin) is type(error)
        assert twin.__dict__ == error.__dict__
        assert str(twin) == str(error)
        assert twin.args == error.args


def test_an_id_that_somebody_made_up_steers_no_terminal_and_fills_no_page() -> None:
    made_up = "\x1b[31mintr_\u202e" + "9" * 10_000
    error = errors.InvalidRequest(["It is not known."]).with_ids(None, made_up)
    assert error.interaction_id == made_up
    assert str(error).endswith(f"[interaction_id=[31mintr_{'9' * 491}]")


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn = {word for line in (errors.__doc__ or "").splitlines() for word in line.split("─")[-1:]}
    names = {word.split()[0] for word in drawn if word.split()}
    assert {kind.__name__ for kind in _tree(errors.ParallelError)} <= names | {"ParallelError"}


def test_every_error_is_on_the_page_of_errors() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "errors.md").read_text(
        encoding="utf-8"
    )
    assert [kind for kind in _tree(errors.ParallelError) if f"`{kind.__name__}`" not in page] == []


def test_an_error_says_what_happened_what_to_do_and_which_run() -> None:
    error = errors.ParallelError("It happened.", hint="Do this.", run_id="trun_1")
    assert str(error) == "It happened. Do this. [run_id=trun_1]"
    assert str(error.with_ids("trun_2", "intr_1")) == (
        "It happened. Do this. [run_id=trun_1, interaction_id=intr_1]"
    )
    assert str(errors.ParallelError("Run trun_1 failed.", run_id="trun_1")) == "Run trun_1 failed."


def test_an_invalid_request_is_a_value_error() -> None:
    with pytest.raises(ValueError, match=r"One\. Two\. Nothing was sent\."):
        raise errors.InvalidRequest(["One.", "Two."])
