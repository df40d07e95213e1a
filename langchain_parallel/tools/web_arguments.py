"""The arguments that a model fills in to search and to read pages."""

from __future__ import annotations

import json
from typing import Annotated, Any, ClassVar, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from .arguments import Injected


def _as_texts(given: Any) -> Any:
    """One text in place of a list of texts, and a list written as JSON: small models give both."""
    if not isinstance(given, str):
        return given
    try:
        read = json.loads(given) if given.lstrip().startswith("[") else None
    except ValueError:
        read = None
    return read if isinstance(read, list) else [given]


_Texts: TypeAlias = Annotated[list[str], BeforeValidator(_as_texts)]
_Objective: TypeAlias = Annotated[
    str,
    BeforeValidator(lambda given: "" if given is None else given),
    Field(
        max_length=5_000,
        description="What the results are needed for, in one or two whole sentences. They are chosen by it.",
    ),
]


class SearchArguments(BaseModel):
    """What a model fills in to search."""

    model_config: ClassVar[ConfigDict] = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    search_queries: _Texts = Field(
        min_length=1,
        max_length=5,
        description="From 1 to 5 search queries of 3 to 6 words each, for a search engine; 2 or 3 are best.",
    )
    objective: _Objective = ""
    runtime: Injected = None  # type: ignore[assignment]  # absent outside LangGraph


class ExtractArguments(BaseModel):
    """What a model fills in to read pages."""

    model_config: ClassVar[ConfigDict] = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    urls: _Texts = Field(
        min_length=1,
        max_length=20,
        description="From 1 to 20 whole addresses of pages, such as https://example.com/page.",
    )
    objective: _Objective = ""
    runtime: Injected = None  # type: ignore[assignment]  # absent outside LangGraph
