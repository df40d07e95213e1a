"""`ParallelTaskGroup` and `ParallelEnrichment`: many runs of one kind, each paid for once, in one task group.

Rule: all rows are checked before the first is sent, and a row whose run fails costs no other row its answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from langchain_core.runnables import Runnable, RunnableConfig, ensure_config
from pydantic import BaseModel, Field, InstanceOf, PrivateAttr, SecretStr, model_validator
from typing_extensions import Self

from .._core.calls import Calls, adrive, drive
from .._core.hidden import as_secret, hidden
from .._graph.paid_run import PaidRun
from .._graph.run_config import RunConfig
from ..client import AsyncParallelClient, ParallelClient
from ..errors import ParallelError
from ..models import Submission, TaskRun
from ..options import check_timeout
from ..parked.isolation import run_all_isolated
from ..tools.call_site import CallSite
from .failures import CallFailed
from .leniency import Keyed
from .task_results import as_failed, as_result, build_task_spec, check_metadata

T = TypeVar("T")
Row: TypeAlias = str | dict[str, Any]
EnrichmentInput: TypeAlias = str | dict[str, Any] | BaseModel
AT_ONCE = 8
"""Rows that are sent, and whose answers are fetched, at a time. The API works on all of them at once."""


class ParallelTaskGroup(Keyed):
    """A batch of runs in one task group; the results come in the order of the inputs.

    A row without an answer is a result, too: `output` is None, and `run` has `status` and `error`. Inside a
    LangGraph thread, a batch whose process was lost finds its group and its runs again.
    """

    api_key: SecretStr | None = None
    base_url: str | None = None
    processor: str = "lite-fast"
    task_spec: dict[str, Any] | None = None
    """Shape of every input and answer, as `build_task_spec` makes it."""
    metadata: dict[str, str | float | bool] | None = None
    """Kept with the group on the server."""
    client: InstanceOf[ParallelClient] | InstanceOf[AsyncParallelClient] | None = Field(
        default=None, exclude=True, repr=False
    )
    """Your own client, blocking or asynchronous; the other kind is made from it."""

    _door: RunConfig = PrivateAttr()

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            api_key: str | SecretStr | None = ...,
            base_url: str | None = ...,
            processor: str = ...,
            task_spec: dict[str, Any] | None = ...,
            metadata: dict[str, Any] | None = ...,
            client: ParallelClient | AsyncParallelClient | None = ...,
        ) -> None: ...

    @model_validator(mode="after")
    def _prepare(self) -> Self:
        spec = self.task_spec or {}
        self._door = RunConfig.of(
            processor_names=[self.processor],
            output_schema=spec.get("output_schema"),
            input_schema=spec.get("input_schema"),
            request=None,
            limits=None,
            timeout=None,
            name="parallel_task_group",
            api_key=self.api_key,
            base_url=self.base_url,
            client=self.client,
        )
        check_metadata(self.metadata)
        return self

    def run(self, inputs: Sequence[Row], *, timeout: float | None = None) -> list[dict[str, Any]]:
        """Start a run for each input, and wait until all have ended.

        Args:
            inputs: Texts, or objects that fit the input schema.
            timeout: Seconds to wait for each; None: twice the processor's usual longest time, and ten
                minutes.

        Raises:
            CallFailed: Nothing was started, or no row has an answer; `results` has what came of each row. It
                is a `ValueError`.
        """
        return drive(self._run_all(inputs, timeout, ensure_config()))

    async def arun(
        self, inputs: Sequence[Row], *, timeout: float | None = None
    ) -> list[dict[str, Any]]:
        """As `run`."""
        return await adrive(self._run_all(inputs, timeout, ensure_config()))

    def _run_all(
        self, inputs: Sequence[Row], timeout: float | None, config: RunnableConfig
    ) -> Calls[list[dict[str, Any]]]:
        try:
            runs = list(self._paid_runs(inputs, timeout, config))
            if not runs:
                return []
            site = yield from CallSite.of(None, config).at_its_step()
            runs = [replace(run, position=f"{site.position}/{run.position}") for run in runs]
            ledger_id = yield from self._ledger(site)
            submit = [partial(run.submit, ledger_id, is_new=site.is_new) for run in runs]
            # What is refused for all is refused for the first: no other is sent then.
            first = yield from submit[0]()
        except ParallelError as error:
            raise CallFailed("Task Group", error) from error
        rest = yield from run_all_isolated(submit[1:], AT_ONCE)
        answers = yield from run_all_isolated(
            [partial(self._row, *pair) for pair in zip(runs, [first, *rest], strict=True)], AT_ONCE
        )
        results, errors = [], []
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
            results.append(answer[0])
            errors += [answer[1]] if answer[1] else []
        if len(errors) == len(results):
            raise CallFailed("Task Group", errors[0], results=results) from errors[0]
        return results

    def _paid_runs(
        self, inputs: Sequence[Row], timeout: float | None, config: RunnableConfig
    ) -> Iterator[PaidRun]:
        """The runs of the inputs, checked; the position of each is its place among them."""
        door = replace(self._door, timeout=check_timeout(timeout))
        for place, row in enumerate(inputs):
            request = door.request(row, self.processor, None, config)
            door.warn_of(request)
            yield PaidRun(door, request, str(place), config)

    def _ledger(self, site: CallSite) -> Calls[str]:
        """The group of this batch: in a graph, the one recorded for it, if its process was lost before."""
        metadata = check_metadata(self.metadata)
        if site.is_new:
            return (yield from self._door.clients.create_group(metadata))
        name = f"{site.session}/{self._door.name}/{site.position}"
        return (yield from self._door.ledgers.of(site.config, name, metadata=metadata))

    def _row(
        self, run: PaidRun, sent: Submission | BaseException
    ) -> Calls[tuple[dict[str, Any], ParallelError | None]]:
        """What came of a row, and the error if it has no answer."""
        unknown = TaskRun(run_id="", status="unknown", processor=self.processor)
        try:
            got = yield from run.answer(_submission(sent))
        except ParallelError as error:
            started = sent.run if isinstance(sent, Submission) else unknown
            return as_failed(error, started), error
        return as_result(got.result), None


def _submission(sent: Submission | BaseException) -> Submission:
    if isinstance(sent, BaseException):
        raise sent
    return sent


class ParallelEnrichment(Runnable[Sequence[EnrichmentInput], list[dict[str, Any]]]):
    """Enriches rows through a `ParallelTaskGroup`; the results are those of its `run`.

    Args:
        output_schema: Shape of every answer: a pydantic class, a JSON schema or a description in words.
        input_schema: Shape of every row, likewise.
        processor: Which processor.
        api_key: The key; read from `PARALLEL_API_KEY` by default.
        base_url: The server; read from `PARALLEL_BASE_URL` by default.
        metadata: Kept with each group on the server.
        client: Your own client, blocking or asynchronous; the other kind is made from it.

    Raises:
        TypeError: A schema is none.
        NoKey: There is no API key. It is a `ValueError`.
    """

    def __init__(
        self,
        *,
        output_schema: type[BaseModel] | dict[str, Any] | str,
        input_schema: type[BaseModel] | dict[str, Any] | str | None = None,
        processor: str = "core-fast",
        api_key: str | SecretStr | None = None,
        base_url: str | None = None,
        metadata: dict[str, Any] | None = None,
        client: ParallelClient | AsyncParallelClient | None = None,
    ) -> None:
        api_key, base_url = as_secret(api_key), hidden(base_url)
        self.processor = processor
        self._group = ParallelTaskGroup(
            processor=processor,
            task_spec=build_task_spec(output_schema=output_schema, input_schema=input_schema),
            api_key=api_key,
            base_url=base_url,
            metadata=metadata,
            client=client,
        )

    def invoke(
        self,
        input: Sequence[EnrichmentInput],
        config: RunnableConfig | None = None,
        *,
        timeout: float | None = None,
        **kwargs: Any,
    ) -> list[dict[str, Any]]:
        """Start a run for each row, and wait until all have ended.

        Args:
            input: Texts, objects, or instances of a pydantic class, whose None values are left out.
            config: LangChain's config.
            timeout: Seconds to wait for each.
            kwargs: None; for LangChain's signature.

        Raises:
            CallFailed: Nothing was started, or no row has an answer. It is a `ValueError`.
        """
        return drive(self._group._run_all(_rows(input), timeout, ensure_config(config)))

    async def ainvoke(
        self,
        input: Sequence[EnrichmentInput],
        config: RunnableConfig | None = None,
        *,
        timeout: float | None = None,
        **kwargs: Any,
    ) -> list[dict[str, Any]]:
        """As `invoke`."""
        return await adrive(self._group._run_all(_rows(input), timeout, ensure_config(config)))


def _rows(given: Sequence[EnrichmentInput]) -> list[Row]:
    return [
        row.model_dump(mode="json", exclude_none=True) if isinstance(row, BaseModel) else row
        for row in given
    ]
