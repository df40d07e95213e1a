"""A LangGraph server as its SDK shows it: threads, a queue of runs, a store. Around a real graph."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import httpx
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore
from langgraph.types import Command
from langgraph_sdk.errors import ConflictError, NotFoundError

CONTEXT = {"tone": "dry"}
"""The context that a caller gives a graph."""


def refused(status: int) -> httpx.Response:
    return httpx.Response(status, request=httpx.Request("POST", "http://server"))


class FakeServer:
    """What `ServerThreads` uses of `langgraph_sdk.get_client`."""

    def __init__(self) -> None:
        self.saver, self.kept = InMemorySaver(), InMemoryStore()
        self.graph: Any = None
        self.queue: dict[str, dict[str, Any]] = {}
        """By thread: the run that is to come. As on a server there is one at the most."""
        self.last: dict[str, dict[str, Any]] = {}
        """By thread: its last run."""
        self.passed = 0.0
        """Seconds since everything there was written."""
        self.assistants = True
        """Whether those of the threads are there."""
        self.indexed: list[Any] = []
        self.threads = self.runs = self.store = self

    async def ask(self, thread_id: str) -> None:
        """A client's own run, with a question."""
        self.last[thread_id] = {"assistant_id": "assistant-7", "kwargs": {"context": CONTEXT}}
        await self._invoke(thread_id, {"question": f"What of {thread_id}?"})

    async def work(self) -> list[BaseException]:
        """Run the queue's runs, and return the errors of those that failed."""
        failed: list[BaseException] = []
        for thread_id in list(self.queue):
            run = self.queue.pop(thread_id)
            given = Command(**run["command"]) if "command" in run else None
            try:
                await self._invoke(thread_id, given)
            except LookupError as error:
                failed.append(error)
        return failed

    async def _invoke(self, thread_id: str, given: Any) -> None:
        config = {"configurable": {"thread_id": thread_id}}
        await self.graph.ainvoke(given, config, durability="sync")

    def forget(self, thread_id: str) -> None:
        """Delete a thread, as a user of the server may."""
        del self.last[thread_id]

    # -- threads -----------------------------------------------------------------------------------

    def _of(self, thread_id: str) -> dict[str, Any]:
        if thread_id not in self.last:
            raise NotFoundError("no such thread", response=refused(404), body=None)
        return self.last[thread_id]

    async def get_state(self, thread_id: str) -> dict[str, Any]:
        self._of(thread_id)
        state = await self.graph.aget_state({"configurable": {"thread_id": thread_id}})
        tasks = [
            {
                "id": task.id,
                "result": task.result,
                "error": None if task.error is None else str(task.error),
                "interrupts": [{"id": one.id, "value": one.value} for one in task.interrupts],
            }
            for task in state.tasks
        ]
        if state.created_at is None:
            return {"values": {}, "tasks": [], "created_at": None}
        created = datetime.fromisoformat(state.created_at) - timedelta(seconds=self.passed)
        moment = created.isoformat().replace("+00:00", "Z")
        return {"values": state.values, "tasks": tasks, "created_at": moment}

    # -- runs --------------------------------------------------------------------------------------

    async def list(self, thread_id: str, *, limit: int, select: Any) -> list[dict[str, Any]]:
        return [self._of(thread_id)][:limit]

    async def create(
        self, thread_id: str, assistant_id: str, *, multitask_strategy: str, **run: Any
    ) -> dict[str, Any]:
        self._of(thread_id)
        assert multitask_strategy == "reject"
        if not self.assistants:
            raise NotFoundError("no such assistant", response=refused(404), body=None)
        if thread_id in self.queue:
            raise ConflictError("busy", response=refused(409), body=None)
        self.queue[thread_id] = {"assistant_id": assistant_id, **run}
        return {"run_id": "run"}

    # -- store -------------------------------------------------------------------------------------

    async def get_item(self, namespace: Any, key: str) -> Any:
        found = await self.kept.aget(tuple(namespace), key)
        return None if found is None else found.dict()

    async def put_item(self, namespace: Any, key: str, value: Any, index: Any = None) -> None:
        self.indexed.append(index)
        await self.kept.aput(tuple(namespace), key, dict(value))

    async def delete_item(self, namespace: Any, key: str) -> None:
        await self.kept.adelete(tuple(namespace), key)

    async def search_items(
        self, namespace: Any, *, limit: int = 10, offset: int = 0, **more: Any
    ) -> Any:
        found = await self.kept.asearch(tuple(namespace), limit=limit, offset=offset, **more)
        return {"items": [item.dict() for item in found]}
