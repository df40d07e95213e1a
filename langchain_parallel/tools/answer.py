"""`Answer`: what a person gets who calls the tool by hand and wants the object, not the text.

Rule: an answer is paid for, so nothing about it raises where it is made: whether it fits the caller's own
type is asked later, of `parsed`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from types import UnionType
from typing import Any, get_origin

from langchain_core.tools import ToolException
from pydantic import ValidationError
from typing_extensions import Self

from ..errors import InvalidRequest, ParallelError
from ..evidence import Evidence, evidence_of
from ..models import TaskRunResult
from ..text.answer_html import answer_html, sources_html
from ..text.format import usd
from ..text.markdown import UNVERIFIED, answer_markdown, escape_line
from ..text.markdown_writer import rewrite_markdown
from ..text.result import answer_text, evidence_notes, remarks
from ..text.web_html import bullets_html, safe
from .tool_messages import explain


@contextmanager
def raising_ours() -> Iterator[None]:
    """Raise the package's own errors in the place of LangChain's."""
    try:
        yield
    except ToolException as error:
        if isinstance(error.__cause__, ParallelError):
            raise error.__cause__ from None
        raise
    except ValidationError as error:
        problem = explain(error)
    else:
        return
    raise InvalidRequest([problem])  # pydantic's error repeats what was given


@dataclass(frozen=True)
class Answer:
    """An answer with its evidence. What it says comes from the web and is not verified.

    Attributes:
        result: All that the API said, excerpts and reasoning included.
        cost_usd: USD, at the list price, of all its runs; None for a processor that has none.
        cost_is_lower_bound: Calls of data connectors are billed on top.
        run_ids: The run, and any other that was started for the same call: normally none.
        output_schema: The shape that was asked for.
    """

    result: TaskRunResult = field(repr=False)
    cost_usd: float | None
    run_ids: tuple[str, ...]
    cost_is_lower_bound: bool = False
    output_schema: Any = field(default=None, repr=False)

    @property
    def run_id(self) -> str:
        """The run whose answer this is."""
        return self.result.run.run_id

    @property
    def interaction_id(self) -> str | None:
        """What a follow-up continues from."""
        return self.result.run.interaction_id

    @property
    def content(self) -> Any:
        """The answer as the API gave it: text, or a JSON object."""
        return self.result.output.content

    @property
    def parsed(self) -> Any:
        """The answer as a value of the type that was given as `output_schema`; without one, its content.

        Raises:
            OutputMismatch: It does not fit. It is paid for, and stays at `content`.
        """
        form = self.output_schema
        is_type = isinstance(form, type | UnionType) or get_origin(form) is not None
        return self.result.parse(form) if is_type else self.content

    @property
    def text(self) -> str:
        """The answer as text, field by field, with the numbers of its citations."""
        return answer_text(self._evidence, ()).answer

    @property
    def citations(self) -> list[dict[str, Any]]:
        """The sources: `number`, `url`, `title`, `fields`."""
        return self._evidence["citations"]

    @property
    def confidence(self) -> dict[str, str]:
        """By field: `high`, `medium`, `low`."""
        return self._evidence["confidence"]

    @property
    def warnings(self) -> list[str]:
        """The API's warnings and the failed calls of MCP servers."""
        return list(remarks(self.result))

    def __str__(self) -> str:
        """The answer with what is uncertain, its sources and warnings."""
        notes = [*evidence_notes(self._evidence), *remarks(self.result)]
        return str(answer_text(self._evidence, notes))

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """What notebooks show: also those that are not trusted, because there is no script and no frame."""
        return {
            "text/plain": str(self),
            "text/markdown": self._repr_markdown_(),
            "text/html": self._repr_html_(),
        }

    def _repr_markdown_(self) -> str:
        """The same as Markdown, whatever the web wrote."""
        return "\n\n".join(filter(None, self._markdown_parts()))

    def _repr_html_(self) -> str:
        """The same as HTML, whatever the web wrote."""
        notes = [*evidence_notes(self._evidence), *remarks(self.result)]
        parts = (
            f"<p><em>{safe(UNVERIFIED.strip('*'))}</em></p>",
            answer_html(self._evidence),
            bullets_html(map(safe, notes)),
            sources_html(self.citations),
            f"<p>{safe(self._cost())}</p>",
        )
        return f"<div>{''.join(parts)}</div>"

    def _markdown_parts(self) -> Iterator[str]:
        notes = [*evidence_notes(self._evidence), *remarks(self.result)]
        shown = answer_markdown(self._evidence, notes)
        text = rewrite_markdown(self.content) if isinstance(self.content, str) else None
        yield from (UNVERIFIED, text or shown.answer, shown.notes)
        if shown.citations:
            yield "Sources:\n\n" + "\n".join(shown.citations)
        yield escape_line(self._cost())

    def _cost(self) -> str:
        at_least = "at least " if self.cost_is_lower_bound else ""
        return f"Run {self.run_id}, {at_least}{usd(self.cost_usd)}"

    @cached_property
    def _evidence(self) -> Evidence:
        return evidence_of(self.result)

    @classmethod
    def of(cls, artifact: Mapping[str, Any], output_schema: Any) -> Self:
        """The answer in the artifact of a tool's message."""
        parts = {name: artifact[name] for name in TaskRunResult.model_fields if name in artifact}
        return cls(
            result=TaskRunResult.model_validate(parts),
            cost_usd=artifact["cost_usd"],
            cost_is_lower_bound=artifact["cost_is_lower_bound"],
            run_ids=(artifact["run_id"], *artifact["duplicates"]),
            output_schema=output_schema,
        )
