"""A blocking and an asynchronous client of one account, as the calls of a step."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

from pydantic import SecretStr

from .._core.calls import Call, Calls
from .._core.ledger.lookup import Lookup
from .._core.redaction import redact, secrets_of
from ..client import AsyncParallelClient, ParallelClient
from ..client.client_settings import doubt, hide, share_memory
from ..errors import InvalidRequest, ParallelError
from ..models import Event, Submission, TaskRun, TaskRunInput, TaskRunResult


class ClientPair(NamedTuple):
    """A blocking and an asynchronous client of the same account."""

    sync: ParallelClient
    async_: AsyncParallelClient
    memory: str = ""
    """Names what these two know of their ledgers; a forked process knows less (`process_id`)."""

    @property
    def process_id(self) -> str:
        """A name that no other clients have, nor the same ones in a forked process."""
        return f"{self.memory}.{os.getpid()}"

    @classmethod
    def of(
        cls,
        client: ParallelClient | None,
        async_client: AsyncParallelClient | None,
        *,
        api_key: SecretStr | str | None = None,
        base_url: str | None = None,
        allow_unknown_processor: bool = False,
        asks: TaskRunInput,
    ) -> ClientPair:
        """The clients given, both or neither, or made from the rest.

        Raises:
            InvalidRequest: Only one is given: the other would go elsewhere, with another key.
            MissingKey: The clients are to be made and there is no key.

        `asks` is a request like those to come: its secrets are redact_model out of whatever the server says,
        also in a process that waits for what another one has asked.
        """
        if (client is None) != (async_client is None):
            raise InvalidRequest(
                [
                    "Give `client` and `async_client` together, or neither: both kinds of calls occur."
                ]
            )
        if client is not None and base_url is not None:
            raise InvalidRequest(["base_url is given, but the clients have their own."])
        more: dict[str, Any] = {"allow_unknown_processor": allow_unknown_processor}
        plain = client or ParallelClient(api_key, base_url, **more)
        awaited = async_client or AsyncParallelClient(api_key, base_url, **more)
        made = cls(plain, awaited, share_memory(plain, awaited))
        hide(plain, secrets_of([asks]))
        return made

    def doubt(self, ledger_id: str) -> None:
        """Another process may have sent something to this ledger a moment ago."""
        doubt(self.sync, ledger_id)

    def create_group(self) -> Calls[str]:
        """A new ledger. Free."""
        group = yield Call(self.sync.create_group, self.async_.create_group)
        return str(group.taskgroup_id)

    def submit(
        self,
        ledger_id: str,
        request: TaskRunInput,
        *,
        position: str,
        lookup: Lookup = "once",
        cursor: str | None = None,
    ) -> Calls[Submission]:
        """Find the run in the ledger or start it there."""
        how: dict[str, Any] = {"position": position, "lookup": lookup, "cursor": cursor}
        submission = yield Call(
            lambda: self.sync.submit(ledger_id, request, **how),
            lambda: self.async_.submit(ledger_id, request, **how),
        )
        return cast(Submission, submission)

    def submit_directly(self, request: TaskRunInput) -> Calls[Submission]:
        """Start the run without a ledger, at most once: a lost answer is a lost run."""
        started = yield Call(lambda: self.sync.create(request), lambda: self.async_.create(request))
        run = cast(TaskRun, started)
        return Submission(run=run, ledger_id="", key=f"run {run.run_id}", adopted=False)

    def find(
        self, ledger_id: str, request: TaskRunInput, *, position: str, lookup: Any = "once"
    ) -> Calls[Submission | None]:
        """The run that was paid for under a key, if there is one."""
        how: dict[str, Any] = {"position": position, "lookup": lookup}
        found = yield Call(
            lambda: self.sync.find(ledger_id, request, **how),
            lambda: self.async_.find(ledger_id, request, **how),
        )
        return cast("Submission | None", found)

    def retrieve(self, run_id: str) -> Calls[TaskRun]:
        """A run as it stands."""
        run = yield Call(lambda: self.sync.retrieve(run_id), lambda: self.async_.retrieve(run_id))
        return cast(TaskRun, run)

    def wait(
        self,
        run_id: str,
        interaction_id: str | None,
        timeout: float,
        on_event: Callable[[Event], Any] | None,
        secrets: Sequence[str] = (),
    ) -> Calls[TaskRunResult]:
        """Wait for a run; without `on_event`, where it has ended, only ask for its answer.

        Errors name the run and the interaction, and never one of `secrets`: a server may repeat an MCP
        header in what it says of a run that failed.
        """
        try:
            if on_event is None:
                result = yield Call(
                    lambda: self.sync.result(run_id, timeout=timeout),
                    lambda: self.async_.result(run_id, timeout=timeout),
                )
            else:
                result = yield Call(
                    lambda: self.sync.wait(run_id, timeout=timeout, on_event=on_event),
                    lambda: self.async_.wait(run_id, timeout=timeout, on_event=on_event),
                )
        except ParallelError as error:
            error.with_ids(run_id, interaction_id)
            error.rewrite(lambda text: redact(text, secrets))
            raise
        return cast(TaskRunResult, result)
