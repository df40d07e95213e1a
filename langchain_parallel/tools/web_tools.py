"""What `ParallelSearchTool` and `ParallelExtractTool` share.

Rule: a call is one request, which is repeated only where it cannot have cost anything (`_core/retry.py`). It
leaves nothing on the server by which a later call could find it, so a step that is replayed asks and pays
again: at most a few cents.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal, cast

from langchain_core.callbacks import AsyncCallbackManagerForToolRun, CallbackManagerForToolRun
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, ToolException
from pydantic import ConfigDict, Field
from typing_extensions import TypedDict

from .._core.calls import Calls, adrive, drive
from .._core.plain_text import one_line
from .._graph.callbacks import trace_cost
from .._graph.web_door import WebDoor
from ..errors import ParallelError
from ..models import (
    ExtractResponse,
    ExtractResult,
    SearchResponse,
    WebSearchResult,
)
from ..text.result import DEFAULT_MAX_CHARS, MIN_CHARS
from ..text.untrusted import ERROR_CHARS, harmless
from ..text.web_pages import Page
from .call_site import AnyRuntime, CallSite, config_inside
from .thread_citations import number_citations
from .tool_messages import explain

_SEALED = "session of searches"
TITLE_CHARS = 100


Told = tuple[str, dict[str, Any]]
"""Content and artifact."""


class NumberedPage(TypedDict):
    """A page that a model was shown, under its number. Title and address are untrusted."""

    number: int
    url: str
    title: str | None


class WebTool(WebDoor, BaseTool):
    """What the two tools share."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid", hide_input_in_errors=True, arbitrary_types_allowed=True
    )

    response_format: Literal["content", "content_and_artifact"] = "content_and_artifact"
    handle_tool_error: bool | str | Callable[[ToolException], str] | None = True
    handle_validation_error: bool | str | Callable[[Any], str] | None = Field(
        default=explain, exclude=True, repr=False
    )

    max_chars: int | None = Field(default=DEFAULT_MAX_CHARS, ge=MIN_CHARS)
    """Longest content in characters, at least 1,000; None: no limit. What is cut is said."""

    def _run(
        self,
        *texts: str,
        objective: str = "",
        runtime: AnyRuntime = None,  # type: ignore[assignment]  # injected by LangGraph, absent elsewhere
        config: RunnableConfig,
        run_manager: CallbackManagerForToolRun | None = None,
        **asked: list[str],
    ) -> Told:
        site = CallSite.of(runtime, config)
        return drive(
            self._answer(_first(texts, asked), objective, site, config_inside(config, run_manager))
        )

    async def _arun(
        self,
        *texts: str,
        objective: str = "",
        runtime: AnyRuntime = None,  # type: ignore[assignment]  # injected by LangGraph, absent elsewhere
        config: RunnableConfig,
        run_manager: AsyncCallbackManagerForToolRun | None = None,
        **asked: list[str],
    ) -> Told:
        site = CallSite.of(runtime, config)
        steps = self._answer(
            _first(texts, asked), objective, site, config_inside(config, run_manager)
        )
        return await adrive(steps)

    @abstractmethod
    def _answer(
        self, texts: Sequence[str], objective: str, site: CallSite, config: RunnableConfig
    ) -> Calls[Told]:
        """Content and artifact for these queries or addresses."""

    def _session_id(self, site: CallSite) -> str | None:
        """That of the latest answer in this conversation: the API then knows what it was about so far."""
        for message in reversed(site.messages):
            artifact = getattr(message, "artifact", None)
            if not isinstance(artifact, Mapping):
                continue
            named, seal = artifact.get("session_id"), artifact.get("seal")
            place = (_SEALED, named, site.thread_id)
            if isinstance(named, str) and self._clients.seals.holds(seal, *place):
                return named
        return None

    def _seal(self, session_id: str | None, site: CallSite) -> str:
        """Proves that a session is this conversation's."""
        return self._clients.seals.of(_SEALED, session_id, site.thread_id)


def _first(texts: Sequence[str], asked: Mapping[str, Sequence[str]]) -> Sequence[str]:
    """The queries or addresses; LangChain passes a bare string (`tool.invoke("…")`) without a name."""
    return texts or next(iter(asked.values()))


def warnings_of(answer: SearchResponse | ExtractResponse) -> list[str]:
    """The warnings of an answer, harmless."""
    return [harmless(str(one), ERROR_CHARS) for one in answer.warnings or ()]


def number_pages(
    results: Sequence[WebSearchResult | ExtractResult], site: CallSite
) -> tuple[list[Page], list[NumberedPage]]:
    """The pages with their numbers, for a model and for programs. One without an address cannot be cited."""
    found: dict[str, WebSearchResult | ExtractResult] = {}
    for one in results:
        if url := one_line(one.url):
            found.setdefault(url, one)
    cited = [
        {"url": url, "title": one_line(one.title or "", TITLE_CHARS) or None}
        for url, one in found.items()
    ]
    numbered = number_citations(cited, site.messages, site.nth_call, site.tools, site.state)
    citations = [cast(NumberedPage, one) for one in numbered]
    return [_page(one["number"], one["url"], found[one["url"]]) for one in citations], citations


def _page(number: int, url: str, result: WebSearchResult | ExtractResult) -> Page:
    whole = getattr(result, "full_content", None)
    texts = [whole] if whole else result.excerpts
    return Page(number, url, result.title or "", result.publish_date or "", texts)


def refusal(error: ParallelError) -> ToolException:
    """An error for a model. What the server says in it stays on one line and cannot pose as an answer."""
    return ToolException(harmless(f"{error.message} {error.hint}", ERROR_CHARS))


def trace_call(name: str, artifact: Mapping[str, Any], config: RunnableConfig) -> Calls[None]:
    """What a call has cost, as a run of its own in the trace."""
    if config.get("callbacks"):
        kept = {
            name: value for name, value in artifact.items() if name not in ("citations", "seal")
        }
        yield from trace_cost(f"{name}_cost", kept, config)
