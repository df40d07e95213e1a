"""Errors as programs written for the official package expect them: each is a `ValueError`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.tools import ToolException

from ..errors import MissingKey, ParallelError


class CallFailed(ToolException, ValueError):
    """A call failed; this package's own error is its `__cause__`.

    Attributes:
        run_id: The run concerned, if any: `ParallelClient().wait(run_id)` fetches its answer.
        interaction_id: The interaction to continue from, if known.
        billed: Whether the run has cost money; None while that is unknown.
        results: Of a batch, what came of each row.
    """

    def __init__(
        self, api: str, error: ParallelError, *, results: Sequence[dict[str, Any]] = ()
    ) -> None:
        super().__init__(f"Error calling Parallel {api} API: {error}")
        self.run_id, self.interaction_id = error.run_id, error.interaction_id
        self.billed = error.billed
        self.results = tuple(results)


class NoKey(MissingKey, ValueError):
    """No API key was given."""


def parallel_error(error: BaseException) -> ParallelError:
    """The error of this package behind one of LangChain's."""
    cause = error if isinstance(error, ParallelError) else error.__cause__
    return cause if isinstance(cause, ParallelError) else ParallelError(str(error), billed=None)
