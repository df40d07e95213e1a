"""Doors that are pydantic models: LangChain's tools, retrievers and chat models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from .._core.hidden import as_secret, hide
from ..errors import ParallelError
from ..models.refusal import without_input


class DiscreetDoor(BaseModel):
    """A door made of pydantic fields: an error of making it holds neither its key nor what was given."""

    if not TYPE_CHECKING:

        def __init__(self, /, **given: Any) -> None:
            try:
                given |= {n: as_secret(v) for n, v in given.items() if n == "api_key"}
                given |= {n: hide(v) for n, v in given.items() if n == "extra_body"}
                super().__init__(**given)
            except (ValidationError, ParallelError) as error:
                refused = type(self)._refusal(error)
            else:
                return
            del given, self
            raise refused

        __init__.__pydantic_base_init__ = True

    @classmethod
    def _refusal(cls, error: ValidationError | ParallelError) -> Exception:
        return without_input(error)
