"""The research graph in workflows of Temporal, on its own test server.

python temporal_workflow.py <the test server's program>
python temporal_workflow.py worker <address>        (one that dies)

Prints a JSON line for each workflow: its name, and what failed.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from datetime import timedelta
from importlib import import_module
from typing import Any

workflow: Any = import_module("temporalio.workflow")
plugin: Any = import_module("temporalio.langgraph")
with workflow.unsafe.imports_passed_through():
    import httpx
    from langgraph.checkpoint.memory import InMemorySaver
    from langgraph.types import Command

    from langchain_parallel import Limits, ParallelClient, create_research_graph
    from langchain_parallel.research import Verdict

SHARED: tuple[str, ...] = ("langchain_parallel", "pydantic", "httpx", "anyio", "sniffio")
"""Modules that workflows share with their worker, instead of a copy each."""
MARKET, EUROPE = "How large is the market for cargo bikes?", "And in Europe?"


@workflow.defn
class Research:
    """A session on one thread. Each interrupt waits for a signal."""

    def __init__(self) -> None:
        self.asked: Any = None
        self.answers: list[Any] = []

    @workflow.run  # type: ignore[untyped-decorator]  # it is in its own environment alone
    async def run(self, graph: str, questions: list[Any], context: dict[str, Any]) -> Any:
        """The state after all questions."""
        session = plugin.graph(graph).compile(checkpointer=InMemorySaver())
        config = {"configurable": {"thread_id": workflow.info().workflow_id}}
        out: Any = None
        for question in questions:
            given = question if isinstance(question, dict) else {"question": question}
            out = await session.ainvoke(given, config, context=context or None)
            while interrupts := out.get("__interrupt__"):
                self.asked = interrupts[0].value
                await workflow.wait_condition(lambda: self.answers)
                self.asked = None
                resume: Any = Command(
                    resume=self.answers.pop(0)
                )  # ids differ when history is replayed
                out = await session.ainvoke(resume, config, context=context or None)
        names = ("answer", "turns", "interaction_id", "verdict", "spent_usd")
        said = [message.text for message in out["messages"]]
        return {**{name: out[name] for name in names if name in out}, "said": said}

    @workflow.signal  # type: ignore[untyped-decorator]  # it is in its own environment alone
    def reply(self, answer: Any) -> None:
        """A person's answer, or the word that a run has ended."""
        self.answers.append(answer)

    @workflow.query  # type: ignore[untyped-decorator]  # it is in its own environment alone
    def waiting(self) -> Any:
        """What it is waiting for."""
        return self.asked


def both(state: Any, turn: Any) -> Verdict:
    """Two follow-ups at the same time, once."""
    if len(state["turns"]) > 1:
        return {"action": "accept"}
    return {"action": "branch", "questions": [{"question": "Makers?"}, {"question": "Buyers?"}]}


class Deadly(httpx.HTTPTransport):
    """The worker dies once the API has accepted a run, and before it has seen the answer."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send it."""
        response = super().handle_request(request)
        if request.method == "POST" and request.url.path.endswith("/runs"):
            os.kill(os.getpid(), signal.SIGKILL)
        return response


def worker(client: Any, queue: str = "research", *, dies: bool = False) -> Any:
    """A worker with all graphs."""
    account = ParallelClient(transport=Deadly()) if dies else ParallelClient()

    def graph(name: str, **options: Any) -> Any:
        return create_research_graph(name=name, client=account, **{"processor": "lite", **options})

    graphs = {
        "plain": graph("plain"),
        "approved": graph("approved", processor="base", limits=Limits(approve_above="lite")),
        # A run that has ended when its thread would park is answered at once: this one takes seconds.
        "parked": graph("parked", processor="ultra8x", wait="park"),
        "branches": graph("branches", evaluate=both, limits=Limits(max_runs_per_question=4)),
    }
    made = plugin.LangGraphPlugin(
        graphs=graphs, default_activity_options={"start_to_close_timeout": timedelta(seconds=5)}
    )
    sandbox: Any = import_module("temporalio.worker.workflow_sandbox")
    rules = sandbox.SandboxRestrictions.default.with_passthrough_modules(*SHARED)
    return import_module("temporalio.worker").Worker(
        client,
        task_queue=queue,
        workflows=[Research],
        plugins=[made],
        max_cached_workflows=0,  # or the test server waits for the worker that has died
        workflow_runner=sandbox.SandboxedWorkflowRunner(restrictions=rules),
    )


class Programs:
    """Workflows on one server."""

    def __init__(self, client: Any) -> None:
        self.client = client

    async def start(
        self, name: str, graph: str, *questions: Any, queue: str = "research", **context: Any
    ) -> Any:
        """A workflow."""
        args = [graph, list(questions), context]
        return await self.client.start_workflow(Research.run, args=args, id=name, task_queue=queue)

    async def session(self) -> None:
        """A question, and a message as its follow-up, with a context."""
        message = {"messages": [{"role": "user", "content": EUROPE}]}
        started = await self.start("session", "plain", MARKET, message, processor="base")
        out = await started.result()
        first, second = out["turns"]
        assert second["parent_interaction_id"] == first["interaction_id"], out["turns"]
        assert first["processor"] == second["processor"] == "base", out["turns"]
        assert "Sources:" in out["said"][-1], out["said"]

    async def branches(self) -> None:
        """Two follow-ups at the same time."""
        out = await (await self.start("branches", "branches", MARKET)).result()
        first, *both = out["turns"]
        assert [t["parent_interaction_id"] for t in both] == [first["interaction_id"]] * 2, out

    async def approved(self) -> None:
        """A person approves a run."""
        started = await self.start("approved", "approved", MARKET)
        assert (await _waiting(started))["kind"] == "spend"
        await started.signal(Research.reply, {"decisions": [{"type": "approve"}]})
        assert [turn["status"] for turn in (await started.result())["turns"]] == ["completed"]

    async def parked(self) -> None:
        """The workflow waits without an activity, until it is told that the run has ended."""
        started = await self.start("parked", "parked", MARKET)
        assert (await _waiting(started))["kind"] == "parked"
        await asyncio.sleep(10)
        await started.signal(Research.reply, "It has ended.")
        assert [turn["status"] for turn in (await started.result())["turns"]] == ["completed"]

    async def killed(self) -> None:
        """A worker dies once its run was accepted; another one goes on with the workflow."""
        started = await self.start("killed", "plain", MARKET, queue="deadly")
        address = self.client.service_client.config.target_host
        died = await asyncio.create_subprocess_exec(sys.executable, __file__, "worker", address)
        assert await died.wait() == -signal.SIGKILL
        async with worker(self.client, "deadly"):
            assert [t["status"] for t in (await started.result())["turns"]] == ["completed"]


async def _waiting(started: Any) -> Any:
    """What a workflow waits for, once it does."""
    for _ in range(200):
        if asked := await started.query(Research.waiting):
            return asked
        await asyncio.sleep(0.05)
    raise AssertionError("it does not wait")


async def main(server_program: str) -> None:
    """Run all workflows."""
    environment: Any = import_module("temporalio.testing").WorkflowEnvironment
    starting = environment.start_time_skipping(test_server_existing_path=server_program)
    async with await starting as started, worker(started.client):
        programs = Programs(started.client)
        for name in ("session", "branches", "approved", "parked", "killed"):
            failed = ""
            try:
                await asyncio.wait_for(getattr(programs, name)(), 60)
            except Exception as error:  # noqa: BLE001 -- told
                failed = f"{type(error).__name__}: {error}"[:500]
            print(json.dumps({"name": name, "failed": failed}), flush=True)


async def die(address: str) -> None:
    """A worker that does not live long."""
    client = await import_module("temporalio.client").Client.connect(address)
    await worker(client, "deadly", dies=True).run()


if __name__ == "__main__":
    named = import_module("temporal_workflow")  # its functions are of a module that has a name
    asyncio.run(named.die(sys.argv[2]) if sys.argv[1] == "worker" else named.main(sys.argv[1]))
