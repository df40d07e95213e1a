"""Errors as programs written for the official package expect them: each is a `ValueError`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import MissingKey, ParallelError


class CallFailed(ParallelError, ValueError):
    """A call failed; what happened is its `__cause__`, and its ids are here, too.

    Attributes:
        results: Of a batch, what came of each row.
    """

    def __init__(
        self, api: str, error: ParallelError, *, results: Sequence[dict[str, Any]] = ()
    ) -> None:
        super().__init__(
            f"Error calling Parallel {api} API: {error.message}",
            hint=error.hint,
            run_id=error.run_id,
            interaction_id=error.interaction_id,
            billed=error.billed,
        )
        self.results: tuple[dict[str, Any], ...] = tuple(results)


class NoKey(MissingKey, ValueError):
    """No API key was given."""


def parallel_error(error: BaseException) -> ParallelError:
    """The error of this package behind one of LangChain's."""
    cause = error if isinstance(error, ParallelError) else error.__cause__
    return cause if isinstance(cause, ParallelError) else ParallelError(str(error), billed=None)
