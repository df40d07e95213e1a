"""What LangGraph offers to the code inside a graph: runtime, thread, store, checkpoints.

Rule: what a paid request's key is made from can be read back before the request leaves (R4). The session's
ledger is in a record (`session_ledger.py`); the rest is in a checkpoint that has been written
(`wait_for_checkpoint`).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import anyio
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import set_config_context, var_child_runnable_config
from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import GraphInterrupt
from langgraph.runtime import Runtime
from langgraph.types import StateSnapshot, interrupt

from .._core.calls import Call, Calls, guard
from .._core.ledger.keys import THREAD_ID
from .._telemetry import TelemetryEvent, tell
from ..errors import (
    CheckpointNotWritten,
    InvalidRequest,
    ParallelError,
    StorageFailed,
    ThreadBusy,
)

# LangGraph has no public way to read these in a running node; tests/test_internals.py fails should they be
# renamed.
_CHECKPOINTER = "__pregel_checkpointer"
_DURABILITY = "__pregel_durability"
_TASK_ID = "__pregel_task_id"
_SCRATCHPAD = "__pregel_scratchpad"
_READ = "__pregel_read"
_RESUMING = "__pregel_resuming"
_RUNTIME = "__pregel_runtime"
_START = "__start__"
_STEP = "langgraph_step"
_INTERRUPT = "__interrupt__"
_SEEN = "__parallel_seen"
"""Ours: what an invocation's caller has read of the thread. With two underscores LangGraph does not write it
down."""
# A LangGraph server's.
_USER = "langgraph_auth_user_id"
_PERMISSIONS = "langgraph_auth_permissions"
_REQUEST = "langgraph_request_id"
_GREGORIAN_SECONDS = 12_219_292_800
"""From 1582, when the timestamps of such UUIDs begin, to 1970."""
THREAD_ID_CHARS = 512
"""The longest metadata value the API takes."""
_WRITE_SECONDS = 10.0
"""How long to wait for the background write of a checkpoint."""


def whole_config(config: RunnableConfig) -> RunnableConfig:
    """The config of a step. Temporal's plugin hands a step what can be sent to another process, and puts the
    rest, such as the answers to interrupts and the context, into the context variable of LangChain.
    """
    given = config.get("configurable", {})
    if _SCRATCHPAD in given:
        return config
    beside = var_child_runnable_config.get() or {}
    return {**config, "configurable": {**beside.get("configurable", {}), **given}}


def runtime_of(config: RunnableConfig) -> Runtime[Any] | None:
    """LangGraph's runtime behind a config; None outside a graph.

    From the config itself, because Python 3.10 does not carry context variables into tasks, and because a
    step asks for it several times.
    """
    return cast("Runtime[Any] | None", config.get("configurable", {}).get(_RUNTIME))


def ask_person(config: RunnableConfig, request: Any, response_schema: dict[str, Any]) -> Any:
    """Return the answer to `request`; until there is one, end this step with an interrupt.

    Through the config, because Python 3.10 does not carry context variables into tasks.
    """
    with set_config_context(config) as context:
        try:
            return context.run(lambda: interrupt(request, response_schema=response_schema))
        except GraphInterrupt:
            tell(_question_event(config, request))
            raise


def _question_event(config: RunnableConfig, request: Any) -> TelemetryEvent:
    """That a thread is parked for runs, or that a person is asked; once for each question of a task."""
    kind = (
        str(request.get("kind") or request.get("type") or "") if isinstance(request, dict) else ""
    )
    task, thread_id = task_of(config), thread_id_of(config)
    if kind == "parked":  # once: it may be woken too early, and parks again
        runs = [run["run_id"] for run in request["runs"]]
        group_id = (request.get("batch") or {}).get("group_id")
        fields = {"thread_id": thread_id, "run_ids": runs or None, "group_id": group_id}
        return TelemetryEvent("parked", fields, once=f"parked {thread_id} {task}")
    fields = {"thread_id": thread_id, "kind": kind or None}
    once = f"asked {thread_id} {task} {answers_so_far(config)}"
    return TelemetryEvent("asked", fields, once=once)


def answers_so_far(config: RunnableConfig) -> int:
    """How many answers this task has had, that of the call that resumes it included."""
    scratchpad = config.get("configurable", {}).get(_SCRATCHPAD)
    return len(getattr(scratchpad, "resume", ()))


def last_answer(config: RunnableConfig) -> Any:
    """The last answer to an interrupt of this task; None if there is none, or if it did not name one."""
    scratchpad = config.get("configurable", {}).get(_SCRATCHPAD)
    return next(reversed(getattr(scratchpad, "resume", ())), None)


def task_of(config: RunnableConfig) -> str:
    """The id of the task that a step runs as; the same whenever it runs again. Empty outside a graph."""
    return str(config.get("configurable", {}).get(_TASK_ID, ""))


@dataclass(frozen=True, repr=False)
class _Seen:
    """What the tasks of a checkpoint show a person."""

    checkpoint_id: str
    shown: Mapping[str, Any]
    """By task."""


def with_seen(config: RunnableConfig, state: StateSnapshot) -> RunnableConfig:
    """The config of an invocation that goes on from a state, which its steps then need not read again."""
    checkpoint_id = state.config.get("configurable", {}).get("checkpoint_id")
    if checkpoint_id is None:
        return config
    shown = {task.id: task.interrupts[-1].value for task in state.tasks if task.interrupts}
    configurable = {**config.get("configurable", {}), _SEEN: _Seen(checkpoint_id, shown)}
    return {**config, "configurable": configurable}


def shown_to_person(config: RunnableConfig) -> Calls[Any]:
    """What this task's interrupt shows a person, also while an answer to it is being worked on; None if the
    task has not asked anything. LangGraph gives an answer to whatever the task asks next.
    """
    given = config.get("configurable", {})
    if not is_resumed(config):  # only a task that the invocation found there can have asked
        return None
    saver, caller = checkpointer_of(config), given.get("checkpoint_ns", "").rpartition("|")[0]
    checkpoint_id = given.get("checkpoint_map", {}).get(caller)
    if saver is None or checkpoint_id is None:
        return None
    seen = given.get(_SEEN)
    if isinstance(seen, _Seen) and (caller, checkpoint_id) == ("", seen.checkpoint_id):
        return seen.shown.get(task_of(config))
    found = yield from read_checkpoint(saver, config, _places(config)[checkpoint_id], checkpoint_id)
    for task_id, channel, value in (found.pending_writes or ()) if found else ():
        if (task_id, channel) == (given.get(_TASK_ID), _INTERRUPT):
            return value[-1].value
    return None


def is_resumed(config: RunnableConfig) -> bool:
    """Whether the invocation found this task there: it was cut off, or has failed, or has asked something."""
    return bool(config.get("configurable", {}).get(_RESUMING))


def _places(config: RunnableConfig) -> dict[str, str]:
    """The checkpoints that a step began from: their namespaces, by id. LangGraph names the checkpoint that a
    `@task` began from under its caller's namespace, too, where there is none.
    """
    places = dict[str, str]()
    for namespace, checkpoint_id in (
        config.get("configurable", {}).get("checkpoint_map", {}).items()
    ):
        places.setdefault(checkpoint_id, namespace)
    return places


def read_checkpoint(
    saver: BaseCheckpointSaver[Any],
    config: RunnableConfig,
    namespace: str,
    checkpoint_id: str | None,
) -> Calls[CheckpointTuple | None]:
    """A checkpoint of this thread, if it is there; without an id, the latest."""
    thread_id = config.get("configurable", {}).get("thread_id")
    place: dict[str, Any] = {"thread_id": thread_id, "checkpoint_ns": namespace}
    if checkpoint_id is not None:
        place["checkpoint_id"] = checkpoint_id
    where: RunnableConfig = {"configurable": place}
    read = Call(lambda: saver.get_tuple(where), lambda: saver.aget_tuple(where))
    hint = "Nothing was sent by this step: see to the checkpointer, then resume the thread."
    found = yield guard(read, "The checkpointer could not be read", hint)
    return cast("CheckpointTuple | None", found)


def state_value(state: Any, name: str) -> Any:
    """A channel of a graph's state, whichever kind of object that is; None if it has none."""
    return state.get(name) if isinstance(state, Mapping) else getattr(state, name, None)


def thread_id_of(config: RunnableConfig) -> str | None:
    """The LangGraph thread a config belongs to, if any."""
    thread_id = config.get("configurable", {}).get("thread_id")
    return None if thread_id is None else str(thread_id)


def thread_metadata(config: RunnableConfig) -> dict[str, str]:
    """What a run's metadata says of the thread that it is started for; nothing without a thread."""
    thread_id = thread_id_of(config)
    return {THREAD_ID: thread_id[:THREAD_ID_CHARS]} if thread_id else {}


def is_of_thread(metadata: Mapping[str, Any] | None, config: RunnableConfig) -> bool:
    """Whether a run with this metadata was started for the thread of `config`."""
    own = thread_metadata(config).get(THREAD_ID)
    return own is not None and (metadata or {}).get(THREAD_ID) == own


def asking_user(config: RunnableConfig) -> str | None:
    """The authenticated user who has called a LangGraph server; None elsewhere, or without authentication.

    A run that the server continues by itself, such as after a webhook, has another user, or none.
    """
    user = config.get("configurable", {}).get(_USER)
    return user if isinstance(user, str) and user else None


def user_permissions(config: RunnableConfig) -> list[str]:
    """The permissions that the authentication of a LangGraph server gave the user; none elsewhere."""
    given = config.get("configurable", {}).get(_PERMISSIONS)
    return [one for one in given if isinstance(one, str)] if isinstance(given, list | tuple) else []


def came_through_server(config: RunnableConfig) -> bool:
    """Whether a LangGraph server has called the graph: then input and state are a stranger's. The caller
    cannot take away what the server puts into the config.
    """
    return any(name in config.get("configurable", {}) for name in (_REQUEST, _USER))


def check_thread_id(thread_id: object, saver: object) -> None:
    """Refuse a thread that LangGraph would not find again: it keeps 0 in memory as it is, and reads "0".

    Raises:
        InvalidRequest: It is such a thread.
    """
    is_lost = not isinstance(thread_id, str) and isinstance(saver, InMemorySaver)
    if thread_id == "" or (thread_id is not None and not thread_id and is_lost):
        raise InvalidRequest(
            [f"thread_id is {thread_id!r}, under which LangGraph does not find a thread again."],
            hint='Give it as text that is not empty, such as "0". Nothing was sent.',
        )


def checkpointer_of(config: RunnableConfig) -> BaseCheckpointSaver[Any] | None:
    """The checkpointer of the graph that a config belongs to, if it has one."""
    saver = config.get("configurable", {}).get(_CHECKPOINTER)
    return saver if isinstance(saver, BaseCheckpointSaver) else None


def is_resumable(config: RunnableConfig) -> bool:
    """Whether an interrupt of this step can be answered: there is a checkpointer. A step that
    Temporal's plugin runs does not see the workflow's, and its thread stands for it.
    """
    given = config.get("configurable", {})
    is_elsewhere = _TASK_ID in given and _CHECKPOINTER not in given
    return checkpointer_of(config) is not None or (is_elsewhere and "thread_id" in given)


def ends_step(error: ParallelError, config: RunnableConfig) -> bool:
    """Whether a tool is to raise this error instead of telling the model: storage has failed, or another
    process keeps the thread. No model can mend that, and the thread can be resumed once it is mended.
    """
    has_thread = thread_id_of(config) is not None and checkpointer_of(config) is not None
    return isinstance(error, StorageFailed | ThreadBusy) and has_thread


def is_written_at_exit(config: RunnableConfig) -> bool:
    """Whether LangGraph writes no checkpoint before this invocation ends (`durability="exit"`)."""
    return bool(config.get("configurable", {}).get(_DURABILITY) == "exit")


def wait_for_checkpoint(config: RunnableConfig) -> Calls[None]:
    """Return once the checkpoints that this step began from have been written.

    By default LangGraph writes them in the background; a process killed before they are there would forget
    what it has paid for. With `durability="sync"` they are there already; with `"exit"` nothing is written
    before the end, so there is nothing to wait for.

    Raises:
        CheckpointNotWritten: They are still not there; nothing was sent.
    """
    given = config.get("configurable", {})
    saver = checkpointer_of(config)
    if saver is None or given.get(_DURABILITY, "async") != "async":
        return
    for checkpoint_id, namespace in _places(config).items():
        deadline = time.monotonic() + _WRITE_SECONDS
        pause = 0.001
        while (yield from read_checkpoint(saver, config, namespace, checkpoint_id)) is None:
            if time.monotonic() > deadline:
                raise CheckpointNotWritten(
                    f"The checkpoint of this step was not written within {_WRITE_SECONDS:g} s.",
                    hint="Nothing was sent, because a run that is paid for must be found again: see to "
                    "the checkpointer, then resume the thread.",
                )
            seconds = pause
            yield Call(lambda: time.sleep(seconds), lambda: anyio.sleep(seconds))  # noqa: B023 -- called at once
            pause = min(0.1, pause * 2)


def _made_at(checkpoint_id: str) -> float:
    """When a checkpoint was made, in Unix seconds, from its id, a UUID of version 6; now for any other id."""
    digits = checkpoint_id.replace("-", "")
    try:
        ticks = int(digits[:12] + digits[13:16], 16)
    except ValueError:
        return time.time()
    return ticks / 1e7 - _GREGORIAN_SECONDS


def parent_task(config: RunnableConfig) -> str | None:
    """The task of the parent graph that runs this graph; None in an outermost graph.

    LangGraph numbers a retried attempt behind it (`research:<task>|1`); the task is the same.
    """
    namespace = str(config.get("configurable", {}).get("checkpoint_ns", ""))
    parts = [part for part in namespace.split("|")[:-1] if not part.isdigit()]
    return "|".join(parts) or None


FIRST_INPUT = "start"
"""Stands for the id of a checkpoint that does not exist: the thread had none before."""


def given_input(config: RunnableConfig) -> Any:
    """What this graph was given, as it was given, in the step that takes it; None in any other step."""
    read = config.get("configurable", {}).get(_READ)
    return None if read is None else read(_START, False)


class Input(NamedTuple):
    """The input of the outermost graph that led to a step."""

    after: str
    """The checkpoint after which it came; `FIRST_INPUT` for a thread's first; empty without a checkpointer.
    The same in a replay, in a fork, and when the input is sent again because a kill left nothing of it;
    another one for every later input.
    """
    at: float
    """When it came, in Unix seconds."""


def first_input_of(config: RunnableConfig) -> Input | None:
    """The thread's first input, if it led straight to this step of the outermost graph, as LangGraph's number
    of the step says, without a look into the checkpointer; else None.
    """
    head = config.get("configurable", {}).get("checkpoint_map", {}).get("")
    is_first = config.get("metadata", {}).get(_STEP) == 1 and parent_task(config) is None
    is_first = is_first and checkpointer_of(config) is not None
    return Input(FIRST_INPUT, _made_at(head)) if is_first and head is not None else None


def input_of(config: RunnableConfig) -> Calls[Input]:
    """The input that led to this step."""
    surroundings = config.get("configurable", {})
    saver = checkpointer_of(config)
    head = surroundings.get("checkpoint_map", {}).get("")
    if saver is None or head is None:
        return Input("", time.time())
    found = yield from read_checkpoint(saver, config, "", head)
    if found is None:  # `durability="exit"`: nothing of this input is written yet
        found = yield from read_checkpoint(saver, config, "", None)
        return Input(FIRST_INPUT if found is None else str(found.checkpoint["id"]), _made_at(head))
    at = _made_at(head)
    while found is not None:
        at = _made_at(str(found.checkpoint["id"]))
        if found.parent_config is None:
            break
        before = str(found.parent_config["configurable"]["checkpoint_id"])
        if found.metadata.get("source") == "input":
            return Input(before, at)
        found = yield from read_checkpoint(saver, config, "", before)
        if found is not None and found.checkpoint["id"] != before:
            break  # a checkpointer that keeps the latest only
    return Input(FIRST_INPUT, at)
