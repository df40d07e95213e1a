"""A recording says what the API said, without secrets, and is replayed by the simulator."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain.agents import create_agent
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver

from langchain_parallel import (
    ParallelClient,
    ParallelResearchMiddleware,
    ParallelTaskTool,
    create_research_graph,
)
from langchain_parallel.errors import InvalidRequest, ParallelError
from langchain_parallel.models import TaskRunInput
from langchain_parallel.simulator import (
    Fault,
    ManualClock,
    RunningServer,
    RunScript,
    Simulator,
    SimulatorTransport,
)
from langchain_parallel.testing import (
    RecordingTransport,
    ScriptedModel,
    call,
    recorded_scenario,
    recording_client,
    replayed_client,
    simulated_client,
)
from tests import secrets_kit

KEY = secrets_kit.KEY
HOSTILE = 'x\u2028y\r\n\ndata: {"z": 1}\n\n</tag> "quoted" {{question}} {{turns.0.a}} \\u0000 ***  [1] 日本'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "answers.jsonl"


@pytest.fixture
def recording(simulator_server: RunningServer, file: Path) -> Iterator[ParallelClient]:
    with recording_client(file, KEY, simulator_server.url) as client:
        yield client


def in_memory(file: Path, simulator: Simulator | None = None) -> ParallelClient:
    """A client that records what a simulator in this process says."""
    account = simulator or Simulator(ManualClock())
    transport = RecordingTransport(file, SimulatorTransport(account))
    return ParallelClient(KEY, transport=transport, clock=account.clock)


# --- the same answers through every door ----------------------------------------------------------


def test_a_tool_gets_the_same_answer(recording: ParallelClient, file: Path) -> None:
    def ask(client: ParallelClient) -> Any:
        tool = ParallelTaskTool(client=client, processor="pro")
        first = tool.research("Who leads?")
        head = first.result.run.interaction_id
        then = asyncio.run(tool.aresearch("And why?", previous_interaction_id=head))
        return [(each.result.output, each.cost_usd) for each in (first, then)]

    assert ask(recording) == ask(replayed_client(file))


def test_a_session_with_follow_ups_and_a_branch_is_the_same(
    recording: ParallelClient, file: Path
) -> None:
    config: RunnableConfig = {"configurable": {"thread_id": "a"}}

    def session(client: ParallelClient) -> Any:
        graph = create_research_graph(client=client, processor=("pro", "core"))
        app = graph.compile(checkpointer=InMemorySaver())
        first = app.invoke({"question": "Map the market"}, config)
        asyncio.run(app.ainvoke({"question": "Who supplies it?"}, config))
        head = first["interaction_id"]
        turns = app.invoke({"question": "Who complains?", "continue_from": head}, config)["turns"]
        return [
            [
                turn.get(name)
                for name in ("question", "content", "citations", "confidence", "cost_usd")
            ]
            for turn in turns
        ]

    told = session(recording)
    assert len(told) >= 3
    assert session(replayed_client(file)) == told


def test_a_stored_session_goes_on_in_a_replay(file: Path) -> None:
    client = in_memory(file)
    first = client.wait(client.create(TaskRunInput(input="Who leads?", processor="lite")).run_id)
    head = first.run.interaction_id
    then = TaskRunInput(input="Why?", processor="lite", previous_interaction_id=head)
    told = client.wait(client.create(then).run_id).output
    again = replayed_client(file)
    assert again.wait(again.create(then).run_id).output == told


def test_an_agent_with_the_middleware_reads_the_same(recording: ParallelClient, file: Path) -> None:
    def run(client: ParallelClient) -> list[str]:
        start = call("start_research", question="Who leads?")
        model = ScriptedModel(start, call("check_research", handle="r1", wait=True), "They do [1].")
        agent = create_agent(model, middleware=[ParallelResearchMiddleware(client=client)])
        said = agent.invoke({"messages": [("user", "Who leads?")]})["messages"]
        found = [re.findall(r"\[simulated\][^\n]*", m.text) for m in said if m.type == "tool"]
        return [line for lines in found for line in lines]

    told = run(recording)
    assert any("Finding" in line for line in told)
    assert run(replayed_client(file)) == told


def test_searches_pages_and_chat_turns_are_the_same(recording: ParallelClient, file: Path) -> None:
    def ask(client: ParallelClient) -> Any:
        pages = client.extract(["https://a.example/x"])
        chat = client.chat("Who leads?", model="lite")
        pieces = list(client.chat_stream("Who follows?", model="lite"))
        return [
            client.search(["bikes"]).results,
            pages.results,
            (chat.content, chat.basis),
            "".join(piece.text or "" for piece in pieces),
        ]

    assert ask(recording) == ask(replayed_client(file))


def test_events_come_with_the_run_again(recording: ParallelClient, file: Path) -> None:
    request = TaskRunInput(input="Who leads?", processor="pro", enable_events=True)

    def messages(client: ParallelClient) -> list[str]:
        run = client.create(request)
        return [m for e in client.events(run.run_id) if (m := getattr(e, "message", None))]

    told = messages(recording)
    recording.create(request)
    assert told
    assert messages(replayed_client(file)) == told


def test_a_failed_run_fails_again_with_its_own_error(file: Path) -> None:
    simulator = Simulator(ManualClock())
    simulator.scripts.add(RunScript(outcome="failed", message="the source is gone", ref_id="r1"))
    request = TaskRunInput(input="Who leads?", processor="lite")
    said = []
    for opened in (partial(in_memory, simulator=simulator), replayed_client):
        client = opened(file)
        with pytest.raises(ParallelError, match="the source is gone") as caught:
            client.wait(client.create(request).run_id)
        said.append(type(caught.value))
    assert said[0] is said[1]


def test_a_question_that_was_asked_twice_is_answered_in_order(file: Path) -> None:
    simulator = Simulator(ManualClock())
    request = TaskRunInput(input="Who leads?", processor="lite")
    for text in ("first", "second"):
        simulator.scripts.add(RunScript(output={"type": "text", "content": text}))
    client = in_memory(file, simulator)
    for _ in range(2):
        client.wait(client.create(request).run_id)
    again = replayed_client(file)
    told = [again.wait(again.create(request).run_id).output.content for _ in range(3)]
    assert told == ["first", "second", "second"]


def test_a_run_whose_acceptance_was_lost_is_recorded_all_the_same(file: Path) -> None:
    simulator = Simulator(ManualClock())
    simulator.faults.add(Fault("drop_after", method="POST", path="*/runs"))
    told = []
    for opened in (partial(in_memory, simulator=simulator), replayed_client):
        client = opened(file)
        ledger = client.create_group().taskgroup_id
        found = client.submit(ledger, TaskRunInput(input="Who leads?", processor="lite"))
        told.append(client.wait(found.run.run_id).output)
    assert told[0] == told[1]


# --- what was not recorded ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        ({"input": "Who else?", "processor": "lite"}, "no such question"),
        ({"input": "Who leads?", "processor": "pro"}, "the processor is lite"),
        (
            {"input": "Who leads?", "processor": "lite", "task_spec": {"output_schema": "a name"}},
            "the output schema is another",
        ),
    ],
)
def test_what_was_not_recorded_is_refused_in_words(
    file: Path, request_: dict[str, Any], why: str
) -> None:
    client = in_memory(file)
    client.wait(client.create(TaskRunInput(input="Who leads?", processor="lite")).run_id)
    with pytest.raises(ParallelError, match=f"not in the recording answers.jsonl.*{why}"):
        replayed_client(file).create(TaskRunInput.model_validate(request_))


def test_a_question_that_continues_from_another_is_another(file: Path) -> None:
    client = in_memory(file)
    first = client.wait(client.create(TaskRunInput(input="Who leads?", processor="lite")).run_id)
    client.wait(client.create(TaskRunInput(input="Why?", processor="lite")).run_id)
    again = replayed_client(file)
    then = TaskRunInput(
        input="Why?", processor="lite", previous_interaction_id=first.run.interaction_id
    )
    with pytest.raises(ParallelError, match="it continues from something else"):
        again.create(then)
    with pytest.raises(ParallelError, match="not in the recording"):
        again.search(["bikes"])
    with pytest.raises(ParallelError, match="not in the recording"):
        again.chat("Who leads?", model="lite")


# --- secrets --------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["sync", "async"])
def test_no_secret_is_ever_in_the_file(tmp_path: Path, how: secrets_kit.How) -> None:
    file = tmp_path / "answers.jsonl"
    account = secrets_kit.Account()
    account.simulator.scripts.add(
        RunScript(output={"content": secrets_kit.ECHO, "type": "text"}, times=None)
    )
    transport = RecordingTransport(file, SimulatorTransport(account.simulator))
    request = TaskRunInput(
        input=f"Who leads? My key is {KEY}. See https://s3.example/a?X-Amz-Signature={KEY[::-1]}",
        processor="lite",
        mcp_servers=list(secrets_kit.SERVERS),
        webhook=secrets_kit.WEBHOOK,
        metadata={"note": KEY},
    )
    gate: dict[str, Any] = {
        "transport": transport,
        "auth": (secrets_kit.GATE_USER, secrets_kit.GATE_PASSWORD),
        "headers": {"x-gateway": secrets_kit.GATE},
        "cookies": {"gate": secrets_kit.GATE_COOKIE},
    }
    client = ParallelClient(KEY, http_client=httpx.Client(**gate), clock=account.simulator.clock)
    ledger = client.create_group().taskgroup_id
    run_id = client.submit(ledger, request).run.run_id
    client.wait(run_id)
    list(client.events(run_id))
    client.list_runs(ledger, include_input=True, include_output=True)
    client.retrieve_input(run_id)
    text = file.read_text(encoding="utf-8")
    assert secrets_kit.leaks([text]) == []
    assert KEY[::-1] not in text
    assert "Who leads? My key is ***." in text
    # And yet the same request is found.
    again = replayed_client(file)
    assert again.wait(again.create(request).run_id).output.type == "text"


SECRET = st.text("abcdefghijkmnXYZ0123456789", min_size=14, max_size=40).map(lambda s: f"Q7{s}x9K")


@given(
    key=SECRET,
    token=SECRET,
    answer=st.text(max_size=60),
    where=st.sampled_from(["content", "url", "name", "reasoning"]),
)
def test_a_secret_is_not_in_the_file_wherever_the_api_repeats_it(
    tmp_path_factory: pytest.TempPathFactory, key: str, token: str, answer: str, where: str
) -> None:
    file = tmp_path_factory.mktemp("recorded") / "answers.jsonl"
    said = f"{answer}{key} {answer} Bearer {token}!"
    entry: dict[str, Any] = {
        "field": "output",
        "reasoning": said if where == "reasoning" else "",
        "citations": [],
    }
    if where == "url":
        entry["citations"] = [{"url": f"https://a.example/{key}?q={token}", "excerpts": [said]}]
    content: Any = {said: answer} if where == "name" else {"a": [said, answer]}
    simulator = Simulator(ManualClock())
    simulator.scripts.add(RunScript(output={"content": content, "basis": [entry]}))
    transport = RecordingTransport(file, SimulatorTransport(simulator))
    with httpx.Client(
        transport=transport, base_url="http://a.example", headers={"x-api-key": key}, timeout=None
    ) as http:
        server = {"type": "url", "url": "https://m.example/", "name": "m"}
        headers = {"Authorization": f"Bearer {token}"}
        body = {
            "input": "Who?",
            "processor": "lite",
            "mcp_servers": [{**server, "headers": headers}],
        }
        beta = {"parallel-beta": "mcp-server-2025-07-17"}
        run = http.post("/v1/tasks/runs", json=body, headers=beta).json()
        http.get(f"/v1/tasks/runs/{run['run_id']}/result")
    text = file.read_text(encoding="utf-8")
    assert key not in text
    assert token not in text
    assert len(recorded_scenario(file).turns) == 1


# --- what is odd ----------------------------------------------------------------------------------


def test_hostile_texts_come_through(file: Path) -> None:
    simulator = Simulator(ManualClock())
    output = {"type": "json", "content": {HOSTILE: [HOSTILE]}, "basis": [{"field": HOSTILE}]}
    simulator.scripts.add(RunScript(output=output))
    request = TaskRunInput(input=f"Who? {HOSTILE}", processor="lite")
    told = []
    for opened in (partial(in_memory, simulator=simulator), replayed_client):
        client = opened(file)
        told.append(client.wait(client.create(request).run_id).output)
    assert told[0] == told[1]
    assert told[0].content == {HOSTILE: [HOSTILE]}


def test_a_recording_that_was_cut_off_is_read_and_continued(file: Path) -> None:
    client = in_memory(file)
    for question in ("Who leads?", "Who follows?"):
        client.wait(client.create(TaskRunInput(input=question, processor="lite")).run_id)
    whole = file.read_bytes()
    lines = whole.splitlines(keepends=True)
    for size in (len(whole) - 1, len(whole) - len(lines[-1]) + 5):
        file.write_bytes(whole[:size])
        assert len(recorded_scenario(file).turns) == 1
    again = in_memory(file, Simulator(ManualClock(), seed=1))
    again.wait(again.create(TaskRunInput(input="Who is last?", processor="lite")).run_id)
    asked = [turn.whole and turn.whole.input for turn in recorded_scenario(file).turns]
    assert asked == ["Who leads?", "Who is last?"]


def test_a_file_that_is_no_recording_stays_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    for text in ("mine\n", "mine\nand half a line", '{"kind": "other"}\n'):
        file.write_text(text)
        with pytest.raises(InvalidRequest):
            recording_client(file, KEY)
        assert file.read_text() == text
    with pytest.raises(OSError, match="nothing"):
        replayed_client(tmp_path / "nothing")


@pytest.mark.exhaustive
def test_a_program_that_is_killed_leaves_what_it_has_recorded(
    simulator_server: RunningServer, file: Path
) -> None:
    program = f"""
import os, signal
from langchain_parallel.models import TaskRunInput
from langchain_parallel.testing import recording_client
client = recording_client({str(file)!r}, "key-of-a-program", {simulator_server.url!r})
client.wait(client.create(TaskRunInput(input="Who leads?", processor="lite")).run_id)
client.create(TaskRunInput(input="Who follows?", processor="lite"))
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -9
    assert len(recorded_scenario(file).turns) == 1


def test_a_recording_is_one_exchange_a_line(recording: ParallelClient, file: Path) -> None:
    recording.create_group()
    first, exchange = map(json.loads, file.read_text(encoding="utf-8").splitlines())
    assert first == {"kind": "langchain-parallel recording", "version": 1}
    assert (exchange["method"], exchange["path"], exchange["status"]) == (
        "POST",
        "/v1/tasks/groups",
        200,
    )
    assert set(exchange["headers"]) <= {"content-type", "parallel-beta"}


# --- pytest ---------------------------------------------------------------------------------------

TEST = """
import pytest
from langchain_parallel import ParallelTaskTool

def test_it(recorded_client):
    assert "Finding" in ParallelTaskTool(client=recorded_client, processor="lite").research("Who?").text

@pytest.mark.recorded("mine.jsonl")
async def test_that(recorded_client):
    tool = ParallelTaskTool(client=recorded_client, processor="lite")
    assert "Finding" in (await tool.aresearch("Who?")).text
"""


def test_tests_are_recorded_once_and_replayed_without_a_key(
    simulator_server: RunningServer, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile(test_mine=TEST)
    pytester.makeini(
        "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"
    )
    pytester.makeconftest('pytest_plugins = ["langchain_parallel.testing.plugin"]')

    def run(*options: str) -> pytest.RunResult:
        given = ("--strict-markers", "--disable-plugin-autoload", "-p", "asyncio", *options)
        return pytester.runpytest_inprocess(*given)

    said = run()
    assert said.parseoutcomes().get("passed") is None
    assert "pytest --record" in said.stdout.str()
    monkeypatch.setenv("PARALLEL_API_KEY", KEY)
    monkeypatch.setenv("PARALLEL_BASE_URL", simulator_server.url)
    run("--record").assert_outcomes(passed=2)
    assert len(simulator_server.simulator.runs()) == 2
    made = sorted(each.name for each in pytester.path.rglob("*.jsonl*"))
    assert made == ["mine.jsonl", "test_it.jsonl"]
    with monkeypatch.context() as without:
        without.delenv("PARALLEL_API_KEY")
        without.setenv("PARALLEL_BASE_URL", "http://127.0.0.1:9")
        run().assert_outcomes(passed=2)
    assert len(simulator_server.simulator.runs()) == 2
    # A recording that was killed is paid for, and the next one leaves it.
    killed = pytester.path / "mine.jsonl.new"
    killed.write_text((pytester.path / "mine.jsonl").read_text())
    was = killed.read_text()
    said = run("--record", "-W", "default")
    said.assert_outcomes(passed=2)
    assert "kept in" in said.stdout.str()
    made = sorted(each.name for each in pytester.path.rglob("*.jsonl*"))
    assert made == ["mine.jsonl", "mine.jsonl.new.1", "test_it.jsonl"]
    assert (pytester.path / "mine.jsonl.new.1").read_text() == was


def test_nothing_of_a_recording_is_paid_by_the_replay(file: Path) -> None:
    client = in_memory(file)
    client.wait(client.create(TaskRunInput(input="Who leads?", processor="lite")).run_id)
    account = Simulator(ManualClock(), scenario=recorded_scenario(file))
    again = simulated_client(account)
    again.wait(again.create(TaskRunInput(input="Who leads?", processor="lite")).run_id)
    assert account.billing.total_usd == 0.005  # as the recorded session was billed
