"""What of a list is passed over unparsed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from langchain_parallel._core.listed_answers import ListedAnswers

RUN = '"run": {"run_id": "trun_1", "status": "completed"}'
OTHER = '"output": {"content": {"run_id": "trun_2"}}'
HEAD = '{"type": "task_run.state", "event_id": null, '


@pytest.mark.parametrize(
    ("data", "awaited", "skips"),
    [
        (f"{HEAD}{RUN}, {OTHER}}}", "trun_1", False),
        (f"{HEAD}{RUN}, {OTHER}}}", "trun_2", True),
        (f"{HEAD}{RUN}, {OTHER}}}", "trun_3", True),
        (f"{HEAD}{OTHER}, {RUN}}}", "trun_1", False),
        (f"{HEAD}{OTHER}, {RUN}}}", "trun_3", True),
        (f'{HEAD}"run": {{"run_id": "trun\\u005f1"}}}}', "trun_1", False),
        ('{"type": "error"}', "trun_1", False),
    ],
)
def test_what_is_about_others_is_passed_over(data: str, awaited: str, skips: bool) -> None:
    group: Any = SimpleNamespace(waiting={awaited: None})

    def take(*_: object) -> Any:
        raise AssertionError

    assert ListedAnswers(group, take).skips(data) is skips


@pytest.mark.parametrize("data", [f"{HEAD}{RUN}, {OTHER}}}", f"{HEAD}{OTHER}, {RUN}}}"])
def test_what_is_passed_over_counts_as_shown(data: str) -> None:
    """So a list is read on, though a part of it has brought nothing that is awaited."""
    group: Any = SimpleNamespace(waiting={"trun_3": None})

    def take(*_: object) -> Any:
        raise AssertionError

    listed = ListedAnswers(group, take)
    assert (listed.count, listed.skips(data)) == (0, True)
    assert listed.count > 0
