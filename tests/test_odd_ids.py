"""Ids of the API go into paths, queries and bodies: one that leads nowhere or elsewhere is none."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import pytest

from langchain_parallel._core.wire import is_id, path
from langchain_parallel.errors import InvalidRequest, MalformedResponse, SubmissionUnknown
from langchain_parallel.models import TaskRunInput
from langchain_parallel.simulator import Fault, ManualClock, Simulator
from langchain_parallel.simulator.http_messages import Chunk, Head, Request, Response, Step

from .middleware import harness as agents
from .research.harness import Session, blocking_client

NO_IDS = ["", "  ", "a/../b", "..", "x" * 3000, "?x=1", "a\r\nb: c", "é", "a b", None, {"a": 1}]
POST: dict[str, Any] = {"method": "POST", "path": "*/runs"}


class Named(Simulator):
    """Gives an odd value as the member `name` of whatever it says to some requests."""

    def __init__(self, where: Callable[[Request], bool], name: str, odd: object) -> None:
        super().__init__(ManualClock())
        self._where, self._name, self._odd = where, name, odd

    def handle(self, request: Request) -> Response:
        steps = super().handle(request).steps
        return Response(map(self._edit, steps) if self._where(request) else steps)

    def _edit(self, step: Step) -> Step:
        if isinstance(step, Chunk):
            head, data, text = step.data.decode().rpartition("data: ")
            changed = json.dumps(self._named(json.loads(text)))
            return Chunk(f"{head}{data}{changed}\n\n".encode())
        if isinstance(step, Head):
            return Head(step.status, {"content-type": step.headers["content-type"]})
        return step

    def _named(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._named(v) for v in value]
        if not isinstance(value, dict):
            return value
        return {k: self._odd if k == self._name else self._named(v) for k, v in value.items()}


def is_list(request: Request) -> bool:
    return request.method == "GET" and request.path.endswith("/runs")


def is_start(request: Request) -> bool:
    return request.method == "POST" and request.path.endswith("/runs")


def is_about_a_run(request: Request) -> bool:
    return request.method == "GET" and "/groups/" not in request.path


@pytest.mark.parametrize("odd", NO_IDS, ids=repr)
def test_a_run_whose_id_is_none_is_not_known_to_be_started(odd: object) -> None:
    client = blocking_client(Named(is_start, "run_id", odd))
    with pytest.raises(MalformedResponse, match="may have been started and billed") as failed:
        client.create(TaskRunInput(input="q", processor="lite"))
    assert failed.value.billed is None


@pytest.mark.parametrize("odd", NO_IDS, ids=repr)
def test_a_run_that_was_started_under_no_id_is_found_in_the_ledger(odd: object) -> None:
    session = Session("sync", Named(is_start, "run_ids", [odd]))
    assert [turn["status"] for turn in session.ask("q")["turns"]] == ["completed"]
    assert len(session.ask("Next?")["turns"]) == len(session.runs) == 2


@pytest.mark.grid
@pytest.mark.parametrize("odd", NO_IDS, ids=repr)
@pytest.mark.parametrize("door", ["graph", "agent"])
def test_a_list_with_a_run_under_no_id_tells_nothing_and_nothing_is_sent_again(
    door: str, odd: object
) -> None:
    simulator = Named(is_list, "run_id", odd)
    simulator.faults.add(Fault("drop_after", **POST))
    if door == "graph":
        session = Session("sync", simulator)
        with pytest.raises(SubmissionUnknown):
            session.ask("q")
        with pytest.raises(SubmissionUnknown):
            session.ask()
    else:
        account = agents.Account(simulator=simulator)
        model = agents.Model(agents.calls(agents.start("q")))
        state = account.invoke(account.agent(model), agents.SAID)
        assert "may be billed" in agents.texts(state)[0]
    assert len(simulator.runs()) == 1


@pytest.mark.grid
@pytest.mark.parametrize("odd", NO_IDS, ids=repr)
@pytest.mark.parametrize("name", ["event_id", "run_cursor", "event_cursor", "taskgroup_id"])
def test_other_ids_cost_nothing(name: str, odd: object) -> None:
    simulator = Named(lambda r: is_about_a_run(r) or is_list(r), name, odd)
    simulator.faults.add(Fault("drop_after", **POST))
    session = Session("sync", simulator)
    session.ask("q")
    turns = session.ask("Next?")["turns"]
    assert [turn["status"] for turn in turns] == ["completed", "completed"]
    assert len(session.runs) == 2


@pytest.mark.parametrize("odd", ["", " \n", None, {"id": 1}], ids=repr)
def test_an_answer_without_an_interaction_says_that_nothing_can_build_on_it(odd: object) -> None:
    session = Session("sync", Named(is_about_a_run, "interaction_id", odd))
    (turn,) = session.ask("q")["turns"]
    assert turn["interaction_id"] is None
    assert "no later question can build on this answer" in turn["warnings"][-1]
    assert [t["status"] for t in session.ask("And then?")["turns"]] == ["completed"] * 2


@pytest.mark.parametrize("id", ["trun_1", "tgrp_0-9.a:b~c", "x" * 300])
def test_an_id_may_be_like_these(id: str) -> None:
    assert is_id(id)
    assert unquote(path("/v1", id)) == f"/v1/{id}"


@pytest.mark.parametrize("odd", ["", "  ", "..", "x" * 3000, "é"])
def test_a_caller_who_gives_none_is_told_so(odd: str) -> None:
    simulator = Simulator(ManualClock())
    client = blocking_client(simulator)
    run = TaskRunInput(input="q", processor="lite")
    for ask in (
        client.retrieve,
        client.result,
        client.wait,
        client.retrieve_group,
        lambda id: client.submit(id, run),
        lambda id: client.add_runs(id, [run]),
        lambda id: list(client.list_runs(id)),
    ):
        with pytest.raises(InvalidRequest, match="not the id"):
            ask(odd)
    assert not simulator.requests
