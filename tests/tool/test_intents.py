"""What was about to be sent is recorded, so a doubt depends neither on when something was nor on whose clock.

Each process has its own client, and a wall clock that the test sets; checkpoints are all they share.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from pydantic import SecretStr

from langchain_parallel import ParallelClient, ParallelTaskTool
from langchain_parallel._core.calls import drive
from langchain_parallel._graph.intents import Intent
from langchain_parallel._graph.records import Records
from langchain_parallel._graph.seals import Seals
from langchain_parallel._graph.store import NAMESPACE
from langchain_parallel.models import TaskRun
from langchain_parallel.options import Limits
from langchain_parallel.simulator import Fault, SimulatorTransport

from ..research.test_written_down import Killed
from .helpers import KEY, START, Account, How, agent, answers, calls, invoke, run_ids, thread
from .test_ledger import looks

QUESTION, OTHER = {"input": "Who leads?"}, {"input": "Who follows?"}
HERE: Any = thread("a.thread")
PAID: dict[str, Any] = {"method": "POST", "path": "*/runs"}
YES: Any = Command(resume={"decisions": [{"type": "approve"}]})
EDITED: Any = Command(
    resume={
        "decisions": [
            {
                "type": "edit",
                "edited_action": {"name": "research", "args": {"question": "Who leads in Europe?"}},
            }
        ]
    }
)
AHEAD = [-3600.0, 0.0, 3600.0]
"""Seconds by which the clock of the process that resumes is ahead of that of the killed one."""


class Deadly(SimulatorTransport):
    """Kills its process: once its paid request was taken, whatever the server then does about it, or when it
    looks into the ledger.
    """

    def __init__(self, account: Account, at: str) -> None:
        super().__init__(account.simulator)
        self._at = ("POST", "/runs") if at == "send" else ("GET", "/runs")

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        try:
            response = super().handle_request(request)
        except httpx.HTTPError:
            raise Killed from None
        return self._die(request, response)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            response = await super().handle_async_request(request)
        except httpx.HTTPError:
            raise Killed from None
        return self._die(request, response)

    def _die(self, request: httpx.Request, response: httpx.Response) -> httpx.Response:
        method, path = self._at
        is_it = request.method == method and request.url.path.endswith(path)
        if is_it and response.status_code != 429:
            raise Killed
        return response


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    now = time.time
    return lambda ahead: monkeypatch.setattr(time, "time", lambda: now() + ahead)


class Thread:
    """A thread of an agent that any process may take up; its checkpointer is all that is kept."""

    def __init__(self, account: Account, how: How, **options: Any) -> None:
        self.account, self.how, self.options = account, how, options
        self.kept = {"checkpointer": InMemorySaver()}

    async def killed(self, given: Any = START, at: str = "send") -> None:
        """A process that is killed while its paid request is on its way, or while it looks for its run."""
        clock = self.account.simulator.clock
        client = ParallelClient(KEY, transport=Deadly(self.account, at), clock=clock)
        graph = agent(ParallelTaskTool(client=client, **self.options), calls(QUESTION), **self.kept)
        with pytest.raises(Killed):
            await invoke(graph, given, self.how, HERE)

    async def goes_on(self, given: Any = None, *says: Any) -> Any:
        """What another process makes of it."""
        graph = agent(self.account.tool(**self.options), *(says or ("done",)), **self.kept)
        return await invoke(graph, given, self.how, HERE)


@pytest.mark.parametrize("ahead", AHEAD)
async def test_a_clock_an_hour_off_hides_nothing(
    account: Account, how: How, set_clock: Callable[[float], None], ahead: float
) -> None:
    there = Thread(account, how)
    account.script(late_commit=10.0)
    await there.killed()
    set_clock(ahead)
    state = await there.goes_on()
    assert run_ids(answers(state)) == [run["run_id"] for run in account.runs]
    assert account.billed == 1


async def test_a_server_that_acts_long_after_its_client_was_killed_is_waited_for(
    account: Account, how: How
) -> None:
    there = Thread(account, how)
    account.script(late_commit=10.0)
    account.simulator.faults.add(Fault("drop_after", acts_after=55.0, **PAID))
    await there.killed()
    assert account.runs == []
    state = await there.goes_on()
    assert run_ids(answers(state)) == [run["run_id"] for run in account.runs]
    assert account.billed == 1


async def test_what_was_accepted_after_a_long_pause_is_waited_for(
    account: Account, how: How, set_clock: Callable[[float], None]
) -> None:
    """Told 429 and to wait for 100 s, then accepted, then killed."""
    there = Thread(account, how)
    account.script(late_commit=10.0)
    account.simulator.faults.add(Fault("status_before", status=429, retry_after=100, **PAID))
    await there.killed()
    assert len(account.runs) == 1
    set_clock(125.0)
    await there.goes_on()
    assert account.billed == len(account.runs) == 1


@pytest.mark.parametrize("keeper", ["configured", "recorded"])
@pytest.mark.parametrize("decision", [YES, EDITED], ids=["approved", "edited"])
async def test_what_a_person_approved_days_later_is_found_after_a_kill(
    account: Account,
    how: How,
    set_clock: Callable[[float], None],
    keeper: str,
    decision: Any,
) -> None:
    options: dict[str, Any] = {"processor": "pro", "limits": Limits(approve_above="base")}
    if keeper == "configured":
        options["ledger_id"] = account.new_ledger()
    there = Thread(account, how, **options)
    account.script(late_commit=10.0)
    assert (await there.goes_on(START, calls(QUESTION)))["__interrupt__"]
    set_clock(3 * 86_400.0)
    await there.killed(decision)
    set_clock(4 * 86_400.0)
    state = await there.goes_on()
    assert run_ids(answers(state)) == [run["run_id"] for run in account.runs]
    assert account.billed == 1


async def test_killed_again_while_it_looks_the_plain_tool_still_pays_once(
    account: Account, how: How
) -> None:
    """A checkpointer is all it needs; each process takes the doubt over from the one before."""
    there = Thread(account, how)
    account.script(late_commit=10.0)
    await there.killed()
    for _ in range(3):
        await there.killed(None, "look")
    await there.goes_on()
    assert account.billed == len(account.runs) == 1


async def test_nobody_waits_for_what_nobody_has_sent(account: Account, how: How) -> None:
    """An approval in another process, a follow-up in a third, the next question in a fourth."""
    there = Thread(account, how, processor="pro", limits=Limits(approve_above="base"))
    await there.goes_on(START, calls(QUESTION))
    before = looks(account)
    await there.goes_on(YES)
    assert (
        looks(account) - before <= 3
    )  # its limits are those of its ledger, which is read for them
    there.options, before = {"processor": "lite"}, looks(account)
    follow_up = {**OTHER, "previous_interaction_id": account.runs[0]["interaction_id"]}
    await there.goes_on(START, calls(follow_up), "done")
    assert looks(account) == before + 1
    await there.goes_on(START, calls({"input": "And who else?"}), "done")
    assert looks(account) == before + 2
    assert len(account.runs) == 3


async def test_a_refusal_leaves_no_doubt(account: Account, how: How) -> None:
    """The call is made again, in another process, at the same place."""
    there = Thread(account, how)
    account.simulator.faults.add(Fault("status_before", status=402, **PAID))
    await there.goes_on(START, calls(QUESTION), "done")
    before = looks(account)
    graph = agent(account.tool(), "done", **there.kept)
    at = next(s for s in graph.get_state_history(HERE) if s.next == ("tools",))
    await invoke(graph, None, how, at.config)
    assert (len(account.runs), looks(account)) == (1, before + 1)


async def test_a_record_of_an_intent_is_small_and_holds_no_secret(
    account: Account, how: How
) -> None:
    there = Thread(account, how)
    await there.goes_on(START, calls(QUESTION), "done")
    saver = there.kept["checkpointer"]
    records: list[Any] = [
        metadata[NAMESPACE]
        for found, metadata in ((one, {**one.metadata}) for one in saver.list(HERE))
        if found.config["configurable"]["checkpoint_ns"].startswith(NAMESPACE)
    ]
    (intent,) = (record for record in records if "by" in record)
    assert intent.keys() == {"by", "open", "run_id", "interaction_id", "key", "seal"}
    assert intent["run_id"] == account.runs[0]["run_id"]
    assert all(len(str(record)) < 1_000 for record in records)
    assert KEY not in str(records)


def test_a_doubt_stays_where_a_later_send_is_refused_and_an_own_one_goes() -> None:
    """Another process may have sent the request, whatever came of ours."""
    theirs: Any = {"by": "another process", "open": True}
    ours: Any = {"by": "this process", "open": True}
    settled: Any = {**theirs, "open": False}
    for before, left in ((theirs, True), (ours, False), (None, False), (settled, False)):
        intent = Intent(Records(), {}, "tgrp_1", "key", "this process", Seals(SecretStr("key")))
        drive(intent.claim())
        assert not intent.is_in_doubt(drive(intent.read()))
        drive(intent.withdraw(before))
        assert intent.is_in_doubt(drive(intent.read())) is left
        if not left:
            assert drive(intent.read()) == {"by": "this process", "open": False}


def test_whoever_gave_way_takes_over_only_if_the_other_recorded_nothing_more() -> None:
    records = Records()
    ours = Intent(records, {}, "tgrp_1", "key", "this process", Seals(SecretStr("key")))
    theirs = replace(ours, by="another process")
    drive(theirs.claim())
    assert drive(ours.is_ours()) is False  # it looks for the settling time
    drive(theirs.settle(TaskRun(run_id="trun_1", status="queued"), "key"))
    assert drive(ours.is_ours()) is False  # the other has a run: nothing is overwritten
    kept = drive(ours.read())
    assert kept is not None
    assert kept["run_id"] == "trun_1"
    assert drive(ours.is_ours()) is False  # now nothing has changed, so it takes over
    assert drive(ours.is_ours()) is True


def test_whoever_finds_no_record_of_its_intent_writes_it_and_looks_before_it_sends() -> None:
    intent = Intent(Records(), {}, "tgrp_1", "key", "this process", Seals(SecretStr("key")))
    assert drive(intent.is_ours()) is False
    assert drive(intent.is_ours()) is True


def test_what_came_of_an_intent_is_sealed_and_names_the_run_to_every_process() -> None:
    ours = Intent(Records(), {}, "tgrp_1", "key", "this process", Seals(SecretStr("key")))
    drive(ours.settle(TaskRun(run_id="trun_1", interaction_id="intr_1", status="queued"), "key"))
    record = drive(ours.read())
    assert record is not None
    theirs = replace(ours, by="another process")
    assert not theirs.is_in_doubt(record)
    assert theirs.is_sealed(record)
    assert not theirs.is_sealed({**record, "run_id": "trun_2"})
    run = theirs.run_of(record)
    assert run is not None
    assert (run.run_id, run.interaction_id, run.active) == ("trun_1", "intr_1", True)
    assert replace(theirs, key="another").run_of(record) is None


def test_a_seal_is_the_same_in_every_version_for_threads_outlive_them() -> None:
    seals = Seals(SecretStr("k" * 40))
    assert (
        seals.of("run", "trun_x", "intr_y", None, "k\u00e9") == "36698cfe13052177bef25145cffadb2c"
    )
